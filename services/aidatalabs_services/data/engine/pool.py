"""The engines of one data service: one process and one directory per platform, started when needed."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.line import WaitingLine
from aidatalabs_services.data.engine.process import EngineAddress, EngineNotStarted, EngineProcess
from aidatalabs_services.runtime.errors import Overloaded, ServiceUnavailable

_LOG = logging.getLogger(__name__)
_UID = re.compile(r"[0-9a-f-]{36}\Z")
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 15.0
_PATIENCE_SECONDS = 2.0
_STEADY_SECONDS = 30.0
# While others wait an engine keeps its place this long, or until it had nothing to do for a moment: a start
# takes 0.7 s, and a question is several statements.
_TURN_SECONDS = 2.0
_PAUSE_SECONDS = 0.5


@dataclass(eq=False)
class _Slot:
    """One platform's place: its process if it runs, who uses it, how often it failed in a row."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    process: EngineProcess | None = None
    starting: bool = False
    leases: int = 0
    used: float = field(default_factory=time.monotonic)
    failures: int = 0
    not_before: float = 0.0
    removed: bool = False

    def is_running(self) -> bool:
        return self.process is not None and not self.process.exited.is_set()

    def had_turn(self) -> bool:
        """Whether the engine has run long enough to make room for a platform that waits."""
        return self.process is not None and time.monotonic() - self.process.started > _TURN_SECONDS

    def may_go(self) -> bool:
        """Whether nobody leases the engine and it had its turn, or nothing to do for a moment."""
        unused = time.monotonic() - self.used
        return not self.leases and not self.lock.locked() and (self.had_turn() or unused > _PAUSE_SECONDS)


class EnginePool:
    """Hands out addresses of engines. Use `lease` around each query; ask again for each, ports change.

    At most `max_engines` run at once: a new one takes the place of the one idle longest. While all are leased
    its platform stands in a line for up to `wait_seconds`, then it is refused with Overloaded. Meanwhile
    engines that had their turn give no further leases until as many are free as platforms wait: nobody who
    keeps asking keeps the others out.

    An engine nobody used for `idle_seconds` is stopped; its next use starts it (about 0.7 s). One that is in
    use and has not answered a ping for `hung_seconds` is killed, and so started again.

    `writable` names the folders beside its own that a platform's engine may write; they must be there when it
    starts, and no other platform's engine may have them.
    """

    def __init__(
        self,
        root: Path,
        limits: EngineLimits | None = None,
        *,
        max_engines: int = 8,
        idle_seconds: float = 600.0,
        hung_seconds: float = 15.0,
        wait_seconds: float = 5.0,
        writable: Callable[[str], Sequence[Path]] = lambda uid: (),
    ) -> None:
        self._root = root
        self._limits = limits or EngineLimits()
        self._max_engines = max_engines
        self._idle_seconds = idle_seconds
        self._hung_seconds = hung_seconds
        self._wait_seconds = wait_seconds
        self._writable = writable
        self._slots: dict[str, _Slot] = {}
        self._count = asyncio.Lock()
        self._line = WaitingLine()
        self._closed = False
        self._keepers: list[asyncio.Task[None]] = []

    async def address(self, platform_uid: str) -> EngineAddress:
        """The platform's engine, started if need be; callers at the same time share one start.

        Raises ValueError for a uid that is none, ServiceUnavailable while an engine that keeps failing rests,
        Overloaded when every place stayed in use.
        """
        return await self._address(
            platform_uid, self._slot(platform_uid), time.monotonic() + self._wait_seconds
        )

    async def _address(self, platform_uid: str, slot: _Slot, until: float) -> EngineAddress:
        """The same; waits for a place until the moment `until`."""
        slot.used = time.monotonic()
        async with slot.lock:
            if slot.removed:
                raise ServiceUnavailable(
                    "The data of this platform is being removed.", retry_after_seconds=1.0
                )
            if not slot.is_running():
                await self._start(platform_uid, slot, until)
            if slot.process is None:
                raise ServiceUnavailable("The engine is stopping; try again.", retry_after_seconds=1.0)
            return slot.process.address

    @asynccontextmanager
    async def lease(self, platform_uid: str) -> AsyncIterator[EngineAddress]:
        """The same, held: the engine is not stopped for idleness or for another one while the block runs."""
        slot = self._slot(platform_uid)
        until = time.monotonic() + self._wait_seconds
        while self._makes_room(slot):
            if not await self._line.wait(until):
                raise self._all_in_use()
        slot.leases += 1
        try:
            yield await self._address(platform_uid, slot, until)
        finally:
            slot.leases -= 1
            slot.used = time.monotonic()
            if not slot.leases:
                self._line.move()

    async def drop(self, platform_uid: str) -> None:
        """Kills the platform's engine with all it runs and removes its directory; safe to repeat.

        The uid gets no engine any more, so that nobody who waited for one begins an empty store.
        """
        slot = self._slot(platform_uid)
        slot.removed = True
        self._line.leave(platform_uid)
        if slot.process is not None:
            slot.process.kill()  # whoever holds the lock may be waiting for it
        async with slot.lock:
            await self._stop(slot, grace_seconds=0.0)
            await asyncio.to_thread(shutil.rmtree, self._root / platform_uid, ignore_errors=True)
            if (self._root / platform_uid).exists():
                raise ServiceUnavailable(
                    "The data could not be removed yet; try again.", retry_after_seconds=5.0
                )

    async def close(self) -> None:
        """Stops every engine; the pool hands out nothing afterwards."""
        self._closed = True
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        await asyncio.gather(*(self._stop_locked(slot) for slot in self._slots.values()))

    def running(self) -> dict[str, EngineProcess]:
        """The engines that run now, by platform uid."""
        return {uid: slot.process for uid, slot in self._slots.items() if slot.process and slot.is_running()}

    def _slot(self, platform_uid: str) -> _Slot:
        if not _UID.match(platform_uid):
            raise ValueError("a platform uid is 36 characters of 0-9, a-f and -")
        if self._closed:
            raise ServiceUnavailable("The data service is stopping.", retry_after_seconds=1.0)
        return self._slots.setdefault(platform_uid, _Slot())

    async def _start(self, platform_uid: str, slot: _Slot, until: float) -> None:
        """Starts the engine of a slot whose lock is held; after failures in a row it rests first."""
        if slot.process is not None:
            self._note_end(slot, slot.process)
        pause = slot.not_before - time.monotonic()
        if pause > _PATIENCE_SECONDS:
            raise ServiceUnavailable(
                "The engine of this platform keeps failing; it is started again after a pause.",
                retry_after_seconds=round(pause, 1),
            )
        await asyncio.sleep(max(0.0, pause))
        self._line.join(platform_uid, until)
        async with self._count:  # whoever holds it is the first of the line
            await self._make_room(slot, until)
            slot.starting = True
        self._line.leave(platform_uid)
        try:
            slot.process = await EngineProcess.start(
                self._root / platform_uid, self._limits, writable=self._writable(platform_uid)
            )
        except EngineNotStarted as error:
            _LOG.warning("engine of platform %s: %s", platform_uid, error)
            self._note_failure(slot)
            raise ServiceUnavailable(
                "The engine of this platform did not start; try again.",
                retry_after_seconds=max(1.0, round(slot.not_before - time.monotonic(), 1)),
            ) from error
        finally:
            slot.starting = False
        if not self._keepers and not self._closed:
            # Of their own context: the deadline of the call that starts an engine is not theirs.
            context = contextvars.Context()
            self._keepers = [
                asyncio.create_task(work, context=context) for work in (self._reap(), self._watch())
            ]

    def _note_end(self, slot: _Slot, process: EngineProcess) -> None:
        """An engine ended that nobody stopped: long-lived ones may start at once, others rest."""
        slot.process = None
        if time.monotonic() - process.started > _STEADY_SECONDS:
            slot.failures = 0
        self._note_failure(slot)
        _LOG.warning("an engine ended by itself (failure %s in a row)", slot.failures)

    @staticmethod
    def _note_failure(slot: _Slot) -> None:
        slot.failures += 1
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (slot.failures - 1), _LONGEST_PAUSE_SECONDS)
        slot.not_before = time.monotonic() + (pause if slot.failures > 1 else 0.0)

    async def _make_room(self, slot: _Slot, until: float) -> None:
        """Waits until fewer than `max_engines` run; stops the one idle longest of those that may go."""
        others = [other for other in self._slots.values() if other is not slot]
        while sum(other.starting or other.is_running() for other in others) >= self._max_engines:
            if self._closed or slot.removed:
                raise ServiceUnavailable("The engine is stopping; try again.", retry_after_seconds=1.0)
            if not await self._evict(others) and not await self._line.wait(until):
                raise self._all_in_use()

    async def _evict(self, slots: list[_Slot]) -> bool:
        """Stops the engine that is idle longest of those that may go; False where there is none."""
        for slot in sorted(filter(_Slot.is_running, slots), key=lambda slot: slot.used):
            if not slot.may_go() or not await self._is_idle(slot):
                continue
            # To its end, even if the caller goes away: half stopped it would bar its own next start.
            if await asyncio.shield(self._stop_unleased(slot)):
                return True
        return False

    async def _stop_unleased(self, slot: _Slot) -> bool:
        """Stops the engine unless somebody took a lease of it meanwhile."""
        async with slot.lock:
            if slot.leases:
                return False
            await self._stop(slot)
            return True

    def _makes_room(self, slot: _Slot) -> bool:
        """Whether the engine gives no lease now: it had its turn, and more wait than there is room for."""
        claims = self._line.claims()
        if not claims or not slot.is_running() or not slot.had_turn():
            return False
        taken = [other for other in self._slots.values() if other.starting or other.is_running()]
        free = sum(other is not slot and other.is_running() and other.may_go() for other in taken)
        return claims > free + max(0, self._max_engines - len(taken))

    def _all_in_use(self) -> Overloaded:
        return Overloaded(
            "Every engine on this machine is in use. Try again shortly.",
            metadata={"limit": "engines of this machine", "most": str(self._max_engines)},
            retry_after_seconds=2.0,
        )

    async def _reap(self) -> None:
        """Stops engines nobody used for a while."""
        while not self._closed:
            await asyncio.sleep(min(self._idle_seconds / 2, 30.0))
            for slot in list(self._slots.values()):
                unused = time.monotonic() - slot.used
                if slot.is_running() and unused > self._idle_seconds and await self._is_idle(slot):
                    async with slot.lock:
                        if not slot.leases and time.monotonic() - slot.used > self._idle_seconds:
                            await self._stop(slot)

    async def _watch(self) -> None:
        """Looks after the engines in use, each in a task of its own: one that hangs must not hide another."""
        watched: dict[EngineProcess, asyncio.Task[None]] = {}
        try:
            while not self._closed:
                watched = {process: task for process, task in watched.items() if not task.done()}
                for slot in self._slots.values():
                    process = slot.process
                    if process is not None and slot.leases and slot.is_running() and process not in watched:
                        watched[process] = asyncio.create_task(self._kill_if_hung(slot, process))
                await asyncio.sleep(self._hung_seconds / 5)
        finally:
            for task in watched.values():
                task.cancel()

    async def _kill_if_hung(self, slot: _Slot, process: EngineProcess) -> None:
        """Asks an engine until it answers; kills it when it has not for `hung_seconds` while calls wait."""
        end = time.monotonic() + self._hung_seconds
        while slot.process is process and slot.is_running():
            if await process.answers(self._hung_seconds / 5):
                return
            if time.monotonic() >= end:
                if slot.leases:
                    _LOG.error("an engine has not answered for %s s: it is killed", self._hung_seconds)
                    process.kill()
                return
            await asyncio.sleep(self._hung_seconds / 50)

    @staticmethod
    async def _is_idle(slot: _Slot) -> bool:
        """Whether nobody leases the engine and no query of an unleased address runs in it."""
        if slot.leases or slot.process is None:
            return False
        try:
            return await slot.process.running_queries() == 0
        except OSError:
            return False

    async def _stop_locked(self, slot: _Slot) -> None:
        async with slot.lock:
            await self._stop(slot)

    @staticmethod
    async def _stop(slot: _Slot, *, grace_seconds: float = 10.0) -> None:
        """Stops the engine of a slot whose lock is held; a wanted end is no failure."""
        process, slot.process = slot.process, None
        if process is not None:
            await process.stop(grace_seconds)

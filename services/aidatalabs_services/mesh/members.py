"""One member of a running mesh: started, watched, replaced when it ends or hangs, stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from aidatalabs_services.mesh.errors import MeshError, StartFailed
from aidatalabs_services.mesh.events import EventKind, MeshEvent, OnEvent
from aidatalabs_services.mesh.home import MeshHome, last_lines
from aidatalabs_services.mesh.pids import (
    ProcessEntry,
    ProcessIdentity,
    descendants,
    end_processes,
    process_table,
)
from aidatalabs_services.mesh.processes import Launching, ProcessSpec, Running, describe_exit
from aidatalabs_services.mesh.restarts import RestartBook, RestartPolicy
from aidatalabs_services.mesh.state import ProcessPhase, ProcessRecord
from aidatalabs_services.runtime.postgres_server import PostgresNotStarted

_CHILD_GRACE_SECONDS = 2.0
_LEAST_SILENT_ASKS = 3
_ANSWER_SECONDS = 2.0


@dataclass(frozen=True)
class Patience:
    """How long a member may take: to become ready, and without an answer to its health check.

    It is asked every `ask_seconds`; one that answers nothing for `hang_seconds` hangs and is killed.
    """

    start_seconds: float
    hang_seconds: float
    ask_seconds: float

    @property
    def answer_seconds(self) -> float:
        """How long one answer may take: one that is flooded with calls is slow, and no better for a kill."""
        return max(_ANSWER_SECONDS, self.hang_seconds / _LEAST_SILENT_ASKS)


class Member:
    """A process of the mesh with its record; `save` is called whenever the record has changed."""

    def __init__(
        self,
        spec: ProcessSpec,
        home: MeshHome,
        launching: Launching,
        *,
        on_event: OnEvent,
        save: Callable[[], None],
        patience: Patience,
        restarts: RestartPolicy,
    ) -> None:
        self.spec = spec
        self.record = ProcessRecord(spec.name, ProcessPhase.WAITING, metrics=spec.metrics)
        self.ready = asyncio.Event()
        self._log = home.log(spec.name)
        self._launching = replace(launching, log=self._log)
        self._on_event = on_event
        self._save = save
        self._patience = patience
        self._restarts = RestartBook(restarts)
        self._ready_at: float | None = None
        self._running: Running | None = None

    async def start(self) -> None:
        """Start it and return when it is ready. Raises StartFailed; the process is stopped then."""
        begun = _now()
        self._ready_at = None
        self._move(ProcessPhase.STARTING)
        self._tell(EventKind.PROCESS_STARTING, f"{self.spec.name} is starting")
        try:
            self._running = await self.spec.start(self._launching)
        except MeshError as error:
            raise self._failure(str(error).rstrip(".")) from error
        except (OSError, PostgresNotStarted) as error:
            raise self._failure(str(error)) from error
        except Exception as error:  # a fault of ours must not end the watch over this process
            raise self._failure(f"{type(error).__name__}: {error}") from error
        self.record.identity = ProcessIdentity.of(self._running.pid)
        self.record.check = self.spec.ready()
        self._save()
        trouble = await self._trouble_before_ready(self._running)
        if trouble is not None:
            await self.stop(0.5)
            raise self._failure(trouble)
        self.note_children(process_table())
        self._move(ProcessPhase.RUNNING)
        self._ready_at = _now()
        self.ready.set()
        self._tell(
            EventKind.PROCESS_READY,
            f"{self.spec.name} is ready ({self._ready_at - begun:.1f} s){self._running.note}",
        )

    async def keep_running(self) -> None:
        """Wait for its end or its silence and start it again, for ever; cancelled to stop the mesh."""
        while self._running is not None:
            ended = await self._end_of(self._running)
            await self._end_children()
            self._running = None
            self.record.identity = None
            self._note_end(ended)
            self._move(ProcessPhase.RESTARTING)
            self._tell(EventKind.PROCESS_EXITED, f"{self.spec.name} {ended}", tail=True)
            await self._start_again()

    async def stop(self, timeout_seconds: float) -> None:
        """End it, by force after the time, and everything it started."""
        running, self._running = self._running, None
        if running is not None:
            self.note_children(process_table())
            if self.spec.drain is not None and timeout_seconds > 0 and self._ready_at is not None:
                await self.spec.drain(timeout_seconds)
            await running.stop(timeout_seconds)
            await self._end_children()
            self._tell(EventKind.PROCESS_STOPPED, f"{self.spec.name} has stopped")
        self.record.identity = None
        self._move(ProcessPhase.STOPPED)

    def note_children(self, table: dict[int, ProcessEntry]) -> bool:
        """Bring the record of its own children up to date; True when it changed."""
        identity = self.record.identity
        # PostgreSQL's backends come and go, and end with their postmaster.
        if identity is None or self.spec.launch is not None:
            return False
        found = descendants(table, identity.pid)
        changed = found != self.record.children
        self.record.children = found
        return changed

    async def _end_of(self, running: Running) -> str:
        """Wait until it has ended, by itself or because it hung; how it ended, in words."""
        ended = asyncio.ensure_future(running.wait())
        silent = asyncio.ensure_future(self._wait_for_silence())
        try:
            await asyncio.wait({ended, silent}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return f"{describe_exit(ended.result())} by itself"
            silent.result()
            if self.record.identity is not None:
                # A hung process may never come to its handler of a gentler signal.
                self.record.identity.send(signal.SIGKILL)
            await ended
            return f"did not answer for {self._patience.hang_seconds:.0f} s and was killed"
        finally:
            ended.cancel()
            silent.cancel()

    async def _wait_for_silence(self) -> None:
        """Return when its health check has had no answer of any kind for too long."""
        asks, silent_since = 0, 0.0
        while True:
            await asyncio.sleep(self._patience.ask_seconds)
            begun = _now()
            if self.record.check is None or await self.record.check.answers(self._patience.answer_seconds):
                asks = 0
                continue
            asks += 1
            silent_since = begun if asks == 1 else silent_since
            # Counted too: a machine that slept for a while is not a process that hangs.
            if asks >= _LEAST_SILENT_ASKS and _now() - silent_since >= self._patience.hang_seconds:
                return

    async def _start_again(self) -> None:
        while True:
            up_seconds = 0.0 if self._ready_at is None else _now() - self._ready_at
            coming = self._restarts.next_try(_now(), up_seconds)
            when = (
                f"{coming.wait_seconds:.1f} s" if coming.wait_seconds < 10 else f"{coming.wait_seconds:.0f} s"
            )
            if coming.rests:
                time = datetime.now(UTC) + timedelta(seconds=coming.wait_seconds)
                message = f"ended too often; the next try is at {time:%H:%M:%S} UTC"
                self._note(message, ProcessPhase.FAILED)
                text = f"{self.spec.name} ended too often; the next try is in {when}"
                self._tell(EventKind.PROCESS_FAILED, text, tail=True)
            else:
                self._tell(EventKind.PROCESS_RESTARTING, f"{self.spec.name} starts again in {when}")
            await asyncio.sleep(coming.wait_seconds)
            self.record.restart_count += 1
            try:
                await self.start()
            except StartFailed as error:
                self._note_end(f"did not start: {error.reason}")
                self._move(ProcessPhase.RESTARTING)
                self._tell(EventKind.PROCESS_FAILED, error.message, tail=True)
            else:
                return

    async def _trouble_before_ready(self, running: Running) -> str | None:
        """Why it will not become ready, None as soon as it is."""
        seconds = self._patience.start_seconds
        ready = asyncio.ensure_future(self.spec.ready().wait())
        ended = asyncio.ensure_future(running.wait())
        try:
            await asyncio.wait({ready, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                return describe_exit(ended.result())
            if not ready.done():
                return f"it was not ready within {seconds:.0f} s"
            fault = ready.exception()
            # A fault of ours must not end the watch over this process.
            return None if fault is None else f"asking it failed: {type(fault).__name__}: {fault}"
        finally:
            ready.cancel()
            ended.cancel()

    async def _end_children(self) -> None:
        children, self.record.children = self.record.children, []
        await end_processes(children, _CHILD_GRACE_SECONDS)

    def _failure(self, reason: str) -> StartFailed:
        return StartFailed(self.spec.name, reason, self._log, last_lines(self._log))

    def _note_end(self, how: str) -> None:
        """Keep the last end for `status`; it stays in the record when the process is back."""
        self.record.last_end = how
        self.record.last_end_time = datetime.now(UTC).isoformat(timespec="seconds")

    def _move(self, phase: ProcessPhase) -> None:
        self._note("", phase)

    def _note(self, message: str, phase: ProcessPhase) -> None:
        self.record.message = message
        self.record.phase = phase
        self._save()

    def _tell(self, kind: EventKind, text: str, *, tail: bool = False) -> None:
        detail = last_lines(self._log) if tail else ""
        self._on_event(MeshEvent(kind, text, self.spec.name, detail))


def _now() -> float:
    return asyncio.get_running_loop().time()

"""One member of a running mesh: started, watched, started again when it ends by itself, stopped."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

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
from aidatalabs_services.mesh.state import ProcessPhase, ProcessRecord
from aidatalabs_services.runtime.postgres_server import PostgresNotStarted

_CHILD_GRACE_SECONDS = 2.0


@dataclass(frozen=True)
class RestartPolicy:
    """How a process that ended by itself is started again: waits double, and tries are limited."""

    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 5.0
    tries: int = 5
    window_seconds: float = 60.0
    """After `tries` restarts within this time the process is given up."""

    def wait_seconds(self, recent_tries: int) -> float:
        """How long to wait before the next try."""
        return min(self.first_wait_seconds * 2.0**recent_tries, self.longest_wait_seconds)


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
        start_timeout_seconds: float,
        restarts: RestartPolicy,
    ) -> None:
        self.spec = spec
        self.record = ProcessRecord(spec.name, ProcessPhase.WAITING)
        self.ready = asyncio.Event()
        self._log = home.log(spec.name)
        self._launching = replace(launching, log=self._log)
        self._on_event = on_event
        self._save = save
        self._start_timeout_seconds = start_timeout_seconds
        self._restarts = restarts
        self._tries: deque[float] = deque()
        self._running: Running | None = None

    async def start(self) -> None:
        """Start it and return when it is ready. Raises StartFailed; the process is stopped then."""
        begun = asyncio.get_running_loop().time()
        self._move(ProcessPhase.STARTING)
        self._tell(EventKind.PROCESS_STARTING, f"{self.spec.name} is starting")
        try:
            self._running = await self.spec.start(self._launching)
        except MeshError as error:
            raise self._failure(str(error).rstrip(".")) from error
        except (OSError, PostgresNotStarted) as error:
            raise self._failure(str(error)) from error
        self.record.identity = ProcessIdentity.of(self._running.pid)
        self.record.check = self.spec.ready()
        self._save()
        trouble = await self._trouble_before_ready(self._running)
        if trouble is not None:
            await self.stop(0.5)
            raise self._failure(trouble)
        self.note_children(process_table())
        self._move(ProcessPhase.RUNNING)
        self.ready.set()
        seconds = asyncio.get_running_loop().time() - begun
        self._tell(
            EventKind.PROCESS_READY, f"{self.spec.name} is ready ({seconds:.1f} s){self._running.note}"
        )

    async def keep_running(self) -> None:
        """Wait for its end and start it again, until the policy gives it up; cancelled to stop the mesh."""
        while self._running is not None:
            code = await self._running.wait()
            await self._end_children()
            self._running = None
            self.record.identity = None
            self._note(f"{describe_exit(code)} by itself", ProcessPhase.RESTARTING)
            self._tell(
                EventKind.PROCESS_EXITED, f"{self.spec.name} {describe_exit(code)} by itself", tail=True
            )
            await self._start_again()

    async def stop(self, timeout_seconds: float) -> None:
        """End it, by force after the time, and everything it started."""
        running, self._running = self._running, None
        if running is not None:
            self.note_children(process_table())
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

    async def _start_again(self) -> None:
        while True:
            now = asyncio.get_running_loop().time()
            while self._tries and now - self._tries[0] > self._restarts.window_seconds:
                self._tries.popleft()
            if len(self._tries) >= self._restarts.tries:
                self._note("ended by itself too often and is not started again", ProcessPhase.FAILED)
                self._tell(EventKind.PROCESS_FAILED, f"{self.spec.name} {self.record.message}", tail=True)
                return
            wait = self._restarts.wait_seconds(len(self._tries))
            self._tries.append(now)
            self._tell(EventKind.PROCESS_RESTARTING, f"{self.spec.name} starts again in {wait:.1f} s")
            await asyncio.sleep(wait)
            self.record.restart_count += 1
            try:
                await self.start()
            except StartFailed as error:
                self._note(error.reason, ProcessPhase.RESTARTING)
                self._tell(EventKind.PROCESS_FAILED, error.message, tail=True)
            else:
                return

    async def _trouble_before_ready(self, running: Running) -> str | None:
        """Why it will not become ready, None as soon as it is."""
        ready = asyncio.ensure_future(self.spec.ready().wait())
        ended = asyncio.ensure_future(running.wait())
        try:
            await asyncio.wait(
                {ready, ended}, timeout=self._start_timeout_seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if ended.done():
                return describe_exit(ended.result())
            if not ready.done():
                return f"it was not ready within {self._start_timeout_seconds:.0f} s"
            ready.result()
            return None
        finally:
            ready.cancel()
            ended.cancel()

    async def _end_children(self) -> None:
        children, self.record.children = self.record.children, []
        await end_processes(children, _CHILD_GRACE_SECONDS)

    def _failure(self, reason: str) -> StartFailed:
        return StartFailed(self.spec.name, reason, self._log, last_lines(self._log))

    def _move(self, phase: ProcessPhase) -> None:
        self._note("", phase)

    def _note(self, message: str, phase: ProcessPhase) -> None:
        self.record.message = message
        self.record.phase = phase
        self._save()

    def _tell(self, kind: EventKind, text: str, *, tail: bool = False) -> None:
        detail = last_lines(self._log) if tail else ""
        self._on_event(MeshEvent(kind, text, self.spec.name, detail))

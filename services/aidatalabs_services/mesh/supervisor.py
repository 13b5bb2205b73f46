"""Runs one mesh in this process: starts its processes in order, watches them, stops them in reverse.

    run_mesh ── takes HOME's lock, ends strays of a killed mesh, checks the port, makes certificates
       └─ Supervisor ── one Member a process: start when its needs are ready, keep running, stop by layer

A process that fails to start stops the whole start. One that ends or hangs later is reported and replaced.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from aidatalabs_services.mesh.errors import AlreadyUp, HomeInUse, StartFailed
from aidatalabs_services.mesh.events import EventKind, MeshEvent, OnEvent
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.identities import mint_for_mesh
from aidatalabs_services.mesh.members import Member, Patience
from aidatalabs_services.mesh.pids import ProcessIdentity, process_table
from aidatalabs_services.mesh.ports import refuse_busy_port
from aidatalabs_services.mesh.processes import Launching, ProcessSpec
from aidatalabs_services.mesh.restarts import RestartPolicy
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshLock, MeshPhase, MeshRecord, read_record
from aidatalabs_services.mesh.strays import end_strays

_NOTE_CHILDREN_SECONDS = 1.0
_ASK_SECONDS = 3.0

Plan = Callable[[MeshSettings, MeshHome, Path], Sequence[ProcessSpec]]
"""Makes the list of processes from the settings, HOME and the folder for sockets."""

OnReady = Callable[[MeshRecord], Awaitable[None]]


async def run_mesh(
    settings: MeshSettings,
    on_event: OnEvent,
    *,
    plan: Plan,
    on_ready: OnReady | None = None,
    restarts: RestartPolicy | None = None,
) -> None:
    """Run the mesh until SIGINT, SIGTERM, SIGHUP or cancellation; everything has stopped on return.

    `on_ready` runs once every process is ready, beside the mesh; an exception in it stops the mesh and is
    raised. A second signal ends what is still stopping by force. Raises AlreadyUp, PortInUse, StartFailed and
    the other errors of `mesh.errors`.
    """
    settings.refuse_what_is_not_built()
    home = MeshHome.at(settings.home)
    home.prepare()
    with MeshLock(home) as lock:
        if not await lock.take_patiently():
            running = read_record(home)
            if running is not None and running.port != settings.port:
                raise HomeInUse(home.path, running.port, settings.port)
            raise AlreadyUp(home.path)
        ended = await end_strays(home)
        if ended:
            on_event(MeshEvent(EventKind.NOTICE, f"ended {ended} processes that a killed mesh left behind"))
        refuse_busy_port(settings.port)
        sockets = home.make_socket_folder()
        mint_for_mesh(sockets)
        specs = plan(settings, home, sockets)
        supervisor = Supervisor(settings, home, sockets, specs, on_event, restarts or RestartPolicy())
        async with _signals() as (stop, hurry):
            try:
                await _until_stopped(supervisor, stop, on_ready)
            finally:
                await supervisor.stop(hurry)
                home.record.unlink(missing_ok=True)
                home.remove_socket_folder()
    on_event(MeshEvent(EventKind.MESH_STOPPED, "the mesh has stopped"))


async def _until_stopped(supervisor: Supervisor, stop: asyncio.Event, on_ready: OnReady | None) -> None:
    stopping = asyncio.create_task(stop.wait())
    working = asyncio.create_task(_start_then(supervisor, on_ready))
    try:
        await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        if not stopping.done():
            await stopping
    finally:
        for task in (stopping, working):
            task.cancel()
        await asyncio.gather(stopping, working, return_exceptions=True)


async def _start_then(supervisor: Supervisor, on_ready: OnReady | None) -> None:
    await supervisor.start()
    if on_ready is not None:
        await on_ready(supervisor.record)


@contextlib.asynccontextmanager
async def _signals() -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    """Two events: the first is set by a signal to stop, the second by a further one."""
    stop, hurry = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        (hurry if stop.is_set() else stop).set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, heard)
    try:
        yield stop, hurry
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class Supervisor:
    """The processes of one mesh and their record; it must run on the main thread's event loop.

    Children are tied to the thread that started them: the kernel signals them when that thread ends.
    """

    def __init__(
        self,
        settings: MeshSettings,
        home: MeshHome,
        sockets: Path,
        specs: Sequence[ProcessSpec],
        on_event: OnEvent,
        restarts: RestartPolicy,
    ) -> None:
        me = ProcessIdentity.of(os.getpid())
        if me is None:
            raise RuntimeError("this process is not in the process table")
        self._home = home
        self._on_event = on_event
        self._stop_timeout_seconds = settings.mesh_stop_timeout_seconds
        self._lifeline_reader, self._lifeline_writer = os.pipe()
        self._keepers: set[asyncio.Future[None]] = set()
        launching = Launching(self._lifeline_reader, home.log("mesh"), settings.mesh_log_bytes, home.path)
        patience = Patience(
            settings.mesh_start_timeout_seconds,
            settings.mesh_hang_seconds,
            min(_ASK_SECONDS, settings.mesh_hang_seconds / 4),
        )
        self._members = {
            spec.name: Member(
                spec,
                home,
                launching,
                on_event=on_event,
                save=self._save,
                patience=patience,
                restarts=restarts,
            )
            for spec in specs
        }
        self.record = MeshRecord(
            version=version("aidatalabs"),
            home=str(home.path),
            port=settings.port,
            socket_folder=str(sockets),
            supervisor=me,
            phase=MeshPhase.STARTING,
            processes=[member.record for member in self._members.values()],
        )
        self._save()

    async def start(self) -> None:
        """Start every process, each as soon as what it needs is ready. Raises StartFailed."""
        self._keep(self._note_children())
        try:
            async with asyncio.TaskGroup() as group:
                for member in self._members.values():
                    group.create_task(self._bring_up(member))
        except* StartFailed as failures:
            first = failures.exceptions[0]
            while isinstance(first, BaseExceptionGroup):
                first = first.exceptions[0]
            self._report_failure(first)
            raise first from None
        self.record.phase = MeshPhase.UP
        self._save()
        self._on_event(MeshEvent(EventKind.MESH_READY, f"the mesh is up at {self.record.url}"))

    async def stop(self, hurry: asyncio.Event) -> None:
        """Stop every process, the highest layer first; `hurry` cuts the waiting short."""
        self.record.phase = MeshPhase.STOPPING
        self._save()
        self._on_event(MeshEvent(EventKind.MESH_STOPPING, "the mesh is stopping"))
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for layer in sorted({member.spec.layer for member in self._members.values()}, reverse=True):
            members = [member for member in self._members.values() if member.spec.layer == layer]
            await asyncio.gather(*(self._stop_member(member, hurry) for member in members))
        os.close(self._lifeline_reader)
        os.close(self._lifeline_writer)

    async def _bring_up(self, member: Member) -> None:
        for need in member.spec.needs:
            await self._members[need].ready.wait()
        await member.start()
        self._keep(member.keep_running())

    async def _stop_member(self, member: Member, hurry: asyncio.Event) -> None:
        if hurry.is_set():
            await member.stop(0.0)
            return
        stopping = asyncio.create_task(member.stop(self._stop_timeout_seconds))
        hurried = asyncio.create_task(hurry.wait())
        await asyncio.wait({stopping, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if not stopping.done() and member.record.identity is not None:
            member.record.identity.send(signal.SIGKILL)
        await stopping

    async def _note_children(self) -> None:
        while True:
            table = process_table()
            changed = [member.note_children(table) for member in self._members.values()]
            if any(changed):
                self._save()
            await asyncio.sleep(_NOTE_CHILDREN_SECONDS)

    def _keep(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._keepers.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Future[None]) -> None:
        """A watch that ends on a fault of its own leaves something unwatched, and must not do so silently."""
        self._keepers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            text = f"the mesh no longer watches one of its processes ({type(error).__name__}: {error})"
            self._on_event(MeshEvent(EventKind.NOTICE, text))

    def _report_failure(self, failure: BaseException) -> None:
        if isinstance(failure, StartFailed):
            self._on_event(
                MeshEvent(EventKind.PROCESS_FAILED, str(failure), failure.process, failure.log_tail)
            )

    def _save(self) -> None:
        self.record.write(self._home)

"""The mesh in the background: start it and return when it is ready, and stop it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aidatalabs_services.mesh.errors import HomeBusy, HomeInUse, StartFailed
from aidatalabs_services.mesh.events import EventKind, MeshEvent, OnEvent
from aidatalabs_services.mesh.home import MeshHome, last_lines, put_long_log_aside
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.ports import refuse_busy_port
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshLock, MeshPhase, MeshRecord, mesh_is_locked, read_record
from aidatalabs_services.mesh.strays import end_strays

LOCAL_PLAN = "aidatalabs_services.mesh.topology:local_plan"
"""The plan of the product's own processes, as `module:function`."""

ALREADY_UP_CODE = 3
"""How a supervisor exits that found another one in its HOME."""

_BUSY_SECONDS = 120.0
_STOP_SECONDS = 120.0
_EXIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


@dataclass(frozen=True)
class Stopped:
    """What `stop_mesh` found: whether a mesh ran, and how many strays of a killed one were ended."""

    was_running: bool
    stray_count: int


async def start_detached(settings: MeshSettings, on_event: OnEvent, *, plan: str = LOCAL_PLAN) -> MeshRecord:
    """Start the mesh in a session of its own; returns when every process is SERVING.

    A mesh that is already up in this HOME is left as it is. Raises HomeInUse when it has another port,
    PortInUse before anything was started, StartFailed after everything was stopped again. Cancelling stops
    the mesh.
    """
    settings.refuse_what_is_not_built()
    home = MeshHome.at(settings.home)
    home.prepare()
    while True:
        record = await _running_mesh(home)
        if record is not None:
            if record.port != settings.port:
                raise HomeInUse(home.path, record.port, settings.port)
            on_event(MeshEvent(EventKind.NOTICE, f"the mesh is already up at {record.url}"))
            return record
        with MeshLock(home) as lock:
            if not lock.take():
                continue
            await end_strays(home)
            refuse_busy_port(settings.port)
        supervisor, events = _spawn(settings, home, plan)
        try:
            await _follow(events, home, on_event)
        except StartFailed:
            # It has let go of the pipe by itself and is about to exit.
            if await asyncio.to_thread(supervisor.wait, _EXIT_SECONDS) != ALREADY_UP_CODE:
                raise
        except BaseException:
            await _end_supervisor(supervisor)
            raise
        else:
            return _record_of(home)


async def stop_mesh(settings: MeshSettings, on_event: OnEvent) -> Stopped:
    """Stop the mesh of this HOME and wait for its end; nothing to stop is success as well."""
    home = MeshHome.at(settings.home)
    if not home.run.exists():
        return Stopped(was_running=False, stray_count=0)
    was_running = mesh_is_locked(home)
    if was_running:
        on_event(MeshEvent(EventKind.MESH_STOPPING, "the mesh is stopping"))
        await _stop_supervisor(home)
    with MeshLock(home) as lock:
        if not await lock.take_patiently():
            raise HomeBusy(home.path)
        stray_count = await end_strays(home)
    if stray_count:
        text = f"ended {stray_count} processes that a killed mesh left behind"
        on_event(MeshEvent(EventKind.NOTICE, text))
    on_event(MeshEvent(EventKind.MESH_STOPPED, "the mesh is down"))
    return Stopped(was_running, stray_count)


def _record_of(home: MeshHome) -> MeshRecord:
    record = read_record(home)
    if record is None:
        raise HomeBusy(home.path)  # a `down` came at the same moment
    return record


async def _running_mesh(home: MeshHome) -> MeshRecord | None:
    """The record of a mesh that is up, waiting for one that is starting or stopping; None when none is."""
    deadline = asyncio.get_running_loop().time() + _BUSY_SECONDS
    while mesh_is_locked(home):
        record = read_record(home)
        if record is not None and record.phase is MeshPhase.UP and record.supervisor.alive():
            return record
        if asyncio.get_running_loop().time() > deadline:
            raise HomeBusy(home.path)
        await asyncio.sleep(_PAUSE_SECONDS)
    return None


async def _stop_supervisor(home: MeshHome) -> None:
    """Signal the holder of the lock, again with force when it takes too long, until the lock is free."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STOP_SECONDS
    asked: ProcessIdentity | None = None
    while mesh_is_locked(home):
        record = read_record(home)
        # The record may still be the one of a killed mesh while the new supervisor clears up after it.
        if record is not None and record.supervisor != asked and record.supervisor.send(signal.SIGTERM):
            asked = record.supervisor
        if loop.time() > deadline:
            if asked is None:
                raise HomeBusy(home.path)
            asked.send(signal.SIGKILL)
        await asyncio.sleep(_PAUSE_SECONDS)
    if asked is not None and not await asked.gone(_EXIT_SECONDS):
        asked.send(signal.SIGKILL)


def _spawn(settings: MeshSettings, home: MeshHome, plan: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start the supervisor; returns it with the descriptor its events are read from."""
    log = home.log("mesh")
    put_long_log_aside(log, settings.mesh_log_bytes)
    reader, writer = os.pipe()
    env = dict(os.environ)
    for name, value in settings.model_dump(exclude_none=True).items():
        env[f"AIDATALABS_{name.upper()}"] = str(value)
    env["AIDATALABS_HOME"] = str(home.path)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "aidatalabs_services.mesh", plan, str(writer)],
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=env,
            cwd=home.path,
            pass_fds=(writer,),
            start_new_session=True,
        )
    except BaseException:
        os.close(reader)
        raise
    finally:
        os.close(descriptor)
        os.close(writer)
    return supervisor, reader


async def _follow(events: int, home: MeshHome, on_event: OnEvent) -> None:
    """Pass the supervisor's events on until the mesh is ready. Raises StartFailed when it ends before."""
    failed: MeshEvent | None = None
    async for line in _lines(events):
        event = MeshEvent.from_json(line)
        on_event(event)
        if event.kind is EventKind.MESH_READY:
            return
        if event.kind is EventKind.PROCESS_FAILED:
            failed = event
    if failed is None:
        log = home.log("mesh")
        raise StartFailed("the mesh", "its supervisor ended", log, last_lines(log))
    log = home.log(failed.process)
    raise StartFailed(failed.process, _reason(failed), log, failed.detail)


def _reason(failed: MeshEvent) -> str:
    """The middle of `<process> did not start: <reason>. Its log is <path>.`"""
    return failed.text.partition(": ")[2].partition(". Its log is ")[0] or failed.text


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """The lines that arrive at a pipe until its other end closes; closes it."""
    reader = asyncio.StreamReader(limit=1024 * 1024)
    file = os.fdopen(descriptor, "rb", buffering=0)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    try:
        while line := await reader.readline():
            yield line.decode()
    finally:
        transport.close()


async def _end_supervisor(supervisor: subprocess.Popen[bytes]) -> None:
    """Make sure that a start given up leaves no supervisor."""
    if supervisor.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            supervisor.terminate()
    await asyncio.to_thread(supervisor.wait)

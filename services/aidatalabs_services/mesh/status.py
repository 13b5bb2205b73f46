"""How a mesh is doing, asked from outside: its record, the process table and each process's own health."""

from __future__ import annotations

import asyncio
import http.client
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.readiness import Health
from aidatalabs_services.mesh.state import MeshPhase, ProcessPhase, ProcessRecord, mesh_is_locked, read_record

_ENGINE_MODULE = "aidatalabs_services.data.engine"
_PING_SECONDS = 2.0


@dataclass(frozen=True)
class ChildStatus:
    """A process that a process of the mesh started: an engine, or one of PostgreSQL's."""

    pid: int
    name: str
    """`engine <uid of its platform>`, or what PostgreSQL calls the process."""
    health: str
    """SERVING or UNREACHABLE for an engine; empty where there is nothing to ask."""
    rss_bytes: int
    uptime_seconds: float


@dataclass(frozen=True)
class ProcessStatus:
    """One process of the mesh; `pid`, `rss_bytes` and `uptime_seconds` are 0 when it does not run."""

    name: str
    state: str
    """A `ProcessPhase`, or STRAY: it outlived a killed supervisor."""
    health: str
    """SERVING, NOT_SERVING, UNREACHABLE, or empty where there is nothing to ask."""
    pid: int
    rss_bytes: int
    uptime_seconds: float
    restart_count: int
    message: str
    """What is happening to it now; empty while all is well."""
    last_end: str
    """How it last ended unasked, and when (ISO, UTC); both empty when it never did."""
    last_end_time: str
    children: tuple[ChildStatus, ...]


@dataclass(frozen=True)
class MeshStatus:
    """The whole mesh; `asdict` of it is plain JSON."""

    phase: str
    """STARTING, UP, DEGRADED (up, but something is not serving), STOPPING or DOWN."""
    home: str
    url: str
    version: str
    processes: tuple[ProcessStatus, ...]

    @property
    def serving(self) -> bool:
        """Whether every process answers SERVING."""
        return self.phase == MeshPhase.UP.value

    def to_dict(self) -> dict[str, object]:
        """The status as JSON takes it."""
        return asdict(self)


async def mesh_status(home_path: MeshHome) -> MeshStatus:
    """Look at the mesh of this HOME; it takes as long as the slowest health check, 2 s at most."""
    record = read_record(home_path)
    if record is None:
        return MeshStatus(MeshPhase.DOWN.value, str(home_path.path), "", "", ())
    locked = await asyncio.to_thread(mesh_is_locked, home_path)
    supervised = locked and record.supervisor.alive()
    found = await asyncio.gather(*(_process(process, supervised) for process in record.processes))
    if not supervised:
        strays = tuple(process for process in found if process.pid)
        return MeshStatus(MeshPhase.DOWN.value, record.home, "", record.version, strays)
    me = ProcessRecord("mesh", ProcessPhase.RUNNING, identity=record.supervisor)
    processes = (_measured(me, ProcessPhase.RUNNING.value, "", with_children=False), *found)
    phase = record.phase.value
    if record.phase is MeshPhase.UP and any(process.health != Health.SERVING.value for process in found):
        phase = "DEGRADED"
    return MeshStatus(phase, record.home, record.url, record.version, processes)


async def _process(record: ProcessRecord, supervised: bool) -> ProcessStatus:
    alive = record.identity is not None and record.identity.alive()
    health = Health.UNREACHABLE
    if alive and record.check is not None:
        health = await record.check.ask()
    state = record.phase.value if supervised else "STRAY"
    return await asyncio.to_thread(_measured, record, state, health.value)


def _measured(record: ProcessRecord, state: str, health: str, *, with_children: bool = True) -> ProcessStatus:
    """The process table's figures beside what the record says."""
    rss_bytes, uptime_seconds = 0, 0.0
    children: tuple[ChildStatus, ...] = ()
    process = _find(record.identity)
    if process is not None:
        try:
            rss_bytes = process.memory_info().rss
            uptime_seconds = round(time.time() - process.create_time(), 1)
            children = _children(process) if with_children else ()
        except psutil.Error:
            process = None
    return ProcessStatus(
        name=record.name,
        state=state,
        health=health,
        pid=process.pid if process is not None else 0,
        rss_bytes=rss_bytes,
        uptime_seconds=uptime_seconds,
        restart_count=record.restart_count,
        message=record.message,
        last_end=record.last_end,
        last_end_time=record.last_end_time,
        children=children,
    )


def _find(identity: ProcessIdentity | None) -> psutil.Process | None:
    if identity is None or not identity.alive():
        return None
    try:
        return psutil.Process(identity.pid)
    except psutil.Error:
        return None


def _children(process: psutil.Process) -> tuple[ChildStatus, ...]:
    found = []
    for child in process.children(recursive=True):
        try:
            with child.oneshot():
                uptime_seconds = round(time.time() - child.create_time(), 1)
                name, health = _name(child), ""
                if _ENGINE_MODULE in child.cmdline():
                    name, health = f"engine {Path(child.cwd()).name}", _engine_health(child).value
                status = ChildStatus(child.pid, name, health, child.memory_info().rss, uptime_seconds)
            found.append(status)
        except psutil.Error:
            continue
    return tuple(found)


def _engine_health(process: psutil.Process) -> Health:
    """Whether an engine answers `/ping`, which needs no password, on the port it listens on."""
    for connection in process.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN:
            host, port = connection.laddr[0], connection.laddr[1]
            asking = http.client.HTTPConnection(host, port, timeout=_PING_SECONDS)
            try:
                asking.request("GET", "/ping")
                return Health.SERVING if asking.getresponse().status == 200 else Health.NOT_SERVING
            except (OSError, http.client.HTTPException):
                return Health.UNREACHABLE
            finally:
                asking.close()
    return Health.UNREACHABLE


def _name(process: psutil.Process) -> str:
    """A name a reader recognises: PostgreSQL writes its children's work into their command line."""
    words: list[str] = [word for word in process.cmdline() if word]
    if len(words) == 1:
        return words[0][:60]
    if "-m" in words[:-1]:
        return " ".join(words[words.index("-m") + 1 :])[:60]
    return str(process.name())

"""The record of a running mesh (`run/mesh.json`) and the lock that says who may write it.

The record lets another command find the supervisor and every child by pid and start time, even after the
supervisor was killed. The lock is the kernel's (flock): it is let go when its holder dies, however it dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from types import TracebackType

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.metrics import MetricsPlace
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.readiness import ReadyCheck

_FORMAT = 1


class MeshPhase(StrEnum):
    """Where the mesh stands in its life."""

    STARTING = "STARTING"
    UP = "UP"
    STOPPING = "STOPPING"
    DOWN = "DOWN"


class ProcessPhase(StrEnum):
    """Where one process of the mesh stands."""

    WAITING = "WAITING"
    """It has not been started: something it needs is not ready."""
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    RESTARTING = "RESTARTING"
    """It ended by itself; the mesh is starting it again."""
    FAILED = "FAILED"
    """It ended by itself too often; the mesh tries it again from time to time."""
    STOPPED = "STOPPED"


@dataclass
class ProcessRecord:
    """What is kept of one process; `children` are the processes it started itself.

    `message` says what happens to it now, `last_end` how it last ended unasked, with the time (ISO, UTC);
    `metrics` is where it tells its metrics, if it does.
    """

    name: str
    phase: ProcessPhase
    check: ReadyCheck | None = None
    identity: ProcessIdentity | None = None
    children: list[ProcessIdentity] = field(default_factory=list)
    restart_count: int = 0
    message: str = ""
    last_end: str = ""
    last_end_time: str = ""
    metrics: MetricsPlace | None = None


@dataclass
class MeshRecord:
    """What is kept of one mesh; written anew, whole, at each change."""

    version: str
    home: str
    port: int
    socket_folder: str
    supervisor: ProcessIdentity
    phase: MeshPhase
    processes: list[ProcessRecord] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The edge's base URL."""
        return f"http://127.0.0.1:{self.port}"

    def write(self, home: MeshHome) -> None:
        """Replace the record in one step: a reader sees the old one or the new one, never half of one."""
        part = home.record.with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, **asdict(self)}, file, indent=1)
        part.replace(home.record)

    def metrics_places(self) -> list[tuple[str, MetricsPlace]]:
        """Every process that tells metrics, by name; see `mesh.metrics.read_metrics`."""
        return [(one.name, one.metrics) for one in self.processes if one.metrics is not None]

    def known_processes(self) -> list[ProcessIdentity]:
        """Every process of the mesh but its supervisor, the last started first."""
        found: list[ProcessIdentity] = []
        for process in reversed(self.processes):
            if process.identity is not None:
                found.append(process.identity)
            found.extend(process.children)
        return found


def read_record(home: MeshHome) -> MeshRecord | None:
    """The record in HOME, None when there is none or it is of another format."""
    try:
        data = json.loads(home.record.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(data, dict) or data.pop("format", None) != _FORMAT:
        return None
    processes = [
        ProcessRecord(
            name=entry["name"],
            phase=ProcessPhase(entry["phase"]),
            check=ReadyCheck(**entry["check"]) if entry["check"] else None,
            identity=ProcessIdentity(**entry["identity"]) if entry["identity"] else None,
            children=[ProcessIdentity(**child) for child in entry["children"]],
            restart_count=entry["restart_count"],
            message=entry["message"],
            last_end=entry.get("last_end", ""),
            last_end_time=entry.get("last_end_time", ""),
            metrics=MetricsPlace(**entry["metrics"]) if entry.get("metrics") else None,
        )
        for entry in data.pop("processes")
    ]
    return MeshRecord(
        version=data["version"],
        home=data["home"],
        port=data["port"],
        socket_folder=data["socket_folder"],
        supervisor=ProcessIdentity(**data["supervisor"]),
        phase=MeshPhase(data["phase"]),
        processes=processes,
    )


class MeshLock:
    """The right to run a mesh in one HOME; at most one process on this machine holds it."""

    def __init__(self, home: MeshHome) -> None:
        self._path = home.lock
        self._descriptor = -1

    def take(self) -> bool:
        """Try to take the lock; False when a supervisor holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    async def take_patiently(self) -> bool:
        """Take the lock, also when another command is looking at it for a moment (1 s at most)."""
        for _ in range(20):
            if self.take():
                return True
            await asyncio.sleep(0.05)
        return False

    def release(self) -> None:
        """Let go; harmless when it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> MeshLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def mesh_is_locked(home: MeshHome) -> bool:
    """Whether a supervisor lives in this HOME right now."""
    if not home.lock.exists():
        return False
    with MeshLock(home) as lock:
        return not lock.take()

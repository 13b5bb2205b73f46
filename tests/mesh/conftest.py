"""Homes, free ports and meshes that are gone when a test ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from aidatalabs_services.mesh.control import stop_mesh
from aidatalabs_services.mesh.events import EventKind, MeshEvent
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.restarts import RestartPolicy
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord, read_record
from aidatalabs_services.mesh.supervisor import Plan, run_mesh

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
async def make_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., MeshSettings]]:
    """Settings of a mesh of this test's own; whatever runs in their HOMEs is stopped at the end."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made: list[MeshSettings] = []

    def make(name: str = "home", **changes: object) -> MeshSettings:
        values: dict[str, object] = {
            "home": tmp_path / name,
            "port": free_port(),
            "mesh_start_timeout_seconds": 30.0,
            "mesh_stop_timeout_seconds": 3.0,
        }
        made.append(MeshSettings.model_validate(values | changes))
        return made[-1]

    yield make
    for settings in made:
        await stop_mesh(settings, lambda event: None)


class Foreground:
    """A mesh run by this process, as `aidatalabs up` does."""

    def __init__(self, settings: MeshSettings, events: list[MeshEvent]) -> None:
        self.home = MeshHome.at(settings.home)
        self.events = events

    @property
    def record(self) -> MeshRecord:
        record = read_record(self.home)
        assert record is not None
        return record

    def pid(self, name: str) -> int:
        identity = next(process.identity for process in self.record.processes if process.name == name)
        assert identity is not None
        return identity.pid

    async def heard(self, kind: EventKind, process: str = "", *, count: int = 1) -> MeshEvent:
        while True:
            found = [event for event in self.events if event.kind is kind and event.process == process]
            if len(found) >= count:
                return found[count - 1]
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def foreground(
    settings: MeshSettings, plan: Plan, *, restarts: RestartPolicy | None = None
) -> AsyncIterator[Foreground]:
    """Run a mesh in this process while the block lasts; raises what `run_mesh` raises."""
    mesh = Foreground(settings, [])
    running = asyncio.create_task(run_mesh(settings, mesh.events.append, plan=plan, restarts=restarts))
    ready = asyncio.create_task(mesh.heard(EventKind.MESH_READY))
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        yield mesh
    finally:
        ready.cancel()
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running

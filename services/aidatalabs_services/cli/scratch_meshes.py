"""The mesh that an evaluation uses: the one commands talk to, or one of its own in a temporary HOME."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from aidatalabs_services.cli.connection import (
    Access,
    ConnectionSettings,
    access,
    find_record,
    operator_access,
)
from aidatalabs_services.mesh.events import OnEvent
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.ports import HOST
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord
from aidatalabs_services.mesh.supervisor import run_mesh
from aidatalabs_services.mesh.topology import local_plan

_Result = TypeVar("_Result")


class _Done(Exception):
    """The work is done, and the mesh may stop."""


def mesh_is_up() -> bool:
    """Whether there is a mesh to use: one that the environment names, or this HOME's."""
    settings = ConnectionSettings()
    if settings.token and settings.address:
        return True
    return find_record(MeshHome.at(MeshSettings().home)) is not None


async def in_a_mesh(
    work: Callable[[Access], Awaitable[_Result]], tell: Callable[[str], None], on_event: OnEvent
) -> _Result:
    """Does the work in the mesh that is up, else in one that lives as long as it takes; `tell` hears which.

    Raises what the work raises, the errors of `mesh.errors`, and KeyboardInterrupt for Ctrl-C.
    """
    if mesh_is_up():
        found = await access()
        tell(f"the mesh at {found.address}")
        return await work(found)
    with tempfile.TemporaryDirectory(prefix="aidatalabs-eval-") as folder:
        tell("a mesh of its own, since none is up")
        return await _in_own_mesh(work, Path(folder), on_event)


async def _in_own_mesh(
    work: Callable[[Access], Awaitable[_Result]], home: Path, on_event: OnEvent
) -> _Result:
    results: list[_Result] = []

    async def on_ready(record: MeshRecord) -> None:
        results.append(await work(await operator_access(record)))
        raise _Done

    settings = MeshSettings(home=home, port=_free_port())
    try:
        await run_mesh(settings, on_event, plan=local_plan, on_ready=on_ready)
    except _Done:
        return results[0]
    raise KeyboardInterrupt  # the only other way in which a mesh ends without an error


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])

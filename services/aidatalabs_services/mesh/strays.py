"""Processes of a mesh whose supervisor was killed: found and ended.

Most end by themselves within moments, by the lifeline or the kernel's parent-death signal. This is for the
one that hangs. It is found by pid and start time in HOME's record, or, when it was started in the moment of
the kill and no record names it yet, by what it carries itself: HOME in its environment, or for an engine and
PostgreSQL, whose environments are their own, the folder they work in.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity, end_processes
from aidatalabs_services.mesh.processes import HOME_VARIABLE
from aidatalabs_services.mesh.state import read_record

_GRACE_SECONDS = 3.0
_ENGINE_MODULE = "aidatalabs_services.data.engine"


async def end_strays(home: MeshHome) -> int:
    """End what the record names and what is marked as this HOME's; returns how many were still running.

    Only for a HOME whose lock is held by the caller, or by nobody.
    """
    record = read_record(home)
    known = record.known_processes() if record is not None else []
    ended = await end_processes(known, _GRACE_SECONDS)
    ended += await end_processes(_marked(home), _GRACE_SECONDS)
    if record is not None:
        home.record.unlink(missing_ok=True)
        home.remove_socket_folder()
    return len(ended)


def _marked(home: MeshHome) -> list[ProcessIdentity]:
    """Processes of this HOME by their own marks; those of other users cannot be read and are left out."""
    found: list[ProcessIdentity] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and _is_of(process, home):
                identity = ProcessIdentity.of(process.pid)
                found += [identity] if identity is not None else []
    return found


def _is_of(process: psutil.Process, home: MeshHome) -> bool:
    if process.environ().get(HOME_VARIABLE) == str(home.path):
        return True
    folder = Path(process.cwd())
    if process.name() == "postgres":
        return folder == home.postgres
    return folder.is_relative_to(home.data) and _ENGINE_MODULE in process.cmdline()

"""Processes of a mesh whose supervisor was killed: found by pid and start time in HOME's record, and ended.

Most end by themselves within moments, by the lifeline or the kernel's parent-death signal. This is for the
one that hangs.
"""

from __future__ import annotations

from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import end_processes
from aidatalabs_services.mesh.state import read_record

_GRACE_SECONDS = 3.0


async def end_strays(home: MeshHome) -> int:
    """End what the record names and clear what it describes; returns how many were still running.

    Only for a HOME whose lock is held by the caller, or by nobody.
    """
    record = read_record(home)
    if record is None:
        return 0
    ended = await end_processes(record.known_processes(), _GRACE_SECONDS)
    home.record.unlink(missing_ok=True)
    home.remove_socket_folder()
    return len(ended)

"""Whether the edge's port is free, asked before anything is started."""

from __future__ import annotations

import contextlib
import errno
import socket
from pathlib import Path

import psutil

from aidatalabs_services.mesh.errors import PortInUse

HOST = "127.0.0.1"
"""The edge listens on loopback alone."""


def refuse_busy_port(port: int) -> None:
    """Raise PortInUse when something listens there; it names the program when that can be seen."""
    with socket.socket() as probe:
        # Connections of an earlier mesh that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            holder = _holder(port)
            told = f"{holder.name()} (pid {holder.pid})" if holder else None
            raise PortInUse(port, told, _home_of(holder)) from None


def mesh_on(port: int) -> Path | None:
    """The HOME of the mesh whose edge listens on this port, where there is one and this user may see it."""
    return _home_of(_holder(port))


def _home_of(edge: psutil.Process | None) -> Path | None:
    """The HOME that this process, if it is an edge, was started from: its configuration is in HOME/run."""
    with contextlib.suppress(psutil.Error, OSError):
        for word in edge.cmdline() if edge is not None else ():
            folder = Path(word).parent
            if folder.name == "run" and (folder / "mesh.json").is_file():
                return folder.parent
    return None


def _holder(port: int) -> psutil.Process | None:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address: tuple[str, int] | tuple[()] = connection.laddr
            listens = connection.status == psutil.CONN_LISTEN
            if listens and address and address[1] == port and connection.pid:
                process = psutil.Process(connection.pid)
                process.name()  # it may be gone already
                return process
    return None

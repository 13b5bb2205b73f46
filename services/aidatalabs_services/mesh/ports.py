"""Whether the edge's port is free, asked before anything is started."""

from __future__ import annotations

import contextlib
import errno
import socket

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
            raise PortInUse(port, _holder(port)) from None


def _holder(port: int) -> str | None:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            address: tuple[str, int] | tuple[()] = connection.laddr
            listens = connection.status == psutil.CONN_LISTEN
            if listens and address and address[1] == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return None

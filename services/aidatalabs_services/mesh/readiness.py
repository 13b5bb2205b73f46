"""Whether a process does its work: asked over the wire, the way its callers reach it.

A check is plain data, so that the mesh's record can carry it to `aidatalabs status` in another process.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aidatalabs_services.mesh.identities import PROBE_NAME

ASK_SECONDS = 2.0
"""How long a process has to answer."""
_PAUSE_SECONDS = 0.05


class Health(StrEnum):
    """What a check found."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    """It answers, and says that it is not ready or is draining."""
    UNREACHABLE = "UNREACHABLE"
    """Nobody answers."""


@dataclass(frozen=True)
class ReadyCheck:
    """How to ask one process: `kind` is `grpc`, `postgres` or `edge`.

    `address` is a gRPC target, a PostgreSQL URL, or the edge's base URL; `admin_socket` is the edge's.
    With `certificate_of`, whose certificate is shown, gRPC is mutual TLS and the server must be `service`;
    `sockets` is the mesh's folder for sockets, where the certificates are.
    """

    kind: str
    address: str
    admin_socket: str = ""
    service: str = ""
    sockets: str = ""
    certificate_of: str = ""

    async def ask(self) -> Health:
        """Ask once; never raises for a process that is down or slow (2 s)."""
        # Not above: the command line reads records with checks in them, and would wait for three drivers.
        from aidatalabs_services.mesh.probes import ask

        return await ask(self)

    async def answers(self, seconds: float = ASK_SECONDS) -> bool:
        """Whether it answers anything at all in time: no, I am full, I am starting are answers too."""
        from aidatalabs_services.mesh.probes import answers

        return await answers(self, seconds)

    async def wait(self) -> None:
        """Return when the process is SERVING; the caller bounds the time."""
        while True:
            # Asking a socket that is not there yet costs a connection's back-off, looking for it does not.
            if self._may_answer() and await self.ask() is Health.SERVING:
                return
            await asyncio.sleep(_PAUSE_SECONDS)

    def _may_answer(self) -> bool:
        path = self.admin_socket or (self.address.removeprefix("unix:") if self.kind == "grpc" else "")
        return not path.startswith("/") or Path(path).exists()


def grpc_serving(address: str) -> ReadyCheck:
    """`grpc.health.v1` answers SERVING for the whole server at this target."""
    return ReadyCheck("grpc", address)


def service_serving(address: str, service: str, sockets: Path) -> ReadyCheck:
    """The same over mutual TLS, and the server shows the certificate of `service`."""
    return ReadyCheck("grpc", address, service=service, sockets=str(sockets), certificate_of=PROBE_NAME)


def postgres_answering(url: str) -> ReadyCheck:
    """PostgreSQL answers a query at this URL."""
    return ReadyCheck("postgres", url)


def edge_ready(base_url: str, admin_socket: Path) -> ReadyCheck:
    """Envoy calls itself ready at its admin socket, and `/healthz` answers 200 through its port."""
    return ReadyCheck("edge", base_url, str(admin_socket))

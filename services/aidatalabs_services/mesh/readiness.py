"""Whether a process does its work: asked over the wire, the way its callers reach it.

A check is plain data, so that the mesh's record can carry it to `aidatalabs status` in another process.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import aiohttp
import asyncpg
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aidatalabs_services.mesh.identities import PROBE_NAME, identity_of
from aidatalabs_services.runtime.tls import TlsFilesUnreadable, server_name

_ASK_SECONDS = 2.0
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
        asking = {"grpc": _ask_grpc, "postgres": _ask_postgres, "edge": _ask_edge}[self.kind]
        try:
            return await asyncio.wait_for(asking(self, _ASK_SECONDS), _ASK_SECONDS)
        except (OSError, TimeoutError, aiohttp.ClientError, grpc.aio.AioRpcError):
            return Health.UNREACHABLE
        except (asyncpg.PostgresError, asyncpg.InterfaceError):  # the second where it dies under the question
            return Health.UNREACHABLE
        except TlsFilesUnreadable:
            return Health.UNREACHABLE  # a mesh that is going takes its folder with it

    async def answers(self, seconds: float = _ASK_SECONDS) -> bool:
        """Whether it answers anything at all in time: no, I am full, I am starting are answers too."""
        asking = {"grpc": _ask_grpc, "postgres": _ask_postgres, "edge": _ask_edge_admin}[self.kind]
        try:
            await asyncio.wait_for(asking(self, seconds), seconds)
        except (TimeoutError, OSError, aiohttp.ClientError):
            return False
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
            return False
        except grpc.aio.AioRpcError as error:
            return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        except (asyncpg.PostgresError, TlsFilesUnreadable):
            return True  # a refusal is an answer, and our own missing file says nothing about the process
        return True

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


async def _ask_grpc(check: ReadyCheck, seconds: float) -> Health:
    async with _probe_channel(check) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=seconds)
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return Health.SERVING if serving else Health.NOT_SERVING


def _probe_channel(check: ReadyCheck) -> grpc.aio.Channel:
    options: list[tuple[str, str | int]] = [
        ("grpc.min_reconnect_backoff_ms", 50),
        ("grpc.initial_reconnect_backoff_ms", 50),
    ]
    if not check.certificate_of:
        return grpc.aio.insecure_channel(check.address, options=options)
    options.append(("grpc.ssl_target_name_override", server_name(check.service)))
    credentials = identity_of(Path(check.sockets), check.certificate_of).channel_credentials()
    return grpc.aio.secure_channel(check.address, credentials, options=options)


async def _ask_postgres(check: ReadyCheck, seconds: float) -> Health:
    connection = await asyncpg.connect(check.address, timeout=seconds)
    try:
        await connection.fetchval("SELECT 1")
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close(timeout=1.0)
    return Health.SERVING


async def _ask_edge_admin(check: ReadyCheck, seconds: float) -> Health:
    connector = aiohttp.UnixConnector(check.admin_socket)
    async with (
        aiohttp.ClientSession(connector=connector) as admin,
        admin.get("http://envoy/ready") as answer,
    ):
        return Health.SERVING if answer.status == 200 else Health.NOT_SERVING


async def _ask_edge(check: ReadyCheck, seconds: float) -> Health:
    # Only its admin interface tells a hang: at its limit of connections the port takes none from us either.
    if await _ask_edge_admin(check, seconds) is not Health.SERVING:
        return Health.NOT_SERVING
    async with aiohttp.ClientSession() as client, client.get(f"{check.address}/healthz") as answer:
        return Health.SERVING if answer.status == 200 else Health.NOT_SERVING

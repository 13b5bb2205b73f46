"""The questions to a process behind `ReadyCheck`, each with the driver of its kind."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import asyncpg
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aidatalabs_services.mesh.identities import identity_of
from aidatalabs_services.mesh.readiness import ASK_SECONDS, Health, ReadyCheck
from aidatalabs_services.runtime.tls import TlsFilesUnreadable, server_name


async def ask(check: ReadyCheck) -> Health:
    """What a process says of itself now; UNREACHABLE where it is down or slow (2 s)."""
    asking = {"grpc": _ask_grpc, "postgres": _ask_postgres, "edge": _ask_edge}[check.kind]
    try:
        return await asyncio.wait_for(asking(check, ASK_SECONDS), ASK_SECONDS)
    except (OSError, TimeoutError, aiohttp.ClientError, grpc.aio.AioRpcError):
        return Health.UNREACHABLE
    except (asyncpg.PostgresError, asyncpg.InterfaceError):  # the second where it dies under the question
        return Health.UNREACHABLE
    except TlsFilesUnreadable:
        return Health.UNREACHABLE  # a mesh that is going takes its folder with it


async def answers(check: ReadyCheck, seconds: float) -> bool:
    """Whether it answers anything at all in time: no, I am full, I am starting are answers too."""
    asking = {"grpc": _ask_grpc, "postgres": _ask_postgres, "edge": _ask_edge_admin}[check.kind]
    try:
        await asyncio.wait_for(asking(check, seconds), seconds)
    except (TimeoutError, OSError, aiohttp.ClientError):
        return False
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError):
        return False
    except grpc.aio.AioRpcError as error:
        return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    except (asyncpg.PostgresError, TlsFilesUnreadable):
        return True  # a refusal is an answer, and our own missing file says nothing about the process
    return True


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

"""Health of the whole mesh asked of one service, over mutual TLS, while peers come and go."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aidatalabs_services.runtime.certificates import mint_certificates
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.server import RunningServer, Service
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import running_server
from aidatalabs_services.runtime.tls import TlsFiles

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
AGENT, DATA = "aidatalabs.agent.v1.AgentService", "aidatalabs.data.v1.DataService"
PLATFORM = "aidatalabs.platform.v1.PlatformService"
ACCESS = "aidatalabs.common.v1.AccessService"


@asynccontextmanager
async def serving(
    folder: Path, name: str, *full_names: str, peers: dict[str, str] | None = None
) -> AsyncIterator[RunningServer]:
    settings = ServerSettings(
        listen_address=f"unix:{folder}/{name}.sock",
        jwks_url="http://127.0.0.1:9",
        drain_limit_seconds=5.0,
        peer_addresses=peers or {},
    )
    service = Service(name, lambda _server: None, full_names)
    async with running_server(service, settings=settings, certificates=folder) as server:
        yield server


@asynccontextmanager
async def asking(folder: Path) -> AsyncIterator[health_pb2_grpc.HealthStub]:
    """A stub of the edge's at the platform service, whose peers are `agent` and `data`."""
    mint_certificates(folder, ["platform", "agent", "data", "edge"])
    peers = {name: f"unix:{folder}/{name}.sock" for name in ("agent", "data")}
    async with serving(folder, "platform", PLATFORM, ACCESS, peers=peers) as server:
        channel = open_channel(server.address, service="platform", tls=TlsFiles.of(folder, "edge"))
        async with channel:
            yield health_pb2_grpc.HealthStub(channel)


def asked(name: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=name)


async def test_names_of_peers_are_answered_and_unknown_ones_are_not_found(tmp_path: Path) -> None:
    async with asking(tmp_path) as health, serving(tmp_path, "agent", AGENT):
        for name in ("", PLATFORM, ACCESS, AGENT):
            assert (await health.Check(asked(name))).status == SERVING
        assert (await health.Check(asked(DATA))).status == NOT_SERVING
        for name in ("aidatalabs.agent.v1.Nope", "agent", "aidatalabs.identity.v1.IdentityService", "../x"):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await health.Check(asked(name))
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        found = (await health.List(health_pb2.HealthListRequest())).statuses
        assert {name: answer.status for name, answer in found.items()} == {
            "": SERVING,
            PLATFORM: SERVING,
            ACCESS: SERVING,
            AGENT: SERVING,
            DATA: NOT_SERVING,
        }


async def test_watch_of_a_peer_tells_when_it_comes_and_goes(tmp_path: Path) -> None:
    async with asking(tmp_path) as health:
        watch = health.Watch(asked(AGENT))
        assert (await watch.read()).status == NOT_SERVING
        async with serving(tmp_path, "agent", AGENT):
            assert (await watch.read()).status == SERVING
        assert (await watch.read()).status == NOT_SERVING
        watch.cancel()


async def test_peer_that_never_answers_is_not_serving_after_a_second(tmp_path: Path) -> None:
    async with asking(tmp_path) as health:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(f"{tmp_path}/agent.sock")
            mute.listen()
            begun = time.monotonic()
            answers = await asyncio.gather(*(health.Check(asked(AGENT)) for _ in range(50)))
            assert {answer.status for answer in answers} == {NOT_SERVING}
            assert time.monotonic() - begun < 3

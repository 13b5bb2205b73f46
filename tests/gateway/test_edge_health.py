"""Health of each service by its name and reflection of the whole contract, through the one port."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sysconfig
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from aidatalabs.data.v1 import data_service_pb2_grpc as data_grpc
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.server import RunningServer, Service, start_server
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import StaticRoles

from .refusals import refused
from .upstream import SERVICES, EchoDataService, Edge, Seen, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
Status = health_pb2.HealthCheckResponse
USER = "users/00000000-0000-4000-8000-000000000001"
NAMES = {
    "aidatalabs.agent.v1.AgentService": "agent",
    "aidatalabs.common.v1.AccessService": "platform",
    "aidatalabs.data.v1.DataService": "data",
    "aidatalabs.identity.v1.IdentityService": "identity",
    "aidatalabs.monitoring.v1.MonitoringService": "monitoring",
    "aidatalabs.platform.v1.PlatformService": "platform",
}


@dataclass
class Mesh:
    """An edge and real servers behind it, each with one service."""

    edge: Edge
    servers: dict[str, RunningServer]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    folder = tmp_path_factory.mktemp("e")
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(running_edge(folder, upstreams={}))
        servers = {}
        for name in SERVICES:
            settings = ServerSettings(
                listen_address=f"unix:{folder}/{name}.sock",
                jwks_url=f"unix:{folder}/identity-http.sock",
                peer_addresses={peer: f"unix:{folder}/{peer}.sock" for peer in SERVICES if peer != name},
            )
            servers[name] = await start_server(_service(name), settings)
            stack.push_async_callback(servers[name].drain, wait_seconds=0)
        yield Mesh(edge, servers)


def _service(name: str) -> Service:
    def register(server: grpc.aio.Server) -> None:
        if name == "data":
            data_grpc.add_DataServiceServicer_to_server(
                EchoDataService(Seen()),  # type: ignore[abstract]
                server,
            )

    names = tuple(full for full, served_by in NAMES.items() if served_by == name)
    roles = StaticRoles(platforms={("platforms/demo", USER): Role.VIEWER})
    return Service(name, register, names, roles=roles)


async def _check(port: int, name: str) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(
            health_pb2.HealthCheckRequest(service=name),
            timeout=5,
        )
    return int(answer.status)


@pytest.mark.parametrize("name", [*NAMES, ""])
async def test_health_is_answered_for_every_service_without_a_token(mesh: Mesh, name: str) -> None:
    assert await _check(mesh.edge.port, name) == Status.SERVING


async def test_health_comes_from_the_service_that_is_asked_about(mesh: Mesh) -> None:
    await mesh.servers["monitoring"].drain(wait_seconds=0)
    await asyncio.sleep(1)  # answers are kept for half a second
    for name, served_by in NAMES.items():
        expected = Status.NOT_SERVING if served_by == "monitoring" else Status.SERVING
        assert await _check(mesh.edge.port, name) == expected


async def test_health_of_an_unknown_name_is_not_found(mesh: Mesh) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _check(mesh.edge.port, "nope.v1.Service")
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


async def test_a_watch_tells_what_a_check_tells(mesh: Mesh) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.edge.port}") as channel:
        request = health_pb2.HealthCheckRequest(service="aidatalabs.agent.v1.AgentService")
        watch = health_pb2_grpc.HealthStub(channel).Watch(request)
        async with asyncio.timeout(10):
            assert (await watch.read()).status == Status.SERVING
        watch.cancel()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_lists_the_contract_under_both_names(mesh: Mesh, version: str) -> None:
    method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{mesh.edge.port}") as channel:
        listing: Any = channel.stream_stream(method)
        call = listing(
            iter([request.SerializeToString()]), metadata=list(mesh.edge.bearer().items()), timeout=5
        )
        answers = [reflection_pb2.ServerReflectionResponse.FromString(answer) async for answer in call]
    listed = {service.name for service in answers[0].list_services_response.service}
    assert set(NAMES) <= listed


async def test_reflection_needs_a_token(mesh: Mesh) -> None:
    method = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    status, info = await refused(mesh.edge.port, method)
    assert (status.code, info.reason) == (16, "TOKEN_MISSING")


async def _grpcurl(mesh: Mesh, *words: str) -> str:
    program = Path(sysconfig.get_path("scripts")) / "grpcurl"
    token = mesh.edge.token()

    def run() -> subprocess.CompletedProcess[str]:
        command = [str(program), "-plaintext", "-H", f"authorization: Bearer {token}", *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=20, env=dict(os.environ))

    outcome = await asyncio.to_thread(run)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


async def test_grpcurl_lists_describes_and_calls(mesh: Mesh) -> None:
    address = f"127.0.0.1:{mesh.edge.port}"
    assert set(NAMES) <= set((await _grpcurl(mesh, address, "list")).split())
    described = await _grpcurl(mesh, address, "describe", "aidatalabs.agent.v1.AgentService")
    assert "rpc StreamAnswer" in described
    fields = json.dumps({"platform": "platforms/demo", "sql": "SELECT 1"})
    called = await _grpcurl(mesh, "-d", fields, address, "aidatalabs.data.v1.DataService/Query")
    assert json.loads(called)["result"]["rows"] == [["SELECT 1", None]]
    name = json.dumps({"service": "aidatalabs.data.v1.DataService"})
    health = await _grpcurl(mesh, "-d", name, address, "grpc.health.v1.Health/Check")
    assert json.loads(health) == {"status": "SERVING"}

"""A real edge before the real data service with its engine, and a platform service of one platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc

from aidatalabs.agent.v1 import agent_service_pb2_grpc as agent_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_grpc
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2_grpc as platform_grpc
from aidatalabs_services.data.bootstrap import bootstrap
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.mesh.edge_config import EdgeLimits
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.server import Service, start_server
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import StaticRoles
from tests.gateway.upstream import Edge, TellingAgentService, running_edge

USER = "users/00000000-0000-4000-8000-000000000001"
DEMO = "platforms/demo"
ROLES = StaticRoles(platforms={(DEMO, USER): Role.ADMIN})


class OnePlatform(platform_grpc.PlatformServiceServicer):
    """Behind the real access check, which lets nobody see any other platform."""

    async def GetPlatform(self, request, context):  # type: ignore[no-untyped-def]
        return platform_pb2.Platform(name=request.name, display_name="Demo")


@asynccontextmanager
async def running_world(folder: Path) -> AsyncIterator[Edge]:
    """Everything up, `platforms/demo` provisioned."""
    async with AsyncExitStack() as stack:
        # A connection that was cut off is closed after a second here, after five in a mesh.
        limits = EdgeLimits(close_seconds=1.0)
        edge = await stack.enter_async_context(running_edge(folder, upstreams={}, limits=limits))
        keys = f"unix:{folder}/identity-http.sock"
        data = DataSettings(
            listen_address=f"unix:{folder}/data.sock",
            jwks_url=keys,
            directory=folder / "data",
            query_memory_bytes=128 * 1024**2,
        )
        services = [bootstrap(data, roles=ROLES), *_small_services()]
        for service in services:
            settings = ServerSettings(listen_address=f"unix:{folder}/{service.name}.sock", jwks_url=keys)
            server = await start_server(service, data if service.name == "data" else settings)
            stack.push_async_callback(server.drain, wait_seconds=0)
        async with grpc.aio.insecure_channel(f"unix:{folder}/data.sock") as channel:
            request = data_pb.ProvisionPlatformRequest(platform=DEMO)
            await data_grpc.DataServiceStub(channel).ProvisionPlatform(
                request, metadata=list(edge.bearer().items()), timeout=30
            )
        yield edge


def _small_services() -> Iterator[Service]:
    def platform(server: grpc.aio.Server) -> None:
        platform_grpc.add_PlatformServiceServicer_to_server(OnePlatform(), server)  # type: ignore[abstract]

    def agent(server: grpc.aio.Server) -> None:
        agent_grpc.add_AgentServiceServicer_to_server(TellingAgentService(), server)  # type: ignore[abstract]

    yield Service("platform", platform, ("aidatalabs.platform.v1.PlatformService",), roles=ROLES)
    yield Service("agent", agent, ("aidatalabs.agent.v1.AgentService",), roles=ROLES)

"""The platform and identity services on real parts; the data service's two methods that platform calls are a
peer of the tests' own, behind the real server, access check and sockets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from google.protobuf.empty_pb2 import Empty
from google.rpc import error_details_pb2, status_pb2

from aidatalabs.common.v1 import access_service_pb2_grpc as access_pb_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_pb_grpc
from aidatalabs.platform.v1 import platform_pb2
from aidatalabs.platform.v1 import platform_service_pb2 as pb
from aidatalabs.platform.v1 import platform_service_pb2_grpc as pb_grpc
from aidatalabs_services.agent.bootstrap import bootstrap as bootstrap_agent
from aidatalabs_services.agent.settings import AgentSettings
from aidatalabs_services.identity.bootstrap import bootstrap as bootstrap_identity
from aidatalabs_services.identity.local import issue_local_token
from aidatalabs_services.identity.settings import IdentitySettings
from aidatalabs_services.platform.bootstrap import bootstrap as bootstrap_platform
from aidatalabs_services.platform.settings import PlatformSettings
from aidatalabs_services.runtime.caller import Caller, Role, current_caller
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.server import Service, start_server
from aidatalabs_services.runtime.settings import ServerSettings


@dataclass(frozen=True)
class User:
    """A user of the mesh with a token."""

    name: str
    metadata: tuple[tuple[str, str], ...]


class DataPeer(data_pb_grpc.DataServiceServicer):
    """Both methods as the tests want them: they wait for `gate`, then fail while `failure` is set."""

    def __init__(self) -> None:
        self.callers: list[Caller] = []
        self.removers: list[Caller] = []
        self.removed: list[str] = []
        self.due: dict[str, datetime] = {}
        self.questions: list[Caller] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def ProvisionPlatform(self, request: data_pb.ProvisionPlatformRequest, context: Any) -> Empty:
        self.callers.append(current_caller())
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        self.due.pop(current_caller().platform_uid, None)
        return Empty()

    async def DeprovisionPlatform(self, request: data_pb.DeprovisionPlatformRequest, context: Any) -> Empty:
        self.removers.append(current_caller())
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        if request.HasField("purge_time"):
            self.due[current_caller().platform_uid] = request.purge_time.ToDatetime()
            return Empty()
        self.removed.append(current_caller().platform_uid)
        return Empty()

    async def ListTables(
        self, request: data_pb.ListTablesRequest, context: Any
    ) -> data_pb.ListTablesResponse:
        self.questions.append(current_caller())
        return data_pb.ListTablesResponse()

    async def removing(self, times: int = 1) -> None:
        """Waits until a removal was asked for so many times."""
        async with asyncio.timeout(15):
            while len(self.removers) < times:
                await asyncio.sleep(0.01)

    async def called(self, times: int = 1) -> None:
        """Waits until it was called so many times."""
        async with asyncio.timeout(5):
            while len(self.callers) < times:
                await asyncio.sleep(0.01)


class PlatformWorld:
    """`running` may be entered again after it was left: a restart."""

    def __init__(self, postgres_url: str, folder: Path) -> None:
        self.postgres_url = postgres_url
        self.keys = folder / "keys"
        self.data = DataPeer()  # type: ignore[abstract]
        self.platforms: pb_grpc.PlatformServiceAsyncStub
        self.access: access_pb_grpc.AccessServiceAsyncStub
        self.tables: data_pb_grpc.DataServiceAsyncStub
        self.sockets = ""
        self.rest_seconds = 0.0
        self.grace_hours = 0.0
        self.has_agent = False

    @asynccontextmanager
    async def running(self, *, with_data: bool = True) -> AsyncIterator[PlatformWorld]:
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="aidatalabs-pf-"))
            self.sockets = folder
            await self._start_identity(stack)
            if with_data:
                await self.start_data(stack)
            settings = PlatformSettings(
                listen_address=f"unix:{folder}/platform.sock",
                jwks_url=f"unix:{folder}/http.sock",
                identity_address=f"unix:{folder}/identity.sock",
                data_address=f"unix:{folder}/data.sock",
                agent_address=f"unix:{folder}/agent.sock" if self.has_agent else "",
                postgres_url=self.postgres_url,
                id_rest_seconds=self.rest_seconds,
                delete_grace_hours=self.grace_hours,
            )
            await self._serve(stack, await bootstrap_platform(settings), settings)
            channel = open_channel(settings.listen_address)
            stack.push_async_callback(channel.close)
            self.platforms = pb_grpc.PlatformServiceStub(channel)
            self.access = access_pb_grpc.AccessServiceStub(channel)
            data = open_channel(f"unix:{folder}/data.sock")
            stack.push_async_callback(data.close)
            self.tables = data_pb_grpc.DataServiceStub(data)
            yield self

    async def _start_identity(self, stack: AsyncExitStack) -> None:
        settings = IdentitySettings(
            listen_address=f"unix:{self.sockets}/identity.sock",
            http_address=f"unix:{self.sockets}/http.sock",
            postgres_url=self.postgres_url,
            key_directory=self.keys,
        )
        await self._serve(stack, await bootstrap_identity(settings), settings)

    async def start_data(self, stack: AsyncExitStack) -> None:
        settings = ServerSettings(
            listen_address=f"unix:{self.sockets}/data.sock",
            jwks_url=f"unix:{self.sockets}/http.sock",
            platform_address=f"unix:{self.sockets}/platform.sock",
        )
        service = Service(
            "data",
            lambda server: data_pb_grpc.add_DataServiceServicer_to_server(self.data, server),
            ("aidatalabs.data.v1.DataService",),
        )
        await self._serve(stack, service, settings)

    async def start_agent(self, stack: AsyncExitStack) -> None:
        """The real agent service, which keeps its conversations beside the platforms."""
        settings = AgentSettings(
            listen_address=f"unix:{self.sockets}/agent.sock",
            jwks_url=f"unix:{self.sockets}/http.sock",
            platform_address=f"unix:{self.sockets}/platform.sock",
            data_address=f"unix:{self.sockets}/data.sock",
            postgres_url=self.postgres_url,
        )
        await self._serve(stack, bootstrap_agent(settings), settings)

    async def _serve(self, stack: AsyncExitStack, service: Service, settings: ServerSettings) -> None:
        server = await start_server(service, settings)
        stack.push_async_callback(server.drain, wait_seconds=0.0)

    async def user(self, name: str, role: Role | None = None) -> User:
        """The user `{name}@example.com`, made or given the role."""
        token = await issue_local_token(self.postgres_url, self.keys, f"{name}@example.com", role, 600)
        (row,) = await self.sql("SELECT id FROM identity.users WHERE email = $1", f"{name}@example.com")
        return User(f"users/{row['id']}", (("authorization", f"Bearer {token}"),))

    async def create(
        self,
        user: User,
        platform_id: str,
        *,
        request_id: str = "",
        seconds: float | None = None,
        **fields: Any,
    ) -> platform_pb2.Platform:
        request = pb.CreatePlatformRequest(
            platform_id=platform_id, platform=platform_pb2.Platform(**fields), request_id=request_id
        )
        return await self.platforms.CreatePlatform(request, metadata=user.metadata, timeout=seconds)

    async def get(self, user: User, platform_id: str) -> platform_pb2.Platform:
        request = pb.GetPlatformRequest(name=f"platforms/{platform_id}")
        return await self.platforms.GetPlatform(request, metadata=user.metadata)

    async def update(
        self, user: User, platform_id: str, *, mask: Sequence[str] = (), request_id: str = "", **fields: Any
    ) -> platform_pb2.Platform:
        request = pb.UpdatePlatformRequest(
            platform=platform_pb2.Platform(name=f"platforms/{platform_id}", **fields), request_id=request_id
        )
        if mask:
            request.update_mask.paths.extend(mask)
        return await self.platforms.UpdatePlatform(request, metadata=user.metadata)

    async def delete(
        self,
        user: User,
        platform_id: str,
        *,
        etag: str = "",
        request_id: str = "",
        purge: bool = False,
        seconds: float | None = None,
    ) -> Empty:
        request = pb.DeletePlatformRequest(
            name=f"platforms/{platform_id}", etag=etag, request_id=request_id, purge=purge
        )
        return await self.platforms.DeletePlatform(request, metadata=user.metadata, timeout=seconds)

    async def gone(self, platform_id: str) -> None:
        """Waits until the platform's row is gone."""
        async with asyncio.timeout(20):
            while await self.sql("SELECT 1 FROM platforms WHERE platform_id = $1", platform_id):
                await asyncio.sleep(0.05)

    async def share(self, owner: User, platform_id: str, member: str, role: Any) -> platform_pb2.Member:
        request = pb.SetMemberRequest(
            platform=f"platforms/{platform_id}", member=platform_pb2.Member(member=member, role=role)
        )
        return await self.platforms.SetMember(request, metadata=owner.metadata)

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.postgres_url, server_settings={"search_path": "platform"})
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()


@dataclass(frozen=True)
class Refusal:
    """A refusal as a client sees it."""

    code: str
    reason: str
    message: str
    metadata: dict[str, str]
    fields: tuple[str, ...]
    retry_seconds: float | None


async def refusal(call: Any) -> Refusal:
    """The refusal of a call; fails where it was answered."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
        status = status_pb2.Status.FromString(packed)
        info, bad, retry = (
            error_details_pb2.ErrorInfo(),
            error_details_pb2.BadRequest(),
            error_details_pb2.RetryInfo(),
        )
        waits = False
        for detail in status.details:
            detail.Unpack(info)
            detail.Unpack(bad)
            waits = detail.Unpack(retry) or waits
        facts = {
            key: value
            for key, value in info.metadata.items()
            if key != "trace_id" and (key != "request_id" or "-" not in value)
        }
        return Refusal(
            error.code().name,
            info.reason,
            status.message,
            facts,
            tuple(violation.field for violation in bad.field_violations),
            retry.retry_delay.ToTimedelta().total_seconds() if waits else None,
        )
    raise AssertionError(f"was answered: {answer}")


async def refused(call: Any) -> tuple[str, str]:
    """The gRPC code and reason of a refusal."""
    found = await refusal(call)
    return found.code, found.reason

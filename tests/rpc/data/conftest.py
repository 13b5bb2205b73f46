"""One data service per module, on an embedded engine of its own, with an admin, a viewer and a stranger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import peer_errors
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running

DEMO = "platforms/demo"
OTHER = "platforms/other"
VIEWER = BOB
STRANGER = "users/00000000-0000-4000-8000-00000000000c"


@dataclass
class Data:
    """The running service: its stub, and calls with a user's token."""

    stub: pb_grpc.DataServiceStub
    mint: TokenMint
    warehouse: ClickHouseWarehouse
    pool: EnginePool
    directory: Path = Path()

    async def call(
        self, method: str, request: Any, *, user: str = ALICE, timeout: float | None = 20.0
    ) -> Any:
        """One call; raises the ServiceError that the status carries."""
        with peer_errors("data"):
            return await getattr(self.stub, method)(
                request, metadata=self.mint.metadata(user), timeout=timeout
            )

    async def refusal(
        self, method: str, request: Any, *, user: str = ALICE, timeout: float = 20.0
    ) -> ServiceError:
        """The refusal of one call that must be refused."""
        with pytest.raises(ServiceError) as caught:
            await self.call(method, request, user=user, timeout=timeout)
        return caught.value

    async def rows(
        self, sql: str, *, platform: str = DEMO, user: str = ALICE, max_rows: int = 0
    ) -> list[list[Any]]:
        """The rows of one query as Python values."""
        request = pb.QueryRequest(platform=platform, sql=sql, max_rows=max_rows)
        answer = await self.call("Query", request, user=user)
        return [python(row) for row in answer.result.rows]

    async def uid(self, platform: str = DEMO) -> str:
        """The platform's uid in these tests."""
        return (
            await StaticRoles(platforms={(platform, ALICE): Role.ADMIN}).resolve("", ALICE, platform)
        ).platform_uid


def python(value: Any) -> Any:
    """A protobuf JSON value as Python has it."""
    if hasattr(value, "values"):
        return [python(each) for each in value.values]
    kind = value.WhichOneof("kind")
    if kind == "list_value":
        return python(value.list_value)
    if kind == "struct_value":
        return {key: python(each) for key, each in value.struct_value.fields.items()}
    return None if kind == "null_value" else getattr(value, kind)


def settings_in(directory: Path, **changes: Any) -> DataSettings:
    """Settings for a service with its state in `directory`."""
    return DataSettings(
        listen_address="127.0.0.1:0",
        jwks_url="http://127.0.0.1:9",
        directory=directory,
        query_seconds=3.0,
        query_memory_bytes=128 * 1024**2,
        query_result_bytes=4 * 1024**2,
        **changes,
    )


ROLES = StaticRoles(
    platforms={
        (DEMO, ALICE): Role.ADMIN,
        (DEMO, VIEWER): Role.VIEWER,
        (OTHER, ALICE): Role.ADMIN,
        (OTHER, STRANGER): Role.VIEWER,
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def data(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Data]:
    """The service with `platforms/demo` provisioned."""
    directory = tmp_path_factory.mktemp("data")
    settings = settings_in(directory)
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()
    service = bootstrap(settings, warehouse=warehouse)
    async with running(service, mint=mint, roles=ROLES) as channel:
        ready: grpc.aio.Channel = channel
        found = Data(pb_grpc.DataServiceStub(ready), mint, warehouse, pool, directory)
        await found.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        yield found

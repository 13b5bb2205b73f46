"""The SQL tests' small platform behind the real service and a real edge, and a neighbour in its own engine.

`platforms/demo` has the tables of `world`, and in the same engine the database `tenant_b`, as on a server
that platforms share; `platforms/other` is another platform, whose rows carry `CANARY` too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import yarl
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.server import start_server
from aidatalabs_services.runtime.testing import StaticRoles
from tests.attacks.world import CANARY, making
from tests.gateway.upstream import Edge, running_edge
from tests.rpc.data.conftest import python

USER = "users/00000000-0000-4000-8000-000000000001"
DEMO, OTHER = "platforms/demo", "platforms/other"
ROLES = StaticRoles(platforms={(DEMO, USER): Role.ADMIN, (OTHER, "users/someone-else"): Role.ADMIN})
DATABASE_INSIDE = "analytics"
_LONGEST_IN_URL = 4000


@dataclass
class Outcome:
    """What a call led to: rows, or a refusal with its status and its reason; `text` is all that was sent."""

    rows: list[list[Any]] | None = None
    http: int = 0
    grpc: str = ""
    reason: str = ""
    text: str = field(default="", repr=False)


@dataclass
class SqlWorld:
    """Both doors of the service: REST and gRPC, through the edge."""

    edge: Edge
    rest: aiohttp.ClientSession
    stub: pb_grpc.DataServiceStub
    warehouse: ClickHouseWarehouse
    pool: EnginePool

    async def uid(self, platform: str = DEMO) -> str:
        """The platform's uid in these tests."""
        user = next(user for name, user in ROLES.platforms if name == platform)
        return (await ROLES.resolve("", user, platform)).platform_uid

    async def by_rest(self, sql: str) -> Outcome:
        """`GET`, or `POST` where the text is too long for a URL."""
        headers, body = self.edge.bearer(), {"platform": DEMO, "sql": sql}
        if len(sql) < _LONGEST_IN_URL:
            url = yarl.URL(f"{self.edge.url}/api/v1/data/query").with_query(body)
            asked = self.rest.get(url, headers=headers)
        else:
            asked = self.rest.post(f"{self.edge.url}/api/v1/data/query", headers=headers, json=body)
        async with asked as answer:
            text, found = await answer.text(), await answer.json()
        if answer.status == 200:
            return Outcome(found["result"].get("rows", []), 200, text=text)
        code = grpc.StatusCode(next(code.value for code in grpc.StatusCode if code.value[0] == found["code"]))
        reasons = [each["reason"] for each in found["details"] if "reason" in each]
        return Outcome(None, answer.status, code.name, reasons[0], text)

    async def by_grpc(self, method: str, request: Any) -> Outcome:
        """One call of Query, ExplainQuery, StreamQuery or Export; the latter two have no rows here."""
        metadata = list(self.edge.bearer().items())
        call = getattr(self.stub, method)(request, metadata=metadata, timeout=20)
        answer = None
        try:
            if method in ("StreamQuery", "Export"):
                return Outcome([], text=repr([piece async for piece in call]))
            answer = await call
        except grpc.aio.AioRpcError:
            status = await rpc_status.aio.from_call(call)
        if answer is None:
            info = error_details_pb2.ErrorInfo()
            assert status is not None, request
            assert any(detail.Unpack(info) for detail in status.details), status
            return Outcome(None, 0, (await call.code()).name, info.reason, str(status))
        rows = [python(row) for row in answer.result.rows] if method == "Query" else []
        return Outcome(rows, text=str(answer))


@asynccontextmanager
async def running_sql_world(folder: Path) -> AsyncIterator[SqlWorld]:
    """Everything up, both platforms filled."""
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(running_edge(folder, upstreams={}))
        data = DataSettings(
            listen_address=f"unix:{folder}/data.sock",
            jwks_url=f"unix:{folder}/identity-http.sock",
            directory=folder / "data",
            query_seconds=3.0,
            query_memory_bytes=128 * 1024**2,
        )
        pool = engine_pool(data)
        warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
        server = await start_server(bootstrap(data, roles=ROLES, warehouse=warehouse), data)
        stack.push_async_callback(server.drain, wait_seconds=0)
        rest = await stack.enter_async_context(aiohttp.ClientSession())
        channel = await stack.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}"))
        world = SqlWorld(edge, rest, pb_grpc.DataServiceStub(channel), warehouse, pool)
        await asyncio.gather(_fill(world, DEMO, making(DATABASE_INSIDE)), _fill(world, OTHER, _NEIGHBOUR))
        yield world


_NEIGHBOUR = [
    "CREATE TABLE events (user_id UInt64, word String) ENGINE = MergeTree ORDER BY user_id",
    f"INSERT INTO events SELECT number, '{CANARY}' FROM numbers(1000)",
    f"CREATE TABLE `{CANARY}` (word String) ENGINE = MergeTree ORDER BY word",
]


async def _fill(world: SqlWorld, platform: str, statements: list[str]) -> None:
    uid = await world.uid(platform)
    await world.warehouse.create_database(uid)
    for statement in statements:
        if statement != f"CREATE DATABASE {DATABASE_INSIDE}":
            await world.warehouse.execute(uid, statement, table="")

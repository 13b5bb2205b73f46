"""The budget of rows a day, over gRPC: refused before the engine reads, by whatever way a query comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running
from tests.rpc.data.conftest import DEMO, VIEWER, Data, settings_in
from tests.rpc.data.test_data_queries import create, query
from tests.rpc.data.test_data_results import ROWS, ask, drained

pytestmark = pytest.mark.asyncio(loop_scope="module")
MEMBERS = {(DEMO, ALICE): Role.ADMIN, (DEMO, VIEWER): Role.VIEWER}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def metered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Data]:
    """A service with a budget of 100,000 rows a day, and roles of its own."""
    directory = tmp_path_factory.mktemp("metered")
    settings = settings_in(directory, query_budget_rows=100_000, query_count=60, query_share_count=60)
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()
    service = bootstrap(settings, warehouse=warehouse)
    async with running(service, mint=mint, roles=StaticRoles(platforms=MEMBERS)) as channel:
        found = Data(pb_grpc.DataServiceStub(channel), mint, warehouse, pool)
        await found.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        await create(found, "growing", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
        await create(found, "numbered", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
        fill = f"INSERT INTO numbered SELECT number FROM numbers({ROWS})"
        await warehouse.execute(await found.uid(), fill, table="numbered")
        yield found


async def test_fifty_queries_at_once_never_read_more_than_the_budget(metered: Data) -> None:
    """Each reads 30,000 of the 100,000 rows: three may run, however many come at the same moment."""

    async def one(number: int) -> int:
        answer = await ask(metered, f"SELECT sum(n + {number}) FROM numbered")
        assert answer.statistics.cost_rows == ROWS
        return answer.statistics.cost_rows

    ended = await asyncio.gather(*(one(number) for number in range(50)), return_exceptions=True)
    read = sum(each for each in ended if isinstance(each, int))
    refused = [each for each in ended if not isinstance(each, int)]
    assert read == 3 * ROWS
    assert {getattr(each, "reason", "") for each in refused} == {"QUERY_BUDGET_EXCEEDED"}, refused
    last: Any = refused[-1]
    assert last.code.name == "RESOURCE_EXHAUSTED"
    assert (
        last.metadata.items()
        >= {"limit_rows": "100000", "used_rows": "90000", "estimated_rows": "30000"}.items()
    )
    assert 0 < last.retry_after_seconds <= 86_400
    small = await ask(metered, "SELECT sum(n) FROM numbered WHERE n < 10")
    assert small.statistics.budget_left_rows == 10_000 - small.statistics.cost_rows
    plan = await metered.call(
        "ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql="SELECT n FROM numbered")
    )
    assert plan.budget_left_rows == small.statistics.budget_left_rows


async def test_kept_rows_cost_no_budget_and_streams_do(metered: Data) -> None:
    plan = pb.ExplainQueryRequest(platform=DEMO, sql="SELECT n FROM numbered")
    before = (await metered.call("ExplainQuery", plan)).budget_left_rows
    answer = await ask(metered, "SELECT sum(n) FROM numbered WHERE n < 10")
    assert (answer.statistics.cached, answer.statistics.budget_left_rows) == (True, before)
    request = pb.StreamQueryRequest(platform=DEMO, sql="SELECT n FROM numbered")
    with pytest.raises(ServiceError) as caught:
        await drained(metered, "StreamQuery", request)
    assert caught.value.reason == "QUERY_BUDGET_EXCEEDED"
    request.sql = "SELECT 1"
    await drained(metered, "StreamQuery", request)
    assert (await metered.call("ExplainQuery", plan)).budget_left_rows < before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count() FROM growing WHERE n = (SELECT max(n) FROM numbered WHERE n > 1)",
        "SELECT (SELECT sum(n) FROM numbered) AS x",
        "SELECT count() FROM growing WHERE n IN (SELECT n + 1 FROM numbered)",
        "WITH x AS (SELECT n FROM numbered) SELECT count() FROM growing WHERE n IN (SELECT n + 1 FROM x)",
        "WITH (SELECT sum(n) FROM numbered) AS x SELECT x FROM growing",
    ],
)
async def test_queries_inside_expressions_are_refused_before_the_engine_runs_them(
    metered: Data, sql: str
) -> None:
    for method, request in (
        ("Query", query(sql)),
        ("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=sql)),
    ):
        refusal = await metered.refusal(method, request)
        assert refusal.reason == "QUERY_BUDGET_EXCEEDED", method
    with pytest.raises(ServiceError) as caught:
        await drained(metered, "StreamQuery", pb.StreamQueryRequest(platform=DEMO, sql=sql))
    assert caught.value.reason == "QUERY_BUDGET_EXCEEDED"


async def test_who_is_no_member_any_more_gets_nothing_that_was_kept(metered: Data) -> None:
    sql = "SELECT sum(n) FROM numbered WHERE n < 10"
    assert (await ask(metered, sql, staleness=3600, user=VIEWER)).statistics.cached
    del MEMBERS[DEMO, VIEWER]
    request = query(sql)
    request.max_staleness.seconds = 3600
    for _ in range(2):
        assert (await metered.refusal("Query", request, user=VIEWER)).reason == "PLATFORM_NOT_FOUND"
    assert (await ask(metered, sql, staleness=3600)).statistics.cached

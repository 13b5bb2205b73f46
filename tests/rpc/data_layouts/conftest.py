"""One data service for all tests of layouts, with a table of visits whose times come in order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import layout_pb2, table_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running
from tests.rpc.data.conftest import DEMO, OTHER, STRANGER, Data, settings_in

ROWS = 120_000
USERS = 5_000
EDITOR = "users/00000000-0000-4000-8000-00000000000d"
ROLES = StaticRoles(
    platforms={
        (DEMO, ALICE): Role.ADMIN,
        (DEMO, EDITOR): Role.EDITOR,
        (DEMO, BOB): Role.VIEWER,
        (OTHER, STRANGER): Role.ADMIN,
    }
)
COLUMNS = {
    "at": "DateTime",
    "user_id": "UInt64",
    "town": "String",
    "amount": "Float64",
    "note": "String",
    "pages": "Int64",
}
OWN = QueryLimits(20.0, 100_000, 1 << 24, 1 << 26, 10**9, 10**12)


class Layouts(Data):
    """The service, and what the engine holds that nobody sees."""

    async def measured(
        self, sql: str, *changes: layout_pb2.LayoutChange, table: str = "visits", **more: Any
    ) -> pb.MeasureLayoutsResponse:
        """One measurement."""
        request = pb.MeasureLayoutsRequest(platform=DEMO, sql=sql, table=table, changes=changes)
        answer: pb.MeasureLayoutsResponse = await self.call("MeasureLayouts", request, **more)
        return answer

    async def own(self, sql: str) -> list[list[Any]]:
        """Rows of a statement that is not a person's."""
        found = await self.warehouse.query(await self.uid(), sql, limits=OWN, query_id=new_query_id())
        return [list(row) for row in found.rows]

    async def copies(self) -> list[str]:
        """Hidden tables of measurements that are there now."""
        found = await self.own("SELECT name FROM system.tables WHERE startsWith(name, '_scratch_')")
        return sorted(str(row[0]) for row in found)


def visits() -> pa.Table:
    """Visits in the order of their times, each by some user, one in a hundred with a note of its own."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    times = [begin + timedelta(seconds=20 * n) for n in range(ROWS)]
    return pa.table(
        {
            "at": pa.array(times, pa.timestamp("s", "UTC")),
            "user_id": pa.array([n * 7919 % USERS for n in range(ROWS)], pa.uint64()),
            "town": pa.array([f"town {n * 31 % 40}" for n in range(ROWS)]),
            "amount": pa.array([(n * 37 % 1000) / 7 for n in range(ROWS)]),
            "note": pa.array([f"about {n * 104729 % ROWS}" if n % 100 == 0 else "" for n in range(ROWS)]),
            "pages": pa.array([n % 90 for n in range(ROWS)], pa.int64()),
        }
    )


def key(*columns: str) -> layout_pb2.LayoutChange:
    """Another sorting key."""
    return layout_pb2.LayoutChange(order_by=layout_pb2.SortingKey(columns=columns))


def index(column: str, kind: str) -> layout_pb2.LayoutChange:
    """An index."""
    number = layout_pb2.SkipIndex.Kind.Value(kind)
    return layout_pb2.LayoutChange(skip_index=layout_pb2.SkipIndex(column=column, kind=number))


def retyped(column: str, kind: str) -> layout_pb2.LayoutChange:
    """Another type of a column."""
    return layout_pb2.LayoutChange(column_type=layout_pb2.TypeChange(column=column, type=kind))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def layouts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Layouts]:
    """The service with `visits` of 200,000 rows, sorted by time."""
    directory = tmp_path_factory.mktemp("layouts")
    settings = settings_in(directory).model_copy(update={"query_seconds": 1.0})
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        found = Layouts(pb_grpc.DataServiceStub(channel), mint, warehouse, pool, directory)
        await found.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        columns = [table_pb2.Column(name=name, type=kind) for name, kind in COLUMNS.items()]
        table = table_pb2.Table(name="visits", columns=columns, order_by=["at"], partition_by="toYYYYMM(at)")
        await found.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=table))
        sink = pa.BufferOutputStream()
        rows = visits()
        with pa.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        batch = pb.IngestStreamRequest(
            platform=DEMO, table="visits", batch_id="all", arrow_ipc=sink.getvalue().to_pybytes()
        )
        stub: Any = found.stub
        call = stub.IngestStream(iter([batch]), metadata=mint.metadata(ALICE), timeout=30)
        assert [one.receipt.accepted_count async for one in call] == [ROWS]
        yield found

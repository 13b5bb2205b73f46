"""Dropped tables come back with all their rows within the grace period, and are gone after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.runtime.testing import TokenMint, running
from tests.rpc.data.conftest import DEMO, ROLES, VIEWER, Data, settings_in
from tests.rpc.data.test_data_deletions import make, put

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def drop(data: Data, name: str) -> None:
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table=name))


async def undrop(data: Data, name: str) -> table_pb2.Table:
    table: table_pb2.Table = await data.call("UndropTable", pb.UndropTableRequest(platform=DEMO, table=name))
    return table


async def listed(data: Data, **more: Any) -> list[table_pb2.Table]:
    """The tables whose names begin with `d_`, in pages of two."""
    found, token = [], ""
    while True:
        request = pb.ListTablesRequest(
            platform=DEMO, page_size=2, page_token=token, filter='name : "d_"', **more
        )
        page = await data.call("ListTables", request)
        found += [table for table in page.tables if table.name.startswith("d_")]
        token = page.next_page_token
        if not token:
            return found


async def test_a_dropped_table_is_out_of_sight_and_comes_back_with_its_rows(data: Data) -> None:
    await make(data, "d_back", ("id", "UInt32"), comment="what it is")
    receipt = await put(data, "d_back", {"id": 1}, {"id": 2}, request_id="first")
    await drop(data, "d_back")
    query = pb.QueryRequest(platform=DEMO, sql="SELECT count() FROM d_back")
    assert (await data.refusal("Query", query)).reason == "TABLE_NOT_KNOWN"
    assert await listed(data) == []
    (hidden,) = await listed(data, show_dropped=True)
    assert (hidden.name, hidden.row_count, hidden.comment) == ("d_back", 2, "what it is")
    assert abs(hidden.drop_time.seconds - time.time()) < 60
    assert hidden.purge_time.seconds - hidden.drop_time.seconds == 168 * 3600
    for name in ("_dropped_", f"_dropped_{hidden.drop_time.ToMilliseconds()}_1_d_back"):
        sneaky = pb.QueryRequest(platform=DEMO, sql=f"SELECT count() FROM {name}")
        assert (await data.refusal("Query", sneaky)).reason == "TABLE_NOT_KNOWN"
    assert (await undrop(data, "d_back")).row_count == 2
    assert await data.rows("SELECT id FROM d_back ORDER BY id") == [[1], [2]]
    # It is the same table: the receipts of its rows still count.
    again = await put(data, "d_back", {"id": 1}, {"id": 2}, request_id="first")
    assert (again.name, again.duplicate_count) == (receipt.name, 2)
    assert await data.rows("SELECT count() FROM d_back") == [[2]]


async def test_receipts_belong_to_the_table_not_to_its_name(data: Data) -> None:
    await make(data, "d_twice", ("id", "UInt32"))
    old = await put(data, "d_twice", {"id": 1}, request_id="one")
    await drop(data, "d_twice")
    await make(data, "d_twice", ("id", "UInt32"))
    new = await put(data, "d_twice", {"id": 1}, request_id="one")
    assert (new.duplicate_count, await data.rows("SELECT count() FROM d_twice")) == (0, [[1]])
    taken = await data.refusal("UndropTable", pb.UndropTableRequest(platform=DEMO, table="d_twice"))
    assert (taken.code.name, taken.reason) == ("ALREADY_EXISTS", "TABLE_ALREADY_EXISTS")
    names = [(each.name, each.HasField("drop_time")) for each in await listed(data, show_dropped=True)]
    assert names == [("d_back", False), ("d_twice", False), ("d_twice", True)]
    await drop(data, "d_twice")
    # Of two, the one dropped last; then the first under it.
    await undrop(data, "d_twice")
    assert (await put(data, "d_twice", {"id": 1}, request_id="one")).duplicate_count == 1
    await data.call("DropTable", pb.DropTableRequest(platform=DEMO, table="d_twice"))
    uid = await data.uid()
    newest = max(await data.warehouse.dropped_tables(uid))
    await data.warehouse.execute(uid, f"DROP TABLE `{newest}` SYNC", table=newest)
    await undrop(data, "d_twice")
    first = await put(data, "d_twice", {"id": 1}, request_id="one")
    assert (first.name, first.duplicate_count) == (old.name, 1)
    assert await data.rows("SELECT count() FROM d_twice") == [[1]]


async def test_what_cannot_come_back_is_refused(data: Data) -> None:
    missing = await data.refusal("UndropTable", pb.UndropTableRequest(platform=DEMO, table="never"))
    assert (missing.code.name, missing.reason) == ("NOT_FOUND", "TABLE_NOT_FOUND")
    request = pb.UndropTableRequest(platform=DEMO, table="never")
    assert (await data.refusal("UndropTable", request, user=VIEWER)).reason == "PERMISSION_DENIED"


async def test_a_ttl_and_a_comment_change_and_nothing_else(data: Data) -> None:
    await make(data, "aging", ("at", "DateTime"), ("x", "UInt8"), order_by=["at"])
    await put(data, "aging", {"at": "2020-01-01T00:00:00Z", "x": 1}, {"at": "2100-01-01T00:00:00Z", "x": 2})

    def update(table: str, *paths: str, ttl: str = "", comment: str = "") -> pb.UpdateTableRequest:
        request = pb.UpdateTableRequest(platform=DEMO, table=table, ttl=ttl, comment=comment)
        request.update_mask.paths.extend(paths)
        return request

    changed = await data.call(
        "UpdateTable", update("aging", "ttl", "comment", ttl="at + interval 30 days", comment="it's")
    )
    assert (changed.ttl, changed.comment) == ("at + INTERVAL 30 DAY", "it's")
    async with asyncio.timeout(10):
        while await data.rows("SELECT x FROM aging") != [[2]]:
            await asyncio.sleep(0.05)
    for _ in range(2):  # the same change again changes nothing
        forever = await data.call("UpdateTable", update("aging", "ttl"))
        assert (forever.ttl, forever.comment) == ("", "it's")
    events = await data.call("UpdateTable", update("events", "ttl", ttl="timestamp + INTERVAL 2 YEAR"))
    assert events.ttl == "timestamp + INTERVAL 2 YEAR"
    refusals = [
        (update("events", "comment", comment="x"), "TABLE_PROTECTED"),
        (update("events_hourly", "ttl", ttl="hour + INTERVAL 2 YEAR"), "TABLE_PROTECTED"),
        (update("aging", "ttl", ttl="x + INTERVAL 2 YEAR"), "TABLE_INVALID"),
        (update("aging", "ttl", ttl="at + INTERVAL 2 YEAR WHERE 1"), "TABLE_INVALID"),
        (update("aging", "columns"), "INVALID_REQUEST"),
        (update("aging"), "INVALID_REQUEST"),
        (update("nowhere", "ttl"), "TABLE_NOT_FOUND"),
    ]
    for request, reason in refusals:
        assert (await data.refusal("UpdateTable", request)).reason == reason


@asynccontextmanager
async def service(directory: Path, **changes: Any) -> AsyncIterator[Data]:
    """A data service of its own on a directory that outlives it."""
    settings = settings_in(directory, **changes)
    pool = engine_pool(settings)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    mint = TokenMint()
    async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=ROLES) as channel:
        made: grpc.aio.Channel = channel
        yield Data(pb_grpc.DataServiceStub(made), mint, warehouse, pool, directory)


async def test_a_table_is_purged_when_its_time_has_come_also_after_a_restart(tmp_path: Path) -> None:
    seconds = 2.0
    async with service(tmp_path, drop_grace_hours=seconds / 3600) as data:
        await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
        await make(data, "brief", ("id", "UInt32"))
        await put(data, "brief", {"id": 1})
        await drop(data, "brief")
        await make(data, "later", ("id", "UInt32"))
        uid = await data.uid()
        assert len(await data.warehouse.dropped_tables(uid)) == 1
    assert [path.name for path in (tmp_path / "dropped").iterdir()] == [uid]
    await asyncio.sleep(seconds)
    async with service(tmp_path, drop_grace_hours=0) as data:
        async with asyncio.timeout(10):
            while await data.warehouse.dropped_tables(uid) or list((tmp_path / "dropped").iterdir()):
                await asyncio.sleep(0.05)
        missing = await data.refusal("UndropTable", pb.UndropTableRequest(platform=DEMO, table="brief"))
        assert missing.reason == "TABLE_NOT_FOUND"
        await drop(data, "later")  # without grace it is gone at once
        assert not await data.warehouse.dropped_tables(uid)

"""The warehouse: inserts that may be repeated, an engine that dies, and one server for many platforms."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import ClusterServers, Server
from aidatalabs_services.data.engine.process import EngineProcess
from aidatalabs_services.data.errors import InsertRefused, TableNotKnown
from aidatalabs_services.data.query_parts import query_limits
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.errors import ServiceError
from tests.rpc.data.conftest import DEMO, Data, settings_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

EVENT_COLUMNS = ["timestamp", "event_type", "user_id", "properties", "value"]
EVENT_TYPES = ["DateTime64(3)", "LowCardinality(String)", "UInt64", "JSON", "Float64"]
NOON = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


async def add_event(data: Data, kind: str, token: str) -> int:
    values: list[list[Any]] = [[NOON], [kind], [2**64 - 1], [{"a": {"b": 1}}], [0.5]]
    return await data.warehouse.insert_columns(
        await data.uid(), "events", EVENT_COLUMNS, EVENT_TYPES, values, token=token
    )


async def test_the_same_block_with_the_same_token_is_stored_once(data: Data) -> None:
    for token in ("once", "once", "another"):
        assert await add_event(data, "token", token) == 1
    sql = "SELECT timestamp, user_id, properties, value FROM events WHERE event_type = 'token'"
    row = ["2026-05-01T12:30:00.000Z", str(2**64 - 1), {"a": {"b": 1}}, 0.5]
    assert await data.rows(sql) == [row, row]
    assert await data.rows("SELECT sum(events) FROM events_hourly WHERE event_type = 'token'") == [[2]]


async def test_repeating_a_block_repairs_a_roll_up_that_missed_it(data: Data) -> None:
    uid = await data.uid()
    await data.warehouse.execute(uid, "DROP VIEW events_hourly_mv SYNC", table="events_hourly_mv")
    await add_event(data, "missed", "missed-1")
    rolled = "SELECT sum(events) FROM events_hourly WHERE event_type = 'missed'"
    assert await data.rows(rolled) == [[0]]
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=DEMO))
    for _ in range(2):
        await add_event(data, "missed", "missed-1")
    assert await data.rows(rolled) == [[1]]
    assert await data.rows("SELECT count() FROM events WHERE event_type = 'missed'") == [[1]]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (["event_type"], b'{"event_type":null}'),
        (["event_type"], b'{"event_type":"x","unheard_of":1}'),
        (["user_id"], b'{"user_id":"not a number"}'),
        (["nowhere"], b'{"nowhere":1}'),
    ],
)
async def test_a_block_that_never_fits_is_refused_whole(data: Data, columns: list[str], line: bytes) -> None:
    uid = await data.uid()
    before = await data.rows("SELECT count() FROM events")
    good = b'{"event_type":"good"}\n'
    with pytest.raises(InsertRefused):
        await data.warehouse.insert_block(
            uid, "events", columns, good + line, format_name="JSONEachRow", token=uuid.uuid4().hex
        )
    assert await data.rows("SELECT count() FROM events") == before


@pytest.mark.parametrize(
    ("kind", "value"), [("UInt64", None), ("UInt64", "x"), ("DateTime64(3)", "x"), ("String", None)]
)
async def test_a_value_that_its_column_cannot_hold_is_refused(data: Data, kind: str, value: object) -> None:
    column = {"UInt64": "user_id", "DateTime64(3)": "timestamp", "String": "event_type"}[kind]
    with pytest.raises(InsertRefused):
        await data.warehouse.insert_columns(
            await data.uid(), "events", [column], [kind], [[value]], token=uuid.uuid4().hex
        )


async def test_after_its_engine_was_killed_a_platform_comes_back_with_its_rows(data: Data) -> None:
    await add_event(data, "survivor", "survivor")
    data.pool.running()[await data.uid()].kill()
    begun = time.monotonic()
    rows: list[list[Any]] = []
    refusals: list[ServiceError] = []
    while not rows and time.monotonic() - begun < 10:
        try:
            rows = await data.rows("SELECT count() FROM events WHERE event_type = 'survivor'")
        except ServiceError as error:
            refusals.append(error)
            await asyncio.sleep(0.1)
    assert rows == [[1]]
    assert all(each.code.name == "UNAVAILABLE" and each.retry_after_seconds for each in refusals)


@pytest_asyncio.fixture(loop_scope="module")
async def cluster(tmp_path: Path) -> AsyncIterator[ClickHouseWarehouse]:
    """One server for all platforms, as in production: a database each."""
    engine = await EngineProcess.start(tmp_path / "engine")
    address = engine.address
    servers = ClusterServers(
        Server(address.host, address.port, address.password), database_prefix="platform_"
    )
    warehouse = ClickHouseWarehouse(servers)
    yield warehouse
    await warehouse.close()
    await engine.stop()


async def test_on_one_server_every_platform_has_a_database_of_its_own(cluster: ClickHouseWarehouse) -> None:
    first, second = str(uuid.uuid4()), str(uuid.uuid4())
    tables = Tables(cluster, SchemaCache(cluster.schema, ttl_seconds=5), fsync=True)
    for uid in (first, second):
        await tables.provision(uid)
    line = b'{"event_type":"only first"}'
    await cluster.insert_block(first, "events", ["event_type"], line, format_name="JSONEachRow", token="t")
    limits = query_limits(settings_in(Path("unused")))
    counts = [
        (
            await cluster.query(uid, "SELECT count() FROM events", limits=limits, query_id=uuid.uuid4().hex)
        ).rows
        for uid in (first, second)
    ]
    assert counts == [[[1]], [[0]]]
    assert cluster.database_of(first) == "platform_" + first.replace("-", "")
    await cluster.drop_database(first)
    with pytest.raises(TableNotKnown):
        await cluster.query(first, "SELECT count() FROM events", limits=limits, query_id=uuid.uuid4().hex)
    assert (await cluster.sizes(second))["events"].row_count == 0


async def test_closing_a_dead_engines_client_never_makes_a_block_look_refused(data: Data) -> None:
    """The driver repeats a request by itself, on a client that another call may have closed meanwhile."""
    uid = await data.uid()
    await data.rows("SELECT 1")
    engine, line = data.pool.running()[uid], b'{"event_type":"replaced"}'

    async def insert(number: int) -> None:
        await data.warehouse.insert_block(
            uid, "events", ["event_type"], line, format_name="JSONEachRow", token=f"replaced-{number}"
        )

    os.kill(engine.pid, signal.SIGSTOP)
    calls = [asyncio.create_task(insert(number)) for number in range(3)]
    calls.append(asyncio.create_task(data.rows("SELECT 1")))  # type: ignore[arg-type]
    await asyncio.sleep(0.3)
    key = data.warehouse._by_platform[uid]
    closing = asyncio.create_task(data.warehouse._discard(key))
    await asyncio.sleep(0.1)
    engine.kill()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await closing
    assert [getattr(each, "reason", each) for each in outcomes] == ["SERVICE_UNAVAILABLE"] * 4

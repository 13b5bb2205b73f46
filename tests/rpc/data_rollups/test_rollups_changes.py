"""Roll-ups beside all else that changes rows or keeps them: kept results, streams, deletions, lifetimes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pyarrow as pa
import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, ingest_pb2, rollup_pb2
from tests.rpc.data.conftest import DEMO, Data, python
from tests.rpc.data_rollups.test_rollups_rpc import BY_TYPE, ask, make_orders, send

pytestmark = pytest.mark.asyncio(loop_scope="module")
_JANUARY_MS = 1_767_225_600_000


async def query(data: Data, sql: str, **fields: Any) -> pb.QueryResponse:
    """The whole answer to a query."""
    answer: pb.QueryResponse = await data.call("Query", pb.QueryRequest(platform=DEMO, sql=sql, **fields))
    return answer


async def same(data: Data, sql: str) -> list[Any]:
    """The rows of a query that a roll-up serves; asserts that they are those of the table."""
    rows, served = await ask(data, sql)
    assert served.rollup, served.rollup_reason
    assert rows == (await ask(data, sql, exclude_rollups=True))[0]
    return rows


async def test_rows_served_from_a_roll_up_are_kept_until_one_comes(data: Data) -> None:
    await send(data, 0, 500)
    first = await query(data, BY_TYPE)
    again = await query(data, BY_TYPE)
    raw = await query(data, BY_TYPE, exclude_rollups=True)
    assert (first.statistics.rollup, again.statistics.rollup) == ("events_by_day", "events_by_day")
    assert (first.statistics.cached, again.statistics.cached, raw.statistics.cached) == (False, True, False)
    assert raw.statistics.rollup == ""
    # The version is that of the tables asked for, wherever the rows were read.
    assert first.data_version == again.data_version == raw.data_version != ""
    await send(data, 500, 1)
    after = await query(data, BY_TYPE)
    assert (after.statistics.cached, after.statistics.rollup) == (False, "events_by_day")
    assert sum(python(row)[1] for row in after.result.rows) == 501
    assert after.data_version not in ("", first.data_version)


async def test_what_was_read_within_an_error_is_not_given_to_those_who_want_it_exact(data: Data) -> None:
    sql = "SELECT quantile(0.5)(value) FROM events"
    near = await query(data, sql, max_relative_error=0.02)
    assert near.statistics.rollup
    exact = await query(data, sql)
    assert (exact.statistics.cached, exact.statistics.rollup) == (False, "")


async def test_the_time_of_day_does_not_hide_kept_rows_from_who_accepts_an_age(data: Data) -> None:
    request = pb.QueryRequest(platform=DEMO, sql="SELECT count() FROM events WHERE timestamp < today()")
    request.max_staleness.FromSeconds(60)
    first = await data.call("Query", request)
    again = await data.call("Query", request)
    assert first.statistics.rollup == again.statistics.rollup == "events_per_day"
    assert (first.statistics.cached, again.statistics.cached) == (False, True)


async def test_acknowledged_rows_are_in_every_answer_while_they_come(data: Data) -> None:
    """A result that was read between the table's new part and the roll-up's must not be kept for new."""
    sql = "SELECT count() FROM events"
    known = (await same(data, sql))[0][0]
    stop = False

    async def writer() -> None:
        nonlocal known, stop
        for number in range(15):
            await send(data, 2000 + number, 1)
            known += 1
        stop = True

    async def reader() -> None:
        while not stop:
            least = known
            rows, _ = await ask(data, sql)
            assert rows[0][0] >= least

    await asyncio.gather(writer(), *(reader() for _ in range(4)))
    assert (await same(data, sql))[0][0] == known


async def test_a_streamed_batch_is_counted_once(data: Data) -> None:
    before = (await same(data, "SELECT count() FROM events"))[0][0]
    batch = pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array([_JANUARY_MS + each * 60_000 for each in range(300)], pa.timestamp("ms")),
            "event_type": pa.array(["streamed"] * 300),
            "user_id": pa.array(range(300), pa.uint64()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)

    async def requests() -> AsyncIterator[pb.IngestStreamRequest]:
        for _ in range(2):  # the same batch again is the same batch
            yield pb.IngestStreamRequest(platform=DEMO, batch_id="s1", arrow_ipc=bytes(sink.getvalue()))

    call: Any = data.stub.IngestStream(cast(Any, requests()), metadata=data.mint.metadata(), timeout=30)
    states = [answer.receipt.state async for answer in call]
    assert states == [ingest_pb2.Receipt.STORED] * 2
    assert (await same(data, "SELECT count() FROM events"))[0][0] == before + 300
    assert ["streamed", 300, 300] in await same(data, BY_TYPE)


async def test_deleted_rows_are_in_no_answer_once_the_deletion_is_done(data: Data) -> None:
    before = await same(data, BY_TYPE)
    request = deletion_pb2.DeleteRowsRequest(platform=DEMO, table="events", filter="user_id = 3")
    deleting = asyncio.create_task(data.call("DeleteRows", request, timeout=60.0))
    served = set()
    while not deleting.done():
        served.add((await ask(data, BY_TYPE))[1].rollup)
    assert (await deleting).state == deletion_pb2.Deletion.DONE
    assert "" in served  # the roll-ups were out of use meanwhile
    after = await same(data, BY_TYPE)
    assert sum(row[1] for row in after) < sum(row[1] for row in before)
    assert (await ask(data, "SELECT count() FROM events WHERE user_id = 3"))[0] == [[0]]
    await send(data, 3000, 10)
    await same(data, BY_TYPE)


async def test_rows_that_went_by_a_shorter_lifetime_are_not_counted_under_a_longer_one(data: Data) -> None:
    await make_orders(data, name="fading")
    declared = rollup_pb2.Rollup(
        name="fading_by_day", table="fading", time_column="at", grain=rollup_pb2.Rollup.DAY
    )
    await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=declared))
    assert await same(data, "SELECT count() FROM fading") == [[30]]
    change = pb.UpdateTableRequest(platform=DEMO, table="fading", ttl="at + INTERVAL 1 DAY")
    change.update_mask.paths.append("ttl")
    await data.call("UpdateTable", change)
    await data.warehouse.execute(await data.uid(), "OPTIMIZE TABLE fading FINAL", table="fading")
    change.ttl = ""
    await data.call("UpdateTable", change)
    for _ in range(50):
        rows, served = await ask(data, "SELECT count() FROM fading")
        assert rows == [[0]]
        if served.rollup:
            return
        await asyncio.sleep(0.1)
    pytest.fail("the roll-up was not made anew")

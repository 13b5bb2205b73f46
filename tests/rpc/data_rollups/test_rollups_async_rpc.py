"""An asynchronous roll-up through the service: declared, followed, told of, right after every change."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, rollup_pb2
from tests.rpc.data.conftest import DEMO, Data
from tests.rpc.data_rollups.test_rollups_rpc import ask, send

pytestmark = pytest.mark.asyncio(loop_scope="module")
USERS = rollup_pb2.Rollup(
    name="by_user",
    table="events",
    time_column="timestamp",
    grain=rollup_pb2.Rollup.DAY,
    dimensions=["user_id"],
    measures=[rollup_pb2.RollupMeasure(column="value", kind=rollup_pb2.RollupMeasure.MAX)],
    maintenance=rollup_pb2.Rollup.ASYNCHRONOUS,
)
BY_USER = "SELECT user_id, count(), max(value) FROM events GROUP BY user_id ORDER BY user_id"


async def by_user(data: Data) -> rollup_pb2.Rollup:
    """The roll-up as it is listed."""
    found = await data.call("ListRollups", pb.ListRollupsRequest(platform=DEMO))
    listed: rollup_pb2.Rollup = next(each for each in found.rollups if each.name == "by_user")
    return listed


async def caught_up(data: Data) -> rollup_pb2.Rollup:
    """The same when it lacks nothing."""
    async with asyncio.timeout(20):
        while True:
            found = await by_user(data)
            if found.state == rollup_pb2.Rollup.READY and not found.behind_rows:
                return found
            await asyncio.sleep(0.05)


async def same(data: Data) -> Any:
    """Asserts that the roll-up serves what the rows give; returns the cost."""
    rows, served = await ask(data, BY_USER)
    assert served.rollup == "by_user", served.rollup_reason
    assert rows == (await ask(data, BY_USER, exclude_rollups=True))[0]
    return served


async def test_it_is_declared_followed_and_told_of(data: Data) -> None:
    await send(data, 0, 3000)
    made = await data.call("CreateRollup", pb.CreateRollupRequest(platform=DEMO, rollup=USERS))
    assert (made.state, made.maintenance) == (rollup_pb2.Rollup.READY, rollup_pb2.Rollup.ASYNCHRONOUS)
    await send(data, 3000, 500)
    served = await same(data)
    assert served.rollup_lag_seconds > 0
    assert "were read themselves" in served.rollup_reason
    explained = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=BY_USER))
    assert explained.rollup == "by_user"
    assert explained.rollup_lag_seconds >= 0
    listed = await caught_up(data)
    assert (listed.lag_seconds, listed.row_count > 0) == (0.0, True)
    async with asyncio.timeout(20):
        while (rested := await same(data)).rollup_lag_seconds:  # until a look finds that nothing was written
            await asyncio.sleep(0.2)
    assert rested.read_rows < 100


async def test_who_accepts_an_age_may_be_answered_without_the_newest_rows_and_is_told_their_age(
    data: Data,
) -> None:
    await caught_up(data)
    await send(data, 3500, 10)
    for sql in (
        BY_USER,
        f"{BY_USER} LIMIT 99",
        BY_USER.replace("FROM events", "FROM events WHERE timestamp < now()"),
    ):
        answer = await data.call(
            "Query", pb.QueryRequest(platform=DEMO, sql=sql, max_staleness=Duration(seconds=60))
        )
        fresh = await data.call("Query", pb.QueryRequest(platform=DEMO, sql=sql))
        known = answer.statistics
        assert known.rollup_lag_seconds <= known.age_seconds < 60
        assert sum(row.values[1].number_value for row in fresh.result.rows) == 3510


async def test_deleted_rows_and_a_dropped_table_leave_nothing_behind(data: Data) -> None:
    request = deletion_pb2.DeleteRowsRequest(platform=DEMO, table="events", filter="user_id = 3")
    await data.call("DeleteRows", request, timeout=60.0)
    await caught_up(data)
    served = await same(data)
    assert served.rollup == "by_user"
    rows, _ = await ask(data, BY_USER)
    assert 3 not in [row[0] for row in rows]
    await data.call("DropRollup", pb.DropRollupRequest(platform=DEMO, rollup="by_user"))
    hidden = await data.warehouse.fingerprints(data.pool.running().copy().popitem()[0])
    assert not [name for name in hidden if name.startswith("_rollup_by_user")]

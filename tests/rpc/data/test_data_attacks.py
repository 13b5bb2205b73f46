"""The attacks that the SQL door admits and the engine has to stop: limits, and results that must not bleed.

Every row of `tests/attacks/sql_attacks.json` whose layer is the engine has its test here, by id.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from tests.rpc.data.conftest import DEMO, OTHER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTACKS = Path(__file__).parents[2] / "attacks" / "sql_attacks.json"
ROWS = [row for row in json.loads(ATTACKS.read_text()) if row.get("layer") == "engine"]
FILL = (
    "INSERT INTO events (timestamp, event_type, user_id, value)"
    " SELECT toDateTime('2026-01-01 00:00:00') + number, 'secret', number, number FROM numbers(300000)"
)
# Heavy, and alive until it is stopped: three tables multiplied.
HEAVY = "SELECT sum(cityHash64(a.user_id, b.user_id, c.user_id)) FROM events AS a, events AS b, events AS c"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def filled(data: Data) -> None:
    await data.warehouse.execute(await data.uid(), FILL, table="events")
    await data.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=OTHER))


def query(sql: str, platform: str = DEMO, max_rows: int = 10_000) -> pb.QueryRequest:
    return pb.QueryRequest(platform=platform, sql=sql, max_rows=max_rows)


async def bleeds_nothing(data: Data, failing: str, *reasons: str) -> None:
    """The failing query fails; queries beside it and after it get exactly their own rows."""
    for number in range(5):
        refused, beside = await asyncio.gather(
            data.refusal("Query", query(failing)), data.rows(f"SELECT 'beside', {number}")
        )
        assert refused.reason in reasons, refused.message
        assert beside == [["beside", number]]
        answer = await data.call("Query", query("SELECT 'B'"))
        assert answer.ByteSize() < 200
        assert await data.rows("SELECT 'B'") == [["B"]]


async def row_error(data: Data) -> None:
    sql = "SELECT event_type, toDate(if(user_id = 5000, 'x', '2026-01-01')) FROM events WHERE user_id > 0"
    await bleeds_nothing(data, sql, "QUERY_FAILED")


async def result_too_large(data: Data) -> None:
    await bleeds_nothing(data, "SELECT repeat(event_type, 500) FROM events", "RESULT_TOO_LARGE")


async def timeout(data: Data) -> None:
    sql = (
        "SELECT a.event_type, sum(cityHash64(a.user_id, b.user_id)) FROM events AS a, events AS b GROUP BY 1"
    )
    refused, beside = await asyncio.gather(data.refusal("Query", query(sql)), data.rows("SELECT 'beside'"))
    assert (refused.reason, beside) == ("QUERY_TIMEOUT", [["beside"]])
    assert await data.rows("SELECT 'B'") == [["B"]]


async def many_at_once(data: Data) -> None:
    async def caller(thread: int) -> int:
        answers = [await data.rows(f"SELECT {thread}, {number}, count() FROM events") for number in range(50)]
        return sum(answer != [[thread, number, 300_000]] for number, answer in enumerate(answers))

    assert await asyncio.gather(*(caller(thread) for thread in range(4))) == [0] * 4


async def neighbour(data: Data) -> None:
    """One tenant's twenty heaviest queries all end refused, and another tenant hardly notices."""
    heavy = [asyncio.create_task(data.refusal("Query", query(HEAVY))) for _ in range(20)]
    await asyncio.sleep(0.5)
    begun = time.monotonic()
    assert await data.rows("SELECT count() FROM events", platform=OTHER) == [[0]]
    assert time.monotonic() - begun < 2.5
    refusals = await asyncio.gather(*heavy)
    assert {each.code.name for each in refusals} <= {"RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"}


def exhausts(sql: str) -> Callable[[Data], Awaitable[None]]:
    async def check(data: Data) -> None:
        refused = await data.refusal("Query", query(sql))
        assert refused.code.name == "RESOURCE_EXHAUSTED", (refused.reason, refused.metadata)
        assert refused.reason == "QUERY_MEMORY_EXCEEDED"
        assert await data.rows("SELECT 1") == [[1]]

    return check


DISTINCT = "SELECT DISTINCT cityHash64(e1.value, e2.user_id) FROM events e1, events e2"


async def distinct(data: Data) -> None:
    """The rows asked for are found early and the rest is never made; all of them are too many."""
    answer = await data.call("Query", query(DISTINCT))
    assert (answer.result.row_count, answer.result.truncated) == (10_000, True)
    await exhausts(f"SELECT count() FROM ({DISTINCT})")(data)


CHECKS: dict[str, Callable[[Data], Awaitable[None]]] = {
    "SQL-BLEED-001": row_error,
    "SQL-BLEED-002": result_too_large,
    "SQL-BLEED-003": timeout,
    "SQL-BLEED-005": many_at_once,
    "SQL-BOMB-003": exhausts("SELECT repeat('a',1000000000)"),
    "SQL-BOMB-004": exhausts("SELECT groupArray(e1.user_id) FROM events e1, events e2"),
    "SQL-BOMB-015": distinct,
    "SQL-BOMB-016": neighbour,
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_the_engine_stops_what_the_door_admits(data: Data, row: dict[str, Any]) -> None:
    assert row["id"] in CHECKS, "a new attack on the engine has no test yet"
    await CHECKS[row["id"]](data)

"""Random rows and filters: after a deletion the table is what a model says, whatever comes meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from aidatalabs.data.v1 import deletion_pb2 as dpb
from tests.rpc.data.conftest import Data
from tests.rpc.data.test_data_deletions import delete, event, hourly_is_true, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

Row = tuple[int, str, int, float]  # second, event type, user, value
Condition = tuple[str, Callable[[Row], bool]]
ROUNDS = 5
KINDS = ("buy", "click", "it's", "view")


def literal(text: str) -> str:
    return "'" + text.replace("'", "\\'") + "'"


def leaf(chance: random.Random) -> Condition:
    """One comparison, as SQL and as Python."""
    user, kind, second = chance.randrange(12), chance.choice(KINDS), chance.randrange(40 * 86_400)
    value = chance.randrange(-20, 20) / 4
    when = event(second, "", 0, 0)["timestamp"].replace("T", " ").rstrip("Z")
    leaves: Sequence[Condition] = [
        (f"user_id = {user}", lambda row: row[2] == user),
        (f"user_id % 3 = {user % 3}", lambda row: row[2] % 3 == user % 3),
        (f"event_type = {literal(kind)}", lambda row: row[1] == kind),
        (f"event_type IN ({literal(kind)}, 'x')", lambda row: row[1] == kind),
        (f"value < {value}", lambda row: row[3] < value),
        (f"events.value BETWEEN {value} AND {value + 2}", lambda row: value <= row[3] <= value + 2),
        (f"timestamp >= '{when}'", lambda row: row[0] >= second),
        (f"properties.user = {user}", lambda row: row[2] == user),
        (f"startsWith(event_type, {literal(kind[:1])})", lambda row: row[1].startswith(kind[:1])),
    ]
    return chance.choice(leaves)


def condition(chance: random.Random, depth: int) -> Condition:
    """A random condition of at most this depth."""
    if depth == 0 or chance.random() < 0.3:
        return leaf(chance)
    (left, holds_left), (right, holds_right) = condition(chance, depth - 1), condition(chance, depth - 1)
    return chance.choice(
        [
            (f"({left}) AND ({right})", lambda row: holds_left(row) and holds_right(row)),
            (f"({left}) OR ({right})", lambda row: holds_left(row) or holds_right(row)),
            (f"NOT ({left})", lambda row: not holds_left(row)),
        ]
    )


def rows_of(chance: random.Random, count: int) -> list[Row]:
    return [
        (
            chance.randrange(40 * 86_400),
            chance.choice(KINDS),
            chance.randrange(12),
            chance.randrange(-20, 20) / 4,
        )
        for _ in range(count)
    ]


async def send(data: Data, rows: Sequence[Row]) -> None:
    """Ingests events; each says its user in the properties too."""
    await put(data, "events", *({**event(*row), "properties": {"user": float(row[2])}} for row in rows))


async def there(data: Data) -> list[Row]:
    sql = (
        "SELECT toInt64(timestamp) - toInt64(toDateTime('2026-01-01 00:00:00')), event_type, "
        "toInt32(user_id), value FROM events"
    )
    found: list[Any] = await data.rows(sql, max_rows=10_000)
    return sorted((int(row[0]), row[1], int(row[2]), float(row[3])) for row in found)


async def test_the_table_is_the_model_after_every_deletion(data: Data) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    model: list[Row] = []
    for number in range(ROUNDS):
        fresh = rows_of(chance, 60)
        await send(data, fresh)
        model += fresh
        text, holds = condition(chance, 3)
        # Beside the deletion come rows of another kind that no filter here is about.
        live = [(chance.randrange(40 * 86_400), "live", 100 + number, 1.0) for _ in range(30)]
        deleting = asyncio.create_task(delete(data, "events", f"event_type != 'live' AND ({text})"))
        await asyncio.gather(*(send(data, live[start : start + 10]) for start in range(0, len(live), 10)))
        done = await deleting
        expected = [row for row in model if row[1] != "live" and holds(row)]
        model = [row for row in model if row[1] == "live" or not holds(row)] + live
        (table,) = done.tables
        assert done.state == dpb.Deletion.DONE, f"seed {seed}: {text}"
        assert table.matched_count == table.deleted_count == len(expected), f"seed {seed}: {text}"
        while len(found := await there(data)) < len(model):
            await asyncio.sleep(0.05)  # what was journalled meanwhile is on its way
        assert found == sorted(model), f"seed {seed}: {text}"
        assert await hourly_is_true(data), f"seed {seed}: {text}"

"""What a query is expected to cost: widths as stored, then as read, and the pace of earlier queries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from aidatalabs_services.data.adapters.clickhouse_answers import fingerprints_of, widths_of
from aidatalabs_services.data.estimates import Estimates
from aidatalabs_services.data.ports import QueryOutcome, StoredWidths, TableRead
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.statements import Statement

MIB = 1024 * 1024
SCHEMA = {
    "t": TableSchema(
        "t", (ColumnSchema("a", "UInt64"), ColumnSchema("b", "Nullable(UInt8)"), ColumnSchema("s", "String"))
    )
}
READ = [TableRead("t", parts=2, rows=1000, marks=3)]


def statement(*columns: str) -> Statement:
    return Statement("", "", "", ("t",), tuple(("t", name) for name in columns), ordered=False)


def outcome(seconds: float, read_bytes: int, rows: int = 1000) -> QueryOutcome:
    return QueryOutcome([], [], seconds, rows, read_bytes)


def estimates(**widths: float) -> Estimates:
    async def read(uid: str) -> Mapping[str, StoredWidths]:
        return {"t": StoredWidths(row_bytes=40.0, column_bytes=widths)}

    return Estimates(read)


@pytest.mark.parametrize(
    ("columns", "stored", "row_bytes"),
    [
        (("a",), {}, 8),  # by its type: the engine does not know
        (("a", "b"), {}, 9),
        (("a", "s"), {"s": 30.0}, 38),
        (("s.path", "s"), {"s": 30.0}, 30),
        ((), {"s": 30.0}, 1),  # count(): the smallest column
    ],
)
async def test_bytes_are_rows_times_the_columns_that_are_read(
    columns: tuple[str, ...], stored: dict[str, float], row_bytes: int
) -> None:
    cost = await estimates(**stored).cost("u", statement(*columns), SCHEMA, READ)
    assert (cost.rows, cost.bytes, cost.parts, cost.marks) == (1000, 1000 * row_bytes, 2, 3)


async def test_a_finished_query_over_the_same_columns_says_how_wide_they_are() -> None:
    found = estimates()
    found.learn("u", statement("s"), outcome(0.01, 25_000))
    assert (await found.cost("u", statement("s"), SCHEMA, READ)).bytes == 25_000
    assert (await found.cost("u", statement("a", "s"), SCHEMA, READ)).bytes == 24_000
    assert (await found.cost("other", statement("s"), SCHEMA, READ)).bytes == 16_000


async def test_the_pace_is_learnt_from_what_ran() -> None:
    found = estimates()
    for _ in range(60):
        found.learn("u", statement("a"), outcome(0.02, 1000, rows=1))
        found.learn("u", statement("b"), outcome(1.02, 200 * MIB, rows=1))
    cost = await found.cost("u", statement("a"), SCHEMA, [TableRead("t", 1, 100 * MIB // 8, 1)])
    assert cost.seconds == pytest.approx(0.02 + 0.5, rel=0.05)
    found.forget("u")
    assert (await found.cost("u", statement("a"), SCHEMA, [])).seconds == pytest.approx(0.005)


def test_fingerprints_change_with_rows_and_mutations_and_not_with_merges() -> None:
    apart = [("t", "p", 1, 10, 1, 5), ("t", "p", 2, 5, 2, 9), ("t", "q", 3, 7, 3, 0), ("o", "p", 1, 1, 1, 0)]
    merged = [("o", "p", 1, 1, 1, 0), ("t", "q", 3, 7, 3, 0), ("t", "p", 2, 15, 1, 9)]
    before = fingerprints_of(apart)
    assert before == fingerprints_of(merged)
    for changed in (
        [*apart, ("t", "p", 4, 1, 4, 9)],  # rows came
        apart[1:],  # a part went
        [("t", "p", 2, 15, 9, 9), *merged[:2]],  # a mutation
        [("t", "p", 2, 15, 1, 10), *merged[:2]],  # others after all had expired and the engine began anew
    ):
        after = fingerprints_of(changed)
        assert after["t"] != before["t"]
        assert after["o"] == before["o"]


def test_widths_are_averages_and_zero_where_the_engine_does_not_know() -> None:
    rows = [("t", "a", 100, 800, 150, 3000), ("t", "s", 0, 0, 150, 3000)]
    assert widths_of(rows) == {"t": StoredWidths(20.0, {"a": 8.0, "s": 0.0})}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cache_url": "http://x"}, "redis://"),
        ({"cache_url": "redis://x", "cache_key": "short"}, "cache_key"),
    ],
)
def test_a_shared_cache_without_its_key_is_refused_at_start(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataSettings(listen_address="127.0.0.1:0", jwks_url="http://x", directory=Path("unused"), **changes)

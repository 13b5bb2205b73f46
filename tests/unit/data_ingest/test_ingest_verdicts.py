"""Verdicts on events and rows: what is taken, what is not, and that neighbours are untouched."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest

from aidatalabs_services.data.blocks import blocks_of
from aidatalabs_services.data.ingest_batches import EventInput, MappingRows
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.verdicts import Verdict, judge_event_rows, judge_events, judge_rows

NOW = 1_800_000_000.0
SECOND = 1_000_000_000
TABLE = TableSchema(
    "trips",
    (
        ColumnSchema("id", "UInt64"),
        ColumnSchema("note", "Nullable(String)"),
        ColumnSchema("extra", "JSON"),
        ColumnSchema("day", "Date"),
    ),
    partition_by="toYYYYMM(day)",
)


def _rows(*rows: dict[str, Any]) -> Verdict:
    batch = MappingRows(rows)
    return judge_rows(batch.columns(list(TABLE.types)), batch.count, TABLE)


def _reasons(verdict: Verdict) -> list[tuple[int, str]]:
    return [(row.index, row.reason) for row in verdict.rejected]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (EventInput(None, "a"), "TIMESTAMP_MISSING"),
        (EventInput(-1, "a"), "TIMESTAMP_OUT_OF_RANGE"),
        (EventInput(int(NOW + 86_401) * SECOND, "a"), "TIMESTAMP_OUT_OF_RANGE"),
        (EventInput(-62_135_596_800 * SECOND, "a"), "TIMESTAMP_OUT_OF_RANGE"),
        (EventInput(1, ""), "EVENT_TYPE_EMPTY"),
        (EventInput(1, "x" * 257), "EVENT_TYPE_TOO_LONG"),
        (EventInput(1, "\N{SNOWMAN}" * 86), "EVENT_TYPE_TOO_LONG"),
        (EventInput(1, "a\r\nb"), "EVENT_TYPE_INVALID"),
        (EventInput(1, "a\x00"), "EVENT_TYPE_INVALID"),
        (EventInput(1, "a", value=math.nan), "VALUE_NOT_FINITE"),
        (EventInput(1, "a", value=-math.inf), "VALUE_NOT_FINITE"),
        (EventInput(1, "a", properties={"n": 2.0**53 + 2}), "PROPERTIES_INVALID"),
    ],
)
def test_a_bad_event_is_rejected_with_its_reason_and_its_neighbours_are_taken(
    event: EventInput, reason: str
) -> None:
    good = EventInput(1_700_000_000_123_999_999, "click", 2**64 - 1, {"page": "/p1"}, 1.5)
    verdict = judge_events([good, event, good], now_seconds=NOW)
    assert _reasons(verdict) == [(1, reason)]
    assert verdict.accepted.num_rows == 2
    assert verdict.accepted.column("timestamp").cast(pa.int64()).to_pylist() == [1_700_000_000_123] * 2
    assert verdict.accepted.column("user_id").to_pylist() == [2**64 - 1] * 2


def test_an_event_one_day_ahead_and_the_longest_type_are_taken() -> None:
    events = [EventInput(int(NOW + 86_400) * SECOND, "x" * 256), EventInput(0, "\N{PARTY POPPER} \u05d0")]
    assert judge_events(events, now_seconds=NOW).rejected == ()


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"event_type": "a"}, "TIMESTAMP_MISSING"),
        ({"timestamp": "yesterday", "event_type": "a"}, "VALUE_INVALID"),
        ({"timestamp": "2026-01-02T03:04:05Z"}, "EVENT_TYPE_EMPTY"),
        ({"timestamp": "2026-01-02T03:04:05Z", "event_type": "a", "user_id": -1.0}, "VALUE_INVALID"),
        ({"timestamp": "2026-01-02T03:04:05Z", "event_type": "a", "tenant_id": "other"}, "COLUMN_NOT_KNOWN"),
        ({"timestamp": "2026-01-02T03:04:05Z", "event_type": "a", "properties": [1.0]}, "PROPERTIES_INVALID"),
        ({"timestamp": "2026-01-02T03:04:05Z", "event_type": "a", "value": "NaN"}, "VALUE_INVALID"),
    ],
)
def test_rows_for_events_follow_the_rules_of_events(row: dict[str, Any], reason: str) -> None:
    good = {"timestamp": "2026-01-02 03:04:05.6789", "event_type": "a", "user_id": "42", "value": None}
    verdict = judge_event_rows([row, good], now_seconds=NOW)
    assert _reasons(verdict) == [(0, reason)]
    assert verdict.accepted.column("user_id").to_pylist() == [42]


def test_each_row_has_its_own_verdict_and_names_the_column() -> None:
    verdict = _rows(
        {"id": 1.0, "day": "2024-01-31"},
        {"id": 1.0, "day": "2024-02-01", "wat": 1.0},
        {"id": -1.0, "day": "2024-02-01"},
        {"day": "2024-02-01"},
        {"id": None, "day": "2024-02-01"},
        {"id": 2.0, "day": "2024-02-01", "note": "n", "extra": {"a": 1.0}},
    )
    assert _reasons(verdict) == [
        (1, "COLUMN_NOT_KNOWN"),
        (2, "VALUE_INVALID"),
        (3, "COLUMN_MISSING"),
        (4, "VALUE_INVALID"),
    ]
    assert [row.message.split()[1] for row in verdict.rejected] == ["wat", "id", "id", "id"]
    assert verdict.accepted.select(["id", "note", "extra"]).to_pylist() == [
        {"id": 1, "note": None, "extra": "{}"},
        {"id": 2, "note": "n", "extra": '{"a":1}'},
    ]


def test_a_column_that_no_row_brings_refuses_them_all() -> None:
    verdict = _rows({"note": "a"}, {"note": "b"})
    assert verdict.accepted.num_rows == 0
    assert {reason for _, reason in _reasons(verdict)} == {"COLUMN_MISSING"}


def test_a_strange_column_name_is_shown_harmlessly() -> None:
    (row,) = _rows({"id": 1.0, "day": "2024-02-01", "x\r\n" + "y" * 500: 1.0}).rejected
    assert row.message.isprintable()
    assert len(row.message) < 150


@pytest.mark.parametrize(
    ("partition_by", "blocks"),
    [("", 1), ("toYYYYMM(day)", 3), ("toYear(day)", 2), ("toDate(day)", 4), ("toMonday(day)", 3)],
)
def test_a_group_is_cut_by_partition_the_same_way_each_time(partition_by: str, blocks: int) -> None:
    days = ["2024-02-01", "2023-12-31", "2024-01-01", "2024-02-02", "2024-02-01"]
    batch = _rows(*({"id": float(number), "day": day} for number, day in enumerate(days))).accepted
    table = TableSchema(TABLE.name, TABLE.columns, partition_by=partition_by)
    cut = blocks_of([batch, batch], table)
    assert cut == blocks_of([batch, batch], table)
    assert len(cut) == blocks
    read = [pa.ipc.open_stream(block).read_all().column("id").to_pylist() for block in cut]
    assert sorted(number for ids in read for number in ids) == sorted([*range(5)] * 2)


def test_times_before_1970_are_cut_by_their_own_month() -> None:
    table = TableSchema("t", (ColumnSchema("at", "DateTime64(3)"),), partition_by="toYYYYMM(at)")
    rows = MappingRows([{"at": "1969-12-31T23:59:59.999Z"}, {"at": "1970-01-01T00:00:00Z"}])
    verdict = judge_rows(rows.columns(["at"]), 2, table)
    assert len(blocks_of([verdict.accepted], table)) == 2

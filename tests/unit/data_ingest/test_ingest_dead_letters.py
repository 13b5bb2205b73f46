"""Letters: what is kept of a rejected row, how much of all, and that they ride in the journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.dead_letters.letters import LetterKeeping, LetterLimits, Origin
from aidatalabs_services.data.dead_letters.quota import DayQuota
from aidatalabs_services.data.dead_letters.row_texts import (
    arrow_row,
    event_row,
    read_row,
    row_text,
    user_text,
)
from aidatalabs_services.data.journal_records import (
    GroupRecord,
    ReadGroup,
    RequestRecord,
    group_frame,
    read_frames,
)
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.value_rules import rule_of
from aidatalabs_services.data.verdicts import RejectedRow

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
ORIGIN = Origin("orders", "rows", "r-1")


class NoTable:
    """A warehouse whose engine is away."""

    async def query(self, *_: object, **__: object) -> object:
        """Never answers."""
        raise TimeoutError


def keeping(**limits: int) -> LetterKeeping:
    chosen = LetterLimits(**limits)
    return LetterKeeping(chosen, DayQuota(cast(Warehouse, NoTable()), chosen.day_bytes))


def rejected(count: int) -> list[RejectedRow]:
    return [RejectedRow(index, "VALUE_INVALID", f"column total is bad {index}") for index in range(count)]


@given(row=st.dictionaries(st.text(), JSON, max_size=4))
def test_a_row_of_json_is_read_again_as_it_was(row: dict[str, Any]) -> None:
    kept = row_text(row, 1 << 20)
    assert not kept.is_cut
    assert read_row(kept.text, ()) == json.loads(json.dumps(row))


@given(row=st.dictionaries(st.text(), st.text(), max_size=4), most=st.integers(1, 60))
def test_a_row_is_cut_between_letters_and_says_so(row: dict[str, str], most: int) -> None:
    kept = row_text(row, most)
    whole = row_text(row, 1 << 20)
    assert whole.text.startswith(kept.text)
    assert len(kept.text.encode()) <= most
    assert kept.is_cut == (whole.whole_bytes > most)


def test_what_json_has_no_form_for_becomes_text_that_rows_are_read_from() -> None:
    batch = pa.RecordBatch.from_pydict(
        {
            "when": pa.array([1_767_225_600_123_456_789], pa.timestamp("ns", tz="Europe/Oslo")),
            "early": pa.array([-1_000], pa.timestamp("ms")),
            "day": pa.array([0], pa.date32()),
            "price": pa.array([Decimal("1234567890123456789.50")], pa.decimal128(38, 2)),
            "big": pa.array([2**64 - 1], pa.uint64()),
            "far": pa.array([float("-inf")]),
            "tag": pa.array(["a"]).dictionary_encode(),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8())),
            "raw": pa.array([b"\xff"]),
            "nothing": pa.array([None], pa.string()),
        }
    )
    assert json.loads(row_text(arrow_row(batch, 0), 1 << 20).text) == {
        "when": "2026-01-01T00:00:00.123456789Z",
        "early": "1969-12-31T23:59:59Z",
        "day": "1970-01-01",
        "price": "1234567890123456789.50",
        "big": "18446744073709551615",
        "far": float("-inf"),
        "tag": "a",
        "map": {"k": 1},
        "raw": "\N{REPLACEMENT CHARACTER}",
        "nothing": None,
    }


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 2**53, 2**70, 1e300])
def test_a_number_that_was_refused_does_not_pass_as_text_when_its_row_is_replayed(number: float) -> None:
    sent = {"properties": {"n": number}, "name": float(number)}
    row = read_row(row_text(sent, 1 << 20).text, ["properties"])
    assert row is not None
    for column, kind in (("properties", "JSON"), ("name", "String")):
        with pytest.raises(ValueRefused):
            rule_of(ColumnType(kind))(row[column])


def test_an_event_is_the_row_that_the_table_of_events_takes() -> None:
    moment = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp()) * 10**9 + 678_000_000
    assert event_row(moment, "click", 2**63, {"n": 1.0}, 0.5) == {
        "timestamp": "2026-01-02T03:04:05.678Z",
        "event_type": "click",
        "user_id": 2**63,
        "properties": {"n": 1.0},
        "value": 0.5,
    }
    assert "timestamp" not in event_row(None, "", 0, None, 0.0)
    assert event_row(10**30, "x", 0, None, 0.0)["timestamp"] == str(10**30)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (42.0, "42"),
        ("0042", "42"),
        (2**64 - 1, "18446744073709551615"),
        ("6F1C1A52-0C3E-4C1E-9D1C-0123456789AB", "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"),
        ("Ana", "Ana"),
        (None, ""),
        ({"id": 1}, ""),
    ],
)
def test_a_user_id_is_kept_in_the_form_that_a_deletion_looks_for(value: object, text: str) -> None:
    assert user_text(value) == text


def row_of(index: int) -> Mapping[str, object]:
    return {"total": "x" * 100, "user_id": index}


def test_letters_end_where_the_room_the_rows_or_the_day_do() -> None:
    assert keeping().written(rejected(5), row_of, ORIGIN, 1 << 20).count == 5
    assert keeping(call_rows=3).written(rejected(5), row_of, ORIGIN, 1 << 20).count == 3
    few = keeping().written(rejected(5), row_of, ORIGIN, 1_000)
    assert (few.count, few.size <= 1_000) == (2, True)
    none = keeping().written(rejected(5), row_of, ORIGIN, 10)
    assert (none.count, none.size, dict(none.blocks)) == (0, 0, {})


async def test_an_engine_that_is_away_holds_nothing_up_and_leaves_the_room_as_it_is() -> None:
    kept = keeping(day_bytes=1_000, call_bytes=5_000)
    assert await kept.room("uid") == 1_000


def test_letters_stand_in_the_journal_behind_the_blocks_of_their_group_and_older_groups_have_none() -> None:
    request = RequestRecord("r", b"\1", "platforms/demo/receipts/r", 1, (), 2, 3)
    letters = keeping().written(rejected(2), row_of, ORIGIN, 1 << 20)
    (block,) = letters.blocks.values()
    record = GroupRecord(
        1,
        2.0,
        "orders",
        "id",
        "token",
        ("a",),
        (request,),
        (b"rows", block),
        letter_blocks=1,
        letter_columns=("id",),
    )
    ((_, read),) = read_frames(group_frame(record), 0)
    assert isinstance(read, ReadGroup)
    assert (read.record.letter_blocks, read.record.letter_columns) == (1, ("id",))
    assert read.record.requests == (request,)
    ((_, plain),) = read_frames(group_frame(GroupRecord(1, 2.0, "t", "i", "k", (), ())), 0)
    assert isinstance(plain, ReadGroup)
    assert plain.record.letter_blocks == 0

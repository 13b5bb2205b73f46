"""Which rows of a call are taken, and why the others are not: one bad row never fails its neighbours.

A verdict holds the rows taken as Arrow columns in the order of the table, ready for the journal and the
engine, and the first reason of every other row.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import shown_name
from aidatalabs_services.data.ingest_batches import ColumnInput, Columns, EventInput
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.value_columns import convert
from aidatalabs_services.data.value_rules import arrow_type, moment_seconds, rule_of

_T = TypeVar("_T")
_JSON = ColumnType("JSON")

MAX_EVENT_TYPE_BYTES = 256
_NANOSECONDS = 1_000_000_000
# Start of 2107 in seconds since 1970: the last year an event may be of is 2106.
EVENT_END_SECONDS = 4_323_369_600
ONE_DAY_SECONDS = 86_400
# Reasons of events with their words.
TIME_MISSING = ("TIMESTAMP_MISSING", "column timestamp is missing")
OUT_OF_RANGE = (
    "TIMESTAMP_OUT_OF_RANGE",
    "column timestamp must lie between 1970 and 2106 and at most one day ahead of the server's clock",
)
VALUE_NOT_FINITE = ("VALUE_NOT_FINITE", "column value must be a finite number")
_EVENT_COLUMNS = ("timestamp", "event_type", "user_id", "properties", "value")
_EVENT_ARROW = pa.schema(
    [
        ("timestamp", pa.timestamp("ms", tz="UTC")),
        ("event_type", pa.string()),
        ("user_id", pa.uint64()),
        ("properties", pa.string()),
        ("value", pa.float64()),
    ]
)


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not taken: its place from 0, UPPER_SNAKE reason, and words that name the column."""

    index: int
    reason: str
    message: str


@dataclass(frozen=True)
class Verdict:
    """The rows taken, in their order, and the rows not taken, by index.

    `unlisted_count` more rows were not taken than `rejected` lists.
    """

    accepted: pa.RecordBatch
    rejected: tuple[RejectedRow, ...]
    unlisted_count: int = 0


class _Refused(Exception):
    """One event's verdict."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def judge_rows(columns: Columns, count: int, table: TableSchema) -> Verdict:
    """Verdicts on `count` rows of `table`.

    A column that a row does not name is NULL where it is Nullable and {} where it is JSON; any other missing
    column refuses the row.
    """
    wrong: dict[int, RejectedRow] = {
        index: RejectedRow(
            index, "COLUMN_NOT_KNOWN", f"column {shown_name(name)} is not one of table {table.name}"
        )
        for index, name in columns.unknown.items()
    }
    arrays: list[pa.Array] = []
    for name, text in table.types.items():
        kind = parse_column_type(text)
        given = columns.known.get(name)
        arrays.append(
            _absent_column(name, kind, count, wrong) if given is None else _column(name, kind, given, wrong)
        )
    fields = pa.schema([(name, array.type) for name, array in zip(table.types, arrays, strict=True)])
    batch = pa.RecordBatch.from_arrays(arrays, schema=fields)
    if wrong:
        keep = np.ones(count, np.bool_)
        keep[list(wrong)] = False
        batch = batch.filter(pa.array(keep))
    return Verdict(batch, tuple(wrong[index] for index in sorted(wrong)))


def _absent_column(name: str, kind: ColumnType, count: int, wrong: dict[int, RejectedRow]) -> pa.Array:
    if kind.name == "JSON":
        return pa.array(["{}"] * count, arrow_type(kind))
    if not kind.nullable and len(wrong) < count:
        for index in range(count):
            _refuse(wrong, index, "COLUMN_MISSING", f"column {name} is missing")
    return pa.nulls(count, arrow_type(kind))


def _column(name: str, kind: ColumnType, given: ColumnInput, wrong: dict[int, RejectedRow]) -> pa.Array:
    converted = convert(kind, given)
    array = converted.array
    if given.missing.any():
        if kind.name == "JSON":
            filler = pa.scalar("{}", array.type)
            array = pc.if_else(pa.array(given.missing), filler, array)
        elif not kind.nullable:
            for index in np.flatnonzero(given.missing).tolist():
                _refuse(wrong, index, "COLUMN_MISSING", f"column {name} is missing")
    if not kind.nullable and given.nulls.any():
        for index in np.flatnonzero(given.nulls).tolist():
            _refuse(wrong, index, "VALUE_INVALID", f"column {name} must not be null")
    for index, error in converted.refused.items():
        _refuse(wrong, index, error.reason, f"column {name} {error}")
    return array


def _refuse(wrong: dict[int, RejectedRow], index: int, reason: str, message: str) -> None:
    wrong.setdefault(index, RejectedRow(index, reason, message))


def judge_events(
    events: Sequence[EventInput], *, now_seconds: float, properties: ColumnType = _JSON
) -> Verdict:
    """Verdicts on events by the rules of the contract; times are cut off at the millisecond.

    `properties` is the type of that column, whose declared paths take values of their type only.
    """
    return _judge(events, lambda event: event, now_seconds, properties)


def judge_event_rows(
    rows: Sequence[Mapping[str, object]], *, now_seconds: float, properties: ColumnType = _JSON
) -> Verdict:
    """The same rules for events that come as rows of the table of events."""
    return _judge(rows, _event_of_row, now_seconds, properties)


def _judge(
    items: Sequence[_T], read: Callable[[_T], EventInput], now_seconds: float, properties: ColumnType
) -> Verdict:
    objects = rule_of(properties)
    latest = min(EVENT_END_SECONDS, int(now_seconds) + ONE_DAY_SECONDS) * _NANOSECONDS
    taken: list[tuple[int, str, int, str, float]] = []
    rejected: list[RejectedRow] = []
    for index, item in enumerate(items):
        try:
            taken.append(_checked(read(item), latest, objects))
        except _Refused as error:
            rejected.append(RejectedRow(index, error.reason, str(error)))
    values = list(zip(*taken, strict=True)) if taken else [()] * len(_EVENT_COLUMNS)
    arrays = [pa.array(list(column), field.type) for column, field in zip(values, _EVENT_ARROW, strict=True)]
    return Verdict(pa.RecordBatch.from_arrays(arrays, schema=_EVENT_ARROW), tuple(rejected))


def _checked(
    event: EventInput, latest: int, objects: Callable[[object], object]
) -> tuple[int, str, int, str, float]:
    when = event.timestamp
    if when is None:
        raise _Refused(*TIME_MISSING)
    if not 0 <= when <= latest:
        raise _Refused(*OUT_OF_RANGE)
    _check_event_type(event.event_type)
    if not math.isfinite(event.value):
        raise _Refused(*VALUE_NOT_FINITE)
    return (
        when // 1_000_000,
        event.event_type,
        event.user_id,
        _properties(event.properties, objects),
        event.value,
    )


def _check_event_type(text: str) -> None:
    if not text:
        raise _Refused("EVENT_TYPE_EMPTY", "column event_type must not be empty")
    if len(text) > MAX_EVENT_TYPE_BYTES or len(text.encode("utf-8", "replace")) > MAX_EVENT_TYPE_BYTES:
        raise _Refused(
            "EVENT_TYPE_TOO_LONG", f"column event_type is longer than {MAX_EVENT_TYPE_BYTES} bytes"
        )
    if not text.isprintable() and any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise _Refused("EVENT_TYPE_INVALID", "column event_type must not hold control characters")


def _properties(value: Mapping[str, object] | None, objects: Callable[[object], object]) -> str:
    if not value:
        return "{}"
    try:
        return str(objects(value))
    except ValueRefused as error:
        raise _Refused("PROPERTIES_INVALID", f"column properties {error}") from None


_USER_ID = rule_of(ColumnType("UInt64"))
_VALUE = rule_of(ColumnType("Float64"))


def _event_of_row(row: Mapping[str, object]) -> EventInput:
    """A row as an event; null and absent both mean unset."""
    strange = row.keys() - set(_EVENT_COLUMNS)
    if strange:
        raise _Refused("COLUMN_NOT_KNOWN", f"column {shown_name(min(strange))} is not one of table events")
    properties = row.get("properties")
    if properties is not None and not isinstance(properties, Mapping):
        raise _Refused("PROPERTIES_INVALID", "column properties must be a JSON object")
    event_type = row.get("event_type")
    if event_type is not None and not isinstance(event_type, str):
        raise _Refused("EVENT_TYPE_INVALID", "column event_type must be a string")
    user_id = _by_rule("user_id", _USER_ID, row.get("user_id"), 0)
    value = _by_rule("value", _VALUE, row.get("value"), 0.0)
    assert isinstance(user_id, int)  # noqa: S101 - what the two rules return
    assert isinstance(value, float)  # noqa: S101
    return EventInput(_row_time(row.get("timestamp")), event_type or "", user_id, properties, value)


def _row_time(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _Refused("VALUE_INVALID", "column timestamp must be a time such as 2026-01-02T03:04:05.678Z")
    try:
        seconds, nanoseconds = moment_seconds(value)
    except ValueRefused as error:
        raise _Refused("VALUE_INVALID", f"column timestamp {error}") from None
    return seconds * _NANOSECONDS + nanoseconds


def _by_rule(name: str, rule: Callable[[object], object], value: object, unset: object) -> object:
    if value is None:
        return unset
    try:
        return rule(value)
    except ValueRefused as error:
        raise _Refused(error.reason, f"column {name} {error}") from None

"""What one ingest call brings: events, or rows that are read column by column.

A batch knows how many rows it has, a digest of its content, and its columns. Where the rows come from (Python
mappings here, messages in `adapters.ingest_messages`) makes no difference to the verdicts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.dead_letters.row_texts import event_row

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class EventInput:
    """One event as it came: `timestamp` in nanoseconds since 1970 UTC, None where it is absent."""

    timestamp: int | None
    event_type: str
    user_id: int = 0
    properties: Mapping[str, object] | None = None
    value: float = 0.0

    def row(self) -> Mapping[str, object]:
        """The event as a row of the table of events."""
        return event_row(self.timestamp, self.event_type, self.user_id, self.properties, self.value)


@dataclass(frozen=True)
class ColumnInput:
    """One column of a batch: `values` by row, as JSON values or, where all are numbers, as one array of
    doubles.

    `nulls` marks rows that say null, `missing` rows that do not name the column; there `values` means
    nothing.
    """

    values: Sequence[object] | NDArray[np.float64]
    nulls: Flags
    missing: Flags

    @property
    def empty(self) -> Flags:
        """Rows without a value."""
        return self.nulls | self.missing


@dataclass(frozen=True)
class Columns:
    """The known columns that at least one row names, and by row the first unknown column that it names."""

    known: Mapping[str, ColumnInput]
    unknown: Mapping[int, str]


@dataclass(frozen=True)
class EventColumns:
    """The events of a batch column by column.

    `timed` marks those that have a timestamp: `seconds` since 1970 UTC and `nanoseconds` after them, below
    10^9. `properties` is a struct of plain values in which a key may stand several times, once for each type
    that it has; `nulls` are the events that say null, by key where any does. The `strange` events are to be
    looked at one by one: of them only their place counts.
    """

    timed: Flags
    seconds: NDArray[np.int64]
    nanoseconds: NDArray[np.int64]
    types: pa.Array
    users: NDArray[np.uint64]
    values: NDArray[np.float64]
    properties: pa.Array
    strange: Flags
    nulls: Mapping[str, Flags] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many events."""
        return len(self.types)


@runtime_checkable
class RowBatch(Protocol):
    """Rows of any table."""

    @property
    def count(self) -> int:
        """How many rows."""
        ...

    def size_bytes(self) -> int:
        """About how many bytes they are; looked at for few rows only, since it may take a look at each."""
        ...

    def digest(self) -> bytes:
        """SHA-256 of the content; the same for the same rows in the same order."""
        ...

    def row(self, index: int) -> Mapping[str, object]:
        """The row at a place, from 0."""
        ...

    def columns(self, names: Sequence[str]) -> Columns:
        """The rows as columns of these names."""
        ...

    def mappings(self) -> Sequence[Mapping[str, object]]:
        """The rows one by one; slow, for tables with rules per row."""
        ...


@runtime_checkable
class EventBatch(Protocol):
    """Events for the table of events."""

    @property
    def count(self) -> int:
        """How many events."""
        ...

    def size_bytes(self) -> int:
        """About how many bytes they are; looked at for few rows only, since it may take a look at each."""
        ...

    def digest(self) -> bytes:
        """SHA-256 of the content; the same for the same events in the same order."""
        ...

    def row(self, index: int) -> Mapping[str, object]:
        """The event at a place, from 0, as a row of the table of events."""
        ...

    def events(self) -> Sequence[EventInput]:
        """The events one by one."""
        ...

    def event(self, index: int) -> EventInput:
        """One event by its place, from 0."""
        ...

    def event_columns(self) -> EventColumns | None:
        """The events column by column; None where they are not of the form for it."""
        ...


class MappingRows:
    """Rows that are Python mappings."""

    def __init__(self, rows: Sequence[Mapping[str, object]]) -> None:
        self._rows = rows

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self._rows)

    def size_bytes(self) -> int:
        """Characters of the rows as JSON."""
        return len(_text(self._rows))

    def digest(self) -> bytes:
        """SHA-256 of the rows as JSON with sorted keys."""
        return _digest("rows", self._rows)

    def row(self, index: int) -> Mapping[str, object]:
        """The row at a place."""
        return self._rows[index]

    def mappings(self) -> Sequence[Mapping[str, object]]:
        """The rows themselves."""
        return self._rows

    def columns(self, names: Sequence[str]) -> Columns:
        """The rows as columns."""
        return columns_of(self._rows, names)


class ListedEvents:
    """Events in a list."""

    def __init__(self, events: Sequence[EventInput]) -> None:
        self._events = events

    @property
    def count(self) -> int:
        """How many events."""
        return len(self._events)

    def size_bytes(self) -> int:
        """Characters of the events as JSON."""
        return len(_text([vars(event) for event in self._events]))

    def digest(self) -> bytes:
        """SHA-256 of the events as JSON."""
        return _digest("events", [vars(event) for event in self._events])

    def row(self, index: int) -> Mapping[str, object]:
        """The event at a place as a row."""
        return self._events[index].row()

    def event(self, index: int) -> EventInput:
        """One event."""
        return self._events[index]

    def event_columns(self) -> EventColumns | None:
        """Never: there is nothing to be gained."""
        return None

    def events(self) -> Sequence[EventInput]:
        """The events themselves."""
        return self._events


def columns_of(rows: Sequence[Mapping[str, object]], names: Sequence[str]) -> Columns:
    """Pivots rows into the columns of `names`; a column that no row names is left out."""
    wanted = set(names)
    named: set[str] = set()
    unknown: dict[int, str] = {}
    for index, row in enumerate(rows):
        keys = row.keys()
        named |= keys & wanted
        if not keys <= wanted:
            unknown[index] = min(keys - wanted)
    known = {}
    absent = object()
    for name in named:
        values = [row.get(name, absent) for row in rows]
        missing = np.fromiter((value is absent for value in values), np.bool_, len(rows))
        nulls = np.fromiter((value is None for value in values), np.bool_, len(rows))
        known[name] = ColumnInput([None if value is absent else value for value in values], nulls, missing)
    return Columns(known, unknown)


def _digest(kind: str, content: object) -> bytes:
    return hashlib.sha256(f"{kind}:{_text(content)}".encode()).digest()


def _text(content: object) -> str:
    return json.dumps(content, sort_keys=True, default=dict, ensure_ascii=True)

"""Events read as columns straight from their bytes, all at once; beside `struct_wire`, and with its limits.

event = 0x0A · length · timestamp | 0x12 · length · text | 0x18 · varint | 0x22 · length · Struct
      | 0x29 · double, each at most once, in this order
timestamp = 0x08 · varint | 0x10 · varint
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.adapters.struct_wire import (
    BOOL,
    MISSING,
    NULL,
    NUMBER,
    OTHER,
    TEXT,
    Cells,
    Unusual,
    Wire,
    read_cells,
)
from aidatalabs_services.data.adapters.wire_pieces import Ints, pieces_of
from aidatalabs_services.data.ingest_batches import EventColumns, Flags
from aidatalabs_services.data.json_values import EXACT_LIMIT, MAX_JSON_BYTES, MAX_KEY_BYTES

# The text of an object is at most this many times as long as its message: `\u0000` is one byte there.
_LONGER_AS_TEXT = 8


def read_events(buffer: bytes, starts: Ints, ends: Ints) -> EventColumns | None:
    """The events at `starts` to `ends` of `buffer`, which ends with PADDING; None where they are not of the
    plain form.
    """
    try:
        return _read(Wire(buffer), starts, ends)
    except (Unusual, UnicodeDecodeError):
        return None


def _read(wire: Wire, starts: Ints, ends: Ints) -> EventColumns:
    count = starts.size
    fields = _Fields(wire, starts, ends)
    timed, time_starts, time_lengths = fields.part(0x0A)
    typed, type_starts, type_lengths = fields.part(0x12)
    users = fields.whole(0x18)
    _, object_starts, object_lengths = fields.part(0x22)
    values = fields.double(0x29)
    fields.check_end()
    seconds, nanoseconds = _times(wire, time_starts, time_lengths)
    # What may be too long as text is not even scanned: one such object could have more steps than all others.
    strange: Flags = object_lengths * _LONGER_AS_TEXT > MAX_JSON_BYTES
    cells = read_cells(wire, object_starts, object_starts + np.where(strange, 0, object_lengths))
    names, arrays = _objects(wire, cells, strange)
    objects = pa.StructArray.from_arrays(arrays, names) if arrays else pa.array([{}] * count, pa.struct([]))
    return EventColumns(
        timed=timed,
        seconds=seconds,
        nanoseconds=nanoseconds,
        types=_texts(wire, type_starts, type_lengths, typed).fill_null(""),
        users=users,
        values=values,
        properties=objects,
        strange=strange,
        nulls={key: nulls for key, each in cells.items() if (nulls := each.kinds == NULL).any()},
    )


class _Fields:
    """A cursor in every event; each field is read where it stands and skipped where it does not."""

    def __init__(self, wire: Wire, starts: Ints, ends: Ints) -> None:
        self._wire = wire
        self._at = starts.copy()
        self._ends = ends

    def _found(self, tag: int) -> tuple[Flags, Ints]:
        found: Flags = (self._at < self._ends) & (self._wire.byte(self._at) == tag)
        return found, found.nonzero()[0]

    def part(self, tag: int) -> tuple[Flags, Ints, Ints]:
        """Which events have a field with a length, where it begins in each, and its length."""
        found, rows = self._found(tag)
        if rows.size == found.size:  # as most fields are
            lengths, starts = self._wire.length(self._at + 1)
            self._at = starts + lengths
            return found, starts, lengths
        starts, lengths = np.zeros(found.size, np.int64), np.zeros(found.size, np.int64)
        lengths[rows], starts[rows] = self._wire.length(self._at[rows] + 1)
        self._at[rows] = starts[rows] + lengths[rows]
        return found, starts, lengths

    def whole(self, tag: int) -> NDArray[np.uint64]:
        """A whole number of every event, 0 where it is not there."""
        found, rows = self._found(tag)
        if rows.size == found.size:
            numbers, self._at = self._wire.number(self._at + 1)
            return numbers
        numbers = np.zeros(found.size, np.uint64)
        if rows.size:
            numbers[rows], self._at[rows] = self._wire.number(self._at[rows] + 1)
        return numbers

    def double(self, tag: int) -> NDArray[np.float64]:
        """A double of every event, 0 where it is not there."""
        found, rows = self._found(tag)
        numbers = np.zeros(found.size, np.float64)
        numbers[rows] = self._wire.doubles[self._at[rows] + 1]
        self._at[rows] += 9
        return numbers

    def check_end(self) -> None:
        """Raises Unusual where anything else is in an event."""
        if (self._at != self._ends).any():
            raise Unusual


def _times(wire: Wire, starts: Ints, lengths: Ints) -> tuple[Ints, Ints]:
    fields = _Fields(wire, starts, starts + lengths)
    seconds, nanoseconds = fields.whole(0x08), fields.whole(0x10)
    fields.check_end()
    # Numbers below zero are the largest ones here; of these the objects themselves are asked.
    if (seconds > np.uint64(2**62)).any() or (nanoseconds >= np.uint64(10**9)).any():
        raise Unusual
    return seconds.astype(np.int64), nanoseconds.astype(np.int64)


def _objects(wire: Wire, cells: Mapping[str, Cells], strange: Flags) -> tuple[list[str], list[pa.Array]]:
    """The keys of the flat objects with their values, a key twice where they are of several types; marks in
    `strange` which objects are to be looked at one by one as well.
    """
    numbers = {}
    for key, each in cells.items():
        if "." in key or not key or len(key.encode()) > MAX_KEY_BYTES:
            strange |= each.kinds != MISSING
        strange |= each.kinds == OTHER
        rows = (each.kinds == NUMBER).nonzero()[0]
        numbers[key] = wire.doubles[each.starts[rows] + 1]
        strange[rows[~(np.abs(numbers[key]) <= EXACT_LIMIT)]] = True
    names, arrays = list[str](), list[pa.Array]()
    for key, each in cells.items():
        found = [*_numbers(each, numbers[key], strange), *_words(wire, each, strange)]
        names += [key] * len(found)
        arrays += found
    return names, arrays


def _numbers(cells: Cells, numbers: NDArray[np.float64], strange: Flags) -> list[pa.Array]:
    """Whole doubles as integers, the others as they are."""
    rows = (cells.kinds == NUMBER).nonzero()[0]
    kept = ~strange[rows]
    rows, numbers = rows[kept], numbers[kept]
    whole = numbers == np.floor(numbers)
    return [
        _spread(numbers[chosen].astype(kind), rows[chosen], strange.size)
        for chosen, kind in ((whole, np.int64), (~whole, np.float64))
        if chosen.any()
    ]


def _spread(values: NDArray[np.int64 | np.float64], rows: Ints, count: int) -> pa.Array:
    """Values of some rows as a column of all."""
    column = np.zeros(count, values.dtype)
    column[rows] = values
    if rows.size == count:
        return pa.array(column)
    absent = np.ones(count, np.bool_)
    absent[rows] = False
    return pa.array(column, mask=absent)


def _words(wire: Wire, cells: Cells, strange: Flags) -> list[pa.Array]:
    """Texts and booleans."""
    found = []
    texts = (cells.kinds == TEXT) & ~strange
    if texts.any():
        rows = texts.nonzero()[0]
        starts, lengths = np.zeros(texts.size, np.int64), np.zeros(texts.size, np.int64)
        lengths[rows], starts[rows] = wire.length(cells.starts[rows] + 1)
        if (starts[rows] + lengths[rows] != cells.starts[rows] + cells.lengths[rows]).any():
            raise Unusual
        found.append(_texts(wire, starts, lengths, texts))
    rows = ((cells.kinds == BOOL) & ~strange).nonzero()[0]
    if rows.size:
        flags = wire.byte(cells.starts[rows] + 1) != 0
        absent = np.ones(strange.size, np.bool_)
        absent[rows] = False
        column = np.zeros(strange.size, np.bool_)
        column[rows] = flags & (cells.lengths[rows] > 1)
        found.append(pa.array(column, mask=absent))
    return found


def _texts(wire: Wire, starts: Ints, lengths: Ints, present: Flags) -> pa.Array:
    """Text of every row, NULL where it is not present; the rows' places ascend."""
    rows = present.nonzero()[0]
    if not rows.size:
        return pa.nulls(present.size, pa.string())
    whole = rows.size == present.size
    begins = starts if whole else starts[rows]
    pieces = pieces_of(wire.buffer, begins, begins + (lengths if whole else lengths[rows]))
    places = np.zeros(present.size, np.int32)
    places[rows] = np.arange(0, 2 * rows.size, 2, dtype=np.int32)
    return pieces.take(pa.array(places, mask=None if whole else ~present)).view(pa.string())

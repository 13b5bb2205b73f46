"""Many `google.protobuf.Struct` messages read as columns straight from their bytes, all rows at once.

Asking the message objects cell by cell costs about a microsecond a cell. Here every row has a cursor in one
buffer and a step reads the next field of all rows with array operations. It reads exactly what protobuf's own
serialiser writes; anything else (unknown fields, unusual order, huge numbers of different keys) makes
`read_columns` return None, and the caller asks the objects instead. A test holds both ways against each
other.

    row   = { 0x0A · length · entry }           Struct.fields
    entry = 0x0A · length · key · 0x12 · length · value
    value = 0x08 · 0 | 0x11 · double | 0x1A · length · text | 0x20 · bool
          | 0x2A · length · row | 0x32 · length · list
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf import struct_pb2
from numpy.typing import NDArray

from aidatalabs_services.data.ingest_batches import ColumnInput, Columns

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

MISSING, NULL, NUMBER, TEXT, BOOL, OTHER = range(6)
_KIND_OF_TAG = np.zeros(256, np.uint8)
for _tag, _kind in (
    (0x08, NULL),
    (0x11, NUMBER),
    (0x1A, TEXT),
    (0x20, BOOL),
    (0x2A, OTHER),
    (0x32, OTHER),
):
    _KIND_OF_TAG[_tag] = _kind
# Bytes of a value by kind where that is fixed, its tag included.
_PLAIN_LENGTH = np.array([0, 2, 9, 0, 2, 0], np.int64)
_BYTE = np.uint64(0xFF)
_U8, _U24, _SEVEN_BITS = np.uint64(8), np.uint64(24), np.uint64(0x7F)
# Tags and lengths of one byte each, as most have them, read as one number: 0A length 0A length, 12 length.
_ENTRY, _SHORT_ENTRY = np.uint64(0x000A000A), np.uint64(0x80FF80FF)
_VALUE, _SHORT_VALUE = np.uint64(0x0012), np.uint64(0x80FF)
# Reads beyond the last row land in zeros, which no rule below accepts.
PADDING = bytes(16)
_MAX_VARINT_BYTES = 4
_LONGEST_VARINT_BYTES = 10
# More different keys than this in one place of the rows: not the shape this way is for.
_MAX_KEYS_PER_STEP = 32


class Unusual(Exception):
    """The bytes are not of the plain form."""


@dataclass
class Cells:
    """The cells of one column, at most one per row: kind, and place and length of the value's bytes."""

    kinds: Bytes
    starts: Ints
    lengths: Ints


def read_columns(
    buffer: bytes,
    starts: Ints,
    ends: Ints,
    names: Sequence[str],
    decode: Callable[[struct_pb2.Value], object],
) -> Columns | None:
    """The rows at `starts` to `ends` of `buffer` as columns of `names`; None where they are not of the plain
    form.

    `buffer` ends with PADDING. `decode` turns a list or an object into a Python value.
    """
    try:
        return _Reader(Wire(buffer), starts, ends, names, decode).read()
    except (Unusual, UnicodeDecodeError):
        return None


def read_cells(wire: Wire, starts: Ints, ends: Ints) -> Mapping[str, Cells]:
    """Every key of the rows with its cells. Raises Unusual, and UnicodeDecodeError."""
    return _Reader(wire, starts, ends, None, lambda cell: cell).scan()


@dataclass(frozen=True)
class RowPlaces:
    """Where the rows lie in a serialised request: of each its start and end, of all where the field begins
    and ends.
    """

    begin: int
    end: int
    starts: Ints
    ends: Ints


def row_places(buffer: bytes, field: int, count: int) -> RowPlaces:
    """Finds the `count` messages of the repeated `field` in a request whose fields up to it have lengths.

    The serialiser writes fields in the order of their numbers, so they follow each other.
    """
    tag, position = field << 3 | 2, 0
    while buffer[position] != tag:
        length, position = _length(buffer, position + 1)
        position += length
    begin, starts, ends = position, [], []
    for _ in range(count):
        length, following = buffer[position + 1], buffer[position + 2]
        if length < 0x80:
            position += 2
        elif following < 0x80:  # as most rows have it
            length, position = (length & 0x7F) | following << 7, position + 3
        else:
            length, position = _length(buffer, position + 1)
        starts.append(position)
        position += length
        ends.append(position)
    return RowPlaces(begin, position, np.array(starts, np.int64), np.array(ends, np.int64))


def _length(buffer: bytes, position: int) -> tuple[int, int]:
    """The varint at `position` and the place behind it."""
    number, shift = 0, 0
    while True:
        byte = buffer[position]
        number |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            return number, position


class Wire:
    """A serialised message, ended by PADDING, read at many places at once."""

    def __init__(self, buffer: bytes) -> None:
        self.buffer = buffer
        # Eight bytes from any place on, as one number: places need not be multiples of eight.
        count = len(buffer) - 7
        self._words: NDArray[np.uint64] = np.ndarray((count,), "<u8", buffer, strides=(1,))
        self.doubles: NDArray[np.float64] = np.ndarray((count,), "<f8", buffer, strides=(1,))

    def word(self, position: Ints) -> NDArray[np.uint64]:
        """The eight bytes at these places."""
        return self._words[np.minimum(position, self._words.size - 1)]

    def byte(self, position: Ints) -> NDArray[np.uint64]:
        """The byte at these places."""
        return self.word(position) & _BYTE

    def length(self, position: Ints) -> tuple[Ints, Ints]:
        """Lengths at these places, and the places behind them. Raises Unusual for one of 2^35 or more."""
        word = self.word(position).astype(np.int64)
        number = word & 0x7F
        going = (word & 0x80) != 0
        position = position + 1
        for place in range(1, _MAX_VARINT_BYTES + 1):
            if not going.any():
                return number, position
            byte = (word >> (8 * place)) & 0xFF
            number += np.where(going, (byte & 0x7F) << (7 * place), 0)
            position = position + going
            going = going & (byte >= 0x80)
        raise Unusual

    def number(self, position: Ints) -> tuple[NDArray[np.uint64], Ints]:
        """Whole numbers of up to 64 bits at these places, and the places behind them."""
        number = np.zeros(position.size, np.uint64)
        going = np.ones(position.size, np.bool_)
        for place in range(_LONGEST_VARINT_BYTES):
            byte = self.byte(position)
            number |= np.where(going, (byte & np.uint64(0x7F)) << np.uint64(7 * place), np.uint64(0))
            position = position + going
            going = going & (byte >= 0x80)
            if not going.any():
                return number, position
        raise Unusual


class _Reader:
    def __init__(
        self,
        wire: Wire,
        starts: Ints,
        ends: Ints,
        names: Sequence[str] | None,
        decode: Callable[[struct_pb2.Value], object],
    ) -> None:
        self._wire = wire
        self._buffer = wire.buffer
        self._word = wire.word
        self._varint = wire.length
        self._starts, self._ends = starts, ends
        self._names = None if names is None else {name.encode(): name for name in names}
        self._decode = decode
        self._cells: dict[str, Cells] = {}
        self._unknown: dict[int, str] = {}

    def read(self) -> Columns:
        self.scan()
        return Columns({name: self._column(cells) for name, cells in self._cells.items()}, self._unknown)

    def scan(self) -> Mapping[str, Cells]:
        """The cells of every known key."""
        position = self._starts.copy()
        active = np.flatnonzero(position < self._ends)
        while active.size:
            position[active] = self._step(active, position[active])
            active = active[position[active] < self._ends[active]]
        if (position != self._ends).any():
            raise Unusual
        return self._cells

    def _step(self, rows: Ints, position: Ints) -> Ints:
        """Reads one field of each of `rows`; returns where the next one begins."""
        end, key, key_length = self._entry(position)
        value, value_length = self._value_place(key + key_length)
        if (value + value_length != end).any() or (end > self._ends[rows]).any():
            raise Unusual
        kinds = self._kinds(value, value_length)
        rest = np.arange(rows.size)
        for _ in range(_MAX_KEYS_PER_STEP):
            name = self._buffer[key[rest[0]] : key[rest[0]] + key_length[rest[0]]]
            same = self._same_key(key[rest], key_length[rest], name)
            self._note(name, rows, rest[same], kinds, value, value_length)
            rest = rest[~same]
            if not rest.size:
                return end
        raise Unusual

    def _entry(self, position: Ints) -> tuple[Ints, Ints, Ints]:
        """Of the entries at these places: where they end, where their keys begin, and the keys' lengths."""
        word = self._word(position)
        if ((word & _SHORT_ENTRY) == _ENTRY).all():
            inside = position + 2
            end = inside + ((word >> _U8) & _SEVEN_BITS).astype(np.int64)
            return end, inside + 2, ((word >> _U24) & _SEVEN_BITS).astype(np.int64)
        self._expect(position, 0x0A)
        length, inside = self._varint(position + 1)
        self._expect(inside, 0x0A)
        key_length, key = self._varint(inside + 1)
        return inside + length, key, key_length

    def _value_place(self, position: Ints) -> tuple[Ints, Ints]:
        """Where the values begin whose fields stand at these places, and their lengths."""
        word = self._word(position)
        if ((word & _SHORT_VALUE) == _VALUE).all():
            return position + 2, ((word >> _U8) & _SEVEN_BITS).astype(np.int64)
        self._expect(position, 0x12)
        length, value = self._varint(position + 1)
        return value, length

    def _expect(self, position: Ints, tag: int) -> None:
        if ((self._word(position) & _BYTE) != tag).any():
            raise Unusual

    def _kinds(self, value: Ints, length: Ints) -> Bytes:
        kinds = _KIND_OF_TAG[(self._word(value) & _BYTE).astype(np.int64)]
        kinds[length == 0] = NULL  # a value of no kind at all
        plain = _PLAIN_LENGTH[kinds]
        if (kinds == MISSING).any() or ((plain != 0) & (length != plain) & (length != 0)).any():
            raise Unusual
        return kinds

    def _same_key(self, key: Ints, length: Ints, name: bytes) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = length == len(name)
        for place in range(0, len(name), 8):
            part = name[place : place + 8]
            mask = np.uint64((1 << (8 * len(part))) - 1)
            same &= (self._word(key + place) & mask) == np.uint64(int.from_bytes(part, "little"))
        return same

    def _note(self, key: bytes, rows: Ints, chosen: Ints, kinds: Bytes, value: Ints, length: Ints) -> None:
        text = key.decode()
        name = text if self._names is None else self._names.get(key)
        if name is None:
            for row in rows[chosen].tolist():
                self._unknown[row] = min(text, self._unknown.get(row, text))
            return
        cells = self._cells.get(name)
        if cells is None:
            count = self._ends.size
            cells = Cells(np.zeros(count, np.uint8), np.zeros(count, np.int64), np.zeros(count, np.int64))
            self._cells[name] = cells
        places = rows[chosen]
        if cells.kinds[places].any():
            raise Unusual  # a key twice in one row
        cells.kinds[places] = kinds[chosen]
        cells.starts[places] = value[chosen]
        cells.lengths[places] = length[chosen]

    def _column(self, cells: Cells) -> ColumnInput:
        missing, nulls = cells.kinds == MISSING, cells.kinds == NULL
        present = cells.kinds > NULL
        if (cells.kinds[present] == NUMBER).all():
            numbers = np.zeros(cells.kinds.size, np.float64)
            numbers[present] = self._wire.doubles[cells.starts[present] + 1]
            return ColumnInput(numbers, nulls, missing)
        if (cells.kinds[present] == TEXT).all():
            return ColumnInput(self._texts(cells), nulls, missing)
        return ColumnInput([self._value(cells, row) for row in range(cells.kinds.size)], nulls, missing)

    def _texts(self, cells: Cells) -> list[object]:
        present = np.flatnonzero(cells.kinds == TEXT)
        size, start = self._varint(cells.starts[present] + 1)
        if (start + size != cells.starts[present] + cells.lengths[present]).any():
            raise Unusual
        texts: list[object] = [None] * cells.kinds.size
        buffer = self._buffer
        for row, begin, end in zip(present.tolist(), start.tolist(), (start + size).tolist(), strict=True):
            texts[row] = buffer[begin:end].decode()
        return texts

    def _value(self, cells: Cells, row: int) -> object:
        if cells.kinds[row] <= NULL:
            return None
        start, length = int(cells.starts[row]), int(cells.lengths[row])
        return self._decode(struct_pb2.Value.FromString(self._buffer[start : start + length]))

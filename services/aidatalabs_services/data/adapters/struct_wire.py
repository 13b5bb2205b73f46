"""Many `google.protobuf.Struct` messages read as columns straight from their bytes, all rows at once.

Asking the message objects cell by cell costs about a microsecond a cell. Here every row has a cursor in one
buffer and a step reads the next field of all rows with array operations. It reads exactly what protobuf's own
serialiser writes; anything else (unknown fields, unusual order, many different keys, long ones) makes
`read_columns` return None, and the caller asks the objects instead. A test holds both ways against each
other. The limits come before the work: a key costs an array of all rows and a step an array operation, so a
small message could ask for gigabytes and minutes.

    row   = { 0x0A · length · entry }           Struct.fields
    entry = 0x0A · length · key · 0x12 · length · value
    value = 0x08 · 0 | 0x11 · double | 0x1A · length · text | 0x20 · bool
          | 0x2A · length · row | 0x32 · length · list
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from google.protobuf import struct_pb2
from numpy.typing import NDArray

from aidatalabs_services.data.adapters.wire_pieces import Ints
from aidatalabs_services.data.ingest_batches import ColumnInput, Columns

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
_ZERO, _MORE = np.uint64(0), np.uint64(0x80)
# Tags and lengths of one byte each, as most have them, read as one number: 0A length 0A length, 12 length.
_ENTRY, _SHORT_ENTRY = np.uint64(0x000A000A), np.uint64(0x80FF80FF)
_VALUE, _SHORT_VALUE = np.uint64(0x0012), np.uint64(0x80FF)
_MAX_VARINT_BYTES = 4
_LONGEST_VARINT_BYTES = 10
# More different keys with one code than chance brings: not the shape this way is for.
_MAX_KEYS_PER_CODE = 32
# More different keys than this, beside those asked for, are not either: each is looked at in all rows.
_MOST_KEYS = 256
# No column and no key of an object may be called by more; each eight bytes of a key are compared in one step.
_LONGEST_KEY_BYTES = 512
_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(9)], np.uint64)
_MIXING, _U48 = np.uint64(0x9E3779B97F4A7C15), np.uint64(48)


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
    """Every key of the rows, 256 at most, with its cells. Raises Unusual, and UnicodeDecodeError."""
    return _Reader(wire, starts, ends, None, lambda cell: cell).scan()


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
        word = self.word(position)
        number = word & _SEVEN_BITS
        going = (word & _MORE) != 0
        size = np.ones(position.size, np.int64)
        for place in range(1, _LONGEST_VARINT_BYTES):
            if not going.any():
                return number, position + size
            byte = word >> np.uint64(8 * place) if place < 8 else self.byte(position + place)
            number |= np.where(going, (byte & _SEVEN_BITS) << np.uint64(7 * place), _ZERO)
            size += going
            going &= (byte & _MORE) != 0
        if going.any():
            raise Unusual
        return number, position + size


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
        self._most_keys = _MOST_KEYS if names is None else _MOST_KEYS + len(names)
        self._decode = decode
        self._cells: dict[str, Cells] = {}
        self._unknown: dict[int, str] = {}

    def read(self) -> Columns:
        self.scan()
        return Columns({name: self._column(cells) for name, cells in self._cells.items()}, self._unknown)

    def scan(self) -> Mapping[str, Cells]:
        """The cells of every known key."""
        rows, ends, keys, lengths = self._entries()
        if rows.size:
            values, sizes = self._value_place(keys + lengths)
            if (values + sizes != ends).any():
                raise Unusual
            kinds = self._kinds(values, sizes)
            for number, (name, chosen) in enumerate(self._by_key(keys, lengths), 1):
                if number > self._most_keys:
                    raise Unusual
                self._note(name, rows[chosen], kinds[chosen], values[chosen], sizes[chosen])
        return self._cells

    def _entries(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Of every entry of every row: its row, where it ends, where its key begins, and the key's length."""
        rows = (self._starts < self._ends).nonzero()[0]
        position, limit = self._starts[rows], self._ends[rows]
        found = [(rows[:0], position[:0], position[:0], position[:0])]
        while rows.size:
            end, key, length = self._entry(position)
            # The keys of one row are different ones: more entries are more keys.
            if len(found) > self._most_keys or (end > limit).any() or (length > _LONGEST_KEY_BYTES).any():
                raise Unusual
            found.append((rows, end, key, length))
            going = end < limit
            if not going.all():
                rows, end, limit = rows[going], end[going], limit[going]
            position = end
        rows, ends, keys, lengths = (np.concatenate(each) for each in zip(*found, strict=True))
        return rows, ends, keys, lengths

    def _by_key(self, keys: Ints, lengths: Ints) -> Iterator[tuple[bytes, Ints]]:
        """Each different key with the places of its entries.

        Entries are sorted by a short code of their keys first: a key is then compared with few others.
        """
        codes = self._codes(keys, lengths)
        order = np.argsort(codes, kind="stable")  # by radix, as they have 16 bits
        codes = codes[order]
        bounds = (codes[1:] != codes[:-1]).nonzero()[0] + 1
        if bounds.size >= self._most_keys:
            raise Unusual
        for alike in np.split(order, bounds):
            rest = alike
            for _ in range(_MAX_KEYS_PER_CODE):
                first = rest[0]
                name = self._buffer[keys[first] : keys[first] + lengths[first]]
                same = self._same_key(keys[rest], lengths[rest], name)
                if same.all():
                    yield name, rest
                    break
                yield name, rest[same]
                rest = rest[~same]
            else:
                raise Unusual

    def _codes(self, keys: Ints, lengths: Ints) -> NDArray[np.uint16]:
        """A code of each key, of its first eight bytes and its length."""
        kept = _FIRST_BYTES[np.minimum(lengths, 8)]
        mixed = ((self._word(keys) & kept) ^ lengths.astype(np.uint64)) * _MIXING
        return (mixed >> _U48).astype(np.uint16)

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

    def _note(self, key: bytes, rows: Ints, kinds: Bytes, values: Ints, lengths: Ints) -> None:
        text = key.decode()
        name = text if self._names is None else self._names.get(key)
        if name is None:
            for row in rows.tolist():
                self._unknown[row] = min(text, self._unknown.get(row, text))
            return
        count = self._ends.size
        cells = Cells(np.zeros(count, np.uint8), np.zeros(count, np.int64), np.zeros(count, np.int64))
        cells.kinds[rows] = kinds
        cells.starts[rows] = values
        cells.lengths[rows] = lengths
        if np.count_nonzero(cells.kinds) != rows.size:
            raise Unusual  # a key twice in one row
        self._cells[name] = cells

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
        present = (cells.kinds == TEXT).nonzero()[0]
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

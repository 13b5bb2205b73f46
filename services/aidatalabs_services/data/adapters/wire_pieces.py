"""Where the messages of a serialised request lie, and pieces of its bytes without a copy of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.native.wire import bytes_of

Ints = NDArray[np.int64]
# Behind a request: what is read beyond its last row lands in zeros, which no rule of `struct_wire` accepts.
PADDING = bytes(16)


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
    begin, starts, lengths = position, list[int](), list[int]()
    for _ in range(count):
        length, following = buffer[position + 1], buffer[position + 2]
        if length < 0x80:
            position += 2
        elif following < 0x80:  # as most rows have it
            length += (following << 7) - 0x80
            position += 3
        else:
            length, position = _length(buffer, position + 1)
        starts.append(position)
        lengths.append(length)
        position += length
    places = np.array(starts, np.int64)
    return RowPlaces(begin, position, places, places + np.array(lengths, np.int64))


def _length(buffer: bytes, position: int) -> tuple[int, int]:
    """The varint at `position` and the place behind it."""
    number, shift = 0, 0
    while True:
        byte = buffer[position]
        number |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            return number, position


def pieces_of(buffer: bytes, starts: Ints, ends: Ints) -> pa.Array:
    """A binary array over the buffer's own memory: the entry at 2 i is piece i; their places ascend."""
    bounds = np.empty((starts.size, 2), np.int32)
    bounds[:, 0] = starts
    bounds[:, 1] = ends
    buffers = [None, pa.py_buffer(bounds), pa.py_buffer(buffer)]
    return pa.Array.from_buffers(pa.binary(), max(2 * starts.size - 1, 0), buffers)


def behind_lengths(buffer: bytes, starts: Ints, ends: Ints) -> memoryview:
    """Pieces of the buffer one after another, each behind its length: four bytes, the largest first."""
    count = starts.size
    lengths = pa.Array.from_buffers(
        pa.binary(),
        count,
        [
            None,
            pa.py_buffer(np.arange(0, 4 * count + 1, 4, dtype=np.int32)),
            pa.py_buffer((ends - starts).astype(">u4")),
        ],
    )
    turns = np.empty((count, 2), np.int32)
    turns[:, 0] = np.arange(count)
    turns[:, 1] = np.arange(count, 3 * count, 2)
    joined = pa.concat_arrays([lengths, pieces_of(buffer, starts, ends)])
    return bytes_of(joined.take(pa.array(turns.reshape(-1))))

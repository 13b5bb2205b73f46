"""The bytes of ClickHouse's Native format: lengths, text columns and dictionaries, from Arrow buffers.

ClickHouse Native format, verified against engine 26.9: integers little-endian; a length is LEB128; a text
column is length and bytes per value; a LowCardinality column is its dictionary followed by indexes.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.native.errors import too_large

Piece = Any
"""Whatever has the buffer protocol: bytes, memoryview, a contiguous NumPy array, an Arrow buffer."""

MAX_BLOCK_BYTES = 128 * 1024 * 1024
"""Bytes of one block: it is held several times on its way into the journal and the engine."""
MAX_COLUMN_BYTES = 512 * 1024 * 1024
"""Bytes of text one column of a block may become: a dictionary or view can repeat a long value often."""

_SHORT_LENGTHS = 16_384
_EMPTY = pa.array([b""], pa.binary())


class Encoded(NamedTuple):
    """A column's state prefix and its data; in a block, and inside a JSON column, all prefixes of what is
    nested come before all data."""

    prefix: bytes
    data: list[Piece]


def length(value: int) -> bytes:
    """A whole number as LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    """One text with its length before it."""
    raw = value.encode()
    return length(len(raw)) + raw


@lru_cache(maxsize=1)
def _lengths() -> pa.Array:
    """The lengths below _SHORT_LENGTHS as LEB128, the entry at i being that of i."""
    return pa.array([length(value) for value in range(_SHORT_LENGTHS)], pa.binary())


def plain_text(array: pa.Array) -> pa.Array:
    """Any array of text as binary values with 32-bit offsets. Raises BatchTooLarge."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        within_bytes(_dictionary_bytes(array))
        return plain_text(array.dictionary).take(array.indices)
    if pa.types.is_string(kind):
        return array.view(pa.binary())
    if pa.types.is_binary(kind):
        return array
    if pa.types.is_string_view(kind):
        within_bytes(_view_bytes(array))
        return array.cast(pa.string()).view(pa.binary())
    within_bytes(int(pc.sum(pc.binary_length(array)).as_py() or 0))
    return array.cast(pa.large_binary()).cast(pa.binary())


def _view_bytes(array: pa.Array) -> int:
    """Bytes of all views: they may name the same ones many times over."""
    views = np.frombuffer(array.buffers()[1] or b"", np.int32).reshape(-1, 4)
    sizes = views[array.offset : array.offset + len(array), 0].astype(np.int64)
    nulls = null_flags(array)
    return int(sizes.sum() if nulls is None else sizes[nulls == 0].sum())


def within_bytes(size: int) -> None:
    """Raises BatchTooLarge where a column of text would become larger than one may."""
    if size > MAX_COLUMN_BYTES:
        raise too_large("bytes of text in a column", MAX_COLUMN_BYTES)


def within_block(size: int) -> None:
    """Raises BatchTooLarge where what is encoded so far is larger than a block may be."""
    if size > MAX_BLOCK_BYTES:
        raise too_large("bytes of one block", MAX_BLOCK_BYTES)


def _dictionary_bytes(array: pa.Array) -> int:
    sizes = pc.binary_length(array.dictionary)
    longest = pc.max(sizes).as_py() or 0
    if longest * len(array) <= MAX_COLUMN_BYTES:
        return 0
    return int(pc.sum(sizes.cast(pa.int64()).take(array.indices)).as_py() or 0)


def with_lengths(values: pa.Array) -> pa.Array:
    """Binary values, none of them NULL, each with its length before it; the data is a text column."""
    taken = _in_turns(values, None)
    offsets = np.ascontiguousarray(offsets_of(taken)[::2])
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(offsets), taken.buffers()[2]])


def _in_turns(values: pa.Array, nulls: NDArray[np.uint8] | None, *, drop: bool = False) -> pa.Array:
    """Length, value, length, value, …; a NULL is an empty value, or left out where `drop` is set.

    Lengths and values lie in one array and are taken in turns: Arrow copies each with one memcpy, about four
    times as quick as a NumPy mask over the bytes.
    """
    count = len(values)
    sizes = np.diff(offsets_of(values))
    if nulls is not None and not drop:
        sizes = np.where(nulls.view(np.bool_), np.int32(0), sizes)
    table, codes = _lengths(), sizes
    longest = int(sizes.max()) if count else 0
    if longest >= _SHORT_LENGTHS:
        distinct, codes = np.unique(sizes, return_inverse=True)
        table = pa.array([length(int(size)) for size in distinct], pa.binary())
    elif longest < 128:
        table = table.slice(0, 128)
    begin = len(table) + 1
    turns = np.empty((count, 2), np.int32)
    turns[:, 0] = codes
    turns[:, 1] = np.arange(begin, begin + count, dtype=np.int32)
    flat = turns.reshape(-1)
    if nulls is not None and drop:
        # As 64-bit pairs: several times as quick as picking rows of two.
        flat = turns.view(np.int64).reshape(-1)[nulls == 0].view(np.int32)
    elif nulls is not None:
        turns[:, 1] = np.where(nulls.view(np.bool_), np.int32(len(table)), turns[:, 1])
    return pa.concat_arrays([table, _EMPTY, values]).take(pa.array(flat))


def offsets_of(array: pa.Array) -> NDArray[np.int32]:
    """The 32-bit offsets of a text, list or map array, its slice only."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int32)
    return np.frombuffer(buffer, np.int32, len(array) + 1, array.offset * 4)


def bytes_of(array: pa.Array) -> memoryview:
    """The data of a binary array as it lies in memory."""
    offsets = offsets_of(array)
    buffer = array.buffers()[2]
    if buffer is None:
        return memoryview(b"")
    return memoryview(buffer).cast("B")[int(offsets[0]) : int(offsets[-1])]


def text_column(array: pa.Array, *, drop_nulls: bool = False) -> memoryview:
    """The wire's text column of an array of text, plain or as a dictionary.

    NULL becomes the empty text, or is left out.
    """
    nulls = null_flags(array)
    if pa.types.is_dictionary(array.type):
        if len(array.dictionary) <= len(array):
            return _by_entry(array, nulls, drop_nulls)
        within_bytes(_dictionary_bytes(array))
    values = plain_text(array)
    offsets = offsets_of(values)
    within_bytes(int(offsets[-1]) - int(offsets[0]))
    return bytes_of(_in_turns(values, nulls, drop=drop_nulls))


def _by_entry(array: pa.Array, nulls: NDArray[np.uint8] | None, drop_nulls: bool) -> memoryview:
    """Each entry of the dictionary gets its length once, then rows take entries."""
    within_bytes(_dictionary_bytes(array))
    entries = plain_text(array.dictionary).fill_null(b"")
    indices = array.indices
    if nulls is not None:
        codes = indices.fill_null(0).to_numpy() if indices.null_count else indices.to_numpy()
        if drop_nulls:
            codes = codes[nulls == 0]
        else:
            codes = np.where(nulls.view(np.bool_), len(entries), codes)
            entries = pa.concat_arrays([entries, _EMPTY])
        indices = pa.array(codes)
    return bytes_of(with_lengths(entries).take(indices))


def low_cardinality(array: pa.Array, *, nullable: bool) -> Encoded:
    """A LowCardinality(String) or LowCardinality(Nullable(String)) column of an array of text.

    Layout: prefix UInt64 1; UInt64 flags (index width | 0x200 own keys | 0x400), UInt64 entries, the entries,
    UInt64 rows, the indexes. Entry 0 is the default (NULL's place where nullable, then '' is entry 1).
    """
    prefix = (1).to_bytes(8, "little")
    if len(array) == 0:
        return Encoded(prefix, [])
    coded = array
    if not pa.types.is_dictionary(array.type) or len(array.dictionary) > 2 * len(array) + 256:
        coded = plain_text(array).dictionary_encode()
    entries = plain_text(coded.dictionary)
    spare = 2 if nullable else 1
    indices = coded.indices
    codes: NDArray[Any] = (indices.fill_null(0) if indices.null_count else indices).to_numpy()
    total = len(entries) + spare
    width = 0 if total <= 2**8 else 1 if total <= 2**16 else 2
    wide: NDArray[Any] = codes.astype((np.uint8, np.uint16, np.uint32)[width])
    np.add(wide, spare, out=wide, casting="unsafe")
    nulls = null_flags(coded)
    if nulls is not None:
        wide[nulls.view(np.bool_)] = 0
    head = (0x600 | width).to_bytes(8, "little") + total.to_bytes(8, "little") + b"\0" * spare
    body = bytes_of(with_lengths(entries.fill_null(b"")))
    return Encoded(prefix, [head, body, len(array).to_bytes(8, "little"), wide])


def struct_parts(array: pa.Array) -> list[pa.Array]:
    """The columns of an array of structs, NULL where the struct is; a union is as it is, having no NULLs.

    Arrow's own `flatten` ends the process where a struct with a bitmap of NULLs holds a union.
    """
    kinds = [field.type for field in array.type]
    if not any(map(pa.types.is_union, kinds)):
        return list(array.flatten())
    parts = [array.field(child) for child in range(len(kinds))]
    if array.null_count == 0:
        return parts
    nulls = array.is_null()
    return [
        part
        if pa.types.is_union(kind)
        else pa.StructArray.from_arrays([part], ["part"], mask=nulls).flatten()[0]
        for kind, part in zip(kinds, parts, strict=True)
    ]


def without_views(array: pa.Array) -> pa.Array:
    """Text instead of views of text, which Arrow cannot take by rows; in objects as well."""
    if pa.types.is_string_view(array.type):
        return plain_text(array).view(pa.string())
    if pa.types.is_struct(array.type) and array.type.num_fields:
        parts = [without_views(part) for part in struct_parts(array)]
        names = [field.name for field in array.type]
        return pa.StructArray.from_arrays(parts, names, mask=array.is_null() if array.null_count else None)
    return array


def null_flags(array: pa.Array) -> NDArray[np.uint8] | None:
    """1 per NULL entry, or None where there is none; NULL entries of a dictionary count."""
    if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
        found: NDArray[Any] = array.is_null().to_numpy(zero_copy_only=False)
        entries = array.dictionary.is_null().to_numpy(zero_copy_only=False)
        codes = array.indices.fill_null(0).to_numpy()
        return np.asarray(found | (len(entries) > 0 and entries[codes]), np.bool_).view(np.uint8)
    if array.null_count == 0:
        return None
    if pa.types.is_null(array.type) or pa.types.is_union(array.type):
        flags: NDArray[np.bool_] = array.is_null().to_numpy(zero_copy_only=False)
        return flags.view(np.uint8)
    bits = np.frombuffer(array.buffers()[0], np.uint8)
    unpacked = np.unpackbits(
        bits[array.offset // 8 :], count=array.offset % 8 + len(array), bitorder="little"
    )[array.offset % 8 :]
    return np.ascontiguousarray(unpacked ^ np.uint8(1))


def byte_size(pieces: Sequence[Piece]) -> int:
    """How many bytes the pieces are together."""
    return sum(memoryview(piece).nbytes for piece in pieces)

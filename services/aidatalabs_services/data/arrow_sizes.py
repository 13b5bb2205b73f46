"""How large the values of an Arrow array are once each stands for itself.

A few bytes of IPC can stand for terabytes: dictionaries and views repeat one long text, lists of nothing have
two billion entries, and the columns of a message may all name the same bytes. Whatever is made of a batch
(text, a block, Python values) grows with what is counted here, so it is bounded before anything is made.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MAX_PLAIN_BYTES = 128 * 1024 * 1024
"""Most bytes that the values of one batch may be."""


def plain_bytes(array: pa.Array) -> int:
    """Bytes of all values with no dictionary and no view, at least one per entry of every level.

    Needs `array.validate()` to have passed, no more. Lists by view and runs are counted by their entries
    alone: no column takes them. Raises ArrowInvalid for a dictionary that is damaged.
    """
    kind, count = array.type, len(array)
    if isinstance(kind, pa.BaseExtensionType):
        return plain_bytes(array.storage)
    if pa.types.is_dictionary(kind):
        return _dictionary_bytes(array)
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return 16 * count + _view_bytes(array)
    if pa.types.is_struct(kind) or pa.types.is_union(kind):
        return count + sum(plain_bytes(array.field(child)) for child in range(kind.num_fields))
    if pa.types.is_fixed_size_list(kind):
        return count + plain_bytes(array.values.slice(array.offset * kind.list_size, count * kind.list_size))
    if (begin_end := _ends(array)) is not None:
        begin, end = begin_end
        if pa.types.is_map(kind):
            parts = [array.keys, array.items]
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            parts = [array.values]
        else:
            return 4 * count + end - begin
        return 4 * count + sum(plain_bytes(part.slice(begin, end - begin)) for part in parts)
    if pa.types.is_null(kind) or pa.types.is_nested(kind) or pa.types.is_run_end_encoded(kind):
        return count
    return int(count * max(1, kind.bit_width // 8))


def _ends(array: pa.Array) -> tuple[int, int] | None:
    """First and last offset of text, bytes, lists and maps; None for all other types."""
    kind = array.type
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind) or pa.types.is_large_list(kind):
        code = "<i8"
    elif (
        pa.types.is_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_list(kind)
        or pa.types.is_map(kind)
    ):
        code = "<i4"
    else:
        return None
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0 or buffer.size == 0:
        return 0, 0
    offsets = np.frombuffer(buffer, code, len(array) + 1, array.offset * int(code[2]))
    return int(offsets[0]), max(int(offsets[0]), int(offsets[-1]))


def _view_bytes(array: pa.Array) -> int:
    """Bytes of all views; those under a NULL count as well."""
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return 0
    views = np.frombuffer(buffer, np.int32, 4 * len(array), 16 * array.offset).reshape(-1, 4)
    return int(np.maximum(views[:, 0], 0).sum(dtype=np.int64))


def _dictionary_bytes(array: pa.Array) -> int:
    entries = array.dictionary
    own = plain_bytes(entries)
    if own > MAX_PLAIN_BYTES or pa.types.is_nested(entries.type) or len(entries) == 0:
        return own + len(array)
    array.validate(full=True)  # the indexes are used below
    if not (
        pa.types.is_string_view(entries.type)
        or pa.types.is_binary_view(entries.type)
        or _ends(entries) is not None
    ):
        return own + len(array) * (own // len(entries) + 1)
    sizes = pc.fill_null(pc.binary_length(entries), 0)
    longest = int(pc.max(sizes).as_py() or 0)
    if longest * len(array) <= len(array) * 16:
        return own + 16 * len(array)
    taken = sizes.cast(pa.int64()).take(array.indices)
    return own + 4 * len(array) + int(pc.sum(taken).as_py() or 0)

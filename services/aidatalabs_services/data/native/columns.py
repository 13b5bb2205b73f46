"""One column of a block: any type of the allow-list but JSON at the top, from an Arrow array.

ClickHouse Native format, verified against engine 26.9: Nullable is a byte per row (1 = NULL) before the
values; Array is the ends as UInt64 before the elements; Map is Array(Tuple(key, value)); Tuple is its fields
one after the other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native.defaults import default_of
from aidatalabs_services.data.native.errors import Place
from aidatalabs_services.data.native.scalars import decoded, filler, fixed_width, is_text, plain_numbers
from aidatalabs_services.data.native.wire import (
    Encoded,
    Piece,
    low_cardinality,
    null_flags,
    offsets_of,
    struct_parts,
    text_column,
)
from aidatalabs_services.data.value_rules import arrow_type, tuple_names

JsonEncoder = Callable[[ColumnType, pa.Array, Place], Encoded]


def encode(
    kind: ColumnType, array: pa.Array, place: Place, json: JsonEncoder, *, default_for_null: bool = False
) -> Encoded:
    """The column's prefix and data; `json` encodes what is JSON inside it.

    With `default_for_null` a NULL in a column that has none becomes the type's default, as it does where a
    JSON object lacks a typed path; without, it is refused. Raises BatchSchemaInvalid for an Arrow type that
    does not fit, BatchValueInvalid for the first value that does not.
    """
    if kind.name == "Nullable":
        return _nullable(kind.inner[0], array, place, json)
    if pa.types.is_null(array.type) and (len(array) == 0 or default_for_null or kind.nullable):
        array = pa.nulls(len(array), arrow_type(kind))
    nulls = null_flags(array)
    if kind.name == "JSON":
        return json(kind, array, place)
    if nulls is not None and not kind.nullable and not default_for_null:
        raise place.refuse(int(nulls.argmax()), "must not be null")
    if kind.name == "LowCardinality":
        _require_text(kind, array, place)
        return low_cardinality(array, nullable=kind.nullable)
    if kind.name == "String":
        _require_text(kind, array, place)
        return Encoded(b"", [text_column(array)])
    if nulls is not None:
        zero = zeroed(array, nulls)
        if zero is None:
            encode(kind, array.slice(0, 0), place, json)  # a type that does not fit has no default
            zero = _with_default(kind, array, place)
        array = zero
    if kind.name == "Array":
        return _array(kind, array, place, json)
    if kind.name == "Map":
        return _map(kind, array, place, json)
    if kind.name == "Tuple":
        return _tuple(kind, array, place, json)
    return Encoded(b"", [fixed_width(kind, array, place)])


def zeroed(array: pa.Array, nulls: NDArray[np.uint8]) -> pa.Array | None:
    """The same numbers, days or moments with zero where NULL was; None for other types."""
    numbers = plain_numbers(array)
    if numbers is None:
        return None
    zero = np.where(nulls.view(np.bool_), numbers.dtype.type(0), numbers)
    return pa.Array.from_buffers(array.type, len(array), [None, pa.py_buffer(zero)])


def _with_default(kind: ColumnType, array: pa.Array, place: Place) -> pa.Array:
    array = decoded(array, kind, place)
    filled = pa.concat_arrays([array, pa.array([default_of(kind, array.type)], array.type)])
    present = array.is_valid().to_numpy(zero_copy_only=False)
    return filled.take(pa.array(np.where(present, np.arange(len(array)), len(array))))


def _require_text(kind: ColumnType, array: pa.Array, place: Place) -> None:
    given = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if not is_text(given):
        raise place.mismatch(array.type, kind)


def _nullable(kind: ColumnType, array: pa.Array, place: Place, json: JsonEncoder) -> Encoded:
    if pa.types.is_null(array.type):
        array = pa.nulls(len(array), arrow_type(kind))
    nulls = null_flags(array)
    if nulls is None:
        inner = encode(kind, array, place, json)
        return Encoded(inner.prefix, [np.zeros(len(array), np.uint8), *inner.data])
    if kind.name == "String":
        _require_text(kind, array, place)
        return Encoded(b"", [nulls, text_column(array)])
    if kind.name == "JSON":
        inner = json(kind, array, place)
        return Encoded(inner.prefix, [nulls, *inner.data])
    zero = zeroed(array, nulls)
    if zero is not None and filler(kind) == 0:
        return Encoded(b"", [nulls, fixed_width(kind, zero, place)])
    present = np.flatnonzero(nulls == 0)
    dense = fixed_width(kind, array.take(pa.array(present)), place.at(lambda index: int(present[index])))
    spread = np.zeros(len(array), dense.dtype)
    if filler(kind):
        spread[:] = filler(kind)
    spread[present] = dense
    return Encoded(b"", [nulls, spread])


def list_parts(array: pa.Array) -> tuple[NDArray[np.int64], pa.Array]:
    """Ends of each list and the elements of all lists of an array without NULLs, its slice only."""
    if pa.types.is_fixed_size_list(array.type):
        return np.arange(1, len(array) + 1, dtype=np.int64) * array.type.list_size, array.flatten()
    if len(array) == 0:
        return np.zeros(0, np.int64), array.values.slice(0, 0)
    if pa.types.is_large_list(array.type):
        starts: NDArray[np.int64] = array.offsets.to_numpy()
    else:
        starts = offsets_of(array).astype(np.int64)
    first, last = int(starts[0]), int(starts[-1])
    return starts[1:] - first, array.values.slice(first, last - first)


def owner_of(ends: NDArray[np.int64]) -> Callable[[int], int]:
    """From the place of an element to that of its list."""
    return lambda index: int(np.searchsorted(ends, index, side="right"))


def _array(kind: ColumnType, array: pa.Array, place: Place, json: JsonEncoder) -> Encoded:
    given = array.type
    if not (pa.types.is_list(given) or pa.types.is_large_list(given) or pa.types.is_fixed_size_list(given)):
        raise place.mismatch(given, kind)
    ends, elements = list_parts(array)
    inner = encode(kind.inner[0], elements, place.at(owner_of(ends)), json)
    return Encoded(inner.prefix, [ends.astype("<u8", copy=False), *inner.data])


def map_parts(array: pa.Array) -> tuple[NDArray[np.int64], pa.Array, pa.Array]:
    """Ends of each map, and the keys and values of all maps of an array without NULLs, its slice only."""
    starts = offsets_of(array).astype(np.int64)
    if len(array) == 0:
        return np.zeros(0, np.int64), array.keys.slice(0, 0), array.items.slice(0, 0)
    first, count = int(starts[0]), int(starts[-1] - starts[0])
    return starts[1:] - first, array.keys.slice(first, count), array.items.slice(first, count)


def _map(kind: ColumnType, array: pa.Array, place: Place, json: JsonEncoder) -> Encoded:
    if not pa.types.is_map(array.type):
        raise place.mismatch(array.type, kind)
    ends, keys, values = map_parts(array)
    inside = place.at(owner_of(ends))
    parts = [encode(kind.inner[0], keys, inside, json), encode(kind.inner[1], values, inside, json)]
    return _joined([ends.astype("<u8", copy=False)], parts)


def _tuple(kind: ColumnType, array: pa.Array, place: Place, json: JsonEncoder) -> Encoded:
    names = tuple_names(kind)
    if not pa.types.is_struct(array.type) or {field.name for field in array.type} != set(names):
        raise place.mismatch(array.type, kind)
    if array.type.num_fields != len(names):
        raise place.mismatch(array.type, kind)
    fields = {field.name: part for field, part in zip(array.type, struct_parts(array), strict=True)}
    parts = [encode(inner, fields[name], place, json) for name, inner in zip(names, kind.inner, strict=True)]
    return _joined([], parts)


def _joined(head: list[Piece], parts: list[Encoded]) -> Encoded:
    return Encoded(b"".join(part.prefix for part in parts), head + [x for part in parts for x in part.data])

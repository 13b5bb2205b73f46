"""Values of one path as the types a JSON column keeps them by: what row ingest's text would have become.

Whole numbers are Int64 (UInt64 above it), other numbers Float64, text String, lists Array(Nullable(…)), lists
of objects Array(JSON(…)). From Arrow also come Date32, DateTime64, Decimal and UUID, which JSON text has no
form for.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native import loose
from aidatalabs_services.data.native.columns import list_parts
from aidatalabs_services.data.native.errors import Place
from aidatalabs_services.data.native.json_paths import Leaf, Part, Rows
from aidatalabs_services.data.native.json_type import BOOL, FLOAT64, INT64, STRING, UINT64, nested_type
from aidatalabs_services.data.native.scalars import decoded, is_text, numbers_of, plain_numbers
from aidatalabs_services.data.native.wire import null_flags

_INT64_MAX = 2**63 - 1
_DIGITS = {"s": "0", "ms": "3", "us": "6", "ns": "9"}


def parts_of(leaf: Leaf, json: ColumnType, place: Place) -> list[Part]:
    """The values of a leaf by type; `json` is the type of the column they are in.

    Raises BatchSchemaInvalid where the Arrow type has no form in JSON.
    """
    array = leaf.values
    if not isinstance(array, pa.Array):
        return loose.parts(array, leaf.rows, json, place)
    if pa.types.is_dictionary(array.type) and not is_text(array.type.value_type):
        array = decoded(array, "JSON", place)
    kind = scalar_kind(array.type)
    if kind is None and not _is_list(array.type):
        raise place.mismatch(array.type, "JSON")
    nulls = null_flags(array)
    if nulls is not None and leaf.rows is None and kind is not None and not pa.types.is_uint64(array.type):
        return _aligned_parts(kind, array, nulls)
    rows = leaf.rows
    if nulls is not None:
        entries = np.flatnonzero(nulls == 0)
        if not entries.size:
            return []
        rows = entries if rows is None else rows[entries]
        array = array.take(pa.array(entries))
    if kind is None:
        return _list_parts(array, rows, json, place)
    if pa.types.is_uint64(array.type):
        return _unsigned_parts(array, rows)
    return [Part(kind, array, rows)]


def _aligned_parts(kind: ColumnType, array: pa.Array, nulls: NDArray[np.uint8]) -> list[Part]:
    """One part of an array with an entry per row: the quick way of most paths."""
    if nulls.all():
        return []
    if kind == STRING:
        return [Part(kind, array, absent=nulls)]
    numbers = plain_numbers(array)
    if numbers is None:
        return [Part(kind, array.drop_null(), absent=nulls)]
    dense = numbers[nulls == 0]
    return [
        Part(kind, pa.Array.from_buffers(array.type, len(dense), [None, pa.py_buffer(dense)]), absent=nulls)
    ]


def scalar_kind(given: pa.DataType) -> ColumnType | None:
    """The type that JSON keeps a plain Arrow type by; None for lists, objects and what has no form."""
    if pa.types.is_dictionary(given):
        given = given.value_type
    if is_text(given):
        return STRING
    if pa.types.is_integer(given):
        return INT64
    if pa.types.is_floating(given):
        return FLOAT64
    if pa.types.is_boolean(given):
        return BOOL
    if pa.types.is_timestamp(given):
        return ColumnType("DateTime64", parameters=(_DIGITS[given.unit],))
    if pa.types.is_date(given):
        return ColumnType("Date32")
    if pa.types.is_decimal(given) and 0 <= given.scale <= given.precision:
        return ColumnType("Decimal", parameters=(str(given.precision), str(given.scale)))
    if isinstance(given, pa.UuidType):
        return ColumnType("UUID")
    return None


def _unsigned_parts(array: pa.Array, rows: Rows | None) -> list[Part]:
    large = numbers_of(array) > _INT64_MAX
    if not large.any():
        return [Part(INT64, array, rows)]
    parts = []
    for kind, flags in ((INT64, ~large), (UINT64, large)):
        entries = np.flatnonzero(flags)
        if entries.size:
            parts.append(
                Part(kind, array.take(pa.array(entries)), entries if rows is None else rows[entries])
            )
    return parts


def _is_list(given: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(given) or pa.types.is_large_list(given) or pa.types.is_fixed_size_list(given)
    )


def _list_parts(array: pa.Array, rows: Rows | None, json: ColumnType, place: Place) -> list[Part]:
    """Lists without NULL among them, by the type of their elements; the engine's rules for JSON text."""
    inner = _element_kind(array, json, place)
    if inner is None:
        return loose.parts(array.to_pylist(), rows, json, place)
    flags = _objects_with_null(array)
    if flags is None or not flags.any():
        return [Part(ColumnType("Array", (inner,)), array, rows)]
    parts = []
    for nullable, chosen in ((False, ~flags), (True, flags)):
        entries = np.flatnonzero(chosen)
        if entries.size:
            element = ColumnType("Nullable", (inner,)) if nullable else inner
            kept = entries if rows is None else rows[entries]
            parts.append(Part(ColumnType("Array", (element,)), array.take(pa.array(entries)), kept))
    return parts


def _element_kind(array: pa.Array, json: ColumnType, place: Place) -> ColumnType | None:
    """The type of a list's elements; None where they have no one type and each must be looked at."""
    given = array.type.value_type
    if pa.types.is_struct(given) or pa.types.is_map(given):
        return nested_type(json)
    if pa.types.is_null(given):
        return ColumnType("Nullable", (STRING,))
    if pa.types.is_union(given):
        return None
    _, elements = list_parts(array)
    if _is_list(given):
        if elements.null_count:
            return None  # the engine's Array cannot be NULL
        inner = _element_kind(elements, json, place)
        if inner is None or ((flags := _objects_with_null(elements)) is not None and flags.any()):
            return None
        return ColumnType("Array", (inner,))
    kind = scalar_kind(given)
    if kind is None:
        raise place.mismatch(array.type, "JSON")
    if pa.types.is_uint64(given) and _any_large(elements):
        kind = UINT64
    return ColumnType("Nullable", (kind,))


def _any_large(elements: pa.Array) -> bool:
    return bool((numbers_of(elements.drop_null()) > _INT64_MAX).any())


def _objects_with_null(array: pa.Array) -> NDArray[np.bool_] | None:
    """Which lists of objects have a NULL among them; None where the elements are no objects."""
    given = array.type.value_type
    if not (pa.types.is_struct(given) or pa.types.is_map(given)):
        return None
    ends, elements = list_parts(array)
    flags = np.zeros(len(array), np.bool_)
    nulls = null_flags(elements)
    if nulls is not None:
        owner = np.searchsorted(ends, np.flatnonzero(nulls), side="right")
        flags[owner] = True
    return flags

"""Values at the declared paths of events' properties, column by column: as one by one, or marked strange.

The arrays here are those of flat objects. A value that its path's type does not take, and a null where the
type has none, make the event a strange one: the rules for one event then find the words.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.ingest_batches import ColumnInput, EventColumns, Flags
from aidatalabs_services.data.value_columns import convert
from aidatalabs_services.data.value_rules import arrow_type, is_integer


def with_declared_values(events: EventColumns, kind: ColumnType) -> EventColumns:
    """The events with each declared path of the JSON type `kind` in the Arrow type of its own.

    Paths below a key are not met here: objects within objects and keys with a dot are strange anyway.
    """
    declared = dict(zip(kind.names, kind.inner, strict=True))
    if not declared:
        return events
    strange = events.strange.copy()
    for path, inner in declared.items():
        if path in events.nulls and not inner.nullable:
            strange |= events.nulls[path]
    names, arrays = list[str](), list[pa.Array]()
    for place, field in enumerate(events.properties.type):
        array = events.properties.field(place)
        if field.name in declared:
            array = _fitted(declared[field.name], array, strange)
        names.append(field.name)
        arrays.append(array)
    properties = pa.StructArray.from_arrays(arrays, names) if arrays else events.properties
    return replace(events, properties=properties, strange=strange)


def _fitted(kind: ColumnType, array: pa.Array, strange: Flags) -> pa.Array:
    """The values of one path as its type has them; marks the events whose value it does not take."""
    if _is_of(kind, array.type):
        try:
            return array.cast(arrow_type(kind))
        except pa.ArrowInvalid:
            pass  # a number beyond the type's range; found below
    absent = np.zeros(len(array), np.bool_)
    if array.null_count:
        absent = array.is_null().to_numpy(zero_copy_only=False)
    numbers = pa.types.is_integer(array.type) or pa.types.is_floating(array.type)
    values = array.cast(pa.float64()).fill_null(0.0).to_numpy() if numbers else array.to_pylist()
    converted = convert(kind, ColumnInput(values, absent, np.zeros(len(array), np.bool_)))
    strange[list(converted.refused)] = True
    return converted.array


def _is_of(kind: ColumnType, given: pa.DataType) -> bool:
    """Whether the values need no more than a cast: text as text, numbers as numbers."""
    base = kind.base
    return bool(
        (base.name == "String" and pa.types.is_string(given))
        or (base.name == "Bool" and pa.types.is_boolean(given))
        or (is_integer(base) and pa.types.is_int64(given) and not pa.types.is_string(arrow_type(kind)))
        or (base.name == "Float64" and (pa.types.is_int64(given) or pa.types.is_float64(given)))
    )

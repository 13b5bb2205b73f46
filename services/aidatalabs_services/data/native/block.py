"""A batch of a table's rows as one block in ClickHouse's Native format: what an INSERT is given.

ClickHouse Native format, verified against engine 26.9 (a block without client_protocol_version, as in a
file): LEB128 number of columns, LEB128 number of rows, then per column its name, its type, its prefix and
data. Blocks may follow each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.native import columns, json_text
from aidatalabs_services.data.native.errors import BatchCorrupt, BatchSchemaInvalid, Place
from aidatalabs_services.data.native.json_column import encode_json
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.native.scalars import is_text
from aidatalabs_services.data.native.soundness import check_sound
from aidatalabs_services.data.native.wire import Encoded, byte_size, length, null_flags, text, within_block
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.runtime.errors import FieldViolation


@dataclass(frozen=True)
class NativeColumn:
    """A column of the table: its name and its type exactly as the engine has it.

    `null_is_empty` lets NULL in a JSON column stand for an object without keys, as in the table of events.
    """

    name: str
    type: str
    null_is_empty: bool = False

    @cached_property
    def kind(self) -> ColumnType:
        """The type as a tree. Raises TypeNotAllowed."""
        return parse_column_type(self.type)


def columns_of(table: TableSchema, *, null_is_empty: bool = False) -> tuple[NativeColumn, ...]:
    """The columns of a table in their order. Raises TypeNotAllowed for a type that no block can have."""
    found = tuple(NativeColumn(column.name, column.type, null_is_empty) for column in table.columns)
    for column in found:
        column.kind  # noqa: B018 - read here so that a type not allowed shows at once
    return found


def check_schema(schema: pa.Schema, columns: Sequence[NativeColumn]) -> None:
    """Raises BatchSchemaInvalid naming every column of the schema that does not fit the table."""
    wrong: list[BatchSchemaInvalid] = []
    names = _names(schema)
    known = {column.name for column in columns}
    for name in names:
        if name not in known:
            wrong.append(_unknown(name))
        elif names.count(name) > 1:
            wrong.append(Place(name).mismatch("columns, of which two have this name", "one column"))
    for column in columns:
        try:
            if column.name in names:
                _encoded(column, _empty(schema.field(names.index(column.name)).type), 0)
            else:
                _absent(column, 0)
        except BatchSchemaInvalid as error:
            wrong.append(error)
    if wrong:
        raise BatchSchemaInvalid(
            wrong[0].message,
            metadata=wrong[0].metadata,
            violations=[FieldViolation(each.metadata["column"], each.message) for each in wrong],
        )


def _empty(kind: pa.DataType) -> pa.Array:
    """An array of the type without entries; `pa.array` makes none of unions."""
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, _empty(kind.storage_type))
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(pa.array([], kind.index_type), _empty(kind.value_type))
    if not pa.types.is_nested(kind):
        return pa.array([], kind)
    buffers = [None] + [pa.py_buffer(bytes(8))] * (kind.num_buffers - 1)
    children = [_empty(kind.field(child).type) for child in range(kind.num_fields)]
    return pa.Array.from_buffers(kind, 0, buffers, children=children)


def encode_block(batch: pa.RecordBatch, columns: Sequence[NativeColumn]) -> list[memoryview]:
    """The buffers of one block, in order; [] for a batch without rows.

    A column the batch does not have is NULL where it is Nullable and {} where it is JSON. Raises
    BatchSchemaInvalid, BatchValueInvalid (first wrong value of the first wrong column), BatchTooLarge and
    BatchCorrupt. The buffers keep the batch's memory alive.
    """
    check_sound(batch)
    names = _names(batch.schema)
    known = {column.name for column in columns}
    if len(set(names)) != len(names) or not known.issuperset(names):
        check_schema(batch.schema, columns)
    count = batch.num_rows
    if count == 0:
        return []
    size = 0
    out: list[memoryview] = [memoryview(length(len(columns)) + length(count))]
    for column in columns:
        if column.name in names:
            part = _encoded(column, batch.column(names.index(column.name)), count)
        else:
            part = _absent(column, count)
        out.append(memoryview(text(column.name) + text(column.type) + part.prefix))
        out += [view for piece in part.data if (view := _flat(piece)).nbytes]
        size += byte_size(part.data)
        within_block(size)
    return out


def _names(schema: pa.Schema) -> list[str]:
    try:
        return list(schema.names)
    except UnicodeDecodeError:
        raise BatchCorrupt("The batch has a column whose name is not valid Unicode.") from None


def _flat(piece: object) -> memoryview:
    if isinstance(piece, np.ndarray):
        return memoryview(np.ascontiguousarray(piece).view(np.uint8).reshape(-1).data)
    view = memoryview(piece)  # type: ignore[arg-type]
    return view if view.format == "B" else view.cast("B")


def _encoded(column: NativeColumn, array: pa.Array, count: int) -> Encoded:
    place = Place(column.name)
    try:
        return _of_array(column, array, count, place)
    except pa.ArrowNotImplementedError:  # a type that Arrow has no kernel for
        raise place.mismatch(array.type, column.type) from None


def _of_array(column: NativeColumn, array: pa.Array, count: int, place: Place) -> Encoded:
    kind = column.kind
    if kind.name != "JSON":
        return columns.encode(kind, array, place, encode_json)
    nulls = null_flags(array)
    if nulls is not None and not column.null_is_empty:
        raise place.refuse(int(nulls.argmax()), "must not be null")
    given = array.type.value_type if pa.types.is_dictionary(array.type) else array.type
    if is_text(given):
        return json_text.encode_text(kind, array, place)
    if pa.types.is_null(given):
        return encode_json(kind, pa.array([{}] * count, pa.struct([])), place)
    return encode_json(kind, array, place)


def _absent(column: NativeColumn, count: int) -> Encoded:
    kind = column.kind
    if kind.name == "JSON":
        return encode_json(kind, pa.array([{}] * count, pa.struct([])), Place(column.name))
    if not kind.nullable:
        raise BatchSchemaInvalid(
            f"The batch does not fit the table: column {column.name} is missing.",
            metadata={"column": column.name, "type": column.type[:200]},
        )
    return columns.encode(kind, pa.nulls(count), Place(column.name), encode_json)


def _unknown(name: str) -> BatchSchemaInvalid:
    shown = "".join(char if char.isprintable() else "?" for char in name[:64])
    return BatchSchemaInvalid(
        f"The batch does not fit the table: it has no column {shown}.", metadata={"column": shown}
    )

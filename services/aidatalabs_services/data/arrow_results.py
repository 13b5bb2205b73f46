"""Results as Arrow: the engine's stream read message by message, its columns given their real types.

The engine writes some types as plain numbers: DateTime as seconds, Enum as its codes. Here they become
moments and text, and every field carries its ClickHouse type in its metadata (`clickhouse_type`), so that
what Arrow has no type for (IPv6, Int256) arrives as bytes that can be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from aidatalabs_services.data.column_types import ColumnType, unquote_text
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type

FORMAT_NAME = "ArrowStream"
END_MARK = b"\xff\xff\xff\xff\x00\x00\x00\x00"
TYPE_KEY = b"clickhouse_type"

_CONTINUATION = b"\xff\xff\xff\xff"
_PREFIX_BYTES = 8
_BODY_LENGTH_SLOT = 4 + 2 * 3  # the fourth field in the vtable of Arrow's flatbuffer table `Message`
_MEMBER = re.compile(r"(?P<name>'.*') = (?P<code>-?[0-9]+)", re.DOTALL)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.)*`", re.DOTALL)
# States of aggregates are the engine's own bytes, and bfloat16 is no Arrow type.
_NOT_CARRIED = re.compile(r"\b(AggregateFunction|BFloat16)\b")

Change = Callable[[pa.Array], pa.Array]


class ArrowBroken(Exception):
    """The bytes are no Arrow stream."""


@dataclass(frozen=True)
class _Field:
    """One column of the result: its Arrow field as it is sent, and what turns the engine's array into it."""

    field: pa.Field
    change: Change | None


def check_carried(columns: Sequence[tuple[str, str]]) -> None:
    """Raises TypeNotAllowed for the first column (name, ClickHouse type) whose values Arrow cannot hold."""
    for name, kind in columns:
        if _NOT_CARRIED.search(_QUOTED.sub("", kind)):
            raise TypeNotAllowed(
                f"Column {name[:64]} has a type that Arrow and Parquet cannot carry. Finish the aggregate or "
                "cast the column, for example with toFloat64(x), or ask for CSV or JSON lines.",
                metadata={"column": name[:64], "type": kind[:200]},
            )


class ArrowReader:
    """Takes the engine's stream in any pieces and gives whole record batches; `schema` is set before them.

    `columns` are the (name, ClickHouse type) of the result, in order.
    """

    def __init__(self, columns: Sequence[tuple[str, str]]) -> None:
        self._columns = columns
        self._buffer = bytearray()
        self._needed = _PREFIX_BYTES
        self._sent: pa.Schema | None = None
        self._fields: list[_Field] = []
        self._schema_is_told = False
        self.schema: pa.Schema | None = None
        self.ended = False

    def messages(self) -> list[bytes]:
        """What is complete by now as messages of an Arrow IPC stream, the schema before the first batch."""
        batches = [batch.serialize().to_pybytes() for batch in self.batches()]
        return [*self._schema_message(), *batches]

    def end(self) -> bytes:
        """The end mark, with the schema before it where no batch came. Raises ArrowBroken before the end."""
        self.whole_schema()
        return b"".join([*self._schema_message(), END_MARK])

    def whole_schema(self) -> pa.Schema:
        """The schema of a result that is complete. Raises ArrowBroken where the end mark did not come."""
        if not self.ended or self.schema is None:
            raise ArrowBroken("the stream ended before its end mark")
        return self.schema

    def _schema_message(self) -> list[bytes]:
        """The schema's message, once."""
        if self._schema_is_told or self.schema is None:
            return []
        self._schema_is_told = True
        return [self.schema.serialize().to_pybytes()]

    @property
    def is_ready(self) -> bool:
        """Whether the pieces so far make up at least one message that `batches` has not given."""
        return len(self._buffer) >= self._needed

    def feed(self, piece: bytes) -> None:
        """Takes the next piece."""
        self._buffer += piece

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The record batches that are complete by now. Raises ArrowBroken."""
        while not self.ended and (message := self._message()) is not None:
            if message.type == "schema":
                self._sent = _readable(pa.ipc.read_schema(message))
                self._fields = [
                    _typed(field, kind)
                    for field, kind in zip(self._sent, _types(self._sent, self._columns), strict=True)
                ]
                self.schema = pa.schema([each.field for each in self._fields])
            elif message.type == "record batch" and self._sent is not None:
                yield self._changed(pa.ipc.read_record_batch(message, self._sent))
            else:
                raise ArrowBroken(f"a message of type {message.type} was not expected")

    def _message(self) -> pa.Message | None:
        """The next whole message, None until it is there or after the end mark."""
        if len(self._buffer) < _PREFIX_BYTES:
            return None
        if bytes(self._buffer[:4]) != _CONTINUATION:
            raise ArrowBroken("no message begins here")
        head_bytes = int.from_bytes(self._buffer[4:8], "little")
        if head_bytes == 0:
            self.ended = True
            return None
        self._needed = _PREFIX_BYTES + head_bytes
        if len(self._buffer) < self._needed:
            return None
        self._needed += _body_bytes(bytes(self._buffer[_PREFIX_BYTES : self._needed]))
        if len(self._buffer) < self._needed:
            return None
        whole = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        self._needed = _PREFIX_BYTES
        return pa.ipc.read_message(pa.py_buffer(whole))

    def _changed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        arrays = [
            column if each.change is None else each.change(column)
            for column, each in zip(batch.columns, self._fields, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _body_bytes(head: bytes) -> int:
    """`bodyLength` of a message's flatbuffer: bytes that follow the head."""
    try:
        table = int.from_bytes(head[:4], "little")
        slots = table - int.from_bytes(head[table : table + 4], "little", signed=True)
        if int.from_bytes(head[slots : slots + 2], "little") <= _BODY_LENGTH_SLOT:
            return 0
        place = int.from_bytes(head[slots + _BODY_LENGTH_SLOT : slots + _BODY_LENGTH_SLOT + 2], "little")
    except IndexError:
        raise ArrowBroken("a message's head cannot be read") from None
    return int.from_bytes(head[table + place : table + place + 8], "little") if place else 0


def _readable(schema: pa.Schema) -> pa.Schema:
    """The schema with nothing (`[]`) as nullable in every depth; the engine says otherwise, which is invalid.

    The bytes of the batches are the same under both. Raises TypeNotAllowed where Arrow has no such type.
    """
    fields = []
    for field in schema:
        try:
            fields.append(_nullable_where_null(field))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError, TypeError):
            raise TypeNotAllowed(
                f"Column {field.name[:64]} has a type that Arrow and Parquet cannot carry. Cast it, for "
                "example with toString(x), or ask for CSV or JSON lines.",
                metadata={"column": field.name[:64], "type": str(field.type)[:200]},
            ) from None
    return pa.schema(fields)


def _nullable_where_null(field: pa.Field) -> pa.Field:
    kind = field.type
    if pa.types.is_null(kind):
        return pa.field(field.name, kind, True)
    if pa.types.is_map(kind):
        # A key is never null, so a map without any pair, which has no type of keys, is refused by Arrow.
        key, value = _nullable_where_null(kind.key_field), _nullable_where_null(kind.item_field)
        kind = pa.map_(key, value, kind.keys_sorted)
    elif pa.types.is_large_list(kind):
        kind = pa.large_list(_nullable_where_null(kind.value_field))
    elif pa.types.is_list(kind):
        kind = pa.list_(_nullable_where_null(kind.value_field))
    elif pa.types.is_struct(kind):
        kind = pa.struct([_nullable_where_null(each) for each in kind.fields])
    return field.with_type(kind)


def _types(schema: pa.Schema, columns: Sequence[tuple[str, str]]) -> Sequence[str]:
    """The ClickHouse type of each field, by place; empty where the names do not agree."""
    if schema.names != [name for name, _ in columns]:
        return [""] * len(schema)
    return [kind for _, kind in columns]


def _typed(field: pa.Field, kind: str) -> _Field:
    made, change = field.type, None
    found = _parsed(kind)
    if found is not None and found.name == "DateTime" and pa.types.is_uint32(field.type):
        made, change = _moments(found)
    elif found is not None and found.name.startswith("Enum") and pa.types.is_signed_integer(field.type):
        made, change = pa.string(), _names(found)
    metadata = {TYPE_KEY: kind.encode()} if kind else None
    return _Field(pa.field(field.name, made, field.nullable, metadata), change)


def _parsed(kind: str) -> ColumnType | None:
    try:
        return parse_column_type(kind).base
    except TypeNotAllowed:
        return None  # the type of an expression that no table column may have


def _moments(kind: ColumnType) -> tuple[pa.DataType, Change]:
    zone = unquote_text(kind.parameters[0]) if kind.parameters else "UTC"
    made = pa.timestamp("s", tz=zone)
    return made, lambda array: array.cast(pa.int64()).cast(made)


def _names(kind: ColumnType) -> Change:
    members = [found for each in kind.parameters if (found := _MEMBER.fullmatch(each))]
    codes = pa.array(
        [int(each["code"]) for each in members], pa.int8() if kind.name == "Enum8" else pa.int16()
    )
    names = pa.array([unquote_text(each["name"]) for each in members], pa.string())
    return lambda array: names.take(pc.index_in(array, value_set=codes))

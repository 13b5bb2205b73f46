"""Ingest requests as batches: read straight from the messages, column by column, without a copy per row."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from google.protobuf import struct_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.adapters.event_wire import read_events
from aidatalabs_services.data.adapters.struct_wire import read_columns
from aidatalabs_services.data.adapters.wire_pieces import PADDING, RowPlaces, behind_lengths, row_places
from aidatalabs_services.data.ingest_batches import (
    ColumnInput,
    Columns,
    EventBatch,
    EventColumns,
    EventInput,
    RowBatch,
)
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

_NANOSECONDS = 1_000_000_000
_EVENTS_FIELD = pb.IngestRequest.DESCRIPTOR.fields_by_name["events"].number
_ROWS_FIELD = pb.IngestRequest.DESCRIPTOR.fields_by_name["rows"].number


def batch_of(request: pb.IngestRequest) -> EventBatch | RowBatch:
    """What the request brings. Raises InvalidRequest where it brings both events and rows."""
    if request.events and request.rows:
        both = FieldViolation("rows", "must be empty where events are sent; send two calls")
        raise InvalidRequest("The call brings both events and rows.", violations=[both])
    return MessageRows(request) if request.rows else MessageEvents(request)


def receipt_message(receipt: Receipt) -> ingest_pb2.Receipt:
    """A receipt as the contract has it."""
    return ingest_pb2.Receipt(
        name=receipt.name,
        state=ingest_pb2.Receipt.State.Value(receipt.state.value),
        accepted_count=receipt.accepted_count,
        duplicate_count=receipt.duplicate_count,
        rejected=[
            ingest_pb2.RejectedRow(index=row.index, reason=row.reason, message=row.message)
            for row in receipt.rejected
        ],
        rejected_count=receipt.rejected_count,
        dead_letter_count=receipt.letter_count,
    )


class MessageEvents:
    """Events as messages; serialised once, for the digest and for reading them column by column."""

    def __init__(self, request: pb.IngestRequest) -> None:
        self._request = request
        self._events = request.events

    @property
    def count(self) -> int:
        """How many events."""
        return len(self._events)

    def size_bytes(self) -> int:
        """Bytes of the request."""
        return self._size

    def digest(self) -> bytes:
        """SHA-256 over the messages with sorted keys, each behind its length."""
        digest = hashlib.sha256(b"events")
        digest.update(behind_lengths(self._serialised, self._places.starts, self._places.ends))
        return digest.digest()

    def row(self, index: int) -> Mapping[str, object]:
        """The event at a place as a row of the table of events."""
        return _event(self._events[index]).row()

    def event(self, index: int) -> EventInput:
        """One event."""
        return _event(self._events[index])

    def events(self) -> Sequence[EventInput]:
        """The events one by one."""
        return [_event(event) for event in self._events]

    def event_columns(self) -> EventColumns | None:
        """The events from their bytes, where these are of the plain form."""
        return read_events(self._serialised, self._places.starts, self._places.ends)

    @cached_property
    def _serialised(self) -> bytes:
        """The whole request with sorted keys, padded as `struct_wire` wants it."""
        return self._request.SerializeToString(deterministic=True) + PADDING

    @cached_property
    def _size(self) -> int:
        return self._request.ByteSize()

    @cached_property
    def _places(self) -> RowPlaces:
        return row_places(self._serialised, _EVENTS_FIELD, self.count)


class MessageRows:
    """Rows as messages; serialised once, for the digest and for reading them column by column."""

    def __init__(self, request: pb.IngestRequest) -> None:
        self._rows = request.rows
        self._request = request

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self._rows)

    def size_bytes(self) -> int:
        """Bytes of the request."""
        return self._size

    def digest(self) -> bytes:
        """SHA-256 over the rows as they are serialised with sorted keys, each behind its length."""
        digest = hashlib.sha256(b"rows")
        digest.update(memoryview(self._serialised)[self._places.begin : self._places.end])
        return digest.digest()

    def row(self, index: int) -> Mapping[str, object]:
        """The row at a place."""
        return _mapping(self._rows[index])

    def mappings(self) -> Sequence[Mapping[str, object]]:
        """The rows one by one."""
        return [_mapping(row) for row in self._rows]

    def columns(self, names: Sequence[str]) -> Columns:
        """The rows as columns of these names; from their bytes where these are of the plain form."""
        places = self._places
        found = read_columns(self._serialised, places.starts, places.ends, names, _decoded)
        return columns_of_messages(self._rows, names) if found is None else found

    @cached_property
    def _serialised(self) -> bytes:
        """The whole request with sorted keys, padded as `struct_wire` wants it."""
        return self._request.SerializeToString(deterministic=True) + PADDING

    @cached_property
    def _size(self) -> int:
        return self._request.ByteSize()

    @cached_property
    def _places(self) -> RowPlaces:
        return row_places(self._serialised, _ROWS_FIELD, self.count)


def columns_of_messages(rows: Sequence[struct_pb2.Struct], names: Sequence[str]) -> Columns:
    """The rows as columns of these names, asked cell by cell: what `struct_wire` does faster."""
    fields = [row.fields for row in rows]
    wanted = set(names)
    named: set[str] = set()
    unknown: dict[int, str] = {}
    for index, field in enumerate(fields):
        keys = set(field)
        if keys <= wanted:
            named |= keys
        else:
            named |= keys & wanted
            unknown[index] = min(keys - wanted)
    return Columns({name: _column(name, fields) for name in names if name in named}, unknown)


def _decoded(cell: struct_pb2.Value) -> object:
    return _value(cell, cell.WhichOneof("kind"))


def _column(name: str, fields: Sequence[Mapping[str, struct_pb2.Value]]) -> ColumnInput:
    cells = [field.get(name) for field in fields]
    kinds = [cell.WhichOneof("kind") if cell is not None else "" for cell in cells]
    missing = np.fromiter((kind == "" for kind in kinds), np.bool_, len(kinds))
    nulls = np.fromiter((kind == "null_value" or kind is None for kind in kinds), np.bool_, len(kinds))
    if set(kinds) <= {"number_value", "null_value", "", None}:
        numbers = (cell.number_value if cell is not None else 0.0 for cell in cells)
        return ColumnInput(np.fromiter(numbers, np.float64, len(kinds)), nulls, missing)
    values = [
        _value(cell, kind) if cell is not None else None for cell, kind in zip(cells, kinds, strict=True)
    ]
    return ColumnInput(values, nulls, missing)


def _value(cell: struct_pb2.Value, kind: str | None) -> object:
    if kind == "string_value":
        return cell.string_value
    if kind == "number_value":
        return cell.number_value
    if kind == "bool_value":
        return cell.bool_value
    if kind == "list_value":
        return [_value(item, item.WhichOneof("kind")) for item in cell.list_value.values]
    return _mapping(cell.struct_value) if kind == "struct_value" else None


def _mapping(struct: struct_pb2.Struct) -> dict[str, object]:
    return {name: _value(cell, cell.WhichOneof("kind")) for name, cell in struct.fields.items()}


def _event(event: ingest_pb2.Event) -> EventInput:
    return EventInput(
        timestamp=_nanoseconds(event) if event.HasField("timestamp") else None,
        event_type=event.event_type,
        user_id=event.user_id,
        properties=_mapping(event.properties) if event.HasField("properties") else None,
        value=event.value,
    )


def _nanoseconds(event: ingest_pb2.Event) -> int:
    return int(event.timestamp.seconds * _NANOSECONDS + event.timestamp.nanos)

"""Python values as the messages that ingest takes, without losing a digit."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.struct_pb2 import NULL_VALUE, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.data.v1 import ingest_pb2

EXACT_INTEGER = 2**53 - 1
"""Up to here every whole number is a double of its own; larger ones travel as strings."""


def row_message(row: Mapping[str, object]) -> Struct:
    """A row of a table: column to value. Raises TypeError for a value that no column can hold."""
    message = Struct()
    for name, value in row.items():
        _fill(message.fields[name], value, name)
    return message


def event_message(event: Mapping[str, Any]) -> ingest_pb2.Event:
    """An event of the standard table. Raises TypeError for a key that events do not have."""
    strange = set(event) - {"timestamp", "event_type", "user_id", "properties", "value"}
    if strange:
        raise TypeError(f"an event has no {', '.join(sorted(strange))}; put it into properties")
    moment = event.get("timestamp")
    return ingest_pb2.Event(
        timestamp=None if moment is None else timestamp_message(moment),
        event_type=event.get("event_type", ""),
        user_id=int(event.get("user_id", 0)),
        properties=row_message(event.get("properties") or {}),
        value=float(event.get("value", 0.0)),
    )


def timestamp_message(moment: datetime.datetime | str) -> Timestamp:
    """A moment as the contract has it; one without a zone, or a text without one, is UTC."""
    read = datetime.datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    message = Timestamp()
    message.FromDatetime(_in_utc(read))
    return message


def moment_text(moment: datetime.datetime) -> str:
    """RFC 3339 in UTC, as precise as the moment is; one without a zone is UTC."""
    digits = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return _in_utc(moment).isoformat(timespec=digits).replace("+00:00", "Z")


def nanosecond_text(ticks: int) -> str:
    """RFC 3339 of a moment in nanoseconds since 1970 UTC, with nine digits."""
    seconds, rest = divmod(ticks, 1_000_000_000)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    return f"{moment.isoformat(timespec='seconds')}.{rest:09d}Z"


def _in_utc(moment: datetime.datetime) -> datetime.datetime:
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return zoned.astimezone(datetime.UTC)


def _fill(message: Value, value: Any, name: str) -> None:
    # In the order in which kinds are met most; bool before numbers, because it is one in Python.
    if isinstance(value, str):
        message.string_value = str(value.value) if isinstance(value, enum.Enum) else value
    elif value is None or type(value).__name__ in ("NAType", "NaTType"):
        message.null_value = NULL_VALUE
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int):
        if -EXACT_INTEGER <= value <= EXACT_INTEGER:
            message.number_value = value
        else:
            message.string_value = str(int(value))
    elif isinstance(value, float):
        if value != value:
            message.null_value = NULL_VALUE
        else:
            message.number_value = value
    elif isinstance(value, Mapping):
        message.struct_value.SetInParent()
        for key, each in value.items():
            _fill(message.struct_value.fields[str(key)], each, f"{name}.{key}")
    elif (write := _writer(value)) is not None:
        message.string_value = write(value)
    elif hasattr(value, "item") and not getattr(value, "shape", ()):
        _fill(message, value.item(), name)  # a number of numpy
    elif isinstance(value, Iterable) and not isinstance(value, bytes | bytearray):
        message.list_value.SetInParent()
        for each in value:
            _fill(message.list_value.values.add(), each, name)
    else:
        raise TypeError(f"{name}: a {type(value).__name__} is no value of a column; make it a text or number")


def _writer(value: object) -> Callable[[Any], str] | None:
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write
    return None


def _decimal_text(value: decimal.Decimal) -> str:
    return format(value, "f")


_WRITERS: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (datetime.datetime, moment_text),  # before date, because it is one in Python
    (datetime.date, datetime.date.isoformat),
    (datetime.time, datetime.time.isoformat),
    (decimal.Decimal, _decimal_text),
    (uuid.UUID, str),
)

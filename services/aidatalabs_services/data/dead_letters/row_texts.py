"""A rejected row as the JSON text that is kept of it, written so that ingest can read it again.

What JSON has no form for becomes the text that the rules of rows take (`value_rules`): times RFC 3339,
decimals in digits, a column's large whole numbers too. All other numbers stay numbers, also those that no
rule takes: as text they would pass where any text does. Nothing here refuses: a row may be anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pyarrow as pa

from aidatalabs_services.data.json_values import EXACT_LIMIT

_WHOLE = re.compile(r"-?[0-9]{1,80}\Z")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\Z")
_NANOSECONDS = 1_000_000_000
_MOST_USER_CHARACTERS = 256


@dataclass(frozen=True)
class RowText:
    """The kept text of a row, the bytes of the whole, and the row's user id (`user_text`)."""

    text: str
    whole_bytes: int
    user_id: str

    @property
    def is_cut(self) -> bool:
        """Whether only the beginning is kept."""
        return len(self.text.encode()) < self.whole_bytes


def row_text(row: Mapping[str, object], most_bytes: int) -> RowText:
    """The row as JSON, cut behind `most_bytes`."""
    plain = {str(name): _column_value(value) for name, value in row.items()}
    try:
        whole = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        whole = json.dumps(plain, ensure_ascii=True, separators=(",", ":")).encode()
    text = whole.decode() if len(whole) <= most_bytes else whole[:most_bytes].decode(errors="ignore")
    return RowText(text, len(whole), user_text(row.get("user_id")))


def event_row(
    timestamp: int | None,
    event_type: str,
    user_id: int,
    properties: Mapping[str, object] | None,
    value: float,
) -> Mapping[str, object]:
    """An event as a row of the table of events; `timestamp` in nanoseconds, None where it is absent."""
    row: dict[str, object] = {} if timestamp is None else {"timestamp": _moment(timestamp)}
    row |= {"event_type": event_type, "user_id": user_id}
    if properties is not None:
        row["properties"] = properties
    return row | {"value": value}


def arrow_row(batch: pa.RecordBatch, index: int) -> Mapping[str, object]:
    """One row of a batch."""
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return {name: _arrow_value(column[index]) for name, column in columns}


def read_row(text: str, objects: Collection[str]) -> Mapping[str, object] | None:
    """The row that a kept text stands for, None where it is none.

    JSON text in a column of `objects`, as batches of columns may bring it, becomes the object that it is.
    """
    row = _json_of(text)
    if not isinstance(row, dict):
        return None
    for name in objects:
        value = row.get(name)
        if isinstance(value, str) and isinstance(inner := _json_of(value), dict):
            row[name] = inner
    return row


def _arrow_value(scalar: pa.Scalar) -> object:
    if isinstance(scalar, pa.DictionaryScalar):
        scalar = scalar.value
    if isinstance(scalar, pa.TimestampScalar) and scalar.value is not None:
        scale = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[scalar.type.unit]
        return _moment(scalar.value * scale)
    try:
        return scalar.as_py(maps_as_pydicts="lossy")
    except (ValueError, OverflowError, pa.ArrowException):
        return str(scalar)


def _json_of(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _moment(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    try:
        moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    except OverflowError:
        return str(nanoseconds)
    digits = f".{rest:09d}".rstrip("0").rstrip(".")
    return f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{digits}Z"


def _column_value(value: object) -> object:
    """Only columns of numbers are given whole ones beyond a double's: their rules take them as text."""
    if isinstance(value, int) and abs(value) > EXACT_LIMIT:
        return str(value)
    return _plain(value)


def _plain(value: object) -> object:
    """The same value in what JSON has; whole doubles as whole numbers."""
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value)


def _number(value: float) -> object:
    """Whole numbers without a point; NaN and infinities as they are, which only lenient readers take."""
    return int(value) if abs(value) <= EXACT_LIMIT and value == int(value) else value


def user_text(value: object) -> str:
    """A user id as letters hold it, empty where it is none.

    Whole numbers have no zeros in front, UUIDs are in small letters.
    """
    plain = _plain(value)
    if plain is None or isinstance(plain, bool | dict | list):
        return ""
    text = str(plain)
    if _WHOLE.match(text):
        return str(int(text))
    return text.lower() if _UUID.match(text) else text[:_MOST_USER_CHARACTERS]

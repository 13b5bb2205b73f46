"""What values of a ClickHouse type become in Python and in Arrow, from the way JSON carries them."""

from __future__ import annotations

import datetime
import decimal
import functools
import json
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Read = Callable[[Any], Any]

_WHOLE = re.compile(r"U?Int(8|16|32|64|128|256)")
_FLOATS = {"Float32", "Float64", "BFloat16"}
_ARROW_NAMES = {"Bool": "bool_", "Date": "date32", "Date32": "date32", "Float32": "float32"}
_TICKS = {0: "s", 1: "ms", 2: "us", 3: "ns"}
_PAIRS = {"(": 1, ")": -1}
_EXACT = decimal.Context(prec=100, traps=[decimal.InvalidOperation, decimal.Inexact])
_INT64_BITS = 64
_DECIMAL128_DIGITS = 38


@functools.lru_cache(maxsize=4096)
def parts_of(kind: str) -> tuple[str, tuple[str, ...]]:
    """The name of a type and its arguments as they stand: `Map(String, UInt8)` is Map with two."""
    name, opened, inside = kind.strip().partition("(")
    if not opened:
        return name, ()
    arguments: list[str] = []
    depth, quoted, current = 0, "", ""
    for sign in inside[: inside.rindex(")")]:
        if quoted:
            quoted = "" if sign == quoted else quoted
        elif sign in "'`":
            quoted = sign
        elif sign == "," and depth == 0:
            arguments.append(current.strip())
            current = ""
            continue
        depth += 0 if quoted else _PAIRS.get(sign, 0)
        current += sign
    return name, (*arguments, current.strip())


def plain_type(kind: str) -> str:
    """The type without Nullable and LowCardinality around it."""
    name, arguments = parts_of(kind)
    return plain_type(arguments[0]) if name in ("Nullable", "LowCardinality") else kind


@functools.lru_cache(maxsize=4096)
def reader_of(kind: str) -> Read:
    """What turns a value of the type, as JSON carries it, into Python's; None stays None."""
    read = _reader(plain_type(kind))
    return lambda value: None if value is None else read(value)


def _reader(kind: str) -> Read:
    name, arguments = parts_of(kind)
    if _WHOLE.fullmatch(name):
        return int
    if name in _FLOATS:
        return float
    if name in ("Date", "Date32"):
        return datetime.date.fromisoformat
    if name in ("DateTime", "DateTime64"):
        return datetime.datetime.fromisoformat
    if name == "Decimal":
        return functools.partial(_decimal, decimal.Decimal(1).scaleb(-int(arguments[1])))
    if name == "Array":
        each = reader_of(arguments[0])
        return lambda values: [each(value) for value in values]
    if name == "Map":
        key_of, value_of = reader_of(arguments[0]), reader_of(arguments[1])
        return lambda pairs: {key_of(key): value_of(value) for key, value in pairs.items()}
    if name == "Tuple":
        return functools.partial(_tuple, [_field_of(argument) for argument in arguments])
    return natural


def _decimal(step: decimal.Decimal, value: Any) -> decimal.Decimal:
    """With all digits of the column's scale, which JSON leaves out where they are zero."""
    return decimal.Decimal(str(value)).quantize(step, context=_EXACT)


def _field_of(argument: str) -> tuple[str, Read]:
    """Name and reader of a tuple's field: `price Float64`, or a type alone."""
    named = re.match(r"(`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*) (?=\w)", argument)
    if named is None:
        return "", reader_of(argument)
    return named[1].strip("`"), reader_of(argument[named.end() :])


def _tuple(fields: list[tuple[str, Read]], value: Any) -> Any:
    if isinstance(value, dict):
        readers = dict(fields)
        return {key: readers.get(key, natural)(each) for key, each in value.items()}
    return tuple(read(each) for (_, read), each in zip(fields, value, strict=True))


def natural(value: Any) -> Any:
    """A value whose type says nothing: numbers without a fraction are whole, as JSON cannot tell."""
    if isinstance(value, float) and math.isfinite(value) and value == math.floor(value):
        return int(value)
    if isinstance(value, list):
        return [natural(each) for each in value]
    if isinstance(value, dict):
        return {key: natural(each) for key, each in value.items()}
    return value


def arrow_column(kind: str, values: list[Any]) -> pa.Array:
    """The values of a column, as JSON carries them, as an Arrow array of the type that stands for theirs.

    Map, Tuple, JSON and whole numbers of more than 64 bits become text.
    """
    import pyarrow as pa  # slow to import, and only who wants Arrow pays

    target = _arrow_type(plain_type(kind))
    if pa.types.is_timestamp(target):  # from the text: Python's moments end at microseconds
        return pa.array(values, pa.string()).cast(target)
    read = reader_of(kind)
    converted = [read(value) for value in values]
    if pa.types.is_string(target) or pa.types.is_nested(target):
        converted = [_with_texts(target, value) for value in converted]
    return pa.array(converted, target)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa

    name, arguments = parts_of(kind)
    if _WHOLE.fullmatch(name):
        bits = int(name.lstrip("UInt"))
        prefix = "uint" if name.startswith("U") else "int"
        return getattr(pa, f"{prefix}{bits}")() if bits <= _INT64_BITS else pa.string()
    if name == "Decimal":
        digits, scale = int(arguments[0]), int(arguments[1])
        return pa.decimal128(digits, scale) if digits <= _DECIMAL128_DIGITS else pa.decimal256(digits, scale)
    if name == "DateTime":
        return pa.timestamp("s", "UTC")
    if name == "DateTime64":
        return pa.timestamp(_TICKS[math.ceil(int(arguments[0]) / 3)], "UTC")
    if name == "Array":
        return pa.list_(_arrow_type(plain_type(arguments[0])))
    if name in _FLOATS:
        return pa.float32() if name == "Float32" else pa.float64()
    return getattr(pa, _ARROW_NAMES.get(name, "string"))()


def _with_texts(target: pa.DataType, value: Any) -> Any:
    """The value with JSON in each place where Arrow shall have text and Python has something else."""
    import pyarrow as pa

    if value is None or isinstance(value, str):
        return value
    if pa.types.is_list(target):
        return [_with_texts(target.value_type, each) for each in value]
    if not pa.types.is_string(target):
        return value
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False, default=str)

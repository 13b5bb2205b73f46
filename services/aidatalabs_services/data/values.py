"""Values of a result as JSON can carry them without losing a digit.

The engine already writes times as RFC 3339, decimals, NaN and infinities as text. What is left is numbers: a
JSON number is a double, so whole numbers of 10^15 and beyond become text, while a Float64 stays a number
however large it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.ports import Json

# From here on a whole number travels as text.
BIG = 10**15

Convert = Callable[[Json], Json]

_SMALL = frozenset(
    [f"{sign}Int{bits}" for sign in ("", "U") for bits in (8, 16, 32)]
    + ["Bool", "String", "UUID", "Date", "Date32", "DateTime", "DateTime64", "IPv4", "IPv6"]
    + ["Enum8", "Enum16", "Decimal"]
)


def whole(value: Json) -> Json:
    """A value of any type: whole numbers of 10^15 and beyond become text, inside lists and objects too."""
    if isinstance(value, int):
        return value if -BIG < value < BIG else str(value)
    if isinstance(value, list):
        return [whole(each) for each in value]
    if isinstance(value, dict):
        return {key: whole(each) for key, each in value.items()}
    return value


def _double(value: Json) -> Json:
    # The engine writes 1e20 as digits, which reads as a whole number, and knows a nan with a sign.
    if isinstance(value, int):
        return float(value)
    return "nan" if value == "-nan" else value


def convert_rows(types: Sequence[str], rows: Sequence[Sequence[Json]]) -> list[list[Json]]:
    """The rows with every value converted by the type of its column."""
    converters = [(index, converter) for index, kind in enumerate(types) if (converter := converter_of(kind))]
    converted = [list(row) for row in rows]
    for index, convert in converters:
        for row in converted:
            value = row[index]
            if value is not None:
                row[index] = convert(value)
    return converted


@lru_cache(maxsize=4096)
def converter_of(kind: str) -> Convert | None:
    """What turns a value of the ClickHouse type `kind` into JSON; None where it is fine as it comes."""
    try:
        return _of(parse_column_type(kind))
    except TypeNotAllowed:
        pass
    # Types that results have and tables may not: intervals, fixed strings, aggregate states, Dynamic …
    if kind.startswith(("FixedString", "LowCardinality(FixedString", "Interval")):
        return None
    return _double if kind.startswith("BFloat16") else whole


def _of(kind: ColumnType) -> Convert | None:
    if kind.name in _SMALL:
        return None
    if kind.name in ("Float32", "Float64"):
        return _double
    if kind.name in ("Nullable", "LowCardinality"):
        return _of(kind.inner[0])
    if kind.name == "Array":
        return _list_of(_of(kind.inner[0]))
    if kind.name == "Map":
        return _map_of(_of(kind.inner[1]))
    if kind.name == "Tuple":
        return _tuple_of([_of(each) for each in kind.inner], kind.names)
    return whole  # 64 bits and more, JSON


def _list_of(inner: Convert | None) -> Convert | None:
    if inner is None:
        return None
    convert = inner
    return lambda values: [None if each is None else convert(each) for each in values]


def _map_of(inner: Convert | None) -> Convert | None:
    if inner is None:
        return None
    convert = inner
    return lambda values: {key: None if each is None else convert(each) for key, each in values.items()}


def _tuple_of(inner: Sequence[Convert | None], names: Sequence[str]) -> Convert | None:
    if not any(inner):
        return None

    def each(value: Json, convert: Convert | None) -> Json:
        return convert(value) if convert is not None and value is not None else value

    if not names:
        return lambda values: [each(value, convert) for value, convert in zip(values, inner, strict=True)]
    by_name = dict(zip(names, inner, strict=True))
    return lambda values: {name: each(value, by_name.get(name)) for name, value in values.items()}

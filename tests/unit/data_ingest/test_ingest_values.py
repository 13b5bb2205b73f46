"""One JSON value as one ClickHouse value: what each type takes, what it refuses, and that both ways agree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.data.column_types import parse_type
from aidatalabs_services.data.ingest_batches import ColumnInput
from aidatalabs_services.data.json_values import JsonRefused, json_text
from aidatalabs_services.data.refusals import ValueRefused
from aidatalabs_services.data.value_columns import _one_by_one, convert
from aidatalabs_services.data.value_rules import rule_of

ENUM = "Enum8('a' = 1, 'it\\'s' = 2)"

TAKEN = [
    ("UInt8", 255.0, 255),
    ("Int8", "-128", -128),
    ("UInt64", "18446744073709551615", 2**64 - 1),
    ("Int64", 2.0**53 - 1, 2**53 - 1),
    ("UInt256", str(2**255), str(2**255)),
    ("Float64", "1e300", 1e300),
    ("Bool", True, True),
    ("String", "\N{PARTY POPPER} \u05d0", "\N{PARTY POPPER} \u05d0"),
    ("UUID", "6F1C1A52-0c3e-4c1e-9d1c-0123456789ab", "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"),
    ("Date", "2149-06-06", 65_535),
    ("Date32", "1900-01-01", -25_567),
    ("DateTime", "2106-02-07 06:28:15", 2**32 - 1),
    ("DateTime", "1970-01-01T01:00:00.999+01:00", 0),
    ("DateTime64(3)", "1970-01-01T00:00:00.1239Z", 123),
    ("DateTime64(1)", "1970-01-01 00:00:00.19", 100),
    ("DateTime64(3)", "1969-12-31T23:59:59.9999Z", -1),
    ("DateTime64(9)", "1970-01-01T00:00:00.000000001Z", 1),
    ("IPv4", "192.0.2.1", "192.0.2.1"),
    ("IPv6", "::1", "0000:0000:0000:0000:0000:0000:0000:0001"),
    (ENUM, "it's", "it's"),
    ("JSON", {"a": 5.0, "b": [1.5]}, '{"a":5,"b":[1.5]}'),
    ("Nullable(Int8)", None, None),
    ("Array(Nullable(UInt8))", [1.0, None], [1, None]),
    ("Map(String, UInt8)", {"k": 1.0}, [("k", 1)]),
    ("Tuple(x Int8, y String)", {"y": "s", "x": 1.0}, {"x": 1, "y": "s"}),
    ("Tuple(Int8, String)", [1.0, "s"], {"1": 1, "2": "s"}),
    ("LowCardinality(Nullable(String))", None, None),
]

REFUSED = [
    ("UInt8", 256.0),
    ("UInt8", -1.0),
    ("UInt8", 1.5),
    ("UInt8", True),
    ("UInt8", "1.0"),
    ("UInt8", " 1"),
    ("UInt8", "\u0661"),
    ("UInt8", ""),
    ("UInt8", None),
    ("Int64", 2.0**53 + 2),
    ("UInt64", "18446744073709551616"),
    ("UInt64", math.nan),
    ("Float64", math.inf),
    ("Float64", "nan"),
    ("Float64", "1e999"),
    ("Float32", 1e39),
    ("Decimal(5, 2)", "1.234"),
    ("Decimal(5, 2)", "1000"),
    ("Decimal(5, 2)", "1e2"),
    ("Bool", 1.0),
    ("Bool", "true"),
    ("String", 5.0),
    ("String", "\ud800"),
    ("UUID", "6f1c1a520c3e4c1e9d1c0123456789ab"),
    ("Date", "2013-02-29"),
    ("Date", "1969-12-31"),
    ("Date", "2013-7-4"),
    ("DateTime", "yesterday"),
    ("DateTime", "2013-07-04"),
    ("DateTime", "2013-07-04T24:00:00Z"),
    ("DateTime", "2013-07-04T12:00:60Z"),
    ("DateTime", "1969-12-31T23:59:59Z"),
    ("DateTime", 0.0),
    ("DateTime64(3)", "2300-01-01 00:00:00"),
    ("DateTime64(9)", "2270-01-01 00:00:00"),
    ("IPv4", "1.2.3"),
    ("IPv6", "fe80::1%eth0"),
    (ENUM, "b"),
    ("JSON", [1.0]),
    ("JSON", '{"a":1}'),
    ("JSON", {"a": 2.0**60}),
    ("Array(UInt8)", "ab"),
    ("Array(UInt8)", [None]),
    ("Map(String, UInt8)", [1.0]),
    ("Tuple(x Int8, y String)", {"x": 1.0}),
    ("Tuple(Int8, String)", [1.0]),
]


@pytest.mark.parametrize(("kind", "value", "stored"), TAKEN)
def test_a_value_of_the_type_is_taken(kind: str, value: object, stored: object) -> None:
    assert rule_of(parse_type(kind))(value) == stored


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_a_value_that_does_not_fit_is_refused(kind: str, value: object) -> None:
    with pytest.raises(ValueRefused):
        rule_of(parse_type(kind))(value)


@pytest.mark.parametrize(
    ("value", "stored"),
    [("1.20", "1.2"), ("-007", "-7"), (0.1, "0.1"), (5.0, "5"), (1e-7, "1E-7"), ("999.9999999", "")],
)
def test_a_decimal_keeps_every_digit_or_is_refused(value: object, stored: str) -> None:
    rule = rule_of(parse_type("Decimal(9, 7)"))
    if not stored:
        with pytest.raises(ValueRefused):
            rule(value)
        return
    from decimal import Decimal

    assert rule(value) == Decimal(stored)


def _deep(levels: int) -> dict[str, Any]:
    value: Any = 1.0
    for _ in range(levels):
        value = {"a": value}
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    "value",
    [
        _deep(17),
        {"k" * 257: 1},
        {"\N{SNOWMAN}" * 86: 1},
        {"a": "x" * 65_536},
        {"a": math.nan},
        {"a": 2.0**53},
        {"a": -(2.0**53)},
        {"a.b": 1, "a": {"b": 2}},
        {"x": [{"a.b": 1, "a": {"b": 2}}]},
        {"a": "\ud800"},
    ],
)
def test_a_json_object_that_breaks_a_rule_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(JsonRefused):
        json_text(value)


@pytest.mark.parametrize(
    "value", [_deep(16), {"k" * 256: 1}, {"a": 2.0**53 - 1}, {"a.b": 1, "a": {"c": 2}}, {"": 1}]
)
def test_a_json_object_at_the_limit_is_taken(value: dict[str, Any]) -> None:
    assert json_text(value)


_KINDS = [
    "UInt8",
    "Int32",
    "UInt64",
    "Int128",
    "Float32",
    "Float64",
    "String",
    "Bool",
    "Date",
    "Date32",
    "DateTime",
    "DateTime64(1)",
    "DateTime64(3)",
    "DateTime64(6)",
    "DateTime64(9)",
    ENUM,
    "Decimal(9, 3)",
]
_TIMES = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.sampled_from(
        ["2013-07-04T24:00:00Z", "2013-07-04 12:00:60", "2013-02-29 00:00:00", "0000-01-01 00:00:00"]
    ),
)
_VALUES = st.one_of(
    st.none(),
    st.floats(),
    st.integers(-300, 300).map(float),
    st.integers(-(2**70), 2**70).map(str),
    st.booleans(),
    st.sampled_from(["", "a", "it's", "1", "-0", "007", "1970-01-01", "2013-13-01", "2299-12-31"]),
    st.dates().map(str),
    _TIMES,
    st.text(max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(kind=st.sampled_from(_KINDS), data=st.data())
def test_columns_and_single_values_agree(kind: str, data: st.DataObject) -> None:
    one_kind = data.draw(st.sampled_from([_VALUES, _TIMES, st.floats(), st.integers(-300, 300).map(float)]))
    values = data.draw(st.lists(one_kind | st.none(), max_size=6))
    nulls = np.array([value is None for value in values], np.bool_)
    missing = np.zeros(len(values), np.bool_)
    numbers = [0.0 if value is None else value for value in values]
    plain: Any = (
        np.array(numbers, np.float64) if all(isinstance(value, float) for value in numbers) else values
    )
    parsed = parse_type(kind)
    fast = convert(parsed, ColumnInput(plain, nulls, missing))
    slow = _one_by_one(parsed, values, nulls)
    assert fast.refused.keys() == slow.refused.keys()
    assert fast.array.equals(slow.array) or repr(fast.array) == repr(slow.array)

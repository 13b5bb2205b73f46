"""Every type a table may have: what Arrow brings is what the engine then prints."""

from __future__ import annotations

import datetime
import decimal
import uuid
from typing import Any

import pyarrow as pa
import pytest

from tests.adapters.native.tables import Tables

D = decimal.Decimal
DAY = datetime.date
UTC = datetime.UTC


def at(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def ints(bits: int, signed: bool) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


INTEGERS = [
    (
        f"{'' if signed else 'U'}Int{bits}",
        pa.array([*ints(bits, signed), 7], f"{'' if signed else 'u'}int{bits}"),
        [str(each) for each in (*ints(bits, signed), 7)],
    )
    for bits in (8, 16, 32, 64)
    for signed in (True, False)
] + [
    (
        f"{'' if signed else 'U'}Int{bits}",
        pa.array([str(each) for each in (*ints(bits, signed), 7)]),
        [str(each) for each in (*ints(bits, signed), 7)],
    )
    for bits in (128, 256)
    for signed in (True, False)
]
OTHERS: list[tuple[str, pa.Array, list[Any]]] = [
    ("UInt8", pa.array([0, 255], pa.int64()), ["0", "255"]),
    ("Int64", pa.array([-1, 5], pa.int8()), ["-1", "5"]),
    ("Int128", pa.array([-1, 2**62], pa.int64()), ["-1", str(2**62)]),
    ("UInt256", pa.array([1, 2**64 - 1], pa.uint64()), ["1", str(2**64 - 1)]),
    ("Int256", pa.array([D(-5), D(10**37)], pa.decimal128(38, 0)), ["-5", str(10**37)]),
    ("Float64", pa.array([1.5, -1e300, 0.1]), ["1.5", "-1e300", "0.1"]),
    ("Float64", pa.array([3, 2**53], pa.int64()), ["3", "9007199254740992"]),
    ("Float32", pa.array([1.5, 0.25]), ["1.5", "0.25"]),
    ("Float64", pa.array([1.5, 0.25], pa.float16()), ["1.5", "0.25"]),
    ("Bool", pa.array([True, False, True]), ["true", "false", "true"]),
    ("String", pa.array(["", "a\0b", "héé" * 100]), ["", "a\0b", "héé" * 100]),
    ("String", pa.array(["x" * 20_000, "", "y"], pa.large_string()), ["x" * 20_000, "", "y"]),
    ("String", pa.array(["short", "longer than twelve"], pa.string_view()), ["short", "longer than twelve"]),
    ("String", pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
    ("Nullable(String)", pa.array(["b", None, "x" * 200, ""]), ["b", None, "x" * 200, ""]),
    ("Nullable(String)", pa.array(["b", None, "b"]).dictionary_encode(), ["b", None, "b"]),
    ("Nullable(String)", pa.array(["x" * 17_000, None, ""]), ["x" * 17_000, None, ""]),
    ("LowCardinality(String)", pa.array(["b", "", "b"]).dictionary_encode(), ["b", "", "b"]),
    ("LowCardinality(String)", pa.array([str(i) for i in range(300)]), [str(i) for i in range(300)]),
    ("LowCardinality(Nullable(String))", pa.array(["b", None, "", "b"]), ["b", None, "", "b"]),
    ("Nullable(Int32)", pa.array([1, None, -3], pa.int64()), ["1", None, "-3"]),
    ("Nullable(Float64)", pa.array([None, 0.5]), [None, "0.5"]),
    ("Nullable(Bool)", pa.array([None, True]), [None, "true"]),
    ("Nullable(UUID)", pa.array([None, str(uuid.UUID(int=5))]), [None, str(uuid.UUID(int=5))]),
    ("Nullable(Enum8('a' = 1))", pa.array([None, "a"]), [None, "a"]),
    ("Nullable(Int64)", pa.nulls(2), [None, None]),
    ("Nullable(Decimal(9, 2))", pa.array([None, D("1.25")], pa.decimal128(5, 2)), [None, "1.25"]),
    ("UUID", pa.array(["6f1c1a52-0c3e-4c1e-9d1c-0123456789AB"]), ["6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"]),
    ("UUID", pa.array([uuid.UUID(int=2**127 + 3).bytes], pa.binary(16)), [str(uuid.UUID(int=2**127 + 3))]),
    ("UUID", pa.array([uuid.UUID(int=9).bytes], pa.uuid()), [str(uuid.UUID(int=9))]),
    ("IPv4", pa.array(["192.0.2.1", "0.0.0.0"]), ["192.0.2.1", "0.0.0.0"]),
    ("IPv4", pa.array([0xC0000201], pa.uint32()), ["192.0.2.1"]),
    ("IPv6", pa.array(["2001:db8::1", "::"]), ["2001:db8::1", "::"]),
    ("Enum8('a' = -5, 'b\\'c' = 3)", pa.array(["a", "b'c", "a"]), ["a", "b'c", "a"]),
    ("Enum16('x' = 1000)", pa.array(["x"]).dictionary_encode(), ["x"]),
    ("Date", pa.array([DAY(1970, 1, 1), DAY(2149, 6, 6)]), ["1970-01-01", "2149-06-06"]),
    ("Date32", pa.array([DAY(1900, 1, 1), DAY(2299, 12, 31)]), ["1900-01-01", "2299-12-31"]),
    ("Date", pa.array([DAY(2020, 2, 29)], pa.date64()), ["2020-02-29"]),
    (
        "DateTime('UTC')",
        pa.array([at(2020, 1, 2, 3, 4, 5)], pa.timestamp("us", "UTC")),
        ["2020-01-02 03:04:05"],
    ),
    ("DateTime('UTC')", pa.array([2**32 - 1], pa.uint32()), ["2106-02-07 06:28:15"]),
    (
        "DateTime64(3, 'UTC')",
        pa.array([at(1900, 1, 1), at(2299, 12, 31, 23, 59, 59, 999000)], pa.timestamp("ms", "UTC")),
        ["1900-01-01 00:00:00.000", "2299-12-31 23:59:59.999"],
    ),
    (
        "DateTime64(3, 'UTC')",
        pa.array([at(2020, 1, 1, 0, 0, 0, 5000)], pa.timestamp("ns")),
        ["2020-01-01 00:00:00.005"],
    ),
    (
        "DateTime64(9, 'UTC')",
        pa.array([at(2020, 1, 1)], pa.timestamp("s")),
        ["2020-01-01 00:00:00.000000000"],
    ),
    (
        "DateTime64(1, 'UTC')",
        pa.array([at(2020, 1, 1, 0, 0, 0, 200000)], pa.timestamp("us")),
        ["2020-01-01 00:00:00.2"],
    ),
    ("Decimal(9, 2)", pa.array([D("-1234567.89")], pa.decimal128(9, 2)), ["-1234567.89"]),
    ("Decimal(18, 4)", pa.array([D("1.5"), D("-2")], pa.decimal128(5, 1)), ["1.5", "-2"]),
    ("Decimal(38, 10)", pa.array([D("0.1234567891")], pa.decimal128(38, 10)), ["0.1234567891"]),
    ("Decimal(76, 0)", pa.array([D(10**75), D(-1)], pa.decimal256(76, 0)), [str(10**75), "-1"]),
    ("Decimal(5, 2)", pa.array([-7, 12]), ["-7", "12"]),
    ("Array(UInt8)", pa.array([[1, 2], [], [255]]), ["[1,2]", "[]", "[255]"]),
    ("Array(Nullable(String))", pa.array([["a", None], []]), ["['a',NULL]", "[]"]),
    ("Array(LowCardinality(String))", pa.array([[], []], pa.list_(pa.string())), ["[]", "[]"]),
    ("Array(LowCardinality(String))", pa.array([["b", "a"], ["b"]]), ["['b','a']", "['b']"]),
    (
        "Array(Array(Int64))",
        pa.array([[[1], []], [[2, 3]]], pa.large_list(pa.list_(pa.int64()))),
        ["[[1],[]]", "[[2,3]]"],
    ),
    ("Array(Float64)", pa.array([[1.5, 2.0]], pa.list_(pa.float64(), 2)), ["[1.5,2]"]),
    (
        "Map(LowCardinality(String), Array(Int64))",
        pa.array([[("k", [1])], []], pa.map_(pa.string(), pa.list_(pa.int64()))),
        ["{'k':[1]}", "{}"],
    ),
    ("Tuple(a Int8, b Nullable(String))", pa.array([{"b": None, "a": 1}]), ["(1,NULL)"]),
    ("Tuple(String, LowCardinality(String))", pa.array([{"1": "x", "2": "y"}]), ["('x','y')"]),
    (
        "Array(Tuple(a Int8, b LowCardinality(String)))",
        pa.array([[{"a": 1, "b": "x"}], []]),
        ["[(1,'x')]", "[]"],
    ),
    ("Array(JSON)", pa.array([[{"a": 1}, {"a": None}], []]), ["['{\"a\":1}','{}']", "[]"]),
    (
        "Map(String, JSON)",
        pa.array([[("k", {"a": "x"})]], pa.map_(pa.string(), pa.struct([("a", pa.string())]))),
        ["{'k':'{\"a\":\"x\"}'}"],
    ),
]


@pytest.mark.parametrize(("kind", "array", "printed"), INTEGERS + OTHERS, ids=lambda each: str(each)[:40])
def test_a_column_prints_what_arrow_brought(
    tables: Tables, kind: str, array: pa.Array, printed: list[Any]
) -> None:
    types = {"i": "UInt32", "c": kind, "after": "String"}
    count = len(array)
    batch = pa.record_batch({"i": pa.array(range(count)), "c": array, "after": pa.array(["end"] * count)})
    rows = tables.stored(types, batch, "toString(c), after")
    assert rows == [[each, "end"] for each in printed]


@pytest.mark.parametrize(("kind", "array", "printed"), INTEGERS + OTHERS, ids=lambda each: str(each)[:40])
def test_a_slice_of_a_column_prints_its_rows_alone(
    tables: Tables, kind: str, array: pa.Array, printed: list[Any]
) -> None:
    once = array.dictionary_decode() if pa.types.is_dictionary(array.type) else array
    long = pa.concat_arrays([once] * 12)
    begin, end = len(array) + 3, 11 * len(array)
    rows = tables.stored({"c": kind}, pa.record_batch({"c": long.slice(begin, end - begin)}), "toString(c)")
    assert rows == [[each] for each in (printed * 12)[begin:end]]


def test_columns_that_the_batch_lacks_are_null_or_an_empty_object(tables: Tables) -> None:
    types = {
        "i": "UInt8",
        "n": "Nullable(DateTime64(3))",
        "l": "LowCardinality(Nullable(String))",
        "j": "JSON(a Int64, b Nullable(String))",
    }
    rows = tables.stored(types, pa.record_batch({"i": pa.array([1], pa.uint8())}), "i, n, l, toString(j)")
    assert rows == [[1, None, None, '{"a":0}']]

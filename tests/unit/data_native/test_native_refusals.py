"""What an encoded block cannot hold without loss is refused with the column, the row and the reason."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.native import json_column, wire
from aidatalabs_services.data.native.block import NativeColumn, check_schema, columns_of, encode_block
from aidatalabs_services.data.native.errors import (
    BatchCorrupt,
    BatchSchemaInvalid,
    BatchTooLarge,
    BatchValueInvalid,
)
from aidatalabs_services.data.native.json_paths import MAX_PATHS
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.standard_tables import EVENTS

D = decimal.Decimal


def encode(kind: str, array: pa.Array, **options: Any) -> bytes:
    return b"".join(encode_block(pa.record_batch({"c": array}), [NativeColumn("c", kind, **options)]))


def facts(error: pytest.ExceptionInfo[BatchValueInvalid]) -> tuple[str | None, str | None, str | None]:
    found = error.value.metadata
    return found.get("row"), found.get("path"), found.get("verdict")


VALUES: list[tuple[str, pa.Array, int, str]] = [
    ("Int64", pa.array([1, None]), 1, "must not be null"),
    ("String", pa.array(["a", None]), 1, "must not be null"),
    ("LowCardinality(String)", pa.array(["a", None, "b"]).dictionary_encode(), 1, "must not be null"),
    ("Array(Int64)", pa.array([[1], None]), 1, "must not be null"),
    ("Array(Int64)", pa.array([[1], [2, 3, None]]), 1, "must not be null"),
    (
        "Map(String, Int64)",
        pa.array([[("k", None)]], pa.map_(pa.string(), pa.int64())),
        0,
        "must not be null",
    ),
    ("Tuple(a Int8)", pa.array([{"a": 1}, None]), 1, "must not be null"),
    ("Int8", pa.array([1, 128]), 1, "out of range"),
    ("UInt64", pa.array([1, 2, -1]), 2, "out of range"),
    ("UInt8", pa.array([256], pa.uint64()), 0, "out of range"),
    ("UInt128", pa.array([D(1), D(-1)], pa.decimal128(38, 0)), 1, "out of range"),
    ("UInt128", pa.array(["1", "x"]), 1, "whole number"),
    ("Float64", pa.array([0.5, float("nan")]), 1, "finite"),
    ("Nullable(Float32)", pa.array([None, float("-inf")], pa.float32()), 1, "finite"),
    ("Float32", pa.array([0.5, 0.1]), 1, "exactly"),
    ("Float64", pa.array([0, 2**53 + 1]), 1, "exactly"),
    ("Date", pa.array([datetime.date(1969, 12, 31)]), 0, "out of range"),
    ("DateTime", pa.array([0, 1500], pa.timestamp("ms")), 1, "finer"),
    ("DateTime", pa.array([-1], pa.timestamp("s")), 0, "out of range"),
    ("DateTime64(3)", pa.array([1_000_000, 1_000_001], pa.timestamp("ns")), 1, "finer"),
    ("DateTime64(3)", pa.array([2**62], pa.timestamp("s")), 0, "out of range"),
    ("Nullable(DateTime64(3))", pa.array([None, 2**62], pa.timestamp("ms")), 1, "out of range"),
    ("Decimal(4, 2)", pa.array([D("1.5"), D("123.45")], pa.decimal128(9, 2)), 1, "does not fit"),
    ("Decimal(9, 1)", pa.array([D("0.25")], pa.decimal128(9, 2)), 0, "does not fit"),
    ("Decimal(4, 2)", pa.array([1, 100]), 1, "does not fit"),
    ("UUID", pa.array(["6f1c1a52-0c3e-4c1e-9d1c-0123456789ab", "no"]), 1, "UUID"),
    ("UUID", pa.array(["6f1c1a52+0c3e-4c1e-9d1c-0123456789ab"]), 0, "UUID"),
    ("IPv4", pa.array(["192.0.2.1", "192.0.2.256"]), 1, "IPv4"),
    ("IPv6", pa.array(["::", "x"]), 1, "IPv6"),
    ("Enum8('a' = 1)", pa.array(["a", "b"]), 1, "one of a"),
]


@pytest.mark.parametrize(("kind", "array", "row", "words"), VALUES, ids=lambda each: str(each)[:40])
def test_a_value_that_does_not_fit_is_refused_with_its_row(
    kind: str, array: pa.Array, row: int, words: str
) -> None:
    with pytest.raises(BatchValueInvalid, match=words) as error:
        encode(kind, array)
    assert facts(error)[0] == str(row)
    assert error.value.metadata["column"] == "c"


TYPES: list[tuple[str, pa.DataType]] = [
    ("Int64", pa.string()),
    ("Int64", pa.float64()),
    ("Int64", pa.bool_()),
    ("Bool", pa.int8()),
    ("String", pa.binary()),
    ("String", pa.int64()),
    ("Float64", pa.string()),
    ("Date", pa.timestamp("s")),
    ("DateTime", pa.date32()),
    ("DateTime64(3)", pa.int64()),
    ("Decimal(9, 2)", pa.float64()),
    ("UUID", pa.binary(8)),
    ("Array(Int64)", pa.int64()),
    ("Map(String, Int64)", pa.struct([("k", pa.int64())])),
    ("Tuple(a Int8, b Int8)", pa.struct([("a", pa.int8())])),
    ("LowCardinality(String)", pa.dictionary(pa.int8(), pa.int64())),
    ("Enum8('a' = 1)", pa.int8()),
    ("JSON", pa.int64()),
    ("JSON", pa.struct([("a", pa.binary())])),
    ("JSON", pa.struct([("a", pa.duration("s"))])),
    ("JSON", pa.list_(pa.int64())),
    ("JSON", pa.struct([("a", pa.list_(pa.binary()))])),
    ("JSON", pa.struct([("a", pa.list_(pa.string_view()))])),
    ("JSON", pa.map_(pa.string(), pa.binary())),
    ("JSON", pa.struct([("a", pa.list_view(pa.string()))])),
    ("JSON", pa.struct([("a", pa.dictionary(pa.int8(), pa.list_(pa.int8())))])),
    ("Array(Int8)", pa.dictionary(pa.int8(), pa.list_(pa.int8()))),
    ("Array(Int8)", pa.list_view(pa.int8())),
    ("Int64", pa.run_end_encoded(pa.int32(), pa.int64())),
    ("JSON", pa.struct([("a", pa.run_end_encoded(pa.int32(), pa.int64()))])),
    ("JSON", pa.struct([("a", pa.sparse_union([pa.field("x", pa.duration("s"))]))])),
    ("JSON(a Int64)", pa.struct([("a", pa.string())])),
    ("JSON(a Array(Int64))", pa.struct([("a", pa.int64())])),
    ("JSON(a Int64)", pa.map_(pa.string(), pa.string())),
]


@pytest.mark.parametrize(("kind", "given"), TYPES[:-1], ids=str)
def test_an_arrow_type_without_a_lossless_way_is_refused_before_any_row(
    kind: str, given: pa.DataType
) -> None:
    with pytest.raises(BatchSchemaInvalid) as error:
        check_schema(pa.schema([("c", given)]), [NativeColumn("c", kind)])
    assert error.value.violations[0].field == "c"


def test_a_typed_path_that_gets_text_from_a_map_is_refused_where_it_comes() -> None:
    kind, given = TYPES[-1]
    encode(kind, pa.array([[("b", "x")]], given))
    with pytest.raises(BatchSchemaInvalid, match="at path a is Int64"):
        encode(kind, pa.array([[("b", "x")], [("a", "x")]], given))


def test_the_schema_check_names_every_column_that_does_not_fit() -> None:
    schema = pa.schema(
        [
            ("timestamp", pa.string()),
            ("user_id", pa.uint64()),
            ("colour", pa.string()),
            ("properties", pa.int8()),
        ]
    )
    with pytest.raises(BatchSchemaInvalid) as error:
        check_schema(schema, columns_of(EVENTS))
    assert {each.field for each in error.value.violations} == {
        "timestamp",
        "colour",
        "properties",
        "event_type",
        "value",
    }


def test_the_schema_check_takes_what_fits() -> None:
    dictionary = pa.dictionary(pa.int32(), pa.string())
    properties = pa.struct([("page", dictionary), ("nested", pa.struct([("list", pa.list_(pa.int8()))]))])
    union = pa.dense_union([pa.field("a", pa.int8()), pa.field("b", pa.string())])
    maps_of_union = pa.map_(pa.string(), union)
    for given in (properties, maps_of_union, pa.struct([("x", union)]), pa.struct([("v", pa.string_view())])):
        check_schema(pa.schema([("properties", given)]), columns_of(EVENTS)[3:4])
    for given in (properties, pa.string(), pa.large_string(), pa.map_(pa.string(), pa.string()), pa.null()):
        schema = pa.schema(
            [
                ("timestamp", pa.timestamp("us", "UTC")),
                ("event_type", dictionary),
                ("user_id", pa.int64()),
                ("properties", given),
                ("value", pa.float32()),
            ]
        )
        check_schema(schema, columns_of(EVENTS))


def test_columns_not_known_twice_or_missing_are_refused() -> None:
    columns = [NativeColumn("a", "Int64"), NativeColumn("b", "Int64")]
    one = pa.array([1])
    for names in (["a", "b", "x"], ["a", "a", "b"], ["a"]):
        with pytest.raises(BatchSchemaInvalid):
            encode_block(pa.RecordBatch.from_arrays([one] * len(names), names=names), columns)


JSON_VALUES: list[tuple[str, pa.Array, int, str]] = [
    ("JSON", pa.array([{"a": 0.5}, {"a": float("inf")}]), 1, "finite"),
    ("JSON", pa.array([{"a": [0.5]}, {"a": [1.5, float("nan")]}]), 1, "finite"),
    ("JSON", pa.array([{"a": {"b": 1}, "a.b": None}, {"a": {"b": 1}, "a.b": 2}]), 1, "twice"),
    ("JSON", pa.array([{"a": 1, "a.b": None}, {"a": 1, "a.b": 2}]), 1, "others below it"),
    ("JSON(a Nullable(Int64))", pa.array([{"a": 1, "a.b": None}, {"a": 1, "a.b": 2}]), 1, "others below it"),
    ("JSON(a Int8)", pa.array([{"a": 1}, {"a": 300}]), 1, "out of range"),
    ("JSON(a Nullable(Float64))", pa.array([{"a": None}, {"a": float("nan")}]), 1, "finite"),
    ("JSON", pa.array(['{"a": 1}', "[1]"]), 1, "object"),
    ("JSON", pa.array(['{"a": 1}', "null"]), 1, "object"),
    ("JSON", pa.array(['{"a": 1}', '{"a": 1']), 1, "not JSON"),
    ("JSON", pa.array(["{}", '{"a": 1}{"b": 2}']), 1, "not JSON"),
    ("JSON", pa.array(["", '{"a": 1}{"b": 2}']), 0, "not JSON"),
    ("JSON", pa.array(['{"a":{}', ',"b":1}']), 0, "not JSON"),
    ("JSON", pa.array(['{"a":"}', '{"}']), 0, "not JSON"),
    ("JSON", pa.array(['{"a": 1}', '{"a": 9007199254740992}']), 1, "2\\^53"),
    ("JSON", pa.array(['{"a": 0.5}', '{"a": 9007199254740993}']), 1, "2\\^53"),
    ("JSON", pa.array(['{"a": 0.5}', '{"a": -1e300}']), 1, "2\\^53"),
    ("JSON", pa.array(['{"a": [1]}', '{"a": [2, 9007199254740993]}']), 1, "2\\^53"),
    ("JSON", pa.array(['{"a": [{"b": 1}]}', '{"a": [{"b": 18446744073709551615}]}']), 1, "2\\^53"),
    ("JSON", pa.array(['{"a": NaN}']), 0, "finite"),
    ("JSON", pa.array(['{"a": "x"}', '{"a": -Infinity}']), 1, "finite"),
    ("JSON", pa.array(['{"a": "\\ud800"}']), 0, "Unicode"),
    ("JSON", pa.array(['{"a.b": 1, "a": {"b": 2}}']), 0, "twice"),
    ("JSON", pa.array(["{}", '{"a": 1, "a.b": 2}']), 1, "others below it"),
    ("JSON", pa.array(["{}", json.dumps({"x" * 257: 1})]), 1, "longer than 256"),
    ("JSON", pa.array(["{}", json.dumps({"a": "x" * 70_000})]), 1, "limit is 65536"),
    ("JSON", pa.array(["{}", '{"a":' * 16 + "{}" + "}" * 16]), 1, "deeper"),
    ("JSON", pa.array(["{}", '{"a":' + "[" * 16 + "1" + "]" * 16 + "}"]), 1, "deeper"),
    ("JSON", pa.array(["{}", '{"a":' * 10_000 + "1" + "}" * 10_000]), 1, "deeper"),
    ("JSON(a Int64)", pa.array(['{"a": 1}', '{"a": "x"}']), 1, "whole number"),
    ("JSON(a Int64)", pa.array(['{"a": 1}', '{"a": {"b": 1}}']), 1, "whole number"),
    ("JSON(a String)", pa.array(['{"a": "x"}', '{"a": 5}']), 1, "string"),
    ("JSON(a Nullable(Bool))", pa.array(['{"a": null}', '{"a": 1}']), 1, "true or false"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "array", "row", "words"), JSON_VALUES, ids=lambda each: str(each)[:60])
def test_json_that_would_be_stored_wrongly_is_refused_with_its_row(
    kind: str, array: pa.Array, row: int, words: str
) -> None:
    with pytest.raises(BatchValueInvalid, match=words) as error:
        encode(kind, array)
    assert facts(error)[0] == str(row)


def test_a_struct_at_a_typed_path_is_no_value_of_it() -> None:
    with pytest.raises(BatchSchemaInvalid):
        encode("JSON(a Int64)", pa.array([{"a": {"b": 1}}]))


def test_objects_below_a_typed_path_are_refused_beside_its_value() -> None:
    array = pa.array([{"a": 1, "a.b": None}, {"a": None, "a.b": 5}])
    assert encode("JSON(a Nullable(Int64))", array)


def test_keys_and_levels_have_the_limits_of_row_ingest() -> None:
    deep: Any = 1
    for _ in range(16):
        deep = {"a": deep}
    assert encode("JSON", pa.array([deep]))
    with pytest.raises(BatchValueInvalid, match="deeper"):
        encode("JSON", pa.array([{"a": deep}]))
    with pytest.raises(BatchValueInvalid, match="deeper"):
        encode("JSON", pa.array([json.loads('{"a":' + "[" * 16 + "1" + "]" * 16 + "}")]))
    assert encode("JSON", pa.array([{"x" * 256: 1}]))
    with pytest.raises(BatchValueInvalid, match="longer than 256"):
        encode("JSON", pa.array([{"é" * 129: 1}]))


def test_null_in_a_json_column_is_an_object_without_keys_only_where_asked() -> None:
    for array in (pa.array([{"a": 1}, None]), pa.array(['{"a": 1}', None])):
        with pytest.raises(BatchValueInvalid, match="must not be null") as error:
            encode("JSON", array)
        assert facts(error)[0] == "1"
        assert encode("JSON", array, null_is_empty=True)


def test_arrow_arrays_that_contradict_themselves_are_refused() -> None:
    offsets = np.array([0, 1, 2], np.int32)
    text = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"ab")])
    codes = np.array([0, 0], np.int8)
    coded = pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(["a"]))
    latin = pa.array([b"\xff"]).view(pa.string())
    batches = [pa.record_batch({"c": each}) for each in (text, coded, latin)]
    offsets[2], codes[1] = 99, 7  # as damaged bytes from the wire have it
    for batch in batches:
        with pytest.raises(BatchCorrupt):
            encode_block(batch, [NativeColumn("c", "String")])


def test_what_stands_under_a_null_object_is_not_looked_at() -> None:
    words = pa.dictionary(pa.int8(), pa.string())
    inner = pa.struct([("a", words)])
    assert encode("JSON", pa.array([{"x": None, "y": 1}], pa.struct([("x", inner), ("y", pa.int64())])))


def test_damaged_arrays_inside_objects_are_refused() -> None:
    offsets = np.array([0, 1, 2], np.int32)
    text = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(offsets), pa.py_buffer(b"ab")])
    inner = pa.StructArray.from_arrays([text, pa.array([["x"], ["é"]])], ["a", "b"])
    batch = pa.record_batch({"c": pa.StructArray.from_arrays([inner], ["a"])})
    assert encode_block(batch, [NativeColumn("c", "JSON")])
    offsets[1] = 3
    with pytest.raises(BatchCorrupt):
        encode_block(batch, [NativeColumn("c", "JSON")])


def test_a_dictionary_or_view_that_repeats_a_long_text_too_often_is_refused() -> None:
    long = "x" * 8_000_000
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int8()), pa.array([long]))
    views = np.tile(np.frombuffer(pa.array([long], pa.string_view()).buffers()[1], np.uint8), 100)
    many = pa.Array.from_buffers(
        pa.string_view(), 100, [None, pa.py_buffer(views), pa.array([long], pa.string_view()).buffers()[2]]
    )
    for array in (repeated, many):
        for kind in ("String", "Nullable(String)"):
            with pytest.raises(BatchTooLarge):
                encode(kind, array)
        with pytest.raises(BatchTooLarge):
            encode("JSON", pa.StructArray.from_arrays([array], ["a"]))


def test_a_dictionary_in_a_map_that_repeats_a_long_text_too_often_is_refused() -> None:
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int8()), pa.array(["x" * 8_000_000]))
    maps = pa.MapArray.from_arrays(pa.array(range(101), pa.int32()), pa.array(["a"] * 100), repeated)
    for kind in ("JSON", "JSON(a String)", "JSON(a LowCardinality(String))"):
        with pytest.raises(BatchTooLarge):
            encode(kind, maps)


def test_a_union_that_names_one_value_often_is_refused() -> None:
    union = pa.UnionArray.from_dense(
        pa.array([0, 0], pa.int8()), pa.array([0, 0], pa.int32()), [pa.array(["x"]), pa.array([1])]
    )
    with pytest.raises(BatchValueInvalid, match="ascend"):
        encode("JSON", pa.StructArray.from_arrays([union], ["a"]))


def test_a_batch_of_very_many_paths_is_refused() -> None:
    keys = [[(f"k{row}_{place}", 1) for place in range(50)] for row in range(MAX_PATHS // 50 + 1)]
    with pytest.raises(BatchTooLarge, match="paths"):
        encode("JSON", pa.array(keys, pa.map_(pa.string(), pa.int64())))
    with pytest.raises(BatchTooLarge, match="paths"):
        encode("JSON", pa.array([json.dumps(dict(each)) for each in keys]))


def test_a_batch_of_many_rows_times_many_paths_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_column, "MAX_CELLS", 1000)
    with pytest.raises(BatchTooLarge, match="rows times paths"):
        encode("JSON", pa.array([{"a": 1, "b": 2}] * 501))


def test_a_batch_without_rows_is_no_block() -> None:
    assert encode_block(pa.record_batch({"c": pa.array([], pa.int64())}), [NativeColumn("c", "Int64")]) == []


@pytest.mark.parametrize(
    "text",
    [
        "JSON(",
        "JSON(a)",
        "JSON(a Nothing)",
        "JSON(SKIP a)",
        "JSON(SKIP REGEXP 'a')",
        "JSON(a Int8, a Int8)",
        "JSON(max_dynamic_paths=-1)",
        "JSON(max_dynamic_paths=99999)",
        "JSON(max_dynamic_types=255)",
        "JSON(a JSON)",
        "JSON(`a Int8)",
        "JSON(a Int8) x",
        "JSONx",
    ],
)
def test_a_json_type_that_no_table_may_have_is_refused(text: str) -> None:
    with pytest.raises(TypeNotAllowed):
        parse_column_type(text)


def test_lengths_are_leb128() -> None:
    assert [wire.length(value) for value in (0, 127, 128, 16_384)] == [
        b"\0",
        b"\x7f",
        b"\x80\x01",
        b"\x80\x80\x01",
    ]
    sizes = [0, 1, 127, 128, 16_383, 16_384, 70_000]
    expected = b"".join(wire.length(size) + b"x" * size for size in sizes)
    assert bytes(wire.text_column(pa.array(["x" * size for size in sizes]))) == expected
    assert bytes(wire.text_column(pa.array(["x" * size for size in sizes]).dictionary_encode())) == expected


def test_errors_show_nothing_unprintable() -> None:
    with pytest.raises(BatchValueInvalid) as error:
        encode("JSON", pa.array(['{"a\\u0007": 9007199254740993}']))
    assert error.value.message.isprintable()

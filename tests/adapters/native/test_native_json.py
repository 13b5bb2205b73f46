"""A JSON column from structs, maps and text holds what the same rows hold as JSONEachRow."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from aidatalabs_services.data.native.json_type import parse_column_type, type_text
from tests.adapters.native.tables import Tables

SHOWN = "toString(j), toString(JSONAllPathsWithTypes(j))"
TYPES = [
    "JSON",
    "JSON(max_dynamic_paths=1)",
    "JSON(max_dynamic_paths=0)",
    "JSON(max_dynamic_types=2)",
    "JSON(page LowCardinality(Nullable(String)), score Nullable(Float64))",
    "JSON(max_dynamic_paths=4, `a.b` Nullable(Int64), absent Nullable(String), page String, ms Int64)",
    "JSON(page LowCardinality(String), flag Bool, `a.c` Array(Nullable(String)))",
]
OBJECTS: list[dict[str, Any]] = [
    {"page": "/p/1", "score": 0.5, "ms": 12, "flag": True, "a": {"b": 1, "c": ["x", None]}},
    {"page": None, "score": None, "ms": None, "flag": None, "a": None},
    {"page": "", "score": -1e-300, "ms": 0, "flag": False, "a": {"b": None, "c": []}},
    {
        "page": 'héé " \\ \n \0 / 😀',
        "score": 1.5,
        "ms": -(2**53) + 1,
        "flag": True,
        "a": {"b": 2**53 - 1, "c": ["y"]},
    },
] * 3


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return value


def from_rows(tables: Tables, kind: str, objects: Sequence[Any], shown: str = SHOWN) -> list[list[Any]]:
    rows = [{"i": index, "j": without_nulls(each)} for index, each in enumerate(objects)]
    return tables.stored_from_rows({"i": "UInt32", "j": kind}, rows, shown)


def from_arrow(tables: Tables, kind: str, array: pa.Array, shown: str = SHOWN) -> list[list[Any]]:
    batch = pa.record_batch({"i": pa.array(range(len(array)), pa.uint32()), "j": array})
    return tables.stored({"i": "UInt32", "j": kind}, batch, shown)


def texts(objects: Sequence[Any], **options: Any) -> pa.Array:
    return pa.array([json.dumps(each, ensure_ascii=False, **options) for each in objects])


@pytest.mark.parametrize("kind", TYPES)
def test_structs_and_text_hold_what_rows_hold(tables: Tables, kind: str) -> None:
    expected = from_rows(tables, kind, OBJECTS)
    assert from_arrow(tables, kind, pa.array(OBJECTS)) == expected
    assert from_arrow(tables, kind, texts(OBJECTS)) == expected
    assert from_arrow(tables, kind, texts(OBJECTS, indent=1).cast(pa.large_string())) == expected
    assert from_arrow(tables, kind, texts(OBJECTS).dictionary_encode()) == expected


@pytest.mark.parametrize(
    "kind", ["JSON", "JSON(page Nullable(String), score LowCardinality(Nullable(String)))"]
)
def test_maps_of_text_hold_what_rows_hold(tables: Tables, kind: str) -> None:
    objects = [{"page": "x", "a.b": "y"}, {}, {"score": "5", "page": ""}]
    maps = pa.array([list(each.items()) for each in objects], pa.map_(pa.string(), pa.string()))
    assert from_arrow(tables, kind, maps) == from_rows(tables, kind, objects)
    assert from_arrow(tables, kind, pa.concat_arrays([maps] * 5).slice(4, 8)) == (
        from_rows(tables, kind, (objects * 5)[4:12])
    )


@pytest.mark.parametrize("dense", [True, False])
def test_maps_of_a_union_keep_the_type_of_each_value(tables: Tables, dense: bool) -> None:
    words, numbers, floats = (
        pa.array(["x", "y", "z", "w"]),
        pa.array([1, 2, 3, 4]),
        pa.array([0.5, 1.5, 2.5, 3.5]),
    )
    codes = pa.array([0, 1, 2, 1], pa.int8())
    if dense:
        offsets = pa.array([0, 0, 0, 1], pa.int32())
        values = pa.UnionArray.from_dense(codes, offsets, [words, numbers, floats])
        listed: list[Any] = ["x", 1, 0.5, 2]
    else:
        values = pa.UnionArray.from_sparse(codes, [words, numbers, floats])
        listed = ["x", 2, 2.5, 4]
    keys = pa.array(["a", "b", "a", "a"])
    maps = pa.MapArray.from_arrays(pa.array([0, 2, 3, 4], pa.int32()), keys, values)
    objects: list[dict[str, Any]] = [{"a": listed[0], "b": listed[1]}, {"a": listed[2]}, {"a": listed[3]}]
    assert from_arrow(tables, "JSON", maps) == from_rows(tables, "JSON", objects)
    assert from_arrow(tables, "JSON", maps.slice(1)) == from_rows(tables, "JSON", objects[1:])


def test_views_of_text_hold_what_rows_hold(tables: Tables) -> None:
    objects: list[dict[str, Any]] = [{"a": "short"}, {"a": None}, {"a": "longer than a view holds by itself"}]
    array = pa.StructArray.from_arrays([pa.array([each["a"] for each in objects], pa.string_view())], ["a"])
    assert from_arrow(tables, "JSON", array) == from_rows(tables, "JSON", objects)
    assert from_arrow(tables, "JSON(a String)", array) == from_rows(tables, "JSON(a String)", objects)


def test_of_a_key_that_comes_twice_the_last_counts(tables: Tables) -> None:
    expected = from_rows(tables, "JSON", [{"a": 2}, {"a": 3}])
    maps = pa.array([[("a", 1), ("a", 2)], [("a", 3)]], pa.map_(pa.string(), pa.int64()))
    assert from_arrow(tables, "JSON", maps) == expected
    assert from_arrow(tables, "JSON", pa.array(['{"a": 1, "a": 2}', '{"a": 3}'])) == expected


def test_a_path_of_several_types_in_text_keeps_the_type_of_each_row(tables: Tables) -> None:
    objects = [{"a": 1}, {"a": "x"}, {"a": 0.5}, {"a": True}, {"a": [1, 2]}, {"a": {"b": 1}}, {"a": None}, {}]
    expected = from_rows(tables, "JSON", objects)
    assert from_arrow(tables, "JSON", texts(objects)) == expected


def test_whole_numbers_among_floats_keep_the_way_they_were_written(tables: Tables) -> None:
    raw = [
        '{"a": 1}',
        '{"a": 1.0}',
        '{"a": 1.5}',
        '{"a": 1e2}',
        '{"a": -0.0}',
        '{"b": "1.0,", "a": 7}',
        '{"a": -0}',
    ]
    found = from_arrow(tables, "JSON", pa.array(raw), "toString(j.a), dynamicType(j.a)")
    kinds = ["Int64", "Float64", "Float64", "Float64", "Float64", "Int64", "Int64"]
    assert found == [
        [each, kind] for each, kind in zip(["1", "1", "1.5", "100", "-0", "7", "0"], kinds, strict=True)
    ]


def test_fractions_beyond_what_a_double_keeps_stay_floats(tables: Tables) -> None:
    raw = [
        f'{{"a": {each}}}' for each in ("0.99999999999999999999", "4503599627370497.5", "0.5", "3", "1e-400")
    ]
    found = from_arrow(tables, "JSON", pa.array(raw), "dynamicType(j.a)")
    assert [each[0] for each in found] == ["Float64", "Float64", "Float64", "Int64", "Float64"]


def test_text_that_looks_like_a_time_stays_text(tables: Tables) -> None:
    raw = pa.array(['{"at": "2026-01-02", "all": ["2026-01-02 00:00:00"]}'])
    assert from_arrow(tables, "JSON", raw, "dynamicType(j.at), dynamicType(j.all)") == [
        ["String", "Array(Nullable(String))"]
    ]


LISTS: list[list[Any]] = [
    [1, None, 3], ["x", None], [0.5, 1.5], [True, None], [[1], [2, None]], [{"a": 1}, {"b": "x"}],
    [{"a": 1}, None], [{"a": [{"b": 1.5}]}], [1, "x", 0.5, None, [1], {"z": 1}], [[1], ["x"]],
]  # fmt: skip


@pytest.mark.parametrize("values", LISTS, ids=str)
def test_lists_in_text_hold_what_rows_hold(tables: Tables, values: list[Any]) -> None:
    objects = [{"a": values, "b": {"c": values}}, {"a": values}]
    assert from_arrow(tables, "JSON", texts(objects)) == from_rows(tables, "JSON", objects)


def test_lists_of_what_json_cannot_keep_apart_lose_nothing(tables: Tables) -> None:
    objects = [{"a": [True, 1]}, {"a": [[1], None]}, {"a": []}, {"a": [None]}, {"a": [1.5, 2]}]
    found = from_arrow(tables, "JSON", texts(objects), "toString(j)")
    assert [json.loads(each[0]) for each in found] == objects


@pytest.mark.parametrize(
    "array",
    [
        pa.array([{"a": [1, 2]}, {"a": None}, {"a": []}]),
        pa.array([{"a": [["x"], []]}, {"a": [[None]]}]),
        pa.array([{"a": [["x"], None]}, {"a": [["y"]]}]),
        pa.array([{"a": [{"b": 1, "c": None}, {"b": None, "c": "x"}]}, {"a": []}]),
        pa.array([{"a": [{"b": 1}, None]}, {"a": [{"b": 2}]}]),
        pa.array([{"a": [[{"b": [{"c": True}]}]]}]),
        pa.array([{"a": [[("k", 1)], []]}], pa.struct([("a", pa.list_(pa.map_(pa.string(), pa.int64())))])),
    ],
    ids=str,
)
def test_lists_in_structs_lose_nothing(tables: Tables, array: pa.Array) -> None:
    found = from_arrow(tables, "JSON", array, "toString(j)")
    expected = [pruned(each) for each in array.to_pylist()]
    if pa.types.is_map(getattr(array.type.field("a").type, "value_type", pa.null())):
        expected = [{"a": [dict(pairs) for pairs in each["a"]]} for each in array.to_pylist()]
    assert [json.loads(each[0]) for each in found] == expected


def pruned(value: Any) -> Any:
    """Objects without their nulls, in lists too."""
    if isinstance(value, dict):
        return {key: pruned(item) for key, item in value.items() if item is not None}
    return [pruned(item) for item in value] if isinstance(value, list) else value


def test_types_that_only_arrow_has_are_kept(tables: Tables) -> None:
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.UTC)
    fields = {
        "day": pa.array([datetime.date(2026, 1, 2)]),
        "at": pa.array([moment], pa.timestamp("ms", "UTC")),
        "price": pa.array([decimal.Decimal("1.25")], pa.decimal128(9, 2)),
        "large": pa.array([2**64 - 1], pa.uint64()),
        "id": pa.array([uuid.UUID(int=7).bytes], pa.uuid()),
        "small": pa.array([3], pa.uint64()),
    }
    filled = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    found = from_arrow(tables, "JSON", filled)
    kinds = {
        "at": "DateTime64(3)",
        "day": "Date32",
        "id": "UUID",
        "large": "UInt64",
        "price": "Decimal(9, 2)",
        "small": "Int64",
    }
    assert found[0][1] == str(kinds).replace("': '", "':'").replace(", '", ",'")
    assert '"large":18446744073709551615' in found[0][0]
    assert '"at":"2026-01-02 03:04:05.678"' in found[0][0]


def test_whole_numbers_above_int64_are_apart_from_those_below(tables: Tables) -> None:
    array = pa.array([{"a": 1}, {"a": 2**64 - 1}, {"a": None}], pa.struct([("a", pa.uint64())]))
    assert from_arrow(tables, "JSON", array, "dynamicType(j.a)") == [["Int64"], ["UInt64"], ["None"]]


def test_more_paths_than_the_type_keeps_apart_are_all_there(tables: Tables) -> None:
    objects = [{f"k{place}": place for place in range(row, row + 40)} for row in range(50)]
    kind = "JSON(max_dynamic_paths=8)"
    assert from_arrow(tables, kind, texts(objects)) == from_rows(tables, kind, objects)
    shared = from_arrow(tables, kind, texts(objects), "length(JSONSharedDataPaths(j)) > 0")
    assert shared == [[1]] * 50 or shared == [[True]] * 50


def test_a_path_of_more_than_255_types_keeps_each(tables: Tables) -> None:
    """A union of unions: Arrow names at most 127 types in one."""
    pairs = [(digits, scale) for digits in range(1, 39) for scale in range(digits + 1)][:300]
    unions = []
    for begin in range(0, 300, 100):
        part = pairs[begin : begin + 100]
        children = [pa.array([decimal.Decimal(0)], pa.decimal128(*each)) for each in part]
        codes = pa.array(range(len(part)), pa.int8())
        unions.append(pa.UnionArray.from_dense(codes, pa.array([0] * len(part), pa.int32()), children))
    codes = pa.array([0] * 100 + [1] * 100 + [2] * 100, pa.int8())
    values = pa.UnionArray.from_dense(codes, pa.array([*range(100)] * 3, pa.int32()), unions)
    array = pa.StructArray.from_arrays([values], ["a"])
    found = from_arrow(tables, "JSON", array, "dynamicType(j.a)")
    assert [each[0] for each in found] == [f"Decimal({digits}, {scale})" for digits, scale in pairs]


@pytest.mark.parametrize(
    "text",
    [
        "JSON",
        "JSON(max_dynamic_types=4, max_dynamic_paths=8)",
        "JSON(max_dynamic_paths=8, `b.c` LowCardinality(Nullable(String)), a Int64)",
        "JSON(`x y` Int8, `back\\`tick` String, `select` Nullable(Bool), at DateTime64(3, 'UTC'), "
        "e Enum8('a,)' = 1))",
        "JSON(max_dynamic_paths=1024, max_dynamic_types=32)",
    ],
)
def test_a_json_type_is_written_as_the_engine_writes_it(tables: Tables, text: str) -> None:
    table = tables.make({"j": text})
    (written,) = tables.read(f"SELECT type FROM system.columns WHERE table = '{table}'")
    tables.drop(table)
    assert parse_column_type(written[0]) == parse_column_type(text)
    assert parse_column_type(type_text(parse_column_type(text))) == parse_column_type(text)
    if "e Enum8" not in text:
        assert type_text(parse_column_type(text)) == written[0]


def test_a_block_of_the_tables_type_is_stored_without_a_cast(tables: Tables) -> None:
    """In whatever order the type names its paths."""
    found = from_arrow(tables, "JSON(b Int64, a String)", pa.array([{"a": "x", "b": 5}]), "j.a, j.b")
    assert found == [["x", 5]]


NOT_NULL = (
    "JSON(i Int32, s String, l LowCardinality(String), f Float64, b Bool, d Date, w Date32, t DateTime64(3), "
    "u UUID, e Enum8('x' = 3), a Array(Int64), n Decimal(9, 2), p IPv4, m Map(String, Int8), "
    "q Tuple(x Int8, y String))"
)


def test_typed_paths_that_are_never_null_have_the_engines_defaults(tables: Tables) -> None:
    expected = from_rows(tables, NOT_NULL, [{}, {"s": "x"}])
    assert from_arrow(tables, NOT_NULL, texts([{}, {"s": "x"}])) == expected
    assert from_arrow(tables, NOT_NULL, pa.array([{"s": None}, {"s": "x"}])) == expected
    whole = pa.array([{"e": "x", "w": datetime.date(2000, 1, 1), "a": [1], "q": {"x": 1, "y": "z"}}, {}])
    assert from_arrow(tables, NOT_NULL, whole)[1] == expected[0]


def test_typed_paths_take_the_forms_that_row_ingest_takes_from_text(tables: Tables) -> None:
    kind = "JSON(d Date, t DateTime64(3, 'UTC'), u UInt64, n Decimal(9, 2), e Enum8('x' = 3))"
    objects = [
        {
            "d": "2026-01-02",
            "t": "2026-01-02 03:04:05.678",
            "u": "18446744073709551615",
            "n": "1.25",
            "e": "x",
        }
    ]
    assert from_arrow(tables, kind, texts(objects)) == from_rows(tables, kind, objects)


def test_text_of_many_rows_is_the_same_across_the_pieces_it_is_read_in(tables: Tables) -> None:
    objects: list[dict[str, Any]] = []
    for row in range(10_000):
        each: dict[str, Any] = {"n": row, "f": row / 4 if row % 3 else row, "s": f"s{row % 5}"}
        if row > 5000:
            each["items"] = [{"k": row, "late": "x"}]
        elif row % 2:
            each["items"] = [{"k": row}]
        if row == 9000:
            each |= {"n": "nine thousand", "once": True}
        objects.append(each)
    for kind in ("JSON", "JSON(n Nullable(String), s LowCardinality(String), f Float64)"):
        rows = [each | ({"n": str(each["n"])} if "n Null" in kind else {}) for each in objects]
        shown = "cityHash64(toString(j)), toString(JSONAllPathsWithTypes(j))"
        assert from_arrow(tables, kind, texts(rows), shown) == from_rows(tables, kind, rows, shown)


@pytest.mark.parametrize("count", [250, 65_000, 70_000])
def test_dictionaries_of_each_index_width_are_read_back(tables: Tables, count: int) -> None:
    words = pa.array([f"w{place}" for place in range(count)])
    types = {"a": "LowCardinality(String)", "b": "LowCardinality(Nullable(String))"}
    batch = pa.record_batch({"a": words, "b": words.dictionary_encode()})
    found = tables.stored(
        types, batch, "countIf(a = b), countIf(a = concat('w', toString(rowNumberInAllBlocks())))"
    )
    assert found == [[count, count]]

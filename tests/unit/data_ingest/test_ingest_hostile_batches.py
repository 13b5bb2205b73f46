"""Batches that are small and stand for much, that crash Arrow, or whose values would be stored as others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from aidatalabs_services.data.arrow_sizes import plain_bytes
from aidatalabs_services.data.blocks import Blocks
from aidatalabs_services.data.column_batches import ColumnBatch
from aidatalabs_services.data.column_batches import judge_columns as judge
from aidatalabs_services.data.errors import BatchInvalid, IngestTooLarge
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import Verdict

NOW = 1_790_000_000.0
LONG = "x" * 1_000_000
MANY = 500_000


def table_of(**types: str) -> TableSchema:
    return TableSchema("t", tuple(ColumnSchema(name, kind) for name, kind in types.items()))


def taken(batch: pa.RecordBatch, table: TableSchema) -> tuple[Verdict, Blocks]:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    read = ColumnBatch(sink.getvalue().to_pybytes(), table.name).rows
    return judge(read, table, now_seconds=NOW)


def events(properties: pa.Array, types: list[str] | None = None) -> pa.RecordBatch:
    count = len(properties)
    return pa.record_batch(
        {
            "timestamp": pa.array([1_767_225_600_000] * count, pa.timestamp("ms")),
            "event_type": pa.array(types or ["a"] * count),
            "properties": properties,
        }
    )


def lists(values: pa.Array, each: int, count: int) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(np.arange(count + 1, dtype=np.int32) * each), values)


def repeated(text: str, count: int, kind: pa.DataType) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int8)), pa.array([text], kind))


def views(text: bytes, count: int) -> pa.Array:
    each = np.zeros((count, 4), np.int32)
    each[:, 0], each[:, 1] = len(text), int.from_bytes(text[:4], "little")
    return pa.Array.from_buffers(pa.string_view(), count, [None, pa.py_buffer(each), pa.py_buffer(text)])


BLOWN_UP: dict[str, tuple[str, Callable[[], pa.Array]]] = {
    "lists of nothing": ("Array(Nullable(UInt8))", lambda: lists(pa.nulls(2_000_000_000), 2_000_000, 1_000)),
    "fixed lists of nothing": (
        "Array(Nullable(UInt8))",
        lambda: pa.FixedSizeListArray.from_arrays(pa.nulls(500_000_000), 1_000),
    ),
    "long text in a dictionary": ("String", lambda: repeated(LONG, MANY, pa.string())),
    "numbers that are text": ("Int64", lambda: repeated(LONG, MANY, pa.large_string())),
    "text in lists": ("Array(String)", lambda: lists(repeated(LONG, 100_000, pa.string()), 10, 10_000)),
    "views": ("String", lambda: views(LONG.encode(), MANY)),
    "empty objects": (
        "JSON",
        lambda: lists(pa.StructArray.from_buffers(pa.struct([]), 500_000_000, [None]), 500_000, 1_000),
    ),
    "runs": (
        "Array(UInt8)",
        lambda: lists(
            pa.RunEndEncodedArray.from_arrays(pa.array([2_000_000_000], pa.int32()), pa.array([1])),
            2_000_000,
            1_000,
        ),
    ),
}


@pytest.mark.parametrize("name", BLOWN_UP)
def test_a_small_batch_that_stands_for_gigabytes_is_refused_before_any_of_it_is_made(name: str) -> None:
    kind, column = BLOWN_UP[name]
    with pytest.raises(IngestTooLarge):
        taken(pa.record_batch({"c": column()}), table_of(c=kind))


def test_many_empty_rows_of_a_wide_table_are_refused_before_any_of_them_is_made() -> None:
    wide = table_of(**{f"c{number}": "Nullable(Int256)" for number in range(300)})
    with pytest.raises(IngestTooLarge) as caught:
        taken(pa.record_batch({"c0": pa.nulls(MANY)}), wide)
    assert int(caught.value.metadata["limit_rows"]) < MANY


def test_many_rows_with_many_paths_are_refused_where_the_block_would_be_too_large() -> None:
    ends = pa.array(np.minimum(np.arange(MANY + 1), 500).astype(np.int32))
    keys = pa.array([f"k{number}" for number in range(500)])
    with pytest.raises(IngestTooLarge):
        taken(events(pa.MapArray.from_arrays(ends, keys, pa.array(np.arange(500)))), EVENTS)


def test_values_are_counted_as_often_as_they_stand_there() -> None:
    assert plain_bytes(pa.array([1, 2], pa.int64())) == 16
    assert plain_bytes(repeated("x" * 1_000, 50, pa.string())) >= 50_000
    assert plain_bytes(views(b"x" * 1_000, 50)) >= 50_000
    assert plain_bytes(pa.array([["ab", "c"], []]).slice(1, 1)) < 20


def test_rows_of_more_partitions_than_inserts_are_good_for_are_refused() -> None:
    days = pa.array(np.arange(60_000, dtype=np.int32), pa.int32()).cast(pa.date32())
    table = TableSchema("t", (ColumnSchema("d", "Date"),), ("d",), "toDate(d)")
    with pytest.raises(IngestTooLarge, match="partitions"):
        taken(pa.record_batch({"d": days}), table)
    assert len(taken(pa.record_batch({"d": days.slice(0, 300)}), table)[1]) == 300


@pytest.mark.parametrize("mode", ["dense", "sparse"])
@pytest.mark.parametrize("nulls", [True, False])
def test_unions_in_objects_that_may_be_null_do_not_end_the_process(mode: str, nulls: bool) -> None:
    codes = pa.array([0, 1, 0, 1], pa.int8())
    if mode == "dense":
        parts = [pa.array([1, 2]), pa.array(["a", "b"])]
        union = pa.UnionArray.from_dense(codes, pa.array([0, 0, 1, 1], pa.int32()), parts)
    else:
        union = pa.UnionArray.from_sparse(codes, [pa.array([1, 0, 2, 0]), pa.array(["", "a", "", "b"])])
    mask = pa.array([nulls, False, False, False])
    properties = pa.StructArray.from_arrays([union], ["u"], mask=mask)
    verdict, _ = taken(events(properties, ["a", "", "a", "a"]), EVENTS)
    assert [row.index for row in verdict.rejected] == [1]
    assert verdict.accepted.num_rows == 3


def test_views_in_objects_can_be_sent_beside_rows_that_are_refused() -> None:
    words = pa.array(["short", "a word that is longer than a view", None], pa.string_view())
    verdict, _ = taken(events(pa.StructArray.from_arrays([words], ["w"]), ["a", "", "a"]), EVENTS)
    assert verdict.accepted.num_rows == 2


MEANT_OTHERWISE = [
    ("Array(String)", pa.array([[b"\x00a"]])),
    ("Array(String)", pa.array([[1]])),
    ("Array(String)", pa.array([[datetime(2020, 1, 1).date()]])),
    ("Array(String)", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))),
    ("Array(UInt8)", pa.array([[1]], pa.list_view(pa.int8()))),
    ("Array(Nullable(Float64))", pa.array([[Decimal("1.5")]])),
    ("Map(String, Nullable(String))", pa.array([{"a": 1}])),
    ("Tuple(a Int64, b String)", pa.array([[1, 2]], pa.list_(pa.int32(), 2))),
    ("UUID", pa.array([b"abcdefghijklmnop"], pa.binary(16))),
    ("JSON", pa.DictionaryArray.from_arrays([0], pa.array([{"a": 1}]))),
]


@pytest.mark.parametrize(
    ("kind", "column"), MEANT_OTHERWISE, ids=[f"{k}-{c.type}" for k, c in MEANT_OTHERWISE]
)
def test_a_column_whose_values_mean_something_else_does_not_fit(kind: str, column: pa.Array) -> None:
    with pytest.raises(BatchInvalid) as caught:
        taken(pa.record_batch({"c": column}), table_of(c=kind))
    assert [violation.field for violation in caught.value.violations] == ["c"]


NESTED: list[tuple[str, pa.Array, list[Any]]] = [
    (
        "Map(String, Int64)",
        pa.array([[("a", 1)], [], [("b", 1), ("b", 2)]], pa.map_(pa.string(), pa.int64())),
        [[("a", 1)], [], [("b", 2)]],
    ),
    ("Array(Array(String))", pa.array([[["a"], []]]), [[["a"], []]]),
    ("Tuple(a Int64, b String)", pa.array([{"b": "x", "a": 1}]), [{"a": 1, "b": "x"}]),
    (
        "Decimal(18, 10)",
        pa.array([Decimal("0.0000000001")], pa.decimal128(20, 10)),
        [Decimal("0.0000000001")],
    ),
    ("Array(Decimal(18, 10))", pa.array([[Decimal("0.0000000001")]]), [[Decimal("0.0000000001")]]),
]


@pytest.mark.parametrize(("kind", "column", "values"), NESTED, ids=[kind for kind, _, _ in NESTED])
def test_nested_columns_and_exact_numbers_are_taken(kind: str, column: pa.Array, values: list[Any]) -> None:
    verdict, _ = taken(pa.record_batch({"c": column}), table_of(c=kind))
    assert verdict.rejected == ()
    assert verdict.accepted.column("c").to_pylist() == values


def test_a_time_in_a_list_that_no_calendar_has_refuses_its_row_alone() -> None:
    times = pa.array([[0], [2**62]], pa.list_(pa.timestamp("s")))
    verdict, _ = taken(pa.record_batch({"c": times}), table_of(c="Array(DateTime64(3))"))
    assert [(row.index, row.reason) for row in verdict.rejected] == [(1, "VALUE_INVALID")]
    assert verdict.accepted.column("c").to_pylist() == [[datetime(1970, 1, 1, tzinfo=UTC)]]


def test_a_user_or_value_that_is_null_is_unset_however_it_is_written() -> None:
    batch = pa.record_batch(
        {
            "timestamp": pa.array([1_767_225_600_000] * 2, pa.timestamp("ms")),
            "event_type": pa.array(["a", "b"]),
            "user_id": pa.nulls(2),
            "value": pa.array([1.5, None]).dictionary_encode(),
        }
    )
    verdict, _ = taken(batch, EVENTS)
    assert verdict.accepted.column("user_id").to_pylist() == [0, 0]
    assert verdict.accepted.column("value").to_pylist() == [1.5, 0.0]


def test_many_wrong_rows_cost_pieces_of_a_batch_and_are_named_as_they_stand_in_it() -> None:
    texts = ['{"a":1,"b":"x"}'] * 60_000
    wrong = list(range(59_000, 59_090))
    for row in wrong:
        texts[row] = '{"a":'
    verdict, _ = taken(events(pa.array(texts)), EVENTS)
    assert [row.index for row in verdict.rejected] == wrong
    for row in range(20, 40):
        texts[row] = '{"a":'
    with pytest.raises(BatchInvalid, match="More than 100 rows") as caught:
        taken(events(pa.array(texts)), EVENTS)
    assert int(caught.value.metadata["row"]) in (*wrong, *range(20, 40))

"""A batch is cut where its table's partitions change; rows keep their order."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

from aidatalabs_services.data.native.errors import BatchCorrupt, BatchSchemaInvalid, BatchValueInvalid
from aidatalabs_services.data.native.partitions import split_by_partition

MONTHS = [
    "2026-01-31 23:59:59.999",
    "2026-02-01 00:00:00.000",
    "1969-12-31 23:59:59.999",
    "2026-01-01 00:00:00.000",
]


def batch(times: pa.Array) -> pa.RecordBatch:
    return pa.record_batch({"n": pa.array(range(len(times))), "at": times})


def rows(batches: list[pa.RecordBatch]) -> list[list[int]]:
    return [each.column(0).to_pylist() for each in batches]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Tokyo"])
def test_months_of_utc_are_cut_whatever_the_unit_and_zone(unit: str, zone: str | None) -> None:
    times = pa.array(MONTHS).cast(pa.timestamp(unit)).cast(pa.int64()).cast(pa.timestamp(unit, zone))
    assert rows(split_by_partition(batch(times), 1)) == [[2], [0, 3], [1]]


@pytest.mark.parametrize(
    ("function", "expected"),
    [("toYear", [[0, 2], [1, 3]]), ("toDate", [[0], [2], [3], [1]]), ("toMonday", [[0], [2], [1, 3]])],
)
def test_other_partitions_are_cut_the_same_way(function: str, expected: list[list[int]]) -> None:
    days = [
        datetime.date(2025, 1, 1),
        datetime.date(2026, 1, 4),
        datetime.date(2025, 12, 28),
        datetime.date(2026, 1, 2),
    ]
    assert rows(split_by_partition(batch(pa.array(days)), 1, function)) == expected


def test_rows_of_one_month_are_the_batch_itself() -> None:
    whole = batch(pa.array([5, 1, 9], pa.timestamp("s")))
    assert split_by_partition(whole, 1)[0] is whole


def test_ascending_times_are_cut_without_a_copy() -> None:
    seconds = np.arange(0, 90 * 86_400, 3600)
    whole = batch(pa.array(seconds, pa.timestamp("s")))
    parts = split_by_partition(whole, 1)
    assert [each.num_rows for each in parts] == [31 * 24, 28 * 24, 31 * 24]
    assert {each.column(1).buffers()[1].address for each in parts} == {whole.column(1).buffers()[1].address}


def test_rows_of_a_month_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    seconds = rng.integers(0, 700 * 86_400, 10_000)
    parts = split_by_partition(batch(pa.array(seconds, pa.timestamp("s"))), 1)
    assert len(parts) == 24
    assert sum(each.num_rows for each in parts) == 10_000
    assert all(each == sorted(each) for each in rows(parts))
    months = [{(at.year, at.month) for at in each.column(1).to_pylist()} for each in parts]
    assert all(len(each) == 1 for each in months)
    assert months == sorted(months, key=lambda each: next(iter(each)))


def test_no_rows_are_no_batches_and_null_times_are_refused() -> None:
    assert split_by_partition(batch(pa.array([], pa.timestamp("s"))), 1) == []
    with pytest.raises(BatchValueInvalid) as error:
        split_by_partition(batch(pa.array([1, None], pa.timestamp("s"))), 1)
    assert error.value.metadata["row"] == "1"


def test_views_of_text_are_cut_like_text_and_those_in_lists_are_refused() -> None:
    times = pa.array(MONTHS).cast(pa.timestamp("ms"))
    words = pa.array(["a", None, "longer than twelve", "d"], pa.string_view())
    inside = pa.StructArray.from_arrays([words], ["w"], mask=pa.array([False, False, False, True]))
    parts = split_by_partition(pa.record_batch({"w": words, "at": times, "s": inside}), 1)
    assert [each.column(0).to_pylist() for each in parts] == [["longer than twelve"], ["a", "d"], [None]]
    assert parts[1].column(2).to_pylist() == [{"w": "a"}, None]
    lists = pa.array([["x"]] * 4, pa.list_(pa.string_view()))
    with pytest.raises(BatchSchemaInvalid):
        split_by_partition(pa.record_batch({"l": lists, "at": times}), 1)


def test_a_damaged_batch_is_not_reordered() -> None:
    offsets = np.array([0, 1, 2, 3, 4], np.int32)
    words = pa.Array.from_buffers(pa.string(), 4, [None, pa.py_buffer(offsets), pa.py_buffer(b"abcd")])
    whole = pa.record_batch({"w": words, "at": pa.array(MONTHS).cast(pa.timestamp("ms"))})
    offsets[2] = 1000  # as damaged bytes from the wire have it
    with pytest.raises(BatchCorrupt):
        split_by_partition(whole, 1)

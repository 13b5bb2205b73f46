"""Columns of a batch against a table: what fits, what is cut off, which rows are refused and why."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from aidatalabs_services.data.arrow_batches import MAX_BATCH_ROWS, read_batch
from aidatalabs_services.data.column_batches import judge_columns as judge
from aidatalabs_services.data.errors import BatchInvalid, IngestTooLarge
from aidatalabs_services.data.ingest_batches import EventInput
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import Verdict, judge_events

NOW = 1_790_000_000.0


def table_of(**types: str) -> TableSchema:
    return TableSchema("t", tuple(ColumnSchema(name, kind) for name, kind in types.items()))


def judge_columns(batch: pa.RecordBatch, table: TableSchema, *, now_seconds: float) -> Verdict:
    return judge(batch, table, now_seconds=now_seconds)[0]


def ipc(batch: pa.RecordBatch, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def batch_of(**columns: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


# Type of the table, the column sent, the values taken.
FITTING = [
    ("UInt8", pa.array([0, 255], pa.int64()), [0, 255]),
    ("Int64", pa.array([1, 2], pa.uint8()), [1, 2]),
    ("UInt64", pa.array([2**64 - 1], pa.uint64()), [2**64 - 1]),
    ("Nullable(Int32)", pa.array([None, 5], pa.int32()), [None, 5]),
    ("Float64", pa.array([1.5], pa.float32()), [1.5]),
    ("Float64", pa.array([2**53 - 1], pa.int64()), [float(2**53 - 1)]),
    ("Bool", pa.array([True]), [True]),
    ("String", pa.array(["x", "ü"]), ["x", "ü"]),
    ("String", pa.array(["x"], pa.large_string()), ["x"]),
    ("LowCardinality(String)", pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    ("Date", pa.array([date(2149, 6, 6)]), [date(2149, 6, 6)]),
    ("DateTime64(3)", pa.array([-1], pa.timestamp("us")), [datetime(1969, 12, 31, 23, 59, 59, 999000, UTC)]),
    (
        "DateTime64(3)",
        pa.array([1], pa.timestamp("s", "Asia/Tokyo")),
        [datetime(1970, 1, 1, 0, 0, 1, 0, UTC)],
    ),
    ("DateTime", pa.array([1_999], pa.timestamp("ms")), [1]),
    ("UUID", pa.array(["6F1C1A52-0c3e-4c1e-9d1c-0123456789ab"]), ["6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"]),
    ("Enum8('a' = 1, 'b' = 2)", pa.array(["b"]), ["b"]),
    ("Int256", pa.array([7], pa.int64()), ["7"]),
    ("Array(UInt8)", pa.array([[1, 2], []]), [[1, 2], []]),
]


@pytest.mark.parametrize(("kind", "column", "taken"), FITTING, ids=[f"{k}-{c.type}" for k, c, _ in FITTING])
def test_a_column_that_fits_is_taken_whole(kind: str, column: pa.Array, taken: list[Any]) -> None:
    verdict = judge_columns(batch_of(c=column), table_of(c=kind), now_seconds=NOW)
    assert verdict.rejected == ()
    assert verdict.accepted.column("c").to_pylist() == taken


# Type, column, the rows refused by index with their reason.
PARTLY = [
    ("UInt8", pa.array([256, 1, -1], pa.int64()), {0: "VALUE_INVALID", 2: "VALUE_INVALID"}),
    ("Int32", pa.array([None, 1]), {0: "VALUE_INVALID"}),
    ("Float64", pa.array([float("nan"), 1.0, float("inf")]), {0: "VALUE_NOT_FINITE", 2: "VALUE_NOT_FINITE"}),
    ("Float64", pa.array([2**53, 1], pa.int64()), {0: "VALUE_INVALID"}),
    ("Float32", pa.array([1e300, 1.0]), {0: "VALUE_INVALID"}),
    ("Date", pa.array([date(1969, 1, 1), date(2000, 1, 1)]), {0: "VALUE_INVALID"}),
    ("DateTime", pa.array([-1, 2**32, 5], pa.timestamp("s")), {0: "VALUE_INVALID", 1: "VALUE_INVALID"}),
    ("DateTime64(9)", pa.array([2**62 // 10**6, 5], pa.timestamp("ms")), {}),
    ("DateTime64(9)", pa.array([10**14, 5], pa.timestamp("ms")), {0: "VALUE_INVALID"}),
    ("UUID", pa.array(["no", "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"]), {0: "VALUE_INVALID"}),
    ("Enum8('a' = 1)", pa.array(["a", "c"]), {1: "VALUE_INVALID"}),
]


@pytest.mark.parametrize(("kind", "column", "refused"), PARTLY, ids=[f"{k}-{c.type}" for k, c, _ in PARTLY])
def test_a_value_that_does_not_fit_refuses_its_row_alone(
    kind: str, column: pa.Array, refused: dict[int, str]
) -> None:
    verdict = judge_columns(batch_of(c=column), table_of(c=kind), now_seconds=NOW)
    assert {row.index: row.reason for row in verdict.rejected} == refused
    assert verdict.accepted.num_rows == len(column) - len(refused)
    assert all(row.message.startswith("column c ") for row in verdict.rejected)


def test_columns_that_cannot_fit_refuse_the_batch_and_are_all_named() -> None:
    table = table_of(a="Int64", b="String", c="Nullable(Bool)", d="JSON")
    sent = batch_of(a=pa.array(["x"]), b=pa.array([1]), c=pa.array([1.5]), d=pa.array([[1]]))
    with pytest.raises(BatchInvalid) as caught:
        judge_columns(sent, table, now_seconds=NOW)
    assert [violation.field for violation in caught.value.violations] == ["a", "b", "c", "d"]


def test_unknown_missing_and_repeated_columns_are_named() -> None:
    table = table_of(a="Int64", b="String", c="Nullable(Bool)", d="JSON")
    sent = pa.RecordBatch.from_arrays([pa.array([1])] * 3, names=["a", "a", "z\n"])
    with pytest.raises(BatchInvalid) as caught:
        judge_columns(sent, table, now_seconds=NOW)
    assert [(one.field, one.description) for one in caught.value.violations] == [
        ("a", "stands more than once in the batch"),
        ("a", "stands more than once in the batch"),
        ("z?", "is not a column of table t"),
        ("b", "is missing; only Nullable and JSON columns may be"),
    ]


def test_a_column_left_out_is_null() -> None:
    table = table_of(a="Int64", c="Nullable(Bool)", d="JSON")
    verdict = judge_columns(batch_of(a=pa.array([1, 2])), table, now_seconds=NOW)
    assert verdict.accepted.to_pydict() == {"a": [1, 2], "c": [None, None]}


def test_events_as_columns_get_the_verdicts_of_events_one_by_one() -> None:
    """The same rules twice, for speed: whatever they are given, they agree."""
    rng = random.Random(7)
    types = [
        "click",
        "",
        None,
        "x" * 256,
        "x" * 257,
        "é" * 129,
        "a\nb",
        "a\u0085b",
        "\ud83d".encode("utf-8", "replace").decode(),
    ]
    events = [
        EventInput(
            timestamp=rng.choice(
                [None, -1, 0, 1_700_000_000_123_456_789, 1_790_000_000_000_000_000 + 2 * 86_400 * 10**9]
            ),
            event_type=rng.choice(types) or "",
            user_id=rng.choice([0, 2**64 - 1]),
            value=rng.choice([0.0, -1.5, float("nan"), float("inf")]),
        )
        for _ in range(400)
    ]
    sent = batch_of(
        timestamp=pa.array([e.timestamp for e in events], pa.timestamp("ns")),
        event_type=pa.array([e.event_type or None for e in events]).dictionary_encode(),
        user_id=pa.array([e.user_id or None for e in events], pa.uint64()),
        value=pa.array([e.value or None for e in events], pa.float64()),
    )
    one_by_one = judge_events(events, now_seconds=NOW)
    whole = judge_columns(sent, EVENTS, now_seconds=NOW)
    reasons = {row.index: row.reason for row in one_by_one.rejected}
    assert set(reasons) == {row.index for row in whole.rejected}
    assert {row.reason for row in whole.rejected} == set(reasons.values())
    wanted = one_by_one.accepted.drop_columns(["properties"]).to_pydict()
    assert whole.accepted.to_pydict() == wanted


def test_more_refused_rows_than_are_listed_are_counted() -> None:
    verdict = judge_columns(batch_of(c=pa.nulls(1_500, pa.int32())), table_of(c="Int32"), now_seconds=NOW)
    assert (len(verdict.rejected), verdict.unlisted_count, verdict.accepted.num_rows) == (1_000, 500, 0)
    assert [row.index for row in verdict.rejected] == list(range(1_000))


def test_a_dictionary_with_null_entries_is_read_as_nulls() -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0]), pa.array(["x", None]))
    verdict = judge_columns(batch_of(c=coded), table_of(c="String"), now_seconds=NOW)
    assert [row.index for row in verdict.rejected] == [1]


SMALL = ipc(
    batch_of(a=pa.array(range(50)), s=pa.array(["x", "y"] * 25).dictionary_encode(), t=pa.array(["z"] * 50))
)


def test_what_is_no_whole_stream_is_refused() -> None:
    for data in (b"x", b"\xff\xff\xff\xff", SMALL[:-20], SMALL + SMALL, SMALL + b"x", b"ARROW1\0\0" + SMALL):
        with pytest.raises(BatchInvalid):
            read_batch(data, "t")


@pytest.mark.parametrize("codec", ["lz4", "zstd"])
def test_a_compressed_batch_is_refused_however_much_it_would_unpack(codec: str) -> None:
    bomb = batch_of(s=pa.array(["a" * 100_000] * 100))
    coded = batch_of(s=pa.array(["a" * 100_000] * 100).dictionary_encode())
    for batch in (bomb, coded):
        with pytest.raises(BatchInvalid):
            read_batch(ipc(batch, compression=codec), "t")


def test_too_many_rows_are_refused() -> None:
    with pytest.raises(IngestTooLarge):
        read_batch(ipc(batch_of(a=pa.nulls(MAX_BATCH_ROWS + 1))), "t")


def test_several_record_batches_are_one_batch() -> None:
    sink = pa.BufferOutputStream()
    first = batch_of(s=pa.array(["x", "y"]).dictionary_encode())
    with pa.ipc.new_stream(sink, first.schema) as writer:
        writer.write_batch(first)
        writer.write_batch(batch_of(s=pa.array(["z", "x"]).dictionary_encode()))
    assert read_batch(bytes(sink.getvalue()), "t").column("s").to_pylist() == ["x", "y", "z", "x"]


def test_a_damaged_batch_is_refused_or_read_but_never_trusted() -> None:
    """Offsets, lengths and indices are the sender's words: what is accepted can be read to its end."""
    rng = random.Random(1)
    read = refused = 0
    for _ in range(2_000):
        data = bytearray(SMALL)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            batch = read_batch(bytes(data), "t")
        except (BatchInvalid, IngestTooLarge):
            refused += 1
            continue
        [column.to_pylist() for column in batch.columns]
        read += 1
    assert read > 100 < refused


def test_values_inside_json_refuse_their_rows_in_every_month() -> None:
    table = TableSchema(
        "t",
        (ColumnSchema("day", "DateTime"), ColumnSchema("p", "JSON")),
        partition_by="toYYYYMM(day)",
    )
    days = pa.array([0, 40 * 86_400, 0, 40 * 86_400, 0], pa.timestamp("s"))
    inside = pa.array([{"n": 1.0}, {"n": 2.0}, {"n": float("nan")}, {"n": float("inf")}, {"n": 3.0}])
    verdict, blocks = judge(batch_of(day=days, p=inside), table, now_seconds=NOW)
    assert [(row.index, row.reason) for row in verdict.rejected] == [
        (2, "VALUE_NOT_FINITE"),
        (3, "VALUE_NOT_FINITE"),
    ]
    assert all("row" not in row.message for row in verdict.rejected)
    assert verdict.accepted.column("p").to_pylist() == [{"n": 1.0}, {"n": 2.0}, {"n": 3.0}]
    assert len(blocks) == 2


def test_a_batch_full_of_values_that_cannot_be_is_refused_whole() -> None:
    inside = pa.array([{"n": float("nan")}] * 200)
    with pytest.raises(BatchInvalid):
        judge(batch_of(p=inside), table_of(p="JSON"), now_seconds=NOW)

"""What the engine holds after a batch of columns is what it holds after the same rows; and each only once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format, struct_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import table_pb2
from tests.rpc.data.conftest import DEMO, Data
from tests.rpc.data_ingest.test_ingest_stream import events, ipc, message, sent, table

pytestmark = pytest.mark.asyncio(loop_scope="module")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEFORE = _EPOCH - timedelta(days=9_000, milliseconds=1)
MANY_KEYS = {
    "a": {"b": [1, 2.5, None]},
    "n": -3,
    "f": 0.5,
    "t": True,
    "l": [{"x": 1}, {"x": "y"}],
    "d": "2020",
}

# Type, value in Arrow, the same in JSON.
VALUES: dict[str, tuple[str, pa.Array, Any]] = {
    "u8": ("UInt8", pa.array([255], pa.uint64()), 255),
    "i64": ("Int64", pa.array([-(2**63)]), str(-(2**63))),
    "u64": ("UInt64", pa.array([2**64 - 1], pa.uint64()), str(2**64 - 1)),
    "i256": ("Int256", pa.array(["-9" + "0" * 60]), "-9" + "0" * 60),
    "f32": ("Float32", pa.array([0.1]), 0.1),
    "d": ("Date32", pa.array([date(1931, 5, 6)]), "1931-05-06"),
    "at": ("DateTime64(3)", pa.array([BEFORE], pa.timestamp("us", "Asia/Tokyo")), BEFORE.isoformat()),
    "finer": ("DateTime64(3)", pa.array([-1_500_001], pa.timestamp("ns")), "1969-12-31T23:59:59.998499999Z"),
    "zone": ("DateTime('Asia/Tokyo')", pa.array([1_700_000_000], pa.timestamp("s")), "2023-11-14T22:13:20Z"),
    "exact": (
        "Decimal(38, 10)",
        pa.array([Decimal("-0.0000000001")], pa.decimal128(20, 10)),
        "-0.0000000001",
    ),
    "no": ("Nullable(String)", pa.nulls(1), None),
    "low": ("LowCardinality(String)", pa.array(["ü"]).dictionary_encode(), "ü"),
    "id": (
        "UUID",
        pa.array(["6f1c1a52-0c3e-4c1e-9d1c-0123456789ab"]),
        "6f1c1a52-0c3e-4c1e-9d1c-0123456789ab",
    ),
    "ip": ("IPv6", pa.array(["2001:db8::1"]), "2001:db8::1"),
    "many": ("Array(Nullable(Int32))", pa.array([[1, None]], pa.list_(pa.int64())), [1, None]),
    "map": ("Map(String, Int64)", pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), {"a": 1}),
    "text": ("JSON", pa.array(['{"a":{"b":[1,2.5,null]},"n":-3,"f":0.5,"t":true,"d":"2020"}']), None),
    "object": (
        "JSON",
        pa.array([{"a": {"b": [1.0, 2.5, None]}, "n": -3, "f": 0.5, "t": True, "d": "2020"}]),
        None,
    ),
}
OBJECT = {"a": {"b": [1, 2.5, None]}, "n": -3, "f": 0.5, "t": True, "d": "2020"}


async def test_columns_and_rows_of_the_same_values_are_stored_alike(data: Data) -> None:
    name = await table(data, way="String", **{column: kind for column, (kind, _, _) in VALUES.items()})
    arrays = {column: array for column, (_, array, _) in VALUES.items()}
    batch = pa.record_batch({"way": pa.array(["columns"]), **arrays})
    answers = await sent(data, [message("alike", ipc(batch), table=name)])
    assert answers["alike"].receipt.accepted_count == 1, answers
    row = {column: OBJECT if kind == "JSON" else value for column, (kind, _, value) in VALUES.items()}
    as_struct = json_format.ParseDict({"way": "rows", **row}, struct_pb2.Struct())
    call = pb.IngestRequest(platform=DEMO, table=name, request_id="alike-rows", rows=[as_struct])
    receipt = (await data.call("Ingest", call)).receipt
    assert receipt.accepted_count == 1, receipt
    for column, (kind, _, _) in VALUES.items():
        shown = f"toString({column})"
        if kind == "JSON":
            shown = f"concat(toString({column}), toString(JSONAllPathsWithTypes({column})))"
        found = await data.rows(f"SELECT way, {shown} FROM {name} ORDER BY way")
        assert found[0][1:] == found[1][1:], column


async def test_keys_without_a_column_of_their_own_are_read_alike_before_and_after_a_merge(data: Data) -> None:
    # Of 1,100 keys the engine gives 1,024 a column; what is new in a part and what is merged keep the rest in
    # different ways.
    name = await table(data, part="UInt8", object="JSON")
    tens = range(0, 1_100, 10)
    rows = [[{f"k{key:04}": key + part for key in range(at, at + 10)} for at in tens] for part in (0, 1)]
    for part, objects in enumerate(rows):
        columns = {"part": pa.array([part] * 110, pa.uint8()), "object": pa.array(map(json.dumps, objects))}
        answers = await sent(data, [message(f"keys-{part}", ipc(pa.record_batch(columns)), table=name)])
        assert answers[f"keys-{part}"].receipt.accepted_count == 110, answers
    whole = f"SELECT part, toString(object) AS text FROM {name} ORDER BY part, text"
    shared = f"SELECT arraySort(groupUniqArrayArray(JSONSharedDataPaths(object))) FROM {name}"
    before = await data.rows(whole)
    assert [json.loads(text) for _, text in before] == rows[0] + rows[1]
    rare = (await data.rows(shared))[0][0]
    assert len(rare) == 1_100 - 1_024
    one = f"SELECT part, object.{rare[0]}.:Int64 FROM {name} WHERE isNotNull(object.{rare[0]}) ORDER BY part"
    values = await data.rows(one)
    assert len(values) == 2
    await data.warehouse.execute(await data.uid(), f"OPTIMIZE TABLE {name} FINAL", table=name)
    assert await data.rows(whole) == before
    assert await data.rows(one) == values


async def test_one_batch_over_two_streams_at_once_is_stored_once(data: Data) -> None:
    batch = events(200, user=71)
    both = await asyncio.gather(*(sent(data, [message("twice", batch)]) for _ in range(2)))
    receipts = [answers["twice"].receipt for answers in both]
    assert {receipt.name for receipt in receipts} == {receipts[0].name}
    assert sorted(receipt.duplicate_count for receipt in receipts) == [0, 200]
    assert await data.rows("SELECT count() FROM events WHERE user_id = 71") == [[200.0]]


async def test_a_column_added_within_a_stream_and_rows_beside_batches_lose_nothing(data: Data) -> None:
    name = await table(data, n="Int64")
    one = ipc(pa.record_batch({"n": pa.array(range(100), pa.int64())}))
    row = json_format.ParseDict({"n": 1}, struct_pb2.Struct())

    async def calls() -> None:
        for number in range(10):
            call = pb.IngestRequest(platform=DEMO, table=name, request_id=f"r{number}", rows=[row])
            await data.call("Ingest", call)

    async def widened() -> None:
        column = table_pb2.Column(name="later", type="Nullable(String)")
        await data.call("AddColumn", pb.AddColumnRequest(platform=DEMO, table=name, column=column))

    batches = [message(f"b{number}", one, table=name) for number in range(20)]
    answers, *_ = await asyncio.gather(sent(data, batches), calls(), widened())
    assert sum(answer.receipt.accepted_count for answer in answers.values()) == 2_000
    assert await data.rows(f"SELECT count(), sum(n) FROM {name}") == [[2_010.0, 20 * 4_950.0 + 10]]

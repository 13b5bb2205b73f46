"""Streams of Arrow batches over gRPC into the real engine: receipts, refusals, resumption, flow control."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable
from typing import Any, cast

import grpc
import pyarrow as pa
import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs_client.errors import ApiError
from tests.rpc.data.conftest import DEMO, OTHER, STRANGER, VIEWER, Data

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ipc(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def events(count: int, *, user: int, properties: pa.Array | None = None, **more: pa.Array) -> bytes:
    columns = {
        "timestamp": pa.array([1_767_225_600_000 + index for index in range(count)], pa.timestamp("ms")),
        "event_type": pa.array(["click"] * count),
        "user_id": pa.array([user] * count, pa.uint64()),
        **({"properties": properties} if properties is not None else {}),
        **more,
    }
    return ipc(pa.RecordBatch.from_pydict(columns))


def message(batch_id: str, data: bytes, *, platform: str = DEMO, table: str = "") -> pb.IngestStreamRequest:
    return pb.IngestStreamRequest(platform=platform, table=table, batch_id=batch_id, arrow_ipc=data)


async def sent(
    data: Data, messages: Iterable[pb.IngestStreamRequest], *, user: str | None = None
) -> dict[str, pb.IngestStreamResponse]:
    """The answers to these messages by batch id; raises AioRpcError where the stream ends with a refusal."""

    async def requests() -> AsyncIterator[pb.IngestStreamRequest]:
        for one in messages:
            yield one

    metadata = data.mint.metadata(user) if user else data.mint.metadata()
    call: Any = data.stub.IngestStream(cast(Any, requests()), metadata=metadata, timeout=30)
    return {answer.batch_id: answer async for answer in call}


async def stream_refusal(data: Data, messages: list[pb.IngestStreamRequest], **more: Any) -> ApiError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await sent(data, messages, **more)
    return ApiError.of(caught.value)


def refusal(answer: pb.IngestStreamResponse) -> ApiError:
    assert answer.WhichOneof("outcome") == "error", answer
    return ApiError.of_status(answer.error)


async def table(data: Data, **types: str) -> str:
    name = f"t{uuid.uuid4().hex[:8]}"
    columns = [table_pb2.Column(name=column, type=kind) for column, kind in types.items()]
    made = table_pb2.Table(name=name, columns=columns)
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=made))
    return name


async def test_each_batch_has_its_receipt_and_its_rows_are_in_the_table(data: Data) -> None:
    answers = await sent(data, [message(f"a{n}", events(50, user=11)) for n in range(5)])
    assert sorted(answers) == [f"a{n}" for n in range(5)]
    for answer in answers.values():
        assert (answer.receipt.state, answer.receipt.accepted_count) == (ingest_pb2.Receipt.STORED, 50)
    assert await data.rows("SELECT count() FROM events WHERE user_id = 11") == [[250.0]]
    hourly = "SELECT sum(events) FROM events_hourly WHERE event_type = 'click'"
    assert await data.rows(hourly) == await data.rows("SELECT count() FROM events WHERE event_type = 'click'")


@pytest.mark.parametrize("form", ["struct", "map", "text"])
async def test_properties_in_any_form_end_as_the_same_json(data: Data, form: str) -> None:
    user = {"struct": 21, "map": 22, "text": 23}[form]
    as_struct = pa.array([{"page": "/a", "kind": "x"}, {"page": None, "kind": "y"}, None])
    as_map = pa.array(
        [[("page", "/a"), ("kind", "x")], [("kind", "y")], None], pa.map_(pa.string(), pa.string())
    )
    as_text = pa.array(['{"page": "/a", "kind": "x"}', '{"page": null, "kind": "y"}', None])
    column = {"struct": as_struct, "map": as_map, "text": as_text}[form]
    answers = await sent(data, [message(f"form-{form}", events(3, user=user, properties=column))])
    assert answers[f"form-{form}"].receipt.accepted_count == 3
    rows = await data.rows(f"SELECT properties FROM events WHERE user_id = {user} ORDER BY timestamp")
    assert rows == [[{"page": "/a", "kind": "x"}], [{"kind": "y"}], [{}]]


async def test_the_same_batch_again_is_stored_once_and_other_content_is_refused(data: Data) -> None:
    first, other = events(10, user=31), events(11, user=31)
    taken = await sent(data, [message("same", first)])
    again = await sent(data, [message("same", first)])
    assert again["same"].receipt.duplicate_count == 10
    assert again["same"].receipt.name == taken["same"].receipt.name
    assert refusal((await sent(data, [message("same", other)]))["same"]).reason == "IDEMPOTENCY_MISMATCH"
    assert await data.rows("SELECT count() FROM events WHERE user_id = 31") == [[10.0]]


async def test_a_bad_batch_is_told_so_and_its_neighbours_are_stored(data: Data) -> None:
    good = events(10, user=41)
    bad = events(10, user=41, value=pa.array(["x"] * 10))
    answers = await sent(
        data, [message("g1", good), message("b", bad), message("n", b"no"), message("g2", good)]
    )
    assert refusal(answers["b"]).reason == "BATCH_INVALID"
    assert refusal(answers["b"]).violations[0][0] == "value"
    assert refusal(answers["n"]).reason == "BATCH_INVALID"
    assert answers["g1"].receipt.accepted_count == answers["g2"].receipt.accepted_count == 10
    assert await data.rows("SELECT count() FROM events WHERE user_id = 41") == [[20.0]]


async def test_a_bad_row_is_rejected_by_itself(data: Data) -> None:
    values = pa.array([1.0, float("nan"), 3.0])
    answers = await sent(data, [message("rows", events(3, user=42, value=values))])
    receipt = answers["rows"].receipt
    assert (receipt.accepted_count, receipt.rejected_count) == (2, 1)
    assert [(row.index, row.reason) for row in receipt.rejected] == [(1, "VALUE_NOT_FINITE")]
    found = await data.rows("SELECT value FROM events WHERE user_id = 42 ORDER BY value")
    assert found == [[1.0], [3.0]]


async def test_properties_that_break_a_rule_reject_their_row_alone(data: Data) -> None:
    column = pa.array([{"n": 1.5}, {"n": float("nan")}, {"n": 3.5}])
    answers = await sent(data, [message("props", events(3, user=43, properties=column))])
    receipt = answers["props"].receipt
    assert [(row.index, row.reason) for row in receipt.rejected] == [(1, "VALUE_NOT_FINITE")]
    assert await data.rows("SELECT count() FROM events WHERE user_id = 43") == [[2.0]]


async def test_a_batch_over_many_months_is_stored_whole(data: Data) -> None:
    name = await table(data, day="DateTime", n="UInt32")
    months = pa.array([index * 2_678_400 for index in range(300)], pa.timestamp("s"))
    batch = pa.RecordBatch.from_pydict({"day": months, "n": pa.array(range(300), pa.uint32())})
    answers = await sent(data, [message("months", ipc(batch), table=name)])
    assert answers["months"].receipt.accepted_count == 300
    assert await data.rows(f"SELECT count(), sum(n) FROM {name}") == [[300.0, 44850.0]]


@pytest.mark.parametrize(
    ("table_name", "user", "platform", "reason"),
    [
        ("missing", None, DEMO, "TABLE_NOT_FOUND"),
        ("events_hourly", None, DEMO, "TABLE_PROTECTED"),
        ("", VIEWER, DEMO, "PERMISSION_DENIED"),
        ("", STRANGER, DEMO, "PLATFORM_NOT_FOUND"),
    ],
)
async def test_a_stream_that_may_not_be_ends_with_its_reason(
    data: Data, table_name: str, user: str | None, platform: str, reason: str
) -> None:
    one = message("x", events(1, user=1), platform=platform, table=table_name)
    assert (await stream_refusal(data, [one], user=user)).reason == reason


async def test_a_stream_serves_one_platform_and_one_table(data: Data) -> None:
    first = message("p1", events(1, user=51))
    for other in (
        message("p2", events(1, user=51), platform=OTHER),
        message("p2", events(1, user=51), table="t"),
    ):
        assert (await stream_refusal(data, [first, other])).reason == "INVALID_REQUEST"


async def test_an_empty_stream_and_a_batch_without_an_id_are_refused(data: Data) -> None:
    assert (await stream_refusal(data, [])).reason == "INVALID_REQUEST"
    assert (await stream_refusal(data, [message("", events(1, user=1))])).reason == "INVALID_REQUEST"
    assert refusal((await sent(data, [message("x", b"")]))["x"]).reason == "BATCH_INVALID"


async def test_a_receipt_is_found_later_by_those_who_may_write(data: Data) -> None:
    await sent(data, [message("later", events(4, user=61))])
    request = pb.GetReceiptRequest(platform=DEMO, request_id="later")
    found = await data.call("GetReceipt", request)
    assert (found.accepted_count, found.duplicate_count, found.state) == (4, 0, ingest_pb2.Receipt.STORED)
    assert (await data.refusal("GetReceipt", request, user=VIEWER)).reason == "PERMISSION_DENIED"
    other = pb.GetReceiptRequest(platform=DEMO, request_id="never")
    assert (await data.refusal("GetReceipt", other)).reason == "RECEIPT_NOT_FOUND"
    elsewhere = pb.GetReceiptRequest(platform=DEMO, table="missing", request_id="later")
    assert (await data.refusal("GetReceipt", elsewhere)).reason == "RECEIPT_NOT_FOUND"

"""Batches on their way over streams that break, stall and refuse: none lost, none stuck, errors told."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import accumulate
from typing import Any, cast

import grpc
import pyarrow as pa
import pytest
from google.protobuf import duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from aidatalabs_client.streamed_ingest import Batch, StreamedIngest, arrow_batches

Answer = Callable[[AsyncIterator[pb.IngestStreamRequest], Any, int], AsyncIterator[pb.IngestStreamResponse]]


class Service:
    """Answers each stream with `answer`, which is told how many streams there were before it."""

    def __init__(self, answer: Answer) -> None:
        self.streams = 0
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        """The other methods: nobody calls them."""
        return None

    async def IngestStream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        self.streams += 1
        async for answer in self._answer(requests, context, self.streams - 1):
            yield answer


async def sent(
    answer: Answer, source: Iterator[Batch], *, window: int = 4, patience: float = 5.0
) -> list[str]:
    """The ids that got receipts, of a client against a service that answers so."""
    server = grpc.aio.server()
    pb_grpc.add_DataServiceServicer_to_server(cast(Any, Service(answer)), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = pb_grpc.DataServiceStub(channel)

            async def opened(requests: AsyncIterator[pb.IngestStreamRequest]) -> Any:
                return stub.IngestStream(requests)

            stream = StreamedIngest("platforms/demo", "", source, window=window)
            taken = stream.receipts(cast(Callable[..., Awaitable[Any]], opened), lambda _: False, patience)
            async with asyncio.timeout(8):
                return [batch.batch_id async for _, batch in taken]
    finally:
        await server.stop(0)


def batch(number: int) -> Batch:
    return Batch(f"b{number}", b"x", 1, number)


def receipt(request: pb.IngestStreamRequest) -> pb.IngestStreamResponse:
    return pb.IngestStreamResponse(batch_id=request.batch_id, receipt=ingest_pb2.Receipt(accepted_count=1))


async def test_a_batch_that_was_being_read_while_the_stream_broke_is_sent_over_the_next() -> None:
    broken, count = threading.Event(), 6

    def source() -> Iterator[Batch]:
        for number in range(count):
            if number == 2:
                broken.wait(5)  # the stream breaks while the third batch is read
            yield batch(number)

    async def answer(requests: Any, context: Any, before: int) -> AsyncIterator[pb.IngestStreamResponse]:
        async for request in requests:
            yield receipt(request)
            if before == 0 and request.batch_id == "b1":
                asyncio.get_running_loop().call_later(0.4, broken.set)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")

    assert sorted(await sent(answer, source())) == [f"b{number}" for number in range(count)]


async def test_a_stream_that_is_cut_without_a_reason_goes_on_and_one_that_is_refused_does_not() -> None:
    told = status_pb2.Status(code=code_pb2.INTERNAL, message="It broke.")
    told.details.add().Pack(error_details_pb2.ErrorInfo(reason="INTERNAL", domain="aidatalabs"))

    def cut(details: bytes) -> Answer:
        async def answer(requests: Any, context: Any, before: int) -> AsyncIterator[pb.IngestStreamResponse]:
            async for request in requests:
                if before == 0 and request.batch_id == "b1":
                    if details:
                        context.set_trailing_metadata((("grpc-status-details-bin", details),))
                    await context.abort(grpc.StatusCode.INTERNAL, "It broke.")
                yield receipt(request)

        return answer

    # What gRPC says of a stream that the edge resets because the service behind it has died.
    assert sorted(await sent(cut(b""), map(batch, range(4)))) == ["b0", "b1", "b2", "b3"]
    # The refused batch is the last: a status that meets a write under way is lost, and the stream goes on.
    with pytest.raises(ApiError) as caught:
        await sent(cut(told.SerializeToString()), map(batch, range(2)))
    assert (caught.value.code, caught.value.reason) == ("INTERNAL", "INTERNAL")


async def test_an_error_of_the_source_reaches_the_caller() -> None:
    def source() -> Iterator[Batch]:
        yield batch(0)
        raise KeyError("a column that is not there")

    async def answer(requests: Any, _context: Any, _before: int) -> AsyncIterator[pb.IngestStreamResponse]:
        async for request in requests:
            yield receipt(request)

    with pytest.raises(KeyError, match="a column"):
        await sent(answer, source())


async def test_a_batch_that_is_refused_without_end_is_given_up_with_its_error() -> None:
    refused = 0

    async def answer(requests: Any, _context: Any, _before: int) -> AsyncIterator[pb.IngestStreamResponse]:
        nonlocal refused
        details = error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(nanos=20_000_000))
        async for request in requests:
            refused += 1
            status = status_pb2.Status(code=code_pb2.RESOURCE_EXHAUSTED, message="No room.")
            status.details.add().Pack(details)
            yield pb.IngestStreamResponse(batch_id=request.batch_id, error=status)

    with pytest.raises(ApiError) as caught:
        await sent(answer, iter([batch(0)]), patience=0.2)
    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert 5 <= refused <= 30


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="window"):
        StreamedIngest("platforms/demo", "", iter([]), window=0)


async def test_a_source_without_batches_is_no_error() -> None:
    async def answer(requests: Any, context: Any, _before: int) -> AsyncIterator[pb.IngestStreamResponse]:
        async for request in requests:
            yield receipt(request)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The stream holds no message.")

    assert await sent(answer, iter([])) == []


def test_rows_of_very_different_sizes_make_batches_that_fit_a_message() -> None:
    words = ["x"] * 200_000 + ["y" * 1_000_000] * 30
    batches = list(arrow_batches(pa.record_batch({"word": pa.array(words)}), "k", 4 * 1024 * 1024))
    assert max(len(one.arrow_ipc) for one in batches) < 16 * 1024 * 1024
    assert [one.first_row for one in batches] == list(
        accumulate((one.row_count for one in batches), initial=0)
    )[:-1]
    assert sum(one.row_count for one in batches) == len(words)
    assert [one.batch_id for one in batches] == [f"k-{number}" for number in range(len(batches))]

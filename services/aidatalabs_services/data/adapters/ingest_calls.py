"""Ingest as the servicer calls it: messages in, messages out, rows counted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import TypeAlias

import structlog
from google.protobuf import timestamp_pb2
from google.rpc import status_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_services.data.adapters.data_metrics import IngestMeter
from aidatalabs_services.data.adapters.ingest_messages import batch_of, receipt_message
from aidatalabs_services.data.backlog import Room
from aidatalabs_services.data.dead_letters.replays import MOST_LISTED, Choice, Replays
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ingest_streams import Batch, BatchAnswer, IngestStreams
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.runtime.caller import current_call, current_user
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest
from aidatalabs_services.runtime.interceptors.statuses import packed_status, service_error
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

_LETTER_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_END_SECONDS = 9_214_646_400  # 2262, the last year that counts whole in nanoseconds
Requests: TypeAlias = AsyncIterator[pb.IngestStreamRequest]


class IngestCalls:
    """Calls, streams and receipts of one service."""

    def __init__(
        self,
        ingestor: Ingestor,
        streams: IngestStreams,
        places: PlatformPlaces,
        meter: IngestMeter,
        replays: Replays,
    ) -> None:
        self._ingestor = ingestor
        self._streams = streams
        self._places = places
        self._meter = meter
        self._replays = replays

    async def ingest(self, uid: str, request: pb.IngestRequest) -> pb.IngestResponse:
        """One call of events or rows."""
        batch = batch_of(request)
        receipt = await self._ingestor.ingest(uid, request.platform, request.table, request.request_id, batch)
        self._meter.note(receipt)
        return pb.IngestResponse(receipt=receipt_message(receipt))

    async def stream(
        self, uid: str, requests: Requests, check: Callable[[pb.IngestStreamRequest], object]
    ) -> AsyncGenerator[pb.IngestStreamResponse, None]:
        """One stream of batches; `check` refuses a message whose platform is going away."""
        first = await anext(requests)
        table = first.table

        async def batches() -> AsyncGenerator[Batch, None]:
            yield _batch(first, table)
            async for request in requests:
                check(request)
                yield _batch(request, table)

        async def enter(batch_id: str, size: int) -> Room:
            return await self._ingestor.room_for_batch(uid, table, batch_id, size)

        async def take(batch_id: str, arrow_ipc: bytes, room: Room) -> Receipt:
            receipt = await self._ingestor.ingest_columns(
                uid, first.platform, table, batch_id, arrow_ipc, room
            )
            self._meter.note(receipt)
            return receipt

        check(first)
        async with (
            self._places.place(uid, current_user()),
            aclosing(batches()) as source,
            aclosing(self._streams.answers(source, take, enter=enter, owner=uid)) as answers,
        ):
            async for answer in answers:
                yield _answer_message(answer)

    async def receipt(self, uid: str, request: pb.GetReceiptRequest) -> ingest_pb2.Receipt:
        """One receipt that is remembered."""
        return receipt_message(await self._ingestor.receipt(uid, request.table, request.request_id))

    async def replay(self, uid: str, request: pb.ReplayDeadLettersRequest) -> pb.ReplayDeadLettersResponse:
        """Sends rejected rows again."""
        choice = _choice(request)
        parameters = {"method": "ReplayDeadLetters", "platform": request.platform, "choice": repr(choice)}
        position = page_position(request.page_token, parameters)
        replayed = await self._replays.replay(
            uid,
            request.platform,
            choice,
            count=page_size(request.page_size),
            after=str(position[0]) if position else "",
        )
        return pb.ReplayDeadLettersResponse(
            accepted_count=replayed.accepted_count,
            rejected_count=len(replayed.rejected),
            gone_count=replayed.gone_count,
            rejected=[
                ingest_pb2.RejectedLetter(id=each.id, reason=each.reason, message=each.message)
                for each in replayed.rejected[:MOST_LISTED]
            ],
            remaining_count=replayed.remaining_count,
            next_page_token=page_token((replayed.last_id,), parameters) if replayed.last_id else "",
        )


def _choice(request: pb.ReplayDeadLettersRequest) -> Choice:
    """What is asked for. Raises InvalidRequest."""
    if not all(map(_LETTER_ID.fullmatch, request.ids)):
        wrong = FieldViolation("ids", "must be ids as the table dead_letters has them")
        raise InvalidRequest("The rows to replay cannot be found by these ids.", violations=[wrong])
    return Choice(
        request.table,
        request.reason,
        _milliseconds("start_time", request.start_time) if request.HasField("start_time") else None,
        _milliseconds("end_time", request.end_time) if request.HasField("end_time") else None,
        tuple(request.ids),
    )


def _milliseconds(field: str, moment: timestamp_pb2.Timestamp) -> int:
    if not 0 <= moment.seconds < _END_SECONDS:
        raise InvalidRequest(
            "The time cannot be taken.", violations=[FieldViolation(field, "must be of 1970 to 2261")]
        )
    return -((-moment.seconds * 10**9 - moment.nanos) // 10**6)


def _batch(request: pb.IngestStreamRequest, table: str) -> Batch:
    if request.table != table:
        other = FieldViolation("table", "must stay the same within a stream")
        raise InvalidRequest("A stream serves one table. Open another one.", violations=[other])
    return Batch(request.batch_id, request.arrow_ipc)


def _answer_message(answer: BatchAnswer) -> pb.IngestStreamResponse:
    if isinstance(answer.outcome, Receipt):
        return pb.IngestStreamResponse(batch_id=answer.batch_id, receipt=receipt_message(answer.outcome))
    return pb.IngestStreamResponse(batch_id=answer.batch_id, error=_status(answer.outcome))


def _status(error: Exception) -> status_pb2.Status:
    """What a refused Ingest would have answered."""
    refusal = service_error(error)
    if refusal is not error:
        structlog.get_logger().error("batch failed", exc_info=error)
    call = current_call()
    return packed_status(refusal, call.request_id, call.trace.trace_id)

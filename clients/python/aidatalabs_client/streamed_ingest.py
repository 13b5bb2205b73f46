"""Sends Arrow batches over a stream: several under way at once, each sent again until it has its receipt."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from aidatalabs_client.retries import Attempts

Open = Callable[[AsyncIterator[pb.IngestStreamRequest]], Awaitable[Any]]
"""Opens a stream that sends these requests."""
_PAUSE_SECONDS = 0.5
_REFUSALS = 5
# What gRPC makes of a stream that is reset in the middle; and of any that ends while something is being
# written into it: the service's own status is lost then (grpc/grpc#36066).
_CUT = ("INTERNAL", "UNKNOWN", "CANCELLED")
# A message may be 16 MiB. Values in dictionaries count for each row, so rows are bounded as well.
_MOST_BYTES = 12 * 1024 * 1024
_MOST_ROWS = 100_000


class Batch(NamedTuple):
    """An Arrow IPC stream under its id: `row_count` rows, of which the first is row `first_row` of all."""

    batch_id: str
    arrow_ipc: bytes
    row_count: int
    first_row: int


_NOTHING = Batch("", b"", 0, 0)
# None ends the sender of one stream.
_Queue: TypeAlias = "asyncio.Queue[Batch | None]"


class StreamedIngest:
    """One table's batches on their way, at most `window` without an answer, over as many streams as it takes.

    A broken stream is followed by another that begins with every batch that has no receipt yet, under the
    same ids, so that nothing is stored twice. Raises ValueError for a window without room.
    """

    def __init__(self, platform: str, table: str, batches: Iterator[Batch], *, window: int) -> None:
        if window < 1:
            raise ValueError("window must be at least 1: nothing could be sent")
        self._platform = platform
        self._table = table
        self._batches = batches
        self._window = window
        self._unanswered: dict[str, Batch] = {}
        self._refusals: Counter[str] = Counter()
        self._answered_at = time.monotonic()
        self._to_send: _Queue = asyncio.Queue()
        self._pulling: asyncio.Task[None] | None = None
        self._call: Any = None
        self._failure: Exception | None = None
        self._exhausted = False

    async def receipts(
        self, opened: Open, renewed: Callable[[ApiError], bool], patience_seconds: float
    ) -> AsyncGenerator[tuple[ingest_pb2.Receipt, Batch], None]:
        """The receipt of each batch, as they come. Raises the ApiError of a batch that must change, or that
        is refused longer than `patience_seconds` while no other is taken, and what the source raises.

        `renewed` says of a stream's end whether a new token helps against it.
        """
        attempts = Attempts(patience_seconds)
        self._answered_at = time.monotonic()
        try:
            while not self._done:
                queue = self._renew_queue()
                call = self._call = await opened(self._requests(queue))
                try:
                    async for answer in call:
                        taken = self._settled(answer, patience_seconds)
                        if taken is not None:
                            attempts = Attempts(patience_seconds)
                            yield taken
                        if self._done:
                            return
                    if not self._done:
                        await asyncio.sleep(_PAUSE_SECONDS)  # ended early without a reason
                except grpc.aio.AioRpcError as failed:
                    if self._done:
                        return
                    error = ApiError.of(failed)
                    if not renewed(error):
                        await attempts.wait_or_raise(_broken(error), repeatable=True)
                except asyncio.CancelledError:
                    if self._failure is None:
                        raise
                    raise self._failure from None
                finally:
                    call.cancel()
                    # A stream that the server ended leaves its sender waiting: it must not take what is next.
                    queue.put_nowait(None)
        finally:
            if self._pulling is not None:
                self._pulling.cancel()

    @property
    def _done(self) -> bool:
        if self._failure is not None:
            raise self._failure
        return self._exhausted and not self._unanswered

    def _renew_queue(self) -> _Queue:
        self._to_send = asyncio.Queue()
        for batch in self._unanswered.values():
            self._to_send.put_nowait(batch)
        return self._to_send

    def _settled(
        self, answer: pb.IngestStreamResponse, patience_seconds: float
    ) -> tuple[ingest_pb2.Receipt, Batch] | None:
        batch = self._unanswered.get(answer.batch_id)
        if batch is None:
            return None
        if answer.WhichOneof("outcome") == "receipt":
            del self._unanswered[answer.batch_id]
            self._refusals.pop(answer.batch_id, None)
            self._answered_at = time.monotonic()
            # Wakes the sender, which may be waiting for room in the window.
            self._to_send.put_nowait(_NOTHING)
            return answer.receipt, batch
        error = ApiError.of_status(answer.error)
        pause = error.retry_after_seconds
        if pause is None and error.code != "UNAVAILABLE":
            raise error
        self._refusals[answer.batch_id] += 1
        patient = time.monotonic() - self._answered_at < patience_seconds
        if self._refusals[answer.batch_id] >= _REFUSALS and not patient:
            raise error
        # Up to a fifth more, so that clients which were refused together do not come back together.
        named = (pause or _PAUSE_SECONDS) * (1.0 + 0.2 * random.random())  # noqa: S311 - nothing secret
        asyncio.get_running_loop().call_later(named, self._to_send.put_nowait, batch)
        return None

    async def _requests(self, queue: _Queue) -> AsyncIterator[pb.IngestStreamRequest]:
        """What goes into one stream; ends when every batch has its receipt, or with the stream."""
        while not (self._exhausted and not self._unanswered):
            self._pull(queue)
            batch = await queue.get()
            if batch is None:
                return
            if batch.batch_id in self._unanswered:
                yield pb.IngestStreamRequest(
                    platform=self._platform,
                    table=self._table,
                    batch_id=batch.batch_id,
                    arrow_ipc=batch.arrow_ipc,
                )

    def _pull(self, queue: _Queue) -> None:
        """Has the next batch read where there is room for it and nothing else to send."""
        room = len(self._unanswered) < self._window and queue.empty()
        if room and self._pulling is None and not self._exhausted:
            self._pulling = asyncio.create_task(self._next())

    async def _next(self) -> None:
        """Reads one batch of the source. Of no stream: one that breaks meanwhile does not take it along."""
        try:
            batch = await asyncio.to_thread(next, self._batches, None)
        except Exception as error:  # noqa: BLE001 - the source is the caller's: raised by `receipts`
            self._failure = error
            self._call.cancel()
            return
        finally:
            self._pulling = None
        if batch is None:
            self._exhausted = True
        else:
            self._unanswered[batch.batch_id] = batch
        self._to_send.put_nowait(batch or _NOTHING)


def _broken(error: ApiError) -> ApiError:
    """A stream that lasted as long as one may, or was cut, is no failure: the next one goes on."""
    # Without a reason it was no service that ended it: the edge says so when the service behind it has died.
    if error.code == "DEADLINE_EXCEEDED" or (error.code in _CUT and not error.reason):
        error.code = "UNAVAILABLE"
    return error


def arrow_batches(frame: Any, key: str, batch_bytes: int) -> Iterator[Batch]:
    """The rows of a pyarrow Table, a RecordBatch or an iterable of them as batches of about that size."""
    import pyarrow as pa

    with suppress(AttributeError):
        frame = frame.to_batches()
    number = first_row = 0
    for one in [frame] if isinstance(frame, pa.RecordBatch) else frame:
        rows = max(1, min(_MOST_ROWS, one.num_rows * batch_bytes // max(1, one.nbytes)))
        for start in range(0, one.num_rows, rows):
            for data, count in _encoded(one.slice(start, rows)):
                yield Batch(f"{key}-{number}", data, count, first_row)
                number += 1
                first_row += count


def _encoded(piece: Any) -> Iterator[tuple[bytes, int]]:
    """An Arrow IPC stream of some rows and their number; of the halves where long values came together."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, piece.schema) as writer:
        writer.write_batch(piece)
    if sink.tell() > _MOST_BYTES and piece.num_rows > 1:
        half = piece.num_rows // 2
        yield from _encoded(piece.slice(0, half))
        yield from _encoded(piece.slice(half))
        return
    yield sink.getvalue().to_pybytes(), piece.num_rows

"""Sends Arrow batches over a stream: several under way at once, each sent again until it has its receipt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2
from aidatalabs_client.errors import ApiError
from aidatalabs_client.retries import Attempts

Open = Callable[[AsyncIterator[pb.IngestStreamRequest]], Awaitable[Any]]
"""Opens a stream that sends these requests."""
_PAUSE_SECONDS = 0.5


class Batch(NamedTuple):
    """An Arrow IPC stream under its id: `row_count` rows, of which the first is row `first_row` of all."""

    batch_id: str
    arrow_ipc: bytes
    row_count: int
    first_row: int


_NOTHING = Batch("", b"", 0, 0)


class StreamedIngest:
    """One table's batches on their way, at most `window` without an answer, over as many streams as it takes.

    A broken stream is followed by another that begins with every batch that has no receipt yet, under the
    same ids, so that nothing is stored twice.
    """

    def __init__(self, platform: str, table: str, batches: Iterator[Batch], *, window: int) -> None:
        self._platform = platform
        self._table = table
        self._batches = batches
        self._window = window
        self._unanswered: dict[str, Batch] = {}
        self._to_send: asyncio.Queue[Batch] = asyncio.Queue()
        self._exhausted = False

    async def receipts(
        self, opened: Open, renewed: Callable[[ApiError], bool], patience_seconds: float
    ) -> AsyncGenerator[tuple[ingest_pb2.Receipt, Batch], None]:
        """The receipt of each batch, as they come. Raises the ApiError of a batch that must change.

        `renewed` says of a stream's end whether a new token helps against it.
        """
        attempts = Attempts(patience_seconds)
        while not (self._exhausted and not self._unanswered):
            self._to_send = asyncio.Queue()
            for batch in self._unanswered.values():
                self._to_send.put_nowait(batch)
            call = await opened(self._requests())
            try:
                async for answer in call:
                    taken = self._settled(answer)
                    if taken is not None:
                        attempts = Attempts(patience_seconds)
                        yield taken
                    if self._exhausted and not self._unanswered:
                        return
            except grpc.aio.AioRpcError as failed:
                error = ApiError.of(failed)
                if not renewed(error):
                    await attempts.wait_or_raise(_broken(error), repeatable=True)
            finally:
                call.cancel()

    def _settled(self, answer: pb.IngestStreamResponse) -> tuple[ingest_pb2.Receipt, Batch] | None:
        batch = self._unanswered.get(answer.batch_id)
        if batch is None:
            return None
        if answer.WhichOneof("outcome") == "receipt":
            del self._unanswered[answer.batch_id]
            # Wakes the sender, which may be waiting for room in the window.
            self._to_send.put_nowait(_NOTHING)
            return answer.receipt, batch
        error = ApiError.of_status(answer.error)
        if error.retry_after_seconds is None and error.code != "UNAVAILABLE":
            raise error
        loop, queue = asyncio.get_running_loop(), self._to_send
        loop.call_later(error.retry_after_seconds or _PAUSE_SECONDS, queue.put_nowait, batch)
        return None

    async def _requests(self) -> AsyncIterator[pb.IngestStreamRequest]:
        """What goes into the present stream; ends when every batch has its receipt."""
        while True:
            while not self._exhausted and len(self._unanswered) < self._window and self._to_send.empty():
                batch = await asyncio.to_thread(next, self._batches, None)
                if batch is None:
                    self._exhausted = True
                else:
                    self._unanswered[batch.batch_id] = batch
                    self._to_send.put_nowait(batch)
            if self._exhausted and not self._unanswered:
                return
            batch = await self._to_send.get()
            if batch.batch_id in self._unanswered:
                yield pb.IngestStreamRequest(
                    platform=self._platform,
                    table=self._table,
                    batch_id=batch.batch_id,
                    arrow_ipc=batch.arrow_ipc,
                )


def _broken(error: ApiError) -> ApiError:
    """A stream that lasted as long as one may is no failure: the next one goes on."""
    if error.code in ("DEADLINE_EXCEEDED", "UNAVAILABLE"):
        error.code = "UNAVAILABLE"
    return error


def arrow_batches(frame: Any, key: str, batch_bytes: int) -> Iterator[Batch]:
    """The rows of a pyarrow Table, a RecordBatch or an iterable of them as batches of about that size."""
    import pyarrow as pa

    with suppress(AttributeError):
        frame = frame.to_batches()
    number = first_row = 0
    for one in [frame] if isinstance(frame, pa.RecordBatch) else frame:
        rows = max(1, min(500_000, one.num_rows * batch_bytes // max(1, one.nbytes)))
        for start in range(0, one.num_rows, rows):
            piece = one.slice(start, rows)
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, piece.schema) as writer:
                writer.write_batch(piece)
            yield Batch(f"{key}-{number}", sink.getvalue().to_pybytes(), piece.num_rows, first_row)
            number += 1
            first_row += piece.num_rows

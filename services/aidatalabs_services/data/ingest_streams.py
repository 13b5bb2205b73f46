"""Streams of batches: each is taken as a call of its own, several at a time, answered as it is acknowledged.

    reader ─► room (batches of this stream, bytes of all streams, backlog of the table) ─► Ingestor ─► answers

Where there is no room the reader does not read on, so that the sender is held up by flow control; the loop is
never blocked and nothing that was acknowledged is dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from aidatalabs_services.data.backlog import Room
from aidatalabs_services.data.errors import TableNotFound, TableProtected
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.runtime.errors import Overloaded, PlatformNotFound, ServiceUnavailable

Take = Callable[[str, bytes, Room], Awaitable[Receipt]]
Enter = Callable[[str, int], Awaitable[Room]]
# Refusals that hold for every batch of a stream: it ends with them.
_OF_THE_STREAM = (TableNotFound, TableProtected, PlatformNotFound)


@dataclass(frozen=True)
class Batch:
    """One batch of a stream: its id and an Arrow IPC stream."""

    batch_id: str
    arrow_ipc: bytes


@dataclass(frozen=True)
class BatchAnswer:
    """What became of one batch: its receipt, or why it was not taken."""

    batch_id: str
    outcome: Receipt | Exception


class StreamRoom:
    """Bytes of batches in work over all streams; whoever finds none waits, at most `wait_seconds`.

    An owner may hold as much as it leaves free: one alone half of the room, two a third each. So one that
    sends without end always leaves room for the others.
    """

    def __init__(self, limit_bytes: int, *, wait_seconds: float) -> None:
        self._limit_bytes = limit_bytes
        self._wait_seconds = wait_seconds
        self._held: Counter[str] = Counter()
        self._held_bytes = 0
        self._given = asyncio.Event()

    async def take(self, owner: str, size: int) -> None:
        """Takes room for `size` bytes, to be given back. Raises Overloaded."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                while not self._fits(owner, size):
                    self._given.clear()
                    await self._given.wait()
        except TimeoutError:
            raise Overloaded(
                "Other batches take all room there is. Send this batch again shortly.",
                retry_after_seconds=1.0,
            ) from None
        self._held[owner] += size
        self._held_bytes += size

    def _fits(self, owner: str, size: int) -> bool:
        free = self._limit_bytes - self._held_bytes
        # A batch larger than all room is let in alone.
        return not self._held_bytes or self._held[owner] + size <= free

    def give(self, owner: str, size: int) -> None:
        """Gives back what was taken for `size` bytes."""
        self._held[owner] -= size
        if not self._held[owner]:
            del self._held[owner]
        self._held_bytes -= size
        self._given.set()


async def _anywhere(_batch_id: str, _size: int) -> Room:
    """Where nothing bounds the backlog."""
    return Room()


class IngestStreams:
    """Runs streams; `batch_count` batches of one are in work at a time."""

    def __init__(self, room: StreamRoom, *, batch_count: int) -> None:
        self._room = room
        self._batch_count = batch_count

    async def answers(
        self, batches: AsyncIterator[Batch], take: Take, *, enter: Enter = _anywhere, owner: str = ""
    ) -> AsyncGenerator[BatchAnswer, None]:
        """An answer for each batch, as they are taken; `owner` shares the room.

        `enter` gets id and size and waits for the table's backlog, `take` gets id, content and what `enter`
        gave, for it to leave.

        Raises what `batches` raises after the answers to batches that were read before, and the refusals that
        hold for the whole stream at once.
        """
        run = _Run(batches, take, enter, self._room, self._batch_count, owner)
        try:
            while (answer := await run.next()) is not None:
                yield answer
        finally:
            await run.stop()


class _Run:
    """One stream: a reader that starts a task per batch, and the answers they leave."""

    def __init__(
        self,
        batches: AsyncIterator[Batch],
        take: Take,
        enter: Enter,
        room: StreamRoom,
        count: int,
        owner: str,
    ) -> None:
        self._batches = batches
        self._take = take
        self._enter = enter
        self._room = room
        self._owner = owner
        self._places = asyncio.Semaphore(count)
        self._answers: asyncio.Queue[BatchAnswer | None] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: Exception | None = None
        self._reader = asyncio.create_task(self._read())

    async def next(self) -> BatchAnswer | None:
        """The next answer, None after the last. Raises what ended the stream early."""
        answer = await self._answers.get()
        if answer is None and self._failure is not None:
            raise self._failure
        if answer is not None:
            self._places.release()  # only now: a sender who does not read its answers is held up
        return answer

    async def stop(self) -> None:
        """Ends whatever still runs; batches that are journalled already stay."""
        tasks = [self._reader, *self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self) -> None:
        try:
            await self._places.acquire()
            async for batch in self._batches:
                # Nothing more is read while this batch has no room.
                await self._begin(batch)
                await self._places.acquire()
        except Exception as error:  # noqa: BLE001 - raised by `next`, after the answers that are due
            self._failure = self._failure or error
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        self._answers.put_nowait(None)

    async def _begin(self, batch: Batch) -> None:
        size = len(batch.arrow_ipc)
        try:
            await self._room.take(self._owner, size)
            room = await self._entered(batch.batch_id, size)
        except (Overloaded, ServiceUnavailable) as error:
            self._answers.put_nowait(BatchAnswer(batch.batch_id, error))
            return
        task = asyncio.create_task(self._one(batch, room))
        self._tasks.add(task)
        # Not inside the task: one that is cancelled before it began runs nothing of its own.
        task.add_done_callback(lambda ended: self._ended(ended, size, room))

    async def _entered(self, batch_id: str, size: int) -> Room:
        try:
            return await self._enter(batch_id, size)
        except BaseException:
            self._room.give(self._owner, size)
            raise

    def _ended(self, task: asyncio.Task[None], size: int, room: Room) -> None:
        self._tasks.discard(task)
        self._room.give(self._owner, size)
        room.leave()

    async def _one(self, batch: Batch, room: Room) -> None:
        outcome: Receipt | Exception
        try:
            outcome = await self._take(batch.batch_id, batch.arrow_ipc, room)
        except _OF_THE_STREAM as error:
            self._failure = self._failure or error
            self._answers.put_nowait(None)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, this batch is told so
            outcome = error
        self._answers.put_nowait(BatchAnswer(batch.batch_id, outcome))

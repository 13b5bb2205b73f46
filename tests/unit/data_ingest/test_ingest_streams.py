"""A stream's flow: how far it is read, what room batches take, what ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from aidatalabs_services.data.backlog import Room
from aidatalabs_services.data.errors import TableNotFound
from aidatalabs_services.data.ingest_streams import Batch, BatchAnswer, IngestStreams, StreamRoom
from aidatalabs_services.data.receipts import Receipt, ReceiptState
from aidatalabs_services.runtime.errors import InvalidRequest, Overloaded

ROOM = 1_000


class Source:
    """Batches of one size, counted as they are read; `failing` raises at that batch."""

    def __init__(self, count: int, size: int = 10, failing: int | None = None) -> None:
        self.read = 0
        self._count, self._size, self._failing = count, size, failing

    async def batches(self) -> AsyncIterator[Batch]:
        for number in range(self._count):
            if number == self._failing:
                raise InvalidRequest("A message that cannot be.")
            self.read += 1
            yield Batch(f"b{number}", b"x" * self._size)


def receipt(batch_id: str) -> Receipt:
    return Receipt(batch_id, ReceiptState.STORED, 1, 0)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


def streams(*, batch_count: int = 4, wait_seconds: float = 5.0) -> IngestStreams:
    return IngestStreams(StreamRoom(ROOM, wait_seconds=wait_seconds), batch_count=batch_count)


async def test_a_stream_whose_answers_nobody_reads_is_read_no_further_than_its_batches_in_work() -> None:
    source = Source(100)

    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        return receipt(batch_id)

    async with aclosing(streams(batch_count=4).answers(source.batches(), take)) as answers:
        first = await anext(answers)
        await settle()
        # One was answered, four more are in work; the place of the first is free again with the next look.
        assert source.read <= 1 + 4
        rest = [answer async for answer in answers]
    assert len({first.batch_id, *(answer.batch_id for answer in rest)}) == 100


async def test_batches_of_all_streams_together_take_no_more_than_the_room() -> None:
    working = most = 0

    async def take(batch_id: str, data: bytes, _room: Room) -> Receipt:
        nonlocal working, most
        working += len(data)
        most = max(most, working)
        await asyncio.sleep(0.001)
        working -= len(data)
        return receipt(batch_id)

    shared = streams(batch_count=8)

    async def run() -> list[BatchAnswer]:
        return [answer async for answer in shared.answers(Source(30, size=300).batches(), take)]

    found = await asyncio.gather(*(run() for _ in range(3)))
    assert most <= ROOM
    assert [len(answers) for answers in found] == [30, 30, 30]
    assert all(isinstance(answer.outcome, Receipt) for answers in found for answer in answers)


async def test_a_batch_that_finds_no_room_in_time_is_told_when_to_come_again() -> None:
    release = asyncio.Event()

    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        await release.wait()
        return receipt(batch_id)

    shared = streams(wait_seconds=0.05)
    async with aclosing(shared.answers(Source(2, size=900).batches(), take)) as answers:
        refused = await anext(answers)
        release.set()
        taken = await anext(answers)
    assert isinstance(refused.outcome, Overloaded)
    assert refused.outcome.retry_after_seconds
    assert (refused.batch_id, taken.batch_id) == ("b1", "b0")


async def test_a_batch_larger_than_all_room_is_taken_alone() -> None:
    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        return receipt(batch_id)

    source = Source(3, size=5 * ROOM)
    found = [answer async for answer in streams().answers(source.batches(), take)]
    assert [answer.batch_id for answer in found] == ["b0", "b1", "b2"]


async def test_what_breaks_the_stream_comes_after_the_answers_that_were_due() -> None:
    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        await asyncio.sleep(0.01)
        return receipt(batch_id)

    found = []

    async def run() -> None:
        async for answer in streams().answers(Source(5, failing=3).batches(), take):
            found.append(answer.batch_id)

    with pytest.raises(InvalidRequest):
        await run()
    assert sorted(found) == ["b0", "b1", "b2"]


async def test_a_table_that_is_not_there_ends_the_stream_at_once() -> None:
    never = asyncio.Event()

    async def batches() -> AsyncIterator[Batch]:
        yield Batch("b0", b"x")
        await never.wait()

    async def take(_batch_id: str, _data: bytes, _room: Room) -> Receipt:
        raise TableNotFound("There is none.")

    async with asyncio.timeout(5):
        with pytest.raises(TableNotFound):
            async for _ in streams().answers(batches(), take):
                pass


async def test_a_failure_nobody_foresaw_is_told_to_its_batch_and_gives_its_room_back() -> None:
    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        if batch_id == "b1":
            raise RuntimeError("a fault of ours")
        return receipt(batch_id)

    source = Source(6, size=ROOM)
    found = {answer.batch_id: answer.outcome async for answer in streams().answers(source.batches(), take)}
    assert isinstance(found.pop("b1"), RuntimeError)
    assert len(found) == 5


async def test_a_stream_that_ends_as_a_batch_begins_gives_its_room_back() -> None:
    room = StreamRoom(ROOM, wait_seconds=0.05)
    begun: list[str] = []

    async def take(batch_id: str, _data: bytes, _room: Room) -> Receipt:
        begun.append(batch_id)
        return receipt(batch_id)

    async def batches() -> AsyncIterator[Batch]:
        yield Batch("b0", b"x" * 10)
        await asyncio.sleep(0)
        yield Batch("b1", b"x" * 900)

    # Cancelled at every step it can be at, among them the one between a batch's task and its beginning.
    for steps in range(12):
        shared = IngestStreams(room, batch_count=4)
        answers = shared.answers(batches(), take)
        running = asyncio.ensure_future(anext(answers))
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await answers.aclose()
    await room.take("other", ROOM)


async def test_one_owner_that_sends_without_end_leaves_room_for_another() -> None:
    room = StreamRoom(ROOM, wait_seconds=0.05)
    for _ in range(5):
        await room.take("greedy", 100)
    with pytest.raises(Overloaded):
        await room.take("greedy", 100)
    await room.take("other", 300)
    room.give("other", 300)
    for _ in range(5):
        room.give("greedy", 100)
    await room.take("late", 3 * ROOM)

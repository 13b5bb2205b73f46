"""The sink's worker and its group: what it commits, and where it goes on when a partition has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import cast

import pytest

from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal_records import GroupRecord, group_frame
from aidatalabs_services.data.kafka.letters import TopicNames
from aidatalabs_services.data.kafka.ports import BrokerUnavailable, Lane, Message, Topics
from aidatalabs_services.data.kafka.sink_lines import Burials, LineLimits, Tables
from aidatalabs_services.data.kafka.sink_worker import SinkWorker, WorkerLimits
from aidatalabs_services.data.kafka.standing import Standing
from aidatalabs_services.data.ports import Warehouse
from tests.unit.data_ingest.warehouse import MemoryWarehouse

from .test_kafka_lines import until

NAMES = TopicNames("p")
TOPIC = NAMES.data("0c7d4b1e-0000-4000-8000-000000000001", "trips")
LANE = (TOPIC, 0)


class Group:
    """One partition, its group and its only member, in memory."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.stored = 0
        self.place = 0
        self.hangs: asyncio.Event | None = None
        self.commits: list[int] = []
        self.given_up = 0
        self.opened = 0
        self.closed = 0
        self.end: int | None = None
        self.failures: list[BaseException] = []
        self.closing: list[BaseException] = []

    def add(self, offset: int, stamp_ms: int) -> None:
        record = GroupRecord(0, 5.0, "trips", "trips-1", f"{offset}-{stamp_ms}", ("id",), (), (b"rows",))
        self.messages[offset] = Message(TOPIC, 0, offset, group_frame(record), {}, stamp_ms)

    async def ends(self, topics: Collection[str]) -> Mapping[Lane, int]:
        return {LANE: max(self.messages, default=-1) + 1 if self.end is None else self.end}

    async def starts(self, topics: Collection[str]) -> Mapping[Lane, int]:
        return {LANE: min(self.messages, default=0)}

    async def open(
        self,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Lane]], Awaitable[None]],
    ) -> None:
        self.opened += 1
        self.revoked, self.assigned = revoked, assigned

    def follow(self, topics: Collection[str]) -> None:
        async def join() -> None:
            await self.assigned([LANE])

        self.joining = asyncio.create_task(join())

    async def next(self) -> Sequence[Message]:
        await asyncio.sleep(0.01)
        if self.failures:
            raise self.failures.pop()
        there = [message for offset, message in sorted(self.messages.items()) if offset >= self.place]
        self.place = max(self.place, *(message.offset + 1 for message in there)) if there else self.place
        return there

    def hold_back(self, lanes: Iterable[Lane]) -> None: ...

    async def positions(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        return dict.fromkeys(lanes, self.place)

    async def committed(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        return {LANE: self.stored}

    def go_back(self, offsets: Mapping[Lane, int]) -> None:
        self.place = offsets[LANE]

    async def commit(self, offsets: Mapping[Lane, int]) -> None:
        try:
            if self.hangs is not None:
                await self.hangs.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        self.stored = offsets[LANE]
        self.commits.append(self.stored)

    async def close(self) -> None:
        self.closed += 1
        if self.closing:
            raise self.closing.pop()


def worker_of(
    group: Group, warehouse: MemoryWarehouse, worker_limits: WorkerLimits | None = None
) -> SinkWorker:
    limits = LineLimits(pause_seconds=0.02)
    tables = Tables(cast(Warehouse, warehouse), warehouse.schema, TableHolds(), limits)

    async def never(*_: object) -> None:
        raise AssertionError

    made = SinkWorker(
        NAMES,
        cast(Topics, group),
        lambda: group,
        tables,
        Burials(never, never, lambda _rows: None),
        Standing(),
        limits=worker_limits,
        line_limits=limits,
    )
    made.start()
    made.follow([TOPIC])
    return made


def inserted(warehouse: MemoryWarehouse) -> list[str]:
    """The messages inserted, as offset-stamp."""
    return [token.split(":", 3)[3].removesuffix("-0") for token in warehouse.inserts]


async def test_no_commit_outlives_the_time_in_which_the_partitions_were_ours() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    worker = worker_of(group, warehouse)
    await until(lambda: worker.lanes == {LANE})
    group.hangs = asyncio.Event()
    group.place = 7  # ends of transactions: passed over, and committed
    await asyncio.sleep(0.1)
    assert group.commits == []
    await asyncio.wait_for(group.revoked(), 2)
    group.hangs.set()
    await asyncio.sleep(0.1)
    assert (group.given_up, group.commits, group.opened) == (1, [], 1)
    await worker.close()


async def test_a_partition_that_was_made_anew_is_read_from_its_start() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    for offset in range(3):
        group.add(offset, 100 + offset)
    worker = worker_of(group, warehouse)
    await until(lambda: group.stored == 3)
    group.messages.clear()
    for offset in range(2):
        group.add(offset, 200 + offset)
    group.place = 0  # what was there is not: the reader begins with what is
    await until(lambda: group.stored == 2)
    assert inserted(warehouse) == ["0-100", "1-101", "2-102", "0-200", "1-201"]
    await worker.close()


async def test_what_is_left_of_a_partition_that_lost_its_end_is_not_stored_again() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    for offset in range(3):
        group.add(offset, 100 + offset)
    worker = worker_of(group, warehouse)
    await until(lambda: group.stored == 3)
    del group.messages[2]
    group.place = 0
    await until(lambda: group.stored == 2)
    group.add(2, 300)
    await until(lambda: group.stored == 3)
    assert inserted(warehouse) == ["0-100", "1-101", "2-102", "2-300"]
    await worker.close()


async def test_a_partition_that_lost_its_end_for_a_moment_loses_nothing_that_came_at_that_time() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    for offset in range(3):
        group.add(offset, 100)
    worker = worker_of(group, warehouse)
    await until(lambda: group.stored == 3)
    await group.revoked()
    group.end = 2
    group.add(3, 100)  # of the same moment as what was stored, and not stored
    group.add(4, 100)
    await group.assigned([LANE])
    group.end = None
    await until(lambda: group.stored == 5)
    assert inserted(warehouse) == [f"{offset}-100" for offset in range(5)]
    assert group.commits == [1, 2, 3, 4, 5]  # never less than before: a new worker would read it again
    await worker.close()


async def test_a_new_worker_goes_on_at_the_end_of_a_partition_that_lost_its_end() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    for offset in range(3):
        group.add(offset, 100 + offset)
    group.stored = 9
    worker = worker_of(group, warehouse)
    await until(lambda: group.stored == 3)
    group.add(3, 300)
    await until(lambda: group.stored == 4)
    assert inserted(warehouse) == ["3-300"]
    await worker.close()


async def test_a_worker_that_is_closed_ends_the_insert_at_work_and_leaves_the_group() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    warehouse.gate = asyncio.Event()
    group.add(0, 100)
    worker = worker_of(group, warehouse)
    await until(lambda: worker.waiting_bytes > 0)
    closing = asyncio.create_task(worker.close())
    await asyncio.sleep(1.5)  # longer than it takes until the worker is told a second time
    assert (closing.done(), group.closed) == (False, 0)
    warehouse.gate.set()
    await asyncio.wait_for(closing, 2)
    assert (inserted(warehouse), group.stored, group.closed) == (["0-100"], 1, 1)


async def test_a_worker_whose_insert_does_not_end_leaves_the_group_without_it() -> None:
    group, warehouse = Group(), MemoryWarehouse()
    warehouse.down = True
    group.add(0, 100)
    worker = worker_of(group, warehouse, WorkerLimits(finish_seconds=1.5))
    await until(lambda: worker.waiting_bytes > 0)
    await asyncio.wait_for(worker.close(), 4)
    warehouse.down = False
    await asyncio.sleep(0.2)  # nothing of it goes on
    assert (inserted(warehouse), group.stored, group.closed) == ([], 0, 1)


@pytest.mark.parametrize("closing", [asyncio.CancelledError(), ValueError()])
async def test_a_reader_that_cannot_even_be_closed_does_not_end_the_worker(
    closing: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    group, warehouse = Group(), MemoryWarehouse()
    group.failures, group.closing = [BrokerUnavailable("away")], [closing]
    group.add(0, 100)
    worker = worker_of(group, warehouse)
    await until(lambda: group.stored == 1)
    assert (group.opened, group.closed) == (2, 1)
    assert len([each for each in caplog.records if each.levelname in ("WARNING", "ERROR")]) >= 2
    await asyncio.wait_for(worker.close(), 5)
    assert group.closed == 2

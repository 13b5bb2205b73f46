"""Inserts side by side: their order, which groups go beside which, and how far the engine must remember."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from aidatalabs_services.data import sink
from aidatalabs_services.data.backlog import Backlog
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.journal import Journal, JournalLimits
from aidatalabs_services.data.journal_files import PendingGroup, Segment
from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord
from aidatalabs_services.data.keeper import JournalKeeper
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Progress, Receipt, ReceiptState
from aidatalabs_services.data.sink import Sink, SinkLimits
from aidatalabs_services.runtime.errors import ServiceUnavailable

from .test_ingest_flow import DEMO, UID, ids, until
from .warehouse import TRIPS, MemoryWarehouse


@dataclass
class Slow(MemoryWarehouse):
    """Holds every insert until it is let go: by its place in the order in which they began."""

    begun: list[str] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0
    gates: dict[int, asyncio.Event] = field(default_factory=dict)
    free: bool = False

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """Waits at its gate first."""
        self.begun.append(token)
        gate = self.gates.setdefault(len(self.begun) - 1, asyncio.Event())
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        try:
            if not self.free:
                await gate.wait()
            await super().insert_block(uid, table, columns, payload, format_name=format_name, token=token)
        finally:
            self.inside -= 1

    def let_go(self, number: int) -> None:
        """Lets the insert go on that began as this one."""
        self.gates.setdefault(number, asyncio.Event()).set()

    def let_all_go(self) -> None:
        """Holds no insert any more."""
        self.free = True
        for gate in self.gates.values():
            gate.set()


@asynccontextmanager
async def opened(
    directory: Path, warehouse: Slow, *, holds: TableHolds | None = None, large_bytes: int = 0
) -> AsyncIterator[Ingestor]:
    """An ingestor whose calls return as soon as they are journalled."""
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        directory / "journal",
        limits=IngestLimits(store_seconds=0.0, gather_seconds=0.0),
        journal_limits=JournalLimits(free_bytes=0),
        sink_limits=SinkLimits(pause_seconds=0.05, large_bytes=large_bytes),
        holds=holds,
    )
    await ingestor.start()
    try:
        yield ingestor
    finally:
        await ingestor.close()


async def take(ingestor: Ingestor, number: int, table: str = "trips") -> Receipt:
    """One call, and thereby one group."""
    return await ingestor.ingest(UID, DEMO, table, f"r-{number}", MappingRows([{"id": number}]))


async def receipt(ingestor: Ingestor, number: int) -> ReceiptState:
    """What a call's receipt says now."""
    return (await take(ingestor, number)).state


async def test_two_inserts_of_a_table_run_at_once_and_begin_in_order(tmp_path: Path) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse) as ingestor:
        for number in range(5):
            await take(ingestor, number)
        await until(lambda: warehouse.inside == 2)
        await asyncio.sleep(0.05)
        assert warehouse.inside == 2
        warehouse.let_all_go()
        await ingestor.drained(UID, "trips")
    assert warehouse.most_inside == 2
    order = [row["id"] for row in warehouse.rows("trips")]
    assert sorted(order) == list(range(5))
    # Two that begin together may overtake each other, no more.
    assert all(abs(place - number) <= 1 for place, number in enumerate(order)), order


async def test_a_group_that_ends_before_an_earlier_one_is_never_sent_again(
    tmp_path: Path,
) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse) as ingestor:
        for number in range(3):
            await take(ingestor, number)
        await until(lambda: warehouse.inside == 2)
        warehouse.let_go(1)
        await until(lambda: len(warehouse.begun) == 3)
        assert await receipt(ingestor, 0) is ReceiptState.JOURNALLED
        assert await receipt(ingestor, 1) is ReceiptState.STORED
    # Killed or closed here: the first and the third are in doubt, the second is not.
    again = Slow(blocks=warehouse.blocks, free=True)
    async with opened(tmp_path, again) as ingestor:
        await ingestor.drained(UID, "trips")
        assert await receipt(ingestor, 1) is ReceiptState.STORED
    assert set(again.begun) == {warehouse.begun[0], warehouse.begun[2]}  # side by side, in any order
    assert ids(again) == [0, 1, 2]


async def test_drained_waits_for_all_that_came_before_whatever_ends_first(tmp_path: Path) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse) as ingestor:
        for number in range(3):
            await take(ingestor, number)
        await until(lambda: warehouse.inside == 2)
        drained = asyncio.create_task(ingestor.drained(UID, "trips"))
        warehouse.let_go(1)
        await until(lambda: len(warehouse.begun) == 3)
        warehouse.let_go(2)
        await until(lambda: ids(warehouse) == [1, 2])
        await asyncio.sleep(0.05)
        assert not drained.done()
        warehouse.let_go(0)
        await asyncio.wait_for(drained, 5)
        assert ids(warehouse) == [0, 1, 2]


async def test_small_groups_go_one_after_the_other(tmp_path: Path) -> None:
    warehouse = Slow()
    warehouse.tables["rides"] = replace(TRIPS, name="rides", identity="rides-1")
    async with opened(tmp_path, warehouse, large_bytes=1 << 20) as ingestor:
        for number in range(3):
            await take(ingestor, number)
        await take(ingestor, 0, table="rides")
        await until(lambda: warehouse.inside == 2)  # one of each table
        await asyncio.sleep(0.05)
        assert warehouse.inside == 2
        warehouse.let_all_go()
        await ingestor.drained(UID, "trips")


async def test_a_block_whose_fate_is_not_known_stops_the_others_before_the_engine_forgets_it(
    tmp_path: Path,
) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse) as ingestor:
        for number in range(100):
            await take(ingestor, number)
        for number in range(1, 100):
            warehouse.let_go(number)
        await until(lambda: len(warehouse.begun) == sink._IN_DOUBT_BLOCKS)
        await asyncio.sleep(0.1)
        assert len(warehouse.begun) == sink._IN_DOUBT_BLOCKS
        warehouse.let_go(0)
        await until(lambda: ids(warehouse) == list(range(100)))


async def test_confirmations_that_are_not_written_stop_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = Slow(free=True)
    stalled = 10**6
    monkeypatch.setattr(Journal, "unwritten_marks", property(lambda _: stalled))
    async with opened(tmp_path, warehouse) as ingestor:
        await take(ingestor, 0)
        await asyncio.sleep(0.2)
        assert warehouse.begun == []
        stalled = 0
        await until(lambda: ids(warehouse) == [0])


async def test_confirmations_are_counted_until_they_are_written(tmp_path: Path) -> None:
    warehouse = Slow(free=True)
    async with opened(tmp_path, warehouse) as ingestor:
        for number in range(20):
            await take(ingestor, number)
        await ingestor.drained(UID, "trips")
        intake = await ingestor._intakes.of(UID)
        assert isinstance(intake._keeper, JournalKeeper)
        assert intake._keeper._journal.unwritten_marks == 0


async def test_a_deletion_waits_for_every_running_insert_and_later_ones_for_it(tmp_path: Path) -> None:
    warehouse, holds = Slow(), TableHolds()
    async with opened(tmp_path, warehouse, holds=holds) as ingestor:
        await take(ingestor, 0)
        await take(ingestor, 1)
        await until(lambda: warehouse.inside == 2)
        held = holds.deleting(UID, "trips")
        entering = asyncio.create_task(held.__aenter__())
        await asyncio.sleep(0.02)
        await take(ingestor, 2)
        warehouse.let_go(0)
        await until(lambda: warehouse.inside == 1)
        await asyncio.sleep(0.05)
        assert (len(warehouse.begun), entering.done()) == (2, False)
        warehouse.let_go(1)
        await entering
        await asyncio.sleep(0.05)
        assert ids(warehouse) == [0, 1]
        await held.__aexit__(None, None, None)
        warehouse.let_all_go()
        await until(lambda: ids(warehouse) == [0, 1, 2])


async def test_a_journal_that_cannot_be_read_for_a_moment_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = Journal.read_block, [OSError("disk"), ServiceUnavailable("later")]

    async def failing(*arguments: object) -> bytes:
        if failures:
            raise failures.pop()
        return await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Journal, "read_block", failing)
    warehouse = Slow(free=True)
    async with opened(tmp_path, warehouse) as ingestor:
        await take(ingestor, 0)
        await until(lambda: ids(warehouse) == [0])
        await ingestor.drained(UID, "trips")
    assert not failures


async def test_rejected_rows_that_are_kept_make_no_accepted_one_larger(tmp_path: Path) -> None:
    backlog = Backlog(3.0)
    warehouse = cast(Warehouse, MemoryWarehouse())
    with ThreadPoolExecutor(1) as threads:
        journal = Journal(tmp_path, JournalLimits(free_bytes=0), threads)
        stopped = Sink(
            UID, warehouse, warehouse.schema, journal, SinkLimits(), TableHolds(), lambda _: None, backlog
        )
        await stopped.close()  # nothing is stored
    request = RequestRecord("", b"", "a", accepted_count=1, letter_count=9_999)
    record = GroupRecord(
        1, 0.0, "trips", "t", "token", ("id",), (request,), (), letter_blocks=1, letter_columns=("id",)
    )
    group = PendingGroup(record, Segment(tmp_path / "none"), ((0, 200), (200, 5_000_000)))
    stopped.add(group, Progress())
    before = backlog.seconds("trips")
    room = backlog.enter("trips", 10_000)
    assert backlog.seconds("trips") - before < 1.0  # five megabytes, not as many for each row
    room.leave()

"""More comes than the engine can store: what is taken is what it can, and nobody else notices."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest

from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.intake import Waiting
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.journal_records import RequestRecord
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Receipt, ReceiptState
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.runtime.errors import Overloaded

from .test_ingest_flow import DEMO, UID, ids, until
from .warehouse import TRIPS, MemoryWarehouse

OTHER = "0c7d4b1e-0000-4000-8000-000000000002"
LIMIT_SECONDS = 0.4
NOTE = "x" * 100_000
_REFUSALS = 5
ROWS = 5  # half a megabyte


@dataclass
class Slow(MemoryWarehouse):
    """Stores three megabytes a second in each table of each platform, one block after the other."""

    bytes_each_second: float = 3e6

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """Takes its time first."""
        await asyncio.sleep(len(payload) / self.bytes_each_second)
        await super().insert_block(uid, table, columns, payload, format_name=format_name, token=token)


@asynccontextmanager
async def opened(
    directory: Path,
    warehouse: MemoryWarehouse,
    *,
    store_seconds: float = 0.1,
    gather_seconds: float = 0.0,
    holds: TableHolds | None = None,
) -> AsyncIterator[Ingestor]:
    """An ingestor whose tables may be behind by less than half a second."""
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        directory / "journal",
        limits=IngestLimits(
            store_seconds=store_seconds,
            backlog_seconds=LIMIT_SECONDS,
            batch_seconds=0.2,
            gather_seconds=gather_seconds,
        ),
        journal_limits=JournalLimits(free_bytes=0),
        sink_limits=SinkLimits(pause_seconds=0.05),
        holds=holds,
    )
    await ingestor.start()
    try:
        yield ingestor
    finally:
        await ingestor.close()


async def send(ingestor: Ingestor, number: int, *, table: str = "trips") -> Receipt:
    """One large call; its rows have numbers of their own."""
    rows = MappingRows([{"id": number * ROWS + each, "note": NOTE} for each in range(ROWS)])
    return await ingestor.ingest(UID, DEMO, table, f"r-{number}", rows)


async def flood(ingestor: Ingestor, end: asyncio.Event) -> tuple[list[int], list[Overloaded]]:
    """Eight callers until some were refused and it ends: the acknowledged calls, and the refusals."""
    taken: list[int] = []
    refused: list[Overloaded] = []
    numbers = itertools.count()

    async def caller() -> None:
        while not end.is_set() or len(refused) < _REFUSALS:
            number = next(numbers)
            try:
                await send(ingestor, number)
                taken.append(number)
            except Overloaded as refusal:
                refused.append(refusal)
            await asyncio.sleep(0.02)

    await asyncio.gather(*(caller() for _ in range(8)))
    return taken, refused


async def test_a_flood_is_refused_in_words_and_all_that_was_acknowledged_is_stored_soon(
    tmp_path: Path,
) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse, gather_seconds=0.01) as ingestor:
        intake = await ingestor._intakes.of(UID)
        end = asyncio.Event()
        asyncio.get_running_loop().call_later(1.5, end.set)
        taken, refused = await flood(ingestor, end)
        assert refused
        assert all(error.retry_after_seconds for error in refused)
        assert {error.metadata["limit"] for error in refused} == {"ingest_backlog_seconds"}
        # A call that was taken before is answered although there is no room for another.
        while intake.backlog.seconds("trips") <= LIMIT_SECONDS:
            intake.backlog.add("trips", [1 << 20], 0)
        assert (await send(ingestor, taken[0])).duplicate_count == ROWS
        # Behind by no more than a few calls that were let in together.
        begun = time.monotonic()
        await ingestor.drained(UID, "trips")
        assert time.monotonic() - begun < 5.0
        assert ids(warehouse) == sorted(call * ROWS + each for call in taken for each in range(ROWS))


async def test_small_calls_of_another_platform_or_table_are_all_taken_meanwhile(tmp_path: Path) -> None:
    warehouse = Slow()
    warehouse.tables["rides"] = replace(TRIPS, name="rides", identity="rides-1")
    async with opened(tmp_path, warehouse, store_seconds=5.0) as ingestor:
        end = asyncio.Event()
        flooding = asyncio.create_task(flood(ingestor, end))
        await asyncio.sleep(0.5)
        states = set()
        for number in range(20):
            row = MappingRows([{"id": number}])
            for uid, table in ((OTHER, "trips"), (UID, "rides")):
                states.add((await ingestor.ingest(uid, DEMO, table, f"small-{number}", row)).state)
        end.set()
        _, refused = await flooding
        assert states == {ReceiptState.STORED}
        assert refused
        await ingestor.drained(UID, "trips")


async def test_a_call_does_not_wait_for_rows_that_cannot_be_stored_in_its_time(tmp_path: Path) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse, store_seconds=30.0) as ingestor:
        intake = await ingestor._intakes.of(UID)
        # Behind by more than a call waits for, in a table that has room: the bound is patient here.
        intake.backlog._limit_seconds = 1e9
        intake.backlog.add("trips", [1 << 30], 0)
        begun = time.monotonic()
        assert (await send(ingestor, 1)).state is ReceiptState.JOURNALLED
        assert time.monotonic() - begun < 5
        await ingestor.drained(UID, "trips")


async def test_while_the_engine_is_away_calls_are_acknowledged_beyond_the_bound(tmp_path: Path) -> None:
    warehouse = Slow(down=True)
    async with opened(tmp_path, warehouse, store_seconds=0.0) as ingestor:
        intake = await ingestor._intakes.of(UID)
        await send(ingestor, 0)
        await until(lambda: intake.backlog.is_stopped("trips"))
        for number in range(1, 20):
            assert (await send(ingestor, number)).state is ReceiptState.JOURNALLED
        assert intake.backlog.seconds("trips") > LIMIT_SECONDS
        warehouse.down, warehouse.bytes_each_second = False, 1e9
        await ingestor.drained(UID, "trips")
        assert ids(warehouse) == list(range(20 * ROWS))
        assert intake.backlog.seconds("trips") == 0


async def test_what_was_left_by_a_process_that_was_killed_is_stored_and_small_calls_are_taken(
    tmp_path: Path,
) -> None:
    warehouse = Slow(down=True)
    async with opened(tmp_path, warehouse, store_seconds=0.0) as ingestor:
        await send(ingestor, 0)
        intake = await ingestor._intakes.of(UID)
        await until(lambda: intake.backlog.is_stopped("trips"))
        for number in range(1, 20):
            await send(ingestor, number)
    warehouse.down, warehouse.bytes_each_second = False, 10e6
    async with opened(tmp_path, warehouse, store_seconds=0.0) as ingestor:
        intake = await ingestor._intakes.of(UID)
        assert intake.backlog.seconds("trips") > LIMIT_SECONDS
        for number in range(10):
            rows = MappingRows([{"id": 1_000 + number}])
            await ingestor.ingest(UID, DEMO, "trips", f"small-{number}", rows)
        large = (send(ingestor, 10_000 + number) for number in range(100))
        told = await asyncio.gather(*large, return_exceptions=True)
        assert any(isinstance(each, Overloaded) for each in told)
        await ingestor.drained(UID, "trips")
        assert set(range(20 * ROWS)) <= set(ids(warehouse))
        assert intake.backlog.seconds("trips") == 0


async def test_calls_and_batches_that_come_mixed_share_few_inserts(tmp_path: Path) -> None:
    def waiting(number: int) -> Waiting:
        request = RequestRecord(f"r-{number}", b"", f"receipts/r-{number}", 1)
        rows = {"202601": b"encoded"} if number % 2 else pa.RecordBatch.from_pydict({"id": [number]})
        return Waiting(TRIPS, request, rows, ("trips", ""), None)

    async with opened(tmp_path, MemoryWarehouse()) as ingestor:
        groups = (await ingestor._intakes.of(UID))._groups([waiting(number) for number in range(100)])
    assert [{call.is_encoded for call in group} for group in groups] == [{False}, {True}]
    # Each kind in its order.
    numbers = [[call.request.request_id for call in group] for group in groups]
    assert numbers == [[f"r-{number}" for number in range(first, 100, 2)] for first in (0, 1)]


async def test_a_table_that_a_deletion_holds_is_acknowledged_for(tmp_path: Path) -> None:
    warehouse, holds = Slow(bytes_each_second=1e9), TableHolds()
    async with opened(tmp_path, warehouse, store_seconds=0.0, holds=holds) as ingestor:
        intake = await ingestor._intakes.of(UID)
        async with holds.deleting(UID, "trips"):
            await send(ingestor, 0)
            await until(lambda: intake.backlog.is_stopped("trips"))
            for number in range(1, 20):
                await send(ingestor, number)
            assert ids(warehouse) == []
        await ingestor.drained(UID, "trips")
        assert len(ids(warehouse)) == 20 * ROWS


async def test_a_refused_batch_leaves_nothing_behind(tmp_path: Path) -> None:
    warehouse = Slow()
    async with opened(tmp_path, warehouse) as ingestor:
        intake = await ingestor._intakes.of(UID)
        intake.backlog.add("trips", [1 << 30], 0)
        with pytest.raises(Overloaded):
            await ingestor.room_for_batch(UID, "trips", "b-1", 1 << 20)
        assert intake.backlog._tables["trips"].held_bytes == 1 << 30
        intake.backlog.remove("trips", [1 << 30])
        room = await ingestor.room_for_batch(UID, "trips", "b-1", 1 << 20)
        with pytest.raises(Exception, match="Arrow"):
            await ingestor.ingest_columns(UID, DEMO, "trips", "b-1", b"nothing", room)
        assert intake.backlog.seconds("trips") == 0


async def test_a_call_with_a_second_left_hears_of_its_rows_however_far_the_sink_is_behind(
    tmp_path: Path,
) -> None:
    warehouse = MemoryWarehouse(gate=asyncio.Event())
    assert warehouse.gate is not None
    limits = IngestLimits(store_seconds=2.0, backlog_seconds=60.0)
    ingestor = Ingestor(cast(Warehouse, warehouse), warehouse.schema, tmp_path / "journal", limits=limits)
    await ingestor.start()
    try:
        calls = []
        for behind in (1, 2):  # four seconds of work at the pace that is supposed at first
            rows = MappingRows([{"id": each, "note": NOTE} for each in range(320)])
            calls.append(asyncio.create_task(ingestor.ingest(UID, DEMO, "trips", f"large-{behind}", rows)))
            while ingestor.waiting_groups(UID) < behind:
                await asyncio.sleep(0.01)
        async with asyncio.timeout(1.0):
            receipt = await ingestor.ingest(UID, DEMO, "trips", "hurried", MappingRows([{"id": 1_000}]))
        assert receipt.state is ReceiptState.JOURNALLED
        warehouse.gate.set()
        await asyncio.gather(*calls)
    finally:
        warehouse.gate.set()
        await ingestor.close()

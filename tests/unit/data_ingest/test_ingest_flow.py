"""The whole way of a call: grouped, journalled, acknowledged, stored; repeated, cancelled and restarted."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol, cast

import pytest

from aidatalabs_services.data.errors import IngestTooLarge, JournalFull, TableNotFound, TableProtected
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import EventInput, ListedEvents, MappingRows
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.journal_files import JournalInUse
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Receipt, ReceiptState
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.runtime.errors import IdempotencyMismatch, InvalidRequest

from .warehouse import TRIPS, MemoryWarehouse

UID = "0c7d4b1e-0000-4000-8000-000000000001"
DEMO = "platforms/demo"


class Open(Protocol):
    """Opens an ingestor on the test's directory."""

    def __call__(
        self, warehouse: MemoryWarehouse, *, store_seconds: float = 0.3, journal_bytes: int = 1 << 30
    ) -> AbstractAsyncContextManager[Ingestor]: ...


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Starts an Ingestor on one directory; again means a restart."""

    @asynccontextmanager
    async def start(
        warehouse: MemoryWarehouse, *, store_seconds: float = 0.3, journal_bytes: int = 1 << 30
    ) -> AsyncIterator[Ingestor]:
        ingestor = Ingestor(
            cast(Warehouse, warehouse),
            warehouse.schema,
            tmp_path / "journal",
            limits=IngestLimits(store_seconds=store_seconds),
            journal_limits=JournalLimits(free_bytes=0, journal_bytes=journal_bytes),
            sink_limits=SinkLimits(pause_seconds=0.05),
        )
        await ingestor.start()
        try:
            yield ingestor
        finally:
            await ingestor.close()

    return start


async def take(ingestor: Ingestor, request_id: str, *ids: int, table: str = "trips") -> Receipt:
    """Ingests rows with these ids."""
    return await ingestor.ingest(UID, DEMO, table, request_id, MappingRows([{"id": each} for each in ids]))


def ids(warehouse: MemoryWarehouse) -> list[int]:
    """The ids stored, sorted."""
    return sorted(row["id"] for row in warehouse.rows("trips"))


async def until(condition: Callable[[], bool]) -> None:
    """Waits until it holds, at most five seconds."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.01)


async def test_rows_are_stored_and_the_receipt_says_so(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        receipt = await take(ingestor, "r-1", 1, 2, -3)
    assert receipt.name == "platforms/demo/receipts/r-1"
    assert (receipt.state, receipt.accepted_count, receipt.duplicate_count) == (ReceiptState.STORED, 2, 0)
    assert [(row.index, row.reason) for row in receipt.rejected] == [(2, "VALUE_INVALID")]
    assert ids(warehouse) == [1, 2]


async def test_a_repeated_call_gets_the_first_receipt_and_stores_nothing(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        first = await take(ingestor, "r-1", 1, -2)
        again = await take(ingestor, "r-1", 1, -2)
        with pytest.raises(IdempotencyMismatch):
            await take(ingestor, "r-1", 9)
    async with opened(warehouse) as ingestor:
        after_restart = await take(ingestor, "r-1", 1, -2)
        with pytest.raises(IdempotencyMismatch):
            await take(ingestor, "r-1", 9)
    assert again == after_restart == replace(first, duplicate_count=1)
    assert ids(warehouse) == [1]


async def test_without_a_request_id_equal_calls_are_two_calls(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        one, two = await take(ingestor, "", 1), await take(ingestor, "", 1)
    assert one.name != two.name
    assert ids(warehouse) == [1, 1]


async def test_the_same_id_in_another_table_is_another_call(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    warehouse.tables["rides"] = replace(TRIPS, name="rides", identity="rides-1")
    async with opened(warehouse) as ingestor:
        await take(ingestor, "r-1", 1)
        assert (await take(ingestor, "r-1", 2, table="rides")).duplicate_count == 0


async def test_of_many_calls_with_one_id_one_stores_and_all_get_its_receipt(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        receipts = await asyncio.gather(*(take(ingestor, "r-1", 1, 2) for _ in range(20)))
        mixed = await asyncio.gather(
            *(take(ingestor, "r-2", 3 + number % 2) for number in range(10)), return_exceptions=True
        )
    assert sorted(receipt.duplicate_count for receipt in receipts) == [0] + [2] * 19
    assert len({receipt.name for receipt in receipts}) == 1
    assert sum(isinstance(outcome, IdempotencyMismatch) for outcome in mixed) == 5
    assert ids(warehouse) == [1, 2, 3]


async def test_a_hundred_small_calls_share_few_syncs_and_inserts(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs, real = [], os.fdatasync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        receipts = await asyncio.gather(*(take(ingestor, f"r-{number}", number) for number in range(100)))
    assert all(receipt.accepted_count == 1 for receipt in receipts)
    assert ids(warehouse) == list(range(100))
    assert len(syncs) <= 5
    assert len(warehouse.inserts) <= 5


async def test_with_the_engine_down_calls_are_journalled_and_stored_when_it_is_back(opened: Open) -> None:
    warehouse = MemoryWarehouse(down=True)
    async with opened(warehouse) as ingestor:
        receipts = [await take(ingestor, f"r-{number}", number) for number in range(3)]
        assert {receipt.state for receipt in receipts} == {ReceiptState.JOURNALLED}
        warehouse.down = False
        await until(lambda: ids(warehouse) == [0, 1, 2])
        again = await take(ingestor, "r-0", 0)
    assert (again.state, again.duplicate_count) == (ReceiptState.STORED, 1)


async def test_a_restart_stores_what_was_acknowledged_in_its_order_before_anything_new(opened: Open) -> None:
    warehouse = MemoryWarehouse(down=True)
    async with opened(warehouse) as ingestor:
        for number in range(3):
            await take(ingestor, f"r-{number}", number)
    warehouse.down = False
    async with opened(warehouse) as ingestor:
        assert (await take(ingestor, "new", 99)).state is ReceiptState.STORED
    assert [row["id"] for row in warehouse.rows("trips")] == [0, 1, 2, 99]


async def test_an_answer_that_was_lost_repeats_the_block_under_its_token(opened: Open) -> None:
    warehouse = MemoryWarehouse(after=3)
    async with opened(warehouse) as ingestor:
        await take(ingestor, "r-1", 1)
        await until(lambda: len(warehouse.inserts) == 4)
    assert len(set(warehouse.inserts)) == 1
    assert ids(warehouse) == [1]


async def test_a_caller_that_goes_away_loses_nothing_that_was_journalled(opened: Open) -> None:
    warehouse = MemoryWarehouse(gate=asyncio.Event())
    async with opened(warehouse) as ingestor:
        calls = [asyncio.create_task(take(ingestor, f"r-{number}", number)) for number in range(30)]
        await asyncio.sleep(0)
        for step, call in enumerate(calls):
            call.cancel()
            if step % 7 == 0:
                await asyncio.sleep(0.001)
        await asyncio.gather(*calls, return_exceptions=True)
        assert warehouse.gate is not None
        warehouse.gate.set()
        # Whether a call was taken or not, repeating it ends in exactly one copy of its row.
        receipts = await asyncio.gather(*(take(ingestor, f"r-{number}", number) for number in range(30)))
    assert all(receipt.accepted_count == 1 for receipt in receipts)
    assert ids(warehouse) == list(range(30))


async def test_two_hundred_months_in_one_call_are_two_hundred_inserts(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    month = 2_629_800 * 10**9
    events = [EventInput(number * month + 10**15, "tick", number) for number in range(200)]
    async with opened(warehouse) as ingestor:
        receipt = await ingestor.ingest(UID, DEMO, "", "r-1", ListedEvents(events))
        assert receipt.accepted_count == 200
        await until(lambda: len(warehouse.blocks) == 200)
    assert sorted(row["user_id"] for row in warehouse.rows("events")) == list(range(200))


async def test_rows_of_a_dropped_table_go_with_it_and_never_into_its_namesake(opened: Open) -> None:
    warehouse = MemoryWarehouse(down=True)
    async with opened(warehouse) as ingestor:
        await take(ingestor, "r-1", 1)
        warehouse.tables["trips"] = replace(TRIPS, identity="trips-2")
        warehouse.down = False
        await until(lambda: ingestor.waiting_groups(UID) == 0)
        assert (await take(ingestor, "r-2", 2)).state is ReceiptState.STORED
        again = await take(ingestor, "r-1", 1)
        assert again.state is ReceiptState.STORED
    assert again.duplicate_count == 0
    assert ids(warehouse) == [1, 2]


async def test_rows_of_a_table_that_can_come_back_go_where_it_is(opened: Open) -> None:
    warehouse = MemoryWarehouse(down=True)
    async with opened(warehouse) as ingestor:
        await take(ingestor, "r-1", 1)
        warehouse.dropped["_dropped_1_2_trips"] = warehouse.tables.pop("trips")
        warehouse.tables["trips"] = replace(TRIPS, identity="trips-2")
        warehouse.down = False
        await until(lambda: ingestor.waiting_groups(UID) == 0)
        assert [row["id"] for row in warehouse.rows("_dropped_1_2_trips")] == [1]
        assert (await take(ingestor, "r-1", 2)).duplicate_count == 0
        # Back under its name, it has its receipts again; so has the other one.
        warehouse.tables["trips"] = warehouse.dropped.pop("_dropped_1_2_trips")
        assert (await take(ingestor, "r-1", 1)).duplicate_count == 1
    assert ids(warehouse) == [2]


async def test_a_table_that_is_held_gets_no_rows_until_it_is_let_go(tmp_path: Path) -> None:
    warehouse, holds = MemoryWarehouse(), TableHolds()
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        tmp_path / "journal",
        limits=IngestLimits(store_seconds=0.1),
        journal_limits=JournalLimits(free_bytes=0),
        holds=holds,
    )
    await ingestor.start()
    await take(ingestor, "r-1", 1)
    await ingestor.drained(UID, "trips")
    async with holds.deleting(UID, "trips"):
        assert (await take(ingestor, "r-2", 2)).state is ReceiptState.JOURNALLED
        assert ids(warehouse) == [1]
    await ingestor.drained(UID, "trips")
    assert ids(warehouse) == [1, 2]
    before = sorted((tmp_path / "journal" / UID).glob("*.journal"))
    await ingestor.stored_rows_forgotten(UID)
    assert not any(path.exists() for path in before)
    await ingestor.close()


async def test_a_block_that_the_engine_never_takes_is_kept_as_a_file_and_blocks_nobody(
    opened: Open, tmp_path: Path
) -> None:
    warehouse = MemoryWarehouse(refuse=True)
    async with opened(warehouse) as ingestor:
        refused = await take(ingestor, "r-1", 1)
        warehouse.refuse = False
        assert (await take(ingestor, "r-2", 2)).state is ReceiptState.STORED
    assert refused.state is ReceiptState.JOURNALLED
    assert len(list((tmp_path / "journal" / UID / "parked").glob("trips.*.arrowstream"))) == 1
    assert ids(warehouse) == [2]


async def test_a_full_journal_refuses_and_everything_acknowledged_is_stored_later(opened: Open) -> None:
    warehouse = MemoryWarehouse(down=True)
    acknowledged: list[int] = []
    async with opened(warehouse, store_seconds=0.0, journal_bytes=40_000) as ingestor:

        async def fill() -> None:
            for number in range(200):
                await take(ingestor, f"r-{number}", number)
                acknowledged.append(number)

        with pytest.raises(JournalFull):
            await fill()
        warehouse.down = False
        await until(lambda: ingestor.waiting_groups(UID) == 0)
        assert ids(warehouse) == acknowledged
        await asyncio.sleep(0.2)  # finished segments are cleared away a moment later
        assert (await take(ingestor, "later", 1000)).accepted_count == 1
    assert len(acknowledged) > 5


async def test_all_rows_rejected_is_a_receipt_and_is_given_again(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        first = await take(ingestor, "r-1", -1, -2)
        nameless = await take(ingestor, "", -1)
    async with opened(warehouse) as ingestor:
        again = await take(ingestor, "r-1", -1, -2)
    assert first == again
    assert (first.accepted_count, len(first.rejected), first.state) == (0, 2, ReceiptState.STORED)
    assert (nameless.accepted_count, warehouse.inserts) == (0, [])


async def test_calls_that_cannot_be_are_refused_with_their_reason(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse) as ingestor:
        with pytest.raises(IngestTooLarge) as large:
            await take(ingestor, "r", *range(10_001))
        assert large.value.metadata == {"limit_rows": "10000"}
        with pytest.raises(InvalidRequest):
            await take(ingestor, "r")
        with pytest.raises(TableNotFound):
            await take(ingestor, "r", 1, table="nope")
        with pytest.raises(TableProtected):
            await take(ingestor, "r", 1, table="events_hourly")
        with pytest.raises(InvalidRequest):
            await ingestor.ingest(UID, DEMO, "trips", "r", ListedEvents([EventInput(1, "a")]))
    assert warehouse.inserts == []


async def test_a_second_process_on_the_same_journals_does_not_start(opened: Open) -> None:
    warehouse = MemoryWarehouse()
    async with opened(warehouse):
        with pytest.raises(JournalInUse):
            async with opened(warehouse):
                pass

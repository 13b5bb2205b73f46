"""Room for rows that wait for a journal: bounded over all platforms, and none crowds the others out."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.intake import WaitingRoom
from aidatalabs_services.data.journal import Journal, JournalLimits
from aidatalabs_services.data.journal_files import PendingGroup
from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.runtime.errors import Overloaded

from .warehouse import MemoryWarehouse

PLATFORMS = 20
LIMIT_BYTES = 20_000
ROWS = 200


def test_one_platform_leaves_room_for_the_others_and_a_large_batch_goes_alone() -> None:
    room = WaitingRoom(100)
    assert room.fits("one", 1_000)
    room.take("one", 40)
    assert room.fits("one", 20)
    assert not room.fits("one", 21)
    assert room.fits("two", 60)
    room.take("two", 60)
    assert not room.fits("three", 1)
    room.give("one", 40)
    room.give("two", 60)
    assert room.held_bytes == 0


async def test_many_platforms_together_hold_no_more_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, append, most = asyncio.Event(), Journal.append, 0
    warehouse = MemoryWarehouse()
    limits = IngestLimits(store_seconds=0.0, waiting_bytes_of_all=LIMIT_BYTES)
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        tmp_path / "journal",
        limits=limits,
        journal_limits=JournalLimits(free_bytes=0),
    )

    async def slow(self: Journal, record: GroupRecord) -> PendingGroup:
        nonlocal most
        most = max(most, ingestor._intakes._room.held_bytes)
        await disk.wait()
        return await append(self, record)

    monkeypatch.setattr(Journal, "append", slow)
    await ingestor.start()

    async def send(platform: int, number: int) -> Receipt:
        rows = MappingRows([{"id": each} for each in range(ROWS)])
        name = f"platforms/p{platform}"
        return await ingestor.ingest(f"p{platform}", name, "trips", f"r-{number}", rows)

    calls = [asyncio.create_task(send(each, number)) for number in range(4) for each in range(PLATFORMS)]
    async with asyncio.timeout(20):
        while not any(call.done() for call in calls):
            await asyncio.sleep(0.05)
    assert 0 < ingestor._intakes._room.held_bytes <= LIMIT_BYTES
    disk.set()
    told = await asyncio.gather(*calls, return_exceptions=True)
    refused = [one for one in told if isinstance(one, BaseException)]
    assert 0 < len(refused) < len(calls)
    assert all(isinstance(one, Overloaded) and one.retry_after_seconds for one in refused)
    assert {one.accepted_count for one in told if isinstance(one, Receipt)} == {ROWS}
    assert ingestor._intakes._room.held_bytes == 0
    assert most <= LIMIT_BYTES
    await ingestor.close()

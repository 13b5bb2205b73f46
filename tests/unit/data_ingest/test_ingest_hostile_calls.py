"""Calls that are small and ask for much work: what they cost is bounded, and nobody waits for them."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from pathlib import Path
from typing import cast

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.data.adapters.ingest_messages import MessageEvents, batch_of
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.judged_batches import examined
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS

from .warehouse import MemoryWarehouse

TABLE = TableSchema("t", (ColumnSchema("c", "Nullable(String)"),))
UID = "0c7d4b1e-0000-4000-8000-000000000001"
DEMO = "platforms/demo"


def events_of(*keys: list[str]) -> pb.IngestRequest:
    """An event for each list of keys."""
    request = pb.IngestRequest(platform=DEMO, request_id="r")
    for each in keys:
        event = request.events.add(event_type="a")
        event.timestamp.seconds = 1_767_225_600
        for key in each:
            event.properties.fields[key].bool_value = True
    return request


def rows_of(*keys: list[str]) -> pb.IngestRequest:
    """A row for each list of keys."""
    request = pb.IngestRequest(platform=DEMO, table="t", request_id="r")
    for each in keys:
        row = request.rows.add()
        for key in each:
            row.fields[key].string_value = "x"
    return request


def numbered(first: int, count: int) -> list[str]:
    return [f"{number:x}" for number in range(first, first + count)]


FEW = [["c"]] * 99
CALLS = {
    "other keys in every event": (events_of(*(numbered(10 * at, 10) for at in range(3_000))), 3_000),
    "other keys in every row": (rows_of(*(numbered(10 * at, 10) for at in range(3_000))), 0),
    "an object of many keys": (events_of(numbered(0, 40_000), *FEW), 99),
    "an object of a long key": (events_of(["k" * 2_000_000], *FEW), 99),
    "a row of many keys": (rows_of(numbered(0, 40_000), *FEW), 99),
    "a row of a long key": (rows_of(["k" * 2_000_000], *FEW), 99),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_small_call_of_strange_keys_costs_little_memory(name: str) -> None:
    request, taken = CALLS[name]
    batch, table = batch_of(request), EVENTS if request.events else TABLE
    batch.digest()
    found = examined(batch, table, named=False).verdicts()
    assert (found.accepted_count, len(found.rejected)) == (taken, batch.count - taken)
    tracemalloc.start()
    try:
        examined(batch, table, named=False)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [256, 257])
def test_verdicts_are_the_same_on_both_sides_of_the_most_keys(count: int) -> None:
    keys = numbered(0, count)
    batch = batch_of(events_of(*[keys[at : at + 20] for at in range(0, count, 4)]))
    assert isinstance(batch, MessageEvents)
    assert (batch.event_columns() is None) == (count > 256)
    found = examined(batch, EVENTS, named=True).verdicts()
    assert (found.accepted_count, found.rejected) == (batch.count, ())


class Watched(MessageEvents):
    """Notes the thread that reads it."""

    thread = 0

    def digest(self) -> bytes:
        self.thread = threading.get_ident()
        return super().digest()


@pytest.mark.parametrize(("keys", "inline"), [(10, True), (20_000, False)])
async def test_one_large_event_is_not_read_on_the_event_loop(tmp_path: Path, keys: int, inline: bool) -> None:
    warehouse = MemoryWarehouse()
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        tmp_path / "journal",
        journal_limits=JournalLimits(free_bytes=0),
    )
    await ingestor.start()
    batch = Watched(events_of(numbered(0, keys)))
    receipt = await ingestor.ingest(UID, DEMO, "events", "r", batch)
    assert receipt.accepted_count == inline
    assert (batch.thread == threading.get_ident()) is inline
    await ingestor.close()


async def test_a_lone_call_waits_for_no_groups_of_another_table(tmp_path: Path) -> None:
    warehouse = MemoryWarehouse(gate=asyncio.Event())
    ingestor = Ingestor(
        cast(Warehouse, warehouse),
        warehouse.schema,
        tmp_path / "journal",
        limits=IngestLimits(store_seconds=0.0, gather_seconds=10.0),
        journal_limits=JournalLimits(free_bytes=0),
    )
    await ingestor.start()
    for number in range(3):  # each a group, the third behind two that are not stored
        async with asyncio.timeout(5):
            await ingestor.ingest(UID, DEMO, "trips", f"{number}", MappingRows([{"id": number}]))
    begun = time.monotonic()
    await ingestor.ingest(UID, DEMO, "events", "e", batch_of(events_of(["c"])))
    lone = time.monotonic() - begun
    begun = time.monotonic()
    await ingestor.ingest(UID, DEMO, "trips", "t", MappingRows([{"id": 9}]))
    assert lone < 0.4 < time.monotonic() - begun, "that behind its own table's groups does wait"
    assert warehouse.gate is not None
    warehouse.gate.set()
    await ingestor.close()

"""Deletions beside inserts whose answer was lost, and beside a journal that fails for a while."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data import erasure
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import engine_pool
from aidatalabs_services.data.deletion_records import Deletion, DeletionState, TableDeletion
from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.errors import QueryFailed, QueryTimeout
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.retention import Retention
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.errors import ServiceUnavailable
from aidatalabs_services.runtime.metrics import Metrics
from tests.rpc.data.conftest import settings_in
from tests.rpc.data.deletion_worker import UID, in_call, nothing_is_kept, send

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIMITS = QueryLimits(30.0, 100_000, 4 * 1024**2, 64 * 1024**2, 10**12, 10**12)


class House:
    """What a data service has for ingest and deletions, over an engine of its own."""

    def __init__(self, directory: Path) -> None:
        self.inner = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings_in(directory))))
        doubts = Doubts()
        self.warehouse = MeasuredWarehouse(self.inner, Metrics(), doubts=doubts)
        schemas = SchemaCache(self.warehouse.schema, ttl_seconds=5.0)
        self.tables = Tables(self.warehouse, schemas, fsync=False)
        holds = TableHolds()
        self.ingestor = Ingestor(
            self.warehouse,
            schemas.get,
            directory / "journal",
            limits=IngestLimits(store_seconds=0.02),
            sink_limits=SinkLimits(pause_seconds=0.1),
            holds=holds,
        )
        self.retention = Retention(
            self.warehouse,
            schemas,
            self.ingestor,
            holds,
            directory,
            LIMITS,
            drop_grace_hours=1,
            forget_results=nothing_is_kept,
            doubts=doubts,
        )

    async def figures(self) -> tuple[int, int]:
        """(events, events that the hourly sums count)."""
        sql = "SELECT (SELECT count() FROM events), (SELECT sum(events) FROM events_hourly)"
        outcome = await self.warehouse.query(UID, sql, limits=LIMITS, query_id="figures")
        return int(outcome.rows[0][0]), int(outcome.rows[0][1])

    async def quiet(self) -> None:
        """Returns when nothing waits in the journal."""
        async with asyncio.timeout(20):
            while self.ingestor.waiting_groups(UID):
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house that stands."""
    house = House(tmp_path_factory.mktemp("doubts"))
    await house.tables.provision(UID)
    await house.retention.start()
    yield house
    await house.retention.close()
    await house.ingestor.close()
    await house.warehouse.close()


async def test_a_block_in_doubt_is_settled_before_rows_are_counted_for_a_deletion(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first group waits in the engine until the deletion waits behind it; the second loses an answer.

    A group has a block for each of its four months.
    """
    real, blocks = house.inner.insert_block, 0
    first_is_there, may_end = asyncio.Event(), asyncio.Event()

    async def insert(*arguments: Any, **more: Any) -> None:
        nonlocal blocks
        blocks += 1
        number = blocks
        if number == 1:
            first_is_there.set()
            await may_end.wait()
        await real(*arguments, **more)
        if number == 5:
            raise ServiceUnavailable("The engine went away.")

    monkeypatch.setattr(house.inner, "insert_block", insert)
    await send(house.ingestor, 1, 50)
    await first_is_there.wait()
    in_call()
    deleting = asyncio.create_task(
        house.retention.deletions.delete_rows(UID, "platforms/demo", "events", "user_id % 2 = 0")
    )
    await asyncio.sleep(0.05)
    await send(house.ingestor, 51, 50)
    may_end.set()
    done = await deleting
    await house.quiet()
    assert done.state is DeletionState.DONE
    assert blocks == 9
    assert done.tables[0].matched_count == done.tables[0].deleted_count == 50
    assert await house.figures() == (50, 50)


async def test_a_recorded_deletion_outlives_a_journal_that_cannot_be_opened_for_a_while(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tries = house.retention._works._drain, 0

    async def drained(uid: str, table: str) -> None:
        nonlocal tries
        tries += 1
        if tries <= 2:
            raise OSError(5, "Input/output error")
        await real(uid, table)

    monkeypatch.setattr(house.retention._works, "_drain", drained)
    in_call()
    done = await house.retention.deletions.delete_user(UID, "platforms/demo", "1")
    assert tries == 3
    assert done.state is DeletionState.DONE
    assert done.tables[0].deleted_count == 1


async def test_nothing_is_deleted_where_the_engine_would_read_times_in_another_zone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await house.figures()
    monkeypatch.setattr(erasure, "_ZONE", "SELECT 'Asia/Kolkata', 0")
    in_call()
    with pytest.raises(QueryFailed) as caught:
        await house.retention.deletions.delete_rows(UID, "platforms/demo", "events", "user_id > 0")
    assert caught.value.metadata == {"time_zone": "Asia/Kolkata"}
    assert await house.figures() == before


async def test_a_persons_deletion_that_cannot_count_yet_holds_no_ingest_up(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded and tried again for as long as the engine cannot count; rows go in meanwhile."""
    works = house.retention._works
    real, may_count = works._erasure.count, False

    async def count(*arguments: Any) -> TableDeletion:
        if not may_count:
            raise QueryTimeout("Too slow today.")
        return await real(*arguments)

    monkeypatch.setattr(works._erasure, "count", count)
    in_call()
    deleting = asyncio.create_task(house.retention.deletions.delete_user(UID, "platforms/demo", "777"))
    await asyncio.sleep(0.1)
    await send(house.ingestor, 777, 1)
    await house.quiet()
    may_count = True
    done = await deleting
    assert (done.state, done.tables[0].deleted_count) == (DeletionState.DONE, 1)


async def test_who_comes_back_at_once_after_going_away_begins_anew(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    works, release = house.retention._works, asyncio.Event()
    real = works._drain

    async def drained(uid: str, table: str) -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0.05)  # it takes a moment to stop
            raise
        await real(uid, table)

    monkeypatch.setattr(works, "_drain", drained)
    in_call()

    def delete() -> asyncio.Task[Deletion]:
        asked = house.retention.deletions.delete_rows(
            UID, "platforms/demo", "events", "user_id = 778", request_id="again"
        )
        return asyncio.create_task(asked)

    first = delete()
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    second = delete()
    await asyncio.sleep(0.1)
    assert works.of_request(UID, "again") is not None
    release.set()
    assert (await second).state is DeletionState.DONE

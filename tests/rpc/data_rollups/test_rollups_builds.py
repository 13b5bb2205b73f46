"""Roll-ups over tables that people write into: built once, rebuilt after deletions, whole after a kill."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data import statements
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import engine_pool
from aidatalabs_services.data.deletion_records import TableDeletion, TableState
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.erasure import Erasure
from aidatalabs_services.data.errors import RollupInvalid
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.builds import Builder
from aidatalabs_services.data.rollups.declarations import STANDARD
from aidatalabs_services.data.rollups.derived import DerivedRollups
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.rollups.serving import RollupUse, Route
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable
from aidatalabs_services.runtime.metrics import Metrics
from tests.rpc.data.conftest import settings_in

pytestmark = pytest.mark.asyncio(loop_scope="module")
START = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_COLUMNS = ("timestamp", "event_type", "user_id", "value")
_TYPES = ("DateTime64(3)", "LowCardinality(String)", "UInt64", "Float64")
_ASKED = "event_type, count(), uniq(user_id), max(value)"
ASKED = f"SELECT {_ASKED} FROM events GROUP BY event_type ORDER BY event_type"


@dataclass
class Place:
    """One engine with what the data service builds upon it."""

    warehouse: MeasuredWarehouse
    schemas: SchemaCache
    holds: TableHolds
    pool: EnginePool

    def rollups(self, *, piece_rows: int = 1000, **more: Any) -> Rollups:
        """As a data service has them after its start."""
        builder = Builder(self.warehouse, self.holds, fsync=False, piece_rows=piece_rows)
        return Rollups(self.warehouse, self.schemas, self.holds, fsync=False, builder=builder, **more)

    async def insert(self, uid: str, number: int, rows: int = 100) -> None:
        """Block `number`: `rows` events over three months, the same for the same number."""
        whole = range(number * rows, (number + 1) * rows)
        data: list[list[Any]] = [
            [datetime.fromtimestamp(START + each * 7919 % 7_000_000, UTC) for each in whole],
            ["abc"[each % 3] for each in whole],
            [each % 41 for each in whole],
            [each / 8 for each in whole],
        ]
        async with self.holds.inserting(uid, "events"):
            await self.warehouse.insert_columns(
                uid, "events", _COLUMNS, _TYPES, data, token=f"block-{number}"
            )

    async def rows(self, uid: str, sql: str) -> list[list[Any]]:
        """Rows of a statement over the platform's database."""
        outcome = await self.warehouse.query(uid, sql, limits=records.OWN, query_id=new_query_id())
        return [list(row) for row in outcome.rows]

    async def served(self, uid: str, rollups: Rollups, sql: str) -> Route:
        """What a query runs as."""
        schema = await self.schemas.get(uid)
        tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
        statement = statements.admit(sql, tables, database=self.warehouse.database_of(uid))
        return await rollups.served(uid, statement, schema, RollupUse())

    async def check(self, uid: str, rollups: Rollups, count: int) -> None:
        """Asserts that both roll-ups hold `count` events, and what the rows hold."""
        served = await self.served(uid, rollups, ASKED)
        assert served.rollup == "events_by_day", served
        wanted = await self.rows(uid, ASKED)
        assert await self.rows(uid, served.sql) == wanted
        assert sum(int(row[1]) for row in wanted) == count
        for record in await rollups.list(uid):
            held = await self.rows(uid, f"SELECT countMerge(_s0) FROM {record.target}")
            assert held == [[count]], record


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """An engine pool in a directory of its own."""
    pool = engine_pool(settings_in(tmp_path_factory.mktemp("builds")))
    holds = TableHolds()
    warehouse = MeasuredWarehouse(ClickHouseWarehouse(EmbeddedServers(pool)), Metrics())
    yield Place(warehouse, SchemaCache(warehouse.schema, ttl_seconds=5.0), holds, pool)
    await warehouse.close()


async def old_home(place: Place) -> str:
    """The uid of a platform as it was made before there were roll-ups."""
    uid = str(uuid.uuid4())
    await Tables(place.warehouse, place.schemas, fsync=False).provision(uid)
    return uid


async def test_an_older_home_gets_its_roll_ups_while_events_come_in(place: Place) -> None:
    uid = await old_home(place)
    for number in range(20):
        await place.insert(uid, number)
    rollups = place.rollups()
    stop = asyncio.Event()
    sent = 20

    async def writer() -> None:
        nonlocal sent
        while not stop.is_set():
            await place.insert(uid, sent)
            sent += 1

    writing = asyncio.create_task(writer())
    await asyncio.sleep(0.1)
    first = await place.served(uid, rollups, ASKED)
    assert first.rollup == ""  # it is being built; nobody waits for it
    await rollups.provision(uid)
    await asyncio.sleep(0.1)
    stop.set()
    await writing
    assert sent > 22
    await place.check(uid, rollups, sent * 100)
    assert not [name for name in (await records.find(place.warehouse, uid)).names if name.endswith("_src")]


@pytest.mark.soak
async def test_rows_deleted_behind_a_fence_are_gone_from_the_rebuilt_roll_ups(place: Place) -> None:
    uid = await old_home(place)
    rollups = place.rollups()
    await rollups.provision(uid)
    for number in range(10):
        await place.insert(uid, number)
    await place.check(uid, rollups, 1000)
    derived = DerivedRollups(rollups)
    noted = await derived.prepare(uid, "events", "user_id = 7", key="d1")
    await delete_person(place, uid)
    fenced = await place.served(uid, rollups, ASKED)
    assert fenced.rollup == ""
    await place.insert(uid, 10)
    await derived.correct(uid, "events", noted, key="d1")
    ((count,),) = await place.rows(uid, "SELECT count() FROM events")
    assert count < 1100
    await place.check(uid, rollups, count)
    await place.insert(uid, 11)
    await place.check(uid, rollups, count + 100)


@pytest.mark.soak
async def test_a_fence_ends_builds_that_have_read_the_rows_before(place: Place) -> None:
    uid = await old_home(place)
    for number in range(10):
        await place.insert(uid, number)
    rollups = place.rollups(piece_rows=20)
    building = asyncio.create_task(rollups.provision(uid))
    await asyncio.sleep(0.15)
    await rollups.fence(uid, "events")
    await asyncio.gather(building, return_exceptions=True)
    await delete_person(place, uid)
    assert (await place.served(uid, rollups, ASKED)).rollup == ""
    await rollups.rebuild(uid, "events")
    ((count,),) = await place.rows(uid, "SELECT count() FROM events")
    assert count < 1000
    await place.check(uid, rollups, count)


async def test_a_deletion_that_was_killed_leaves_true_roll_ups_when_it_goes_on(place: Place) -> None:
    uid = await old_home(place)
    rollups = place.rollups()
    await rollups.provision(uid)
    await place.insert(uid, 0)
    await DerivedRollups(rollups).prepare(uid, "events", "user_id = 7", key="d1")
    await rollups.close()
    after = place.rollups(is_held=lambda of, table: True)
    await after.provision(uid)
    assert {record.state for record in await after.list(uid)} == {records.FENCED}  # nobody builds meanwhile
    await delete_person(place, uid)
    for _ in range(2):  # a second kill may come at its end
        await DerivedRollups(after).correct(uid, "events", "", key="d1")
    ((count,),) = await place.rows(uid, "SELECT count() FROM events")
    assert count < 100
    await place.check(uid, after, count)


async def test_standard_roll_ups_that_are_turned_off_go_and_do_not_come_back(place: Place) -> None:
    uid = await old_home(place)
    await place.rollups().provision(uid)
    without = place.rollups(standard=False)
    await without.provision(uid)
    assert await without.list(uid) == []
    assert not (await records.find(place.warehouse, uid)).names
    await place.insert(uid, 0)
    assert (await place.served(uid, without, ASKED)).rollup == ""
    with pytest.raises(RollupInvalid):
        await without.create(uid, STANDARD[0])


@pytest.mark.soak
async def test_a_fence_outlives_the_service(place: Place) -> None:
    uid = await old_home(place)
    rollups = place.rollups()
    await rollups.provision(uid)
    await place.insert(uid, 0)
    await rollups.fence(uid, "events")
    await delete_person(place, uid)
    await rollups.close()
    after = place.rollups()
    assert (await place.served(uid, after, ASKED)).rollup == ""
    await after.provision(uid)
    ((count,),) = await place.rows(uid, "SELECT count() FROM events")
    await place.check(uid, after, count)


@pytest.mark.soak
async def test_blocks_repeated_around_kills_are_in_the_roll_ups_once(place: Place) -> None:
    uid = await old_home(place)
    rollups = place.rollups()
    await rollups.provision(uid)
    for number in range(16):
        sending = asyncio.create_task(send_until_known(place, uid, number))
        if number % 6 == 3:
            await asyncio.sleep(0.001 * number)
            kill_engine(place, uid)
        await sending
        await place.insert(uid, number)  # the same block with its token once more
    await place.check(uid, rollups, 1600)


@pytest.mark.soak
async def test_a_build_that_a_kill_cut_short_is_begun_anew(place: Place) -> None:
    uid = await old_home(place)
    for number in range(30):
        await place.insert(uid, number)
    rollups = place.rollups(piece_rows=50)
    building = asyncio.create_task(rollups.provision(uid))
    await asyncio.sleep(0.15)
    kill_engine(place, uid)
    await asyncio.gather(building, return_exceptions=True)
    await rollups.close()
    after = place.rollups()
    for _ in range(50):
        try:
            await after.provision(uid)
            break
        except ServiceError:
            await asyncio.sleep(0.1)
    await place.check(uid, after, 3000)


async def delete_person(place: Place, uid: str) -> None:
    """Deletes the rows of one user, and waits until they are gone."""
    await place.warehouse.execute(uid, "ALTER TABLE events DELETE WHERE user_id = 7", table="events")
    while await place.rows(uid, "SELECT 1 FROM system.mutations WHERE NOT is_done"):
        await asyncio.sleep(0.02)


async def send_until_known(place: Place, uid: str, number: int) -> None:
    """Inserts a block as the sink does: again with its token until the engine has confirmed it."""
    while True:
        try:
            await place.insert(uid, number)
            return
        except ServiceError:
            await asyncio.sleep(0.02)


def kill_engine(place: Place, uid: str) -> None:
    """Ends the platform's engine process at once."""
    place.pool.running()[uid].kill()


def losing_its_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next block goes into the table, and whoever sent it is never told."""
    inner = place.warehouse._inner
    real = inner.insert_columns

    async def insert(*arguments: Any, **more: Any) -> int:
        monkeypatch.setattr(inner, "insert_columns", real)
        await real(*arguments, **more)
        raise ServiceUnavailable("The engine went away.")

    monkeypatch.setattr(inner, "insert_columns", insert)


@pytest.mark.parametrize("is_known", [True, False], ids=["in doubt", "broken twin"])
async def test_a_block_whose_answer_was_lost_is_counted_once_by_a_roll_up_built_before_it_comes_again(
    place: Place, monkeypatch: pytest.MonkeyPatch, is_known: bool
) -> None:
    uid = await old_home(place)
    await place.insert(uid, 0)
    losing_its_answer(place, monkeypatch)
    with pytest.raises(ServiceUnavailable):
        await place.insert(uid, 1)
    sink = asyncio.Event()

    async def drained(of: str, table: str) -> None:
        await sink.wait()

    known: dict[str, Any] = {"doubts": place.warehouse._doubts, "drained": drained} if is_known else {}
    builder = Builder(place.warehouse, place.holds, fsync=False, **known)
    rollups = Rollups(place.warehouse, place.schemas, place.holds, fsync=False, builder=builder)
    building = asyncio.create_task(rollups.provision(uid))
    if is_known:
        await asyncio.sleep(0.2)
        assert not building.done()
        await place.insert(uid, 1)
        sink.set()
        await building
        await place.check(uid, rollups, 200)
    else:
        await building
        await place.insert(uid, 1)
        with pytest.raises(AssertionError):
            await place.check(uid, rollups, 200)


async def test_a_block_that_never_comes_again_keeps_no_roll_up_waiting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = await old_home(place)
    losing_its_answer(place, monkeypatch)
    with pytest.raises(ServiceUnavailable):
        await place.insert(uid, 1)
    assert place.warehouse._doubts.of(uid, "events") == {"block-1"}
    builder = Builder(place.warehouse, place.holds, fsync=False, doubts=place.warehouse._doubts)
    rollups = Rollups(place.warehouse, place.schemas, place.holds, fsync=False, builder=builder)
    await rollups.provision(uid)
    await place.check(uid, rollups, 100)


async def test_a_table_that_is_back_when_its_turn_comes_has_its_roll_ups_put_right(place: Place) -> None:
    uid = await old_home(place)
    rollups = place.rollups()
    await rollups.provision(uid)
    await place.insert(uid, 0)
    (identity,) = {
        table.identity for table in (await place.schemas.get(uid)).values() if table.name == "events"
    }
    erasure = Erasure(place.warehouse, records.OWN, [DerivedRollups(rollups)])
    # A person's deletion noted it while it was dropped; before its turn it was brought back.
    entry = TableDeletion("events", identity, "user_id = 7", "", dropped=True)

    async def keep(_entry: TableDeletion) -> None:
        """Nothing is killed here."""

    counted = await erasure.count(uid, entry, "events")
    ready = await erasure.prepare(uid, counted, "events", "d1")
    done = await erasure.delete(uid, ready, "events", "d1", keep=keep, show=lambda _entry: None)
    assert (done.state, done.deleted_count, done.remaining_count) == (TableState.DONE, 3, 0)
    await place.check(uid, rollups, 97)

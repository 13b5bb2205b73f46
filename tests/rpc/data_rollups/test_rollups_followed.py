"""Asynchronous roll-ups on a real engine: answers are those of the rows, however far the worker has come."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data import statements
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import engine_pool
from aidatalabs_services.data.errors import RollupAlreadyExists
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.rollups import plans, records
from aidatalabs_services.data.rollups.declarations import (
    Declaration,
    Grain,
    Kind,
    Maintenance,
    Measure,
)
from aidatalabs_services.data.rollups.derived import DerivedRollups
from aidatalabs_services.data.rollups.epochs import Blocks, Epochs
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.rollups.serving import RollupUse, Route
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable
from aidatalabs_services.runtime.metrics import Metrics
from tests.rpc.data.conftest import settings_in
from tests.rpc.data_rollups.test_rollups_builds import (
    Place,
    delete_person,
    kill_engine,
    old_home,
    send_until_known,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
USERS = Declaration(
    "users_by_day",
    "events",
    "timestamp",
    Grain.DAY,
    ("event_type",),
    (Measure("user_id", Kind.UNIQ_EXACT), Measure("user_id", Kind.SUM), Measure("value", Kind.MAX)),
    Maintenance.ASYNCHRONOUS,
)
ASKED = (
    "SELECT event_type, count(), uniqExact(user_id), sum(user_id), max(value) FROM events "
    "GROUP BY event_type ORDER BY event_type"
)
CUT = (
    "SELECT toDate(timestamp) AS d, count(), sum(user_id) FROM events "
    "WHERE timestamp >= '2026-01-05 07:30:00' AND timestamp < '2026-02-20 13:00:01' GROUP BY d ORDER BY d"
)
_NEVER = 3600.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """An engine pool in a directory of its own."""
    pool = engine_pool(settings_in(tmp_path_factory.mktemp("followed")))
    warehouse = MeasuredWarehouse(ClickHouseWarehouse(EmbeddedServers(pool)), Metrics())
    yield Place(warehouse, SchemaCache(warehouse.schema, ttl_seconds=5.0), TableHolds(), pool)
    await warehouse.close()


def followed_in(place: Place, *, seconds: float = 0.02, **more: Any) -> Rollups:
    """As a data service has them that looks often; no standard ones, which would serve first."""
    return place.rollups(standard=False, writes=place.warehouse.writes, follow_seconds=seconds, **more)


async def served(place: Place, uid: str, rollups: Rollups, sql: str, use: RollupUse = RollupUse()) -> Route:  # noqa: B008
    """What a query runs as."""
    schema = await place.schemas.get(uid)
    tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
    statement = statements.admit(sql, tables, database=place.warehouse.database_of(uid))
    return await rollups.served(uid, statement, schema, use)


class WrongAnswerError(Exception):
    """The roll-up gives something else than the rows."""


async def check(place: Place, uid: str, rollups: Rollups) -> Route:
    """Asserts that the roll-up gives what the rows give, of whole days and of cut ones."""
    for sql in (ASKED, CUT):
        route = await served(place, uid, rollups, sql)
        assert route.rollup == "users_by_day", route
        found, wanted = await place.rows(uid, route.sql), await place.rows(uid, sql)
        if found != wanted:
            raise WrongAnswerError(f"{route}: {found}, not {wanted}")
    return route


async def caught_up(place: Place, uid: str, rollups: Rollups) -> None:
    """Returns when the states lack no row."""
    async with asyncio.timeout(20):
        while (await rollups.get(uid, "users_by_day")).behind_rows:
            await asyncio.sleep(0.02)


async def test_rows_that_no_state_has_yet_are_read_themselves(place: Place) -> None:
    uid = await old_home(place)
    await place.insert(uid, 0)
    rollups = followed_in(place, seconds=_NEVER)
    made = await rollups.create(uid, USERS)
    assert (made.state, made.behind_rows) == (records.READY, 0)
    assert await rollups.create(uid, USERS) == replace(made, lag_seconds=0.0)
    with pytest.raises(RollupAlreadyExists):
        await rollups.create(uid, replace(USERS, maintenance=Maintenance.SYNCHRONOUS))
    for number in range(1, 4):
        await place.insert(uid, number)
        await place.insert(uid, number)  # its answer was lost, and it came again
    found = await rollups.get(uid, "users_by_day")
    assert (found.behind_rows, found.lag_seconds > 0) == (300, True)
    route = await check(place, uid, rollups)
    assert "not in it yet, were read themselves" in route.reason
    assert route.lag_seconds > 0
    await rollups.close()


async def test_a_worker_brings_the_states_to_the_rows_and_then_rests(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place)
    await rollups.create(uid, USERS)
    for number in range(12):
        await place.insert(uid, number)
    await caught_up(place, uid, rollups)
    await check(place, uid, rollups)
    held = await place.rows(
        uid, "SELECT sum(rows) FROM system.parts WHERE active AND table LIKE '_rollup_u%'"
    )
    assert int(held[0][0]) < 12 * 100
    async with asyncio.timeout(20):
        while rollups.followers.longest_lag_seconds():
            await asyncio.sleep(0.02)
    route = await served(place, uid, rollups, ASKED)
    assert (route.lag_seconds, "read themselves" in route.reason) == (0.0, False)
    asked: list[str] = []
    inner, rows = place.warehouse._inner, place.warehouse._inner.query

    async def query(*arguments: Any, **more: Any) -> Any:
        asked.append(arguments[1])
        return await rows(*arguments, **more)

    inner.query = query  # type: ignore[method-assign]
    await asyncio.sleep(0.2)
    inner.query = rows  # type: ignore[method-assign]
    assert asked == []  # an engine that nobody uses may stop
    await rollups.close()


async def compared_while_all_goes_on(place: Place, uid: str, rollups: Rollups, *, seed: int) -> None:
    """Inserts, deletions and a busy worker at once; the answers of moments without inserts are compared."""
    chance = random.Random(seed)
    derived = DerivedRollups(rollups)
    number = 0
    for turn in range(10):
        for _ in range(chance.randint(0, 3)):
            await place.insert(uid, number, rows=chance.choice([1, 7, 100]))
            number += 1
        if turn in (4, 8):
            noted = await derived.prepare(uid, "events", "user_id = 7", key=f"d{turn}")
            await delete_person(place, uid)
            await derived.correct(uid, "events", noted, key=f"d{turn}")
        if turn == 6:
            await place.warehouse.execute(uid, "OPTIMIZE TABLE events FINAL", table="events")
        await asyncio.sleep(chance.choice([0.0, 0.02, 0.05]))
        await check(place, uid, rollups)
    await caught_up(place, uid, rollups)
    await check(place, uid, rollups)


async def test_answers_are_those_of_the_rows_whatever_the_worker_does_meanwhile(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.001)
    await rollups.create(uid, USERS)
    await compared_while_all_goes_on(place, uid, rollups, seed=1)
    await rollups.close()


def all_states_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin in which nothing says which states count."""
    monkeypatch.setattr(plans, "epoch_condition", lambda progress: "1")


def one_block_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that takes a block for visible which is not."""
    real = Epochs.next_blocks

    async def next_blocks(self: Epochs, uid: str, table: str, above: int, *, piece_rows: int) -> Blocks:
        found = await real(self, uid, table, above, piece_rows=piece_rows)
        more = found.top + (found.top > above)
        return replace(found, upto=more, top=more)

    monkeypatch.setattr(Epochs, "next_blocks", next_blocks)


def from_the_first_block_of_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twin that does not know which rows of a merged part are old."""

    def condition(above: int, upto: int | None = None) -> str:
        held = [f"toUInt64(splitByChar('_', `_part`)[3]) > {above}"]
        return " AND ".join([*held, *([f"`_block_number` <= {upto}"] if upto else [])])

    monkeypatch.setattr(plans, "block_condition", condition)


@pytest.mark.parametrize(
    "broken",
    [
        all_states_count,
        pytest.param(one_block_too_far, marks=pytest.mark.soak),
        pytest.param(from_the_first_block_of_a_part, marks=pytest.mark.soak),
    ],
)
async def test_a_broken_twin_is_found_out(
    place: Place, monkeypatch: pytest.MonkeyPatch, broken: Callable[[pytest.MonkeyPatch], None]
) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.001)
    await rollups.create(uid, USERS)
    broken(monkeypatch)

    async def some() -> None:
        for seed in range(2, 6):
            await compared_while_all_goes_on(place, uid, rollups, seed=seed)

    with pytest.raises(WrongAnswerError):
        await some()
    await rollups.close()


@pytest.mark.parametrize("lost", ["the record", pytest.param("the piece", marks=pytest.mark.soak)])
async def test_a_kill_between_the_states_and_their_record_counts_nothing_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.01)
    await rollups.create(uid, USERS)
    reached = asyncio.Event()
    real = records.put

    async def put(*arguments: Any) -> None:
        if lost == "the record":
            await real(*arguments)  # it is written, and nobody hears of it
        kill_engine(place, uid)
        reached.set()
        raise ServiceUnavailable("The engine went away.")

    monkeypatch.setattr(records, "put", put)
    await place.insert(uid, 0)
    await asyncio.wait_for(reached.wait(), 10)
    await rollups.close()
    monkeypatch.undo()
    await send_until_known(place, uid, 0)
    await send_until_known(place, uid, 1)
    after = followed_in(place)
    await check(place, uid, after)
    for number in range(2, 12):  # until epochs are put together: then what nobody lists is swept away
        await place.insert(uid, number)
        await caught_up(place, uid, after)
        await check(place, uid, after)
    record = await after.get(uid, "users_by_day")
    assert record.progress is not None
    listed = record.progress.numbers
    stored = await Epochs(place.warehouse).stored(uid, record.target)
    assert len(stored) <= len(listed) + 5, (stored, listed)
    await after.close()


async def test_states_that_a_query_is_about_to_read_stay_until_it_has(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.005)
    await rollups.create(uid, USERS)
    for number in range(3):
        await place.insert(uid, number)
        await caught_up(place, uid, rollups)
    route = await served(place, uid, rollups, ASKED)
    read = (await held_by(rollups, uid)).numbers
    for number in range(3, 15):
        await place.insert(uid, number)
        await caught_up(place, uid, rollups)
    # They were put together with others, and are there: what was planned long ago is still the whole answer.
    assert not read <= (await held_by(rollups, uid)).numbers
    assert await place.rows(uid, route.sql) == await place.rows(uid, ASKED)
    target = (await rollups.get(uid, "users_by_day")).target
    del route
    gc.collect()
    async with asyncio.timeout(20):
        while read & {each.number for each in await Epochs(place.warehouse).stored(uid, target)}:
            await place.insert(uid, number := number + 1)
            await asyncio.sleep(0.02)
    await check(place, uid, rollups)
    await rollups.close()


async def held_by(rollups: Rollups, uid: str) -> Progress:
    """How far the roll-up is."""
    progress = (await rollups.get(uid, "users_by_day")).progress
    assert progress is not None
    return progress


@pytest.mark.soak
async def test_who_accepts_an_age_is_answered_from_the_states_alone(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.3)
    await rollups.create(uid, USERS)
    await place.insert(uid, 0)
    await caught_up(place, uid, rollups)
    await place.insert(uid, 1)
    fresh = await served(place, uid, rollups, ASKED)
    aged = await served(place, uid, rollups, ASKED, RollupUse(max_staleness_seconds=60.0))
    narrow = await served(place, uid, rollups, ASKED, RollupUse(max_staleness_seconds=1e-6))
    assert (fresh.is_stale, aged.is_stale, narrow.is_stale) == (False, True, False)
    assert ("_block_number" in fresh.sql, "_block_number" in aged.sql) == (True, False)
    assert 0 < aged.lag_seconds < 60
    assert "as was accepted" in aged.reason
    assert sum(row[1] for row in await place.rows(uid, aged.sql)) in (100, 200)
    await rollups.close()


async def test_rows_that_all_expired_before_a_start_leave_no_gap_in_the_count(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place)
    await rollups.create(uid, USERS)
    for number in range(6):
        await place.insert(uid, number)
    await caught_up(place, uid, rollups)
    await rollups.close()
    for sql in (
        "ALTER TABLE events MODIFY SETTING merge_with_ttl_timeout = 0, old_parts_lifetime = 0",
        "ALTER TABLE events MODIFY TTL timestamp + INTERVAL 1 DAY",
        "OPTIMIZE TABLE events FINAL",
    ):
        await place.warehouse.execute(uid, sql, table="events")
    async with asyncio.timeout(20):
        while (await place.rows(uid, "SELECT count() FROM events")) != [[0]]:
            await asyncio.sleep(0.05)
    await place.warehouse.execute(uid, "ALTER TABLE events REMOVE TTL", table="events")
    kill_engine(place, uid)
    await send_until_known(place, uid, 50)
    ((lowest,),) = await place.rows(uid, "SELECT min(_block_number) FROM events")
    assert int(lowest) > 6  # else it would look like a row of long ago
    after = followed_in(place)
    found = await after.get(uid, "users_by_day")
    assert found.behind_rows == 100
    await after.close()


@pytest.mark.soak
async def test_states_that_are_gone_are_made_anew(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place)
    await rollups.create(uid, USERS)
    await place.insert(uid, 0)
    await caught_up(place, uid, rollups)
    record = await rollups.get(uid, "users_by_day")
    await rollups.close()
    assert record.progress is not None
    for number in record.progress.numbers:
        await Epochs(place.warehouse).drop(uid, record.target, number)
    after = followed_in(place)
    async with asyncio.timeout(20):
        while (await served(place, uid, after, ASKED)).rollup != "users_by_day":
            await asyncio.sleep(0.02)
    await check(place, uid, after)
    await after.close()


@pytest.mark.soak
async def test_pieces_are_small_and_whole_blocks_also_of_a_long_history(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, piece_rows=150)
    await rollups.create(uid, USERS)
    seen: list[int] = []
    real = Epochs._insert

    async def insert(self: Epochs, uid: str, target: str, states: str, number: int) -> None:
        counted = states.partition("FROM (SELECT")[2].partition(") GROUP BY")[0]
        if counted:
            found = await place.rows(uid, f"SELECT count() FROM (SELECT{counted})")
            seen.append(int(found[0][0]))
        await real(self, uid, target, states, number)

    monkeypatch.setattr(Epochs, "_insert", insert)
    for number in range(8):
        await place.insert(uid, number)
    await caught_up(place, uid, rollups)
    assert seen
    assert max(seen) <= 300
    await check(place, uid, rollups)
    await rollups.close()


@pytest.mark.soak
async def test_kills_of_the_engine_at_any_moment_count_nothing_twice_and_nothing_never(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.001)
    await rollups.create(uid, USERS)
    chance = random.Random(3)
    for number in range(60):
        await send_until_known(place, uid, number)
        if chance.random() < 0.25:
            await asyncio.sleep(chance.random() * 0.05)
            kill_engine(place, uid)
        if chance.random() < 0.1:
            await rollups.close()
            rollups = followed_in(place, seconds=0.001)
        async with asyncio.timeout(30):
            while True:
                try:
                    if (await served(place, uid, rollups, ASKED)).rollup:
                        await check(place, uid, rollups)
                        break
                except ServiceError:
                    pass
                await asyncio.sleep(0.02)
    await caught_up(place, uid, rollups)
    await check(place, uid, rollups)
    await rollups.close()

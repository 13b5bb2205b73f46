"""Asynchronous roll-ups on a real engine: answers are those of the rows, however far the worker has come."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data.errors import RollupAlreadyExists
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.declarations import Maintenance
from aidatalabs_services.data.rollups.epochs import Epochs
from aidatalabs_services.data.rollups.serving import RollupUse
from tests.rpc.data_rollups.followed import (
    ASKED,
    USERS,
    caught_up,
    check,
    followed_in,
    held_by,
    place_in,
    served,
)
from tests.rpc.data_rollups.test_rollups_builds import (
    Place,
    kill_engine,
    old_home,
    send_until_known,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
_NEVER = 3600.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """An engine pool in a directory of its own."""
    async with place_in(tmp_path_factory.mktemp("followed")) as made:
        yield made


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

    del route
    inner.query = query  # type: ignore[method-assign]
    async with asyncio.timeout(20):
        while await asyncio.sleep(0.2, len(asked)):  # an engine that nobody uses may stop
            asked.clear()
    inner.query = rows  # type: ignore[method-assign]
    await rollups.close()


async def test_states_that_a_query_is_about_to_read_stay_until_it_has(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.005)
    await rollups.create(uid, USERS)
    for number in range(3):
        await place.insert(uid, number)
        await caught_up(place, uid, rollups)
    route = await served(place, uid, rollups, ASKED)
    read = (await held_by(rollups, uid)).numbers
    for number in range(3, 9):
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

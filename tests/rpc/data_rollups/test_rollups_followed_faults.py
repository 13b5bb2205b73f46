"""Asynchronous roll-ups while rows come and go, engines are killed, or a piece of the design is missing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs_services.data.rollups import plans, records
from aidatalabs_services.data.rollups.derived import DerivedRollups
from aidatalabs_services.data.rollups.epochs import Blocks, Epochs
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable
from tests.rpc.data_rollups.followed import (
    ASKED,
    USERS,
    WrongAnswerError,
    caught_up,
    check,
    followed_in,
    place_in,
    served,
)
from tests.rpc.data_rollups.test_rollups_builds import (
    Place,
    delete_person,
    kill_engine,
    old_home,
    send_until_known,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Place]:
    """An engine pool in a directory of its own."""
    async with place_in(tmp_path_factory.mktemp("followed")) as made:
        yield made


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
        for seed in range(2, 14):  # it has to meet a merge in the right moment
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
    for number in range(2, 8):  # until epochs are put together: then what nobody lists is swept away
        await place.insert(uid, number)
        await caught_up(place, uid, after)
        await check(place, uid, after)
    record = await after.get(uid, "users_by_day")
    assert record.progress is not None
    listed = record.progress.numbers
    stored = await Epochs(place.warehouse).stored(uid, record.target)
    assert len(stored) <= len(listed) + 5, (stored, listed)
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
@pytest.mark.timeout(400)
async def test_kills_of_the_engine_at_any_moment_count_nothing_twice_and_nothing_never(place: Place) -> None:
    uid = await old_home(place)
    rollups = followed_in(place, seconds=0.001)
    await rollups.create(uid, USERS)
    chance = random.Random(3)
    for number in range(30):
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

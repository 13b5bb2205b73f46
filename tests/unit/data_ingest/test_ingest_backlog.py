"""How far a table may be behind what is acknowledged for it: by the time that storing it takes."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from types import SimpleNamespace

import pytest

from aidatalabs_services.data import backlog as module
from aidatalabs_services.data.backlog import MIB, Backlog, Room
from aidatalabs_services.runtime.errors import Overloaded, ServiceUnavailable

LIMIT_SECONDS = 4.0
TABLE = "trips"
ROWS_OF_A_MIB = int(MIB / module._ROW_BYTES)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """The moment."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The only clock of the backlog."""
    made = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=made.monotonic))
    return made


class Engine:
    """Stores the blocks of a table in order: `rate` bytes a second, and a hundredth of one for each block."""

    def __init__(self, backlog: Backlog, clock: Clock, rate: float, table: str = TABLE) -> None:
        self.rate = rate
        self.blocks: list[int] = []
        self._backlog = backlog
        self._clock = clock
        self._table = table

    def journalled(self, size: int, rows: int = 0) -> None:
        """A group of one block was acknowledged."""
        self.blocks.append(size)
        self._backlog.add(self._table, [size], rows)

    def store(self, seconds: float | None = None) -> None:
        """Stores the oldest block in its time, or in the given."""
        size = self.blocks.pop(0)
        with self._backlog.inserting(self._table, size) as begun:
            begun()
            self._clock.now += 0.01 + size / self.rate if seconds is None else seconds
        self._backlog.remove(self._table, [size])

    def fail(self, error: Exception, seconds: float) -> None:
        """Tries the oldest block in vain."""
        with contextlib.suppress(type(error)), self._backlog.inserting(self._table, self.blocks[0]) as begun:
            begun()
            self._clock.now += seconds
            raise error

    @property
    def seconds(self) -> float:
        """How long all that waits really takes."""
        return sum(0.01 + size / self.rate for size in self.blocks)


def fill(backlog: Backlog, engine: Engine, size: int = MIB) -> Overloaded:
    """Calls come until one is refused; the refusal."""
    for _ in range(10_000):
        try:
            room = backlog.enter(TABLE, int(size / module._ROW_BYTES))
        except Overloaded as refusal:
            return refusal
        engine.journalled(size)
        room.leave()
    raise AssertionError("nothing was refused")


def warmed(backlog: Backlog, clock: Clock, rate: float) -> Engine:
    """A table whose pace is known."""
    engine = Engine(backlog, clock, rate)
    for _ in range(20):
        engine.journalled(int(rate / 2))
        engine.store()
    backlog._tables[TABLE].spare_bytes = 0.0
    return engine


@pytest.mark.parametrize("rate", [5 * MIB, 20 * MIB, 80 * MIB])
def test_as_much_is_taken_as_is_stored_in_the_bound_and_the_refusal_says_when_to_come_back(
    clock: Clock, rate: float
) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, rate)
    refusal = fill(backlog, engine, int(rate / 10))
    assert 0.6 * LIMIT_SECONDS <= engine.seconds <= 1.4 * LIMIT_SECONDS
    assert refusal.metadata["table"] == TABLE
    assert refusal.metadata["limit"] == "ingest_backlog_seconds"
    assert refusal.retry_after_seconds is not None
    come_back = clock.now + refusal.retry_after_seconds
    while clock.now < come_back:
        engine.store()
    backlog.enter(TABLE, ROWS_OF_A_MIB).leave()


@pytest.mark.parametrize("seed", range(3))
def test_ten_times_too_much_for_a_minute_is_behind_by_the_bound_alone(clock: Clock, seed: int) -> None:
    chance = random.Random(seed)
    backlog = Backlog(LIMIT_SECONDS)
    engine = Engine(backlog, clock, 30 * MIB)
    begun, idle, offered, worst = clock.now, 0.0, 0.0, 0.0
    while clock.now < begun + 60:
        # The engine merges now and then: half as fast for a while.
        engine.rate = chance.choice([15, 30, 30, 40]) * MIB
        while offered < (clock.now - begun) * 300 * MIB:
            size = chance.choice([2_000, 150_000, MIB, 8 * MIB])
            offered += size
            with contextlib.suppress(Overloaded):
                backlog.enter(TABLE, int(size / module._ROW_BYTES)).leave()
                engine.journalled(size)
        worst = max(worst, engine.seconds if clock.now > begun + 5 else 0)
        if engine.blocks:
            engine.store()
        else:
            clock.now += 0.01
            idle += 0.01
    assert worst <= 2 * LIMIT_SECONDS
    assert idle < 0.1  # what it can do it does
    ended = clock.now
    while engine.blocks:
        engine.store()
    assert clock.now - ended <= 2 * LIMIT_SECONDS
    assert backlog.seconds(TABLE) == 0


def test_an_engine_that_is_away_takes_the_bound_away_and_leaves_the_pace_as_it_was(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    pace = backlog._tables[TABLE].pace.bytes_each_second
    fill(backlog, engine)
    engine.fail(ServiceUnavailable("gone"), 0.01)
    with pytest.raises(Overloaded):
        backlog.enter(TABLE, ROWS_OF_A_MIB)
    clock.now += 30
    engine.fail(ServiceUnavailable("gone"), 0.01)
    for _ in range(200):
        backlog.enter(TABLE, ROWS_OF_A_MIB).leave()
        engine.journalled(MIB)
    assert backlog.is_stopped(TABLE)
    engine.store()
    assert not backlog.is_stopped(TABLE)
    assert backlog._tables[TABLE].pace.bytes_each_second == pace
    with pytest.raises(Overloaded):
        backlog.enter(TABLE, 20 * ROWS_OF_A_MIB)


def test_what_gathered_while_the_engine_was_away_lets_half_of_what_leaves_in(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    for _ in range(400):
        engine.journalled(MIB)
    taken = 0
    for _ in range(200):
        engine.store()
        with contextlib.suppress(Overloaded):
            backlog.enter(TABLE, ROWS_OF_A_MIB).leave()
            engine.journalled(MIB)
            taken += 1
    assert 90 <= taken <= 105
    assert len(engine.blocks) < 310


def test_what_an_earlier_process_left_refuses_no_small_call(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    for _ in range(800):
        backlog.add(TABLE, [MIB], 0)
    for _ in range(100):
        backlog.enter(TABLE, 100).leave()
    assert fill(backlog, Engine(backlog, clock, MIB))


def test_an_engine_that_says_it_has_too_much_to_do_is_slow_not_away(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    fill(backlog, engine)
    before = backlog.seconds(TABLE)
    for _ in range(10):
        engine.fail(Overloaded("too many parts"), 1.0)
    assert not backlog.is_stopped(TABLE)
    with pytest.raises(Overloaded):
        backlog.enter(TABLE, ROWS_OF_A_MIB)
    engine.store()
    assert backlog.seconds(TABLE) > before  # the time counted


def test_rows_of_a_held_table_are_acknowledged_and_its_wait_is_not_the_engines(
    clock: Clock,
) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    pace = backlog._tables[TABLE].pace.bytes_each_second
    fill(backlog, engine)
    with backlog.inserting(TABLE, engine.blocks[0]) as begun:
        clock.now += 60
        assert backlog.is_stopped(TABLE)
        backlog.enter(TABLE, 100 * ROWS_OF_A_MIB).leave()
        begun()
        assert not backlog.is_stopped(TABLE)
    assert backlog._tables[TABLE].pace.bytes_each_second == pace


def test_a_pace_that_changed_for_good_is_believed_soon(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 40 * MIB)
    for rate in (MIB, 40 * MIB):
        engine.rate, begun = rate, clock.now
        while not 0.6 * rate <= backlog._tables[TABLE].pace.bytes_each_second <= 1.7 * rate:
            engine.journalled(MIB)
            engine.store()
        assert clock.now - begun < 15


def test_one_block_that_took_long_says_little(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    pace = backlog._tables[TABLE].pace.bytes_each_second
    engine.journalled(2_000)
    engine.store(30.0)
    assert backlog._tables[TABLE].pace.bytes_each_second > pace / 2


def test_a_table_of_small_calls_is_never_refused_however_slow_the_machine_is(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = Engine(backlog, clock, 20 * MIB)
    for _ in range(200):
        engine.journalled(500, 5)
        engine.store(2.0)
    for _ in range(60):
        backlog.enter(TABLE, 10).leave()
        engine.journalled(500, 5)


def test_one_table_says_nothing_about_another(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    fill(backlog, warmed(backlog, clock, 20 * MIB))
    backlog.enter("rides", 40 * ROWS_OF_A_MIB).leave()
    assert backlog.seconds("rides") == 0


def test_rows_are_counted_as_large_as_those_before_were(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    for _ in range(10):
        engine.journalled(MIB, rows=10)
        engine.store()
    rooms = []
    with contextlib.suppress(Overloaded):
        for _ in range(200):
            rooms.append(backlog.enter(TABLE, 10))
    assert 60 <= len(rooms) <= 100
    for room in rooms:
        room.leave()
        room.leave()
    assert backlog.seconds(TABLE) == 0


def test_names_that_nothing_was_journalled_for_are_forgotten() -> None:
    backlog = Backlog(LIMIT_SECONDS)
    for number in range(100):
        backlog.enter(f"t{number}", 10).leave()
    assert backlog._tables == {}


async def test_a_batch_waits_for_its_room_and_leaves_some_to_calls(clock: Clock) -> None:
    backlog = Backlog(LIMIT_SECONDS)
    engine = warmed(backlog, clock, 20 * MIB)
    while backlog.seconds(TABLE) <= 0.8 * LIMIT_SECONDS:
        engine.journalled(MIB)
    backlog.enter(TABLE, 10).leave()
    waiting = asyncio.create_task(backlog.wait_to_enter(TABLE, MIB, seconds=10))
    await asyncio.sleep(0.02)
    assert not waiting.done()
    while backlog.seconds(TABLE) > 0.7 * LIMIT_SECONDS:
        engine.store()
    (await asyncio.wait_for(waiting, 5)).leave()


async def test_a_batch_without_room_in_its_time_is_refused_unless_its_engine_goes_away() -> None:
    backlog = Backlog(LIMIT_SECONDS)
    backlog.add(TABLE, [200 * MIB], 0)
    with pytest.raises(Overloaded) as refused:
        await backlog.wait_to_enter(TABLE, MIB, seconds=0.05)
    assert refused.value.retry_after_seconds
    table = backlog._tables[TABLE]
    waiting = asyncio.create_task(backlog.wait_to_enter(TABLE, MIB, seconds=10))
    await asyncio.sleep(0.02)
    table.failing_since = time.monotonic() - 5
    assert isinstance(await asyncio.wait_for(waiting, 5), Room)


async def test_a_batch_that_goes_away_while_it_waits_takes_no_room() -> None:
    backlog = Backlog(LIMIT_SECONDS)
    backlog.add(TABLE, [200 * MIB], 0)
    before = backlog.seconds(TABLE)
    waiting = asyncio.create_task(backlog.wait_to_enter(TABLE, MIB, seconds=10))
    await asyncio.sleep(0.02)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert backlog.seconds(TABLE) == before


async def test_a_cancellation_that_comes_with_room_is_not_forgotten() -> None:
    for turns in range(6):
        backlog = Backlog(LIMIT_SECONDS)
        backlog.add(TABLE, [200 * MIB], 0)
        waiting = asyncio.create_task(backlog.wait_to_enter(TABLE, MIB, seconds=5))
        await asyncio.sleep(0.01)
        backlog.remove(TABLE, [MIB])  # not enough
        for _ in range(turns):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting], timeout=1)
        assert waiting.cancelled(), turns


async def test_room_of_nothing_in_a_name_that_was_forgotten_takes_no_other_backlog_along() -> None:
    backlog = Backlog(LIMIT_SECONDS)
    nothing = await backlog.wait_to_enter(TABLE, 0, seconds=1)  # a batch without a byte
    backlog.enter(TABLE, 10).leave()
    backlog.add(TABLE, [MIB], 10)
    nothing.leave()
    assert backlog.seconds(TABLE) > 0
    backlog.remove(TABLE, [MIB])
    assert backlog.seconds(TABLE) == 0

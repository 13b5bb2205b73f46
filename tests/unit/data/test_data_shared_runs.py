"""One run for all who want the same, stopped when the last one leaves; readings shared by who came before."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping

import pytest

from aidatalabs_services.data.shared_runs import SharedRuns
from aidatalabs_services.data.versions import DataVersions


class Work:
    """Work that ends when it is told to; counts how it went."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.may_end = asyncio.Event()

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.begun


def waiting(runs: SharedRuns[int], work: Work, key: str = "k") -> asyncio.Task[int]:
    return asyncio.create_task(runs.of(key, work, context=contextvars.copy_context()))


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_all_who_wait_get_the_result_of_one_run() -> None:
    runs, work = SharedRuns[int](), Work()
    callers = [waiting(runs, work) for _ in range(20)]
    other = waiting(runs, work, "other")
    await settled()
    work.may_end.set()
    assert await asyncio.gather(*callers) == [2] * 20
    await other
    assert work.begun == 2
    assert "k" not in runs


async def test_one_who_leaves_does_not_stop_the_run_and_the_last_one_does() -> None:
    runs, work = SharedRuns[int](), Work()
    first, second = waiting(runs, work), waiting(runs, work)
    await settled()
    first.cancel()
    await settled()
    assert (work.cancelled, first.cancelled()) == (0, True)
    second.cancel()
    await settled()
    assert work.cancelled == 1
    assert "k" not in runs
    third = waiting(runs, work)  # a stopped run is nobody's: the next caller has its own
    await settled()
    work.may_end.set()
    assert await third == 2


async def test_a_failure_reaches_all_who_wait_and_is_not_kept() -> None:
    runs: SharedRuns[int] = SharedRuns()

    async def failing() -> int:
        await asyncio.sleep(0)
        raise LookupError

    context = contextvars.copy_context
    found = await asyncio.gather(
        *(runs.of("k", failing, context=context()) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in found] == [LookupError] * 3
    assert "k" not in runs


async def test_closing_stops_every_run() -> None:
    runs, work = SharedRuns[int](), Work()
    caller = waiting(runs, work)
    await settled()
    await runs.close()
    assert work.cancelled == 1
    with pytest.raises(asyncio.CancelledError):
        await caller


class Engine:
    """Fingerprints that change with every insert; a reading shows what was there when it began."""

    def __init__(self) -> None:
        self.inserts = self.readings = self.at_once = 0

    async def read(self, uid: str) -> Mapping[str, str]:
        self.readings += 1
        self.at_once += 1
        assert self.at_once == 1
        seen = {"t": str(self.inserts)}
        await asyncio.sleep(0.005)
        self.at_once -= 1
        return seen


class HastyVersions(DataVersions):
    """A broken twin: it takes whatever reading is under way."""

    async def now(self, uid: str) -> Mapping[str, str]:
        last = self._readings.get(uid)
        return await asyncio.shield(last.task) if last else await super().now(uid)


async def missed_rows(versions: DataVersions, engine: Engine) -> int:
    """How many of 40 callers, one after another, do not see the row acknowledged before they came."""
    missed = 0

    async def caller(delay: float) -> None:
        nonlocal missed
        await asyncio.sleep(delay)
        engine.inserts += 1
        acknowledged = engine.inserts
        missed += int((await versions.now("u"))["t"]) < acknowledged

    await asyncio.gather(*(caller(number / 2000) for number in range(40)))
    return missed


async def test_a_reading_is_shared_and_always_begins_after_who_asked() -> None:
    engine = Engine()
    assert await missed_rows(DataVersions(engine.read), engine) == 0
    assert engine.readings < 15


async def test_a_reading_that_began_before_would_miss_rows() -> None:
    engine = Engine()
    assert await missed_rows(HastyVersions(engine.read), engine) > 0


async def test_a_reading_of_before_is_good_to_begin_with_until_something_is_written() -> None:
    engine, writes = Engine(), 0
    versions = DataVersions(engine.read, lambda uid: writes)
    assert versions.latest("u", seconds=0.0) is None
    await versions.now("u")
    assert versions.latest("u", seconds=0.0) == {"t": "0"}
    writes += 1
    assert versions.latest("u", seconds=0.0) is None
    reading = asyncio.create_task(versions.now("u"))
    await asyncio.sleep(0.001)
    writes += 1  # while it is read
    await reading
    assert versions.latest("u", seconds=0.0) is None
    assert DataVersions(engine.read).latest("u", seconds=0.0) is None


async def test_a_failed_reading_fails_its_callers_alone() -> None:
    engine = Engine()

    async def read(uid: str) -> Mapping[str, str]:
        if engine.readings == 0:
            engine.readings += 1
            await asyncio.sleep(0.005)
            raise LookupError
        return await engine.read(uid)

    versions = DataVersions(read)
    first = asyncio.create_task(versions.now("u"))
    await asyncio.sleep(0.001)
    assert await versions.now("u") == {"t": "0"}
    with pytest.raises(LookupError):
        await first
    assert versions.latest("u", seconds=1.0) == {"t": "0"}
    versions.forget("u")
    assert versions.latest("u", seconds=1.0) is None

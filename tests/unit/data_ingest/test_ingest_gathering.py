"""How long calls wait for others before they are journalled together: never alone, never without end."""

from __future__ import annotations

import asyncio
import time

from aidatalabs_services.data.gathering import Behind, Gathering
from aidatalabs_services.data.receipts import Progress

NOT_BEHIND = Behind(0, 0.0)


async def seconds_of(gathering: Gathering, size: int = 0, behind: Behind = NOT_BEHIND) -> float:
    """How long a call of `size` bytes for table t is kept."""
    begun = time.monotonic()
    await gathering.gathered("t", lambda: size, lambda: behind)
    return time.monotonic() - begun


async def test_a_call_that_is_alone_is_not_kept() -> None:
    gathering = Gathering(30.0)
    with gathering.judging("another"):
        assert await seconds_of(gathering) < 1


async def test_calls_stay_for_another_that_is_being_judged_and_go_when_it_is() -> None:
    gathering = Gathering(30.0)
    with gathering.judging("t"):
        kept = asyncio.ensure_future(seconds_of(gathering))
        await asyncio.sleep(0.05)
        assert not kept.done()
    assert 0.04 < await kept < 5


async def test_calls_go_in_time_where_the_other_is_never_judged() -> None:
    gathering = Gathering(0.05)
    with gathering.judging("t"):
        assert 0.04 < await seconds_of(gathering) < 5


async def test_calls_stay_while_the_group_before_is_stored_and_a_moment_for_its_callers() -> None:
    gathering, before = Gathering(30.0), Progress()
    gathering.journalled("t", before)
    kept = asyncio.ensure_future(seconds_of(gathering))
    await asyncio.sleep(0.05)
    assert not kept.done()
    before.finish(stored=True)
    await asyncio.sleep(0)
    with gathering.judging("t"):  # one of its callers is back
        await asyncio.sleep(0.05)
        assert not kept.done()
    assert await kept < 5
    assert await seconds_of(gathering) < 1, "the group before is stored: nobody is kept for it"


async def test_calls_with_many_rows_or_little_time_are_not_kept() -> None:
    gathering = Gathering(30.0)
    gathering.journalled("t", Progress())
    assert await seconds_of(gathering, 64 << 20) < 1
    gathering.hurry("t", time.monotonic() + 0.5)
    assert await seconds_of(gathering) < 1


async def test_a_call_in_a_hurry_takes_those_with_it_that_are_kept() -> None:
    gathering = Gathering(30.0)
    gathering.journalled("t", Progress())
    kept = asyncio.ensure_future(seconds_of(gathering))
    await asyncio.sleep(0.02)
    gathering.hurry("t", time.monotonic() + 0.5)
    assert await kept < 5


async def test_behind_a_backlog_calls_gather_for_half_of_what_the_sink_has_to_do() -> None:
    gathering = Gathering(30.0, 0.01)
    with gathering.judging("t"):
        assert 0.19 < await seconds_of(gathering, behind=Behind(2, 0.4)) < 5
        assert 0.49 < await seconds_of(gathering, behind=Behind(9, 60.0)) < 5, "half a second at most"


async def test_one_group_that_is_on_its_way_is_no_backlog() -> None:
    assert await seconds_of(Gathering(30.0, 0.01), behind=Behind(1, 0.2)) < 0.1

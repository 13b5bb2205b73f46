"""Places per platform: one tenant never holds more than its own, and what waits does not wait long."""

from __future__ import annotations

import asyncio
import time

import pytest

from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.runtime.errors import Overloaded


async def hold(places: PlatformPlaces, uid: str, end: asyncio.Event, user: str = "users/a") -> None:
    async with places.place(uid, user):
        await end.wait()


async def test_a_platform_with_all_its_places_is_told_to_come_back_and_another_goes_on() -> None:
    places, end = PlatformPlaces(3, share=3, wait_seconds=0.1), asyncio.Event()
    running = [asyncio.create_task(hold(places, "busy", end)) for _ in range(3)]
    await asyncio.sleep(0)
    begun = time.monotonic()
    with pytest.raises(Overloaded) as caught:
        async with places.place("busy", "users/a"):
            raise AssertionError("a fourth place")
    assert 0.1 <= time.monotonic() - begun < 1
    assert caught.value.retry_after_seconds
    async with places.place("other", "users/a"):
        pass
    end.set()
    await asyncio.gather(*running)


async def test_a_place_that_comes_free_is_taken_by_who_waits() -> None:
    places, end = PlatformPlaces(1, share=1, wait_seconds=5.0), asyncio.Event()
    holder = asyncio.create_task(hold(places, "busy", end))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(hold(places, "busy", end))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    end.set()
    await asyncio.wait_for(asyncio.gather(holder, waiting), 1)


async def test_calls_that_are_cancelled_or_fail_give_their_places_back() -> None:
    places, end = PlatformPlaces(1, share=1, wait_seconds=0.05), asyncio.Event()
    for _ in range(3):
        task = asyncio.create_task(hold(places, "busy", end))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(hold(places, "busy", end))
        await asyncio.sleep(0)
        for each in (waiting, task):
            each.cancel()
        await asyncio.gather(task, waiting, return_exceptions=True)
        with pytest.raises(ZeroDivisionError):
            async with places.place("busy", "users/a"):
                raise ZeroDivisionError
    async with places.place("busy", "users/a"):
        pass
    assert not places._places, "platforms without calls are kept in memory"


async def test_a_user_with_all_of_the_own_share_is_refused_and_others_have_the_rest() -> None:
    places, end = PlatformPlaces(4, share=2, wait_seconds=0.1), asyncio.Event()
    running = [asyncio.create_task(hold(places, "busy", end)) for _ in range(2)]
    # Those who wait for an own place hold none of the platform's.
    waiting = [asyncio.create_task(hold(places, "busy", end)) for _ in range(5)]
    running += [asyncio.create_task(hold(places, "busy", end, "users/b")) for _ in range(2)]
    await asyncio.sleep(0.2)
    refused = await asyncio.gather(*waiting, return_exceptions=True)
    assert {getattr(each, "metadata", {}).get("limit") for each in refused} == {"queries of one user"}
    assert not any(task.done() for task in running)
    with pytest.raises(Overloaded) as caught:
        async with places.place("busy", "users/c"):
            raise AssertionError("a fifth place")
    assert caught.value.metadata == {"limit": "queries of one platform", "most": "4"}
    end.set()
    await asyncio.gather(*running)
    assert not places._places

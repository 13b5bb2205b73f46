"""Places and the queue behind them: bounds, fair shares, and nothing lost when waits are cancelled."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from aidatalabs_services.runtime.errors import Overloaded
from aidatalabs_services.runtime.interceptors.admission import Admission, fair_share

MIB = 1024 * 1024


def admission(running: int = 4, queued: int = 100, queued_bytes: int = MIB) -> Admission:
    return Admission(running, queued, queued_bytes)


async def waits(admission: Admission, tenant: str, message_bytes: int = 0) -> asyncio.Task[None]:
    """A task that waits for a place; fails if it got one at once."""
    task = asyncio.create_task(admission.take(tenant, message_bytes))
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_one_tenant_gets_three_quarters_and_the_next_finds_a_place_free() -> None:
    places = admission(running=64)
    for _ in range(48):
        await places.take("big", 0)
    waiting = await waits(places, "big")
    for _ in range(16):
        await places.take("small", 0)
    places.give("small")
    assert not waiting.done()
    places.give("big")
    await asyncio.wait_for(waiting, 1)


async def test_freed_place_goes_to_the_tenant_with_the_fewest_and_in_order_within_it() -> None:
    places = admission(running=4)
    for tenant in ("a", "a", "a", "b"):
        await places.take(tenant, 0)
    first_b, second_b, of_a, of_c = [await waits(places, name) for name in ("b", "b", "a", "c")]
    places.give("a")
    await asyncio.sleep(0)
    assert [task.done() for task in (first_b, second_b, of_a, of_c)] == [False, False, False, True]
    places.give("a")
    await asyncio.sleep(0)
    assert [task.done() for task in (first_b, second_b, of_a)] == [True, False, False]
    for tenant in ("c", "b"):
        places.give(tenant)
    await asyncio.wait_for(asyncio.gather(first_b, second_b, of_a), 1)


async def test_a_call_that_waits_too_long_is_told_to_come_back_and_leaves_nothing_behind() -> None:
    places = Admission(2, 10, MIB, queued_seconds=0.05)
    for _ in range(2):
        await places.take("a", 0)
    for _ in range(3):
        with pytest.raises(Overloaded) as caught:
            await places.take("a", 10)
        assert caught.value.retry_after_seconds
    assert (places.running, places.waiting) == (2, 0)
    places.give("a")
    await places.take("a", MIB)  # its bytes do not wait any more
    assert places.running == 2


@pytest.mark.parametrize("running", [1, 2, 3, 5])
async def test_single_tenant_may_use_a_small_server_almost_whole(running: int) -> None:
    places = admission(running=running)
    for _ in range(fair_share(running)):
        await asyncio.wait_for(places.take("only", 0), 1)
    assert fair_share(running) >= max(1, running - 1)


async def test_cancelled_wait_takes_no_place_even_when_granted_in_the_same_moment() -> None:
    places = admission(running=1)
    await places.take("a", 0)
    in_queue, at_the_door, last = [await waits(places, "b") for _ in range(3)]
    in_queue.cancel()
    places.give("a")  # the cancelled one is skipped
    at_the_door.cancel()  # it was chosen and has not run yet
    await asyncio.gather(in_queue, at_the_door, return_exceptions=True)
    assert in_queue.cancelled()
    assert at_the_door.cancelled()
    await asyncio.wait_for(last, 1)


def test_room_is_bounded_and_no_caller_takes_all_of_it() -> None:
    room = admission(running=4, queued=8)  # 12 in all, 3 + 6 for one caller
    for _ in range(9):
        room.enter("alice")
    with pytest.raises(Overloaded) as refused:
        room.enter("alice")
    assert refused.value.retry_after_seconds
    for _ in range(3):
        room.enter("bob")
    with pytest.raises(Overloaded):
        room.enter("carol")
    room.leave("alice")
    room.enter("carol")


async def test_bytes_that_wait_are_bounded() -> None:
    places = admission(running=1, queued_bytes=10)
    await places.take("a", 1000)
    first = await waits(places, "a", 8)
    with pytest.raises(Overloaded):
        await places.take("a", 8)
    second = await waits(places, "a", 2)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    third = await waits(places, "a", 8)
    for task in (second, third):
        places.give("a")
        await asyncio.wait_for(task, 1)


@pytest.mark.parametrize("seed", range(20))
async def test_random_calls_keep_every_bound_and_lose_no_place(seed: int) -> None:
    chance = random.Random(seed)
    running = chance.choice([1, 2, 7, 16])
    places, held, most = admission(running=running), Counter[str](), 0

    async def call(tenant: str) -> None:
        nonlocal most
        await places.take(tenant, 1)
        held[tenant] += 1
        most = max(most, held.total())
        assert held[tenant] <= fair_share(running)
        try:
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
        finally:
            held[tenant] -= 1
            places.give(tenant)

    tasks = []
    for _ in range(300):
        tasks.append(asyncio.create_task(call(chance.choice("abcab"))))
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
        if chance.random() < 0.05:
            await asyncio.sleep(0)
    found = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
    assert not [error for error in found if isinstance(error, Exception)]
    assert fair_share(running) <= most <= running
    for tenant in ("x", "y", "z", "w") * 16:  # every place is back
        if held.total() < running:
            await asyncio.wait_for(places.take(tenant, 0), 1)
            held[tenant] += 1
    assert held.total() == running

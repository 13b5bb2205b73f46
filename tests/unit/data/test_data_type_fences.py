"""A table's fence: closed only when nobody is inside, and gone when nobody is at it."""

from __future__ import annotations

import asyncio

from aidatalabs_services.data.type_fences import TypeFences


async def test_a_fence_closes_when_the_calls_inside_are_through_and_others_wait() -> None:
    fences, seen = TypeFences(), []
    leave = asyncio.Event()

    async def call(name: str) -> None:
        async with fences.taking("u", "t"):
            seen.append(f"{name} in")
            await leave.wait()
        seen.append(f"{name} out")

    async def change() -> None:
        async with fences.closed("u", "t"):
            seen.append("closed")
            await asyncio.sleep(0.01)
            seen.append("open")

    first = asyncio.create_task(call("a"))
    await asyncio.sleep(0)
    changes = [asyncio.create_task(change()) for _ in range(2)]
    await asyncio.sleep(0)
    second = asyncio.create_task(call("b"))
    async with fences.taking("u", "other"):
        await asyncio.sleep(0.01)
    assert seen == ["a in"]
    leave.set()
    await asyncio.gather(first, second, *changes)
    assert seen[:4] == ["a in", "a out", "closed", "open"]
    assert sorted(seen) == ["a in", "a out", "b in", "b out", "closed", "closed", "open", "open"]
    assert "b in" not in seen[seen.index("closed") : seen.index("open")]
    assert not fences._fences


async def test_a_change_that_is_given_up_lets_calls_in_again() -> None:
    fences = TypeFences()
    async with fences.taking("u", "t"):
        change = asyncio.create_task(fences.closed("u", "t").__aenter__())
        await asyncio.sleep(0.01)
        change.cancel()
        await asyncio.gather(change, return_exceptions=True)
        async with asyncio.timeout(1), fences.taking("u", "t"):
            pass
    assert not fences._fences

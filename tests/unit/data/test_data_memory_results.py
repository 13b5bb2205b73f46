"""Results in memory: bounded in all, by platform and by result, the least used go first."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.adapters.memory_results import MemoryResults
from aidatalabs_services.data.ports import StoredResult

OVERHEAD = 500


def result(size: int, version: str = "v", read_time: float = 1.0) -> StoredResult:
    return StoredResult(b"x" * size, 1, version, read_time, 0.1, 10, 80)


async def test_the_least_used_result_goes_first() -> None:
    kept = MemoryResults(8 * (100 + OVERHEAD), 10_000)
    for key in "abcd":
        await kept.put("u", key, result(100))
    assert await kept.get("u", "a")
    await kept.put("u", "e", result(100))
    assert [key for key in "abcde" if await kept.get("u", key)] == ["a", "c", "d", "e"]


async def test_one_platform_takes_at_most_half() -> None:
    kept = MemoryResults(8 * (100 + OVERHEAD), 10_000)
    await kept.put("small", "k", result(100))
    for number in range(50):
        await kept.put("large", str(number), result(100))
    assert await kept.get("small", "k")
    assert len(kept) == 5


async def test_a_large_result_is_not_kept_and_takes_the_place_of_none_but_the_old_one() -> None:
    kept = MemoryResults(100_000, 1_000)
    await kept.put("u", "other", result(100))
    await kept.put("u", "k", result(100))
    await kept.put("u", "k", result(1_000))
    assert (await kept.get("u", "k"), len(kept)) == (None, 1)


async def test_nothing_is_kept_without_memory() -> None:
    kept = MemoryResults(0, 1_000)
    await kept.put("u", "k", result(0))
    assert (await kept.get("u", "k"), kept.size_bytes) == (None, 0)


async def test_a_confirmed_result_is_young_again_but_never_another_one() -> None:
    kept = MemoryResults(100_000, 10_000)
    first = result(100, read_time=1.0)
    await kept.put("u", "k", first)
    await kept.confirm("u", "k", StoredResult(**{**first.__dict__, "read_time": 5.0}))
    found = await kept.get("u", "k")
    assert found is not None
    assert found.read_time == 5.0
    await kept.put("u", "k", result(50, "newer", 7.0))
    await kept.confirm("u", "k", StoredResult(**{**first.__dict__, "read_time": 9.0}))
    found = await kept.get("u", "k")
    assert found is not None
    assert (found.data_version, found.read_time) == ("newer", 7.0)


async def test_a_result_that_was_read_before_all_was_forgotten_is_not_kept_after() -> None:
    kept = MemoryResults(100_000, 10_000)
    begun = time.time()
    await kept.forget("u")
    await kept.put("u", "k", result(100, read_time=begun))
    assert await kept.get("u", "k") is None
    await kept.put("u", "k", result(100, read_time=time.time() + 0.001))
    assert await kept.get("u", "k") is not None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 8), st.integers(0, 3_000)), max_size=60))
def test_the_bytes_held_are_those_of_what_is_there_and_never_too_many(
    puts: list[tuple[str, int, int]],
) -> None:
    import asyncio

    async def work() -> None:
        kept = MemoryResults(10_000, 2_500)
        for uid, key, size in puts:
            await kept.put(uid, str(key), result(size))
            held = sum(len(one.payload) + OVERHEAD for one in kept._results.values())
            assert kept.size_bytes == held <= 10_000
            assert all(amount <= 5_000 for amount in kept._bytes_of.values())
        for uid in "abc":
            await kept.forget(uid)
        assert (kept.size_bytes, len(kept), kept._of, kept._bytes_of) == (0, 0, {}, {})

    asyncio.run(work())

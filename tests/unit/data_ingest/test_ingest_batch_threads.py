"""Threads of large batches: shared by platforms, and never more at work than there are places."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from aidatalabs_services.data.batch_threads import BatchThreads, IngestThreads, is_quick


async def test_one_platform_leaves_a_thread_for_another_even_where_its_calls_went_away() -> None:
    threads = BatchThreads(3, share=2)
    ended = threading.Event()
    try:
        busy = [asyncio.ensure_future(threads.run("a", lambda: ended.wait(5))) for _ in range(6)]
        await asyncio.sleep(0.02)
        for task in busy:
            task.cancel()
        more = asyncio.ensure_future(threads.run("a", lambda: "late"))
        async with asyncio.timeout(2):
            assert await threads.run("b", lambda: "quick") == "quick"
        assert not more.done()
        ended.set()
        assert await more == "late"
    finally:
        ended.set()
        threads.close()


async def test_what_the_work_raises_reaches_its_caller_and_gives_the_place_back() -> None:
    threads = BatchThreads(1, share=1)
    try:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await threads.run("a", lambda: 1 // 0)
    finally:
        threads.close()


async def test_rows_are_read_one_call_at_a_time_and_few_at_once() -> None:
    threads, at_work, most = IngestThreads(), 0, 0

    def work() -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.01)
        at_work -= 1
        return threading.get_ident()

    try:
        used = await asyncio.gather(*(threads.on_rows("a", work, quick=False) for _ in range(5)))
        assert most == 1
        assert threading.get_ident() not in used
        assert await threads.on_rows("a", work, quick=True) == threading.get_ident()
    finally:
        threads.close()


def test_rows_are_few_by_their_number_and_by_their_bytes() -> None:
    assert is_quick(64, lambda: 20_000)
    assert not is_quick(1, lambda: 1_000_000)
    assert not is_quick(65, lambda: pytest.fail("of many rows nobody asks the size"))

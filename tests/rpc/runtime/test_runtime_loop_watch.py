"""A blocked event loop is named in the log while it lasts."""

from __future__ import annotations

import asyncio
import time

from structlog.testing import capture_logs

from aidatalabs_services.runtime.loop_watch import LoopWatch


def block_the_loop(seconds: float) -> None:
    time.sleep(seconds)


async def test_blocked_loop_is_logged_with_the_place_and_once() -> None:
    with capture_logs() as lines:
        watch = LoopWatch(limit_seconds=0.2)
        watch.start()
        await asyncio.sleep(0.3)
        block_the_loop(0.9)
        await asyncio.sleep(0.3)
        watch.stop()
    assert [line["event"] for line in lines] == ["event loop blocked", "event loop free"]
    assert "block_the_loop" in lines[0]["where"]
    assert __file__ in lines[0]["where"]
    assert 0.2 <= lines[0]["seconds"] < 0.7
    assert 0.7 < lines[1]["seconds"] < 1.5


async def test_loop_that_only_waits_is_not_logged() -> None:
    with capture_logs() as lines:
        watch = LoopWatch(limit_seconds=0.2)
        watch.start()
        await asyncio.sleep(0.8)
        watch.stop()
    assert lines == []

"""The end of tasks that run until they are told to stop, and of nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

_AGAIN_SECONDS = 1.0


async def ended(*tasks: asyncio.Task[None] | None) -> None:
    """Cancels tasks and returns when they have ended.

    Told again and again: a library that catches a cancellation just as its own wait is over loses it.
    """
    running = {each for each in tasks if each is not None and not each.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_AGAIN_SECONDS)
    for finished in tasks:
        if finished is not None and not finished.cancelled():
            finished.exception()  # nobody else reads it


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Returns when the work is done, which must have an end of its own; a cancellation waits until then.

    For what a task does on its way out: `ended` tells it to stop again while it does that.
    """
    task, told = asyncio.create_task(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            told = True
    if told:
        if not task.cancelled():
            task.exception()  # the cancellation is what the caller hears of
        raise asyncio.CancelledError
    task.result()


def is_told_to_stop() -> bool:
    """Whether the running task was cancelled. Where not, a CancelledError is that of a future of a library
    which gave it up: it must not end a task that others rely on.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0

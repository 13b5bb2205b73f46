"""Tasks that run until they are told to stop, and end with nothing else.

A library may let a CancelledError out that nobody meant for the task: of a future or a task of its own which
it gave up. Taken as it is, that ends the task without a word.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

_LOG = logging.getLogger(__name__)
_AGAIN_SECONDS = 1.0


async def kept_up(work: Callable[[], Awaitable[None]], name: str, pause_seconds: float) -> None:
    """Does the work again whenever it ends, however it does, until this task is told to stop.

    What the work does not deal with itself is logged: `name` says whose it is.
    """
    while True:
        try:
            await work()
        except asyncio.CancelledError:
            if is_told_to_stop():
                raise
            _LOG.warning("%s was given up by the library; begun anew", name)
        except Exception:  # noqa: BLE001 - others rely on it
            _LOG.exception("%s failed in an unforeseen way; begun anew", name)
            if is_told_to_stop():  # it failed on its way out
                raise asyncio.CancelledError from None
        await asyncio.sleep(pause_seconds)


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

    For what a task does on its way out: `ended` tells it to stop again while it does that. Nobody cancels the
    work itself: where a library does, that is its end.
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
    if task.cancelled():
        _LOG.warning("the end of a task's work was given up by the library")
    else:
        task.result()


def is_told_to_stop() -> bool:
    """Whether the running task was cancelled. Where not, a CancelledError is that of a future of a library
    which gave it up: it must not end a task that others rely on.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0

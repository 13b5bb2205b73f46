"""How far work in a thread is, and waiting for it: a thread ends at its next piece, and is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

_NOTE_SECONDS = 0.2
T = TypeVar("T")


class Abandoned(Exception):
    """Nobody waits for this work any more."""


class Progress:
    """Counts bytes of `total`; added to from threads, whose work ends at the next byte after `stop`."""

    def __init__(self, total: int) -> None:
        self._total = max(1, total)
        self._done = 0
        self._stopped = False

    def add(self, count: int) -> None:
        """Some more are done. Raises Abandoned."""
        if self._stopped:
            raise Abandoned
        self._done += count

    def stop(self) -> None:
        """Ends the work."""
        self._stopped = True

    @property
    def share(self) -> float:
        """0 to 1."""
        return min(1.0, self._done / self._total)


async def to_the_end(work: Callable[[], T], progress: Progress) -> T:
    """Runs blocking work in a thread; whoever cancels this waits until nothing is written any more.

    That is soon: `progress`, which the work tells of every piece, stops it.
    """
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        progress.stop()
        await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()  # nobody else reads it
        raise


async def followed(task: asyncio.Task[T], note: Callable[[], None]) -> T:
    """What a task gives; `note` is called now and then meanwhile. Cancelling this cancels the task."""
    try:
        while not task.done():
            note()
            await asyncio.wait((task,), timeout=_NOTE_SECONDS)
    except asyncio.CancelledError:
        task.cancel()
        await asyncio.wait((task,))
        raise
    return task.result()

"""One run for all who want the same at the same time; the last one to leave stops it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


@dataclass(eq=False)
class _Run(Generic[Result]):
    """A run and how many wait for it."""

    task: asyncio.Task[Result]
    waiting: int = 0


class SharedRuns(Generic[Result]):
    """Runs by key. A run that nobody waits for any more is cancelled."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, _Run[Result]] = {}

    def __contains__(self, key: Hashable) -> bool:
        """Whether a run of this key is under way."""
        return key in self._runs

    async def of(
        self, key: Hashable, work: Callable[[], Coroutine[Any, Any, Result]], *, context: Context
    ) -> Result:
        """The result of the run of this key; where there is none it is begun here, in `context`.

        Raises what `work` raises, in every caller who waits.
        """
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(asyncio.create_task(work(), context=context))
            run.task.add_done_callback(lambda done: self._ended(key, done))
        run.waiting += 1
        try:
            return await asyncio.shield(run.task)
        finally:
            run.waiting -= 1
            if not run.waiting and not run.task.done():
                self._forget(key, run.task)  # before it ends: nobody may join what is being stopped
                run.task.cancel()

    async def close(self) -> None:
        """Stops every run."""
        tasks = [run.task for run in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _forget(self, key: Hashable, task: asyncio.Task[Result]) -> None:
        run = self._runs.get(key)
        if run is not None and run.task is task:
            del self._runs[key]

    def _ended(self, key: Hashable, task: asyncio.Task[Result]) -> None:
        self._forget(key, task)
        if not task.cancelled():
            task.exception()  # every caller may have gone away; then nobody else reads it

"""Work on backups in the background: one at a time of each platform, none that ends with its caller."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from aidatalabs_services.data.errors import BackupBusy
from aidatalabs_services.runtime.errors import NotBuiltYet, ServiceUnavailable

_LOG = logging.getLogger(__name__)
R = TypeVar("R")


class BackupWorks:
    """Work in the background, one task a platform: a second one is refused while the first runs.

    `embedded` False: the platforms' databases are in a cluster, whose parts this service does not reach.
    """

    def __init__(self, *, embedded: bool) -> None:
        self._embedded = embedded
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def check(self, uid: str) -> None:
        """Raises NotBuiltYet, or BackupBusy where something is at work for the platform."""
        if not self._embedded:
            raise NotBuiltYet(
                "Backups of platforms in a cluster are not built yet. Use the cluster's own BACKUP."
            )
        task = self._tasks.get(uid)
        if task is not None and not task.done():
            raise BackupBusy(
                "A backup, restore or drill of the platform is at work. Wait for its end and call again.",
                metadata={},
                retry_after_seconds=2.0,
            )

    async def begin(
        self, uid: str, keeping: Coroutine[Any, Any, R], work: Callable[[R], Coroutine[Any, Any, None]]
    ) -> R:
        """Begins work that outlives its caller, with what `keeping` returns: no work is begun that a restart
        would know nothing of. Raises ServiceUnavailable where it cannot be kept.
        """
        kept: asyncio.Future[R] = asyncio.get_running_loop().create_future()

        async def both() -> None:
            try:
                record = await keeping
            except OSError as error:
                _LOG.warning("a backup or restore is not begun: %s", error)
                kept.set_exception(not_kept())
                return
            kept.set_result(record)
            await work(record)

        def ended(task: asyncio.Task[None]) -> None:
            if not kept.done():
                kept.set_exception(_stopping())
            kept.exception()  # the caller may have gone away

        self.start(uid, both()).add_done_callback(ended)
        return await asyncio.shield(kept)

    def start(self, uid: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begins work that outlives its caller, behind what is at work for the platform."""
        before = self._tasks.get(uid)

        async def in_turn() -> None:
            if before is not None:  # whoever cancels this cancels that too
                await asyncio.gather(before, return_exceptions=True)
            await work

        # Of its own context: the caller's deadline must not end up in it.
        task = asyncio.create_task(in_turn(), context=contextvars.Context())
        self._tasks[uid] = task
        task.add_done_callback(lambda done: self._ended(uid, done))
        return task

    async def stop(self, uid: str) -> None:
        """Ends a platform's work."""
        task = self._tasks.get(uid)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Ends all of it."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(uid) is task:
            del self._tasks[uid]
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("work on a backup ended in an unforeseen way", exc_info=task.exception())


def not_kept() -> ServiceUnavailable:
    """The refusal of what cannot be written down."""
    return ServiceUnavailable(
        "The data service cannot write to its disk, so nothing was begun. Make room there and call again.",
        retry_after_seconds=10.0,
    )


def _stopping() -> ServiceUnavailable:
    return ServiceUnavailable("It was stopped before it was begun; call again.", retry_after_seconds=2.0)

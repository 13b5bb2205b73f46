"""Work on backups in the background: one at a time of each platform, none that ends with its caller."""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any

from aidatalabs_services.data.errors import BackupBusy
from aidatalabs_services.runtime.errors import NotBuiltYet

_LOG = logging.getLogger(__name__)


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

    def start(self, uid: str, work: Coroutine[Any, Any, None]) -> None:
        """Begins work that outlives its caller."""
        # Of its own context: the caller's deadline must not end up in it.
        task = asyncio.create_task(work, context=contextvars.Context())
        self._tasks[uid] = task
        task.add_done_callback(lambda done: self._ended(uid, done))

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

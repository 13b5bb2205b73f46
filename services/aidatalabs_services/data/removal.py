"""The end of a platform's data: journal, engine, database and everything kept in memory about them.

The journal goes first: without it nothing inserts, and an engine without one is never started by itself. So
a removal that a crash cuts short leaves nothing that works on, and the next call finishes it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence

from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.runtime.errors import platform_not_found

Forget = Callable[[str], None]
End = Callable[[str], Awaitable[None]]


class PlatformRemoval:
    """Removes platforms by uid; a uid is never used again, so whoever comes late is turned away.

    `remove_journal` ends a platform's ingest and deletes its journal; each of `forgets` drops what is kept in
    memory; `ends` come before all of it and stop what works on the data.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        remove_journal: Callable[[str], Awaitable[None]],
        *forgets: Forget,
        ends: Sequence[End] = (),
    ) -> None:
        self._warehouse = warehouse
        self._remove_journal = remove_journal
        self._forgets = forgets
        self._ends = tuple(ends)
        self._removed: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}

    def check(self, uid: str, platform: str) -> None:
        """Raises PlatformNotFound where the data of `platform` was removed or is going."""
        if uid in self._removed:
            raise platform_not_found(platform)

    async def remove(self, uid: str) -> None:
        """Stops the platform's queries and ingest and deletes all it has. Idempotent.

        Goes on when the caller goes away; calls at the same time share one removal.
        """
        self._removed.add(uid)
        running = self._running.get(uid)
        if running is None:
            # Of its own context: the caller's deadline must not end up in work that outlives the call.
            running = asyncio.create_task(self._remove(uid), context=contextvars.Context())
            self._running[uid] = running
            running.add_done_callback(lambda done: self._ended(uid, done))
        await asyncio.shield(running)

    async def _remove(self, uid: str) -> None:
        for end in self._ends:
            await end(uid)
        await self._remove_journal(uid)
        await self._warehouse.drop_database(uid)
        for forget in self._forgets:
            forget(uid)

    def _ended(self, uid: str, task: asyncio.Task[None]) -> None:
        del self._running[uid]
        if not task.cancelled():
            task.exception()  # every caller may have gone away; then nobody else reads it

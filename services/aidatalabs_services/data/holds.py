"""Who may write into a table at this moment: the sink's inserts, or one deletion, drop or undrop.

A table is known here by the name its rows were sent to, so a table that was dropped and the one that took its
name share a lock: their journalled rows stand in one queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class TableHolds:
    """One lock for each table of each platform. Whoever inserts into a table must hold its lock meanwhile."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._deleting: set[tuple[str, str]] = set()

    def lock(self, uid: str, table: str) -> asyncio.Lock:
        """The lock of one table; the same object for as long as anybody has it."""
        return self._locks.setdefault((uid, table), asyncio.Lock())

    def is_deleting(self, uid: str, table: str) -> bool:
        """Whether a deletion holds the table, or will as soon as an insert is over."""
        return (uid, table) in self._deleting

    @asynccontextmanager
    async def deleting(self, uid: str, table: str) -> AsyncIterator[None]:
        """Holds the table for a deletion: what is journalled meanwhile waits until the block ends."""
        async with self.lock(uid, table):
            self._deleting.add((uid, table))
            try:
                yield
            finally:
                self._deleting.discard((uid, table))

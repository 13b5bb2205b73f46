"""Keeps calls from being taken into a table for the moment in which its columns' types change.

A call is judged and encoded by the types that the table has then; what it brings is in the journal when it
leaves here. So whoever has closed a table's fence and then waited until its journal is stored knows that no
row judged by the old types is still to come.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_Key = tuple[str, str]


@dataclass
class _Fence:
    running: int = 0
    closed: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class TypeFences:
    """One fence for each table of each platform; kept only while somebody is at it."""

    def __init__(self) -> None:
        self._fences: dict[_Key, _Fence] = {}

    @asynccontextmanager
    async def taking(self, uid: str, table: str) -> AsyncIterator[None]:
        """A call from the reading of the table's types until it is journalled; waits while it is closed."""
        key = uid, table
        fence = await self._open(key)
        fence.running += 1
        try:
            yield
        finally:
            fence.running -= 1
            if fence.closed:
                async with fence.changed:
                    fence.changed.notify_all()
            elif not fence.running:
                self._fences.pop(key, None)

    @asynccontextmanager
    async def closed(self, uid: str, table: str) -> AsyncIterator[None]:
        """No call is being taken while the block runs; others wait. One at a time for a table."""
        key = uid, table
        fence = await self._open(key)
        fence.closed = True
        try:
            async with fence.changed:
                await fence.changed.wait_for(lambda: not fence.running)
            yield
        finally:
            fence.closed = False
            # Whoever waits asks for the fence anew.
            if not fence.running:
                self._fences.pop(key, None)
            async with fence.changed:
                fence.changed.notify_all()

    async def _open(self, key: _Key) -> _Fence:
        """The table's fence once it is open."""
        while True:
            fence = self._fences.setdefault(key, _Fence())
            if not fence.closed:
                return fence
            await _opened(fence)


async def _opened(fence: _Fence) -> None:
    async with fence.changed:
        await fence.changed.wait_for(lambda: not fence.closed)

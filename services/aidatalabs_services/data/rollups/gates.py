"""Holds the inserts into one table back for the moment in which a view is put beside it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class _Gate:
    running: int = 0
    paused: bool = False
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)


class InsertGates:
    """One gate per platform and table; every insert passes it, whoever makes it."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], _Gate] = {}

    @asynccontextmanager
    async def inserting(self, uid: str, table: str) -> AsyncIterator[None]:
        """An insert; waits while the table is paused."""
        gate = self._gates.setdefault((uid, table), _Gate())
        if gate.paused:
            async with gate.changed:
                await gate.changed.wait_for(lambda: not gate.paused)
        gate.running += 1
        try:
            yield
        finally:
            gate.running -= 1
            if gate.paused:
                async with gate.changed:
                    gate.changed.notify_all()

    @asynccontextmanager
    async def paused(self, uid: str, table: str) -> AsyncIterator[None]:
        """No insert of this process runs while the block does; one pause of a table at a time."""
        gate = self._gates.setdefault((uid, table), _Gate())
        async with gate.changed:
            await gate.changed.wait_for(lambda: not gate.paused)
            gate.paused = True
        try:
            async with gate.changed:
                await gate.changed.wait_for(lambda: not gate.running)
            yield
        finally:
            async with gate.changed:
                gate.paused = False
                gate.changed.notify_all()

    def forget(self, uid: str) -> None:
        """Drops the gates of a platform that is gone."""
        for key in [key for key in self._gates if key[0] == uid]:
            del self._gates[key]

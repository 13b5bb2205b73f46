"""A dashboard that asks its queries at a steady rate beside a load, and how long each took."""

from __future__ import annotations

import asyncio
import itertools
import time
from types import TracebackType

from benchmarks.mesh_fixture import Mesh
from benchmarks.rollups import QUERIES

_ERROR = 0.01


class Dashboard:
    """Asks `rate` queries a second while the block runs, whether those before are answered or not; 0: none.

    A query that fails ends the block with its error.
    """

    def __init__(self, mesh: Mesh, platform: str, rate: float) -> None:
        self._mesh = mesh
        self._platform = platform
        self._rate = rate
        self._asking: asyncio.Task[None] | None = None
        self.waits: list[float] = []

    async def __aenter__(self) -> Dashboard:
        if self._rate:
            self._asking = asyncio.create_task(self._ask())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asking is None:
            return
        if self._asking.done():
            self._asking.result()
        self._asking.cancel()
        await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        async with asyncio.TaskGroup() as group:
            for sql in itertools.cycle(QUERIES.values()):
                group.create_task(self._one(sql))
                await asyncio.sleep(1.0 / self._rate)

    async def _one(self, sql: str) -> None:
        begun = time.perf_counter()
        await self._mesh.client.query(self._platform, sql, max_relative_error=_ERROR)
        self.waits.append((time.perf_counter() - begun) * 1e3)

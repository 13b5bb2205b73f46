"""Places for the queries of one platform, so that no tenant takes every place of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aidatalabs_services.runtime.errors import Overloaded


@dataclass
class _Platform:
    """One platform's places and how many calls hold or want one."""

    places: asyncio.Semaphore
    calls: int = 0


class PlatformPlaces:
    """`count` queries of a platform run at once; another one waits up to `wait_seconds` for a place.

    The wait is short on purpose: whoever waits here holds one of the places that all tenants share.
    """

    def __init__(self, count: int, *, wait_seconds: float) -> None:
        self._count = count
        self._wait_seconds = wait_seconds
        self._platforms: dict[str, _Platform] = {}

    @asynccontextmanager
    async def place(self, uid: str) -> AsyncIterator[None]:
        """Holds one of the platform's places while the block runs. Raises Overloaded."""
        platform = self._platforms.setdefault(uid, _Platform(asyncio.Semaphore(self._count)))
        platform.calls += 1
        try:
            await self._acquire(platform)
            try:
                yield
            finally:
                platform.places.release()
        finally:
            platform.calls -= 1
            if not platform.calls:
                self._platforms.pop(uid, None)

    async def _acquire(self, platform: _Platform) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await platform.places.acquire()
        except TimeoutError:
            raise Overloaded(
                f"This platform runs {self._count} queries already, as many as it may. Try again shortly.",
                metadata={"limit": "queries of one platform", "most": str(self._count)},
                retry_after_seconds=1.0,
            ) from None

"""Places for the queries of one platform, so that no tenant takes every place of the service, and for each of
its users, so that nobody takes every place of a platform.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from aidatalabs_services.runtime.errors import Overloaded


@dataclass
class _Places:
    """The places of a platform or of one of its users, and how many calls hold or want one."""

    free: asyncio.Semaphore
    calls: int = 0


class PlatformPlaces:
    """`count` of a platform run at once, `share` of one user; another one waits up to `wait_seconds`.

    `noun` says of what: "queries", "exports".

    The wait is short on purpose: whoever waits here holds one of the places that all tenants share.
    """

    def __init__(self, count: int, *, share: int, wait_seconds: float, noun: str = "queries") -> None:
        self._count = count
        self._share = min(share, count)
        self._wait_seconds = wait_seconds
        self._noun = noun
        self._places: dict[tuple[str, ...], _Places] = {}

    @asynccontextmanager
    async def place(self, uid: str, user: str) -> AsyncIterator[None]:
        """Holds one of the platform's places, and of the user's there, while the block runs.

        Raises Overloaded.
        """
        async with AsyncExitStack() as held:
            refusal = self._refusal("You run", "you may", "one user", self._share)
            try:
                async with asyncio.timeout(self._wait_seconds):
                    # The user's first: who waits for an own place takes none from the others.
                    await held.enter_async_context(self._one((uid, user), self._share))
                    refusal = self._refusal("This platform runs", "it may", "one platform", self._count)
                    await held.enter_async_context(self._one((uid,), self._count))
            except TimeoutError:
                raise refusal from None
            yield

    @asynccontextmanager
    async def _one(self, key: tuple[str, ...], count: int) -> AsyncIterator[None]:
        places = self._places.setdefault(key, _Places(asyncio.Semaphore(count)))
        places.calls += 1
        try:
            async with places.free:
                yield
        finally:
            places.calls -= 1
            if not places.calls:
                self._places.pop(key, None)

    def _refusal(self, runs: str, may: str, whose: str, most: int) -> Overloaded:
        return Overloaded(
            f"{runs} {most} {self._noun} here already, as many as {may}. Try again shortly.",
            metadata={"limit": f"{self._noun} of {whose}", "most": str(most)},
            retry_after_seconds=1.0,
        )

"""How many calls run at once: a bounded number run, a bounded number wait, the rest are told to come back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aidatalabs_services.runtime.errors import Overloaded

_RETRY_SECONDS = 1.0


class Admission:
    """`running` places and a first-come queue of `queued` behind them; beyond that Overloaded at once.

    The server's own limit is not enough: it was bypassed in several releases of grpcio, and its refusal
    carries no reason.
    """

    def __init__(self, running: int, queued: int) -> None:
        self._places = asyncio.Semaphore(running)
        self._queued = queued
        self._waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Holds a place while the block runs; waits for one within the deadline of the call."""
        if self._places.locked() and self._waiting >= self._queued:
            raise Overloaded(
                "Every place for calls is taken at the moment. Try again shortly.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        self._waiting += 1
        try:
            await self._places.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()

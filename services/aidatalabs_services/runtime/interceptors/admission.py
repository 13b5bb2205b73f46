"""How many calls a server has in hand: a bounded number runs, a bounded number waits, none crowds others out.

    room    every call from its first byte on: running and waiting together, refused at once when full
    place   what a handler runs in; a call without one waits in a queue, in order, for a while

Room is shared by callers (`users/{id}`, known from the token), places by tenants (the platform where a call
names one, else the caller), both so that one of them can take three quarters and no more: whoever comes next
finds something free. A place that comes free goes to the tenant that holds the fewest.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque

from aidatalabs_services.runtime.errors import Overloaded

_RETRY_SECONDS = 1.0


def fair_share(whole: int) -> int:
    """The most that one of many may take of `whole`: three quarters, rounded up."""
    return whole - whole // 4


class Admission:
    """`running` places and a queue of `queued` calls behind them; beyond that Overloaded at once, and after
    `queued_seconds` without a place. So no queue is longer than what is worth waiting for, and when a flood
    ends it is gone as soon.

    The server's own limit is not enough: it was bypassed in several releases of grpcio, its refusal carries
    no reason, and it knows no tenants. `queued_bytes` bounds the messages of the calls that wait. One event
    loop, no locks. Every `enter` needs its `leave`, every `take` its `give`.
    """

    def __init__(self, running: int, queued: int, queued_bytes: int, queued_seconds: float = 2.0) -> None:
        self._places = running
        self._places_each = fair_share(running)
        self._room = running + queued
        self._room_each = self._places_each + fair_share(queued)
        self._queued_bytes = queued_bytes
        self._queued_seconds = queued_seconds
        self._inside = 0
        self._inside_by: Counter[str] = Counter()
        self._held = 0
        self._held_by: Counter[str] = Counter()
        self._waiting_bytes = 0
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def running(self) -> int:
        """Places that are taken now."""
        return self._held

    @property
    def waiting(self) -> int:
        """Calls that wait for a place now."""
        return sum(map(len, self._waiting.values()))

    def enter(self, caller: str) -> None:
        """Counts a call of `caller` in. Raises Overloaded when there is no room."""
        if self._inside >= self._room or self._inside_by[caller] >= self._room_each:
            raise _overloaded()
        self._inside += 1
        self._inside_by[caller] += 1

    def leave(self, caller: str) -> None:
        """Counts a call of `caller` out."""
        self._inside -= 1
        _take_off(self._inside_by, caller)

    async def take(self, tenant: str, message_bytes: int) -> None:
        """Takes a place for `tenant`, waiting for one if need be; a cancelled wait takes none.

        Raises Overloaded when the messages that wait are too many bytes already, or the wait was too long.
        """
        # While a place is free, all who wait are tenants with their full share.
        if self._held < self._places and self._held_by[tenant] < self._places_each:
            self._hold(tenant)
            return
        if self._waiting and self._waiting_bytes + message_bytes > self._queued_bytes:
            raise _overloaded()
        try:
            async with asyncio.timeout(self._queued_seconds):
                await self._wait(tenant, message_bytes)
        except TimeoutError:
            raise _overloaded() from None

    async def _wait(self, tenant: str, message_bytes: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._waiting.setdefault(tenant, deque())
        queue.append(turn)
        self._waiting_bytes += message_bytes
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                self.give(tenant)  # the place came in the same moment
            elif turn in queue:
                queue.remove(turn)
                if not queue:
                    del self._waiting[tenant]
            raise
        finally:
            self._waiting_bytes -= message_bytes

    def give(self, tenant: str) -> None:
        """Gives a place back; it goes to the tenant in the queue that holds the fewest."""
        self._held -= 1
        _take_off(self._held_by, tenant)
        while self._waiting and self._held < self._places:
            # Ties go to the tenant whose last turn is longest ago: dictionaries keep their order.
            chosen = min(self._waiting, key=self._held_by.__getitem__)
            if self._held_by[chosen] >= self._places_each:
                return
            queue = self._waiting.pop(chosen)
            turn = queue.popleft()
            if queue:
                self._waiting[chosen] = queue
            if not turn.done():  # else its call was cancelled in the same moment
                self._hold(chosen)
                turn.set_result(None)

    def _hold(self, tenant: str) -> None:
        self._held += 1
        self._held_by[tenant] += 1


def _take_off(counts: Counter[str], name: str) -> None:
    left = counts[name] - 1
    if left:
        counts[name] = left
    else:
        del counts[name]


def _overloaded() -> Overloaded:
    return Overloaded(
        "Every place for calls is taken at the moment. Try again shortly.",
        retry_after_seconds=_RETRY_SECONDS,
    )

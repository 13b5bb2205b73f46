"""How long the calls that wait for a group wait for others that are nearly there.

A group is an insert of its own, and one of a thousand rows costs the engine and its roll-ups about as much as
one of twenty thousand. So while other calls of a table are being judged, those that wait stay for them, and
while the group before them is being stored they could only wait in the sink, and then its callers bring their
next rows. A caller that is alone is never kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aidatalabs_services.data.receipts import Progress

# A group of this size is a good one: what an insert costs anyway is little beside its rows.
_LARGE_BYTES = 2 * 1024 * 1024
# A call with less time left is not kept.
_SPARE_SECONDS = 1.0
# Callers whose rows were just stored have sent their next ones by then.
_RETURN_SECONDS = 0.015
# A group that takes longer has met an engine that is away, or a hold: nobody is kept for it any more.
_BUSY_SECONDS = 2.0


class Gathering:
    """The calls of one platform that are being judged, by table; none is waited for longer than `seconds`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._judged: Counter[str] = Counter()
        self._hurry: dict[str, float] = {}
        self._before: dict[str, tuple[Progress, float]] = {}
        self._changed = asyncio.Event()

    @contextmanager
    def judging(self, table: str) -> Iterator[None]:
        """One more call is judged while the block runs."""
        self._judged[table] += 1
        try:
            yield
        finally:
            self._judged[table] -= 1
            if not self._judged[table]:
                del self._judged[table]  # the name of no table: anybody can send those
            self._changed.set()

    def hurry(self, table: str, deadline: float) -> None:
        """A call waits for a group whose caller waits until `deadline` (time.monotonic)."""
        self._hurry[table] = min(deadline, self._hurry.get(table, deadline))
        self._changed.set()

    def journalled(self, table: str, progress: Progress) -> None:
        """A group is in the journal: the next one cannot be stored before it."""
        self._before[table] = progress, time.monotonic()
        progress.tell(self._changed.set)

    async def gathered(self, table: str, held_bytes: Callable[[], int]) -> None:
        """Returns when the calls that wait should go; `held_bytes` tells how much they bring by now."""
        now = time.monotonic()
        end, until = now + self._seconds, now
        was_busy = False
        while held_bytes() < _LARGE_BYTES:
            is_busy = self._is_busy(table)
            if was_busy and not is_busy:
                until = now + _RETURN_SECONDS
            was_busy = is_busy
            worth_until = end if is_busy or table in self._judged else until
            left = min(worth_until, end, self._hurry.get(table, math.inf) - _SPARE_SECONDS) - now
            if left <= 0:
                break
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: it forgets a cancellation that comes with the event.
                async with asyncio.timeout(left):
                    await self._changed.wait()
            now = time.monotonic()
        self._hurry.pop(table, None)

    def _is_busy(self, table: str) -> bool:
        """Whether the group before is still to be stored."""
        progress, since = self._before.get(table, (None, 0.0))
        if progress is None or (not progress.is_ended and time.monotonic() - since < _BUSY_SECONDS):
            return progress is not None
        del self._before[table]
        return False

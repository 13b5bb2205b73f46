"""How long the calls that wait for a group wait for others that are nearly there.

A group is an insert of its own, and one of a thousand rows costs the engine and its roll-ups about as much as
one of twenty thousand. So while other calls of a table are being judged, those that wait stay for them, and
while the group before them is being stored they could only wait in the sink, and then its callers bring their
next rows. A caller that is alone is never kept. Further behind, what comes while the sink is at work anyway
makes one larger insert, and nothing else is waited for: there are rows enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aidatalabs_services.data.receipts import Progress

# A group of this size is a good one: what an insert costs anyway is little beside its rows.
_LARGE_BYTES = 2 * 1024 * 1024
# A call with less time left is not kept.
_SPARE_SECONDS = 1.0
# Callers whose rows were just stored have sent their next ones by then.
_RETURN_SECONDS = 0.015
# A group that takes longer has met an engine that is away, or a hold: nobody is kept for it any more.
_BUSY_SECONDS = 2.0
# The longest wait behind a backlog: a call that has a second left still hears of its rows.
_BEHIND_MOST_SECONDS = 0.5
# Further behind, calls that are being judged are not waited for.
_NEAR_SECONDS = 0.25


@dataclass(frozen=True)
class Behind:
    """How far a table's inserts are behind: groups journalled and not stored, seconds that storing takes."""

    groups: int
    sink_seconds: float


class Gathering:
    """The calls of one platform that are being judged, by table.

    None is waited for longer than `others_seconds`; each group that the engine has not confirmed lets calls
    gather for `group_seconds`, or half of what the sink has to do, if that is more.
    """

    def __init__(self, others_seconds: float, group_seconds: float = 0.0) -> None:
        self._others_seconds = others_seconds
        self._group_seconds = group_seconds
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

    async def gathered(self, table: str, held_bytes: Callable[[], int], behind: Callable[[], Behind]) -> None:
        """Returns when the calls that wait should go; `held_bytes` tells how much they bring by now."""
        await asyncio.sleep(self._behind_seconds(behind()))
        if behind().sink_seconds < _NEAR_SECONDS:
            await self._others_gathered(table, held_bytes)
        self._hurry.pop(table, None)

    def _behind_seconds(self, behind: Behind) -> float:
        """How long calls gather whatever comes: a group is an insert, so the further behind, the larger."""
        before = behind.groups - 1
        if before <= 0 or not self._group_seconds:
            return 0.0
        # Half of what the sink has to do anyway: it does not run dry, and no call waits longer for its rows.
        return min(max(behind.sink_seconds / 2, before * self._group_seconds), _BEHIND_MOST_SECONDS)

    async def _others_gathered(self, table: str, held_bytes: Callable[[], int]) -> None:
        """Returns when no call that is nearly there is worth waiting for."""
        now = time.monotonic()
        end, until = now + self._others_seconds, now
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

    def _is_busy(self, table: str) -> bool:
        """Whether the group before is still to be stored."""
        progress, since = self._before.get(table, (None, 0.0))
        if progress is None or (not progress.is_ended and time.monotonic() - since < _BUSY_SECONDS):
            return progress is not None
        del self._before[table]
        return False

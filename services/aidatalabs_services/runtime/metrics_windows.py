"""Figures of the last hour, for metrics that name an hour; both bounded, whatever calls come."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable

_HOUR_SECONDS = 3600.0
_MINUTE_SECONDS = 60.0


class LastHour:
    """How many events the last hour had, to the minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minutes: deque[tuple[float, int]] = deque(maxlen=61)

    def add(self) -> None:
        """Counts one event, now."""
        minute = self._clock() // _MINUTE_SECONDS
        if self._minutes and self._minutes[-1][0] == minute:
            self._minutes[-1] = (minute, self._minutes[-1][1] + 1)
        else:
            self._minutes.append((minute, 1))

    def count(self) -> int:
        """Events of the last hour."""
        oldest = (self._clock() - _HOUR_SECONDS) // _MINUTE_SECONDS
        return sum(count for minute, count in self._minutes if minute > oldest)


class SeenLastHour:
    """How many different names were seen in the last hour; of more than `most` the oldest are forgotten."""

    def __init__(self, most: int = 100_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._seen: OrderedDict[str, float] = OrderedDict()

    def add(self, name: str) -> None:
        """Notes that `name` was seen, now."""
        self._seen[name] = self._clock()
        self._seen.move_to_end(name)
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def count(self) -> int:
        """Different names of the last hour."""
        oldest = self._clock() - _HOUR_SECONDS
        while self._seen and next(iter(self._seen.values())) <= oldest:
            self._seen.popitem(last=False)
        return len(self._seen)

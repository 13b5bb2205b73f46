"""When a process that ended by itself is started again: soon at first, then later, never not at all."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """Waits double from try to try; after `tries` within `window_seconds` each try is a long rest apart."""

    first_wait_seconds: float = 0.2
    longest_wait_seconds: float = 5.0
    tries: int = 5
    window_seconds: float = 60.0
    later_seconds: float = 60.0
    """How long a process that kept ending rests before each further try."""

    def wait_seconds(self, recent_tries: int) -> float:
        """How long to wait before the next try."""
        return min(self.first_wait_seconds * 2.0**recent_tries, self.longest_wait_seconds)


@dataclass(frozen=True)
class NextTry:
    """The next start of a process; `rests` says that it ended too often and waits longer."""

    wait_seconds: float
    rests: bool


class RestartBook:
    """The recent restarts of one process. Times are seconds of one steady clock."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._tries: deque[float] = deque()
        self._rests = False

    def next_try(self, now: float, up_seconds: float) -> NextTry:
        """Note that it ended after it had been ready for `up_seconds` (0: never), and say when to start it.

        One that rested and then stayed up for a whole window is trusted again.
        """
        policy = self._policy
        while self._tries and now - self._tries[0] > policy.window_seconds:
            self._tries.popleft()
        self._rests = self._rests and up_seconds < policy.window_seconds
        if self._rests or len(self._tries) >= policy.tries:
            self._rests = True
            return NextTry(policy.later_seconds, rests=True)
        wait = policy.wait_seconds(len(self._tries))
        self._tries.append(now)
        return NextTry(wait, rests=False)

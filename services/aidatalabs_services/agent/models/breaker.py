"""A model that keeps failing is left alone for a while, so that nobody waits for what will not come."""

from __future__ import annotations

import time
from collections.abc import Callable

from aidatalabs_services.agent.models.conversation import Problem

# Nothing that one caller's question could bring about for all others.
_PROVIDERS_FAULT = frozenset(
    (Problem.UNAVAILABLE, Problem.RATE_LIMITED, Problem.TIMEOUT, Problem.KEY_REFUSED, Problem.CUT)
)


class Breaker:
    """Counts the questions that one model's provider failed, one after the other.

    After `most_failures` it lets none through for `pause_seconds`, then one that tries; its end decides.
    `clock` gives monotonic seconds.
    """

    def __init__(
        self, most_failures: int, pause_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most_failures
        self._pause = pause_seconds
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0

    def lets_through(self) -> bool:
        """Whether a question may be put to the model now; the one that tries counts as let through."""
        if self._failures < self._most:
            return True
        if self._clock() < self._closed_until:
            return False
        self._closed_until = self._clock() + self._pause  # the others wait for this one
        return True

    def ended(self, problem: Problem | None) -> None:
        """How a question ended; one that was not let out for its budget says nothing of the provider."""
        if problem in _PROVIDERS_FAULT:
            self._failures += 1
            if self._failures >= self._most:
                self._closed_until = self._clock() + self._pause
        elif problem not in (Problem.BUDGET_EXCEEDED, Problem.BUDGET_NOT_KEPT):
            self._failures = 0

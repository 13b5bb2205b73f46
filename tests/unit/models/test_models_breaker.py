"""A model that keeps failing is left alone for a while, and one question tries it again."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.models.breaker import Breaker
from aidatalabs_services.agent.models.conversation import Problem


class Clock:
    """Seconds that are set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def failed(clock: Clock, times: int = 3) -> Breaker:
    breaker = Breaker(3, 30.0, clock)
    for _ in range(times):
        assert breaker.lets_through()
        breaker.ended(Problem.TIMEOUT)
    return breaker


def test_after_so_many_failures_nothing_goes_through_until_one_tries() -> None:
    clock = Clock()
    breaker = failed(clock)
    assert not breaker.lets_through()
    clock.now += 30.0
    assert [breaker.lets_through() for _ in range(3)] == [True, False, False]
    breaker.ended(None)
    assert [breaker.lets_through() for _ in range(3)] == [True] * 3


def test_a_try_that_fails_or_never_ends_keeps_it_closed() -> None:
    clock = Clock()
    breaker = failed(clock)
    clock.now += 30.0
    assert breaker.lets_through()
    clock.now += 10.0
    breaker.ended(Problem.UNAVAILABLE)
    clock.now += 29.0
    assert not breaker.lets_through()
    clock.now += 1.0
    assert breaker.lets_through()  # its caller goes away: nobody tells how it ended
    assert not breaker.lets_through()
    clock.now += 30.0
    assert breaker.lets_through()


@pytest.mark.parametrize(
    "problem",
    [
        None,
        Problem.DECLINED,
        Problem.NO_VALID_QUERY,
        Problem.TOO_MANY_STEPS,
        Problem.GARBLED,
        Problem.REQUEST_REFUSED,
    ],
)
def test_failures_count_in_a_row_and_only_the_providers(problem: Problem | None) -> None:
    breaker = failed(Clock(), 2)
    breaker.ended(problem)
    breaker.ended(Problem.TIMEOUT)
    assert breaker.lets_through()


def test_a_budget_says_nothing_of_the_provider() -> None:
    breaker = failed(Clock(), 2)
    breaker.ended(Problem.BUDGET_EXCEEDED)
    breaker.ended(Problem.TIMEOUT)
    assert not breaker.lets_through()

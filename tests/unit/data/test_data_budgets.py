"""The budget of rows a day: reserved, settled, kept, and never overspent by a race."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.errors import QueryBudgetExceeded

DAY = 86_400
UID = "one"


class Clock:
    """A clock that is set by hand, at noon UTC of some day."""

    def __init__(self) -> None:
        self.now = 20_000.5 * DAY

    def __call__(self) -> float:
        return self.now


def budget_of(tmp_path: Path, limit: int, clock: Clock | None = None) -> RowBudget:
    return RowBudget(limit, tmp_path / "budget.json", clock=clock or Clock())


def test_a_query_beyond_what_is_left_is_refused_until_midnight(tmp_path: Path) -> None:
    budget = budget_of(tmp_path, 100)
    with budget.reserved(UID, 80) as reservation:
        assert budget.left(UID) == 20
        reservation.settle(70)
    assert budget.left(UID) == 30
    with pytest.raises(QueryBudgetExceeded) as caught, budget.reserved(UID, 31):
        pass
    assert caught.value.metadata == {"limit_rows": "100", "used_rows": "70", "estimated_rows": "31"}
    assert caught.value.retry_after_seconds == pytest.approx(DAY / 2)
    with budget.reserved("another", 100):
        pass
    with budget.reserved(UID, 30):
        pass
    assert budget.left(UID) == 0


def test_a_query_that_was_stopped_counts_as_reserved_and_one_that_never_ran_not(tmp_path: Path) -> None:
    budget = budget_of(tmp_path, 100)
    with pytest.raises(RuntimeError), budget.reserved(UID, 40):
        raise RuntimeError
    assert budget.left(UID) == 60
    with budget.reserved(UID, 40) as reservation:
        reservation.release()
    assert budget.left(UID) == 60


def test_without_a_limit_nothing_is_counted(tmp_path: Path) -> None:
    budget = budget_of(tmp_path, 0)
    with budget.reserved(UID, 10**12):
        pass
    assert budget.left(UID) is None


def test_midnight_begins_with_nothing_used_but_what_still_runs(tmp_path: Path) -> None:
    clock = Clock()
    budget = budget_of(tmp_path, 100, clock)
    with budget.reserved(UID, 50):
        pass
    with budget.reserved(UID, 20) as running:
        clock.now += DAY
        assert budget.left(UID) == 80
        running.settle(10)
    assert budget.left(UID) == 90


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=30), st.integers(1, 200))
def test_what_is_used_and_reserved_never_exceeds_the_limit_while_estimates_hold(
    queries: list[tuple[int, int]], limit: int
) -> None:
    budget = RowBudget(limit, Path("unused"), clock=Clock())
    running = []
    for estimated, read in queries:
        holding = budget.reserved(UID, estimated)
        try:
            holding.__enter__().settle(min(estimated, read))
        except QueryBudgetExceeded:
            continue
        running.append(holding)
        if read % 3 == 0:
            running.pop(0).__exit__(None, None, None)
        left = budget.left(UID)
        assert left is not None
        assert 0 <= left <= limit
    for holding in running:
        holding.__exit__(None, None, None)
    assert sum(budget._used.values()) <= limit
    assert not budget._reserved


class ForgetfulBudget(RowBudget):
    """A broken twin: what runs is not set aside."""

    def left(self, uid: str) -> int | None:
        self._reserved.clear()
        return super().left(uid)


@pytest.mark.parametrize(("kind", "holds"), [(RowBudget, True), (ForgetfulBudget, False)])
async def test_fifty_at_once_spend_no_more_than_the_limit(
    tmp_path: Path, kind: type[RowBudget], holds: bool
) -> None:
    budget = kind(100, tmp_path / "budget.json", clock=Clock())

    async def query() -> None:
        with budget.reserved(UID, 30) as reservation:
            await asyncio.sleep(0.001)
            reservation.settle(30)

    await asyncio.gather(*(query() for _ in range(50)), return_exceptions=True)
    assert (budget._used[UID] <= 100) is holds


async def test_what_was_used_survives_a_restart_and_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aidatalabs_services.data.budgets._WRITE_SECONDS", 0.01)
    budget = budget_of(tmp_path, 100)
    await budget.start()
    with budget.reserved(UID, 40):
        pass
    for _ in range(200):  # not closed: a killed process writes nothing more
        await asyncio.sleep(0.01)
        if (tmp_path / "budget.json").exists():
            break
    after_kill = budget_of(tmp_path, 100)
    await after_kill.start()
    assert after_kill.left(UID) == 60
    with after_kill.reserved(UID, 10):
        pass
    await after_kill.close()
    await budget.close()
    clock = Clock()
    reopened = budget_of(tmp_path, 100, clock)
    await reopened.start()
    assert reopened.left(UID) == 50
    await reopened.close()
    clock.now += DAY
    tomorrow = budget_of(tmp_path, 100, clock)
    await tomorrow.start()
    assert tomorrow.left(UID) == 100
    await tomorrow.close()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"day": "x"}', json.dumps({"day": 20000, "used_rows": [1]})]
)
async def test_a_file_that_cannot_be_read_begins_the_day_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "budget.json").write_text(text)
    budget = budget_of(tmp_path, 100)
    await budget.start()
    assert budget.left(UID) == 100
    await budget.close()


async def test_what_ran_at_a_kill_counts_as_reserved(tmp_path: Path) -> None:
    budget = budget_of(tmp_path, 100)
    with budget.reserved(UID, 10) as reservation:
        reservation.settle(5)
    with budget.reserved(UID, 40), budget.reserved("other", 7):
        await budget._write()
        after = budget_of(tmp_path, 100)
        await after.start()
        assert (after.left(UID), after.left("other")) == (55, 93)
        await after.close()

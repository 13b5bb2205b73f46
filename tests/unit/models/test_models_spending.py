"""Budgets of models: held before, counted after, never passed together, kept where a file is named."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aidatalabs_services.agent.adapters.spending_file import SpendingFile
from aidatalabs_services.agent.models.conversation import Usage
from aidatalabs_services.agent.models.spending import (
    BudgetUsedUp,
    MemoryStore,
    ModelBudget,
    Prices,
    SpendingStore,
    Spent,
)

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    """A clock that is set."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now


def budget(
    store: SpendingStore | None = None, *, tokens: int = 1000, usd: float = 0.0, clock: Clock | None = None
) -> ModelBudget:
    return ModelBudget(store or MemoryStore(), tokens_a_day=tokens, usd_a_day=usd, clock=clock or Clock())


def test_a_price_is_for_a_million_tokens_and_rounded_up() -> None:
    assert Prices(3.0, 15.0).of(Usage(1000, 100)) == Spent(1100, 4500)
    assert Prices(0.1, 0.0).of(Usage(1, 0)) == Spent(1, 1)


async def test_what_is_held_gives_way_to_what_was_counted() -> None:
    kept = budget()
    held = await kept.hold("a", Spent(900, 9))
    with pytest.raises(BudgetUsedUp):
        await kept.hold("a", Spent(101, 1))
    await kept.hold("b", Spent(101, 1))  # another platform's budget is its own
    await kept.settle(held, Spent(100, 1))
    await kept.hold("a", Spent(900, 9))
    assert await kept.spent("a") == Spent(1000, 10)


async def test_money_is_a_limit_of_its_own() -> None:
    kept = budget(tokens=0, usd=0.01)
    await kept.hold("a", Spent(10**9, 10_000))
    with pytest.raises(BudgetUsedUp):
        await kept.hold("a", Spent(0, 1))


async def test_fifty_at_once_do_not_pass_the_budget_together() -> None:
    kept = budget(tokens=1000)

    async def one() -> int:
        try:
            held = await kept.hold("a", Spent(100, 0))
        except BudgetUsedUp:
            return 0
        await asyncio.sleep(0.001)
        await kept.settle(held, Spent(90, 0))
        return 90

    spent = sum(await asyncio.gather(*(one() for _ in range(50))))
    assert 900 <= spent <= 1000
    assert (await kept.spent("a")).tokens == spent


async def test_a_day_ends_at_midnight_utc_and_late_counts_do_not_reach_the_next() -> None:
    clock = Clock()
    kept = budget(clock=clock)
    held = await kept.hold("a", Spent(1000, 0))
    clock.now = datetime(2026, 11, 24, tzinfo=UTC)
    assert await kept.spent("a") == Spent()
    await kept.settle(held, Spent(1000, 0))
    assert await kept.spent("a") == Spent()


async def test_the_sums_of_the_day_survive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "agent" / "spending.json"
    held = await budget(SpendingFile(path)).hold("a", Spent(700, 7))
    assert path.stat().st_mode & 0o777 == 0o600
    again = budget(SpendingFile(path))
    assert await again.spent("a") == Spent(700, 7)  # a request that was cut off stays held
    with pytest.raises(BudgetUsedUp):
        await again.hold("a", Spent(301, 0))
    await again.settle(held, Spent(1, 1))
    assert json.loads(path.read_text()) == {"day": "2026-11-23", "spent": {"a": {"tokens": 1, "microusd": 1}}}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"day": "2026-11-23"}', '{"day": "2026-11-23", "spent": {"a": 1}}']
)
async def test_a_damaged_file_makes_no_new_budget(tmp_path: Path, content: str) -> None:
    path = tmp_path / "spending.json"
    path.write_text(content)
    with pytest.raises(OSError, match="damaged"):
        await budget(SpendingFile(path)).hold("a", Spent(1, 1))
    assert path.read_text() == content


async def test_what_cannot_be_written_down_is_not_spent(tmp_path: Path) -> None:
    path = tmp_path / "spending.json"
    path.mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - the system's own
        await budget(SpendingFile(path)).hold("a", Spent(1, 1))

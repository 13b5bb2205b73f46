"""Numbers over the steps of a series: running totals, moving averages, growth, the step before."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker


def _months(asker: Asker, status: str = "") -> dict[str, float]:
    """The total amount of orders by month, in order."""
    totals: dict[str, float] = defaultdict(float)
    for order in asker.records("orders"):
        if not status or order["status"] == status:
            totals[order["ordered_at"][:7]] += order["amount"]
    return dict(sorted(totals.items()))


def _by_step(rows: list[list[Any]], place: int) -> dict[str, float | None]:
    return {row[0][:7]: None if row[place] is None else float(row[place]) for row in rows}


@pytest.mark.parametrize(
    "question",
    [
        "cumulative amount by month",
        "running total of amount per month",
        "Show me the cumulative sum of amount for each month",
        "monthly total amount, cumulated",
    ],
)
def test_a_running_total_adds_up_every_step_before(shop_asker: Asker, question: str) -> None:
    total, expected = 0.0, {}
    for month, amount in _months(shop_asker).items():
        total += amount
        expected[month] = total
    assert _by_step(shop_asker.rows(question), 2) == pytest.approx(expected)


def test_a_running_total_of_rows_runs_within_each_group(shop_asker: Asker) -> None:
    rows = shop_asker.rows("cumulative number of orders by month by segment")
    last = {row[1]: int(row[3]) for row in rows}
    segments = {c["customer_id"]: c["segment"] for c in shop_asker.records("customers")}
    assert last == Counter(segments[o["customer_id"]] for o in shop_asker.records("orders"))


@pytest.mark.parametrize(
    "question", ["cumulative average amount by month", "running total of median amount by day"]
)
def test_what_cannot_be_added_up_over_steps_is_refused(shop_asker: Asker, question: str) -> None:
    assert "cannot be added up" in shop_asker.refuses(question).message


@pytest.mark.parametrize(
    "question",
    [
        "7 day moving average of daily logins",
        "7-day rolling average of logins by day",
        "moving average of logins over 7 days",
        "seven day moving average of the number of logins",
    ],
)
def test_a_moving_average_counts_days_without_rows_as_zero(lesson_asker: Asker, question: str) -> None:
    days = Counter(r["happened_at"][:10] for r in lesson_asker.records("activity") if r["action"] == "login")
    first, last = (date.fromisoformat(day) for day in (min(days), max(days)))
    every = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    rows = lesson_asker.rows(question)
    assert [row[0] for row in rows] == [day.isoformat() for day in every]
    for place, row in enumerate(rows):
        span = every[max(0, place - 6) : place + 1]
        assert float(row[2]) == pytest.approx(sum(days[d.isoformat()] for d in span) / len(span))


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("moving average of orders", "needs a length"),
        ("7 day moving average of orders by month", "say one of them"),
        ("1 month moving average of orders", "at least two"),
    ],
)
def test_a_moving_average_without_its_length_is_refused(shop_asker: Asker, question: str, words: str) -> None:
    assert words in shop_asker.refuses(question).message


@pytest.mark.parametrize(
    "question",
    [
        "month over month growth of amount",
        "mom growth in amount",
        "monthly growth rate of the amount",
        "growth of amount by month in percent",
        "month-over-month percentage change in total amount",
    ],
)
def test_growth_compares_each_month_with_the_one_before(shop_asker: Asker, question: str) -> None:
    months = list(_months(shop_asker).items())
    expected: dict[str, float | None] = {months[0][0]: None}
    for (_, before), (month, amount) in itertools.pairwise(months):
        expected[month] = 100 * (amount - before) / before
    found = _by_step(shop_asker.rows(question), 2)
    assert found.keys() == expected.keys()
    assert all(found[m] == (None if expected[m] is None else pytest.approx(expected[m])) for m in expected)


def test_growth_over_a_year_looks_twelve_months_back(shop_asker: Asker) -> None:
    counts = Counter(order["ordered_at"][:7] for order in shop_asker.records("orders"))
    found = _by_step(shop_asker.rows("year over year growth of orders by month"), 2)
    expected = 100 * (counts["2024-03"] - counts["2023-03"]) / counts["2023-03"]
    assert found["2024-03"] == pytest.approx(expected)
    assert found["2023-03"] is None


def test_growth_does_not_skip_a_step_without_rows(lesson_asker: Asker) -> None:
    question = "daily change in number of activity rows in February 2024"
    rows = {row[0]: row for row in lesson_asker.rows(question)}
    assert [int(rows[f"2024-02-{day}"][1]) for day in (10, 11)] == [0, 0]
    before, after = int(rows["2024-02-11"][1]), int(rows["2024-02-12"][1])
    assert int(rows["2024-02-12"][2]) == after - before
    assert rows["2024-02-12"][3] is None  # nothing can be told in percent of nothing


@pytest.mark.parametrize(
    "question",
    [
        "monthly orders compared to the previous month",
        "number of orders per month versus the preceding month",
    ],
)
def test_the_step_before_stands_beside_each_step(shop_asker: Asker, question: str) -> None:
    rows = shop_asker.rows(question)
    counts = [int(row[1]) for row in rows]
    assert [row[2] if row[2] is None else int(row[2]) for row in rows] == [None, *counts[:-1]]
    assert [int(row[3]) for row in rows[1:]] == [b - a for a, b in itertools.pairwise(counts)]


def test_the_winner_by_growth_is_one_step(shop_asker: Asker) -> None:
    growth = {row[0]: row[2] for row in shop_asker.rows("month over month growth of amount")}
    best = max((float(value), month) for month, value in growth.items() if value is not None)
    rows = shop_asker.rows("which month had the highest growth of amount")
    assert [row[0] for row in rows] == [best[1]]


def test_the_plan_tells_what_runs_over_its_rows(shop_asker: Asker) -> None:
    told = " ".join(shop_asker.planned("3 month moving average of amount").explanation)
    assert "Averages total amount over 3 steps" in told
    assert "a month without rows counts as one" in told

"""One number at two times or for two values, numbers divided by each other, and shares within groups."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from typing import Any

import pytest

from aidatalabs_services.agent.planner.outcomes import Planned
from tests.unit.planner.conftest import Asker


def _orders(asker: Asker, start: str, end: str = "9999") -> list[dict[str, Any]]:
    return [o for o in asker.records("orders") if start <= o["ordered_at"] < end]


@pytest.mark.parametrize(
    "question",
    [
        "compare orders in April 2024 with May 2024",
        "orders in April vs May 2024",
        "number of orders in April 2024 versus May 2024",
        "how do orders in April 2024 compare to May 2024",
        "were there more orders in April 2024 than in May 2024",
    ],
)
def test_two_times_stand_side_by_side_with_their_change(shop_asker: Asker, question: str) -> None:
    april = len(_orders(shop_asker, "2024-04", "2024-05"))
    may = len(_orders(shop_asker, "2024-05", "2024-06"))
    row = [float(value) for value in shop_asker.rows(question)[0]]
    assert row == pytest.approx([april, may, may - april, 100 * (may - april) / april])


@pytest.mark.parametrize(
    ("question", "first", "second"),
    [
        ("orders this month versus last month", ("2024-06", "2024-07"), ("2024-05", "2024-06")),
        ("orders versus last month", ("2024-06", "2024-07"), ("2024-05", "2024-06")),
        ("orders in May 2024 compared to the previous month", ("2024-05", "2024-06"), ("2024-04", "2024-05")),
        ("orders last month vs the same month last year", ("2024-05", "2024-06"), ("2023-05", "2023-06")),
        ("orders in 2024 compared with 2023", ("2024", "2025"), ("2023", "2024")),
        ("orders in Q1 2024 versus the quarter before", ("2024-01", "2024-04"), ("2023-10", "2024-01")),
    ],
)
def test_the_time_before_is_as_long_and_a_year_before_has_the_same_dates(
    shop_asker: Asker, question: str, first: tuple[str, str], second: tuple[str, str]
) -> None:
    row = shop_asker.rows(question)[0]
    assert [int(row[0]), int(row[1])] == [len(_orders(shop_asker, *span)) for span in (first, second)]
    assert int(row[2]) == int(row[0]) - int(row[1])


@pytest.mark.parametrize(
    "question",
    [
        "which city had the biggest increase in amount from April to May 2024",
        "which city gained the most amount between April and May 2024",
    ],
)
def test_the_group_that_changed_most_is_found(shop_asker: Asker, question: str) -> None:
    cities = {c["customer_id"]: c["city"] for c in shop_asker.records("customers")}
    change: dict[str, float] = defaultdict(float)
    for sign, span in ((1, ("2024-05", "2024-06")), (-1, ("2024-04", "2024-05"))):
        for order in _orders(shop_asker, *span):
            change[cities[order["customer_id"]]] += sign * order["amount"]
    best = max(change, key=lambda city: change[city])
    row = shop_asker.rows(question)[0]
    assert row[0] == best
    assert float(row[1]) == pytest.approx(change[best])


def test_a_loss_is_looked_for_downwards(shop_asker: Asker) -> None:
    gained = shop_asker.rows("change in amount from April to May 2024 by city")
    lost = shop_asker.rows("which city lost the most amount from April to May 2024")
    assert float(lost[0][1]) == pytest.approx(min(float(row[1]) for row in gained))


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("difference in total amount between Q1 and Q2 2024", 0),
        ("percentage change in amount from Q1 2024 to Q2 2024", 0),
        ("how much did the amount grow from Q1 2024 to Q2 2024", 1),
    ],
)
def test_a_change_is_later_less_earlier(shop_asker: Asker, question: str, place: int) -> None:
    q1 = sum(float(str(o["amount"])) for o in _orders(shop_asker, "2024-01", "2024-04"))
    q2 = sum(float(str(o["amount"])) for o in _orders(shop_asker, "2024-04", "2024-07"))
    expected = q2 - q1 if "difference" in question else 100 * (q2 - q1) / q1
    assert float(shop_asker.rows(question)[0][place]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "question",
    ["paid orders vs cancelled orders by city", "compare paid orders with cancelled orders by city"],
)
def test_two_values_stand_side_by_side(shop_asker: Asker, question: str) -> None:
    cities = {c["customer_id"]: c["city"] for c in shop_asker.records("customers")}
    counts = Counter((cities[o["customer_id"]], o["status"]) for o in shop_asker.records("orders"))
    rows = shop_asker.rows(question)
    assert {(row[0], int(row[1]), int(row[2])) for row in rows} == {
        (city, counts[city, "paid"], counts[city, "cancelled"]) for city in set(cities.values())
    }


@pytest.mark.parametrize(
    ("question", "scale"),
    [
        ("ratio of paid orders to cancelled orders", 1),
        ("paid orders divided by cancelled orders", 1),
        ("paid orders as a percentage of cancelled orders", 100),
        ("ratio of paid orders to cancelled orders in percent", 100),
    ],
)
def test_two_numbers_are_divided(shop_asker: Asker, question: str, scale: int) -> None:
    counts = Counter(o["status"] for o in shop_asker.records("orders"))
    assert float(shop_asker.value(question)) == pytest.approx(scale * counts["paid"] / counts["cancelled"])


def test_what_stands_behind_a_ratio_holds_for_both_numbers(shop_asker: Asker) -> None:
    counts: dict[str, Counter[str]] = {}
    for order in _orders(shop_asker, "2023", "2024"):
        counts.setdefault(order["ordered_at"][:7], Counter())[order["status"]] += 1
    rows = shop_asker.rows("ratio of paid orders to cancelled orders by month in 2023")
    expected = {m: c["paid"] / c["cancelled"] if c["cancelled"] else None for m, c in counts.items()}
    assert {row[0][:7]: row[1] for row in rows} == {
        month: pytest.approx(value) if value is not None else None for month, value in expected.items()
    }


def test_nothing_divided_by_nothing_is_no_value(shop_asker: Asker) -> None:
    assert shop_asker.value("ratio of paid orders to open orders in 2022") is None


def test_the_rate_of_a_kind_is_its_part_of_all_rows(lesson_asker: Asker) -> None:
    rows = {row[0]: float(row[1]) for row in lesson_asker.rows("login rate by device")}
    counts: dict[str, Counter[str]] = {}
    for record in lesson_asker.records("activity"):
        counts.setdefault(record["details"]["device"], Counter())[record["action"]] += 1
    assert rows == pytest.approx({d: 100 * c["login"] / sum(c.values()) for d, c in counts.items()})


def test_a_share_within_groups_says_so(shop_asker: Asker) -> None:
    question = "percentage of orders that were cancelled by month"
    counts: dict[str, list[bool]] = {}
    for order in shop_asker.records("orders"):
        counts.setdefault(order["ordered_at"][:7], []).append(order["status"] == "cancelled")
    rows = {row[0][:7]: float(row[1]) for row in shop_asker.rows(question)}
    assert rows == pytest.approx({month: 100 * sum(held) / len(held) for month, held in counts.items()})
    assert any("of each group, not of all" in line for line in shop_asker.planned(question).explanation)


@pytest.mark.parametrize(
    "question",
    [
        "ratio of paid orders to sunny days",
        "ratio of orders to customers",
        "compare paid orders in May with cancelled",
        "orders in May versus the previous week",
        "growth of happiness by month",
        "ratio of paid orders by city to cancelled orders by month",
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(shop_asker: Asker, question: str) -> None:
    assert not isinstance(shop_asker.outcome(question), Planned)


def test_a_column_called_like_a_cue_is_a_column(typed_sensor_asker: Asker, shop_asker: Asker) -> None:
    quoted = shop_asker.outcome('orders with note "growth of"', datetime(2024, 6, 30))
    assert not isinstance(quoted, Planned) or not quoted.plan.post


@pytest.mark.parametrize(
    "question",
    [
        "ratio of price of 'Oak Table' to price of 'Pine Chair'",
        "ratio of the price of Oak Table to the price of Pine Chair",
    ],
)
def test_numbers_of_single_rows_are_divided_as_they_are(shop_asker: Asker, question: str) -> None:
    assert float(shop_asker.value(question)) == pytest.approx(240.5 / 80.0)


def test_a_ratio_of_numbers_of_many_rows_asks_how_they_are_folded(sensor_asker: Asker) -> None:
    assert not isinstance(sensor_asker.outcome("ratio of temperature to humidity by region"), Planned)


@pytest.mark.parametrize(
    "question",
    ["orders in May 2024 vs last year", "orders today compared with last month", "orders in Q1 2024 vs 2023"],
)
def test_times_of_different_lengths_are_not_compared(shop_asker: Asker, question: str) -> None:
    assert not isinstance(shop_asker.outcome(question), Planned)


def test_a_condition_of_the_second_number_is_its_own(lesson_asker: Asker) -> None:
    rows = lesson_asker.records("activity")
    done = [r["learner_id"] for r in rows if r["action"] == "certificate"]
    learners = {r["learner_id"] for r in rows}
    ratio = lesson_asker.value("ratio of learners to certificates")
    assert float(ratio) == pytest.approx(len(learners) / len(done))


def test_a_condition_behind_both_numbers_holds_for_both(lesson_asker: Asker) -> None:
    rows = [r for r in lesson_asker.records("activity") if r["details"]["device"] == "tablet"]
    counts = Counter(r["action"] for r in rows)
    ratio = lesson_asker.value("ratio of logins to certificates on tablet")
    assert float(ratio) == pytest.approx(counts["login"] / counts["certificate"])

"""Times named by the calendar, days of the week, hours of the day, and days that are counted."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pytest

from aidatalabs_services.agent.planner.outcomes import Clarification, Planned
from tests.unit.planner.conftest import Asker

_SUNDAY = datetime(2024, 6, 30, 17, 45)


def _window(asker: Asker, words: str, now: datetime = _SUNDAY) -> tuple[str, str]:
    outcome = asker.outcome(f"number of orders {words}", now)
    assert isinstance(outcome, Planned), f"{words}: {outcome}"
    (window,) = outcome.plan.windows
    return window.start, window.end


@pytest.mark.parametrize(
    ("words", "start", "end"),
    [
        ("last Friday", "2024-06-28", "2024-06-29"),
        ("last Sunday", "2024-06-23", "2024-06-24"),
        ("since Monday", "2024-06-24", ""),
        ("since Sunday", "2024-06-30", ""),
        ("the day before yesterday", "2024-06-28", "2024-06-29"),
        ("a week ago", "2024-06-23", "2024-06-24"),
        ("in week 23", "2024-06-03", "2024-06-10"),
        ("in calendar week 1 of 2024", "2024-01-01", "2024-01-08"),
        ("in week 40", "2023-10-02", "2023-10-09"),
        ("in H1 2024", "2024-01-01", "2024-07-01"),
        ("in the second half of 2023", "2023-07-01", "2024-01-01"),
        ("in H2", "2023-07-01", "2024-01-01"),
        ("in FY2023", "2023-01-01", "2024-01-01"),
        ("in fiscal year 2023", "2023-01-01", "2024-01-01"),
        ("in the 2020s", "2020-01-01", "2030-01-01"),
        ("in the last full month", "2024-05-01", "2024-06-01"),
        ("in the previous calendar week", "2024-06-17", "2024-06-24"),
        ("in the last 2 complete quarters", "2023-10-01", "2024-04-01"),
        ("in the trailing 3 months", "2024-03-30T17:45:00", "2024-06-30T17:45:00"),
        ("in the first 3 months of 2024", "2024-01-01", "2024-04-01"),
        ("in March and April 2024", "2024-03-01", "2024-05-01"),
        ("in 2023 or 2024", "2023-01-01", "2025-01-01"),
        ("in February of this year", "2024-02-01", "2024-03-01"),
        ("in October of last year", "2023-10-01", "2023-11-01"),
        ("before week 23", "", "2024-06-03"),
        ("after H1 2023", "2023-07-01", ""),
    ],
)
def test_a_time_of_the_calendar_is_read_on_the_clock(
    shop_asker: Asker, words: str, start: str, end: str
) -> None:
    assert _window(shop_asker, words) == (start, end)


def test_the_clock_is_what_it_is_set_to(shop_asker: Asker) -> None:
    friday = datetime(2024, 3, 1, 8, 0)
    assert _window(shop_asker, "last Friday", friday) == ("2024-02-23", "2024-02-24")
    assert _window(shop_asker, "in the last full month", friday) == ("2024-02-01", "2024-03-01")
    assert _window(shop_asker, "in H2", friday) == ("2023-07-01", "2024-01-01")


@pytest.mark.parametrize(
    "words",
    ["in March and June 2024", "in week 60", "in early 2024", "in mid May 2024", "last Fridays", "in H3 2024",
     "in the first week of May 2024", "during summer 2023", "next Friday"],
)  # fmt: skip
def test_times_that_nobody_can_place_are_not_guessed(shop_asker: Asker, words: str) -> None:
    assert not isinstance(shop_asker.outcome(f"number of orders {words}"), Planned)


@pytest.mark.parametrize("words", ["recently", "lately", "these days"])
def test_a_vague_time_is_asked_about(shop_asker: Asker, words: str) -> None:
    asked = shop_asker.asks(f"number of orders {words}")
    assert [choice.label for choice in asked.choices] == [
        "in the last 7 days", "in the last 30 days", "in the last 90 days"
    ]  # fmt: skip
    for choice in asked.choices:
        assert shop_asker.planned(choice.question).sql == choice.sql


@pytest.mark.parametrize(
    ("question", "days"),
    [
        ("number of orders on Mondays", {1}),
        ("number of orders on Mondays and Fridays", {1, 5}),
        ("number of orders every Sunday", {7}),
        ("number of orders on weekends", {6, 7}),
        ("number of weekend orders", {6, 7}),
        ("number of orders on weekdays", {1, 2, 3, 4, 5}),
        ("number of orders on business days", {1, 2, 3, 4, 5}),
    ],
)
def test_days_of_the_week_pick_rows(shop_asker: Asker, question: str, days: set[int]) -> None:
    told = [datetime.fromisoformat(o["ordered_at"]).isoweekday() for o in shop_asker.records("orders")]
    assert int(shop_asker.value(question)) == sum(day in days for day in told)


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("between 9 and 17h", range(9, 17)),
        ("between 9am and 5pm", range(9, 17)),
        ("from 8 to 10 o'clock", range(8, 10)),
        ("before noon", range(12)),
        ("after 6 pm", range(18, 24)),
        ("at 12 pm", range(12, 13)),
        ("at 12 am", range(1)),
    ],
)
def test_hours_of_the_day_pick_rows(shop_asker: Asker, words: str, hours: range) -> None:
    told = [datetime.fromisoformat(o["ordered_at"]).hour for o in shop_asker.records("orders")]
    assert int(shop_asker.value(f"number of orders {words}")) == sum(hour in hours for hour in told)


def test_numbers_without_a_sign_of_time_are_no_hours(shop_asker: Asker) -> None:
    assert isinstance(shop_asker.outcome("number of orders between 9 and 17"), Clarification)


@pytest.mark.parametrize(
    "question",
    [
        "orders by weekday or weekend",
        "did orders happen more on weekdays or on weekends? count both",
        "number of orders on weekdays vs weekends",
        "compare the number of orders on weekends with weekdays",
    ],
)
def test_weekdays_stand_beside_weekends(shop_asker: Asker, question: str) -> None:
    days = [datetime.fromisoformat(o["ordered_at"]).isoweekday() for o in shop_asker.records("orders")]
    expected = {"weekend": sum(d >= 6 for d in days), "weekday": sum(d < 6 for d in days)}
    assert {row[0]: int(row[1]) for row in shop_asker.rows(question)} == expected


@pytest.mark.parametrize(
    ("question", "cut"),
    [
        ("how many days of orders are there", 10),
        ("number of days with orders", 10),
        ("how many different months had orders", 7),
    ],
)
def test_steps_of_time_are_counted(shop_asker: Asker, question: str, cut: int) -> None:
    steps = {order["ordered_at"][:cut] for order in shop_asker.records("orders")}
    assert int(shop_asker.value(question)) == len(steps)


@pytest.mark.parametrize(
    ("question", "fold"),
    [
        ("highest daily number of orders", max),
        ("lowest number of orders per day", min),
        ("maximum number of orders in a day", max),
        ("average daily orders", lambda counts: sum(counts) / len(counts)),
    ],
)
def test_steps_are_folded_into_one_number(shop_asker: Asker, question: str, fold: object) -> None:
    counts = Counter(order["ordered_at"][:10] for order in shop_asker.records("orders"))
    assert callable(fold)
    assert float(shop_asker.value(question)) == pytest.approx(fold(counts.values()))


@pytest.mark.parametrize(
    "question", ["monthly active learners", "active learners per month", "number of active learners by month"]
)
def test_active_subjects_have_a_row_in_the_step(lesson_asker: Asker, question: str) -> None:
    months: dict[str, set[int]] = {}
    for record in lesson_asker.records("activity"):
        months.setdefault(record["happened_at"][:7], set()).add(record["learner_id"])
    rows = {row[0][:7]: int(row[1]) for row in lesson_asker.rows(question)}
    assert rows == {month: len(held) for month, held in months.items()}


@pytest.mark.parametrize(
    ("part", "cut"), [("day of the month", 8), ("quarter of the year", 5)]
)  # fmt: skip
def test_repeating_parts_of_a_date_are_grouped_by(shop_asker: Asker, part: str, cut: int) -> None:
    told = [datetime.fromisoformat(o["ordered_at"]) for o in shop_asker.records("orders")]
    counts = Counter(t.day if cut == 8 else (t.month - 1) // 3 + 1 for t in told)
    rows = shop_asker.rows(f"number of orders by {part}")
    assert {int(row[0]): int(row[1]) for row in rows} == counts


@pytest.mark.parametrize(
    "question",
    [
        "when did the first and the last order happen",
        "when was the first and last order",
        "times of the earliest and latest order",
    ],
)
def test_both_ends_of_time_are_told_at_once(shop_asker: Asker, question: str) -> None:
    times = [order["ordered_at"] for order in shop_asker.records("orders")]
    assert [str(value) for value in shop_asker.rows(question)[0]] == [min(times), max(times)]


@pytest.mark.parametrize(("way", "fold"), [("last seen", max), ("first active", min)])
def test_a_subject_is_seen_in_all_of_its_rows(lesson_asker: Asker, way: str, fold: object) -> None:
    times = [r["happened_at"] for r in lesson_asker.records("activity") if r["learner_id"] == 507]
    assert callable(fold)
    assert str(lesson_asker.value(f"when was learner 507 {way}")) == fold(times)


def test_nobody_unknown_is_seen(lesson_asker: Asker) -> None:
    assert not isinstance(lesson_asker.outcome("when was learner Brontë last seen"), Planned)
    assert not isinstance(lesson_asker.outcome("when was learner 507 last happy"), Planned)


@pytest.mark.parametrize(
    "question",
    [
        "how many orders on the last day of each month",
        "number of orders in the last week of the month",
        "orders before noon on weekdays",
        "number of orders not on Mondays",
        "total amount of orders excluding weekends",
    ],
)
def test_days_that_are_not_understood_whole_are_not_half_answered(shop_asker: Asker, question: str) -> None:
    outcome = shop_asker.outcome(question)
    weekdays = isinstance(outcome, Planned) and [f.part for f in outcome.plan.filters] == ["weekday", "hour"]
    assert weekdays or not isinstance(outcome, Planned), question


def test_hours_and_days_hold_together(shop_asker: Asker) -> None:
    told = [datetime.fromisoformat(o["ordered_at"]) for o in shop_asker.records("orders")]
    expected = sum(t.hour < 12 and t.isoweekday() < 6 for t in told)
    assert int(shop_asker.value("number of orders before noon on weekdays")) == expected

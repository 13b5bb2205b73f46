"""Time between events, ranges of numbers, steps without rows, numbers for each of another, shares in time."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, datetime, timedelta
from itertools import pairwise
from statistics import mean, median
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker
from tests.unit.planner.engine import Database, Spec

_STAMP = "%Y-%m-%d %H:%M:%S"
_ONCE = datetime(2024, 5, 1, 9)


def _baths() -> dict[str, Spec]:
    """Visits to a bath and what was bought on them: weights may be unknown, swimmer 1 came twice at once."""
    chance = random.Random(12)
    visits: list[list[Any]] = []
    sales: list[list[Any]] = []
    for n in range(1, 260):
        at = datetime(2024, 3, 3) + timedelta(days=chance.randrange(110), seconds=chance.randrange(86_400))
        at = _ONCE if n in (1, 2) else at
        swimmer = 1 if n in (1, 2) else chance.randrange(2, 60)
        pool = chance.choice(["indoor", "outdoor", "outdoor", "spa"])
        visits.append(
            [n, swimmer, at.strftime(_STAMP), pool, chance.choice([None, 48.5, 60, 71.25, 90, 99.9])]
        )
        if chance.random() < 0.3:
            at += timedelta(minutes=chance.randrange(1, 90))
            sales.append([len(sales) + 1, n, at.strftime(_STAMP), round(chance.random() * 40, 2)])
    return {
        "visits": Spec("visits", [("visit_id", "UInt32"), ("swimmer_id", "UInt32"), ("came_at", "DateTime"),
                                  ("pool", "LowCardinality(String)"), ("weight", "Nullable(Float64)")],
                       visits, ("visit_id",)),
        "sales": Spec("sales", [("sale_id", "UInt32"), ("visit_id", "UInt32", "references visits.visit_id"),
                                ("sold_at", "DateTime"), ("price", "Float64")], sales, ("sale_id",)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def baths(asker: Callable[[str], Asker]) -> Asker:
    return Asker(Database(asker("lessons").database.session, "baths_data", _baths()))


def _came(asker: Asker) -> dict[int, list[datetime]]:
    found: dict[int, list[datetime]] = defaultdict(list)
    for row in asker.records("visits"):
        found[row["swimmer_id"]].append(datetime.strptime(row["came_at"], _STAMP))
    return {swimmer: sorted(held) for swimmer, held in found.items()}


@pytest.mark.parametrize(("fold", "function"), [("average", mean), ("median", median)])
def test_the_days_between_rows_of_one_subject(
    baths: Asker, fold: str, function: Callable[[Any], float]
) -> None:
    gaps = [(b.date() - a.date()).days for held in _came(baths).values() for a, b in pairwise(held)]
    assert float(baths.value(f"{fold} days between visits of a swimmer")) == pytest.approx(function(gaps))


def test_from_the_first_to_the_second_even_at_one_moment(baths: Asker) -> None:
    spans = [(held[1] - held[0]).total_seconds() / 3600 for held in _came(baths).values() if len(held) > 1]
    assert 0 in spans
    question = "average hours between a swimmer's first and second visit"
    assert float(baths.value(question)) == pytest.approx(mean(spans))


def test_active_days_of_each_subject_on_average(baths: Asker) -> None:
    days = [len({at.date() for at in held}) for held in _came(baths).values()]
    for question in (
        "average number of active days per swimmer",
        "how many active days does a swimmer have on average",
    ):
        assert float(baths.value(question)) == pytest.approx(mean(days))


def test_first_and_last_dates_of_each_subject(baths: Asker) -> None:
    rows = baths.rows("last visit date of each swimmer")
    assert {int(row[0]): row[1] for row in rows} == {
        swimmer: held[-1].strftime(_STAMP) for swimmer, held in _came(baths).items()
    }


@pytest.mark.parametrize(
    "question", ["visits by weight in ranges of 20", "number of visits per weight in buckets of 20"]
)
def test_ranges_of_one_width_leave_out_what_is_not_known(baths: Asker, question: str) -> None:
    weights = [row["weight"] for row in baths.records("visits") if row["weight"] is not None]
    expected = Counter(float(weight // 20 * 20) for weight in weights)
    assert {float(row[0]): int(row[1]) for row in baths.rows(question)} == expected


def test_a_histogram_without_a_width_chooses_one_and_says_so(baths: Asker) -> None:
    planned = baths.planned("histogram of price")
    width = float(planned.plan.dimensions[0].bucket)
    expected = Counter(float(row["price"] // width * width) for row in baths.records("sales"))
    assert {float(row[0]): int(row[1]) for row in baths.database.rows(planned.sql)} == expected
    assert any(f"Ranges are {planned.plan.dimensions[0].bucket} wide" in line for line in planned.explanation)


def test_ranges_in_a_unit_that_the_data_does_not_tell_are_refused(baths: Asker) -> None:
    assert "unit" in baths.refuses("visits by weight in ranges of 20 minutes").message


def test_days_without_rows_are_put_in_from_end_to_end_of_the_month(baths: Asker) -> None:
    counted = Counter(row["sold_at"][:10] for row in baths.records("sales"))
    days = [str(date(2024, 4, 1) + timedelta(days=n)) for n in range(30)]
    rows = baths.rows("sales per day in April 2024 including days without any")
    assert [(row[0], int(row[1])) for row in rows] == [(day, counted[day]) for day in days]
    assert any(not counted[day] for day in days)


@pytest.mark.parametrize(("words", "least"), [("more than 2", 3), ("at least 4", 4)])
def test_days_with_so_many_rows_are_counted(baths: Asker, words: str, least: int) -> None:
    days = Counter(row["came_at"][:10] for row in baths.records("visits"))
    assert int(baths.value(f"how many days had {words} visits")) == sum(n >= least for n in days.values())


def test_how_many_subjects_have_how_many_rows(baths: Asker) -> None:
    expected = Counter(len(held) for held in _came(baths).values())
    rows = baths.rows("distribution of visits per swimmer")
    assert {int(row[0]): int(row[1]) for row in rows} == expected


def test_numbers_of_two_tables_are_divided_for_each_group(baths: Asker) -> None:
    visits, sales = baths.records("visits"), baths.records("sales")
    assert float(baths.value("sales per visit")) == pytest.approx(len(sales) / len(visits))
    pools = {row["visit_id"]: row["pool"] for row in visits}
    sold, all_of = Counter(pools[row["visit_id"]] for row in sales), Counter(pools.values())
    rows = baths.rows("sales per visit by pool")
    assert {row[0]: float(row[1]) for row in rows} == pytest.approx({p: sold[p] / all_of[p] for p in all_of})


def test_shares_within_each_month_make_up_the_whole(baths: Asker) -> None:
    counted = Counter((row["came_at"][:7], row["pool"]) for row in baths.records("visits"))
    months = Counter(row["came_at"][:7] for row in baths.records("visits"))
    rows = baths.rows("share of visits by pool per month")
    assert {(row[1][:7], row[0]): float(row[-1]) for row in rows} == pytest.approx(
        {key: 100 * n / months[key[0]] for key, n in counted.items()}
    )


def test_subjects_are_run_up_by_their_first_row(baths: Asker) -> None:
    firsts = Counter(f"{held[0]:%Y-%m-01}" for held in _came(baths).values())
    total, expected = 0, []
    for month in sorted(firsts):
        total += firsts[month]
        expected.append((month, total))
    rows = baths.rows("cumulative number of different swimmers by month")
    assert [(row[0], int(row[-1])) for row in rows] == expected


def test_stickiness_is_days_on_average_of_the_month(baths: Asker) -> None:
    days: dict[str, set[int]] = defaultdict(set)
    month: dict[str, set[int]] = defaultdict(set)
    for swimmer, held in _came(baths).items():
        for at in held:
            days[f"{at:%Y-%m-%d}"].add(swimmer)
            month[f"{at:%Y-%m}"].add(swimmer)
    expected = {
        m: 100 * mean(len(who) for day, who in days.items() if day.startswith(m)) / len(month[m])
        for m in month
    }
    assert {row[0][:7]: float(row[1]) for row in baths.rows("stickiness by month")} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        ("on average how many visits a day", "average number of visits per day"),
        ("average visits per month", "average number of visits per month"),
        ("month with the most visits", "which month had the most visits"),
        ("did visits go up or down in May 2024", "visits in May 2024 compared with the month before"),
        (
            "were there more visits in April or in May 2024",
            "compare the number of visits in April 2024 with May 2024",
        ),
        ("visits in May 2024 vs the period before", "visits in May 2024 compared with the previous month"),
    ],
)
def test_other_words_for_the_same_question(baths: Asker, question: str, plain: str) -> None:
    assert baths.rows(question) == baths.rows(plain)


def test_a_year_that_is_not_over_is_compared_with_the_same_days_of_the_last(baths: Asker) -> None:
    planned = baths.planned("visits this year compared to the same period last year")
    ends = [window.end for measure in planned.plan.measures[:2] for window in measure.windows]
    assert ends == ["2024-07-01", "2023-07-01"]


@pytest.mark.parametrize(
    ("words", "last"), [("first 2 weeks", 14), ("first 10 days", 10), ("first half", 15)]
)
def test_the_first_days_of_a_month_are_its_days(baths: Asker, words: str, last: int) -> None:
    days = [row["came_at"][:10] for row in baths.records("visits")]
    expected = sum(f"2024-04-{1:02d}" <= day <= f"2024-04-{last:02d}" for day in days)
    assert int(baths.value(f"how many visits in the {words} of April 2024")) == expected


def test_the_upper_tenth_is_no_ten(baths: Asker) -> None:
    counts = {swimmer: len(held) for swimmer, held in _came(baths).items()}
    ordered = sorted(counts.values())
    place = 0.9 * (len(ordered) - 1)
    bound = ordered[int(place)] + (place % 1) * (ordered[int(place) + 1] - ordered[int(place)])
    for question in ("top 10% of swimmers by number of visits", "top decile of swimmers by number of visits"):
        rows = baths.rows(question)
        assert {int(row[0]): int(row[1]) for row in rows} == {s: n for s, n in counts.items() if n >= bound}


@pytest.mark.parametrize("lead", ["visits", "number of visits"])
def test_the_first_week_of_a_month_is_not_placed_anywhere(baths: Asker, lead: str) -> None:
    assert "first week" in baths.refuses(f"{lead} in the first week of April").message

"""Numbers per something: a ratio that is not built, one number per row, or groups."""

from __future__ import annotations

from collections import defaultdict
from statistics import mean
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker


def _by(rows: list[dict[str, Any]], key: str, value: str) -> dict[Any, list[Any]]:
    held: dict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        held[row[key]].append(row[value])
    return held


@pytest.mark.parametrize(
    "question",
    [
        "cost per guest",
        "total cost per guest",
        "average cost per guest by wreck",
        "cost for each guest",
        "cost per wreck and guest",
        "average guests per guest",
        "dives per guest",
    ],
)
def test_a_number_per_measure_is_asked_about(dive_asker: Asker, question: str) -> None:
    asked = dive_asker.asks(question)
    assert "divide by guests" in asked.question
    assert [choice.label for choice in asked.choices] == ["for each value of guests"]


@pytest.mark.parametrize("question", ["cost per day", "total cost per day", "average cost per day by wreck"])
def test_a_cost_per_day_may_divide_by_the_days(dive_asker: Asker, question: str) -> None:
    assert "divide by days" in dive_asker.asks(question).question


@pytest.mark.parametrize("question", ["tax per crate", "tax amount per amount", "tax amount per capacity"])
def test_a_ratio_over_a_column_elsewhere_is_asked_about(cellar_asker: Asker, question: str) -> None:
    assert "divide by" in cellar_asker.asks(question).question


def test_what_is_grouped_by_in_so_many_words_is_told(dive_asker: Asker, cellar_asker: Asker) -> None:
    rows = dive_asker.rows("total cost by guests")
    expected = {
        key: sum(values) for key, values in _by(dive_asker.records("dives"), "guests", "cost_usd").items()
    }
    assert {row[0]: row[1] for row in rows} == pytest.approx(expected)
    dates = {row["dived_on"] for row in dive_asker.records("dives")}
    assert len(dive_asker.rows("dives per day")) == len(dates)
    styles = _by(cellar_asker.records("deliveries"), "style", "tax_amount")
    told = {row[0]: row[1] for row in cellar_asker.rows("average tax amount per style")}
    assert told == pytest.approx({style: mean(values) for style, values in styles.items()})


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("average guests per dive", "guests"),
        ("cost per dive", "cost_usd"),
    ],
)
def test_a_number_per_row_is_one_average_or_a_list(dive_asker: Asker, question: str, column: str) -> None:
    one, each = dive_asker.asks(question).choices
    values = [row[column] for row in dive_asker.records("dives")]
    assert dive_asker.database.rows(one.sql)[0][0] == pytest.approx(mean(values))
    assert len(dive_asker.database.rows(each.sql)) == len(values)
    assert dive_asker.planned(one.question).sql == one.sql


def test_the_number_of_each_row_is_listed(dive_asker: Asker) -> None:
    rows = dive_asker.rows("guests for each dive")
    assert {tuple(row) for row in rows} == {(d["dive_no"], d["guests"]) for d in dive_asker.records("dives")}


def test_the_average_per_row_keeps_what_was_said_of_the_rows(cellar_asker: Asker) -> None:
    choices = cellar_asker.asks("average crates per delivery in Ombra").choices
    cellars = {row["cellar_id"] for row in cellar_asker.records("cellars") if row["valley"] == "Ombra"}
    crates = [row["crates"] for row in cellar_asker.records("deliveries") if row["cellar_id"] in cellars]
    assert cellar_asker.database.rows(choices[0].sql)[0][0] == pytest.approx(mean(crates))


def test_the_total_of_each_row_is_a_list(dive_asker: Asker) -> None:
    assert len(dive_asker.rows("total cost per dive")) == len(dive_asker.records("dives"))


@pytest.mark.parametrize(
    "question",
    [
        "amount plus tax amount of deliveries",
        "total tax amount plus crates by valley",
        "the sum of `deliveries.amount` and tax amount by valley",
        "combined tax amount and crates",
        "tax amount and crates together by valley",
        "total tax amount together with crates",
        "total of `deliveries.amount` and tax amount",
        "tax amount minus crates",
        "total tax amount less crates",
        "crates times tax amount",
        "total tax amount + crates",
        "how much are tax amount and crates altogether",
        "tax amount and crates in total",
        "tax amount to crates",
        "tax amount of crates by valley",
    ],
)
def test_two_numbers_are_not_told_beside_each_other_for_their_sum(cellar_asker: Asker, question: str) -> None:
    cellar_asker.refuses(question)


@pytest.mark.parametrize(
    "question",
    [
        "total tax amount and crates",
        "total tax amount along with total crates",
        "total tax amount together with total crates",
        "sum of tax amount and crates",
    ],
)
def test_two_totals_asked_for_are_told(cellar_asker: Asker, question: str) -> None:
    rows = cellar_asker.records("deliveries")
    assert cellar_asker.rows(question)[0] == pytest.approx(
        [sum(row["tax_amount"] for row in rows), sum(row["crates"] for row in rows)]
    )

"""Numbers compared of things with many rows: a single row or all of them together, rows or groups."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest

from aidatalabs_services.agent.planner.outcomes import Planned, Refusal
from tests.unit.planner.conftest import Asker


def _sums(asker: Asker, key: str, number: str) -> dict[object, float]:
    sums: defaultdict[object, float] = defaultdict(float)
    for sailing in asker.records("sailings"):
        sums[sailing[key]] += sailing[number]
    return dict(sums)


@pytest.mark.parametrize(
    "question",
    [
        "how many ports have more than 300 crew",
        "how many vessels have more than 8 crew",
        "which vessels have more than 600 crew",
        "how many islands have more than 400 crew",
        "number of ports with less than 3 crew",
        "how many ports have 300 or more crew",
    ],
)
def test_more_than_so_many_of_a_thing_asks_for_a_row_or_the_total(ferry_asker: Asker, question: str) -> None:
    labels = [choice.label for choice in ferry_asker.asks(question).choices]
    assert labels == ["in a single row", "in total"]


@pytest.mark.parametrize(
    "question",
    [
        "ports with more than 300 crew",
        "vessels with more than 8 crew",
        "list ports with at least 300 crew",
        "which ports had more than 200 fare",
    ],
)
def test_more_than_so_many_of_a_thing_is_never_just_a_row(ferry_asker: Asker, question: str) -> None:
    outcome = ferry_asker.outcome(question)
    assert not isinstance(outcome, Planned)
    assert "in total" in (
        outcome.message if isinstance(outcome, Refusal) else [choice.label for choice in outcome.choices]
    )


def test_a_row_and_the_total_mean_what_they_say(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("how many ports have more than 440 crew")
    counts = [int(ferry_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    sums = _sums(ferry_asker, "port_id", "crew")
    assert counts == [0, sum(total > 440 for total in sums.values())]
    assert counts[1] > 0
    asked = ferry_asker.asks("which vessels have more than 590 crew")
    rows = ferry_asker.database.rows(asked.choices[1].sql)
    sums = _sums(ferry_asker, "vessel", "crew")
    assert {row[0] for row in rows} == {vessel for vessel, total in sums.items() if total > 590}
    for choice in asked.choices:
        assert ferry_asker.planned(choice.question).sql == choice.sql


def test_rows_themselves_are_compared_without_a_question(ferry_asker: Asker) -> None:
    expected = sum(sailing["crew"] > 5 for sailing in ferry_asker.records("sailings"))
    assert int(ferry_asker.value("how many sailings have more than 5 crew")) == expected
    assert len(ferry_asker.rows("list sailings with more than 5 crew")) == expected
    fares = [s["fare"] for s in ferry_asker.records("sailings") if s["crew"] > 5 and s["vessel"] == "Heron"]
    rows = ferry_asker.rows("average fare by vessel with more than 5 crew")
    assert dict(rows)["Heron"] == pytest.approx(sum(fares) / len(fares))
    assert int(ferry_asker.value("number of calm sailings with at least 0 crew")) == sum(
        sailing["weather"] == "Calm" for sailing in ferry_asker.records("sailings")
    )


@pytest.mark.parametrize(
    "question",
    [
        "average fare over 1500 by vessel",
        "total crew over 600 by vessel",
        "average fare above 1400 by weather",
        "average fare higher than 1500 by vessel",
        "total fare between 1000 and 200000 by weather",
    ],
)
def test_a_compared_number_of_groups_asks_for_rows_or_groups(ferry_asker: Asker, question: str) -> None:
    assert len(ferry_asker.asks(question).choices) == 2


def test_rows_and_groups_mean_what_they_say(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("total crew over 590 by vessel")
    sums = _sums(ferry_asker, "vessel", "crew")
    rows, groups = (ferry_asker.database.rows(choice.sql) for choice in asked.choices)
    assert rows == []
    assert {row[0]: row[1] for row in groups} == {v: total for v, total in sums.items() if total > 590}
    assert groups
    for choice in asked.choices:
        assert ferry_asker.planned(choice.question).sql == choice.sql


def test_one_compared_number_without_groups_limits_its_rows(ferry_asker: Asker) -> None:
    over = [s["fare"] for s in ferry_asker.records("sailings") if s["fare"] > 1500]
    assert ferry_asker.value("total fare over 1500") == pytest.approx(sum(over))


def test_a_group_is_not_compared_in_another_unit(trip_asker: Asker) -> None:
    trip_asker.refuses("which lines have an average arrival delay over 1 hour")
    assert trip_asker.rows("which lines have an average arrival delay over 1 minute")


def test_a_number_of_rows_of_a_thing_limits_the_things(ferry_asker: Asker) -> None:
    counts = Counter(sailing["vessel"] for sailing in ferry_asker.records("sailings"))
    counted = ferry_asker.value("how many vessels have a number of sailings over 99")
    assert int(counted) == sum(number > 99 for number in counts.values())


def test_the_most_in_total_ranks_by_the_total(ferry_asker: Asker) -> None:
    sums = _sums(ferry_asker, "vessel", "crew")
    row = ferry_asker.rows("which vessel has the most total crew")[0]
    assert row[:2] == [max(sums, key=lambda vessel: sums[vessel]), max(sums.values())]


def test_the_total_of_a_group_limits_the_group(ferry_asker: Asker) -> None:
    sums = _sums(ferry_asker, "vessel", "crew")
    counted = ferry_asker.value("how many vessels have total crew over 590")
    assert int(counted) == sum(total > 590 for total in sums.values())
    ferry_asker.refuses("total crew of ports with total fare over 3000")


def test_money_told_by_its_unit_is_the_total_of_each_thing(shop_asker: Asker) -> None:
    sums: defaultdict[int, float] = defaultdict(float)
    for order in shop_asker.records("orders"):
        sums[order["customer_id"]] += order["amount"]
    counted = shop_asker.value("how many customers have more than 6000 euros")
    assert int(counted) == sum(total > 6000 for total in sums.values())
    assert int(shop_asker.value("how many orders have more than 100 euros")) == sum(
        order["amount"] > 100 for order in shop_asker.records("orders")
    )


def test_a_year_behind_over_may_be_rows_or_groups_as_well(ferry_asker: Asker) -> None:
    labels = [choice.label for choice in ferry_asker.asks("average fare over 2000 by vessel").choices]
    assert labels == ["in the year 2000", "rows with fare over 2000", "groups with average fare over 2000"]


def test_a_number_behind_the_groups_may_be_theirs(ferry_asker: Asker) -> None:
    choice = ferry_asker.asks("total crew by vessel over 590").choices[0]
    assert choice.label == "groups with total crew over 590"
    sums = _sums(ferry_asker, "vessel", "crew")
    rows = ferry_asker.database.rows(choice.sql)
    assert {row[0]: row[1] for row in rows} == {v: total for v, total in sums.items() if total > 590}

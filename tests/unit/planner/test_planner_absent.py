"""Things without any row: a small number, the fewest and an average per thing would have to count them."""

from __future__ import annotations

from collections import Counter
from statistics import mean

import pytest

from tests.unit.planner.conftest import Asker


def _levies_of_plots(asker: Asker) -> Counter[int]:
    return Counter(levy["plot_id"] for levy in asker.records("levies"))


@pytest.mark.parametrize(
    "question",
    [
        "how many plots have fewer than 30 levies",
        "plots with less than 30 levies",
        "which plots have at most 20 levies",
        "which plot has the fewest levies",
        "bottom 2 plots by number of levies",
        "average number of waivers per levy",
        "average number of levies per plot",
        "how many levies per plot on average",
        "how many levies have fewer than 2 waivers",
        "how many wards have fewer than 90 levies",
        "which ward has the fewest levies",
        "which plot has the lowest number of levies",
        "which plot has the least levies",
        "quietest plot by number of levies",
        "which state has the fewest levies in 2023",
        "how many states have fewer than 500 high levies",
        "how many plots have between 0 and 30 levies",
        "plots with 30 or fewer levies",
        "which plot has the lowest total amount",
        "how many plots have not more than 30 levies",
    ],
)
def test_things_without_rows_are_asked_about(levy_asker: Asker, question: str) -> None:
    asked = levy_asker.asks(question)
    assert any("at least one" in choice.label for choice in asked.choices)


@pytest.mark.parametrize(
    "question",
    [
        "how many plots have 0 levies",
        "how many plots have fewer than 1 levies",
        "number of plots with less than 1 levy",
        "how many plots without levies",
        "how many plots never had a levy",
    ],
)
def test_things_without_rows_are_counted(levy_asker: Asker, question: str) -> None:
    held = {levy["plot_id"] for levy in levy_asker.records("levies")}
    none = sum(plot["plot_id"] not in held for plot in levy_asker.records("plots"))
    assert none
    assert int(levy_asker.value(question)) == none


def test_the_choice_leaves_out_things_without_rows_and_says_so(levy_asker: Asker) -> None:
    counts = _levies_of_plots(levy_asker)
    choice = levy_asker.asks("how many plots have fewer than 30 levies?").choices[0]
    again = levy_asker.planned(choice.question)
    assert again.sql == choice.sql
    assert any("at least one" in line for line in again.explanation)
    assert int(levy_asker.database.rows(choice.sql)[0][0]) == sum(n < 30 for n in counts.values())
    fewest = levy_asker.asks("which plot has the fewest levies").choices[0]
    assert levy_asker.database.rows(fewest.sql)[0][2] == min(counts.values())
    average = levy_asker.asks("average number of levies per plot").choices[0]
    assert levy_asker.database.rows(average.sql)[0][0] == pytest.approx(mean(counts.values()))


def test_nothing_is_asked_where_a_thing_without_rows_would_change_nothing(levy_asker: Asker) -> None:
    counts = _levies_of_plots(levy_asker)
    rows = levy_asker.rows("plots with more than 30 levies")
    assert {row[0] for row in rows} == {plot for plot, number in counts.items() if number > 30}
    assert levy_asker.rows("which plot has the most levies")[0][2] == max(counts.values())
    between = levy_asker.value("how many plots have between 1 and 30 levies")
    assert int(between) == sum(1 <= number <= 30 for number in counts.values())
    states = Counter(levy["state"] for levy in levy_asker.records("levies"))
    assert levy_asker.rows("which state has the fewest levies")[0][1] == min(states.values())
    wards = Counter(plot["ward"] for plot in levy_asker.records("plots"))
    assert levy_asker.rows("which ward has the fewest plots")[0][1] == min(wards.values())


def test_nothing_is_asked_where_the_profile_shows_that_nothing_is_missing(ferry_asker: Asker) -> None:
    counts = Counter(sailing["port_id"] for sailing in ferry_asker.records("sailings"))
    assert len(counts) == len(ferry_asker.records("ports"))
    assert ferry_asker.value("average number of sailings per port") == pytest.approx(mean(counts.values()))
    rows = ferry_asker.rows("which port has the fewest sailings")
    assert rows[0][2] == min(counts.values())
    ferry_asker.asks("which port has the fewest calm sailings")


def test_the_words_for_things_with_rows_are_refused_where_they_say_nothing(levy_asker: Asker) -> None:
    levy_asker.refuses("how many levies of those with any")
    levy_asker.refuses("which plot of those with any has the most levies")

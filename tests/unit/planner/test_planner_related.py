"""Things by what they are related to: some, none, so many, the most; each answer against the records."""

from __future__ import annotations

from collections import Counter
from statistics import mean
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker


def _ports_with(asker: Asker, **held: Any) -> set[int]:
    return {
        sailing["port_id"]
        for sailing in asker.records("sailings")
        if all(sailing[name] == value for name, value in held.items())
    }


def _plots_with(asker: Asker, **held: Any) -> set[int]:
    return {
        levy["plot_id"]
        for levy in asker.records("levies")
        if all(levy[name] == value for name, value in held.items())
    }


@pytest.mark.parametrize(
    "question",
    [
        "how many plots have no open levies",
        "how many plots do not have open levies",
        "how many plots without open levies",
        "number of plots that have never had an open levy",
        "how many plots are there without any open levies",
    ],
)
def test_things_without_such_rows_are_counted(levy_asker: Asker, question: str) -> None:
    held = _plots_with(levy_asker, state="open")
    plots = {plot["plot_id"] for plot in levy_asker.records("plots")}
    assert int(levy_asker.value(question)) == len(plots - held)


@pytest.mark.parametrize(
    "question",
    [
        "which plots have no void levies",
        "list plots that have no void levies",
        "plots without void levies",
        "What are the plot names of the plots without any void levies?",
        "show the plots that do not have a void levy",
        "give me all plots except those with void levies",
    ],
)
def test_things_without_such_rows_are_listed(levy_asker: Asker, question: str) -> None:
    held = _plots_with(levy_asker, state="void")
    names = {plot["plot_name"] for plot in levy_asker.records("plots") if plot["plot_id"] not in held}
    rows = levy_asker.rows(question)
    assert names
    assert sorted(row[0] for row in rows) == sorted(names)


def test_a_value_of_several_things_lacks_rows_only_where_all_of_them_do(levy_asker: Asker) -> None:
    wards = {plot["plot_id"]: plot["ward"] for plot in levy_asker.records("plots")}
    held = {wards[plot] for plot in _plots_with(levy_asker, priority="high", state="void")}
    rows = levy_asker.rows("which wards have no high void levies")
    assert {row[0] for row in rows} == set(wards.values()) - held


def test_rows_at_the_end_of_a_chain_are_looked_for(levy_asker: Asker) -> None:
    late = {waiver["levy_no"] for waiver in levy_asker.records("waivers") if waiver["reason"] == "late"}
    plots = {levy["plot_id"] for levy in levy_asker.records("levies") if levy["levy_no"] in late}
    names = {p["plot_name"] for p in levy_asker.records("plots") if p["plot_id"] not in plots}
    assert {row[0] for row in levy_asker.rows("which plots have no late waivers")} == names
    assert int(levy_asker.value("how many levies have no late waivers")) == 320 - len(late)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("average amount of levies with damaged waivers", "damaged"),
        ("What is the average amount of the levies that have late waivers?", "late"),
        ("mean amount of levies with a mistaken waiver", "mistaken"),
    ],
)
def test_a_figure_of_things_with_such_rows_counts_each_thing_once(
    levy_asker: Asker, question: str, reason: str
) -> None:
    held = {w["levy_no"] for w in levy_asker.records("waivers") if w["reason"] == reason}
    expected = mean(levy["amount"] for levy in levy_asker.records("levies") if levy["levy_no"] in held)
    assert levy_asker.value(question) == pytest.approx(expected)


def test_a_total_of_things_with_and_without_rows_adds_up(levy_asker: Asker) -> None:
    whole = levy_asker.value("total amount of levies")
    some = levy_asker.value("total amount of levies with waivers")
    none = levy_asker.value("total amount of levies without waivers")
    assert min(some, none) > 0
    assert some + none == pytest.approx(whole)


def test_a_group_of_things_without_rows(ferry_asker: Asker) -> None:
    held = _ports_with(ferry_asker, weather="Calm", vessel="Heron")
    left = Counter(p["island"] for p in ferry_asker.records("ports") if p["port_id"] not in held)
    rows = ferry_asker.rows("number of ports with no calm heron sailings by island")
    assert {row[0]: int(row[1]) for row in rows} == left


def test_what_is_left_out_may_be_told_by_several_words(ferry_asker: Asker) -> None:
    both = sum(s["weather"] == "Calm" and s["vessel"] == "Heron" for s in ferry_asker.records("sailings"))
    assert int(ferry_asker.value("number of sailings excluding calm heron sailings")) == 300 - both


def test_what_was_taken_for_a_word_of_the_question_is_told(shop_asker: Asker) -> None:
    planned = shop_asker.planned("revenue by month")
    assert "sumOrNull(amount)" in planned.sql
    assert "'revenue' was read as the total orders.amount." in planned.explanation

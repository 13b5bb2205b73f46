"""Superlatives of groups, the lowest of the lowest, and questions back that would offer only one thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from statistics import mean
from typing import Any

import pytest

from aidatalabs_services.agent.planner.answers import sentence
from tests.unit.planner.conftest import Asker


def _by(asker: Asker, table: str, key: str, value: str) -> dict[Any, list[Any]]:
    held: dict[Any, list[Any]] = defaultdict(list)
    for row in asker.records(table):
        held[row[key]].append(row[value])
    return held


@pytest.mark.parametrize(
    ("question", "key", "value", "upwards", "count"),
    [
        ("3 most expensive wrecks", "wreck", "cost_usd", True, 3),
        ("top 2 most expensive leaders", "leader", "cost_usd", True, 2),
        ("the 2 coldest wrecks", "wreck", "min_temp_c", False, 2),
        ("which 2 wrecks are the cheapest", "wreck", "cost_usd", False, 2),
        ("cheapest leader", "leader", "cost_usd", False, 1),
        ("warmest season", "season", "min_temp_c", True, 1),
        ("deepest wreck", "wreck", "depth_m", True, 1),
        ("deepest wreck of dives", "wreck", "depth_m", True, 1),
        ("what is the coldest season", "season", "min_temp_c", False, 1),
        ("which wreck is the deepest", "wreck", "depth_m", True, 1),
    ],
)
def test_a_superlative_of_a_group_is_average_total_or_single(
    dive_asker: Asker, question: str, key: str, value: str, upwards: bool, count: int
) -> None:
    asked = dive_asker.asks(question)
    held = _by(dive_asker, "dives", key, value)
    folds: tuple[Callable[[list[Any]], Any], ...] = (mean, sum, max if upwards else min)
    for choice, fold in zip(asked.choices, folds, strict=True):
        ranked = sorted(held, key=lambda one: fold(held[one]), reverse=upwards)
        assert [row[0] for row in dive_asker.database.rows(choice.sql)] == ranked[:count]
        assert dive_asker.planned(choice.question).sql == choice.sql


@pytest.mark.parametrize(
    "question", ["biggest valley", "3 heaviest styles", "largest valley", "lightest style by sent on"]
)
def test_no_single_row_answers_for_its_group(cellar_asker: Asker, question: str) -> None:
    assert "LIMIT" not in getattr(cellar_asker.outcome(question), "sql", "")


@pytest.mark.parametrize(
    "question",
    ["oldest wreck", "newest leader", "which season is the oldest", "last 3 leaders", "5 oldest wrecks"],
)
def test_the_first_or_last_of_what_repeats_is_not_a_list_of_rows(dive_asker: Asker, question: str) -> None:
    dive_asker.refuses(question)


def test_superlatives_of_rows_are_still_answered(dive_asker: Asker, cellar_asker: Asker) -> None:
    dives = dive_asker.records("dives")
    assert len(dive_asker.rows("3 deepest dives")) == 3
    best = max(dives, key=lambda row: row["depth_m"])
    assert dive_asker.rows("which leader had the deepest dive")[0][0] == best["leader"]
    assert dive_asker.rows("last leader")[0][0] in {row["leader"] for row in dives}
    assert cellar_asker.rows("biggest cellar")[0][0] == "Mill Yard"
    assert len(cellar_asker.rows("2 heaviest deliveries")) == 2


def test_the_headline_of_a_lowest_number_is_the_lowest(dive_asker: Asker) -> None:
    held = {
        season: min(values) for season, values in _by(dive_asker, "dives", "season", "min_temp_c").items()
    }
    for question in ("lowest min temp by season", "minimum min temp per season"):
        planned = dive_asker.planned(question)
        columns, rows = dive_asker.database.query(planned.sql)
        coldest = min(held, key=lambda season: held[season])
        assert rows[0][0] == coldest
        assert f"is lowest for {coldest}" in sentence(planned, columns, rows, truncated=False)
    planned = dive_asker.planned("lowest cost per year")
    columns, rows = dive_asker.database.query(planned.sql)
    low = min(rows, key=lambda row: float(row[1]))
    assert f"is lowest for {str(low[0])[:4]}" in sentence(planned, columns, rows, truncated=False)


def test_a_question_back_with_one_way_left_names_what_was_lost(dive_asker: Asker) -> None:
    refused = dive_asker.refuses("shortest dive")
    assert "'by height_m' here, not 'by days'" in refused.message


def test_what_counts_things_is_added_up(dive_asker: Asker) -> None:
    dives = dive_asker.records("dives")
    rows = dive_asker.rows("guests by season")
    assert {row[0]: int(row[1]) for row in rows} == {
        season: sum(dive["guests"] for dive in dives if dive["season"] == season)
        for season in {dive["season"] for dive in dives}
    }


def test_a_choice_that_is_asked_about_again_keeps_its_own_choices(cellar_asker: Asker) -> None:
    labels = [c.label for c in cellar_asker.asks("which valley has the highest amount").choices]
    assert labels[0].startswith("average amount, ")
    for choice in cellar_asker.asks("which valley has the highest amount").choices:
        assert cellar_asker.planned(choice.question).sql == choice.sql

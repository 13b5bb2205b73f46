"""How far a negation reaches, which column a function is said of, and what a number or a sign means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import json_format

from aidatalabs.agent.v1 import plan_pb2
from aidatalabs_services.agent.planner.words import tokenize
from tests.unit.planner.conftest import Asker

Row = dict[str, Any]


def _joined(asker: Asker) -> list[Row]:
    ports = {port["port_id"]: port for port in asker.records("ports")}
    return [{**ports[sailing["port_id"]], **sailing} for sailing in asker.records("sailings")]


def _count(asker: Asker, holds: Callable[[Row], bool]) -> int:
    return sum(holds(row) for row in _joined(asker))


@pytest.mark.parametrize(
    "question",
    [
        "number of sailings excluding Skarn and calm",
        "number of sailings not in Northey, Skarn",
        "number of sailings not calm and heron",
        "number of sailings except heron, rough",
    ],
)
def test_a_second_value_behind_a_negation_is_asked_about(ferry_asker: Asker, question: str) -> None:
    asked = ferry_asker.asks(question)
    assert [choice.label.split(" ")[:2] for choice in asked.choices] == [["leave", "out"]] * 2


def test_both_choices_of_a_negation_mean_what_they_say(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("number of sailings excluding Skarn and calm")
    counts = [int(ferry_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    assert counts == [
        _count(ferry_asker, lambda r: r["island"] != "Skarn" and r["weather"] != "Calm"),
        _count(ferry_asker, lambda r: r["island"] != "Skarn" and r["weather"] == "Calm"),
    ]


@pytest.mark.parametrize(
    "question",
    [
        "number of sailings not calm heron",
        "number of sailings excluding those with fare over 100 and crew over 3",
        "number of sailings without swell high and fare over 100",
        "number of sailings not in Skarn and chartered",
        "number of sailings except calm over 100",
        "total fare excluding calm and ports in Skarn",
        "excluding calm sailings in 2023, how many sailings",
        "number of sailings without Skarn, calm and heron",
        "total fare of non chartered calm sailings",
        "number of sailings not chartered over 100",
    ],
)
def test_a_negation_without_a_clear_end_is_not_answered(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)


def test_a_place_behind_an_exclusion_is_asked_about(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("number of sailings except calm in Northey")
    rows = ferry_asker.database.rows(asked.choices[0].sql)
    expected = _count(ferry_asker, lambda r: r["weather"] != "Calm" and r["port_name"] == "Northey")
    assert int(rows[0][0]) == expected


@pytest.mark.parametrize(
    ("question", "holds"),
    [
        ("number of sailings excluding calm and rough", lambda r: r["weather"] == "Foggy"),
        (
            "number of sailings not calm, not heron",
            lambda r: r["weather"] != "Calm" and r["vessel"] != "Heron",
        ),
        (
            "number of sailings where weather is not calm and vessel is heron",
            lambda r: r["weather"] != "Calm" and r["vessel"] == "Heron",
        ),
        (
            "number of sailings not calm with fare over 1000",
            lambda r: r["weather"] != "Calm" and r["fare"] > 1000,
        ),
        (
            "number of sailings except calm in 2023",
            lambda r: r["weather"] != "Calm" and r["sailed_on"][:4] == "2023",
        ),
        ("number of calm sailings not in Skarn", lambda r: r["weather"] == "Calm" and r["island"] != "Skarn"),
        (
            "number of sailings excluding calm where vessel is heron",
            lambda r: r["weather"] != "Calm" and r["vessel"] == "Heron",
        ),
    ],
)
def test_a_negation_with_a_clear_end_is_answered(
    ferry_asker: Asker, question: str, holds: Callable[[Row], bool]
) -> None:
    assert int(ferry_asker.value(question)) == _count(ferry_asker, holds)


_SPLITS = (
    ("where weather is calm", "where weather is not calm"),
    ("where weather is calm", "except calm"),
    ("where swell is high", "where swell is not high"),
    ("where swell is high", "excluding swell high"),
    ("with tip over 2", "except tip over 2"),
    ("where tip is at least 2", "except tip at least 2"),
    ("where fare is at least 900", "where fare is not at least 900"),
    ("that are chartered", "that are not chartered"),
)


@pytest.mark.parametrize("second", ["", "where vessel is heron", "in 2023", "where crew is at most 4"])
@pytest.mark.parametrize(("kept", "left"), _SPLITS)
def test_a_condition_and_its_negation_split_the_rows(
    ferry_asker: Asker, kept: str, left: str, second: str
) -> None:
    whole = int(ferry_asker.value(f"number of sailings {second}".strip()))
    parts = [int(ferry_asker.value(f"number of sailings {part} {second}".strip())) for part in (kept, left)]
    assert sum(parts) == whole
    assert 0 < parts[0] < whole


def test_a_number_that_may_be_unknown_is_not_turned_round_silently(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("number of sailings where tip is not at least 3")
    counts = [int(ferry_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    known = _count(ferry_asker, lambda r: r["tip"] is not None and r["tip"] < 3)
    assert counts == [known, known + _count(ferry_asker, lambda r: r["tip"] is None)]


def test_every_plan_fits_the_contract(ferry_asker: Asker) -> None:
    for question in ("number of sailings except tip over 2", "number of sailings not calm with tip under 3"):
        said = ferry_asker.planned(question).plan.to_dict()
        made = json_format.ParseDict(said, plan_pb2.QueryPlan())
        assert [f.operator for f in made.filters][-1] in ("le_or_unknown", "lt")


def test_rows_kept_or_left_out_for_want_of_a_value_are_told(ferry_asker: Asker) -> None:
    kept = " ".join(ferry_asker.planned("number of sailings except tip over 2").explanation)
    assert "rows where it is not known are kept" in kept
    left = " ".join(ferry_asker.planned("number of sailings with tip over 2").explanation)
    assert "rows where it is not known are left out" in left
    hidden = " ".join(ferry_asker.planned("which swell had the most sailings").explanation)
    assert "Rows without a swell are not ranked." in hidden


@pytest.mark.parametrize("said", ["are not boarded", "aren't boarded", "not boarded"])
def test_a_stored_negation_is_told_from_a_said_one(ferry_asker: Asker, said: str) -> None:
    asked = ferry_asker.asks(f"how many sailings {said}")
    counts = [int(ferry_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    assert counts == [
        _count(ferry_asker, lambda r: r["boarding"] == "Not Boarded"),
        _count(ferry_asker, lambda r: r["boarding"] != "Boarded"),
    ]


@pytest.mark.parametrize(
    "question",
    [
        "average and highest fare with crew over 3",
        "average vessel with fare over 100",
        "total weather with fare over 100",
        "average days with fare over 100",
        "average sailing with fare over 100",
    ],
)
def test_a_function_is_said_of_the_column_behind_it_or_of_none(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)


def test_a_column_beside_an_extreme_is_asked_about(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("highest fare and crew where vessel is heron")
    rows = [row for row in _joined(ferry_asker) if row["vessel"] == "Heron"]
    first = ferry_asker.database.rows(asked.choices[0].sql)[0]
    assert first == [max(r["fare"] for r in rows), max(r["crew"] for r in rows)]


@pytest.mark.parametrize(
    "question",
    [
        "how many sailings weather not calm",
        "how many sailings weather calm or rough",
        "number of sailings weather other than calm",
        "how many sailings weather<>calm",
    ],
)
def test_rows_are_told_from_values_of_a_limited_column(ferry_asker: Asker, question: str) -> None:
    labels = {choice.label for choice in ferry_asker.asks(question).choices}
    assert labels == {"rows of sailings", "different weather"}


def test_a_number_of_the_row_is_told_from_how_many_different_ones(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("how many sailings with less than 5 sailing days")
    rows = ferry_asker.database.rows(asked.choices[0].sql)
    assert int(rows[0][0]) == _count(ferry_asker, lambda r: r["days"] < 5)
    assert len(ferry_asker.asks("total crew by vessel with less than 4 sailing days").choices) == 2


def test_a_compared_number_of_the_rows_does_not_add_up(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("how many sailings fare exactly 50 or more")
    rows = ferry_asker.database.rows(asked.choices[0].sql)
    assert int(rows[0][0]) == _count(ferry_asker, lambda r: r["fare"] >= 50)


@pytest.mark.parametrize(
    "question",
    [
        "how many sailings with weather !calm",
        "how many sailings in -Skarn",
        "how many sailings with fare over - 5",
        "how many sailings in Skarn/Ulva",
        "total fare + crew",
        "number of sailings with fare 5-10",
        "number of sailings with crew over one two",
        "number of sailings with crew over twenty twenty three",
    ],
)
def test_a_sign_or_number_without_meaning_is_refused(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)


def test_signs_of_comparison_and_punctuation_are_read(ferry_asker: Asker) -> None:
    expected = _count(ferry_asker, lambda r: r["weather"] != "Calm")
    assert int(ferry_asker.value("how many sailings with weather ≠ calm?!")) == expected
    assert int(ferry_asker.value("how many sailings with crew ≥ 4")) == _count(
        ferry_asker, lambda r: r["crew"] >= 4
    )
    assert int(ferry_asker.value("number of sailings (in 'Skarn'), please.")) == _count(
        ferry_asker, lambda r: r["island"] == "Skarn"
    )


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("a hundred thousand", [100_000]),
        ("two dozen", [24]),
        ("twenty-five", [25]),
        ("two thousand three hundred", [2_300]),
        ("one two", [1, 2]),
        ("hundred", []),
        ("-5", [-5]),
    ],
)
def test_spelled_numbers_follow_their_grammar(text: str, numbers: list[int]) -> None:
    assert [token.number for token in tokenize(text) if token.kind == "number"] == numbers


def test_a_currency_sign_is_a_unit() -> None:
    words = [token.word for token in tokenize("over $100 or 5 €")]
    assert words == ["over", "100", "usd", "or", "5", "eur"]


def test_an_m_behind_a_number_is_asked_about(ferry_asker: Asker) -> None:
    assert ferry_asker.asks("number of sailings with fare over 3m").choices[0].label == "3 million"
    assert "fare > 3000000" in ferry_asker.planned("number of sailings with fare over 3M").sql


def test_a_point_before_three_digits_is_asked_about(ferry_asker: Asker) -> None:
    labels = [c.label for c in ferry_asker.asks("number of sailings with fare over 1.000").choices]
    assert labels == ["1000", "1.0000"]


@pytest.mark.parametrize(
    "question",
    [
        "which vessel had the 2nd most sailings",
        "3rd most common weather",
        "5th largest sailing",
        "1st sailing",
        "which vessel had the second most sailings",
    ],
)
def test_an_ordinal_is_no_limit(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)


def test_an_ordinal_in_a_date_is_a_day(ferry_asker: Asker) -> None:
    expected = _count(ferry_asker, lambda r: r["sailed_on"] == "2023-03-02")
    assert int(ferry_asker.value("number of sailings on the 2nd of March 2023")) == expected


def test_no_of_a_number_that_may_be_zero_is_asked_about(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("how many sailings with no tip")
    counts = [int(ferry_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    assert counts == [
        _count(ferry_asker, lambda r: r["tip"] is None),
        _count(ferry_asker, lambda r: r["tip"] == 0),
    ]
    ferry_asker.refuses("total fare excluding tip")


def test_from_a_day_is_asked_about_unless_an_end_follows(ferry_asker: Asker) -> None:
    labels = [c.label for c in ferry_asker.asks("how many sailings from March 2023").choices]
    assert labels == ["since March 2023", "only March 2023"]
    expected = _count(ferry_asker, lambda r: "2023-03-01" <= r["sailed_on"] <= "2023-05-31")
    assert int(ferry_asker.value("how many sailings from March 2023 to May 2023")) == expected


def test_a_year_behind_over_is_asked_about(ferry_asker: Asker) -> None:
    asked = ferry_asker.asks("total fare over 2023")
    assert [choice.label for choice in asked.choices] == ["in the year 2023", "fare over 2023"]
    assert "fare > 2000" in ferry_asker.planned("number of sailings with fare over 2000").sql


@pytest.mark.parametrize(
    "question",
    [
        "share of calm sailings in Skarn",
        "share of heron sailings where weather is calm",
        "share of Skarn sailings in Skarn",
    ],
)
def test_a_share_of_rows_under_a_further_condition_is_refused(ferry_asker: Asker, question: str) -> None:
    ferry_asker.refuses(question)

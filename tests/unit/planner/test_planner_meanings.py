"""Words that may not be guessed or dropped: ages, values, events, units, extremes, carriers of conditions."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from aidatalabs_services.agent.planner.answers import sentence
from tests.unit.planner.conftest import Asker


def _visits(asker: Asker) -> list[dict[str, Any]]:
    return asker.records("club_visits")


def _answer(asker: Asker, question: str) -> str:
    planned = asker.planned(question)
    columns, rows = asker.database.query(planned.sql)
    return sentence(planned, columns, rows, False)


@pytest.mark.parametrize("noun", ["of members", "from members", "for members"])
def test_older_than_is_said_of_an_age_behind_a_noun_that_names_a_key(club_asker: Asker, noun: str) -> None:
    expected = sum(visit["member_age"] > 60 for visit in _visits(club_asker))
    assert int(club_asker.value(f"how many visits were there {noun} older than 60?")) == expected


@pytest.mark.parametrize(
    "question",
    [
        "how many visits with drinks older than 3",
        "longest drinks",
        "which club name has the heaviest total drinks",
        "top 3 club names longest by number of visits",
        "how many visits with guest passes longer than 2",
        "how many visits with more than 2 euros guest passes and cheaper drinks than 4",
    ],
)
def test_an_adjective_is_never_said_of_another_kind_of_number(club_asker: Asker, question: str) -> None:
    club_asker.refuses(question)


def test_older_without_any_age_is_refused(shop_asker: Asker) -> None:
    assert "older" in shop_asker.refuses("how many orders older than 3").message


def test_a_noun_behind_of_is_no_group(club_asker: Asker) -> None:
    rows = club_asker.rows("number of visits per club name of members younger than 25")
    counts = Counter(v["club_name"] for v in _visits(club_asker) if v["member_age"] < 25)
    assert {row[0]: int(row[1]) for row in rows} == counts


def test_a_key_that_carries_nothing_is_refused(club_asker: Asker) -> None:
    club_asker.refuses("average drinks of members")


@pytest.mark.parametrize(
    "question",
    [
        "number of visits by sign_in per `club_visits.sign_in` month",
        "number of visits by sign_in per month",
        "number of visits per sign in month",
        "number of sign ins per month",
    ],
)
def test_a_date_and_its_step_are_one_group(club_asker: Asker, question: str) -> None:
    counts = Counter(v["sign_in"][:7] for v in _visits(club_asker))
    assert {str(row[0])[:7]: int(row[1]) for row in club_asker.rows(question)} == counts


def test_hours_of_a_date_without_any_are_refused(club_asker: Asker) -> None:
    assert "only days" in club_asker.refuses("number of visits per sign_in hour of the day").message


def test_a_value_of_the_rows_is_their_one_amount(shop_asker: Asker, club_asker: Asker) -> None:
    total = sum(order["amount"] for order in shop_asker.records("orders"))
    assert shop_asker.value("total order value") == pytest.approx(total)
    rows = club_asker.rows("total visit value by club name")
    assert sum(row[1] for row in rows) == pytest.approx(sum(v["visit_total"] for v in _visits(club_asker)))
    assert (
        "'visit value' was read as club_visits.visit_total."
        in club_asker.planned("total visit value by club name").explanation
    )


@pytest.mark.parametrize(
    ("question", "labels"),
    [
        ("total ticket value by garage", {"est_repair_cost", "deposit_eur"}),
        ("average ticket amount", {"est_repair_cost", "deposit_eur"}),
    ],
)
def test_a_value_that_could_be_several_is_asked_about(
    workshop_asker: Asker, question: str, labels: set[str]
) -> None:
    assert {choice.label for choice in workshop_asker.asks(question).choices} == labels


def test_a_unit_alone_asks_which_of_its_columns(club_asker: Asker) -> None:
    asked = club_asker.asks("total eur by club name")
    assert {choice.label for choice in asked.choices} == {"locker_fee_eur", "drinks_eur"}


def test_a_time_is_the_measure_in_minutes_or_hours(club_asker: Asker) -> None:
    longest = max(v["training_min"] for v in _visits(club_asker))
    assert club_asker.value("longest training time") == longest
    assert club_asker.value("fastest training time") == min(v["training_min"] for v in _visits(club_asker))


def test_a_verb_of_the_family_of_a_date_chooses_it(club_asker: Asker) -> None:
    left = [v for v in _visits(club_asker) if (v["left_at"] or "").startswith("2024-03")]
    assert int(club_asker.value("how many visits left in March 2024")) == len(left)
    signed = sum(v["sign_in"].startswith("2024-03") for v in _visits(club_asker))
    assert int(club_asker.value("how many visits were signed in in March 2024")) == signed


def test_several_dates_without_a_verb_are_asked_about(club_asker: Asker) -> None:
    assert len(club_asker.asks("how many visits in March 2024").choices) == 3


def test_by_behind_a_verb_names_the_value_of_its_column(club_asker: Asker) -> None:
    expected = sum(v["payment_kind"] == "Voucher" for v in _visits(club_asker))
    assert int(club_asker.value("how many visits were paid by voucher")) == expected


@pytest.mark.parametrize("number", ["zero", "0", "no"])
def test_had_none_of_a_measure(club_asker: Asker, number: str) -> None:
    expected = sum(v["guest_passes"] == 0 for v in _visits(club_asker))
    if number == "no":
        club_asker.refuses(f"how many visits had {number} guest passes")
    else:
        assert int(club_asker.value(f"how many visits had {number} guest passes")) == expected


def test_two_extremes_are_two_numbers_told_together(club_asker: Asker) -> None:
    rows = club_asker.rows("youngest and oldest member age by club name")
    for name, youngest, oldest in rows:
        ages = [v["member_age"] for v in _visits(club_asker) if v["club_name"] == name]
        assert (youngest, oldest) == (min(ages), max(ages))
    text = _answer(club_asker, "minimum and maximum member age by club name")
    assert text.count("minimum member age") == text.count("maximum member age") == 3


@pytest.mark.parametrize("verb", ["handled", "has handled", "showed"])
def test_a_verb_between_who_and_how_many_adds_nothing(club_asker: Asker, verb: str) -> None:
    counts = Counter(v["club_name"] for v in _visits(club_asker))
    assert int(club_asker.rows(f"which club name {verb} the most visits")[0][1]) == max(counts.values())
    club_asker.refuses("which club name refused the most visits")
    club_asker.refuses(f"which club name {verb} visits the most drinks")


def test_a_flag_of_a_key_that_repeats_is_asked_about(club_asker: Asker) -> None:
    asked = club_asker.asks("how many active members")
    counts = [int(club_asker.database.rows(choice.sql)[0][0]) for choice in asked.choices]
    active = [v["member_no"] for v in _visits(club_asker) if v["active_member"]]
    assert counts == [len(set(active)), len(active)]


def test_a_flag_may_be_said_in_two_places(club_asker: Asker) -> None:
    expected = sum(not v["active_member"] for v in _visits(club_asker))
    assert int(club_asker.value("how many visits from members that are not active")) == expected


@pytest.mark.parametrize(
    ("question", "begins"),
    [
        ("total visit total by club name", "3 groups: sum of visit total is highest for"),
        ("average training min", "The average training min is"),
        (
            "total drinks by `club_visits.entered_at` hour of the day",
            "24 groups: total drinks is highest for",
        ),
    ],
)
def test_answers_do_not_say_a_word_twice(club_asker: Asker, question: str, begins: str) -> None:
    assert _answer(club_asker, question).startswith(begins)

"""Readings that looked right and were not: unknown keys, half of a name, a denied value, a flag behind by."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import mean
from typing import Any

import pytest

from aidatalabs_services.agent.planner.answers import sentence
from aidatalabs_services.agent.planner.explain import OPERATOR_WORDS
from aidatalabs_services.agent.planner.outcomes import Planned, Refusal
from aidatalabs_services.agent.planner.plan import OPERATORS, Filter, Measure, QueryPlan, Source
from tests.unit.planner.conftest import Asker


def _appointments(asker: Asker, key: str) -> Counter[str]:
    """The number of appointments of each known value of a column."""
    return Counter(row[key] for row in asker.records("appointments") if row[key])


@pytest.mark.parametrize("key", ["insurer", "referrer"])
def test_what_is_not_known_is_no_thing_to_count(practice_asker: Asker, key: str) -> None:
    known = _appointments(practice_asker, key)
    most = sum(number > 60 for number in known.values())
    unknown = len(practice_asker.records("appointments")) - known.total()
    assert unknown > 60
    assert practice_asker.value(f"how many {key}s have more than 60 appointments") == most
    assert practice_asker.value(f"how many {key}s have more than 10 appointments") == len(known)


@pytest.mark.parametrize("key", ["insurer", "referrer"])
def test_what_is_not_known_has_no_total(practice_asker: Asker, key: str) -> None:
    totals: defaultdict[str, float] = defaultdict(float)
    for row in practice_asker.records("appointments"):
        totals[row[key] or ""] += row["fee_eur"]
    assert totals.pop("") > 8_000
    right = sum(total > 8_000 for total in totals.values())
    assert practice_asker.value(f"how many {key}s have a total fee over 8000") == right


@pytest.mark.parametrize("key", ["insurer", "referrer"])
def test_what_is_not_known_is_not_averaged_over(practice_asker: Asker, key: str) -> None:
    right = mean(_appointments(practice_asker, key).values())
    assert practice_asker.value(f"average number of appointments per {key}") == pytest.approx(right)


@pytest.mark.parametrize("key", ["insurer", "referrer"])
def test_what_is_not_known_is_not_listed_as_a_thing(practice_asker: Asker, key: str) -> None:
    known = _appointments(practice_asker, key)
    rows = practice_asker.rows(f"{key}s with more than 60 appointments")
    assert {row[0] for row in rows} == {name for name, number in known.items() if number > 60}


def test_a_group_of_what_is_not_known_is_still_shown(practice_asker: Asker) -> None:
    rows = practice_asker.rows("number of appointments by referrer")
    assert sum(row[-1] for row in rows) == len(practice_asker.records("appointments"))


def test_rows_without_a_thing_are_told_in_words(practice_asker: Asker) -> None:
    planned = practice_asker.planned("how many referrers have more than 60 appointments")
    assert "Only rows where appointments.referrer is not empty." in planned.explanation
    columns, rows = practice_asker.database.query(planned.sql)
    assert "referrer is not empty" in sentence(planned, columns, rows, False)


@pytest.mark.parametrize(
    "question",
    [
        "total patients",
        "average patients per doctor",
        "total patients by specialty",
        "median patients",
        "maximum patients by doctor",
    ],
)
def test_patients_are_not_their_ages(practice_asker: Asker, question: str) -> None:
    practice_asker.refuses(question)


@pytest.mark.parametrize("question", ["total units by kind", "total customers by carrier", "total units"])
def test_units_and_customers_are_not_prices_and_ratings(round_asker: Asker, question: str) -> None:
    round_asker.refuses(question)


@pytest.mark.parametrize(
    ("words", "column"),
    [("total fees", "fee_eur"), ("total ages", "patient_age"), ("total waits", "wait_minutes")],
)
def test_a_plural_that_ends_a_name_is_computed(practice_asker: Asker, words: str, column: str) -> None:
    right = sum(row[column] or 0 for row in practice_asker.records("appointments"))
    assert practice_asker.value(words) == pytest.approx(right)


@pytest.mark.parametrize("tie", ["by", "from", "with"])
def test_a_denied_value_behind_a_preposition_is_left_out(round_asker: Asker, tie: str) -> None:
    rows = round_asker.records("parcels")
    right = sum(row["supplier"] != "Acme" for row in rows)
    assert round_asker.value(f"how many parcels are not supplied {tie} Acme") == right


def test_rows_of_unknown_kind_are_told_where_a_value_is_denied(practice_asker: Asker) -> None:
    planned = practice_asker.planned("how many appointments are not insured by Aurora")
    rows = practice_asker.records("appointments")
    assert practice_asker.database.rows(planned.sql)[0][0] == sum(r["insurer"] != "Aurora" for r in rows)
    assert any("not known are kept" in line for line in planned.explanation)


def test_a_denied_value_of_something_else_is_refused(practice_asker: Asker) -> None:
    practice_asker.refuses("how many appointments are not insured by Dr Penn")


@pytest.mark.parametrize(
    "question",
    [
        "how many appointments are not insured by Aurora or Crest",
        "how many appointments without insurer where insurer is Aurora",
        "how many appointments where insurer is Aurora without insurer",
    ],
)
def test_no_value_and_a_value_are_never_asked_together(practice_asker: Asker, question: str) -> None:
    outcome = practice_asker.outcome(question)
    assert not (isinstance(outcome, Planned) and "isNull(insurer) AND" in outcome.sql)
    assert isinstance(outcome, Refusal) or "where" not in question


def test_rows_without_a_value_by_somebody_are_counted(round_asker: Asker) -> None:
    rows = round_asker.records("parcels")
    right = sum(row["supplier"] is None and row["carrier_id"] == 1 for row in rows)
    assert round_asker.value("how many parcels without supplier by Ada Stone") == right


def test_several_denied_values_are_all_left_out(practice_asker: Asker) -> None:
    outcome = practice_asker.outcome("how many appointments are not insured by Aurora or Crest")
    if isinstance(outcome, Planned):
        rows = practice_asker.records("appointments")
        right = sum(row["insurer"] not in ("Aurora", "Crest") for row in rows)
        assert practice_asker.database.rows(outcome.sql) == [[right]]


def _parcels_of_active(asker: Asker) -> Counter[int]:
    active = {row["carrier_id"] for row in asker.records("carriers") if row["active"]}
    return Counter(row["carrier_id"] for row in asker.records("parcels") if row["carrier_id"] in active)


@pytest.mark.parametrize(
    "question", ["how many parcels by active carriers", "number of parcels by active carriers"]
)
def test_a_flag_before_a_name_behind_by_is_asked_about(round_asker: Asker, question: str) -> None:
    right = _parcels_of_active(round_asker)
    together, each = round_asker.asks(question).choices
    assert round_asker.database.rows(together.sql) == [[right.total()]]
    assert {row[0]: row[-1] for row in round_asker.database.rows(each.sql)} == right


def test_a_flag_before_a_described_name_is_asked_about(round_asker: Asker) -> None:
    asked = round_asker.asks("how many parcels by active van carriers")
    vans = {row["carrier_id"] for row in round_asker.records("carriers") if row["vehicle"] == "van"}
    right = sum(number for key, number in _parcels_of_active(round_asker).items() if key in vans)
    assert asked.choices[0].label == "the active van carriers together"
    assert round_asker.database.rows(asked.choices[0].sql) == [[right]]


@pytest.mark.parametrize("per", ["per", "for each"])
def test_per_active_carrier_groups_the_active_ones(round_asker: Asker, per: str) -> None:
    rows = round_asker.rows(f"number of parcels {per} active carrier")
    assert {row[0]: row[-1] for row in rows} == _parcels_of_active(round_asker)


@pytest.mark.parametrize("noun", ["van carrier", "Ada Stone"])
def test_per_a_flag_and_a_value_is_refused(round_asker: Asker, noun: str) -> None:
    round_asker.refuses(f"how many parcels per active {noun}")


def test_a_flag_alone_behind_by_groups(round_asker: Asker) -> None:
    assert dict(round_asker.rows("number of carriers by active")) == {True: 4, False: 2}


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("how many appointments without a wait over 60 minutes", "wait_minutes"),
        ("how many appointments with no wait over 60", "wait_minutes"),
    ],
)
def test_a_denied_limit_is_told_in_a_sentence(practice_asker: Asker, question: str, column: str) -> None:
    planned = practice_asker.planned(question)
    columns, rows = practice_asker.database.query(planned.sql)
    right = sum(row[column] is None or row[column] <= 60 for row in practice_asker.records("appointments"))
    assert rows == [[right]]
    assert f"{column} is at most 60 or is not known" in sentence(planned, columns, rows, False)


_NESTED = ("in_query", "not_in_query", "any", "all")


@pytest.mark.parametrize("operator", [each for each in OPERATORS if each not in _NESTED])
def test_every_condition_has_words(operator: str) -> None:
    source = Source("bookings", "discount", "Nullable(Float64)")
    count = Measure("count", None, "number_of_bookings", "number of bookings")
    condition = Filter(source, operator, ("1", "2"), numeric=True)
    plan = QueryPlan("scalar", "bookings", measures=(count,), filters=(condition,))
    rows: list[list[Any]] = [[3]]
    told = sentence(Planned(plan, "", (), 1.0), [("number_of_bookings", "UInt64")], rows, False)
    assert told.startswith("The number of bookings is 3 (discount ")


def test_words_are_for_conditions_there_are() -> None:
    assert set(OPERATOR_WORDS) <= set(OPERATORS)


@pytest.mark.parametrize("key", ["insurer", "referrer"])
def test_what_is_not_known_is_no_value_of_its_own(practice_asker: Asker, key: str) -> None:
    known = _appointments(practice_asker, key)
    assert practice_asker.value(f"how many {key}s are there") == len(known)
    of_doctors: defaultdict[str, set[str]] = defaultdict(set)
    for row in practice_asker.records("appointments"):
        if row[key]:
            of_doctors[row["doctor"]].add(row[key])
    rows = practice_asker.rows(f"number of {key}s by doctor")
    assert {row[0]: row[1] for row in rows} == {name: len(found) for name, found in of_doctors.items()}
    most = max(map(len, of_doctors.values()))
    assert practice_asker.rows(f"doctors with more than {most} {key}s") == []

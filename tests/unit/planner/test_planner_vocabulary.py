"""Ordinary words: questions as people put them over trades no rule knows, and words that must stop them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from statistics import mean

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import Asker
from tests.unit.planner.worlds import BAGGAGE, CALLS, HOTEL, LIBRARY, MUSEUM, SOFTWARE

_NOW = datetime(2026, 1, 15, 12)


def _ask(question: str, catalogue: Catalogue) -> Outcome:
    return plan(question, catalogue, now=_NOW)


def _planned(question: str, catalogue: Catalogue) -> Planned:
    outcome = _ask(question, catalogue)
    assert isinstance(outcome, Planned), f"{question}: {outcome}"
    return outcome


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        (
            "How many works of poetry do we own?",
            LIBRARY,
            "count() AS number_of_books FROM books WHERE genre = 'poetry'",
        ),
        ("novels per genre", LIBRARY, "FROM books GROUP BY genre"),
        ("How many suitcases weigh more than 23 kg?", BAGGAGE, "FROM bags WHERE weight_kg > 23"),
        ("How many complaints were filed last month?", BAGGAGE, "FROM claims WHERE filed_on >="),
        ("staff per team", CALLS, "FROM agents GROUP BY team"),
        ("How many users do we have in York?", LIBRARY, "FROM readers WHERE town = 'York'"),
    ],
)
def test_kindred_nouns_name_tables(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("sign-ups per country", "WHERE event_type = 'account_created' GROUP BY country"),
        ("exports by plan", "WHERE event_type = 'report_exported' GROUP BY plan"),
        ("How many cancellations in November?", "event_type = 'plan_cancelled' AND"),
        ("failed payments by country", "WHERE event_type = 'payment_failed' GROUP BY country"),
        ("How many people invited a teammate?", "uniqExact(user_id)"),
        ("How many customers signed up in December?", "uniqExact(user_id)"),
        ("How many accounts were created in December?", "event_type = 'account_created' AND"),
    ],
)
def test_deeds_are_stored_values_and_people_their_keys(question: str, held: str) -> None:
    assert held in _planned(question, SOFTWARE).sql


def test_what_was_read_freely_is_told() -> None:
    told = _planned("How many customers signed up in December?", SOFTWARE).explanation
    assert "'customers' was read as 'user_id'." in told
    assert "'signed up' was read as event_type 'account_created'." in told


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        ("How many books are currently on loan?", LIBRARY, "isNull(returned_on)"),
        ("unsettled claims per reason", BAGGAGE, "FROM claims WHERE isNull(settled_on) GROUP BY reason"),
        ("How many calls are still open?", CALLS, "FROM calls WHERE isNull(ended_at)"),
        ("unanswered calls per topic", CALLS, "FROM calls WHERE isNull(answered_at) GROUP BY topic"),
        ("luggage not yet delivered", BAGGAGE, "FROM bags WHERE isNull(delivered_at)"),
    ],
)
def test_a_missing_end_tells_what_still_goes_on(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        ("How long do people keep a book on average?", LIBRARY, "borrowed_on, returned_on) / 86400)"),
        ("longest loan", LIBRARY, "dateDiff('second', borrowed_on, returned_on) / 86400 AS"),
        ("How long does it take to settle a claim?", BAGGAGE, "('second', filed_on, settled_on) / 86400)"),
        ("average call duration in minutes", CALLS, "('second', started_at, ended_at) / 60)"),
        ("average waiting time in seconds", CALLS, "dateDiff('second', started_at, answered_at) / 1"),
        ("calls answered within 20 seconds", CALLS, "started_at, answered_at) / 1 <= 20"),
        ("average stay in days", HOTEL, "dateDiff('second', arrival_date, departure_date) / 86400"),
    ],
)  # fmt: skip
def test_the_time_between_two_columns_of_a_row(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        ("the thickest book", LIBRARY, "ORDER BY pages DESC"),
        ("priciest book", LIBRARY, "ORDER BY price DESC"),
        ("youngest reader", LIBRARY, "ORDER BY birth_date DESC"),
        ("heaviest bag on AB12 in kilos", BAGGAGE, "WHERE flight_no = 'AB12' ORDER BY weight_kg DESC"),
        ("most expensive room", HOTEL, "ORDER BY nightly_rate DESC"),
        ("visitors per ticket type", MUSEUM, "total_people FROM tickets GROUP BY ticket_type"),
        ("Which halls have nothing hanging in them?", MUSEUM, "NOT IN (SELECT hall_id FROM artefacts)"),
    ],
)  # fmt: skip
def test_qualities_counts_and_absence_by_what_the_data_holds(
    question: str, catalogue: Catalogue, held: str
) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue"),
    [
        ("How many books were stolen?", LIBRARY),
        ("Which readers own a car?", LIBRARY),
        ("most beautiful book", LIBRARY),
        ("Lend me a book", LIBRARY),
        ("overdue loans", LIBRARY),
        ("readers who returned late", LIBRARY),
        ("bags rerouted last week", BAGGAGE),
        ("heaviest bag in pounds", BAGGAGE),
        ("How many pilots do we employ?", BAGGAGE),
        ("How many users were banned?", SOFTWARE),
        ("How many reports were imported?", SOFTWARE),
        ("Cancel all plans", SOFTWARE),
        ("refunded users", SOFTWARE),
        ("sessions per user", SOFTWARE),
        ("dropped calls", CALLS),
        ("How many callers hung up?", CALLS),
        ("guests who complained", HOTEL),
        ("works per network", MUSEUM),
        ("total income per hall", MUSEUM),
    ],
)
def test_a_word_that_may_restrict_the_answer_stops_it(question: str, catalogue: Catalogue) -> None:
    assert not isinstance(_ask(question, catalogue), Planned)


def test_two_ends_that_fit_alike_are_asked_about() -> None:
    asked = _ask("How many visitors did we have in December?", HOTEL)
    assert isinstance(asked, Clarification | Refusal)


def test_a_visit_lasts_from_its_own_begin_to_its_own_end(club_asker: Asker) -> None:
    rows = [row for row in club_asker.records("club_visits") if row["left_at"]]
    lasted = mean(
        (datetime.fromisoformat(row["left_at"]) - datetime.fromisoformat(row["entered_at"])).total_seconds()
        / 60
        for row in rows
    )
    assert club_asker.value("How long does a visit last on average, in minutes?") == pytest.approx(lasted)


def test_those_that_have_not_left_are_counted(club_asker: Asker) -> None:
    expected = sum(not row["left_at"] for row in club_asker.records("club_visits"))
    assert club_asker.value("How many visits are still going on?") == expected


def test_growth_on_the_previous_month_looks_at_every_month(asker: Callable[[str], Asker]) -> None:
    plain = asker("shop").planned("number of orders per month with the growth on the previous month")
    assert len(asker("shop").database.rows(plain.sql)) > 12

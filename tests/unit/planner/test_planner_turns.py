"""Questions as people put them: amounts by unit, what nobody did, what a log of events tells of people."""

from __future__ import annotations

from datetime import datetime

import pytest

from aidatalabs_services.agent.planner.answers import sentence
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.outcomes import Outcome, Planned
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import Asker
from tests.unit.planner.worlds import CALLS, GUILD, HOTEL, LIBRARY, MILLS, PODCASTS, SCOOTERS, SOFTWARE

_NOW = datetime(2026, 1, 15, 12)


def _ask(question: str, catalogue: Catalogue) -> Outcome:
    return plan(question, catalogue, now=_NOW)


def _planned(question: str, catalogue: Catalogue) -> Planned:
    outcome = _ask(question, catalogue)
    assert isinstance(outcome, Planned), f"{question}: {outcome}"
    return outcome


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("how many tonnes of rye were ground in 2025?", "sumOrNull(tonnes)"),
        ("How many kilos were bought in 2025?", "sumOrNull(weight_kg)"),
        ("How many acres of ponds do we have?", "sumOrNull(surface_acres)"),
        ("Mills with more than 30 acres", "acres > 30"),
        ("average price per kilo by month in 2025", "avgOrNull(price_per_kg)"),
        ("Largest single purchase in kg", "maxOrNull(weight_kg)"),
        ("Did we sell more kilos in April than in March?", "toDate('2025-04-01')"),
    ],
)
def test_a_unit_names_the_one_number_stored_in_it(question: str, held: str) -> None:
    assert held in _planned(question, MILLS).sql


@pytest.mark.parametrize(
    "question",
    [
        "How many litres of water did we use?",
        "How many dollars per kilo?",
        "How many hectares of ponds do we have?",
        "Largest single pond in kg",
        "average price per litre",
    ],
)
def test_a_unit_that_nothing_is_stored_in_stops_the_answer(question: str) -> None:
    assert not isinstance(_ask(question, MILLS), Planned)


def test_people_are_those_whose_key_stands_where_it_was_done() -> None:
    sql = _planned("How many people registered last month?", GUILD).sql
    assert "uniqExact(apprentice_id)" in sql
    assert "FROM registrations" in sql
    assert "FROM masters" in _planned("How many people joined in 2025?", GUILD).sql


@pytest.mark.parametrize("question", ["How many people are there?", "How many people complained?"])
def test_people_of_two_kinds_are_not_guessed(question: str) -> None:
    assert not isinstance(_ask(question, GUILD), Planned)


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        (
            "Which workshops has nobody taken?",
            GUILD,
            "workshop_id NOT IN (SELECT workshop_id FROM registrations",
        ),
        (
            "Which customers have never bought anything?",
            MILLS,
            "customer_id NOT IN (SELECT customer_id FROM purch",
        ),
        ("Which books has nobody borrowed?", LIBRARY, "book_id NOT IN (SELECT book_id FROM loans"),
        ("Which rooms have never been booked?", HOTEL, "room_id NOT IN (SELECT room_id FROM bookings"),
    ],
)
def test_what_nobody_did_has_no_rows_of_it(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue"),
    [
        ("Which customers have never complained about anything?", MILLS),
        ("Which books has nobody liked?", LIBRARY),
        ("Which workshops has nobody praised?", GUILD),
        ("Which mills has nobody painted?", MILLS),
    ],
)
def test_a_deed_that_no_rows_tell_is_not_taken_for_another(question: str, catalogue: Catalogue) -> None:
    assert not isinstance(_ask(question, catalogue), Planned)


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        ("Apprentices born before 1960", GUILD, "WHERE birth_year < 1960"),
        ("How many keepers were born in 1980?", MILLS, "WHERE birth_year = 1980"),
        ("How many mills were founded since 1950?", MILLS, "WHERE founded_year >= 1950"),
        ("Which mill is the oldest?", MILLS, "ORDER BY founded_year LIMIT 1 WITH TIES"),
        ("Which mill is the newest?", MILLS, "ORDER BY founded_year DESC LIMIT 1 WITH TIES"),
    ],
)
def test_a_year_of_its_own_tells_when_and_how_old(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue", "held"),
    [
        ("Top 5 workshops by registrations", GUILD, "LIMIT 5"),
        ("average score of each master's workshops, best first", GUILD, "ORDER BY average_score DESC"),
        ("What did each craft earn us in 2025?", GUILD, "sumOrNull(registrations.amount_paid)"),
        ("workshops about weaving and what they cost", GUILD, "workshops WHERE craft = 'weaving'"),
        ("apprentices who completed more than 3 workshops", GUILD, "isNotNull(completed_at)"),
        ("registrations that have not been completed yet", GUILD, "isNull(completed_at)"),
        ("How many registrations are still unfinished?", GUILD, "isNull(completed_at)"),
        ("How many purchases are not yet settled?", MILLS, "isNull(settled_on)"),
        ("number of purchases per sort of customer", MILLS, "customers.sort"),
        ("Who are the keepers?", MILLS, "FROM keepers"),
        ("registrations per week since the beginning of December", GUILD, "toDateTime('2025-12-01"),
        ("the best mill of each valley by tonnes", MILLS, "LIMIT 1 BY"),
        ("the mill with the highest total tonnes of each valley", MILLS, "LIMIT 1 BY"),
        ("What percentage of the grindings by weight is rye?", MILLS, "sumOrNullIf(tonnes, grain = 'rye')"),
        ("Kenyans versus Spain: number of reports exported", SOFTWARE, "country.:String = 'Kenya'"),
        ("On average how many days until a purchase is settled?", MILLS, "bought_on, settled_on"),
        ("How long does it take people to finish a workshop, in days?", GUILD, "registered_at, completed_at"),
    ],
)
def test_turns_of_speech_about_things(question: str, catalogue: Catalogue, held: str) -> None:
    assert held in _planned(question, catalogue).sql


@pytest.mark.parametrize(
    ("question", "catalogue"),
    [
        ("registrations that were not celebrated", GUILD),
        ("How many calls are still unrecorded?", CALLS),
        ("average fee of each master's workshops, best first", GUILD),
        ("workshops about kindness", GUILD),
        ("Dutch versus Danes: number of guests", HOTEL),
        ("What percentage of the grindings by volume is rye?", MILLS),
        ("What did each master paint in 2025?", GUILD),
    ],
)
def test_turns_that_the_data_does_not_tell_stop_the_answer(question: str, catalogue: Catalogue) -> None:
    assert not isinstance(_ask(question, catalogue), Planned)


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("new profiles per month", "event_type = 'profile_created' GROUP BY month_start"),
        ("Which topic gets shared the most?", "event_type = 'episode_shared'"),
        (
            "membership revenue by tier",
            "sumOrNull(value) AS total_value FROM events WHERE event_type = 'membership_st",
        ),
        ("average playing time per topic, in minutes", "avgOrNull(value)"),
        ("what are people playing? top 3 topics", "event_type = 'episode_played'"),
        ("at what time of day do people share most?", "toHour("),
        ("How many people use the app on a radio?", "uniqExact(user_id)"),
    ],
)
def test_a_log_of_events_tells_what_people_did(question: str, held: str) -> None:
    assert held in _planned(question, PODCASTS).sql


def test_those_who_are_called_by_what_they_did_are_told_by_the_event() -> None:
    sql = _planned("How many renters have extended so far?", SCOOTERS).sql
    assert "uniqExact(user_id)" in sql
    assert "event_type = 'rental_extended'" in sql
    assert not isinstance(_ask("How many renters have complained so far?", SCOOTERS), Planned)


@pytest.mark.parametrize(
    "question",
    [
        "new episodes per month",
        "Which topic gets skipped the most?",
        "episode revenue by topic",
        "average playing time per topic",
        "what are people eating? top 3 topics",
        "at what time of day do people sleep most?",
    ],
)
def test_what_no_event_tells_is_not_answered(question: str) -> None:
    assert not isinstance(_ask(question, PODCASTS), Planned)


def test_all_things_that_share_the_first_place_are_shown(shop_asker: Asker) -> None:
    products = list(shop_asker.records("products"))
    price = next(name for name in products[0] if "price" in name)
    least = min(row[price] for row in products)
    rows = shop_asker.rows("cheapest product")
    assert len(rows) == sum(row[price] == least for row in products)


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("apprentices who completed a workshop", "IN (SELECT apprentice_id FROM registrations WHERE"),
        ("apprentices who finished a workshop", "IN (SELECT apprentice_id FROM registrations WHERE"),
        (
            "apprentices who never completed a workshop",
            "NOT IN (SELECT apprentice_id FROM registrations WHERE",
        ),
        ("apprentices who completed more than 3 workshops", "HAVING number_of_rows > 3"),
        ("workshops completed by more than 5 apprentices", "HAVING number_of_rows > 5"),
    ],
)
def test_a_verb_with_a_time_of_its_own_leaves_out_rows_without_it(question: str, held: str) -> None:
    sql = _planned(question, GUILD).sql
    assert held in sql
    assert "isNotNull(completed_at)" in sql


def test_a_verb_without_a_time_of_its_own_leaves_nothing_out() -> None:
    assert "isNotNull" not in _planned("apprentices who took more than 3 workshops", GUILD).sql


def test_things_that_share_the_first_place_are_told() -> None:
    planned = _planned("the cheapest workshop", GUILD)
    assert planned.sql.endswith("ORDER BY fee LIMIT 1 WITH TIES")
    columns = [("workshop_name", "String"), ("fee", "Float64"), ("tied_rows", "UInt64")]
    rows = [["Looms", 4.5, 2], ["Spoons", 4.5, 2]]
    assert sentence(planned, columns, rows, truncated=False) == "2 share the lowest fee, 4.50."


def test_a_price_per_unit_is_no_revenue() -> None:
    assert not isinstance(_ask("revenue last year", MILLS), Planned)


def test_a_revenue_is_added_up_of_the_event_it_is_said_of() -> None:
    sql = _planned("subscription revenue", PODCASTS).sql
    assert sql.endswith("sumOrNull(value) AS total_value FROM events WHERE event_type = 'membership_started'")


def test_the_time_of_a_deed_is_that_of_its_verb() -> None:
    assert "completed_at >=" in _planned("How many apprentices completed a workshop in 2025?", GUILD).sql
    assert "registered_at >=" in _planned("How many apprentices took a workshop in 2025?", GUILD).sql


def test_one_of_very_many_rows_is_shown_with_how_many_share_its_place() -> None:
    assert "TIES" not in _planned("longest call in seconds", CALLS).sql

"""Words that a reading may not leave out: codes spelled like prepositions, what was done, and when."""

from __future__ import annotations

from datetime import datetime

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.outcomes import Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.worlds import SOFTWARE, world

GUESTS = world(
    "guests", guests=(400, "guest_id:i name:s country:s:AT,IN,DE,US arrived_on:d department:s:IT,HR")
)
MUSIC = world(
    "music",
    songs=(900, "song_id:i title:s genre:s:jazz,rock,folk released_on:d"),
    plays=(50000, "play_id:i song_id:i:*900 listener_id:i:*300 played_at:t seconds:f"),
)


def ask(question: str, catalogue: Catalogue) -> Outcome:
    return plan(question, catalogue, now=datetime(2026, 1, 15, 12))


def sql(question: str, catalogue: Catalogue) -> str:
    outcome = ask(question, catalogue)
    assert isinstance(outcome, Planned), f"{question}: {outcome}"
    return outcome.sql


def test_a_code_behind_a_preposition_is_no_preposition() -> None:
    assert "WHERE country = 'AT'" in sql("number of guests from AT", GUESTS)
    assert "WHERE department = 'IT'" in sql("How many guests work in IT?", GUESTS)


@pytest.mark.parametrize(
    "question", ["number of guests by country IN 2024", "how many guests arrived IN May"]
)
def test_a_preposition_in_capitals_stays_one(question: str) -> None:
    assert "'IN'" not in sql(question, GUESTS)


@pytest.mark.parametrize("question", ["users who paid last month", "How many users paid last month?"])
def test_what_was_done_and_is_not_in_the_data_is_not_left_out(question: str) -> None:
    assert isinstance(ask(question, SOFTWARE), Refusal)


@pytest.mark.parametrize(
    "question", ["how many listeners played jazz last month?", "listeners who played jazz in December"]
)
def test_the_time_of_a_deed_is_not_that_of_what_it_was_done_to(question: str) -> None:
    told = sql(question, MUSIC)
    assert "played_at" in told
    assert "released_on" not in told


@pytest.mark.parametrize(
    "question", ["jazz songs played last month", "number of jazz songs played last month"]
)
def test_the_time_of_another_tables_deed_is_never_read_from_this_one(question: str) -> None:
    outcome = ask(question, MUSIC)
    assert not isinstance(outcome, Planned) or "released_on" not in outcome.sql


def test_a_date_of_their_own_stays_theirs() -> None:
    assert "released_on" in sql("songs released last month", MUSIC)
    assert "released_on" in sql("how many plays of songs released in 2025 were there?", MUSIC)

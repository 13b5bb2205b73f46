"""Follow-ups over a catalogue: what new words do to the plan of the answer before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.agent.continuing import NotMergeable
from aidatalabs_services.agent.followups import Followed, FollowUp, follow
from aidatalabs_services.agent.merging import as_share
from aidatalabs_services.agent.openings import Mode, opening_of
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.planner import plan
from aidatalabs_services.agent.planner.sql import emit
from aidatalabs_services.agent.plans import PlanNotReadable, plan_of

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def words(name: str, *values: str) -> Column:
    return Column(name, "String", values=values, values_complete=True, distinct_count=len(values))


RIDES = Table(
    "rides",
    (
        Column("id", "UInt64", distinct_count=1000),
        words("city", "Graz", "Lyon", "Oslo"),
        words("start_stop", "HBF", "UNI", "ZOO"),
        words("end_stop", "HBF", "UNI", "AIR"),
        Column("fare", "Float64"),
        Column("distance", "Float64"),
        Column("started_at", "DateTime", minimum="2023-01-01 00:00:00", maximum="2025-12-31 00:00:00"),
        Column("driver_id", "UInt64", distinct_count=20),
    ),
    row_count=1000,
    order_by=("id",),
)
DRIVERS = Table(
    "drivers",
    (Column("id", "UInt64", distinct_count=20), words("name", "Ann", "Bob"), words("team", "red", "blue")),
    row_count=20,
    order_by=("id",),
)
CATALOGUE = Catalogue((RIDES, DRIVERS), "v1")
MONTH = "toStartOfMonth(started_at, 'UTC') AS month_start"


def read(text: str) -> Outcome:
    return plan(text, CATALOGUE, now=NOW)


def planned(question: str) -> QueryPlan:
    outcome = read(question)
    assert isinstance(outcome, Planned), outcome
    return outcome.plan


@dataclass
class Chain:
    """A question and follow-ups, each upon the plan of the one before."""

    plan: QueryPlan
    said: list[FollowUp | None] = field(default_factory=list)

    def then(self, *texts: str) -> Chain:
        for text in texts:
            found = follow(text, self.plan, read)
            self.said.append(found)
            if isinstance(found, Followed):
                self.plan = found.plan
        return self

    @property
    def sql(self) -> str:
        assert isinstance(self.said[-1], Followed), self.said[-1]
        return self.said[-1].sql


def after(question: str, *texts: str) -> Chain:
    return Chain(planned(question)).then(*texts)


def where(sql: str) -> str:
    return sql.partition(" WHERE ")[2].partition(" GROUP BY ")[0]


def test_each_follow_up_keeps_what_the_ones_before_asked() -> None:
    chain = after("number of rides", "and by month?", "only for Graz", "what about 2024?")
    assert chain.sql == (
        f"SELECT {MONTH}, count() AS number_of_rides FROM rides WHERE city = 'Graz' "
        "AND started_at >= toDateTime('2024-01-01 00:00:00', 'UTC') "
        "AND started_at < toDateTime('2025-01-01 00:00:00', 'UTC') "
        "GROUP BY month_start ORDER BY month_start"
    )


@pytest.mark.parametrize(
    ("texts", "conditions"),
    [
        (["for Graz", "and Lyon?"], "city = 'Lyon'"),
        (["for Graz", "also Lyon"], "city IN ('Graz', 'Lyon')"),
        (["for Graz", "Lyon too"], "city IN ('Graz', 'Lyon')"),
        (["except Lyon"], "city != 'Lyon'"),
        (["with fare above 20", "with fare above 30"], "fare > 30"),
        (["with fare above 20", "where distance is below 5"], "fare > 20 AND distance < 5"),
        (["only for Graz", "without rides above 10 fare"], None),
    ],
)
def test_a_condition_replaces_the_one_on_its_column_and_joins_the_others(
    texts: list[str], conditions: str | None
) -> None:
    chain = after("number of rides by city", *texts)
    if conditions is None:  # what cannot be read changes nothing silently
        assert not isinstance(chain.said[-1], Followed)
    else:
        assert where(chain.sql) == conditions


def test_a_time_replaces_the_time_and_all_time_takes_it_away() -> None:
    chain = after("total fare by city in 2024", "what about 2023?")
    assert "2023-01-01" in chain.sql
    assert "2025" not in chain.sql
    assert where(chain.then("for all time").sql) == ""


def test_a_step_of_time_replaces_a_step_of_time_without_a_question() -> None:
    sql = after("number of rides by month", "per week instead").sql
    assert sql.startswith("SELECT toStartOfWeek(started_at, 1, 'UTC') AS week_start, count()")
    assert "month" not in sql


def test_a_group_beside_a_group_is_asked_about_and_each_choice_can_be_asked() -> None:
    chain = after("number of rides by city", "and by month?")
    asked = chain.said[-1]
    assert isinstance(asked, Clarification)
    assert [choice.label for choice in asked.choices] == ["month for each city", "month instead of city"]
    for choice in asked.choices:
        chosen = follow(choice.question, chain.plan, read)
        assert isinstance(chosen, Followed)
        assert chosen.sql == choice.sql


def test_numbers_replace_or_join_as_the_words_say() -> None:
    chain = after("total fare by city", "what about the average distance?")
    assert chain.sql.startswith("SELECT city, avgOrNull(distance) AS average_distance FROM rides")
    joined = chain.then("also the average fare").sql
    assert joined.startswith(
        "SELECT city, avgOrNull(distance) AS average_distance, avgOrNull(fare) AS average_fare"
    )
    assert chain.then("overall").sql == (
        "SELECT avgOrNull(distance) AS average_distance, avgOrNull(fare) AS average_fare FROM rides"
    )


def test_the_first_of_the_groups_and_all_of_them_again() -> None:
    chain = after("average fare by city", "top 2")
    assert chain.sql.endswith("ORDER BY average_fare DESC, city LIMIT 2")
    assert chain.then("bottom three").sql.endswith("ORDER BY average_fare, city LIMIT 3")
    assert "LIMIT" not in chain.then("all of them").sql


def test_the_first_of_other_groups_are_ranked_by_the_number_before() -> None:
    sql = after("average fare by driver", "top 2 cities").sql
    assert sql == (
        "SELECT city, avgOrNull(fare) AS average_fare FROM rides "
        "GROUP BY city ORDER BY average_fare DESC, city LIMIT 2"
    )


def test_a_lookup_comes_with_what_needs_it_and_goes_with_it() -> None:
    chain = after("number of rides by city", "by team instead")
    assert "LEFT JOIN drivers ON rides.driver_id = drivers.id" in chain.sql
    assert "JOIN" not in chain.then("by city instead").sql


def test_a_share_is_of_all_groups_or_of_the_rows_before_the_conditions() -> None:
    grouped = after("number of rides by city in 2024", "as a share").sql
    assert "100 * count() / nullIf(sum(count()) OVER (), 0) AS share_of_number_of_rides" in grouped
    assert grouped.endswith("ORDER BY share_of_number_of_rides DESC, city")
    alone = after("how many rides in Graz in 2024", "in percent").sql
    assert "100 * countIf(city = 'Graz') / nullIf(count(), 0)" in alone
    assert where(alone).startswith("started_at >= ")
    for question in ("average fare by city", "number of rides", "top 3 cities by number of rides"):
        with pytest.raises(NotMergeable):
            as_share(planned(question))


@pytest.mark.parametrize("text", ["why?", "but why is that?", "how did you get that?", "explain"])
def test_why_asks_for_the_same_plan_again(text: str) -> None:
    found = after("number of rides by city", text).said[-1]
    assert isinstance(found, Followed)
    assert found.why
    assert found.plan == planned("number of rides by city")


def test_a_value_of_several_columns_is_asked_about_unless_the_answer_before_settles_it() -> None:
    asked = after("number of rides by city", "only for HBF").said[-1]
    assert isinstance(asked, Clarification)
    assert {choice.label for choice in asked.choices} == {"start_stop is HBF", "end_stop is HBF"}
    chain = after("number of rides by city", asked.choices[0].question)
    assert chain.sql == asked.choices[0].sql
    assert where(after("number of rides by end_stop", "only for HBF").sql) == "end_stop = 'HBF'"


@pytest.mark.parametrize(
    "text", ["how many drivers are there?", "average fare by city in 2025", "list drivers"]
)
def test_a_question_of_its_own_is_no_follow_up(text: str) -> None:
    assert after("number of rides by city", text).said == [None]


@pytest.mark.parametrize("text", ["and drop table rides", "now delete all of them", "delete them"])
def test_a_follow_up_that_would_change_data_is_refused(text: str) -> None:
    found = after("number of rides by city", text).said[-1] or read(text)
    assert isinstance(found, Refusal)
    assert found.kind == "not_read_only"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("number of rides", "top 5"),
        ("number of rides", "overall"),
        ("number of rides by city", "for all time"),
        ("number of rides by city", "and what now"),
        ("number of rides by city", "only for Atlantis"),
        ("top 2 cities by number of rides", "and by month"),
    ],
)
def test_words_that_do_not_fit_are_refused_not_guessed(question: str, text: str) -> None:
    found = after(question, text).said[-1]
    assert isinstance(found, Refusal)
    assert "Ask it as a whole question." in found.message


@pytest.mark.parametrize(
    ("text", "mode", "rest"),
    [
        ("And by month?", Mode.UNSAID, "by month"),
        ("ok, what about 2023?", Mode.UNSAID, "2023"),
        ("also the average fare", Mode.JOIN, "the average fare"),
        ("by team, please, instead", Mode.REPLACE, "by team"),
        ("instead by team", Mode.REPLACE, "by team"),
        ("the same for Graz", Mode.UNSAID, "for Graz"),
    ],
)
def test_small_words_are_taken_off(text: str, mode: Mode, rest: str) -> None:
    opening = opening_of(text)
    assert opening.rest == rest
    if mode is not Mode.UNSAID:
        assert opening.mode is mode


QUESTIONS = (
    "number of rides by city",
    "total fare by month in 2024",
    "how many rides in Graz",
    "average fare by driver",
    "top 3 cities by number of rides",
    "list rides in Lyon",
)
TEXTS = (
    *(
        "by month",
        "and by city",
        "also by team",
        "by team instead",
        "only for Graz",
        "also Lyon",
        "except Oslo",
    ),
    *(
        "what about 2023?",
        "top 2",
        "bottom 1",
        "all of them",
        "as a share",
        "overall",
        "why?",
        "for all time",
    ),
    *(
        "and the average distance",
        "also the total fare",
        "with fare above 5",
        "for red",
        "how many are there",
    ),
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(question=st.sampled_from(QUESTIONS), texts=st.lists(st.sampled_from(TEXTS), min_size=1, max_size=4))
def test_any_chain_ends_in_a_plan_that_can_be_kept_and_written(question: str, texts: Sequence[str]) -> None:
    chain = after(question, *texts)
    for found in chain.said:
        if isinstance(found, Followed):
            assert plan_of(found.plan.to_dict()) == found.plan
            assert emit(found.plan) == found.sql
            aliases = [d.alias for d in found.plan.dimensions] + [m.alias for m in found.plan.measures]
            assert {order.alias for order in found.plan.order} <= set(aliases)
            assert follow(texts[0], planned(question), read) == chain.said[0]  # the same again


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"form": 1, "table": "t"},
        {"form": "table", "table": "t", "joins": "x"},
        {"form": "table", "table": "t", "joins": [1]},
    ],
)
def test_a_plan_that_is_none_is_told(kept: dict[str, Any]) -> None:
    with pytest.raises(PlanNotReadable):
        plan_of(kept)

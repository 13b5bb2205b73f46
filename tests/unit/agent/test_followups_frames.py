"""Follow-ups of growth, comparisons, funnels, sessions and ranks: they go on, or it is said why not."""

from __future__ import annotations

import re

import pytest

from aidatalabs_services.agent.followups import Followed, follow
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.planner import plan
from aidatalabs_services.agent.plans import plan_of
from aidatalabs_services.agent.provenance import parts_of
from tests.unit.models.test_models_nodes import CATALOGUE, NOW

GROWTH = "growth of the number of visits by month in 2025"
RUNNING = "running total of amount by month in 2025"
MOVING = "3 month moving average of the amount by month"
YEARS = "total amount in 2025 compared to 2024"
HALLS = "number of visits in the north hall versus the south hall"
FUNNEL = "funnel from arrive to order to pay"
SPAN = "average days between arrive and pay"
RETENTION = "weekly retention of guests"
SESSIONS = "number of sessions per day"
NEVER = "which guests never visited?"
ABOVE = "visits with an amount above the average amount"
RANKED = "top 3 guests by amount for each hall"
MONTHS = "number of visits by month in 2025"
NORTH, YEAR = "hall = 'north'", "happened_at >= toDateTime('2024-01-01"


def read(text: str) -> Outcome:
    return plan(text, CATALOGUE, now=NOW)


def planned(question: str) -> QueryPlan:
    outcome = read(question)
    assert isinstance(outcome, Planned), outcome
    return outcome.plan


def after(question: str, first: str, *texts: str) -> Followed:
    held = planned(question)
    found = follow(first, held, read)
    for text in texts:
        assert isinstance(found, Followed), found
        found = follow(text, found.plan, read)
    assert isinstance(found, Followed), found
    return found


@pytest.mark.parametrize(
    ("question", "text", "holds"),
    [
        (GROWTH, "and by week?", ["AS week_start", "STEP INTERVAL 1 WEEK", "ORDER BY week_start ROWS"]),
        (
            GROWTH,
            "and by hall?",
            ["PARTITION BY hall ORDER BY month_start", "ORDER BY hall, month_start WITH"],
        ),
        (GROWTH, "only for the north hall", [f"WHERE {NORTH} AND happened_at", "growth_of_number_of_visits"]),
        (GROWTH, "without the south hall", ["WHERE hall != 'south' AND", "growth_of_number_of_visits"]),
        (GROWTH, "what about 2024?", [YEAR, "growth_of_number_of_visits"]),
        (GROWTH, "top 2", ["ORDER BY growth_of_number_of_visits DESC, month_start LIMIT 2"]),
        (GROWTH, "just the last 3", ["ORDER BY month_start DESC LIMIT 3"]),
        (GROWTH, "lowest first", [") ORDER BY growth_of_number_of_visits, month_start"]),
        (
            GROWTH,
            "what about the average amount?",
            ["avgOrNull(amount) AS", "growth_of_average_amount"],
        ),
        (GROWTH, "running total", ["AS growth_of_number_of_visits", "AS running_total_of_number_of_visits"]),
        (RUNNING, "by hall", ["PARTITION BY hall ORDER BY month_start ROWS BETWEEN UNBOUNDED PRECEDING"]),
        (MOVING, "by week instead", ["v_3_week_moving_average_of_total_amount", "BETWEEN 2 PRECEDING"]),
        (MONTHS, "growth", ["AS growth_of_number_of_visits", "WITH FILL STEP INTERVAL 1 MONTH"]),
        (MONTHS, "as a running total", ["AS running_total_of_number_of_visits"]),
        (MONTHS, "highest first", ["ORDER BY number_of_visits DESC, month_start"]),
        (MONTHS, "the last 3", ["ORDER BY month_start DESC LIMIT 3"]),
        (MONTHS, "only on weekends", ["toDayOfWeek(happened_at, 0, 'UTC') IN (6, 7)", "2025-01-01"]),
        (
            YEARS,
            "and by hall?",
            ["GROUP BY hall", "AS total_amount_2024", "change_of_total_amount"],
        ),
        (YEARS, "only pay", ["WHERE action = 'pay'", "AS total_amount_2024"]),
        (HALLS, "what about 2024?", [YEAR, "countIf(hall = 'south')"]),
        (FUNNEL, "only for the north hall", [f"WHERE {NORTH} GROUP BY subject_", "countIf(action = 'pay')"]),
        (FUNNEL, "what about 2024?", [YEAR, "countIf(action = 'pay')"]),
        (FUNNEL, "only those from FR", ["guests.country = 'FR' GROUP BY subject_"]),
        (FUNNEL, "and by hall?", ["SELECT hall, tupleElement(row_, 1)", "GROUP BY subject_, hall"]),
        (SESSIONS, "what about 2024?", [YEAR, "toDate(start_, 'UTC') AS `date`"]),
        (SPAN, "and by month?", ["toStartOfMonth(start_, 'UTC') AS month_start", "GROUP BY month_start"]),
        (SPAN, "only for the north hall", [f"WHERE {NORTH}", "dateDiff('day'"]),
        (RETENTION, "by month instead", ["AS cohort_month", "months_later", "dateDiff('month'"]),
        (SESSIONS, "and by week?", ["toStartOfWeek(start_, 1, 'UTC') AS week_start", "GROUP BY week_start"]),
        (SESSIONS, "overall", ["SELECT count() AS number_of_sessions FROM (SELECT subject_"]),
        (NEVER, "only those from FR", ["NOT IN (SELECT guest_id FROM visits)", "country = 'FR'"]),
        (RANKED, "top 2", ["total_amount DESC, guest_id, guest_name LIMIT 2 BY hall"]),
        (RANKED, "bottom 1", ["ORDER BY hall, total_amount, guest_id, guest_name LIMIT 1 BY hall"]),
        (RANKED, "only pay", ["visits.action = 'pay'", "LIMIT 3 BY hall"]),
    ],
)
def test_a_follow_up_changes_its_part_and_keeps_all_others(
    question: str, text: str, holds: list[str]
) -> None:
    found = after(question, text)
    for part in holds:
        assert part in found.sql
    assert plan_of(found.plan.to_dict()) == found.plan
    aliases = [*(one.alias for one in found.plan.dimensions), *(one.alias for one in found.plan.numbers)]
    assert len(set(aliases)) == len(aliases)
    assert {order.alias for order in found.plan.order} <= set(aliases)


@pytest.mark.parametrize(
    ("question", "text", "why"),
    [
        (GROWTH, "overall", "needs its steps of time"),
        (GROWTH, "by hall instead", "needs steps of time"),
        (GROWTH, "as a share", "not one number"),
        (GROWTH, "also the average amount", "of one number alone"),
        (GROWTH, "also 2024", "another one cannot stand beside it"),
        (GROWTH, "growth", "shows that already"),
        (GROWTH, "what about guests?", "name a table"),
        (RUNNING, "what about the average amount?", "does not add up"),
        (YEARS, "what about 2023?", "compares times of its own"),
        (YEARS, "for all time", "compares times of its own"),
        (YEARS, "and by week?", "which steps of time would take apart"),
        (YEARS, "what about the average amount?", "each have conditions of their own"),
        (HALLS, "only for the north hall", "about values of hall already"),
        (FUNNEL, "and by month?", "A funnel cannot be divided"),
        (SESSIONS, "and by hall?", "only steps of their time"),
        (SPAN, "only pay", "about values of action already"),
        (FUNNEL, "only pay", "about values of action already"),
        (FUNNEL, "top 2", "A funnel has no first groups"),
        (FUNNEL, "highest first", "no groups to put in another order"),
        (FUNNEL, "and the median amount?", "that these words would take away"),
        (FUNNEL, "growth", "one number for each step of time"),
        (RETENTION, "and by hall?", "Retention cannot be divided"),
        (NEVER, "what about 2024?", "looks up other rows"),
        (ABOVE, "only for the north hall", "looks up other rows"),
        (RANKED, "and by hall?", "ranks the rows of each of its groups"),
        (RANKED, "and the median amount?", "ranks the rows of each group"),
        (MONTHS, "without visits above 10 amount", "whether such rows are meant"),
    ],
)
def test_what_would_drop_a_part_is_refused_with_its_reason(question: str, text: str, why: str) -> None:
    found = follow(text, planned(question), read)
    assert isinstance(found, Refusal), found
    assert re.search(why, found.message)


@pytest.mark.parametrize("question", [GROWTH, YEARS, FUNNEL, RETENTION, SESSIONS, NEVER, RANKED])
def test_why_asks_for_the_same_again_whatever_it_was(question: str) -> None:
    found = after(question, "why?")
    assert (found.why, found.plan) == (True, planned(question))


def test_follow_ups_of_follow_ups_go_on() -> None:
    found = after(
        MONTHS, "growth", "only for the north hall", "and by action?", "by week instead", "for all time"
    )
    assert "PARTITION BY action ORDER BY week_start" in found.sql
    assert "WHERE hall = 'north' GROUP BY week_start" in found.sql
    assert "2025" not in found.sql


def test_a_group_beside_steps_of_time_is_still_asked_about_without_a_number_over_them() -> None:
    assert isinstance(follow("and by hall?", planned(MONTHS), read), Clarification)


def test_each_part_says_whether_it_is_kept_or_new() -> None:
    found = after(MONTHS, "growth")
    parts = {part.part: part.made_by for part in parts_of(found.plan, found.wordings, planned(MONTHS))}
    assert (parts["measure"], parts["post"]) == ("earlier turn", "planner: words")
    (cohort,) = [part for part in parts_of(planned(FUNNEL), ()) if part.part == "cohort"]
    assert cohort.detail == "funnel of visits.guest_id, arrive, order, pay"
    held = planned(SESSIONS)
    found = after(SESSIONS, "only for the north hall")
    said = {part.part: part.made_by for part in parts_of(found.plan, found.wordings, held)}
    assert (said["cohort"], said["filter"]) == ("earlier turn", "planner: words")

"""Whatever the planner can say a model can say too: the planner's own plans, as a model writes them."""

from __future__ import annotations

import json
import re
from dataclasses import is_dataclass
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from aidatalabs_services.agent.models.drafts import plan_of
from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.models.shapes import FUNCTIONS, SERIES, WORDS, plan_schema, slots
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import Dimension, Filter, Join, QueryPlan, Source
from aidatalabs_services.agent.planner.planner import plan
from aidatalabs_services.agent.planner.sql import emit

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


def words(name: str, *values: str) -> Column:
    return Column(name, "String", values=values, values_complete=True, distinct_count=len(values))


CATALOGUE = Catalogue(
    (
        Table(
            "visits",
            (
                Column("id", "UInt64", distinct_count=9000),
                Column("guest_id", "UInt64", distinct_count=300),
                words("action", "arrive", "order", "pay", "leave"),
                words("hall", "north", "south"),
                Column("regular", "Bool"),
                Column("amount", "Float64"),
                Column(
                    "happened_at", "DateTime", minimum="2024-01-01 00:00:00", maximum="2026-02-28 00:00:00"
                ),
            ),
            row_count=9000,
            order_by=("id",),
        ),
        Table(
            "guests",
            (
                Column("id", "UInt64", distinct_count=300),
                words("name", "Ann", "Bob"),
                words("country", "AT", "FR"),
                Column("joined_on", "Date", minimum="2020-01-01", maximum="2026-02-01"),
            ),
            row_count=300,
            order_by=("id",),
        ),
    ),
    "v1",
)
INDEX = CatalogueIndex(CATALOGUE)
QUESTIONS = (
    "number of visits by hall",
    "total amount by month in 2025",
    "cumulative number of visits by month in 2025",
    "running total of amount by month in 2025",
    "3 month moving average of the amount by month",
    "growth of the number of visits by month in 2025",
    "month over month change of total amount in 2025",
    "share of visits by hall",
    "percentage of visits with amount above 10",
    "median amount by hall",
    "90th percentile of amount",
    "standard deviation of the amount",
    "top 2 halls by total amount per month",
    "top 3 guests by amount for each hall",
    "which guests never visited?",
    "guests without visits",
    "number of guests with more than 5 visits",
    "visits with an amount above the average amount",
    "average number of visits per guest",
    "total amount in 2025 compared to 2024",
    "number of visits in the north hall versus the south hall",
    "ratio of arrive visits to pay visits",
    "funnel from arrive to order to pay",
    "conversion rate from arrive to pay",
    "average days between arrive and pay",
    "weekly retention of guests",
    "number of sessions per day",
    "average session length",
    "sessions per guest",
    "funnel from arrive to order to pay by hall",
    "conversion rate from arrive to pay by hall",
    "number of visits on weekends",
    "number of visits by weekday",
    "which hall has the most visits?",
    "how many guests ordered but did not pay?",
    "number of different guests by month",
    "list the guests of country FR",
    "latest visit",
)
_NAMES = {"source": "column", "alias": "name"}


def column(source: Source) -> str:
    name = "@date" if source.calendar else source.column
    return f"{source.table}.{name}" if source.table else name  # rows of an inner plan have no table


def draft_of(record: Any) -> Any:
    """A record of the planner as a model writes it."""
    if isinstance(record, Source):
        return column(record)
    if isinstance(record, Join):
        ends = {"from": f"{record.left}.{record.left_column}", "to": f"{record.table}.{record.right_column}"}
        return {**ends, "unmatched": record.kind == "left"}
    if isinstance(record, tuple):
        return [draft_of(one) for one in record]
    if not is_dataclass(record):
        return record
    if isinstance(record, QueryPlan) and record.cohort is not None:
        kept = ("table", "joins", "filters", "windows", "cohort", "limit")  # the rest is the kind's own
        return {name: draft_of(getattr(record, name)) for name in kept if getattr(record, name)}
    made = {
        slot.name: draft_of(getattr(record, slot.field))
        for slot in slots(cast(type, type(record)))
        if getattr(record, slot.field) not in (None, (), "")
    }
    if made.get("operator") in ("any", "all"):
        made.pop("column")
    return made


def read(question: str) -> QueryPlan:
    found = plan(question, CATALOGUE, now=NOW)
    assert isinstance(found, Planned), found
    return found.plan


def renamed(text: str, wanted: QueryPlan, made: QueryPlan) -> str:
    """The SQL with the names that a cohort's columns have in the other plan."""
    there = [one.alias for one in (*wanted.measures, *wanted.dimensions)]  # type: ignore[attr-defined]
    here = [one.alias for one in (*made.measures, *made.dimensions)]  # type: ignore[attr-defined]
    for first, second in zip(there, here, strict=True):
        text = re.sub(rf"\b{first}\b", second, text)
    return text


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_plan_of_the_planner_is_the_same_query_when_a_model_writes_it(question: str) -> None:
    wanted = read(question)
    draft = json.loads(json.dumps(draft_of(wanted)))
    made = plan_of(draft, INDEX)
    text = emit(wanted)
    if wanted.cohort is not None:
        text = "".join(re.sub(r"'[^']*'", "''", renamed(text, wanted, made)))
        assert re.sub(r"'[^']*'", "''", emit(made)) == text
    else:
        assert emit(made) == text


COUNT = {"function": "count", "name": "visit_count"}
TOTAL = {"function": "sum", "column": "visits.amount", "name": "whole_amount"}
MONTH = {"column": "visits.happened_at", "name": "month_start", "grain": "month"}
HALL = {"column": "visits.hall", "name": "hall"}
PAID = {"column": "visits.action", "operator": "eq", "values": ["pay"]}
WHO = {"subject": "visits.guest_id", "time": "visits.happened_at"}
GUEST = {"column": "visits.guest_id", "name": "guest_id"}
NOBODY = {"table": "visits", "dimensions": [GUEST], "filters": [PAID]}


def sql(**draft: Any) -> str:
    return emit(plan_of({"table": "visits", **draft}, INDEX))


def numbered(function: str) -> dict[str, Any]:
    """A number of this function."""
    more: dict[str, Any] = {"column": "visits.amount"}
    if function == "count":
        more = {}
    elif function == "percent":
        more = {"conditions": [PAID]}
    elif function == "quantile":
        more["level"] = "0.9"
    elif function in ("ratio", "percentage", "difference", "growth"):
        more = {"parts": [{**COUNT, "conditions": [PAID]}, COUNT]}
    return {"function": function, "name": "number_told", **more}


def test_every_word_that_a_model_is_offered_makes_a_query() -> None:
    for function in FUNCTIONS:
        assert "number_told" in sql(measures=[numbered(function)], dimensions=[HALL]), function
    for function in SERIES:
        size = {"size": 3} if function.startswith("moving") else {}
        post = {"function": function, "measure": "whole_amount", "name": "over_rows", **size}
        assert " OVER (" in sql(measures=[TOTAL], dimensions=[MONTH], post=[post]), function
    for grain in WORDS[(Dimension, "grain")]:
        assert "toStartOf" in sql(measures=[COUNT], dimensions=[{**MONTH, "grain": grain}]) or grain == "day"
    for part in WORDS[(Dimension, "part")]:
        told = {"column": "visits.happened_at", "name": "part_told", "part": part}
        assert "AS part_told" in sql(measures=[COUNT], dimensions=[told]), part
    for operator in WORDS[(Filter, "operator")]:
        assert " WHERE " in sql(measures=[COUNT], filters=[condition(operator)]), operator


def condition(operator: str) -> dict[str, Any]:
    """A condition of this operator."""
    if operator in ("any", "all"):
        return {"operator": operator, "options": [PAID, condition("gt")]}
    if operator.endswith("in_query"):
        return {"column": "visits.guest_id", "operator": operator, "query": NOBODY}
    if operator.removeprefix("not_") in ("contains", "starts", "ends"):
        return {"column": "visits.hall", "operator": operator, "values": ["no"]}
    if operator in ("is_true", "is_false", "is_null", "not_null"):
        column = "visits.amount" if "null" in operator else "visits.regular"
        return {"column": column, "operator": operator}
    values = {"in": [1, 2], "not_in": [1, 2], "between": [1, 2]}.get(operator, [1])
    return {"column": "visits.amount", "operator": operator, "values": values}


FUNNEL = {"kind": "funnel", **WHO, "steps": [{"title": "paid", "filters": [PAID]}, {"title": "any"}]}
SESSIONS = {"table": "visits", "cohort": {"kind": "session_list", **WHO, "within_seconds": 600}}
SHARE = {"function": "share", "measure": "visit_count", "name": "part_of_all"}
GROWTH = {"function": "growth", "measure": "visit_count", "name": "grown"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cohort": FUNNEL, "measures": [COUNT]}, "leave measures out"),
    ({"cohort": {**FUNNEL, "kind": "churn"}}, "kind is one of funnel, members"),
    ({"cohort": {**FUNNEL, "steps": []}}, "funnel takes 2 to 8 steps, not 0"),
    ({"cohort": {**FUNNEL, "time": "visits.amount"}}, "cohort.time is a time column"),
    ({"cohort": {**FUNNEL, "grain": "day"}}, "funnel takes no grain"),
    ({"cohort": {**FUNNEL, "kind": "follow_list"}}, "stand in inner"),
    ({"inner": {"table": "visits", "cohort": FUNNEL}, "measures": [COUNT]}, "stand in inner"),
    ({"inner": SESSIONS, "dimensions": [HALL]}, "have no column 'visits.hall'"),
    ({"inner": SESSIONS}, "the plan around it measures"),
    ({"inner": {"table": "visits", "measures": [COUNT]}, "measures": [COUNT]}, "a cohort that makes rows"),
    ({"measures": [COUNT], "dimensions": [{**HALL, "bucket": "10"}]}, "bucket is the width"),
    ({"cohort": {**FUNNEL, "kind": "retention"}}, "retention needs a grain"),
    ({"inner": {"table": "visits", "cohort": {"kind": "session_list", **WHO}}}, "longest gap inside of one"),
    (
        {"cohort": {**FUNNEL, "ordered": True, "steps": [{"title": "a", "times": 2}, {"title": "b"}]}},
        "leave out how often",
    ),
    ({"measures": [COUNT], "dimensions": [HALL], "post": [GROWTH]}, "exactly one step of time"),
    ({"measures": [COUNT], "dimensions": [MONTH], "post": [{**GROWTH, "measure": "x"}]}, "none of the meas"),
    (
        {"measures": [COUNT], "dimensions": [MONTH], "post": [{**GROWTH, "function": "rank"}]},
        "function is one",
    ),
    (
        {"measures": [COUNT], "dimensions": [MONTH], "post": [{**GROWTH, "function": "moving"}]},
        "at least 2",
    ),
    (
        {"measures": [numbered("avg")], "dimensions": [HALL], "post": [{**SHARE, "measure": "number_told"}]},
        "only counts and sums",
    ),
    (
        {
            "measures": [COUNT],
            "dimensions": [MONTH],
            "post": [GROWTH],
            "having": [{"measure": "visit_count", "operator": "gt", "values": [3]}],
        },
        "needs all groups",
    ),
    ({"measures": [{**numbered("ratio"), "parts": [COUNT]}]}, "takes two parts"),
    ({"measures": [{**numbered("ratio"), "conditions": [PAID]}]}, "made of its parts alone"),
    ({"measures": [{**COUNT, "parts": [COUNT, COUNT]}]}, "count takes no parts"),
    ({"measures": [{**numbered("quantile"), "level": "1.5"}]}, "level is for quantile, from 0 to 1"),
    ({"measures": [{**numbered("quantile"), "level": "0.5)(x"}]}, "level is one word"),
    ({"measures": [{**COUNT, "colour": "red"}]}, "a measure has no field 'colour'"),
    ({"measures": [COUNT], "filters": [{**PAID, "query": NOBODY}]}, "takes that alone"),
    (
        {"measures": [COUNT], "filters": [{"column": "visits.amount", "operator": "gt", "query": NOBODY}]},
        "gives one number",
    ),
    ({"measures": [COUNT], "filters": [{"operator": "any", "options": [PAID]}]}, "2 or more options"),
    ({"measures": [COUNT], "dimensions": [HALL], "limit_by": ["hall"], "limit": 2}, "some of several"),
    ({"measures": [COUNT], "dimensions": [HALL], "tied": True}, "limit 1 and an order"),
    ({"measures": [COUNT], "dimensions": [HALL, MONTH], "outer": "avg", "post": [SHARE]}, "outer"),
    (
        {
            "measures": [COUNT],
            "filters": [{"column": "visits.happened_at", "operator": "eq", "part": "weekday", "values": [9]}],
        },
        "weekdays are 1",
    ),
]


@pytest.mark.parametrize(("draft", "why"), WRONG, ids=[why for _, why in WRONG])
def test_a_part_that_would_be_dropped_or_mean_something_else_is_sent_back(
    draft: dict[str, Any], why: str
) -> None:
    with pytest.raises(Misfit) as caught:
        plan_of({"table": "visits", **draft}, INDEX)
    assert why in caught.value.message


def test_numbers_are_computed_over_rows_that_subjects_make() -> None:
    back = {"column": "back_1", "operator": "is_true"}
    inner = {
        "table": "visits",
        "cohort": {
            **WHO,
            "kind": "follow_list",
            "steps": [{"title": "any"}, {"title": "paid", "filters": [PAID]}],
            "start": "guests.joined_on",
            "grain": "day",
            "later": [30],
        },
    }
    text = sql(inner=inner, measures=[{"function": "percent", "name": "share_back", "conditions": [back]}])
    assert text.startswith("SELECT 100 * countIf(back_1 = 1) / nullIf(count(), 0) AS share_back FROM (SELECT")
    assert "guests.joined_on AS begun_" in text
    gaps = {"table": "visits", "cohort": {**WHO, "kind": "gap_list"}}
    length = {"function": "median", "column": "moment_", "since": "before_", "grain": "hour", "name": "gap"}
    assert "dateDiff('second', before_, moment_) / 3600" in sql(inner=gaps, measures=[length])


def test_numbers_are_cut_into_ranges() -> None:
    ranges = {"column": "visits.amount", "name": "amount_from", "bucket": 2.5}
    assert "floor(amount / 2.5) * 2.5 AS amount_from" in sql(measures=[COUNT], dimensions=[ranges])


def test_plans_inside_of_plans_have_an_end() -> None:
    deep: dict[str, Any] = NOBODY
    for _ in range(4):
        deep = {**NOBODY, "filters": [{"column": "visits.guest_id", "operator": "in_query", "query": deep}]}
    with pytest.raises(Misfit, match="go two deep"):
        plan_of(deep, INDEX)


def test_the_schema_names_every_field_once_and_is_small() -> None:
    text = json.dumps(plan_schema())
    assert len(text) < 13_000
    assert text.count('"within_seconds"') == 1
    assert "$ref" not in text
    for name in ("`unit`", "`numeric`", "`label`", "`words`"):
        assert name not in text

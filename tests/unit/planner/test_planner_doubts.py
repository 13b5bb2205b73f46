"""Readings that fit the words and are hardly ever meant are refused or asked about, never answered."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import NOW

_BOATS = Table(
    "boats",
    (
        Column("boat_id", "UInt64", distinct_count=80),
        Column("harbour", "String", distinct_count=2, values=("Bergen", "Oban"), values_complete=True),
        Column("active", "Bool", distinct_count=2, values=("true", "false"), values_complete=True),
        Column("length_m", "Float64"),
    ),
    row_count=80,
    order_by=("boat_id",),
)
_TRIPS = Table(
    "trips",
    (
        Column("tripno", "UInt64", distinct_count=500),
        Column("boat_id", "UInt64", distinct_count=80),
        Column("sailed_on", "Date"),
        Column("delayed", "Bool", distinct_count=2, values=("true", "false"), values_complete=True),
        Column("late_fee", "Float64"),
        Column("captain_age", "UInt8"),
    ),
    row_count=500,
    order_by=("tripno",),
)
_FLEET = Catalogue((_BOATS, _TRIPS), version="1")


@pytest.mark.parametrize(
    "question",
    [
        "which boat has the most delayed?",
        "which harbour has the fewest active boats?",
        "which harbour has the most active boats?",
        "which harbour has the most active?",
        "trips with a late fee",
        "trips with late fees per harbour",
        "trips and late fee per harbour",
        "trips and average late fee per harbour",
        "boats and trips per harbour",
        "oldest boat",
        "newest boats",
        "highest trips",
        "max trips per harbour",
        "average trips",
        "average trip by harbour",
    ],
)
def test_what_only_looks_like_the_question_is_not_answered(question: str) -> None:
    outcome = plan(question, _FLEET, now=NOW)
    assert not isinstance(outcome, Planned), outcome.sql


@pytest.mark.parametrize(
    ("question", "part"),
    [
        ("number of delayed trips per harbour", "count()"),
        ("which harbour has the most boats?", "count()"),
        ("how many trips with late fee above 10", "late_fee > 10"),
        ("total late fee per harbour", "sum"),
        ("average late fee by harbour", "avg"),
        ("highest late fee", "max"),
        ("average number of trips per boat", "avg"),
        ("how many different boats had delayed trips?", "uniqExact"),
    ],
)
def test_the_same_said_plainly_is_answered(question: str, part: str) -> None:
    outcome = plan(question, _FLEET, now=NOW)
    assert isinstance(outcome, Planned), outcome
    assert part in outcome.sql

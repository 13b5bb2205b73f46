"""Digits reach the SQL as they were written: codes keep their zeros, long numbers every digit."""

from __future__ import annotations

from datetime import datetime

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.planner import plan

LONG = "12345678901234567890123"
PARCELS = Table(
    "parcels",
    (
        Column("id", "Int64", distinct_count=400, minimum="1", maximum="400"),
        Column("zip", "String", distinct_count=2, values=("00123", "99999"), values_complete=True),
        Column("account", "String", distinct_count=2, values=(LONG, "7"), values_complete=True),
        Column("weight", "Float64", distinct_count=300, minimum="0", maximum="100"),
    ),
    row_count=400,
)


@pytest.mark.parametrize(
    ("question", "condition"),
    [
        ("how many parcels with zip 00123", "zip = '00123'"),
        ("how many parcels where zip is 00123", "zip = '00123'"),
        (f"how many parcels where account is {LONG}", f"account = '{LONG}'"),
        ("how many parcels with weight above 9007199254740993", "weight > 9007199254740993"),
        ("how many parcels with weight above 2.5", "weight > 2.5"),
    ],
)
def test_digits_stay_as_they_were_written(question: str, condition: str) -> None:
    outcome = plan(question, Catalogue((PARCELS,), "v"), now=datetime(2026, 1, 1))
    assert isinstance(outcome, Planned), outcome
    assert condition in outcome.sql

"""Columns whose words are written as one: they mean what the same columns mean with their words apart."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.names import NameEntry, NameIndex
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import NOW

_REGIONS = ("east", "north", "west")


def parcels(*, apart: bool) -> Catalogue:
    """One table, its names with their words apart or run together."""

    def named(name: str) -> str:
        return name if apart else name.replace("_", "")

    columns = (
        Column("id", "UInt64"),
        Column("region", "String", distinct_count=3, values=_REGIONS, values_complete=True),
        Column(named("order_date"), "Date"),
        Column(
            named("ship_mode"),
            "String",
            distinct_count=3,
            values=("air", "rail", "road"),
            values_complete=True,
        ),
        Column(named("unit_cost"), "Float64"),
        Column(
            named("last_name"), "String", distinct_count=2, values=("Smith", "Moreau"), values_complete=True
        ),
        Column(named("box_number"), "String", distinct_count=90, values=("B100", "B200")),
    )
    return Catalogue((Table("parcels", columns, row_count=100, order_by=("id",)),), version="1")


@pytest.mark.parametrize(
    "question",
    [
        "how many parcels with ship mode air",
        "how many parcels with ship mode not air",
        "how many parcels without ship mode air",
        "how many parcels with unit cost not over 15",
        "how many parcels with unit cost above 15",
        "average unit cost excluding east",
        "total unit cost except west",
        "average unit cost not in north",
        "average unit cost by region",
        "total unit cost per ship mode",
        "number of parcels with last name not Smith",
        "how many parcels with last name Smith",
        "how many parcels with last name Zzz",
        "parcels by last name without Moreau",
        "how many parcels with box number B100",
        "how many parcels with box number B999",
        "number of parcels with order date after 2024-02-01",
        "number of parcels per order date month",
    ],
)
def test_names_run_together_are_read_as_names_apart(question: str) -> None:
    apart = plan(question, parcels(apart=True), now=NOW)
    together = plan(question, parcels(apart=False), now=NOW)
    assert type(together) is type(apart), (apart, together)
    if isinstance(apart, Planned) and isinstance(together, Planned):
        assert together.sql.replace("_", "") == apart.sql.replace("_", "")


@pytest.mark.parametrize(
    ("words", "length"),
    [
        (["part", "number"], 2),
        (["part", "number", "b100"], 2),
        (["part", "num"], 2),
        (["ship", "mode"], 2),
        (["ship", "mode", "not"], 2),
        (["ship", "mode", "x1"], 2),
        (["first", "name"], 2),
        (["first", "name", "not"], 2),
    ],
)
def test_a_name_takes_no_word_that_is_not_its_own(words: list[str], length: int) -> None:
    names = ("partnum", "shipmode", "fname")
    index = NameIndex([NameEntry((name,), "t", name, 0.0) for name in names])
    assert max(match.length for match in index.matches(words, 0)) == length


@pytest.mark.parametrize("first", ["full", "family", "file"])
def test_an_initial_is_not_that_of_another_word(first: str) -> None:
    index = NameIndex([NameEntry(("fname",), "t", "fname", 0.0)])
    assert not [match for match in index.matches([first, "name"], 0) if match.length == 2]

"""Plans as models write them: checked against the catalogue, or sent back with a reason."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.agent.models import shapes
from aidatalabs_services.agent.models.drafts import plan_of
from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.plan import OPERATORS
from aidatalabs_services.agent.planner.sql import emit

PORTS = Table(
    "ports",
    (
        Column("id", "UInt64", distinct_count=40, minimum="1", maximum="40"),
        Column("name", "String", values=("Lindau", "Bregenz")),
        Column("land", "LowCardinality(String)", values=("AT", "DE", "CH")),
    ),
    row_count=40,
)
SAILINGS = Table(
    "sailings",
    (
        Column("id", "UInt64", distinct_count=500, minimum="1", maximum="500"),
        Column("from_port", "UInt64", comment="ports.id"),
        Column("to_port", "UInt64", comment="ports.id"),
        Column("ship_id", "UInt64", minimum="1", maximum="9"),
        Column("left_at", "DateTime"),
        Column("delay_minutes", "Nullable(Float64)"),
        Column("full", "Bool"),
        Column("extra", "JSON"),
        Column("extra.crew", "Int64", path_of="extra"),
    ),
    row_count=500,
)
SHIPS = Table(
    "ships",
    (
        Column("id", "UInt64", distinct_count=9, minimum="1", maximum="9"),
        Column("name", "String"),
        Column("built", "Date"),
    ),
    row_count=9,
)
LEVELS = Table(
    "levels",
    (
        Column("year", "UInt16", minimum="2020", maximum="2024"),
        Column("month", "UInt8", minimum="1", maximum="12"),
        Column("day", "UInt8", minimum="1", maximum="31"),
        Column("metres", "Float64"),
    ),
    row_count=1500,
)
INDEX = CatalogueIndex(Catalogue((PORTS, SAILINGS, SHIPS, LEVELS), "v1"))
COUNT = {"function": "count", "name": "sailing_count"}


def sql(**draft: Any) -> str:
    return emit(plan_of({"table": "sailings", **draft}, INDEX))


def misfit(**draft: Any) -> str:
    with pytest.raises(Misfit) as caught:
        plan_of({"table": "sailings", **draft}, INDEX)
    return caught.value.message


def test_a_plan_is_written_with_the_catalogues_types_and_keys() -> None:
    text = sql(
        measures=[{"function": "avg", "column": "sailings.delay_minutes", "name": "average_delay"}],
        dimensions=[{"column": "ships.name", "name": "ship"}],
        filters=[{"column": "sailings.extra.crew", "operator": "ge", "values": [3]}],
        windows=[{"column": "sailings.left_at", "start": "2024-05-01", "end": "2024-06-01"}],
        limit=3,
    )
    assert text == (
        "SELECT ships.name AS ship, avgOrNull(sailings.delay_minutes) AS average_delay FROM sailings "
        "LEFT JOIN ships ON sailings.ship_id = ships.id "
        "WHERE sailings.extra.crew::Nullable(Float64) >= 3 "
        "AND sailings.left_at >= toDateTime('2024-05-01 00:00:00', 'UTC') "
        "AND sailings.left_at < toDateTime('2024-06-01 00:00:00', 'UTC') "
        "GROUP BY ship ORDER BY average_delay DESC, ship LIMIT 3"
    )


def test_a_date_that_is_spread_over_columns_has_a_name_of_its_own() -> None:
    text = emit(
        plan_of(
            {
                "table": "levels",
                "measures": [{"function": "max", "column": "levels.metres", "name": "highest"}],
                "dimensions": [{"column": "levels.@date", "name": "month_start", "grain": "month"}],
            },
            INDEX,
        )
    )
    assert text.startswith("SELECT makeDate32(year, month, 1) AS month_start, maxOrNull(metres) AS highest")
    assert "no date that is spread" in misfit(
        measures=[COUNT], dimensions=[{"column": "sailings.@date", "name": "d", "grain": "day"}]
    )


def test_a_table_that_several_keys_lead_to_needs_the_key_to_be_named() -> None:
    by_port = {"measures": [COUNT], "dimensions": [{"column": "ports.name", "name": "port"}]}
    assert "sailings.from_port; sailings.to_port" in misfit(**by_port)
    text = sql(**by_port, joins=[{"from": "sailings.to_port", "to": "ports.id", "unmatched": False}])
    assert "INNER JOIN ports ON sailings.to_port = ports.id" in text


def test_a_join_that_is_no_key_does_not_exist() -> None:
    joins = [{"from": "sailings.id", "to": "ports.id"}]
    assert "none of the catalogue's keys" in misfit(measures=[COUNT], joins=joins)
    told = {"column": "sailings.left_at", "name": "day_sailed", "grain": "day"}
    with pytest.raises(Misfit, match="ships has no key to sailings"):
        plan_of({"table": "ships", "measures": [COUNT], "dimensions": [told]}, INDEX)


FILTER = {"column": "ports.name", "operator": "eq", "values": ["Lindau"]}
SHIP = {"column": "ships.name", "operator": "eq"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"table": "salaries", "measures": [COUNT]}, "no table 'salaries'"),
    ({"table": "sailings; DROP TABLE x", "measures": [COUNT]}, "no table"),
    ({}, "needs measures, dimensions or both"),
    ({"measures": [COUNT], "sql": "SELECT 1"}, "no field 'sql'"),
    ({"measures": "count"}, "list of at most"),
    ({"measures": [COUNT] * 11}, "at most 10"),
    ({"measures": [COUNT, COUNT]}, "two columns of the answer are named"),
    ({"measures": [{"function": "count", "name": "a) FROM system.tables --"}]}, "not lower case letters"),
    ({"measures": [{"function": "count", "name": "full"}]}, "is a column or table already"),
    ({"measures": [{"function": "sleep", "name": "a"}]}, "function is one of"),
    ({"measures": [{"function": "sum", "name": "a"}]}, "sum needs a column"),
    ({"measures": [{"function": "sum", "column": "ships.name", "name": "a"}]}, "sum needs numbers"),
    ({"measures": [{"function": "sum", "column": "sailings.weight", "name": "a"}]}, "no column 'weight'"),
    ({"measures": [{"function": "sum", "column": "system.one", "name": "a"}]}, "no `table.column`"),
    ({"measures": [{**COUNT, "column": "sailings.id"}]}, "takes no column"),
    (
        {"measures": [{"function": "share", "name": "a", "conditions": [{**SHIP, "values": ["x"]}]}]},
        "share takes no conditions",
    ),
    ({"measures": [{"function": "percent", "name": "a"}]}, "percent takes conditions"),
    ({"measures": [COUNT], "filters": [{**SHIP, "values": []}]}, "takes one value"),
    ({"measures": [COUNT], "filters": [{**SHIP, "values": [["x"]]}]}, "texts, numbers"),
    ({"measures": [COUNT], "filters": [{**SHIP, "values": ["x" * 501]}]}, "longer than 500"),
    (
        {
            "measures": [COUNT],
            "filters": [{"column": "sailings.id", "operator": "eq", "values": ["1 OR 1=1"]}],
        },
        "holds numbers",
    ),
    (
        {
            "measures": [COUNT],
            "filters": [{"column": "sailings.left_at", "operator": "ge", "values": ["now()"]}],
        },
        "say when in windows",
    ),
    (
        {"measures": [COUNT], "filters": [{"column": "sailings.full", "operator": "eq", "values": ["1"]}]},
        "use is_true or is_false",
    ),
    ({"measures": [COUNT], "windows": [{"column": "ships.name", "start": "2024-01-01"}]}, "is no time"),
    ({"measures": [COUNT], "windows": [{"column": "sailings.left_at"}]}, "needs a start"),
    ({"measures": [COUNT], "windows": [{"column": "sailings.left_at", "start": "now()"}]}, "is written"),
    (
        {"measures": [COUNT], "windows": [{"column": "sailings.left_at", "start": "2024-02-31"}]},
        "there is no",
    ),
    (
        {
            "measures": [COUNT],
            "windows": [{"column": "sailings.left_at", "start": "2024-02-02", "end": "2024-02-02"}],
        },
        "not after its start",
    ),
    (
        {"measures": [COUNT], "having": [{"measure": "x", "operator": "gt", "values": [1]}]},
        "none of the measures",
    ),
    (
        {
            "measures": [COUNT],
            "having": [{"measure": "sailing_count", "operator": "gt", "values": ["1 or 1"]}],
        },
        "compares with numbers",
    ),
    ({"measures": [COUNT], "order": [{"by": "rand()"}]}, "no column of the answer"),
    ({"measures": [COUNT], "limit": "5; DROP"}, "limit is a whole number"),
    ({"measures": [COUNT], "limit": True}, "limit is a whole number"),
    ({"measures": [COUNT], "outer": "avg"}, "outer folds groups"),
    (
        {"measures": [COUNT], "dimensions": [{"column": "ships.built", "name": "a", "grain": "hour"}]},
        "has no hours",
    ),
    (
        {"dimensions": [{"column": "sailings.left_at", "name": "a", "grain": "day"}]},
        "leave grain and part out",
    ),
]


@pytest.mark.parametrize(("draft", "why"), WRONG, ids=[why for _, why in WRONG])
def test_a_draft_that_fits_nothing_is_sent_back_with_the_reason(draft: dict[str, Any], why: str) -> None:
    assert why in misfit(**draft)


def test_text_values_are_written_as_literals() -> None:
    planted = "x' OR 1=1 --"
    text = sql(measures=[COUNT], filters=[{**SHIP, "values": [planted]}])
    assert r"ships.name = 'x\' OR 1=1 --'" in text


NAMES = st.sampled_from(
    [
        "sailings.id",
        "ships.name",
        "ports.name",
        "sailings.left_at",
        "levels.@date",
        "sailings.extra.crew",
        "x.y",
    ]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), NAMES)
FIELDS = (
    *(
        "column",
        "name",
        "function",
        "operator",
        "values",
        "grain",
        "part",
        "start",
        "end",
        "by",
        "from",
        "to",
    ),
    *("measure", "descending", "conditions"),
)
WORDS = st.sampled_from(shapes.FUNCTIONS + OPERATORS + shapes.GRAINS + shapes.SERIES + shapes.KINDS)
PARTS = st.dictionaries(
    st.sampled_from(FIELDS), st.one_of(LEAVES, st.lists(LEAVES, max_size=3), WORDS), max_size=6
)
DRAFTS = st.dictionaries(
    st.sampled_from(
        [
            "table",
            "joins",
            "measures",
            "dimensions",
            "filters",
            "windows",
            "having",
            "order",
            "limit",
            "outer",
        ]
    ),
    st.one_of(LEAVES, st.sampled_from(["sailings", "levels"]), st.lists(PARTS, max_size=3), PARTS),
    max_size=8,
)


@settings(max_examples=400, deadline=None)
@given(DRAFTS)
def test_whatever_a_model_writes_is_a_plan_or_a_misfit(draft: dict[str, Any]) -> None:
    with contextlib.suppress(Misfit):  # anything else that is raised fails this
        assert emit(plan_of(draft, INDEX)).startswith("SELECT ")

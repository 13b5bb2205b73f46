"""Rows are the same, the same but for rounding, or other rows: nothing in between."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.layouts.changes import (
    Change,
    OrderChange,
    RollupChange,
    TypeChange,
    checked,
    number_range,
)
from aidatalabs_services.data.layouts.comparisons import digest, nearly
from aidatalabs_services.data.layouts.copies import narrowed
from aidatalabs_services.data.layouts.trials import redirected
from aidatalabs_services.data.rollups.declarations import Declaration, Grain
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.statements import TableSchema as Known
from aidatalabs_services.data.statements import admit
from aidatalabs_services.runtime.errors import InvalidRequest

VALUES = st.one_of(
    st.none(), st.integers(), st.text(max_size=3), st.booleans(), st.lists(st.integers(), max_size=2)
)
ROWS = st.lists(st.tuples(VALUES, VALUES).map(list), max_size=6)
TABLE = TableSchema(
    "visits",
    (ColumnSchema("at", "DateTime"), ColumnSchema("user_id", "UInt64"), ColumnSchema("town", "String")),
    ("at",),
    "toYYYYMM(at)",
)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_rows_counts_only_where_the_query_orders_them(
    rows: list[Any], chance: random.Random
) -> None:
    other = list(rows)
    chance.shuffle(other)
    assert digest(["a"], rows, ordered=False) == digest(["a"], other, ordered=False)
    assert (digest(["a"], rows, ordered=True) == digest(["a"], other, ordered=True)) == (
        [repr(row) for row in rows] == [repr(row) for row in other]
    )


@given(ROWS, ROWS)
def test_rows_without_fractions_are_near_only_when_they_are_equal(one: list[Any], other: list[Any]) -> None:
    same = digest([], one, ordered=True) == digest([], other, ordered=True)
    assert nearly(one, other, ordered=True) == same


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ([["a", 0.1 + 0.2]], [["a", 0.3]], True),
        ([["a", 5]], [["a", 5.000000000001]], True),
        ([["b", 1.5], ["a", 0.30000000000000004]], [["a", 0.3], ["b", 1.5]], True),
        ([["a", [0.1 + 0.2, None]]], [["a", [0.3, None]]], True),
        ([["a", {"x": 0.1 + 0.2}]], [["a", {"x": 0.3}]], True),
        ([["a", 0.3001]], [["a", 0.3]], False),
        ([["a", 5]], [["a", 6]], False),
        ([["a", 10**15]], [["a", 10**15 + 1]], False),
        ([["a", 0.3]], [["b", 0.3]], False),
        ([["a", True]], [["a", 1]], False),
        ([["a", None]], [["a", 0.0]], False),
        ([["a", 0.3]], [["a", 0.3], ["a", 0.3]], False),
    ],
)
def test_only_last_digits_of_fractions_may_differ(one: list[Any], other: list[Any], near: bool) -> None:
    assert nearly(one, other, ordered=False) is near


def test_one_table_is_read_in_the_place_of_another_and_nothing_else_changes() -> None:
    tables = {
        "visits": Known("visits", {"town": "String", "visits": "UInt8"}),
        "towns": Known("towns", {"town": "String"}),
    }
    sql = (
        "WITH t AS (SELECT town FROM towns) SELECT visits.town, 'visits', v.visits FROM visits, visits AS v "
        "WHERE visits.town IN (SELECT town FROM t) AND v.town IN (SELECT town FROM visits)"
    )
    statement = admit(sql, tables, database="analytics")
    read = redirected(statement.sql, "analytics", "visits", "_scratch_1_base")
    assert read.count("`analytics`.`_scratch_1_base`") == 3
    assert "`analytics`.`visits`" not in read
    assert "`analytics`.`towns`" in read
    assert "'visits'" in read
    assert redirected(read, "analytics", "_scratch_1_base", "visits") == statement.sql


def test_a_copy_has_the_columns_of_the_query_of_the_key_and_of_the_partitions() -> None:
    assert [each.name for each in narrowed(TABLE, {"town"}).columns] == ["at", "town"]
    bare = TableSchema("t", TABLE.columns)
    assert [each.name for each in narrowed(bare, set()).columns] == ["at"]


@pytest.mark.parametrize(
    ("kind", "held"),
    [("UInt8", (0, 255)), ("Nullable(Int16)", (-32768, 32767)), ("LowCardinality(String)", None)],
)
def test_the_room_of_a_smaller_number_is_known(kind: str, held: tuple[int, int] | None) -> None:
    assert number_range(kind) == held


def test_every_wrong_change_is_named() -> None:
    changes: list[Change] = [
        OrderChange(("nope",)),
        TypeChange("town", "UInt8"),
        RollupChange(Declaration("x", "other", "at", Grain.DAY)),
    ]
    with pytest.raises(InvalidRequest) as caught:
        checked(changes, TABLE)
    fields = [each.field for each in caught.value.violations]
    assert fields == [
        "changes[0].order_by.columns",
        "changes[1].column_type.type",
        "changes[2].rollup.table",
    ]

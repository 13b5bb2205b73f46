"""CREATE TABLE from a description: partitions and time to live are read by a grammar and written anew."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.errors import TableInvalid
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.table_ddl import checked, create_table, ttl_of_engine

COLUMNS = (
    ColumnSchema("day", "Date"),
    ColumnSchema("at", "DateTime64(3)"),
    ColumnSchema("n", "Nullable(Date)"),
)


def table(**rest: object) -> TableSchema:
    return TableSchema(**{"name": "t", "columns": COLUMNS, **rest})  # type: ignore[arg-type]


def test_the_statement_is_written_from_checked_parts() -> None:
    described = table(
        order_by=("at", "day"), partition_by="toYear(`day`)", ttl="at + interval 2 weeks", comment="c'"
    )
    assert create_table(checked(described), fsync=True) == (
        "CREATE TABLE `t` (`day` Date, `at` DateTime64(3), `n` Nullable(Date)) ENGINE = MergeTree"
        " PARTITION BY toYear(`day`) ORDER BY (`at`, `day`) TTL `at` + INTERVAL 2 WEEK"
        " SETTINGS non_replicated_deduplication_window = 1000, min_parts_to_merge_at_once = 12,"
        " min_level_for_wide_part = 1,"
        " object_shared_data_serialization_version_for_zero_level_parts = 'map',"
        " fsync_after_insert = 1, fsync_part_directory = 1"
        " COMMENT 'c\\''"
    )


@pytest.mark.parametrize(
    "partition",
    ["day", "toYYYYMM(n)", "toYYYYMM(x)", "toHour(at)", "toDate(at))", "toDate(at), day", "toDate('x')"],
)
def test_partitions_outside_the_grammar_are_refused(partition: str) -> None:
    with pytest.raises(TableInvalid) as refused:
        checked(table(partition_by=partition))
    assert [violation.field for violation in refused.value.violations] == ["table.partition_by"]


@pytest.mark.parametrize(
    "ttl",
    [
        "day",
        "n + INTERVAL 1 DAY",
        "day + INTERVAL 101 YEAR",
        "day + INTERVAL 1 DAY TO DISK 'x'",
        "day - INTERVAL 1 DAY",
        "day + INTERVAL 1 WEE\u212a",
    ],
)
def test_times_to_live_outside_the_grammar_are_refused(ttl: str) -> None:
    with pytest.raises(TableInvalid):
        checked(table(ttl=ttl))


@given(st.text(max_size=80))
def test_no_text_reaches_the_statement_as_it_is(text: str) -> None:
    for field in ("partition_by", "ttl"):
        try:
            found = create_table(checked(table(**{field: text})), fsync=False)
        except TableInvalid:
            continue
        partition, kept = (
            r"( PARTITION BY to\w+\(`(day|at)`\))?",
            r"( TTL `(day|at)` \+ INTERVAL \d+ [A-Z]+)?",
        )
        assert re.search(rf"MergeTree{partition} ORDER BY tuple\(\){kept} SETTINGS", found)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=50))
def test_a_comment_never_ends_its_literal(text: str) -> None:
    statement = create_table(checked(table(comment=text)), fsync=False)
    assert statement.endswith(f" COMMENT {quote_text(text)}")


def test_the_engines_time_to_live_reads_back() -> None:
    full = "MergeTree ORDER BY tuple() TTL at + toIntervalWeek(2) SETTINGS index_granularity = 8192"
    assert ttl_of_engine(full) == "at + INTERVAL 2 WEEK"
    assert ttl_of_engine("MergeTree ORDER BY tuple() SETTINGS index_granularity = 8192") == ""

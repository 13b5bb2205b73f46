"""Whatever people define, no question breaks, and the same definitions lead to the same SQL."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.agent.definition_changes import merged_with, told_changes
from aidatalabs_services.agent.definition_paths import request_path
from aidatalabs_services.agent.definition_versions import definitions_of, text_of
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.definition_fit import fitted
from aidatalabs_services.agent.planner.definition_rules import MOST, problems
from aidatalabs_services.agent.planner.definitions import (
    AGGREGATES,
    GRAINS,
    OPERATORS,
    ROLES,
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    KeyDefinition,
    MetricDefinition,
    MetricFilter,
    TableDefinition,
    ValueDefinition,
)
from aidatalabs_services.agent.planner.outcomes import Clarification, Planned, Refusal
from aidatalabs_services.agent.planner.planner import Planner

NOW = datetime(2024, 6, 30, 17, 45)
TABLES = (
    Table(
        "boats",
        (
            Column("boat_id", "UInt32", distinct_count=9, minimum="1", maximum="9"),
            Column("harbour", "String", values=("Bergen", "Oban"), values_complete=True, distinct_count=2),
            Column("length_m", "Float64", minimum="4", maximum="30"),
            Column("launched", "Nullable(Date)", minimum="1990-01-01", maximum="2020-05-05"),
            Column("seen_at", "DateTime", minimum="2023-01-01 00:00:00", maximum="2024-06-01 00:00:00"),
            Column("extra", "JSON"),
            Column("extra.flag", "String", path_of="extra", values=("NO", "GB")),
            Column("extra.weight", "Float64", path_of="extra"),
            Column("is_fast", "Bool"),
        ),
        row_count=9,
    ),
    Table(
        "trips",
        (
            Column("trip_id", "UInt32", distinct_count=40, minimum="1", maximum="40"),
            Column("boat_id", "UInt32", distinct_count=9, minimum="1", maximum="9"),
            Column("fare", "Decimal(10, 2)", minimum="1", maximum="99"),
        ),
        row_count=40,
    ),
)
NAMES = st.sampled_from(["boats", "trips", "boat_id", "harbour", "fare", "length_m", "seen_at", "nothing"])
COLUMNS = st.sampled_from([c.name for t in TABLES for c in t.columns] + ["nothing", "extra.none"])
SAID = st.sampled_from(
    ["craft", "home port", "pay", "total pay", "big pay", "pay rate", "span", "by", "last month", "two words",
     "boats", "harbour", "Pay", "x", "42", "", "the number of", "a" * 70, "naïve ÆØ", "bad`name", "tab\there",
     "how many", "Bergen", "delete", "7 day pay"]
)  # fmt: skip
SYNONYMS = st.lists(SAID, max_size=2).map(tuple)
METRICS = st.builds(
    MetricDefinition,
    name=SAID,
    synonyms=SYNONYMS,
    table=NAMES,
    aggregate=st.sampled_from([*AGGREGATES, "", "?"]),
    column=st.one_of(st.just(""), COLUMNS),
    filters=st.lists(
        st.builds(
            MetricFilter,
            column=COLUMNS,
            operator=st.sampled_from([*OPERATORS, "?"]),
            values=st.lists(st.sampled_from(["Bergen", "3", "1e9", "'; --"]), max_size=2).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    numerator=st.sampled_from(["", "", "", "pay", "span"]),
    denominator=st.sampled_from(["", "", "", "pay", "span"]),
    percent=st.booleans(),
)
GOOD = (
    MetricDefinition("pay", table="trips", aggregate="sum", column="fare"),
    MetricDefinition("span", table="boats", aggregate="avg", column="length_m"),
    MetricDefinition("pay rate", numerator="pay", denominator="rides"),
    MetricDefinition("rides", table="trips", aggregate="count"),
)
DEFINITIONS = st.builds(
    Definitions,
    tables=st.lists(
        st.builds(
            TableDefinition,
            table=NAMES,
            synonyms=SYNONYMS,
            hidden=st.booleans(),
            default_time=st.one_of(st.just(""), COLUMNS),
            default_measure=st.one_of(st.just(""), COLUMNS),
            columns=st.lists(
                st.builds(
                    ColumnDefinition,
                    column=COLUMNS,
                    synonyms=SYNONYMS,
                    role=st.sampled_from(["", *ROLES]),
                    unit=st.sampled_from(["", "euros", "minutes"]),
                    hidden=st.booleans(),
                    values=st.lists(
                        st.builds(ValueDefinition, st.sampled_from(["Bergen", "none", ""]), SYNONYMS),
                        max_size=1,
                    ).map(tuple),
                ),
                max_size=3,
            ).map(tuple),
        ),
        max_size=2,
    ).map(tuple),
    keys=st.lists(
        st.builds(KeyDefinition, NAMES, COLUMNS, NAMES, COLUMNS, st.booleans()), max_size=2
    ).map(tuple),
    metrics=st.one_of(st.lists(METRICS, max_size=3).map(tuple), st.just(GOOD)),
    dimensions=st.lists(
        st.builds(
            DimensionDefinition,
            name=SAID,
            table=NAMES,
            column=COLUMNS,
            synonyms=SYNONYMS,
            grain=st.sampled_from(["", *GRAINS]),
        ),
        max_size=2,
    ).map(tuple),
)  # fmt: skip
QUESTIONS = (
    "pay by home port",
    "how many boats?",
    "span per month and pay rate",
    "top 3 craft by pay in 2023",
    "number of trips by harbour",
    "average pay per harbour by two words",
)


@settings(max_examples=25, deadline=None)
@given(DEFINITIONS)
def test_no_definitions_break_a_question_and_the_same_ones_lead_to_the_same_sql(said: Definitions) -> None:
    problems(said)
    found = fitted(merged_with(Definitions(), said), Catalogue(TABLES))
    planners = [Planner(Catalogue(TABLES, definitions=found.definitions)) for _ in range(2)]
    for question in QUESTIONS:
        first, second = (planner.plan(question, now=NOW) for planner in planners)
        assert isinstance(first, Planned | Clarification | Refusal)
        assert first == second
    assert not fitted(found.definitions, Catalogue(TABLES)).problems


@settings(max_examples=25, deadline=None)
@given(DEFINITIONS, DEFINITIONS)
def test_kept_definitions_come_back_and_changes_are_told_exactly_where_there_are_some(
    before: Definitions, given_ones: Definitions
) -> None:
    assert definitions_of(text_of(before)) == before
    assert told_changes(before, before) == ()
    merged = merged_with(before, given_ones)
    unique = merged_with(merged, merged)  # what a bare name takes away is gone
    assert merged_with(unique, unique) == unique
    json.loads(text_of(merged))
    for problem in problems(merged):
        assert request_path(problem.field, merged, given_ones)
    if told_changes(before, merged) == ():
        assert {t.table for t in merged.tables if t != TableDefinition(t.table)} <= {
            t.table for t in before.tables
        }


def _said(**more: object) -> Definitions:
    return Definitions(metrics=(replace(GOOD[0], **more),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (_said(name=""), "metrics[0].name"),
        (_said(name="a" * 61), "metrics[0].name"),
        (_said(name="one two three four five six seven"), "metrics[0].name"),
        (_said(name="by"), "metrics[0].name"),
        (_said(name="how many"), "metrics[0].name"),
        (_said(name="last month"), "metrics[0].name"),
        (_said(name="2024"), "metrics[0].name"),
        (_said(name="per`month"), "metrics[0].name"),
        (_said(name="pay\u202eback"), "metrics[0].name"),
        (_said(description="a\nb"), "metrics[0].description"),
        (_said(description="a" * 501), "metrics[0].description"),
        (_said(unit="u" * 31), "metrics[0].unit"),
        (_said(synonyms=("same", "same")), "metrics[0].synonyms[1]"),
        (_said(synonyms=tuple(f"word{n}" for n in range(21))), "metrics[0].synonyms"),
        (_said(aggregate="?"), "metrics[0].aggregate"),
        (_said(aggregate="count"), "metrics[0].column"),
        (_said(column=""), "metrics[0].column"),
        (_said(percent=True), "metrics[0].percent"),
        (_said(numerator="pay"), "metrics[0].denominator"),
        (_said(filters=(MetricFilter("fare", "between", ("1",)),)), "metrics[0].filters[0].values"),
        (_said(filters=(MetricFilter("fare", "?", ("1",)),)), "metrics[0].filters[0].operator"),
        (_said(filters=(MetricFilter("fare", "eq", ("a\x00",)),)), "metrics[0].filters[0].values[0]"),
        (_said(filters=(MetricFilter("fare", "eq", ("1",)),) * 21), "metrics[0].filters"),
        (Definitions(metrics=(GOOD[0], GOOD[0])), "metrics[1].name"),
        (Definitions(metrics=GOOD[:1] * (MOST["metrics"] + 1)), "metrics"),
        (Definitions(tables=(TableDefinition("boats"),) * 2), "tables[1]"),
        (
            Definitions(tables=(TableDefinition("boats", synonyms=("pay",)),), metrics=GOOD[:1]),
            "metrics[0].name",
        ),
        (Definitions(keys=(KeyDefinition("a", "b", "a", "b"),)), "keys[0].to_column"),
    ],
)  # fmt: skip
def test_a_rule_that_is_broken_is_told_with_its_field(said: Definitions, field: str) -> None:
    assert field in [problem.field for problem in problems(said)]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (_said(aggregate="avg", column="nothing"), "metrics[0].column"),
        (_said(table="boats", column="harbour"), "metrics[0].aggregate"),
        (_said(table="boats", column="seen_at"), "metrics[0].aggregate"),
        (_said(name="harbours"), "metrics[0].name"),
        (_said(filters=(MetricFilter("fare", "contains", ("x",)),)), "metrics[0].filters[0].operator"),
        (_said(filters=(MetricFilter("fare", "eq", ("1 OR 1=1",)),)), "metrics[0].filters[0].values"),
        (_said(filters=(MetricFilter("fare", "is_null"),)), "metrics[0].filters[0].operator"),
        (Definitions(dimensions=(DimensionDefinition("way", "boats", "extra"),)), "dimensions[0].column"),
        (Definitions(dimensions=(DimensionDefinition("way", "boats", "harbour", grain="day"),)),
         "dimensions[0].grain"),
        (Definitions(keys=(KeyDefinition("trips", "boat_id", "boats", "harbour"),)), "keys[0].to_column"),
        (Definitions(keys=(KeyDefinition("boats", "boat_id", "trips", "boat_id"),)), "keys[0].to_column"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_tables_is_told_with_its_field(said: Definitions, field: str) -> None:
    assert problems(said) == ()
    found = fitted(said, Catalogue(TABLES))
    assert [problem.field for problem in found.problems] == [field]

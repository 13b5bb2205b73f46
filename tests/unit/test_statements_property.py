"""Queries made up from a small grammar: what the door writes gives the rows of what was asked, every time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aidatalabs_services.data import statements
from aidatalabs_services.data.statements import admit
from aidatalabs_services.runtime.errors import ServiceError
from tests.attacks.world import DATABASE, TABLES, Engine

_EXAMPLES = 200

_NUMBERS = st.sampled_from(
    ["month", "day", "dep_delay", "arr_delay", "1", "-2", "0", "3.5", "NULL", "length(dest)"]
)
_STRINGS = st.sampled_from(["dest", "origin", "'A%'", "'it''s'", "'\\\\'", "'_A_'", "upper(carrier)", "''"])


def _grow(bare: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # Bare operands put two operators side by side, where readers differ; the door refuses many of those.
    inner = st.one_of(bare, bare.map(lambda a: f"({a})"), bare.map(lambda a: f"({a})"))
    two = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "=", "<>", "<", ">=", "AND", "OR"]), inner).map(
            " ".join
        ),
        inner.map(lambda a: f"NOT {a}"),
        inner.map(lambda a: f"- {a}"),
        inner.map(lambda a: f"({a})"),
        inner.map(lambda a: f"({a}) IS NOT NULL"),
        inner.map(lambda a: f"{a} IS NULL"),
        inner.map(lambda a: f"({a})::Nullable(Float64)"),
        two.map(lambda p: f"ifNull({p[0]}, {p[1]})"),
        two.map(lambda p: f"if({p[0]}, {p[1]}, 0)"),
        two.map(lambda p: f"CASE WHEN {p[0]} THEN {p[1]} ELSE 7 END"),
        two.map(lambda p: f"{p[0]} BETWEEN {p[1]} AND 9"),
        two.map(lambda p: f"{p[0]} NOT BETWEEN {p[1]} AND 9"),
        inner.map(lambda a: f"{a} IN (1, 2, -3)"),
        inner.map(lambda a: f"{a} NOT IN (1, 7)"),
        st.tuples(_STRINGS, st.sampled_from(["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE", "="]), _STRINGS).map(
            " ".join
        ),
    )


_EXPRESSIONS = st.recursive(_NUMBERS, _grow, max_leaves=6)
_TAILS = st.sampled_from(
    ["", "LIMIT 3", "LIMIT 2 OFFSET 1", "LIMIT 1 BY origin", "LIMIT 1 BY month LIMIT 2", "LIMIT 2 WITH TIES"]
)


@st.composite
def _queries(draw: st.DrawFn) -> str:
    first, second, third = draw(_EXPRESSIONS), draw(_EXPRESSIONS), draw(_EXPRESSIONS)
    if draw(st.booleans()):
        return (
            f"SELECT origin, count() AS n, sum({first}) AS s, max({second}) AS m FROM flights WHERE {third}"
            f" GROUP BY origin HAVING n {draw(st.sampled_from(['>', '<>']))} 1 ORDER BY origin"
        )
    return f"SELECT {first} AS a, {second} AS b FROM flights WHERE {third} ORDER BY time_hour {draw(_TAILS)}"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def _difference(sql: str, engine: Engine) -> str | None:
    """None when the door keeps the meaning of `sql`; the written text when its answer is another one."""
    try:
        statement = admit(sql, TABLES, database=DATABASE)
    except ServiceError:
        return None
    try:
        wanted = engine.rows(sql, database=DATABASE)
    except RuntimeError:
        wanted = None
    try:
        got = engine.rows(statement.sql)
    except RuntimeError:
        got = None
    return None if json.dumps(wanted) == json.dumps(got) else statement.canonical_sql


@settings(
    max_examples=_EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(sql=_queries())
def test_written_query_gives_the_rows_of_the_query_asked(sql: str, engine: Engine) -> None:
    assert _difference(sql, engine) is None


def test_a_writer_that_loses_a_not_is_noticed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = "SELECT month FROM flights WHERE NOT (month = 1) ORDER BY time_hour"
    assert _difference(asked, engine) is None
    written = statements._written
    monkeypatch.setattr(statements, "_written", lambda tree: written(tree).replace("NOT ", ""))
    statements._admit.cache_clear()
    try:
        assert _difference(asked, engine) is not None
    finally:
        statements._admit.cache_clear()


def test_most_made_up_queries_are_admitted_and_run(engine: Engine) -> None:
    tried: list[bool] = []

    @settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(sql=_queries())
    def run(sql: str) -> None:
        try:
            engine.rows(admit(sql, TABLES, database=DATABASE).sql)
            tried.append(True)
        except (RuntimeError, ServiceError):
            tried.append(False)

    run()
    assert sum(tried) > len(tried) / 2

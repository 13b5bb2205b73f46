"""Each rewrite against the engine: the same rows at the edges of days, months and zones, and with NULLs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chdb import session as chdb_session

from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.tuning.rewrites import rewrites

TYPES = {
    "n": "Int64",
    "m": "Nullable(Int32)",
    "day": "Date",
    "at": "DateTime",
    "fine": "DateTime64(3)",
    "there": "DateTime('America/New_York')",
    "perhaps": "Nullable(DateTime)",
    "word": "String",
}
TABLES = (Table("t", tuple(Column(name, kind) for name, kind in TYPES.items())),)
Run = Any


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    path: Path = tmp_path_factory.mktemp("tuning")
    opened: Any = chdb_session.Session
    session = opened(str(path))
    session.query("SET session_timezone = 'UTC'")
    session.query("CREATE DATABASE d")
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    session.query(f"CREATE TABLE d.t ({columns}) ENGINE = MergeTree ORDER BY (at, n)")
    # Seven minutes before and after every turn of a month for four years, and hours between them.
    session.query(
        "INSERT INTO d.t SELECT number - 50 AS n, if(number % 7 = 0, NULL, number % 90), toDate(s), s,"
        " s + toIntervalMillisecond(number % 1000), s, if(number % 5 = 0, NULL, s), toString(number % 9)"
        " FROM (SELECT number, toDateTime('2022-12-01 00:00:00', 'UTC') + intDiv(number, 6) * 86400"
        " + (number % 6 - 3) * 3 * 3600 + (number % 2) AS s FROM numbers(7000))"
    )

    def ask(sql: str) -> str:
        return str(session.query(sql.replace(" FROM t", " FROM d.t"), "CSVWithNames"))

    yield ask
    session.close()


CONDITIONS = [
    *(f"toYear({c}) = 2024" for c in ("day", "at", "fine", "there", "perhaps")),
    *(f"toYYYYMM({c}) = 202402" for c in ("day", "at", "fine", "there", "perhaps")),
    *(f"toDate({c}) = '2024-02-29'" for c in ("at", "fine", "there", "perhaps")),
    *(f"formatDateTime({c}, '%Y-%m') = '2023-12'" for c in ("day", "at", "fine", "there", "perhaps")),
    "formatDateTime(at, '%Y') = '2023'",
    "toYYYYMMDD(there) = 20230101",
    "'2024-12' = formatDateTime(at, '%Y-%m')",
    "NOT toYear(perhaps) = 2024",
    "toYear(at) = 2024 OR toYear(perhaps) = 2023",
    "toString(n) = '42'",
    "toString(n) = '-7'",
    "'0' = toString(m)",
    "NOT toString(m) = '12'",
]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_a_condition_in_other_words_keeps_the_same_rows(run: Run, condition: str) -> None:
    sql = f"SELECT n, at FROM t WHERE {condition} ORDER BY n, at"
    found = rewrites(sql, TABLES)
    assert found, "the rule did not see it"
    rows = run(sql)
    assert rows.count("\n") > 1, "the data has none of it: nothing is shown"
    for one in found:
        assert one.sql != sql
        assert run(one.sql) == rows, one.sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT word, count() AS c FROM t GROUP BY word HAVING word = '3' AND c > 5 ORDER BY word",
        "SELECT m, sum(n) FROM t GROUP BY m HAVING m > 80 ORDER BY m",
        "SELECT count(), sum(n) FROM (SELECT n FROM t ORDER BY at DESC)",
        "SELECT DISTINCT word, count() FROM t GROUP BY word ORDER BY word",
        "SELECT DISTINCT word AS w, m, max(n) FROM t GROUP BY word, m ORDER BY w, m",
    ],
)
def test_less_work_gives_the_same_rows(run: Run, sql: str) -> None:
    found = rewrites(sql, TABLES)
    assert found
    for one in found:
        assert run(one.sql) == run(sql), one.sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT n FROM t WHERE toString(n) = '042'",
        "SELECT n FROM t WHERE toString(word) = '3'",
        "SELECT n FROM t WHERE toYear(word) = 2024",
        "SELECT n FROM t WHERE toYYYYMM(at) = 202413",
        "SELECT n FROM t WHERE toYear(at, 'Asia/Tokyo') = 2024",
        "SELECT n FROM t WHERE formatDateTime(at, '%m') = '02'",
        "SELECT toDate(at) AS at FROM t WHERE toYear(at) = 2024",
        "SELECT groupArray(n) FROM (SELECT n FROM t ORDER BY at)",
        "SELECT any(n) FROM (SELECT n FROM t ORDER BY at)",
        "SELECT n FROM (SELECT n FROM t ORDER BY at)",
        "SELECT count() FROM (SELECT n FROM t ORDER BY at LIMIT 3)",
        "SELECT word, count() FROM t GROUP BY word WITH TOTALS HAVING word = '3'",
        "SELECT word, count() FROM t GROUP BY word HAVING count() > 3",
        "SELECT upper(word) AS word, count() FROM t GROUP BY word HAVING word = '3'",
        "SELECT DISTINCT count() FROM t GROUP BY word",
    ],
)
def test_what_could_give_other_rows_is_left_alone(sql: str) -> None:
    assert rewrites(sql, TABLES) == []

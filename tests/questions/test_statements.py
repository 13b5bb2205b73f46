"""Which predicted statements are run, and what their clock says."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.questions.statements import at, why_unsafe

NOW = datetime(2026, 3, 18, 10, 20)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "select 1;",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION ALL (SELECT 2)",
        "-- how many\nSELECT count() FROM t WHERE note = 'a; b' /* ; */",
        "SELECT file, url FROM uploads",
        "SELECT 'SELECT 1 INTO OUTFILE x'",
    ],
)
def test_one_reading_statement_is_run(sql: str) -> None:
    assert why_unsafe(sql) == ""


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("", "no SELECT"),
        ("DROP TABLE t", "no SELECT"),
        ("INSERT INTO t SELECT 1", "no SELECT"),
        ("SELECT 1; DROP TABLE t", "several statements"),
        ("SELECT 1 INTO OUTFILE 'x'", "it writes a file"),
        ("SELECT * FROM file('/etc/passwd')", "it reads through file"),
        ("SELECT * FROM (SELECT * FROM remoteSecure ('a', b.c))", "it reads through remotesecure"),
        ("SELECT 'open", "it cannot be read"),
    ],
)
def test_anything_else_is_not_run(sql: str, why: str) -> None:
    assert why_unsafe(sql) == why


@pytest.mark.parametrize(
    ("sql", "pinned"),
    [
        ("SELECT now()", "SELECT toDateTime('2026-03-18 10:20:00', 'UTC')"),
        ("SELECT NOW( 'UTC' ) - 1", "SELECT toDateTime('2026-03-18 10:20:00', 'UTC') - 1"),
        ("SELECT now64(6)", "SELECT toDateTime64('2026-03-18 10:20:00.000', 3, 'UTC')"),
        ("WHERE d = today() - 7", "WHERE d = toDate('2026-03-18') - 7"),
        ("WHERE d = yesterday ()", "WHERE d = toDate('2026-03-17')"),
        ("WHERE d < CURRENT_DATE AND e", "WHERE d < toDate('2026-03-18') AND e"),
    ],
)
def test_the_clock_is_the_packs(sql: str, pinned: str) -> None:
    assert at(sql, NOW) == pinned


@pytest.mark.parametrize(
    "sql", ["SELECT 'now()'", "SELECT `today` FROM t", "SELECT now FROM t", "SELECT a.yesterday"]
)
def test_words_that_only_look_like_the_clock_stay(sql: str) -> None:
    assert at(sql, NOW) == sql

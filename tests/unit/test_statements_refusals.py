"""Every refusal of the SQL door has its reason, our own words, a place in the text, and comes at once."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from aidatalabs_services.data import functions
from aidatalabs_services.data.errors import (
    ColumnNotKnown,
    FunctionNotAllowed,
    QueryConstructNotAllowed,
    QueryNotReadOnly,
    QuerySyntaxInvalid,
    QueryTooLarge,
    TableNotKnown,
)
from aidatalabs_services.data.statement_shapes import MAX_NODES
from aidatalabs_services.data.statement_text import MAX_NESTING, MAX_SQL_BYTES
from aidatalabs_services.data.statements import admit
from aidatalabs_services.runtime.errors import ServiceError, StatusCode
from tests.attacks.world import DATABASE, TABLES, Engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def _refusal(sql: str) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        admit(sql, TABLES, database=DATABASE)
    return caught.value


CASES: dict[str, tuple[type[ServiceError], dict[str, str]]] = {
    "INSERT INTO events SELECT 1": (QueryNotReadOnly, {"statement": "INSERT", "line": "1", "position": "1"}),
    "SELECT 1;\n DROP TABLE events": (QueryNotReadOnly, {"statement": "DROP", "line": "2", "position": "2"}),
    "WITH x AS (SELECT 1) INSERT INTO events SELECT 1": (QueryNotReadOnly, {}),
    "SELEC 1": (QuerySyntaxInvalid, {"line": "1", "position": "1"}),
    "SELECT * FROM events SETTINGS a = {: '1'}": (QuerySyntaxInvalid, {}),
    "SELECT dest FROM flights ARRAY JOIN stops AS @s": (QuerySyntaxInvalid, {}),
    "SELECT * FROM values() FROM events": (QuerySyntaxInvalid, {}),
    "WITH system AS (SELECT 1) system . x FROM y": (QuerySyntaxInvalid, {}),
    "SELECT 'never closed": (QuerySyntaxInvalid, {}),
    "SELECT 1 /* never closed": (QuerySyntaxInvalid, {}),
    "SELECT\n dest dest dest FROM flights": (QuerySyntaxInvalid, {"line": "2"}),
    "SELECT 1\x00": (QuerySyntaxInvalid, {"character": "U+0000", "position": "9"}),
    "SELECT 'a\x07'": (QuerySyntaxInvalid, {"character": "U+0007"}),
    "SELECT '\ud800'": (QuerySyntaxInvalid, {}),
    "SELECT '\\xF0'": (QuerySyntaxInvalid, {"position": "9"}),
    "SELECT 1 -- ü": (QuerySyntaxInvalid, {"character": "U+00FC", "position": "13"}),
    "SELECT" + " " * MAX_SQL_BYTES + "1": (QueryTooLarge, {"limit": "bytes", "most": str(MAX_SQL_BYTES)}),
    "SELECT [" + ",".join("1" for _ in range(MAX_NODES)) + "]": (QueryTooLarge, {"limit": "nodes"}),
    "SELECT " + "(" * (MAX_NESTING + 1) + "1" + ")" * (MAX_NESTING + 1): (
        QueryTooLarge,
        {"limit": "nesting"},
    ),
    "SELECT " + "CASE WHEN " * 200 + "1" + " THEN 1 END" * 200: (QueryTooLarge, {"limit": "nesting"}),
    "SELECT cont() FROM flights": (
        FunctionNotAllowed,
        {"function": "cont", "nearest": "count", "position": "8"},
    ),
    "SELECT\n  file('x')": (FunctionNotAllowed, {"function": "file", "line": "2", "position": "3"}),
    "SELECT sumIfIfIfIfIfIf(day) FROM flights": (FunctionNotAllowed, {"function": "sumIfIfIfIfIfIf"}),
    "SELECT arrayReduce('aggThrow(0.5)', [1])": (FunctionNotAllowed, {"function": "aggThrow"}),
    "SELECT arrayReduce(concat('s', 'um'), [1])": (FunctionNotAllowed, {"function": "arrayReduce"}),
    "SELECT current_database FROM flights": (FunctionNotAllowed, {"function": "current_database"}),
    'SELECT "current_user"': (FunctionNotAllowed, {"function": "current_user"}),
    "SELECT 1 AS user, user": (FunctionNotAllowed, {"function": "user"}),
    "SELECT x.file('a') FROM flights AS x": (QueryConstructNotAllowed, {}),
    "SELECT * FROM format(JSONEachRow, '{}')": (FunctionNotAllowed, {"function": "format"}),
    "SELECT * FROM flihgts": (TableNotKnown, {"table": "flihgts", "nearest": "flights", "position": "15"}),
    "SELECT * FROM Flights": (TableNotKnown, {"table": "Flights", "nearest": "flights"}),
    f"SELECT * FROM {DATABASE}.flights": (TableNotKnown, {"table": f"{DATABASE}.flights"}),
    "SELECT * FROM tenant_b.events": (TableNotKnown, {"table": "tenant_b.events", "nearest": "events"}),
    "SELECT * FROM a.b.c.d": (TableNotKnown, {}),
    "SELECT * FROM x, (WITH x AS (SELECT 1) SELECT 1)": (TableNotKnown, {"table": "x"}),
    "WITH x AS (SELECT * FROM x) SELECT * FROM x": (TableNotKnown, {"table": "x"}),
    "WITH x AS (SELECT * FROM y), y AS (SELECT 1) SELECT * FROM x": (TableNotKnown, {"table": "y"}),
    "WITH 1 AS x SELECT * FROM x": (TableNotKnown, {"table": "x"}),
    "SELECT destination FROM flights": (ColumnNotKnown, {"column": "destination", "position": "8"}),
    "SELECT f.dst FROM flights AS f": (ColumnNotKnown, {"column": "dst", "nearest": "dest"}),
    "SELECT _part FROM flights": (ColumnNotKnown, {"column": "_part"}),
    "SELECT f._database FROM flights f": (ColumnNotKnown, {"column": "_database"}),
    "SELECT name FROM flights": (ColumnNotKnown, {"column": "name"}),
}


@pytest.mark.parametrize("sql", CASES, ids=lambda sql: repr(sql[:50]))
def test_query_is_refused_with_its_reason_and_place(sql: str) -> None:
    wanted, facts = CASES[sql]
    error = _refusal(sql)
    assert type(error) is wanted
    assert error.code is StatusCode.INVALID_ARGUMENT
    assert {name: error.metadata.get(name) for name in facts} == facts


@pytest.mark.parametrize("sql", CASES, ids=lambda sql: repr(sql[:50]))
def test_refusal_speaks_in_our_own_words(sql: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        error = _refusal(sql)
    assert error.message.rstrip("?…").endswith((".", "events_hourly")) or "Did you mean" in error.message
    for foreign in ("sqlglot", "Token", "Expecting", "Unexpected", "\x1b", "Traceback", "Required keyword"):
        assert foreign not in error.message
    assert not [record for record in caplog.records if record.name.startswith("sqlglot")]


def test_missing_table_and_foreign_table_look_the_same() -> None:
    missing, foreign = _refusal("SELECT * FROM nobody.events"), _refusal("SELECT * FROM tenant_b.events")
    assert missing.message.replace("nobody", "X") == foreign.message.replace("tenant_b", "X")


def test_platform_without_tables_says_so() -> None:
    with pytest.raises(TableNotKnown, match="no tables yet"):
        admit("SELECT * FROM events", {}, database=DATABASE)


@pytest.mark.parametrize(
    "call", ["abs", "tuple", "map", "array", "if", "Nullable", "Tuple", "date", "CAST", "f"]
)
@pytest.mark.parametrize("inner", ["1", "1 1", "'", "x ->", "SELECT 1"])
def test_nested_calls_are_answered_at_once(call: str, inner: str) -> None:
    for sql in (
        f"SELECT {(call + '(') * MAX_NESTING}{inner}{')' * MAX_NESTING}",
        f"SELECT {(call + '((1, ') * (MAX_NESTING // 2)}{inner}{'))' * (MAX_NESTING // 2)}",
        f"WITH {'a AS (WITH ' * (MAX_NESTING - 1)}a AS (SELECT {inner}",
        f"SELECT 1::{(call + '(') * MAX_NESTING}UInt8{')' * MAX_NESTING}",
        f"SELECT * FROM {'(' * MAX_NESTING}{call} {inner}",
        f"SELECT {'a.' * 2000}b {inner} FROM flights",
        f"SELECT {call} {'NOT ' * 900}{inner}",
        f"SELECT {'1 ? ' * 900}{inner}",
        f"SELECT {'-' * 3}{'- ' * 3000}{inner}",
        f"SELECT {'1+' * 1900}{inner}",
    ):
        started = time.perf_counter()
        with contextlib.suppress(ServiceError):
            admit(sql, TABLES, database=DATABASE)
        assert time.perf_counter() - started < 5  # exponential work would need minutes


def test_deep_call_stack_of_the_caller_still_gives_a_refusal_or_an_answer() -> None:
    outcome: list[object] = []

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
            return
        try:
            outcome.append(admit("SELECT " + "abs(" * 20 + "1" + ")" * 20, {}, database=DATABASE))
        except ServiceError as error:
            outcome.append(error)

    thread = threading.Thread(target=descend, args=(sys.getrecursionlimit() - 400,))
    thread.start()
    thread.join()
    assert isinstance(outcome[0], QueryTooLarge)
    assert outcome[0].metadata["limit"] == "nesting"


# Read by ClickHouse's parser itself, so they stand in no list of functions; sumMap is sum with a combinator.
_READ_BY_THE_PARSER = {
    "dateAdd", "date_add", "dateSub", "date_sub", "timestampAdd", "timestamp_add", "timestampSub",
    "timestamp_sub", "grouping", "untuple", "sumMap", "minMap", "maxMap",
}  # fmt: skip
_NEVER = """file joinGet dictGet dictHas getSetting getMacro hostName FQDN currentUser currentDatabase
sleep sleepEachRow throwIf version uptime in notIn globalIn nullIn catboostEvaluate
evalMLMethod filesystemAvailable getServerPort showCertificate queryID connectionId demangle
addressToLine logTrace hasColumnInTable initializeAggregation printf randomString randomPrintableASCII
fuzzBits aiGenerate formatQuery transactionID aggThrow getMergeTreeSetting
zookeeperSessionUptime serverUUID tcpPort shardNum blockNumber generateSerialID getSubcolumn
neighbor runningAccumulate flameGraph readWKT getClientHTTPHeader structureToProtobufSchema url
s3 remote"""


def test_every_allowed_function_exists_in_the_engine(engine: Engine) -> None:
    known = {row[0].casefold() for row in engine.rows("SELECT name FROM system.functions")}
    ours = functions.scalar_names() | functions.aggregate_names()
    assert {name for name in ours if name.casefold() not in known} <= _READ_BY_THE_PARSER


@pytest.mark.parametrize("name", _NEVER.split())
def test_function_beyond_the_rows_is_never_allowed(name: str) -> None:
    assert not functions.is_allowed(name)
    assert not functions.is_allowed(name.upper())
    assert not functions.is_allowed(f"{name}If")


def test_bare_words_that_the_engine_runs_are_all_refused_or_harmless(engine: Engine) -> None:
    names = [row[0] for row in engine.rows("SELECT name FROM system.functions WHERE NOT is_aggregate")]
    running = []
    for name in names:
        try:
            admit(f"SELECT `{name}` AS word", {}, database=DATABASE)
        except ServiceError:
            continue
        try:
            engine.rows(f"SELECT `{name}` AS word")
        except RuntimeError:
            continue
        running.append(name)
    harmless = {"today", "now", "current_date", "current_timestamp", "localtimestamp", "curdate"}
    assert set(running) <= harmless

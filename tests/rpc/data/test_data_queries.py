"""Query and ExplainQuery on a real engine: values, limits, refusals, cancellation, isolation of results."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import table_pb2
from tests.rpc.data.conftest import DEMO, VIEWER, Data, python

pytestmark = pytest.mark.asyncio(loop_scope="module")

COLUMNS = {
    "id": "UInt64",
    "big": "Int256",
    "price": "Decimal(18, 3)",
    "ratio": "Float64",
    "at": "DateTime64(3, 'America/New_York')",
    "second": "DateTime",
    "day": "Date",
    "uid": "UUID",
    "address": "IPv6",
    "state": "Enum8('new' = 1, 'done' = 2)",
    "flag": "Bool",
    "maybe": "Nullable(Int64)",
    "list": "Array(UInt64)",
    "doubles": "Array(Float64)",
    "map": "Map(String, Int64)",
    "pair": "Tuple(a UInt64, b String)",
    "bare": "Tuple(Float64, UInt64)",
    "doc": "JSON",
    "note": "String",
}
ROW: dict[str, Any] = {
    "id": 18446744073709551615,
    "big": "-123456789012345678901234567890",
    "price": "1.5",
    "ratio": 1e20,
    "at": "2026-07-01T12:00:00.25Z",
    "second": "2026-01-02 03:04:05",
    "day": "2026-01-02",
    "uid": "893def71-8223-4e82-8689-f97fb8cdb97c",
    "address": "::1",
    "state": "done",
    "flag": True,
    "maybe": None,
    "list": [1, 1000000000000000],
    "doubles": [1e16, 2.5],
    "map": {"x": -1000000000000000},
    "pair": {"a": 999999999999999, "b": "t"},
    "bare": [1e18, 1000000000000000],
    "doc": {"a": {"b": [1, 2.5, "x"]}, "n": 9007199254740993},
    "note": "line\n\u0000 '\" é 🙂",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def tables(data: Data) -> None:
    columns = [table_pb2.Column(name=name, type=kind) for name, kind in COLUMNS.items()]
    await create(data, "kinds", columns)
    await insert(data, "kinds", [ROW])
    await create(data, "numbered", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
    await insert(data, "numbered", [{"n": number} for number in range(30_000)])


async def create(
    data: Data, name: str, columns: list[table_pb2.Column], order_by: list[str] | None = None
) -> None:
    described = table_pb2.Table(name=name, columns=columns, order_by=order_by or [])
    await data.call("CreateTable", pb.CreateTableRequest(platform=DEMO, table=described))


async def insert(data: Data, table: str, rows: list[dict[str, Any]]) -> None:
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    await data.warehouse.insert_block(
        await data.uid(), table, list(rows[0]), lines, format_name="JSONEachRow", token=f"{table}-{len(rows)}"
    )


def query(sql: str, **rest: Any) -> pb.QueryRequest:
    return pb.QueryRequest(platform=DEMO, sql=sql, **rest)


async def test_every_type_arrives_without_losing_a_digit(data: Data) -> None:
    answer = await data.call("Query", query("SELECT * FROM kinds"))
    assert [each.type for each in answer.result.columns] == list(COLUMNS.values())
    row = dict(zip(COLUMNS, python(answer.result.rows[0]), strict=True))
    assert row == {
        **ROW,
        "id": "18446744073709551615",
        "big": "-123456789012345678901234567890",
        "at": "2026-07-01T12:00:00.250Z",
        "second": "2026-01-02T03:04:05Z",
        "list": [1, "1000000000000000"],
        "map": {"x": "-1000000000000000"},
        "bare": [1e18, "1000000000000000"],
        "doc": {"a": {"b": [1, 2.5, "x"]}, "n": "9007199254740993"},
    }


async def test_numbers_that_json_lacks_are_text(data: Data) -> None:
    rows = await data.rows(
        "SELECT 0 / 0, 1 / 0, -1 / 0, NULL, 0.1, toInt64(999999999999999), CAST(1e15 AS Int64)"
    )
    assert rows == [["nan", "inf", "-inf", None, 0.1, 999999999999999, "1000000000000000"]]


async def test_text_that_is_not_utf8_becomes_replacement_characters(data: Data) -> None:
    assert await data.rows("SELECT substring(note, 28, 1) FROM kinds WHERE length(note) > 0") != [[None]]
    assert await data.rows("SELECT substring('é', 1, 1)") == [["\ufffd"]]


async def test_columns_of_an_empty_result_keep_names_and_types(data: Data) -> None:
    answer = await data.call("Query", query("SELECT id AS renamed, note FROM kinds WHERE id = 1"))
    assert [(each.name, each.type) for each in answer.result.columns] == [
        ("renamed", "UInt64"),
        ("note", "String"),
    ]
    assert (answer.result.row_count, answer.result.truncated) == (0, False)


@pytest.mark.parametrize(
    ("sql", "max_rows", "count", "truncated"),
    [
        ("SELECT n FROM numbered", 0, 1000, True),
        ("SELECT n FROM numbered", 10_000, 10_000, True),
        ("SELECT n FROM numbered LIMIT 1000", 0, 1000, False),
        ("SELECT n FROM numbered LIMIT 1001", 0, 1000, True),
        ("SELECT n FROM numbered LIMIT 5", 3, 3, True),
        ("SELECT n FROM numbered WHERE n < 3 UNION ALL SELECT n FROM numbered WHERE n < 3", 4, 4, True),
        ("SELECT n FROM numbered WHERE n < 3 UNION ALL SELECT n FROM numbered WHERE n < 3", 6, 6, False),
        ("SELECT count() FROM (SELECT n FROM numbered)", 1, 1, False),
    ],
)
async def test_rows_beyond_the_limit_are_cut_off_and_told(
    data: Data, sql: str, max_rows: int, count: int, truncated: bool
) -> None:
    answer = await data.call("Query", query(sql, max_rows=max_rows))
    assert (answer.result.row_count, len(answer.result.rows)) == (count, count)
    assert answer.result.truncated is truncated


async def test_a_cut_result_keeps_its_order_and_subqueries_see_all_rows(data: Data) -> None:
    assert await data.rows("SELECT n FROM numbered ORDER BY n DESC", max_rows=2) == [[29999], [29998]]
    nested = "n IN (SELECT n FROM numbered)"
    sql = f"SELECT (SELECT count() FROM numbered) AS c, n FROM numbered WHERE {nested} ORDER BY n"
    assert await data.rows(sql, max_rows=1) == [[30000, 0]]
    joined = "SELECT count() FROM numbered AS a JOIN numbered AS b ON a.n = b.n"
    assert await data.rows(joined, max_rows=1) == [[30000]]


async def test_statistics_say_what_was_read(data: Data) -> None:
    answer = await data.call("Query", query("SELECT sum(n) FROM numbered"))
    assert python(answer.result.rows[0]) == [449985000]
    assert answer.statistics.read_rows == 30_000
    assert answer.statistics.read_bytes == 240_000
    assert 0 < answer.statistics.elapsed_seconds < 5


@pytest.mark.parametrize(
    ("sql", "code", "reason"),
    [
        ("DROP TABLE numbered", "INVALID_ARGUMENT", "QUERY_NOT_READ_ONLY"),
        ("SELECT n FROM", "INVALID_ARGUMENT", "QUERY_SYNTAX_INVALID"),
        ("SELECT * FROM nowhere", "INVALID_ARGUMENT", "TABLE_NOT_KNOWN"),
        ("SELECT nothing FROM numbered", "INVALID_ARGUMENT", "COLUMN_NOT_KNOWN"),
        ("SELECT toDate('x' || note) FROM kinds", "INVALID_ARGUMENT", "QUERY_FAILED"),
        ("SELECT note + 1 FROM kinds", "INVALID_ARGUMENT", "QUERY_FAILED"),
        ("SELECT n, count() FROM numbered", "INVALID_ARGUMENT", "QUERY_FAILED"),
        ("SELECT repeat(note, 1000000) AS x FROM kinds, numbered", "RESOURCE_EXHAUSTED", None),
    ],
)
async def test_a_query_that_cannot_run_is_refused_with_its_reason(
    data: Data, sql: str, code: str, reason: str | None
) -> None:
    refused = await data.refusal("Query", query(sql))
    assert refused.code.name == code, refused.message
    assert refused.reason == reason or reason is None
    assert "DB::Exception" not in refused.message


async def test_an_answer_too_large_for_one_message_is_refused(data: Data) -> None:
    wide = ", ".join(f"toUInt8(n % 2) AS c{number}" for number in range(45))
    refused = await data.refusal("Query", query(f"SELECT {wide} FROM numbered", max_rows=10_000))
    assert (refused.code.name, refused.reason) == ("RESOURCE_EXHAUSTED", "RESULT_TOO_LARGE")
    assert refused.metadata["limit_bytes"] == "4194304"


SLOW = "SELECT sum(cityHash64(a.n, b.n, c.n)) FROM numbered AS a, numbered AS b, numbered AS c"


async def running_queries(data: Data) -> int:
    return sum([await engine.running_queries() for engine in data.pool.running().values()])


async def test_a_slow_query_is_stopped_in_the_engine_at_the_calls_deadline(data: Data) -> None:
    begun = time.monotonic()
    refused = await data.refusal("Query", query(SLOW), timeout=1.5)
    assert refused.reason in ("QUERY_TIMEOUT", "DEADLINE_EXCEEDED")
    assert refused.code.name == "DEADLINE_EXCEEDED"
    assert time.monotonic() - begun < 3
    await until_quiet(data)


async def test_a_slow_query_is_stopped_after_the_servers_limit(data: Data) -> None:
    refused = await data.refusal("Query", query(SLOW), timeout=20)
    assert (refused.code.name, refused.reason) == ("DEADLINE_EXCEEDED", "QUERY_TIMEOUT")
    assert refused.metadata["limit_seconds"] == "3"


async def test_a_caller_who_goes_away_stops_the_query_in_the_engine(data: Data) -> None:
    call = asyncio.create_task(data.call("Query", query(SLOW)))
    await asyncio.sleep(0.7)
    assert await running_queries(data) == 1
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    await until_quiet(data)


async def until_quiet(data: Data) -> None:
    begun = time.monotonic()
    while await running_queries(data):
        assert time.monotonic() - begun < 2, "the query still runs in the engine"
        await asyncio.sleep(0.02)


async def test_a_failed_query_leaves_nothing_for_the_next_one(data: Data) -> None:
    failing = (
        "SELECT repeat('secret', 50), toDate(if(n > 20000, 'x', '2026-01-01')) FROM numbered WHERE n > 15000",
        "SELECT repeat('secret', 50), intDiv(1, n - 20000) FROM numbered WHERE n > 15000 LIMIT 9000",
        "SELECT repeat('secret', 2000) FROM numbered LIMIT 10000",
    )

    async def pair(index: int) -> None:
        await asyncio.gather(
            data.refusal("Query", query(failing[index % len(failing)], max_rows=10_000)), canary(index)
        )
        await canary(index)

    async def canary(index: int) -> None:
        assert await data.rows(f"SELECT 'canary', {index}") == [["canary", index]]

    for start in range(0, 30, 6):
        await asyncio.gather(*(pair(start + index) for index in range(6)))


async def test_concurrent_queries_get_their_own_rows(data: Data) -> None:
    answers = await asyncio.gather(*(data.rows(f"SELECT {i}, count() FROM numbered") for i in range(32)))
    assert answers == [[[index, 30_000]] for index in range(32)]


async def test_a_viewer_may_query(data: Data) -> None:
    assert await data.rows("SELECT max(n) FROM numbered", user=VIEWER) == [[29999]]


async def test_explain_tells_tables_columns_order_and_rows(data: Data) -> None:
    sql = "select n from numbered where n<10 order by n"
    plan = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=sql))
    assert list(plan.tables) == ["numbered"]
    assert [(each.table, each.column) for each in plan.columns] == [("numbered", "n")]
    assert plan.ordered
    assert 10 <= plan.estimated_rows <= 30_000
    assert len(plan.sql_sha256) == 64
    again = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=plan.sql))
    assert again == plan
    assert await data.rows(plan.sql) == [[number] for number in range(10)]


async def test_explain_keeps_to_the_limits_of_a_query(data: Data) -> None:
    nested = "SELECT n FROM numbered WHERE n IN (SELECT n FROM numbered WHERE n < 3)"
    plan = await data.call("ExplainQuery", pb.ExplainQueryRequest(platform=DEMO, sql=nested))
    assert plan.estimated_rows >= 3
    slow = pb.ExplainQueryRequest(platform=DEMO, sql=f"SELECT n FROM numbered WHERE n IN ({SLOW})")
    begun = time.monotonic()
    await asyncio.gather(data.call("ExplainQuery", slow), return_exceptions=True)
    assert time.monotonic() - begun < 5
    await until_quiet(data)


async def test_explain_refuses_what_query_refuses(data: Data) -> None:
    request = pb.ExplainQueryRequest(platform=DEMO, sql="SELECT note + 1 FROM kinds")
    assert (await data.refusal("ExplainQuery", request)).reason == "QUERY_FAILED"
    request = pb.ExplainQueryRequest(platform=DEMO, sql="TRUNCATE TABLE kinds")
    assert (await data.refusal("ExplainQuery", request)).reason == "QUERY_NOT_READ_ONLY"


async def test_data_version_changes_with_rows_and_not_with_merges(data: Data) -> None:
    uid = await data.uid()
    await create(data, "versioned", [table_pb2.Column(name="n", type="UInt64")], order_by=["n"])
    explain = pb.ExplainQueryRequest(platform=DEMO, sql="SELECT n FROM versioned")

    async def version() -> str:
        return str((await data.call("ExplainQuery", explain)).data_version)

    async def add(token: str) -> None:
        await data.warehouse.insert_block(
            uid, "versioned", ["n"], b'{"n":1}', format_name="JSONEachRow", token=token
        )

    seen = [await version()]
    for token in ("one", "two", "three"):
        await add(token)
        seen.append(await version())
    assert len(set(seen)) == 4
    await data.warehouse.execute(uid, "OPTIMIZE TABLE versioned FINAL", table="versioned")
    assert await version() == seen[-1]
    await add("three")
    assert await version() == seen[-1]
    other = pb.ExplainQueryRequest(platform=DEMO, sql="SELECT n FROM numbered")
    before = (await data.call("ExplainQuery", other)).data_version
    await add("four")
    assert (await data.call("ExplainQuery", other)).data_version == before

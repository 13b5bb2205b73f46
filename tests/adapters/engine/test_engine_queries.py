"""Ordinary clients against the embedded engine: parameters, settings, types, streams, error codes."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import ipaddress
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from aidatalabs_services.data.engine.process import EngineProcess
from tests.adapters.engine.running import sync_client


def test_default_client_without_any_option_works(engine: EngineProcess) -> None:
    client = clickhouse_connect.get_client(host=engine.host, port=engine.port, password=engine.password)
    client.command(
        "CREATE TABLE IF NOT EXISTS analytics.compressed (a UInt64, s String) ENGINE=MergeTree ORDER BY a"
    )
    client.insert("compressed", [[i, "x" * 50] for i in range(5000)], ["a", "s"], database="analytics")
    assert client.query("SELECT count(), sum(a) FROM analytics.compressed").result_rows == [(5000, 12497500)]
    assert client.command("SELECT currentDatabase()") == "default"
    client.command("DROP TABLE analytics.compressed")
    client.close()


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip", "deflate"])
def test_insert_body_may_be_compressed_in_many_frames(client: Client, encoding: str) -> None:
    import gzip
    import zlib

    import lz4.frame  # type: ignore[import-untyped]
    from backports import zstd

    squeeze = {
        "lz4": lz4.frame.compress,
        "zstd": zstd.compress,
        "gzip": gzip.compress,
        "deflate": zlib.compress,
    }
    table = f"packed_{encoding}"
    client.command(f"CREATE TABLE {table} (a UInt64) ENGINE=MergeTree ORDER BY a")
    blocks = [b"".join(b"%d\n" % n for n in range(start, start + 1000)) for start in range(0, 5000, 1000)]
    packed = b"".join(squeeze[encoding](block) for block in blocks)
    client.raw_insert(table, ["a"], packed, fmt="CSV", compression=encoding)
    assert client.command(f"SELECT sum(a) FROM {table}") == 12497500
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert(table, ["a"], packed[:-7], fmt="CSV", compression=encoding)
    assert refused.value.code == 33
    assert client.command(f"SELECT count() FROM {table}") == 5000


def test_parameters_arrive_as_they_were(client: Client) -> None:
    nasty = "it's \\ a \"tab\t line\n ü \u2018quote\u2019 {x} -- ; "
    row = client.query(
        "SELECT {s:String}, {l:Array(String)}, {d:Date}, {n:Nullable(Int32)}, {f:Float64}",
        parameters={"s": nasty, "l": ["a'b", "c\\d"], "d": dt.date(2026, 1, 2), "n": None, "f": 1.5},
    ).result_rows[0]
    assert row == (nasty, ["a'b", "c\\d"], dt.date(2026, 1, 2), None, 1.5)


def test_twenty_thousand_values_in_a_parameter_go_as_a_form(client: Client) -> None:
    values = list(range(20_000))
    found = client.query(
        "SELECT length({v:Array(UInt32)}), arraySum({v:Array(UInt32)})", parameters={"v": values}
    )
    assert found.result_rows == [(20_000, sum(values))]


def test_settings_hold_for_one_query_only(client: Client) -> None:
    sql = "SELECT getSetting('max_threads'), getSetting('readonly')"
    assert client.query(sql, settings={"max_threads": 1, "readonly": 2}).result_rows == [(1, 2)]
    assert client.query(sql).result_rows[0][1] == 0
    with pytest.raises(DatabaseError) as unknown:
        client.query("SELECT 1", transport_settings={}, settings={"readonly": "nonsense'); DROP"})
    assert unknown.value.code in (27, 43, 53, 72)


def test_database_of_the_request_is_used_and_a_missing_one_is_code_81(
    engine: EngineProcess, client: Client
) -> None:
    assert client.command("SELECT currentDatabase()") == "analytics"
    with pytest.raises(DatabaseError) as missing:
        sync_client(engine.address, database="nowhere").query("SELECT 1")
    assert missing.value.code == 81


@pytest.mark.parametrize(
    ("sql", "code", "settings"),
    [
        ("SELECT * FROM no_such_table", 60, {}),
        ("SELEC 1", 62, {}),
        ("SELECT nope", 47, {}),
        ("SELECT count() FROM numbers(100000000000)", 159, {"max_execution_time": 1}),
        ("CREATE TABLE refused (a UInt8) ENGINE=Memory", 164, {"readonly": 1}),
        ("SELECT groupArray(number) FROM numbers(200000000)", 241, {}),
        ("SELECT number FROM numbers(1000)", 396, {"max_result_rows": 10, "result_overflow_mode": "throw"}),
        ("SELECT 1 SETTINGS max_execution_time = 100000", 452, {}),
        ("SELECT 1 SETTINGS max_execution_time = 0", 452, {}),
        ("SELECT 1", 452, {"max_memory_usage": 10**15}),
        ("SELECT {missing:UInt8}", 456, {}),
    ],
)
def test_error_has_the_code_of_clickhouse(
    client: Client, sql: str, code: int, settings: dict[str, object]
) -> None:
    with pytest.raises(DatabaseError) as failed:
        client.query(sql, settings=settings)
    assert failed.value.code == code
    assert failed.value.name
    assert client.command("SELECT 7") == 7


def test_time_limit_ends_a_query_on_time(client: Client) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseError) as late:
        client.query(
            "SELECT sleepEachRow(0.05) FROM numbers(400)",
            settings={"max_execution_time": 1, "max_block_size": 1},
        )
    assert late.value.code == 159
    assert time.monotonic() - started < 4


def test_types_round_trip(client: Client) -> None:
    columns = {
        "i": "Int64", "u": "UInt64", "f": "Float64", "s": "LowCardinality(String)", "n": "Nullable(String)",
        "a": "Array(Int32)", "m": "Map(String, UInt8)", "t": "DateTime64(3, 'UTC')", "d": "Decimal(18, 4)",
        "id": "UUID", "e": "Enum8('a' = 1, 'b' = 2)", "ip": "IPv6", "p": "Tuple(Int8, String)",
        "b": "Bool", "j": "JSON",
    }  # fmt: skip
    row = [
        -(2**63), 2**64 - 1, 1.5, "x", None, [1, 2], {"k": 3},
        dt.datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=dt.UTC),
        decimal.Decimal("12.3456"), uuid.UUID(int=5), "b", ipaddress.IPv6Address("::1"), (1, "y"), True,
        {"page": "/p1"},
    ]  # fmt: skip
    defined = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    client.command(f"CREATE TABLE kinds ({defined}) ENGINE=MergeTree ORDER BY i")
    client.insert("kinds", [row], list(columns))
    got = client.query("SELECT * FROM kinds")
    assert list(got.column_names) == list(columns)
    found = list(got.result_rows[0])
    if found[7].tzinfo is None:
        found[7] = found[7].replace(tzinfo=dt.UTC)
    assert found == row
    assert client.query_df("SELECT i, s FROM kinds").iloc[0]["s"] == "x"


def test_row_block_stream_is_complete(client: Client) -> None:
    total = rows = 0
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(300000)") as stream:
        for block in stream:
            rows += len(block)
            total += sum(row[0] for row in block)
    assert (rows, total) == (300_000, 300_000 * 299_999 // 2)


def test_arrow_stream_is_complete_with_dictionaries_and_when_empty(client: Client) -> None:
    sql = "SELECT number, toLowCardinality(toString(number % 7)) AS c FROM numbers(300000)"
    with client.query_arrow_stream(sql) as stream:
        batches = list(stream)
    assert sum(batch.num_rows for batch in batches) == 300_000
    assert client.query_arrow(sql).num_rows == 300_000
    empty = client.query_arrow("SELECT number FROM numbers(10) WHERE number > 100")
    assert empty.num_rows == 0


def test_late_error_breaks_the_stream_with_its_text(client: Client) -> None:
    def read() -> int:
        with client.query_row_block_stream(
            "SELECT throwIf(number = 250000, 'late trouble') FROM numbers(300000)"
        ) as s:
            return sum(len(block) for block in s)

    with pytest.raises(StreamFailureError, match="late trouble"):
        read()
    assert client.command("SELECT 7") == 7


def test_early_error_of_a_stream_has_its_code(client: Client) -> None:
    with (
        pytest.raises(DatabaseError) as missing,
        client.query_row_block_stream("SELECT * FROM nowhere") as stream,
    ):
        list(stream)
    assert missing.value.code == 60


def test_statistics_of_a_query_are_told(client: Client) -> None:
    client.command("CREATE TABLE counted (a UInt64) ENGINE=MergeTree ORDER BY a")
    assert int(client.insert("counted", [[n] for n in range(1000)], ["a"]).written_rows) == 1000
    summary = client.query("SELECT sum(a) FROM counted", settings={"query_id": "told-1"}).summary
    assert summary["query_id"] == "told-1"
    assert int(summary["read_rows"]) == 1000
    assert int(summary["result_rows"]) == 1
    assert int(summary["elapsed_ns"]) > 0


def test_show_describe_explain_are_answered(client: Client) -> None:
    assert ("analytics",) in client.query("SHOW DATABASES").result_rows
    assert client.query("DESCRIBE TABLE system.one").result_rows[0][0] == "dummy"
    assert client.query("EXPLAIN SELECT 1").result_rows


async def test_async_client_serves_queries_inserts_and_streams(engine: EngineProcess) -> None:
    client = await clickhouse_connect.get_async_client(
        host=engine.host, port=engine.port, password=engine.password, database="analytics", compress=False,
        autogenerate_session_id=False,
    )  # fmt: skip
    try:
        await client.command("CREATE TABLE later (a UInt64, s String) ENGINE=MergeTree ORDER BY a")
        await client.insert("later", [[n, str(n)] for n in range(1000)], ["a", "s"])
        assert (await client.query("SELECT count(), sum(a) FROM later")).result_rows == [(1000, 499500)]
        rows = 0
        async with await client.query_row_block_stream("SELECT number FROM numbers(200000)") as stream:
            async for block in stream:
                rows += len(block)
        assert rows == 200_000
        answers = await asyncio.gather(
            *(client.query(f"SELECT {n}, sum(number) FROM numbers(100000)") for n in range(20))
        )
        assert [answer.result_rows[0][0] for answer in answers] == list(range(20))
        with pytest.raises(DatabaseError) as failed:
            await client.query("SELECT * FROM nowhere")
        assert failed.value.code == 60
    finally:
        await client.close()


def test_twenty_callers_at_once_get_their_own_answers(engine: EngineProcess) -> None:
    def ask(number: int) -> list[int]:
        client = sync_client(engine.address)
        found = [client.query(f"SELECT {number} * 1000 + {turn}").result_rows[0][0] for turn in range(5)]
        client.close()
        return found

    with ThreadPoolExecutor(20) as threads:
        answers = list(threads.map(ask, range(20)))
    assert answers == [[number * 1000 + turn for turn in range(5)] for number in range(20)]


def test_csv_with_names_is_streamed_as_one_document(client: Client) -> None:
    sql = 'SELECT number AS `a\n"b`, toString(number) AS t FROM numbers(300000)'
    with client.raw_stream(sql, fmt="CSVWithNames") as stream:
        data = b"".join(stream)
    head = b'"a\n""b","t"\n'
    assert data.startswith(head + b'0,"0"\n')
    assert data.count(b'"a\n') == 1
    assert data.count(b"\n") == 300_002
    with client.raw_stream("SELECT 1 AS a WHERE 0", fmt="CSVWithNames") as stream:
        assert b"".join(stream) == b'"a"\n'


def test_a_stream_larger_than_its_memory_is_complete(client: Client) -> None:
    """Blocks that are sent must not go on counting as the query's memory."""
    sql = "SELECT number, repeat('x', 100) AS t FROM numbers(3000000)"
    limits = {
        "max_memory_usage": 100 * 1024 * 1024,
        "max_block_size": 16_384,
        "output_format_arrow_compression_method": "none",
    }
    rows = 0
    with client.query_arrow_stream(sql, settings=limits) as stream:
        for batch in stream:
            rows += batch.num_rows
    assert rows == 3_000_000

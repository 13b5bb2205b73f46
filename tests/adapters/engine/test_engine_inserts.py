"""Inserts: every route an ordinary client takes, errors that are seen, nothing half stored, replays."""

from __future__ import annotations

import socket
import time

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aidatalabs_services.data.engine.process import EngineProcess


def _table(client: Client, name: str, extra: str = "", after: str = "") -> str:
    client.command(f"CREATE TABLE {name} (a UInt64, s String{extra}) ENGINE=MergeTree ORDER BY a {after}")
    return name


def test_native_arrow_csv_and_values_inserts_store_what_was_sent(client: Client) -> None:
    table = _table(client, "routes")
    client.insert(table, [[n, str(n)] for n in range(150_000)], ["a", "s"])
    client.insert_arrow(table, pa.table({"a": pa.array([1, 2], pa.uint64()), "s": ["x", "y"]}))
    client.raw_insert(table, ["a", "s"], b'3,"has FORMAT CSV inside"\n', fmt="CSV")
    client.command(f"INSERT INTO {table} VALUES (4, 'has FORMAT Native; and ''quotes'''), (2 + 3, 'x')")
    client.command(f"INSERT INTO {table} (a, s) VALUES ({{n:UInt64}}, 'p')", parameters={"n": 6})
    client.command(f"INSERT INTO {table} FORMAT JSONEachRow", data='{"a": 7, "s": "json"}')
    client.command(f"INSERT INTO {table} SELECT number, 'sel' FROM numbers(3)")
    assert client.command(f"SELECT count() FROM {table}") == 150_000 + 2 + 1 + 2 + 1 + 1 + 3
    assert client.query(
        f"SELECT s FROM {table} WHERE a IN (3, 4, 7) AND length(s) > 3 ORDER BY a"
    ).result_columns[0] == [
        "has FORMAT CSV inside",
        "has FORMAT Native; and 'quotes'",
        "json",
    ]


def test_insert_from_a_generator_arrives_whole(client: Client) -> None:
    table = _table(client, "pieces")
    pieces = (
        b"".join(b"%d,x\n" % n for n in range(start, start + 5000)) for start in range(0, 200_000, 5000)
    )
    client.raw_insert(table, ["a", "s"], pieces, fmt="CSV")
    assert client.query(f"SELECT count(), sum(a) FROM {table}").result_rows == [
        (200_000, 200_000 * 199_999 // 2)
    ]


@pytest.mark.parametrize(
    ("table", "rows", "code"),
    [
        ("bounded", b"1,x\n20,y\n", 469),
        ("parted", b"".join(b"%d,x\n" % n for n in range(150)), 252),
        ("bounded", b"1,x\nnonsense", 27),
        ("absent", b"1,x\n", 60),
    ],
)
def test_refused_insert_has_its_code_and_stores_nothing(
    client: Client, table: str, rows: bytes, code: int
) -> None:
    client.command(
        "CREATE TABLE IF NOT EXISTS bounded (a UInt64, s String, CONSTRAINT small CHECK a < 10)"
        " ENGINE=MergeTree ORDER BY a"
    )
    client.command(
        "CREATE TABLE IF NOT EXISTS parted (a UInt64, s String) ENGINE=MergeTree PARTITION BY a ORDER BY a"
    )
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert(table, ["a", "s"], rows, fmt="CSV")
    assert refused.value.code == code
    if table != "absent":
        assert client.command(f"SELECT count() FROM {table}") == 0


def test_replayed_insert_with_its_token_is_stored_once(client: Client) -> None:
    table = _table(client, "tokens", after="SETTINGS non_replicated_deduplication_window = 100")
    rows = [[n, "x"] for n in range(100)]
    for _ in range(2):
        client.insert(table, rows, ["a", "s"], settings={"insert_deduplication_token": "group-1"})
    assert client.command(f"SELECT count() FROM {table}") == 100
    client.insert(table, rows, ["a", "s"], settings={"insert_deduplication_token": "group-2"})
    assert client.command(f"SELECT count() FROM {table}") == 200


def test_client_that_dies_in_its_body_stores_nothing(engine: EngineProcess, client: Client) -> None:
    table = _table(client, "cut")
    body = b"".join(b"%d,x\n" % n for n in range(100_000))
    with socket.create_connection((engine.host, engine.port)) as sock:
        sock.sendall(
            f"POST /?query=INSERT+INTO+analytics.{table}+FORMAT+CSV HTTP/1.1\r\nHost: e\r\nX-ClickHouse-Key: "
            f"{engine.password}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        )
        sock.sendall(body[: len(body) * 3 // 4])
    time.sleep(0.3)
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_rows_beyond_the_body_limit_are_refused(client: Client) -> None:
    table = _table(client, "huge")
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert(table, ["a", "s"], (b"1," + b"x" * 1_000_000 + b"\n" for _ in range(80)), fmt="CSV")
    assert refused.value.code == 307
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_small_packed_body_that_grows_beyond_the_limit_is_refused(client: Client) -> None:
    import gzip

    table = _table(client, "bomb")
    with pytest.raises(DatabaseError) as refused:
        client.raw_insert(
            table, ["a", "s"], gzip.compress(b"0" * 200_000_000, 1), fmt="CSV", compression="gzip"
        )
    assert refused.value.code == 307

"""Bytes that are no good request: the engine answers or hangs up, and goes on serving others."""

from __future__ import annotations

import random
import socket
import threading
import time

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from aidatalabs_services.data.engine.process import EngineAddress, EngineProcess
from tests.adapters.engine.running import LIMITS, sync_client


def _talk(engine: EngineProcess, data: bytes, seconds: float = 5.0) -> bytes:
    """Sends bytes, returns what comes back until the engine closes or the time is over."""
    answer = b""
    with socket.create_connection((engine.host, engine.port), timeout=seconds) as sock:
        try:
            sock.sendall(data)
            while piece := sock.recv(65536):
                answer += piece
        except (TimeoutError, ConnectionError):
            pass
    return answer


def _query(engine: EngineProcess, *headers: str, body: bytes = b"") -> bytes:
    lines = [
        "POST / HTTP/1.1",
        "Host: e",
        f"X-ClickHouse-Key: {engine.password}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def test_ping_and_root_need_no_password(engine: EngineProcess) -> None:
    for path in ("/ping", "/"):
        answer = _talk(engine, f"GET {path} HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"Ok.\n")


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "X-ClickHouse-Key: wrong",
        "X-ClickHouse-User: admin",
        "Authorization: Basic !!!",
        "Authorization: Bearer x",
    ],
)
def test_wrong_or_missing_password_is_516_before_the_body_is_read(
    engine: EngineProcess, headers: str
) -> None:
    head = f"POST / HTTP/1.1\r\n{headers}\r\nContent-Length: 50000000\r\n\r\n".replace("\r\n\r\nC", "\r\nC")
    answer = _talk(engine, head.encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"X-ClickHouse-Exception-Code: 516" in answer


def test_client_with_a_wrong_password_sees_516(engine: EngineProcess) -> None:
    with pytest.raises(DatabaseError) as refused:
        sync_client(EngineAddress(engine.host, engine.port, "wrong"))
    assert refused.value.code == 516


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n Folded: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET /?query=%ff HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"x" * 400_000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 300 + b"\r\n", 431),
    ],
)
def test_malformed_request_is_answered_and_closed(
    engine: EngineProcess, client: Client, data: bytes, status: int
) -> None:
    started = time.monotonic()
    assert _talk(engine, data).startswith(b"HTTP/1.1 %d" % status)
    assert time.monotonic() - started < 4
    assert client.command("SELECT 7") == 7


@pytest.mark.parametrize(
    ("request_head", "body", "code"),
    [
        ("Transfer-Encoding: chunked", b"zz\r\nSELECT 1\r\n0\r\n\r\n", b"210"),
        ("Transfer-Encoding: chunked", b"3\r\nSELECT 1\r\n0\r\n\r\n", b"210"),
        ("Transfer-Encoding: chunked", b"f" * 5000, b"210"),
        ("Content-Encoding: lz4\r\nContent-Length: 8", b"SELECT 1", b"271"),
        ("Content-Encoding: br\r\nContent-Length: 8", b"SELECT 1", b"36"),
        ("Content-Length: 4", b"\xff\xfe\xfd\xfc", b"62"),
        ("Content-Type: multipart/form-data\r\nContent-Length: 4", b"--a\n", b"36"),
        ("Content-Type: multipart/form-data; boundary=a\r\nContent-Length: 4", b"--a\n", b"36"),
    ],
)
def test_malformed_body_has_an_error_code(
    engine: EngineProcess, request_head: str, body: bytes, code: bytes
) -> None:
    answer = _talk(engine, _query(engine, request_head, body=body))
    assert b"X-ClickHouse-Exception-Code: " + code + b"\r\n" in answer


def test_unknown_paths_and_methods_are_errors_not_queries(engine: EngineProcess) -> None:
    key = f"X-ClickHouse-Key: {engine.password}\r\nConnection: close\r\n\r\n"
    assert _talk(engine, f"GET /play HTTP/1.1\r\n{key}".encode()).startswith(b"HTTP/1.1 404")
    assert _talk(engine, f"DELETE / HTTP/1.1\r\n{key}".encode()).startswith(b"HTTP/1.1 405")


def test_get_is_read_only(engine: EngineProcess, client: Client) -> None:
    target = "/?query=CREATE+TABLE+analytics.got+(a+UInt8)+ENGINE=Memory"
    head = f"GET {target} HTTP/1.1\r\nX-ClickHouse-Key: {engine.password}\r\nConnection: close\r\n\r\n"
    assert b"Exception-Code: 164" in _talk(engine, head.encode())


def test_setting_names_cannot_carry_sql(engine: EngineProcess) -> None:
    data = _query(engine, "Content-Length: 8", body=b"SELECT 1").replace(
        b"POST /", b"POST /?x%3D1;DROP%20TABLE%20a=1"
    )
    assert b"Exception-Code: 36" in _talk(engine, data)


def test_slow_heads_are_hung_up_on_while_others_are_served(engine: EngineProcess, client: Client) -> None:
    socks = [socket.create_connection((engine.host, engine.port)) for _ in range(30)]
    started = time.monotonic()
    for sock in socks:
        sock.sendall(b"GET / HT")
    assert client.command("SELECT 7") == 7
    for sock in socks:
        sock.settimeout(LIMITS.head_seconds + 3)
        assert sock.recv(100) == b""
        sock.close()
    assert time.monotonic() - started < LIMITS.head_seconds + 3


def test_connections_beyond_the_limit_are_told_and_closed(engine: EngineProcess, client: Client) -> None:
    socks = [socket.create_connection((engine.host, engine.port)) for _ in range(LIMITS.max_connections + 5)]
    try:
        socks[-1].settimeout(5)
        assert socks[-1].recv(1000).startswith(b"HTTP/1.1 503")
    finally:
        for sock in socks:
            sock.close()
    time.sleep(0.2)
    assert client.command("SELECT 7") == 7


def test_random_bytes_never_stop_the_engine(engine: EngineProcess, client: Client) -> None:
    chance = random.Random(7)
    good = _query(engine, "Content-Length: 8", body=b"SELECT 1")

    def shoot(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            data = bytearray(good)
            for _ in range(dice.randrange(1, 6)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            with socket.create_connection((engine.host, engine.port), timeout=5) as sock:
                sock.sendall(bytes(data[: dice.randrange(1, len(data) + 1)]))
                sock.shutdown(socket.SHUT_WR)
                sock.settimeout(5)
                try:
                    while sock.recv(65536):
                        pass
                except ConnectionError:
                    pass

    threads = [threading.Thread(target=shoot, args=(chance.random(),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert client.command("SELECT 7") == 7


def test_one_connection_serves_many_requests_and_a_pipelined_one(engine: EngineProcess) -> None:
    one = (
        f"POST / HTTP/1.1\r\nX-ClickHouse-Key: {engine.password}\r\nContent-Length: 8\r\n\r\nSELECT ".encode()
    )
    last = _query(engine, "Content-Length: 8", body=b"SELECT 3")
    answer = _talk(engine, one + b"1" + one + b"2" + last)
    assert [line for line in answer.split(b"\n") if line in (b"1", b"2", b"3")] == [b"1", b"2", b"3"]


def test_expect_continue_is_answered(engine: EngineProcess) -> None:
    with socket.create_connection((engine.host, engine.port), timeout=5) as sock:
        sock.sendall(_query(engine, "Expect: 100-continue", "Content-Length: 8"))
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"SELECT 1")
        assert sock.recv(1000).startswith(b"HTTP/1.1 200")

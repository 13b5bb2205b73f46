"""Attacks on HTTP, JSON, paths and gRPC frames through a real edge, each with one pinned outcome.

Rows with a `request` are sent as they stand; those with a `test` alone have a function of their own, which
reads the outcome from the row.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio
import yarl

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.mesh.edge_config import EdgeLimits
from tests.attacks.edge_world import DEMO, running_world
from tests.gateway import raw
from tests.gateway.refusals import refused
from tests.gateway.upstream import Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
Row = dict[str, Any]
ROWS: list[Row] = json.loads(Path(__file__).with_name("transcode_attacks.json").read_text(encoding="utf-8"))
BY_ID = {row["id"]: row for row in ROWS}
KIB = 1024
QUERY = "/aidatalabs.data.v1.DataService/Query"
REFUSED_STREAM = b"\0\0\0\x07"
MADE: dict[str, Callable[[Row], None]] = {
    "TRANSCODE-HTTP-013": lambda request: request.update(raw=request["raw"] + "b" * 40 * KIB + "\r\n\r\n"),
    "TRANSCODE-JSON-025": lambda request: request.update(body='{"table":"' + "x" * 2_500_000 + '"}'),
    "TRANSCODE-JSON-028": lambda request: request.update(body=b'{"rows":[{"a":"\xff\xfe"}]}'),
    "TRANSCODE-PATH-014": lambda request: request.update(path=request["path"] + "a" * 30_000),
    "TRANSCODE-PATH-015": lambda request: request.update(path=request["path"] + "a" * 20 * KIB),
}
"""Requests that are too long to write down, or no text."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_world(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """An edge that takes 500 connections and waits a second for an answer."""
    limits = EdgeLimits(connection_count=500, request_seconds=1.0)
    async with running_edge(tmp_path_factory.mktemp("s"), limits=limits) as running:
        yield running


async def test_every_row_is_sent_or_has_a_test_of_its_own() -> None:
    own = {row["id"] for row in ROWS if "request" not in row}
    names = (name.removeprefix("test_").partition("__") for name in globals())
    tested = {name.replace("_", "-").upper() for name, mark, _ in names if mark and name}
    assert own == tested
    assert {row["id"] for row in ROWS if "test" in row and "request" in row} == set(MADE)


@pytest.mark.parametrize("row", [row for row in ROWS if "request" in row], ids=lambda row: row["id"])
async def test_attack_as_it_stands(edge: Edge, row: Row) -> None:
    request = dict(row["request"])
    if row["id"] in MADE:
        MADE[row["id"]](request)
    wanted = row["outcome"]
    status, body = await (_raw(edge, request) if "raw" in request else _rest(edge, request))
    text = json.dumps(body, separators=(",", ":"))
    assert status == wanted["http"], text
    assert wanted.get("contains", "") in text
    if "reason" in wanted:
        assert body["code"] == getattr(grpc.StatusCode, wanted["grpc"]).value[0]
        assert body["details"][0]["reason"] == wanted["reason"]
        return
    assert "details" not in body
    if "accepted" in wanted:
        assert body["receipt"]["accepted_count"] == str(wanted["accepted"])
        rejected = [each["reason"] for each in body["receipt"]["rejected"]]
        assert rejected == ([wanted["rejected"]] if "rejected" in wanted else [])
    if "query" in wanted:
        asked = yarl.URL("/api/v1/data/query").with_query(platform=DEMO, sql=wanted["query"])
        assert (await _rest(edge, {"method": "GET", "path": str(asked)}))[1]["result"]["rows"] == wanted[
            "rows"
        ]


async def _raw(edge: Edge, request: Row) -> tuple[int, dict[str, Any]]:
    answer = await raw.exchange(edge.port, request["raw"].encode(), seconds=1.0)
    assert answer.count(b"\r\nserver: aidatalabs") <= 1, "one request got two answers"
    status, _, body = raw.parsed(answer)
    return status, body


async def _rest(edge: Edge, request: Row) -> tuple[int, dict[str, Any]]:
    headers = edge.bearer() | ({"content-type": "application/json"} if "body" in request else {})
    body = request.get("body")
    data = body.encode() if isinstance(body, str) else body
    url = yarl.URL(edge.url + request["path"], encoded=True)
    async with aiohttp.ClientSession() as rest:
        options = {"headers": headers | request.get("headers", {}), "data": data}
        async with rest.request(request["method"], url, **options) as answer:
            assert answer.headers["content-type"].startswith("application/json")
            return answer.status, await answer.json()


def _resident_mib(edge: Edge) -> float:
    status = Path(f"/proc/{edge.process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / KIB


async def _is_served(edge: Edge) -> bool:
    async with aiohttp.ClientSession(edge.url) as rest, rest.get("/healthz") as answer:
        return answer.status == 200


async def test_transcode_http_016__idle_connections_beyond_the_limit(small: Edge) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(480)]
    try:
        assert await _is_served(small)
        opened += [await asyncio.open_connection("127.0.0.1", small.port) for _ in range(120)]
        reads = [asyncio.create_task(reader.read(1)) for reader, _ in opened]
        closed, waiting = await asyncio.wait(reads, timeout=2)
        assert 90 <= len(closed) <= 110
        for task in waiting:
            task.cancel()
        first = opened[0][1]
        first.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await asyncio.wait_for(opened[0][0].read(12), 5)) == b"HTTP/1.1 200"
    finally:
        for _, writer in opened:
            writer.close()


async def test_transcode_http_017__rapid_reset(edge: Edge) -> None:
    block = raw.header_block(_call_headers())
    async with raw.http2(edge.port) as connection:
        for number in range(2000):
            stream = 2 * number + 1
            connection.writer.write(raw.frame(raw.HEADERS, raw.END_HEADERS, stream, block))
            connection.writer.write(raw.frame(raw.RST_STREAM, 0, stream, b"\0\0\0\x08"))
        assert await _is_served(edge)
        assert await connection.closed()


async def test_transcode_http_018__continuation_flood(edge: Edge) -> None:
    before = _resident_mib(edge)
    block = raw.header_block([*_call_headers(), ("x-a", "b" * 1000)])
    async with raw.http2(edge.port) as connection:
        connection.writer.write(raw.frame(raw.HEADERS, 0, 1, block))
        for _ in range(20_000):
            connection.writer.write(
                raw.frame(raw.CONTINUATION, 0, 1, raw.header_block([("x-a", "b" * 1000)]))
            )
        assert await connection.closed()
    assert _resident_mib(edge) - before < 20
    assert await _is_served(edge)


async def test_transcode_http_020__hpack_bomb(edge: Edge) -> None:
    before = _resident_mib(edge)
    kept = b"\x40" + raw.header_block([("x-a", "b" * 4000)])[1:]  # goes into the table, as entry 62
    bomb = raw.header_block(_call_headers()) + kept + b"\xbe" * 12_000  # 48 MB of headers in 12 KB
    async with raw.http2(edge.port) as connection:
        connection.writer.write(raw.frame(raw.HEADERS, raw.END_HEADERS | raw.END_STREAM, 1, bomb))
        kinds = {kind async for kind, _, stream, _ in connection.frames(seconds=2) if stream == 1}
    assert kinds == {raw.RST_STREAM}
    assert _resident_mib(edge) - before < 20
    assert await _is_served(edge)


async def test_transcode_http_021__a_timeout_of_the_clients(small: Edge) -> None:
    wanted = BY_ID["TRANSCODE-HTTP-021"]["outcome"]
    headers = small.bearer() | {"x-envoy-upstream-rq-timeout-ms": "600000"}
    async with aiohttp.ClientSession(small.url) as rest:
        async with rest.get("/api/v1/data/query?sql=slow", headers=headers) as answer:
            body = await answer.json()
    assert (answer.status, body["details"][0]["reason"]) == (wanted["http"], wanted["reason"])
    async with grpc.aio.insecure_channel(f"127.0.0.1:{small.port}") as channel:
        metadata = [*headers.items()]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.DataServiceStub(channel).Query(
                pb.QueryRequest(sql="slow"), metadata=metadata, timeout=60
            )
    assert caught.value.code().name == wanted["grpc"]


async def test_transcode_http_024__an_error_after_three_items(edge: Edge) -> None:
    fields = {"platform": DEMO, "question": "aborted"}
    async with aiohttp.ClientSession(edge.url) as rest:
        async with rest.get("/api/v1/agents/query:stream", params=fields, headers=edge.bearer()) as answer:
            lines = (await answer.text()).splitlines()
    events = [json.loads(line.removeprefix("data: "))["event"] for line in lines if line]
    assert answer.status == BY_ID["TRANSCODE-HTTP-024"]["outcome"]["http"]
    assert len(events) == 3
    assert events[-1] not in ("done", "error")


def _call_headers(path: str = QUERY) -> list[tuple[str, str]]:
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", path)]
    return [*head, ("content-type", "application/grpc"), ("te", "trailers")]


async def _assert_refused(
    edge: Edge, row: str, method: str, body: bytes = b"", *, token: bool = True
) -> None:
    wanted = BY_ID[row]["outcome"]
    metadata = list(edge.bearer().items()) if token else []
    status, info = await refused(edge.port, method, metadata, body)
    assert status.code == getattr(grpc.StatusCode, wanted["grpc"]).value[0]
    assert info.reason == wanted["reason"]
    assert info.metadata["request_id"]


async def test_grpc_001__a_request_over_the_limit(edge: Edge) -> None:
    ingest = pb.IngestRequest(platform=DEMO, table="x" * (16 * KIB * KIB + 500 * KIB))
    method = "/aidatalabs.data.v1.DataService/Ingest"
    await _assert_refused(edge, "GRPC-001", method, ingest.SerializeToString())


@pytest.mark.parametrize("service", ["aidatalabs.data.v1.DataService", "aidatalabs.nope.v1.NopeService"])
async def test_grpc_010__an_unknown_method(edge: Edge, service: str) -> None:
    await _assert_refused(edge, "GRPC-010", f"/{service}/Nope")


@pytest.mark.parametrize(
    "path", [f"/{QUERY}", QUERY.replace("Query", "%51uery"), f"/x/..{QUERY}", f"/x/%2e%2e{QUERY}"]
)
async def test_grpc_011__paths_in_disguise(edge: Edge, path: str) -> None:
    await _assert_refused(edge, "GRPC-011", path, token=False)
    for_peers = path.replace("%51uery", "%50rovisionPlatform").replace("Query", "ProvisionPlatform")
    status, info = await refused(edge.port, for_peers, list(edge.bearer().items()))
    assert (status.code, info.reason) == (12, "METHOD_NOT_FOUND")


@pytest.mark.parametrize("body", [b"\xff\xff\xff\xff", b"\x0a\x05ab"])
async def test_grpc_012__garbage(edge: Edge, body: bytes) -> None:
    await _assert_refused(edge, "GRPC-012", QUERY, body)


async def test_grpc_013__bad_utf8(edge: Edge) -> None:
    await _assert_refused(edge, "GRPC-013", QUERY, b"\x0a\x02\xff\xfe")


async def test_grpc_018__more_streams_than_allowed(edge: Edge) -> None:
    block = raw.header_block([*_call_headers(), *edge.bearer().items()])
    async with raw.http2(edge.port) as connection:
        for number in range(600):  # no END_STREAM: each waits for its message
            connection.writer.write(raw.frame(raw.HEADERS, raw.END_HEADERS, 2 * number + 1, block))
        ended: set[int] = set()
        limit = 0
        async for kind, flags, stream, payload in connection.frames(seconds=2):
            if kind == raw.SETTINGS and not flags & raw.ACK:
                pairs = [payload[start : start + 6] for start in range(0, len(payload), 6)]
                told = {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}
                limit = told[raw.MAX_CONCURRENT_STREAMS]
            if kind == raw.RST_STREAM:
                assert payload == REFUSED_STREAM
                ended.add(stream)
    assert limit == 512
    assert ended == {2 * number + 1 for number in range(512, 600)}
    assert await _is_served(edge)


async def test_grpc_021__a_ping_every_second(edge: Edge) -> None:
    async with raw.http2(edge.port) as connection:
        answered = 0
        for number in range(4):
            connection.writer.write(raw.frame(raw.PING, 0, 0, number.to_bytes(8, "big")))
            async for kind, flags, _, _ in connection.frames(seconds=1):
                assert kind != raw.GOAWAY
                answered += kind == raw.PING and flags & raw.ACK
        assert answered == 4

"""What the edge bounds and refuses before anybody looks at a request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.mesh.edge_config import EdgeLimits

from . import raw
from .refusals import refused
from .upstream import Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUERY = "/api/v1/data/query"
GRPC_QUERY = "/aidatalabs.data.v1.DataService/Query"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def strict(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """An edge whose times and counts are short."""
    limits = EdgeLimits(
        headers_seconds=0.5,
        upload_seconds=1.0,
        close_seconds=1.0,
        idle_seconds=1.5,
        connection_count=20,
        stream_count=50,
        reset_count=40,
    )
    async with running_edge(tmp_path_factory.mktemp("s"), limits=limits) as running:
        yield running


async def _refusal(answer: aiohttp.ClientResponse) -> tuple[int, str, dict[str, str]]:
    body = await answer.json()
    info = body["details"][0]
    assert body["message"]
    assert info["metadata"]["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, info["reason"], info["metadata"]


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "application/jsonx",
        "text/plain, application/json",
        "application/json; charset=utf-16",
    ],
)
async def test_a_body_that_is_not_json_is_refused(
    edge: Edge, rest: aiohttp.ClientSession, kind: str | None
) -> None:
    headers = edge.bearer() | ({"content-type": kind} if kind else {})
    options: dict[str, Any] = {} if kind else {"skip_auto_headers": ["content-type"]}
    async with rest.post(QUERY, headers=headers, data=b'{"sql":"x"}', **options) as answer:
        assert (await _refusal(answer))[:2] == (415, "CONTENT_TYPE_NOT_SUPPORTED")


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=UTF-8"])
async def test_json_is_taken(edge: Edge, rest: aiohttp.ClientSession, kind: str) -> None:
    headers = edge.bearer() | {"content-type": kind}
    async with rest.post(QUERY, headers=headers, data=b'{"sql":"x"}') as answer:
        assert answer.status == 200


async def test_an_empty_post_needs_the_content_type_too(edge: Edge, rest: aiohttp.ClientSession) -> None:
    # fetch() of another site's page may send an empty POST without asking.
    async with rest.post(QUERY, headers=edge.bearer(), skip_auto_headers=["content-type"]) as answer:
        assert (await _refusal(answer))[:2] == (415, "CONTENT_TYPE_NOT_SUPPORTED")


async def test_a_url_may_have_8_kib_and_no_more(edge: Edge, rest: aiohttp.ClientSession) -> None:
    longest = f"{QUERY}?sql=".ljust(8192, "x")
    async with rest.get(longest, headers=edge.bearer()) as answer:
        assert answer.status == 200, await answer.text()
    async with rest.get(longest + "x", headers=edge.bearer()) as answer:
        status, reason, metadata = await _refusal(answer)
    assert (status, reason, metadata["limit_bytes"]) == (414, "URI_TOO_LONG", "8192")


@pytest.mark.parametrize(
    "headers", [{f"x-h-{number}": "1" for number in range(120)}, {"x-long": "x" * 40_000}]
)
async def test_too_many_or_too_large_headers_are_refused(
    edge: Edge, rest: aiohttp.ClientSession, headers: dict[str, str]
) -> None:
    async with rest.get(QUERY, headers=headers) as answer:
        body = await answer.json()
    assert (answer.status, body["details"][0]["reason"]) == (431, "BAD_HTTP_REQUEST")


async def test_slow_headers_are_cut_off(strict: Edge) -> None:
    begun = time.monotonic()
    status, _, body = raw.parsed(await raw.exchange(strict.port, b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b"))
    assert time.monotonic() - begun < 3
    assert (status, body["details"][0]["reason"]) == (408, "DEADLINE_EXCEEDED")


async def test_a_slow_body_is_cut_off(strict: Edge) -> None:
    token = strict.bearer()["authorization"]
    head = f"POST {QUERY} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"
    begun = time.monotonic()
    answer = await raw.exchange(strict.port, head.encode() + b"Content-Length: 100\r\n\r\n{")
    status, _, body = raw.parsed(answer)
    assert time.monotonic() - begun < 4
    assert (status, body["details"][0]["reason"]) == (408, "DEADLINE_EXCEEDED")


async def test_an_idle_connection_is_closed(strict: Edge) -> None:
    begun = time.monotonic()
    assert await raw.exchange(strict.port, b"", seconds=8) == b""
    assert time.monotonic() - begun < 5


async def test_more_connections_than_allowed_are_closed_and_others_served(strict: Edge) -> None:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(aiohttp.ClientSession(strict.url))
        async with client.get(f"{QUERY}?sql=x", headers=strict.bearer()) as answer:
            assert answer.status == 200
        opened = []
        for _ in range(30):
            reader, writer = await asyncio.open_connection("127.0.0.1", strict.port)
            stack.callback(writer.close)
            opened.append(asyncio.create_task(reader.read(1)))
        closed, _ = await asyncio.wait(opened, timeout=0.7)
        assert 10 <= len(closed) < 20
        async with client.get(f"{QUERY}?sql=x", headers=strict.bearer()) as answer:
            assert answer.status == 200
        for task in opened:
            task.cancel()


async def _settings(port: int) -> dict[int, int]:
    """The HTTP/2 settings of the edge; empty where the connection was turned away."""
    async with raw.http2(port) as connection:
        async for kind, flags, _, payload in connection.frames():
            if kind == raw.SETTINGS and not flags & raw.ACK:
                pairs = [payload[start : start + 6] for start in range(0, len(payload), 6)]
                return {int.from_bytes(pair[:2], "big"): int.from_bytes(pair[2:], "big") for pair in pairs}
    return {}


async def test_the_edge_tells_how_many_streams_it_takes(strict: Edge) -> None:
    async with asyncio.timeout(10):
        # The connections of the test before may still be counted.
        while not (told := await _settings(strict.port)):
            await asyncio.sleep(0.1)
    assert told[raw.MAX_CONCURRENT_STREAMS] == 50


async def test_a_flood_of_resets_closes_the_connection(strict: Edge) -> None:
    head = [(":method", "POST"), (":scheme", "http"), (":authority", "x"), (":path", GRPC_QUERY)]
    block = raw.header_block([*head, ("content-type", "application/grpc"), ("te", "trailers")])
    async with raw.http2(strict.port) as connection:
        for number in range(200):
            stream = 2 * number + 1
            connection.writer.write(raw.frame(raw.HEADERS, raw.END_HEADERS, stream, block))
            connection.writer.write(raw.frame(raw.RST_STREAM, 0, stream, b"\0\0\0\x08"))
        assert await connection.closed(seconds=1.2), "the idle timeout would close it after 1.5 s"


FORGED = {
    "x-user-id": "users/root",
    "x-forwarded-user": "root",
    "x-forwarded-for": "10.0.0.1",
    "x-forwarded-client-cert": "URI=spiffe://aidatalabs.local/edge",
    "x-forwarded-host": "evil.example.com",
    "x-tenant-id": "other",
    "x-jwt-payload": "e30",
    "x-auth-request-email": "root@example.com",
    "x-remote-user": "root",
    "x-real-ip": "10.0.0.1",
    "forwarded": "for=10.0.0.1",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-retry-on": "5xx",
    "x-envoy-max-retries": "9",
    "x-envoy-decorator-operation": "x",
    "x-envoy-external-address": "10.0.0.1",
    "x-envoy-expected-rq-timeout-ms": "1",
    "x-request-id": "chosen-by-the-client",
}


@pytest.mark.parametrize("native", [True, False])
async def test_headers_that_say_who_calls_do_not_reach_a_service(
    edge: Edge, rest: aiohttp.ClientSession, native: bool
) -> None:
    edge.seen.metadata = None
    if native:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
            metadata = list((edge.bearer() | FORGED).items())
            await pb_grpc.DataServiceStub(channel).Query(
                pb.QueryRequest(sql="x"), metadata=metadata, timeout=5
            )
    else:
        async with rest.get(f"{QUERY}?sql=x", headers=edge.bearer() | FORGED) as answer:
            assert answer.status == 200
    seen = edge.seen.metadata
    assert seen is not None
    assert not {key: seen[key] for key, value in FORGED.items() if key in seen and seen[key] == value}
    let_through = {key for key in seen if key.startswith(("x-", "forwarded"))}
    assert let_through <= {"x-request-id", "x-envoy-original-path", "x-envoy-original-method"}


async def test_a_native_caller_cannot_pass_for_a_transcoded_one(edge: Edge) -> None:
    metadata = [("x-envoy-original-path", "/api/v1/data/query")]
    status, info = await refused(edge.port, GRPC_QUERY, metadata)
    assert (status.code, info.reason) == (16, "TOKEN_MISSING")


async def test_files_of_the_edge_are_its_users_alone(edge: Edge) -> None:
    for name in ("envoy.yaml", "access.log", "admin.sock"):
        assert (edge.folder / name).stat().st_mode & 0o777 == 0o600, name


async def test_an_old_access_log_loses_its_wider_rights(tmp_path: Path) -> None:
    (tmp_path / "access.log").write_text("{}\n")
    (tmp_path / "access.log").chmod(0o644)
    async with running_edge(tmp_path, upstreams={}):
        assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600
        assert (tmp_path / "access.log").read_text().startswith("{}\n")

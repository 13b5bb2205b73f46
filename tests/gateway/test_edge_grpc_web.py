"""gRPC-Web, binary and text, as a browser sends it, and which pages may read the answers."""

from __future__ import annotations

import base64
import struct
import urllib.parse
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from google.rpc import status_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.data.v1 import data_service_pb2 as pb

from .refusals import info_of
from .upstream import Edge, add_agent, add_data, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUERY = "/aidatalabs.data.v1.DataService/Query"
STREAM = "/aidatalabs.agent.v1.AgentService/StreamAnswer"
PAGE = "https://app.example.com"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("e")
    async with running_edge(folder, upstreams={"data": add_data, "agent": add_agent}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def web(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url) as client:
        yield client


def _framed(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def _parts(body: bytes) -> tuple[list[bytes], dict[str, str]]:
    """The messages of an answer and its trailers."""
    messages, trailers = [], {}
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        part, body = body[5 : 5 + length], body[5 + length :]
        if flag & 0x80:
            lines = part.decode().strip().split("\r\n")
            trailers = {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}
        else:
            messages.append(part)
    return messages, trailers


def _decoded_text(text: bytes) -> bytes:
    """Each piece of a text answer is base64 of its own, with its own padding."""
    whole = b""
    for start in range(0, len(text), 4):
        whole += base64.b64decode(text[start : start + 4])
    return whole


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
async def test_grpc_web_reaches_the_service(edge: Edge, web: aiohttp.ClientSession, kind: str) -> None:
    body = _framed(pb.QueryRequest(sql="x").SerializeToString())
    sent = base64.b64encode(body) if "text" in kind else body
    headers = edge.bearer() | {"content-type": kind, "accept": kind, "x-grpc-web": "1"}
    async with web.post(QUERY, headers=headers, data=sent) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kind)
        raw = await answer.read()
    messages, trailers = _parts(_decoded_text(raw) if "text" in kind else raw)
    assert pb.QueryResponse.FromString(messages[0]).result.rows[0].values[0].string_value == "x"
    assert trailers["grpc-status"] == "0"


async def test_a_stream_comes_over_grpc_web_with_its_status_at_the_end(
    edge: Edge, web: aiohttp.ClientSession
) -> None:
    headers = edge.bearer() | {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    request = agent_pb.StreamAnswerRequest(question="aborted")
    async with web.post(STREAM, headers=headers, data=_framed(request.SerializeToString())) as answer:
        messages, trailers = _parts(await answer.read())
    events = [agent_pb.StreamAnswerResponse.FromString(message).event for message in messages]
    assert events == ["understood", "sql", "running"]
    assert trailers["grpc-status"] == "13"


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
async def test_refusals_of_the_edge_carry_details_over_grpc_web(
    edge: Edge, web: aiohttp.ClientSession, kind: str
) -> None:
    headers = {"content-type": kind, "x-grpc-web": "1"}
    body = base64.b64encode(_framed(b"")) if "text" in kind else _framed(b"")
    async with web.post(QUERY, headers=headers, data=body) as answer:
        assert answer.status == 200
        packed = answer.headers["grpc-status-details-bin"]
    assert answer.headers["grpc-status"] == "16"
    status = status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))
    assert info_of(status).reason == "TOKEN_MISSING"
    assert urllib.parse.unquote(answer.headers["grpc-message"]) == status.message
    assert info_of(status).metadata["request_id"] == answer.headers["x-request-id"]


async def test_no_other_origin_may_read_answers(edge: Edge, web: aiohttp.ClientSession) -> None:
    headers = {"origin": PAGE, "access-control-request-method": "POST"}
    async with web.options(QUERY, headers=headers) as answer:
        assert answer.status >= 400
        assert not any(key.lower().startswith("access-control") for key in answer.headers)
    async with web.get("/api/v1/data/query?sql=x", headers=edge.bearer() | {"origin": PAGE}) as answer:
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", [QUERY, "/api/v1/data/query", "/api/v1/agents/query:stream"])
async def test_an_allowed_origin_may(tmp_path: Path, path: str) -> None:
    async with (
        running_edge(tmp_path, allowed_origins=(PAGE,)) as edge,
        aiohttp.ClientSession(edge.url) as web,
    ):
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        async with web.options(path, headers=asked | {"origin": PAGE}) as answer:
            assert answer.status == 200
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "authorization" in answer.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in answer.headers
        async with web.options(path, headers=asked | {"origin": "https://other.example.com"}) as answer:
            assert answer.status >= 400
            assert "access-control-allow-origin" not in answer.headers
        headers = {"origin": PAGE, "content-type": "application/json"}
        async with web.post(path, headers=headers, data=b"{}") as answer:  # refusals can be read, too
            assert answer.headers["access-control-allow-origin"] == PAGE
            assert "x-request-id" in answer.headers["access-control-expose-headers"]

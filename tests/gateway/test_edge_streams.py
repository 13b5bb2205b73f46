"""Streams through the edge: server-sent events of an answer, and files."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as agent_grpc

from .upstream import MIB, Edge, add_agent, add_data, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
STREAM = "/api/v1/agents/query:stream"
EXPORT = "/api/v1/data/export"
JSON = {"content-type": "application/json"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("e")
    async with running_edge(folder, upstreams={"data": add_data, "agent": add_agent}) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url) as client:
        yield client


async def _events(answer: aiohttp.ClientResponse) -> list[tuple[float, dict[str, Any]]]:
    """Every event with the time it came at."""
    found = []
    async for line in answer.content:
        if line.strip():
            assert line.startswith(b"data: "), line
            found.append((time.monotonic(), json.loads(line[6:])))
    return found


@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_an_answer_comes_as_server_sent_events_while_it_happens(
    edge: Edge, rest: aiohttp.ClientSession, verb: str
) -> None:
    fields = {"platform": "platforms/demo", "question": "well"}
    options: dict[str, Any] = {"params": fields} if verb == "GET" else {"json": fields}
    async with rest.request(verb, STREAM, headers=edge.bearer(), **options) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "content-length" not in answer.headers
        assert "grpc-accept-encoding" not in answer.headers
        events = await _events(answer)
    assert [event["event"] for _, event in events] == ["understood", "sql", "running", "done"]
    gaps = [later[0] - earlier[0] for earlier, later in itertools.pairwise(events)]
    assert min(gaps) > 0.1, "events were held back"


async def test_a_refusal_within_the_stream_is_its_last_event(edge: Edge, rest: aiohttp.ClientSession) -> None:
    async with rest.post(STREAM, headers=edge.bearer(), json={"question": "refused"}) as answer:
        events = await _events(answer)
    assert events[-1][1]["event"] == "error"
    assert events[-1][1]["error"]["code"] == 3
    assert events[-1][1]["error"]["details"][0]["reason"] == "QUESTION_NOT_ANSWERABLE"


async def test_a_refusal_before_the_first_event_is_an_ordinary_error(
    edge: Edge, rest: aiohttp.ClientSession
) -> None:
    async with rest.post(STREAM, headers=edge.bearer(), json={"question": "at once"}) as answer:
        assert answer.status == 400
        assert (await answer.json())["code"] == 3


async def test_an_abort_midway_ends_the_stream_without_done(edge: Edge, rest: aiohttp.ClientSession) -> None:
    async with rest.post(STREAM, headers=edge.bearer(), json={"question": "aborted"}) as answer:
        events = await _events(answer)
    assert {event["event"] for _, event in events}.isdisjoint({"done", "error"})


async def test_a_service_that_dies_midway_breaks_the_connection(tmp_path: Path) -> None:
    async with running_edge(tmp_path, upstreams={}) as edge:
        script = Path(__file__).with_name("dying_agent.py")
        agent = subprocess.Popen([sys.executable, script, tmp_path / "agent.sock"])
        try:
            while not (tmp_path / "agent.sock").exists():
                await asyncio.sleep(0.05)
            async with aiohttp.ClientSession(edge.url) as rest:
                async with rest.post(STREAM, headers=edge.bearer(), json={"question": "x"}) as answer:
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await _events(answer)
        finally:
            agent.kill()
            agent.wait()


async def test_other_streams_stay_json(edge: Edge, rest: aiohttp.ClientSession) -> None:
    async with rest.get("/api/v1/data/query?sql=x", headers=edge.bearer()) as answer:
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"


async def test_the_stream_over_grpc_is_the_same(edge: Edge) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
        call = agent_grpc.AgentServiceStub(channel).StreamAnswer(
            agent_pb.StreamAnswerRequest(question="well"), metadata=list(edge.bearer().items())
        )
        assert [event.event async for event in call] == ["understood", "sql", "running", "done"]


async def test_a_file_of_200_mib_streams_through_with_its_type_and_name(
    edge: Edge, rest: aiohttp.ClientSession
) -> None:
    def resident() -> int:
        status = Path(f"/proc/{edge.process}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024

    before = resident()
    received = 0
    async with rest.post(EXPORT, headers=edge.bearer(), json={"sql": "200"}) as answer:
        assert answer.status == 200
        assert answer.headers["content-type"] == "text/csv"
        assert answer.headers["content-disposition"] == 'attachment; filename="export.csv"'
        assert answer.headers["x-content-type-options"] == "nosniff"
        async for piece in answer.content.iter_chunked(MIB):
            received += len(piece)
    assert received == 200 * MIB
    assert resident() - before < 100, "the edge kept the file"


async def test_an_export_that_fails_before_its_first_byte_is_an_ordinary_error(
    edge: Edge, rest: aiohttp.ClientSession
) -> None:
    async with rest.post(EXPORT, headers=edge.bearer(), json={"sql": "x"}) as answer:
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/json"
        assert "content-disposition" not in answer.headers
        assert (await answer.json())["code"] == 3

"""Streams through the edge: server-sent events of an answer, and files."""

from __future__ import annotations

import asyncio
import http.client
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
import yaml
from google.api import httpbody_pb2

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as agent_grpc
from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.data.v1 import data_service_pb2_grpc as data_grpc
from aidatalabs_services.mesh.edge import render_edge_config
from aidatalabs_services.runtime.access_table import TABLE

from .upstream import MIB, Edge, Seen, add_agent, add_data, edge_config, running_edge

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


LENGTH = "x-aidatalabs-content-length"
PIECES = 5


class FileService(data_grpc.DataServiceServicer):
    """Tells a file of five mebibytes; the SQL says how many of them it sends before it aborts."""

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        await context.send_initial_metadata(
            (("content-disposition", 'attachment; filename="export.csv"'), (LENGTH, str(PIECES * MIB)))
        )
        for _ in range(int(request.sql)):
            yield httpbody_pb2.HttpBody(content_type="text/csv", data=b"x" * MIB)
        if int(request.sql) < PIECES:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too slow")


def add_files(server: grpc.aio.Server, _: Seen) -> None:
    data_grpc.add_DataServiceServicer_to_server(FileService(), server)  # type: ignore[abstract]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def files(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path_factory.mktemp("f"), upstreams={"data": add_files}) as running:
        yield running


def asked(edge: Edge, sql: str) -> http.client.HTTPResponse:
    """The answer's head over HTTP/1.1."""
    connection = http.client.HTTPConnection("127.0.0.1", edge.port, timeout=20)
    connection.request("POST", EXPORT, json.dumps({"sql": sql}), headers=JSON | edge.bearer())
    return connection.getresponse()


async def test_a_whole_file_has_its_length(files: Edge) -> None:
    answer = await asyncio.to_thread(asked, files, str(PIECES))
    assert answer.status == 200
    assert answer.headers["content-length"] == str(PIECES * MIB)
    assert "transfer-encoding" not in answer.headers
    assert LENGTH not in answer.headers
    assert len(await asyncio.to_thread(answer.read)) == PIECES * MIB


async def test_a_cut_file_is_an_incomplete_read_at_once(files: Edge) -> None:
    begun = time.monotonic()
    answer = await asyncio.to_thread(asked, files, "3")
    assert (answer.status, answer.headers["content-length"]) == (200, str(PIECES * MIB))
    with pytest.raises(http.client.IncompleteRead) as caught:
        await asyncio.to_thread(answer.read)
    assert len(caught.value.partial) == 3 * MIB
    assert time.monotonic() - begun < 5, "the client was left waiting"


async def test_a_cut_file_is_an_error_in_the_body_for_asynchronous_clients(files: Edge) -> None:
    async with aiohttp.ClientSession(files.url) as rest:
        async with rest.post(EXPORT, headers=files.bearer(), json={"sql": "3"}) as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        async with rest.post(EXPORT, headers=files.bearer(), json={"sql": "5"}) as answer:
            assert len(await answer.read()) == PIECES * MIB


@pytest.mark.parametrize(("protocol", "exit_code"), [("--http1.1", 18), ("--http2-prior-knowledge", 92)])
async def test_curl_fails_for_a_cut_file_over_both_protocols(
    files: Edge, protocol: str, exit_code: int
) -> None:
    async def ended(sql: str) -> int:
        arguments = ["-sS", "-m", "20", protocol, "-o", "/dev/null", "-d", json.dumps({"sql": sql})]
        headers = [f"{name}: {value}" for name, value in (JSON | files.bearer()).items()]
        arguments += [part for header in headers for part in ("-H", header)]
        curl = await asyncio.create_subprocess_exec("curl", *arguments, files.url + EXPORT, stderr=-1)
        await curl.communicate()
        assert curl.returncode is not None
        return curl.returncode

    assert await ended("5") == 0
    assert await ended("3") == exit_code


async def test_a_reader_who_pauses_gets_the_whole_file(files: Edge) -> None:
    answer = await asyncio.to_thread(asked, files, str(PIECES))
    # Longer than Envoy waits by itself for such a reader when the connection is to close.
    await asyncio.sleep(3)
    assert len(await asyncio.to_thread(answer.read)) == PIECES * MIB


async def test_readers_who_pause_keep_nobody_else_from_answers_of_the_same_service(edge: Edge) -> None:
    metadata = list(edge.bearer().items())
    address = f"127.0.0.1:{edge.port}"
    async with grpc.aio.insecure_channel(address, options=[("grpc.http2.bdp_probe", 0)]) as reading:
        paused: list[Any] = []
        for _ in range(24):
            call: Any = data_grpc.DataServiceStub(reading).Export(
                data_pb.ExportRequest(sql="8"), metadata=metadata, timeout=60
            )
            assert len((await asyncio.wait_for(call.read(), 5)).data) == MIB
            paused.append(call)
        async with grpc.aio.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1)]
        ) as other:
            for _ in range(4):
                request = data_pb.QueryRequest(platform="platforms/demo", sql="x")
                await data_grpc.DataServiceStub(other).Query(request, metadata=metadata, timeout=2)
        assert [len((await paused[0].read()).data) for _ in range(7)] == [MIB] * 7
        for call in paused:
            call.cancel()


async def test_a_cut_file_over_grpc_has_its_status(files: Edge) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{files.port}") as channel:
        call: Any = data_grpc.DataServiceStub(channel).Export(
            data_pb.ExportRequest(sql="3"), metadata=list(files.bearer().items())
        )
        received = [len((await call.read()).data) for _ in range(3)]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert received == [MIB] * 3
        assert dict(await call.initial_metadata())[LENGTH] == str(PIECES * MIB)


async def test_the_edge_gives_a_transfer_at_least_the_time_of_its_service(tmp_path: Path) -> None:
    (row,) = (row for row in TABLE if row.method.endswith("DataService/Export"))
    config = yaml.safe_load(render_edge_config(edge_config(tmp_path, 1)))
    (chain,) = config["static_resources"]["listeners"][0]["filter_chains"]
    (host,) = chain["filters"][0]["typed_config"]["route_config"]["virtual_hosts"]
    found = [route for route in host["routes"] if route["match"].get("path") == row.method]
    assert [bool(route["match"].get("headers")) for route in found] == [True, False]
    for route in found:
        seconds = float(route["route"]["timeout"].removesuffix("s"))
        assert seconds == 0 or seconds >= row.deadline_seconds

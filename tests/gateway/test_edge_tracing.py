"""Traces at the edge: begun or taken over, told in every answer, sampled there, nothing private in them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs_services.mesh.edge_config import EdgeTracing

from .collector import Collector, running_collector
from .refusals import info_of, refused
from .upstream import SESSION, Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")

OWN = "5bd66ef5095369c7b0d1f8f4bd33716a"
PARENT = f"00-{OWN}-c532cb4098ac3dd2-01"
RESPONSE = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]")
QUERY = "/api/v1/data/query?platform=platforms/demo&sql=secretword"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def collector() -> AsyncIterator[Collector]:
    async with running_collector() as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> AsyncIterator[Edge]:
    async with running_edge(
        tmp_path_factory.mktemp("e"), tracing=EdgeTracing(collector.endpoint, 1.0)
    ) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plain(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    """An edge without a collector."""
    async with running_edge(tmp_path_factory.mktemp("p")) as running:
        yield running


async def get(edge: Edge, path: str = QUERY, **headers: str) -> tuple[int, str, Any]:
    """Status, `traceresponse` and body of a GET."""
    async with aiohttp.ClientSession(edge.url) as client:
        async with client.get(path, headers=edge.bearer() | headers) as answer:
            return answer.status, answer.headers.get("traceresponse", ""), await answer.json()


def sent_on(edge: Edge) -> str:
    assert edge.seen.metadata is not None
    return str(edge.seen.metadata["traceparent"])


async def test_without_a_collector_a_request_has_a_trace_that_is_not_recorded(plain: Edge) -> None:
    status, told, _ = await get(plain)
    assert status == 200
    assert RESPONSE.fullmatch(told)
    assert sent_on(plain).split("-")[1] == told.split("-")[1]
    assert (sent_on(plain)[-2:], told[-2:]) == ("00", "00")


async def test_a_clients_wish_to_be_recorded_does_not_count_where_nothing_is(plain: Edge) -> None:
    _, told, _ = await get(plain, traceparent=PARENT)
    assert told.split("-")[1] == OWN
    assert sent_on(plain).startswith(f"00-{OWN}-")
    assert sent_on(plain).endswith("-00")


async def test_a_clients_trace_goes_on_with_the_edges_span_as_parent(
    edge: Edge, collector: Collector
) -> None:
    _, told, _ = await get(edge, traceparent=PARENT, tracestate="vendor=1")
    assert edge.seen.metadata is not None
    assert edge.seen.metadata["tracestate"] == "vendor=1"
    spans = await collector.wait_for(lambda found: len(found) == 2, OWN)
    server, client = sorted(spans, key=lambda one: one.kind, reverse=True)
    assert (server.kind, server.parent) == ("server", "c532cb4098ac3dd2")
    assert (client.kind, client.parent) == ("client", server.span_id)
    assert sent_on(edge) == f"00-{OWN}-{client.span_id}-01"
    assert told == f"00-{OWN}-{server.span_id}-01"
    assert (server.service, server.name) == ("edge", "GET /api/v1/data/query")


@pytest.mark.parametrize("broken", ["nonsense", f"00-{'0' * 32}-c532cb4098ac3dd2-01", PARENT[:-3]])
async def test_a_traceparent_that_breaks_the_specification_costs_nothing_but_the_trace(
    edge: Edge, broken: str
) -> None:
    status, told, _ = await get(edge, traceparent=broken)
    assert (status, told) == (200, "")
    status, told, body = await get(edge, "/api/v1/nothing", traceparent=broken)
    assert (status, told) == (404, "")
    assert set(body["details"][0]["metadata"]) == {"request_id"}
    metadata = [("traceparent", broken)]
    _, info = await refused(edge.port, "/aidatalabs.data.v1.DataService/Query", metadata)
    assert (info.reason, set(info.metadata)) == ("TOKEN_MISSING", {"request_id"})


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/platforms"], ids=["no route", "service down"])
async def test_a_refusal_of_the_edge_names_its_trace(edge: Edge, path: str) -> None:
    _, told, body = await get(edge, path)
    assert RESPONSE.fullmatch(told)
    assert body["details"][0]["metadata"]["trace_id"] == told.split("-")[1]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("/aidatalabs.data.v1.DataService/Query", "TOKEN_MISSING"),
        ("/aidatalabs.platform.v1.PlatformService/GetPlatform", "SERVICE_UNAVAILABLE"),
    ],
)
async def test_a_refusal_of_grpc_names_its_trace(edge: Edge, method: str, reason: str) -> None:
    sends = [("traceparent", PARENT)]
    if reason != "TOKEN_MISSING":
        sends += edge.bearer().items()
    status, info = await refused(edge.port, method, sends)
    assert (info.reason, info.metadata["trace_id"]) == (reason, OWN)
    assert info_of(status) == info


async def test_a_client_cannot_put_words_into_the_ids_that_are_told(edge: Edge) -> None:
    forged = {"x-aidatalabs-trace": "forged", "x-aidatalabs-traceresponse": "forged"}
    _, told, body = await get(edge, "/api/v1/nothing", **forged)
    assert RESPONSE.fullmatch(told)
    assert body["details"][0]["metadata"]["trace_id"] == told.split("-")[1]
    await get(edge, **forged)
    assert edge.seen.metadata is not None
    assert not {key for key in edge.seen.metadata if key.startswith("x-aidatalabs-trace")}


async def test_the_session_is_asked_about_within_the_trace(edge: Edge, collector: Collector) -> None:
    async with aiohttp.ClientSession(edge.url) as client:
        async with client.get(QUERY, headers={"cookie": f"{edge.cookie}={SESSION}"}) as answer:
            trace_id = answer.headers["traceresponse"].split("-")[1]
    assert edge.seen.authority[-1]["traceparent"].split("-")[1] == trace_id


async def logged(edge: Edge, trace_id: str) -> dict[str, Any]:
    """The line of the access log that names this trace; it is written with a delay."""
    for _ in range(50):
        lines = [json.loads(line) for line in (edge.folder / "access.log").read_text().splitlines()]
        if found := [line for line in lines if line["trace_id"] == trace_id]:
            return dict(found[0])
        await asyncio.sleep(0.1)
    raise AssertionError("the trace is not in the access log")


async def test_the_access_log_names_the_trace_and_the_call_as_the_client_made_it(edge: Edge) -> None:
    _, told, _ = await get(edge)
    line = await logged(edge, told.split("-")[1])
    assert (line["method"], line["path"]) == ("GET", "/api/v1/data/query")


async def test_the_access_log_tells_the_status_of_grpc_for_grpc_alone(edge: Edge) -> None:
    path = "/api/v1/data/export"
    async with aiohttp.ClientSession(edge.url) as client:
        async with client.post(path, json={"sql": "none"}, headers=edge.bearer()) as answer:
            line = await logged(edge, answer.headers["traceresponse"].split("-")[1])
    assert (line["code"], line.get("grpc_status", "")) == (400, "")
    metadata = [*edge.bearer().items(), ("traceparent", f"00-{'b2' * 16}-c532cb4098ac3dd2-01")]
    await refused(edge.port, "/aidatalabs.platform.v1.PlatformService/GetPlatform", metadata)
    assert (await logged(edge, "b2" * 16))["grpc_status"] == "UNAVAILABLE"


async def test_a_client_cannot_say_which_verb_is_told(edge: Edge, collector: Collector) -> None:
    forged = {"x-envoy-original-method": "FORGED"}
    _, told, _ = await get(edge, "/api/v1/nothing", **forged)
    assert (await logged(edge, told.split("-")[1]))["method"] == "GET"
    method = "/aidatalabs.data.v1.DataService/Query"
    metadata = [*forged.items(), ("traceparent", f"00-{'a1' * 16}-c532cb4098ac3dd2-01")]
    await refused(edge.port, method, metadata)
    assert (await logged(edge, "a1" * 16))["method"] == "POST"
    assert "FORGED" not in collector.text()


async def test_spans_of_the_edge_tell_no_sql_no_message_no_token_and_no_address(
    edge: Edge, collector: Collector
) -> None:
    async with aiohttp.ClientSession(edge.url) as client:
        sent = {"sql": "secretword"}
        async with client.post("/api/v1/data/export", json=sent, headers=edge.bearer()) as answer:
            assert (await answer.json())["message"] == "no number"
            assert "grpc-message" not in answer.headers
            trace_id = answer.headers["traceresponse"].split("-")[1]
    await collector.wait_for(lambda found: len(found) == 2, trace_id)
    told = collector.text()
    forbidden = ("secretword", "no number", "127.0.0.1:", "aiohttp", "eyJ", edge.cookie)
    tags = {name for span in collector.spans for name in span.attributes}
    assert [text for text in forbidden if text in told.replace(f"127.0.0.1:{edge.port}", "")] == []
    assert "url.path" in tags


async def test_native_grpc_has_the_trace_in_its_headers(edge: Edge) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
        call = channel.unary_unary(
            "/aidatalabs.data.v1.DataService/Query",
            request_serializer=pb.QueryRequest.SerializeToString,
            response_deserializer=pb.QueryResponse.FromString,
        )(pb.QueryRequest(sql="x"), metadata=list(edge.bearer().items()), timeout=5)
        await call
        headers = {key: str(value) for key, value in await call.initial_metadata()}
    assert RESPONSE.fullmatch(headers["traceresponse"])
    assert headers["traceresponse"].split("-")[1] == sent_on(edge).split("-")[1]


async def test_a_part_of_the_traces_is_recorded_where_a_share_is_set(
    tmp_path_factory: pytest.TempPathFactory, collector: Collector
) -> None:
    tracing = EdgeTracing(collector.endpoint, 0.5)
    async with running_edge(tmp_path_factory.mktemp("s"), tracing=tracing) as half:
        flags = []
        for _ in range(40):
            await get(half)
            flags.append(sent_on(half)[-2:])
    assert set(flags) == {"00", "01"}

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import pytest
import pytest_asyncio
import yarl

from aidatalabs.data.v1 import data_service_pb2 as pb

from .refusals import refused
from .upstream import Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url) as client:
        yield client


async def test_rest_get_reaches_the_service_with_plus_read_as_space(
    edge: Edge, rest: aiohttp.ClientSession
) -> None:
    path = "/api/v1/data/query?platform=platforms/demo&sql=a+b%2Bc"
    async with rest.get(path, headers=edge.bearer()) as answer:
        body = await answer.json()
    assert answer.status == 200
    assert body["result"]["rows"] == [["a b+c", None]]
    assert body["result"]["row_count"] == "1"
    assert body["result"]["truncated"] is False
    assert answer.headers["x-request-id"]


async def test_native_grpc_reaches_the_service_on_the_same_port(edge: Edge) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{edge.port}") as channel:
        call = channel.unary_unary(
            "/aidatalabs.data.v1.DataService/Query",
            request_serializer=pb.QueryRequest.SerializeToString,
            response_deserializer=pb.QueryResponse.FromString,
        )
        response = await call(pb.QueryRequest(sql="x"), metadata=list(edge.bearer().items()), timeout=5)
    assert response.result.rows[0].values[0].string_value == "x"


async def test_jwks_is_served_without_a_token(rest: aiohttp.ClientSession) -> None:
    async with rest.get("/.well-known/jwks.json") as answer:
        assert [key["kid"] for key in (await answer.json())["keys"]] == ["test"]


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b'{"events":[{"user_id":-1}]}', "events[0].user_id"),
        (b"{bad", "Expected : between key:value pair"),
    ],
)
async def test_what_does_not_fit_is_named(
    edge: Edge, rest: aiohttp.ClientSession, body: bytes, cause: str
) -> None:
    headers = edge.bearer() | {"content-type": "application/json"}
    async with rest.post("/api/v1/data/ingest", headers=headers, data=body) as answer:
        assert cause in (await answer.json())["message"]


async def test_the_scheme_of_the_token_may_be_in_lower_case(edge: Edge, rest: aiohttp.ClientSession) -> None:
    headers = {"authorization": f"bearer {edge.token()}"}
    async with rest.get("/api/v1/data/query?sql=x", headers=headers) as answer:
        assert answer.status == 200


async def test_services_see_the_token_and_the_request_id(edge: Edge, rest: aiohttp.ClientSession) -> None:
    headers = edge.bearer()
    async with rest.get("/api/v1/data/query?sql=x", headers=headers) as answer:
        await answer.read()
    assert edge.seen.metadata is not None
    assert edge.seen.metadata["authorization"] == headers["authorization"]
    assert edge.seen.metadata["x-request-id"] == answer.headers["x-request-id"]


async def test_client_timeouts_in_headers_are_ignored_over_rest(
    edge: Edge, rest: aiohttp.ClientSession
) -> None:
    headers = edge.bearer() | {"grpc-timeout": "banana", "x-envoy-upstream-rq-timeout-ms": "1"}
    async with rest.get("/api/v1/data/query?sql=x", headers=headers) as answer:
        assert answer.status == 200
    assert edge.seen.metadata is not None
    assert "grpc-timeout" not in edge.seen.metadata


def _assert_error(body: dict[str, Any], code: int, reason: str) -> None:
    assert body["code"] == code
    assert body["message"]
    info = body["details"][0]
    assert info["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert info["domain"] == "aidatalabs"
    assert info["reason"] == reason


INGEST = "/api/v1/data/ingest"
QUERY = "/api/v1/data/query"


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code", "reason"),
    [
        ("GET", QUERY, {"token": None}, 401, 16, "TOKEN_MISSING"),
        ("GET", QUERY, {"token": "x.y.z"}, 401, 16, "TOKEN_INVALID"),
        ("GET", QUERY, {"claims": {"exp": 1000}}, 401, 16, "TOKEN_EXPIRED"),
        ("GET", QUERY, {"claims": {"aud": "other"}}, 401, 16, "TOKEN_INVALID"),
        ("GET", QUERY, {"claims": {"iss": "other"}}, 401, 16, "TOKEN_INVALID"),
        ("GET", "/api/v1/nope", {}, 404, 5, "ROUTE_NOT_FOUND"),
        ("GET", "/nope", {"token": None}, 404, 5, "ROUTE_NOT_FOUND"),
        ("PATCH", QUERY, {}, 404, 5, "ROUTE_NOT_FOUND"),
        ("GET", QUERY + "?nope=1", {}, 400, 3, "BAD_HTTP_REQUEST"),
        ("GET", QUERY + "?max_rows=99999999999", {}, 400, 3, "BAD_HTTP_REQUEST"),
        ("POST", INGEST, {"data": b"{bad"}, 400, 3, "BAD_HTTP_REQUEST"),
        ("POST", INGEST, {"data": b'{"events":[{"user_id":-1}]}'}, 400, 3, "BAD_HTTP_REQUEST"),
        ("POST", INGEST, {"data": b'{"events":[{"value":1e400}]}'}, 400, 3, "BAD_HTTP_REQUEST"),
        ("POST", INGEST, {"data": b'{"table":"' + b"x" * 2_500_000 + b'"}'}, 413, 8, "REQUEST_TOO_LARGE"),
        ("GET", "/api/v1/platforms", {}, 503, 14, "SERVICE_UNAVAILABLE"),
        ("GET", "/api/v1/platforms/a%2Fb", {}, 400, 3, "BAD_HTTP_REQUEST"),
    ],
)
async def test_the_edge_refuses_in_the_services_error_shape(
    edge: Edge,
    rest: aiohttp.ClientSession,
    method: str,
    path: str,
    options: dict[str, Any],
    status: int,
    code: int,
    reason: str,
) -> None:
    headers = {"content-type": "application/json"}
    token = options.get("token", edge.token(**options.get("claims", {})))
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    url = yarl.URL(edge.url + path, encoded=True)
    async with aiohttp.ClientSession() as client:
        async with client.request(method, url, headers=headers, data=options.get("data")) as answer:
            text = await answer.text()
    assert answer.status == status, text
    assert answer.headers["content-type"].startswith("application/json"), text
    body = json.loads(text)
    _assert_error(body, code, reason)
    if "%" not in path:  # a path that cannot be read is refused before the request gets an id
        assert body["details"][0]["metadata"]["request_id"] == answer.headers["x-request-id"]


async def test_a_service_that_is_down_says_when_to_try_again(edge: Edge, rest: aiohttp.ClientSession) -> None:
    async with rest.get("/api/v1/platforms", headers=edge.bearer()) as answer:
        body = await answer.json()
    assert answer.headers["retry-after"] == "1"
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retry_delay": "1s"}
    assert retry in body["details"]


@pytest.mark.parametrize(
    ("method", "with_token", "code", "reason"),
    [
        ("/aidatalabs.data.v1.DataService/Query", False, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_MISSING"),
        (
            "/aidatalabs.data.v1.DataService/ProvisionPlatform",
            True,
            grpc.StatusCode.UNIMPLEMENTED,
            "METHOD_NOT_FOUND",
        ),
        (
            "/aidatalabs.data.v1.DataService/MeasureLayouts",
            True,
            grpc.StatusCode.UNIMPLEMENTED,
            "METHOD_NOT_FOUND",
        ),
        ("/nope.v1.Service/Method", True, grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND"),
        ("/aidatalabs.agent.v1.AgentService/Query", True, grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE"),
    ],
)
async def test_native_grpc_clients_get_status_details_from_the_edge(
    edge: Edge, method: str, with_token: bool, code: grpc.StatusCode, reason: str
) -> None:
    status, info = await refused(edge.port, method, list(edge.bearer().items()) if with_token else [])
    assert (status.code, info.reason, info.domain) == (code.value[0], reason, "aidatalabs")
    assert uuid.UUID(info.metadata["request_id"])


async def test_access_log_keeps_no_query_string_and_no_token(
    edge: Edge, rest: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    headers = edge.bearer()
    async with rest.get("/api/v1/data/query?sql=SECRETWORD", headers=headers) as answer:
        await answer.read()
    async with rest.get("/api/v1/nope?sql=SECRETWORD", headers=headers) as answer:
        await answer.read()
    logs = list(tmp_path_factory.getbasetemp().glob("e*/access.log"))
    for _ in range(100):
        text = logs[0].read_text()
        if "/api/v1/nope" in text:
            break
        await asyncio.sleep(0.1)
    assert "/api/v1/nope" in text
    assert "SECRETWORD" not in text
    assert headers["authorization"].split()[1] not in text
    assert json.loads(text.splitlines()[-1])["request_id"]

"""The browser's session cookie: identity turns it into a token at the edge, and nobody behind sees it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
import yarl

from aidatalabs.data.v1 import data_service_pb2 as pb

from .refusals import refused
from .upstream import SESSION, Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
QUERY = "/api/v1/data/query?sql=SECRETWORD"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def browser(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    edge.seen.authority.clear()
    edge.seen.metadata = None
    async with aiohttp.ClientSession(edge.url, cookie_jar=aiohttp.DummyCookieJar()) as client:
        yield client


def _cookie(edge: Edge, value: str = SESSION) -> dict[str, str]:
    return {"cookie": f"theme=dark; {edge.cookie}={value}; a=b"}


async def test_a_session_becomes_a_token_before_the_service(
    edge: Edge, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(QUERY, headers=_cookie(edge)) as answer:
        assert answer.status == 200, await answer.text()
    assert edge.seen.metadata is not None
    assert str(edge.seen.metadata["authorization"]).startswith("Bearer ey")
    assert "cookie" not in edge.seen.metadata
    assert "x-user-id" not in edge.seen.metadata


async def test_identity_is_told_what_it_decides_on_and_no_more(
    edge: Edge, browser: aiohttp.ClientSession
) -> None:
    headers = _cookie(edge) | {
        "origin": edge.url,
        "sec-fetch-site": "same-origin",
        "content-type": "application/json",
        "x-private": "SECRETWORD",
    }
    async with browser.post("/api/v1/data/query", headers=headers, data=b'{"sql": "SECRETWORD"}') as answer:
        assert answer.status == 200
    asked = edge.seen.authority[-1]
    assert (asked["method"], asked["path"]) == ("POST", "/internal/session")
    assert asked["host"] == f"127.0.0.1:{edge.port}"
    assert asked["cookie"] == _cookie(edge)["cookie"]
    assert (asked["origin"], asked["sec-fetch-site"]) == (edge.url, "same-origin")
    assert "SECRETWORD" not in str(asked)


async def test_a_session_works_over_native_grpc_paths_too(edge: Edge, browser: aiohttp.ClientSession) -> None:
    message = pb.QueryRequest(sql="x").SerializeToString()
    body = b"\0" + len(message).to_bytes(4, "big") + message
    headers = _cookie(edge) | {"content-type": "application/grpc-web+proto", "x-grpc-web": "1"}
    async with browser.post("/aidatalabs.data.v1.DataService/Query", headers=headers, data=body) as answer:
        assert answer.headers.get("grpc-status", "0") == "0"
    assert edge.seen.metadata is not None
    assert "cookie" not in edge.seen.metadata


@pytest.mark.parametrize(
    ("headers", "status", "reason"),
    [({}, 401, "SESSION_INVALID"), ({"sec-fetch-site": "cross-site"}, 403, "CROSS_SITE_REQUEST")],
)
async def test_identitys_refusal_reaches_the_browser_as_it_is(
    edge: Edge, browser: aiohttp.ClientSession, headers: dict[str, str], status: int, reason: str
) -> None:
    async with browser.get(QUERY, headers=_cookie(edge, "wrong") | headers) as answer:
        assert answer.status == status
        assert answer.headers["content-type"].startswith("application/json")
        info = (await answer.json())["details"][0]
    assert (info["reason"], info["metadata"]) == (reason, {"told_by": "identity"})
    assert edge.seen.metadata is None


@pytest.mark.parametrize(
    ("more", "code", "reason"),
    [((), 16, "SESSION_INVALID"), ((("sec-fetch-site", "cross-site"),), 7, "CROSS_SITE_REQUEST")],
)
async def test_grpc_clients_get_the_same_reason(
    edge: Edge, more: tuple[tuple[str, str], ...], code: int, reason: str
) -> None:
    metadata = [("cookie", f"{edge.cookie}=wrong"), *more]
    status, info = await refused(edge.port, "/aidatalabs.data.v1.DataService/Query", metadata)
    assert (status.code, info.reason) == (code, reason)


async def test_identity_is_not_asked_without_a_cookie_or_with_a_token(
    edge: Edge, browser: aiohttp.ClientSession
) -> None:
    async with browser.get(QUERY, headers=_cookie(edge) | edge.bearer()) as answer:
        assert answer.status == 200
    async with browser.get(QUERY, headers=edge.bearer()) as answer:
        assert answer.status == 200
    other = {"cookie": f"__Host-aidatalabs-1={SESSION}; x{edge.cookie}={SESSION}"}
    async with browser.get(QUERY, headers=other) as answer:
        assert answer.status == 401
    async with browser.get(QUERY, headers=_cookie(edge) | {"authorization": ""}) as answer:
        assert answer.status == 401
    assert edge.seen.authority == []


async def test_login_pages_reach_identity_with_their_cookies(
    edge: Edge, browser: aiohttp.ClientSession
) -> None:
    async with browser.get("/auth/link?code=abc", allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["set-cookie"].startswith(edge.cookie)
    async with browser.post("/auth/logout", headers=_cookie(edge), allow_redirects=False) as answer:
        assert answer.status == 303
    first, second = edge.seen.authority
    assert first["path"] == "/auth/link?code=abc"
    assert second["cookie"] == _cookie(edge)["cookie"]


@pytest.mark.parametrize(
    "path",
    [
        "/internal/session",
        "//internal/session",
        "/auth/../internal/session",
        "/auth/%2e%2e/internal/session",
        "/auth/..%2finternal/session",
        "/auth//../internal/session",
        "/auth/..;/internal/session",
        "/Internal/session",
    ],
)
@pytest.mark.parametrize("with_cookie", [True, False])
async def test_the_internal_path_is_not_reachable(
    edge: Edge, browser: aiohttp.ClientSession, path: str, with_cookie: bool
) -> None:
    headers = _cookie(edge) if with_cookie else {}
    async with browser.get(yarl.URL(edge.url + path, encoded=True), headers=headers) as answer:
        assert answer.status in (400, 404), await answer.text()
        assert "authorization" not in answer.headers
    assert [asked for asked in edge.seen.authority if asked["path"].startswith("/internal")] == []


async def test_while_identity_is_down_a_session_gets_503(tmp_path: Path) -> None:
    async with running_edge(tmp_path) as edge, aiohttp.ClientSession(edge.url) as browser:
        assert edge.identity_http is not None
        await edge.identity_http.cleanup()
        for path in (QUERY, "/auth/link?code=abc"):
            async with browser.get(path, headers=_cookie(edge)) as answer:
                assert answer.status == 503
                assert (await answer.json())["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
                assert answer.headers["retry-after"] == "1"
        metadata = [("cookie", f"{edge.cookie}={SESSION}")]
        status, info = await refused(edge.port, "/aidatalabs.data.v1.DataService/Query", metadata)
        assert (status.code, info.reason) == (14, "SERVICE_UNAVAILABLE")
        async with browser.get(QUERY, headers=edge.bearer()) as answer:
            assert answer.status == 200  # tokens go on: the edge has the keys

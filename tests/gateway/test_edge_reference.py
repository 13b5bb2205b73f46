from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from yarl import URL

from .upstream import ROOT, Edge, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
PATHS = (
    "/openapi.yaml",
    "/docs",
    "/docs/",
    "/docs/start.js",
    "/docs/swagger-ui-bundle.js",
    "/docs/swagger-ui.css",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    async with running_edge(tmp_path_factory.mktemp("e")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url) as client:
        yield client


async def test_the_description_is_served_without_a_token(rest: aiohttp.ClientSession) -> None:
    async with rest.get("/openapi.yaml") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/yaml"
        assert await answer.read() == (ROOT / "gen" / "openapi" / "openapi.yaml").read_bytes()


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_that_is_unchanged_is_not_sent_again(rest: aiohttp.ClientSession, path: str) -> None:
    async with rest.get(path) as answer:
        assert (answer.status, len(await answer.read()) > 100) == (200, True)
        assert answer.headers["cache-control"] == "public, no-cache"
    async with rest.get(path, headers={"if-none-match": answer.headers["etag"]}) as again:
        assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_is_told_to_load_nothing_from_elsewhere(
    rest: aiohttp.ClientSession, path: str
) -> None:
    async with rest.get(path) as answer:
        policy = dict(rule.split(" ", 1) for rule in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_page_names_only_files_that_the_edge_serves(rest: aiohttp.ClientSession) -> None:
    async with rest.get("/docs") as answer:
        text = await answer.text()
    named = re.findall(r'(?:href|src)="([^"]+)"', text)
    assert len(named) == 5
    assert "<script>" not in text
    for path in named:
        async with rest.get(path) as answer:
            assert (path, answer.status) == (path, 200)


@pytest.mark.parametrize("path", ["/docs/../internal/session", "/docs/%2e%2e/internal/session", "/docs2"])
async def test_nothing_of_identity_is_reached_beside_the_page(rest: aiohttp.ClientSession, path: str) -> None:
    async with rest.get(URL(path, encoded=True)) as answer:
        assert answer.status == 404
        assert (await answer.json())["details"][0]["reason"] == "ROUTE_NOT_FOUND"

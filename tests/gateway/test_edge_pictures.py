"""What `Accept` asks for: a question over REST is answered by JSON or by its picture, or refused with 406."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from .upstream import AddServices, Edge, add_agent, add_data, running_edge

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONVERSATION = "00000000-0000-4000-8000-000000000001"
BODY = {"platform": "platforms/demo", "question": "why", "max_rows": 7, "conversation": CONVERSATION}
JSON, PNG, SVG = "application/json", "image/png", "image/svg+xml"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def edge(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    upstreams: dict[str, AddServices] = {"agent": add_agent, "data": add_data}
    async with running_edge(tmp_path_factory.mktemp("e"), upstreams=upstreams) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rest(edge: Edge) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(edge.url, skip_auto_headers=["accept"]) as client:
        yield client


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json, image/png", JSON),
        ("APPLICATION/JSON; charset=utf-8", JSON),
        ("no media range", JSON),
        ("", JSON),
        (PNG, PNG),
        ("image/*", PNG),
        ("Image/PNG ; q=0.3", PNG),
        ("image/png, image/svg+xml", PNG),
        ("text/html, image/png;q=0.2", PNG),
        (SVG, SVG),
        ("image/svg+xml, */*", SVG),
        ("image/png;q=0.5, image/svg+xml;q=0.9, application/json;q=0.8", SVG),
        ("image/png;q=0, image/*", SVG),
        ("image/*;q=0.9, */*;q=0.1, image/png;q=0", SVG),
        ("image/svg+xml;q=0.2, */*;q=0.8", JSON),
        ("image/png;q=2, application/json;q=0.1", JSON),
    ],
)
async def test_the_best_accepted_type_answers(
    edge: Edge, rest: aiohttp.ClientSession, accept: str | None, kind: str
) -> None:
    headers = edge.bearer() | ({"accept": accept} if accept is not None else {})
    async with rest.post("/api/v1/agents/query", json=BODY, headers=headers) as answer:
        text = await answer.text()
        assert (answer.status, answer.content_type) == (200, kind)
    if kind == JSON:
        assert '"answer":"why"' in text
    else:
        assert text == f"{'SVG' if kind == SVG else 'PNG'} why 7 {CONVERSATION}"


@pytest.mark.parametrize(
    "accept",
    ["text/csv", "image/webp", "text/html, application/xml;q=0.9", "*/*;q=0", "image/png;q=0, text/plain"],
)
async def test_what_is_not_sent_is_refused_in_our_own_shape(
    edge: Edge, rest: aiohttp.ClientSession, accept: str
) -> None:
    headers = edge.bearer() | {"accept": accept}
    async with rest.post("/api/v1/agents/query", json=BODY, headers=headers) as answer:
        body = await answer.json()
    assert answer.status == 406
    assert (body["code"], body["details"][0]["reason"]) == (3, "ACCEPT_NOT_SUPPORTED")
    assert "image/svg+xml" in body["message"]


async def test_only_questions_in_one_piece_look_at_accept(edge: Edge, rest: aiohttp.ClientSession) -> None:
    headers = edge.bearer() | {"accept": "image/png"}
    async with rest.post("/api/v1/agents/query:stream", json={"question": "x"}, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
    async with rest.get("/api/v1/data/query?sql=x", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, JSON)


async def test_a_picture_needs_a_token_as_everything_does(rest: aiohttp.ClientSession) -> None:
    async with rest.post("/api/v1/agents/query", json=BODY, headers={"accept": PNG}) as answer:
        assert (answer.status, answer.content_type) == (401, JSON)


async def test_the_format_of_the_path_is_not_said_twice(edge: Edge, rest: aiohttp.ClientSession) -> None:
    async with rest.post("/api/v1/agents/charts/SVG", json=BODY, headers=edge.bearer()) as answer:
        assert (answer.status, answer.content_type) == (200, SVG)
    for wrong in ("/api/v1/agents/charts/GIF", "/api/v1/agents/charts/"):
        async with rest.post(wrong, json=BODY, headers=edge.bearer()) as answer:
            assert answer.status in (400, 404)

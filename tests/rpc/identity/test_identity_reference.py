from __future__ import annotations

import base64
import hashlib
import re

import pytest
import yaml

from tests.rpc.identity.world import IdentityWorld


async def test_the_description_is_served(world: IdentityWorld) -> None:
    async with world.http("/openapi.yaml") as answer:
        assert answer.headers["Content-Type"] == "application/yaml; charset=utf-8"
        described = yaml.safe_load(await answer.text())
    assert described["paths"]["/api/v1/platforms/{platform}"]["delete"]["operationId"]


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_runs_only_files_with_the_checksums_it_names(world: IdentityWorld, path: str) -> None:
    async with world.http(path) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        text = await answer.text()
    named = re.findall(r'(?:href|src)="([^"]+)" integrity="sha384-([^"]+)"', text)
    assert [name for name, _ in named] == ["/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]
    for name, checksum in named:
        async with world.http(name) as answer:
            served = hashlib.sha384(await answer.read()).digest()
        assert base64.b64encode(served).decode() == checksum


async def test_the_page_asks_no_outside_validator(world: IdentityWorld) -> None:
    async with world.http("/docs/start.js") as answer:
        text = await answer.text()
    assert "validatorUrl: null" in text
    assert "http" not in text


async def test_the_page_is_not_sent_twice_to_a_browser_that_has_it(world: IdentityWorld) -> None:
    async with world.http("/docs") as answer:
        etag = answer.headers["ETag"]
    async with world.http("/docs", If_None_Match=etag) as answer:
        assert answer.status == 304
    async with world.http("/docs", If_None_Match='"other"') as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/docs/nope"), ("POST", "/docs"), ("PUT", "/openapi.yaml")]
)
async def test_nothing_else_is_there(world: IdentityWorld, method: str, path: str) -> None:
    async with world.http(path, method=method) as answer:
        assert answer.status == 404
        assert (await answer.json())["details"][0]["reason"] == "ROUTE_NOT_FOUND"

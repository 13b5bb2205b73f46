"""The auth.web attacks on the one-click link and its session, one pinned outcome each, over real HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio

from aidatalabs_services.runtime.testing import running_postgres
from tests.rpc.identity.world import IdentityWorld

ROWS: dict[str, dict[str, Any]] = {
    row["id"]: row for row in json.loads(Path(__file__).with_name("auth_web_attacks.json").read_text())
}
EVIL = "https://evil.example.com"
SELF = "http://127.0.0.1:8080"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def database() -> AsyncIterator[str]:
    async with running_postgres() as url:
        yield url


@pytest_asyncio.fixture
async def world(database: str, tmp_path: Path) -> AsyncIterator[IdentityWorld]:
    connection = await asyncpg.connect(database)
    await connection.execute("DROP SCHEMA IF EXISTS identity CASCADE")
    await connection.close()
    async with IdentityWorld(database, tmp_path).running() as world:
        yield world


def pinned(row: str) -> tuple[int, str]:
    return ROWS[row]["http"], ROWS[row]["reason"]


async def outcome(
    world: IdentityWorld, path: str, cookie: str, method: str = "GET", **headers: str
) -> tuple[int, str]:
    """HTTP status and reason; an answer without a refusal has none."""
    headers.setdefault("Host", "127.0.0.1:8080")
    async with world.http(path, method=method, Cookie=cookie, **headers) as response:
        text = await response.text()
        assert ("Authorization" in response.headers) == (response.status == 200)
        return response.status, json.loads(text)["details"][0]["reason"] if text else ""


def test_every_row_has_a_test() -> None:
    names = {name.upper().replace("_", "-")[5:17] for name in globals() if name.startswith("test_auth_web_")}
    assert names == ROWS.keys()


async def test_auth_web_001_a_form_of_another_site_gets_no_token(world: IdentityWorld) -> None:
    cookie = await world.session()
    path = "/internal/session/api/v1/data/query"
    for origin in (EVIL, "null", f"{SELF}.evil.example.com"):
        found = await outcome(world, path, cookie, "POST", Content_Type="text/plain", Origin=origin)
        assert found == pinned("AUTH-WEB-001")
    assert (await outcome(world, path, cookie, "POST", Origin=SELF))[0] == 200


async def test_auth_web_003_a_csrf_token_is_no_proof_of_where_a_call_was_made(world: IdentityWorld) -> None:
    cookie, other = await world.session(), await world.session("bob@example.com")
    token = other.partition("=")[2]
    found = await outcome(world, "/internal/session", cookie, "POST", X_CSRF_Token=token)
    assert found == pinned("AUTH-WEB-003")
    with_origin = await outcome(world, "/internal/session", cookie, "POST", X_CSRF_Token=token, Origin=SELF)
    assert with_origin == (200, "")


async def test_auth_web_004_a_get_of_the_sign_out_path_signs_nobody_out(world: IdentityWorld) -> None:
    cookie = await world.session()
    assert await outcome(world, "/auth/logout", cookie, Sec_Fetch_Site="cross-site") == pinned("AUTH-WEB-004")
    assert (await outcome(world, "/internal/session", cookie))[0] == 200


async def test_auth_web_005_the_cookie_has_its_flags_and_no_domain(world: IdentityWorld) -> None:
    async with world.http(f"/auth/link?code={await world.code()}") as response:
        assert response.status == ROWS["AUTH-WEB-005"]["http"]
        (line,) = response.headers.getall("Set-Cookie")
    name, *attributes = line.split("; ")
    assert name.startswith("__Host-aidatalabs-8080=")
    assert set(ROWS["AUTH-WEB-005"]["flags"]) <= set(attributes)
    assert not [one for one in attributes if one.lower().startswith("domain")]


async def test_auth_web_014_signing_in_leads_to_the_front_page_and_nowhere_else(world: IdentityWorld) -> None:
    for where in (EVIL, "//evil.example.com", "/%5C%5Cevil.example.com", "%0d%0aLocation:%20https://x"):
        for name in ("next", "redirect_uri", "return_to"):
            path = f"/auth/link?{name}={where}&code={await world.code()}"
            async with world.http(
                path, Host="evil.example.com", X_Forwarded_Host="evil.example.com"
            ) as response:
                assert response.status == ROWS["AUTH-WEB-014"]["http"]
                assert response.headers.getall("Location") == [ROWS["AUTH-WEB-014"]["location"]]


async def test_auth_web_016_a_cookie_from_before_signing_in_is_worth_nothing(world: IdentityWorld) -> None:
    own = await world.session("eve@example.com")
    for planted in (f"__Host-aidatalabs-8080={'A' * 43}", own):
        async with world.http(f"/auth/link?code={await world.code()}", Cookie=planted) as response:
            given = response.headers["Set-Cookie"].partition(";")[0]
        assert given != planted
        assert await outcome(world, "/internal/session", planted) == pinned("AUTH-WEB-016")
        assert (await outcome(world, "/internal/session", given))[0] == 200


async def test_auth_web_017_a_cookie_is_dead_after_signing_out(world: IdentityWorld) -> None:
    cookie = await world.session()
    assert (await outcome(world, "/internal/session", cookie))[0] == 200
    assert (await outcome(world, "/auth/logout", cookie, "POST", Origin=SELF))[0] == 204
    assert await outcome(world, "/internal/session", cookie) == pinned("AUTH-WEB-017")

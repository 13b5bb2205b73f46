from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aidatalabs.common.v1 import access_service_pb2 as access_pb
from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.identity.errors import EmailInvalid
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import running_postgres
from tests.rpc.identity.world import IdentityWorld, Metadata, refused

ME = pb.GetCurrentUserRequest()
OVER = (401, "", "SESSION_INVALID")


def secret_of(cookie: str) -> str:
    return cookie.partition("=")[2]


def metadata(authorization: str) -> Metadata:
    return (("authorization", authorization),)


async def test_a_link_begins_a_session_and_leads_to_the_front_page(world: IdentityWorld) -> None:
    async with world.http(f"/auth/link?code={await world.code()}") as response:
        assert response.status == 303
        assert response.headers["Location"] == "/"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        cookie, *attributes = response.headers["Set-Cookie"].split("; ")
    assert cookie.startswith("__Host-aidatalabs-8080=")
    assert sorted(attributes) == ["HttpOnly", "Max-Age=604800", "Path=/", "SameSite=Lax", "Secure"]


async def test_the_edge_gets_a_token_of_one_minute_for_a_cookie(world: IdentityWorld) -> None:
    status, authorization, _ = await world.exchange(await world.session("ann@example.com", Role.EDITOR))
    assert status == 200
    claims = json.loads(base64.urlsafe_b64decode(authorization.split(".")[1] + "=="))
    assert claims["exp"] - claims["iat"] == 60
    me = await world.stub.GetCurrentUser(ME, metadata=metadata(authorization))
    assert (me.email, me.mesh_role, me.name) == ("ann@example.com", access_pb.ROLE_EDITOR, claims["sub"])


@pytest.mark.parametrize(
    "path", ["", "/", "/api/v1/platforms?page_size=1", "/api/%ff%0a/../x", "/" + "q" * 20_000]
)
async def test_whatever_path_the_edge_adds_the_answer_is_the_same(world: IdentityWorld, path: str) -> None:
    cookie = await world.session()
    async with world.http(f"/internal/session{path}", Cookie=cookie) as response:
        assert response.status == 200
        assert response.headers["Authorization"].startswith("Bearer ")


async def test_cookies_and_codes_are_kept_as_hashes_alone(world: IdentityWorld) -> None:
    code = await world.code()
    secret = secret_of(await world.session())
    (kept,) = await world.sql("SELECT session_hash FROM sessions")
    assert kept["session_hash"] == hashlib.sha256(secret.encode()).digest()
    (left,) = await world.sql("SELECT code_hash FROM link_codes")
    assert left["code_hash"] == hashlib.sha256(code.encode()).digest()


@pytest.mark.parametrize("kind", ["used", "over", "wrong", "empty", "missing", "long", "script"])
async def test_a_code_that_is_not_good_gets_a_page_that_does_not_repeat_it(
    world: IdentityWorld, kind: str
) -> None:
    code = await world.code()
    if kind == "used":
        async with world.http(f"/auth/link?code={code}") as response:
            assert response.status == 303
    if kind == "over":
        await world.sql("UPDATE link_codes SET expire_at = now()")
    odd = {"wrong": "A" * 43, "empty": "", "long": "A" * 4000, "script": "%3Cscript%3Ealert(1)%3C/script%3E"}
    sent = odd.get(kind, code)
    path = "/auth/link" if kind == "missing" else f"/auth/link?code={sent}"
    async with world.http(path) as response:
        text = await response.text()
        assert response.status == 400
        assert response.content_type == "text/html"
        assert "Set-Cookie" not in response.headers
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "aidatalabs login-link" in text
    assert "script" not in text
    assert not sent or sent not in text


async def test_a_link_lives_for_ten_minutes(world: IdentityWorld) -> None:
    await world.code()
    (row,) = await world.sql("SELECT extract(epoch FROM expire_at - created_at) AS seconds FROM link_codes")
    assert row["seconds"] == 600


async def test_a_look_ahead_does_not_use_a_link_up(world: IdentityWorld) -> None:
    code = await world.code()
    for method in ("HEAD", "POST", "OPTIONS"):
        async with world.http(f"/auth/link?code={code}", method=method) as response:
            assert response.status == 404
    async with world.http(f"/auth/link?code={code}") as response:
        assert response.status == 303


async def test_of_ten_browsers_with_one_link_one_is_signed_in(world: IdentityWorld) -> None:
    code = await world.code()

    async def follow() -> int:
        async with world.http(f"/auth/link?code={code}") as response:
            return response.status

    found = await asyncio.gather(*(follow() for _ in range(10)))
    assert sorted(found) == [303] + [400] * 9
    assert len(await world.sql("SELECT 1 FROM sessions")) == 1


async def test_a_link_for_no_email_makes_no_user(world: IdentityWorld) -> None:
    with pytest.raises(EmailInvalid):
        await world.code("nobody")
    assert await world.sql("SELECT 1 FROM users") == []


async def test_signing_in_again_ends_the_session_the_browser_had(world: IdentityWorld) -> None:
    earlier = await world.session()
    async with world.http(f"/auth/link?code={await world.code()}", Cookie=earlier) as response:
        later = response.headers["Set-Cookie"].partition(";")[0]
    assert later != earlier
    assert await world.exchange(earlier) == OVER
    assert (await world.exchange(later)).status == 200


async def test_a_link_that_does_not_work_leaves_the_session_as_it_is(world: IdentityWorld) -> None:
    cookie = await world.session()
    async with world.http(f"/auth/link?code={'A' * 43}", Cookie=cookie) as response:
        assert response.status == 400
    assert (await world.exchange(cookie)).status == 200


async def test_signing_out_ends_the_session_and_takes_the_cookie_back(world: IdentityWorld) -> None:
    cookie, other = await world.session(), await world.session()
    own = {"Origin": "http://identity"}
    async with world.http("/auth/logout", method="POST", Cookie=cookie, **own) as response:
        assert response.status == 204
        taken = response.headers["Set-Cookie"]
    assert taken == "__Host-aidatalabs-8080=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax"
    assert await world.exchange(cookie) == OVER
    assert (await world.exchange(other)).status == 200
    async with world.http("/auth/logout", method="POST", Cookie=cookie, **own) as again:
        assert again.status == 204


async def test_a_session_slides_and_is_over_after_twelve_idle_hours(world: IdentityWorld) -> None:
    cookie = await world.session()
    await world.sql("UPDATE sessions SET last_seen_at = now() - interval '11 hours 59 minutes'")
    assert (await world.exchange(cookie)).status == 200
    (row,) = await world.sql("SELECT last_seen_at > now() - interval '10 seconds' AS seen FROM sessions")
    assert row["seen"]
    await world.sql("UPDATE sessions SET last_seen_at = now() - interval '12 hours 1 second'")
    assert await world.exchange(cookie) == OVER


async def test_a_session_is_over_after_seven_days_however_busy_it_is(world: IdentityWorld) -> None:
    cookie = await world.session()
    await world.sql("UPDATE sessions SET created_at = now() - interval '6 days 23 hours 59 minutes'")
    assert (await world.exchange(cookie)).status == 200
    await world.sql("UPDATE sessions SET created_at = now() - interval '7 days 1 second'")
    assert await world.exchange(cookie) == OVER


async def test_a_session_is_written_at_most_once_a_minute(world: IdentityWorld) -> None:
    cookie = await world.session()
    begun = await world.sql("SELECT last_seen_at, xmin::text FROM sessions")
    for _ in range(3):
        await world.exchange(cookie)
    assert await world.sql("SELECT last_seen_at, xmin::text FROM sessions") == begun
    await world.sql("UPDATE sessions SET last_seen_at = now() - interval '61 seconds'")
    await asyncio.gather(*(world.exchange(cookie) for _ in range(5)))
    assert (await world.sql("SELECT last_seen_at, xmin::text FROM sessions")) != begun


async def test_limits_and_the_port_in_the_cookies_name_are_settings(
    postgres_url: str, tmp_path: Path
) -> None:
    world = IdentityWorld(
        postgres_url, tmp_path, edge_port=9001, session_idle_seconds=300, session_longest_seconds=900
    )
    async with world.running():
        cookie = await world.session()
        assert cookie.startswith("__Host-aidatalabs-9001=")
        assert (await world.exchange(cookie)).status == 200
        # Another mesh's cookie of the same host comes along and counts for nothing.
        assert (await world.exchange(f"__Host-aidatalabs-8080=x; {cookie}")).status == 200
        assert await world.exchange(f"__Host-aidatalabs-8080={secret_of(cookie)}") == OVER
        await world.sql("UPDATE sessions SET last_seen_at = now() - interval '301 seconds'")
        assert await world.exchange(cookie) == OVER


@pytest.mark.parametrize("wrong", ["", "x", "A" * 43, "A" * 5000, '"quoted"', "' OR 1=1 --"])
async def test_a_cookie_of_somebody_elses_making_is_no_session(world: IdentityWorld, wrong: str) -> None:
    await world.session()
    assert await world.exchange(f"__Host-aidatalabs-8080={wrong}") == OVER


async def test_two_cookies_of_the_name_are_none_and_no_cookie_is_none(world: IdentityWorld) -> None:
    one, two = await world.session(), await world.session()
    assert await world.exchange(f"{one}; {two}") == OVER
    assert await world.exchange("other=1") == OVER
    assert (await world.exchange(f"other=1;{one} ;x")).status == 200


async def test_a_refusal_has_the_shape_of_every_error_and_the_request_id(world: IdentityWorld) -> None:
    ids = {"request_id": "0c6b6a52-aaaa-bbbb-cccc-1234567890ab", "trace_id": "5b" * 16}
    headers = {"X_Request_Id": ids["request_id"], "traceparent": f"00-{ids['trace_id']}-c532cb4098ac3dd2-00"}
    async with world.http("/internal/session", Cookie="a=b", **headers) as response:
        body = await response.json()
        assert response.status == 401
        assert response.content_type == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
    assert set(body) == {"code", "message", "details"}
    assert body["code"] == 16
    assert "login-link" in body["message"]
    assert body["details"] == [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SESSION_INVALID",
            "domain": "aidatalabs",
            "metadata": ids,
        }
    ]


CALLS = [
    ("http://127.0.0.1:8080", None, True),
    ("https://127.0.0.1:8080", None, True),
    ("HTTP://127.0.0.1:8080", "same-origin", True),
    (None, "same-origin", True),
    ("http://127.0.0.1:8080", "none", True),
    (None, None, False),
    (None, "none", False),
    (None, "cross-site", False),
    (None, "same-site", False),
    (None, "", False),
    (None, "same-origin, cross-site", False),
    ("http://127.0.0.1:8080", "cross-site", False),
    ("http://127.0.0.1:8080", "same-site", False),
    ("http://127.0.0.1:8081", "same-origin", False),
    ("http://127.0.0.1", None, False),
    ("http://localhost:8080", None, False),
    ("https://evil.example.com", "same-origin", False),
    ("http://127.0.0.1:8080.evil.example.com", None, False),
    ("http://evil.example.com/127.0.0.1:8080", None, False),
    ("http://127.0.0.1:8080/", None, False),
    ("http://127.0.0.1:8080, http://evil.example.com", None, False),
    ("http://user@127.0.0.1:8080", None, False),
    ("127.0.0.1:8080", None, False),
    ("null", None, False),
    ("", None, False),
]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_call_that_may_change_something_has_to_come_from_our_own_page(
    world: IdentityWorld, method: str
) -> None:
    cookie = await world.session()
    for origin, site, good in CALLS:
        named = {"Origin": origin, "Sec_Fetch_Site": site, "Host": "127.0.0.1:8080"}
        headers = {name: value for name, value in named.items() if value is not None}
        found = await world.exchange(cookie, method, **headers)
        wanted = (200, "") if good else (403, "CROSS_SITE_REQUEST")
        assert (found.status, found.reason) == wanted, (origin, site)
        assert bool(found.authorization) == good


READS: list[tuple[str | None, str | None, bool]] = [
    (None, None, True),  # a program with the cookie
    (None, "same-origin", True),
    (None, "none", True),  # an address typed in
    ("http://127.0.0.1:8080", None, True),
    ("http://127.0.0.1:8080", "same-origin", True),
    (None, "cross-site", False),
    (None, "same-site", False),
    (None, "", False),
    ("http://127.0.0.1:8081", None, False),
    ("https://evil.example.com", None, False),
    ("https://evil.example.com", "same-origin", False),
    ("http://127.0.0.1:8080", "cross-site", False),
    ("null", None, False),
    ("", None, False),
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_call_that_only_reads_is_refused_where_it_shows_another_site(
    world: IdentityWorld, method: str
) -> None:
    cookie = await world.session()
    for origin, site, good in READS:
        named = {"Origin": origin, "Sec_Fetch_Site": site, "Host": "127.0.0.1:8080", "Cookie": cookie}
        headers = {name: value for name, value in named.items() if value is not None}
        async with world.http("/internal/session", method=method, **headers) as response:
            assert response.status == (200 if good else 403), (origin, site)
            assert ("Authorization" in response.headers) == good
            if method == "GET" and not good:
                assert (await response.json())["details"][0]["reason"] == "CROSS_SITE_REQUEST"


async def test_a_sign_in_link_may_be_followed_from_anywhere(world: IdentityWorld) -> None:
    path = f"/auth/link?code={await world.code()}"
    async with world.http(path, Sec_Fetch_Site="cross-site") as response:
        assert response.status == 303


async def test_signing_out_needs_our_own_page(world: IdentityWorld) -> None:
    cookie = await world.session()
    for origin in ({}, {"Origin": "https://evil.example.com"}, {"Sec_Fetch_Site": "cross-site"}):
        async with world.http("/auth/logout", method="POST", Cookie=cookie, **origin) as response:
            assert response.status == 403
            assert (await response.json())["details"][0]["reason"] == "CROSS_SITE_REQUEST"
    assert (await world.exchange(cookie)).status == 200


async def test_a_user_that_is_gone_is_signed_out_at_once(world: IdentityWorld) -> None:
    cookie = await world.session("ann@example.com")
    _, authorization, _ = await world.exchange(cookie)
    code = await world.code("ann@example.com")
    await world.sql("DELETE FROM users WHERE email = 'ann@example.com'")
    assert await world.exchange(cookie) == OVER
    gone = world.stub.GetCurrentUser(ME, metadata=metadata(authorization))
    assert await refused(gone) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    async with world.http(f"/auth/link?code={code}") as response:
        assert response.status == 400
    await world.token("ann@example.com")  # somebody new of that e-mail is somebody else
    assert await world.exchange(cookie) == OVER


async def test_a_change_of_role_holds_for_the_session_and_its_token_at_once(world: IdentityWorld) -> None:
    cookie = await world.session("ann@example.com", Role.ADMIN)
    _, authorization, _ = await world.exchange(cookie)
    everybody = pb.ListUsersRequest()
    assert (await world.stub.ListUsers(everybody, metadata=metadata(authorization))).users
    await world.token("ann@example.com", Role.VIEWER)
    for token in (authorization, (await world.exchange(cookie)).authorization):
        call = world.stub.ListUsers(everybody, metadata=metadata(token))
        assert await refused(call) == ("PERMISSION_DENIED", "PERMISSION_DENIED")


async def test_a_session_outlives_a_restart_and_a_rotation(postgres_url: str, tmp_path: Path) -> None:
    world = IdentityWorld(postgres_url, tmp_path)
    async with world.running():
        cookie = await world.session("admin@example.com", Role.ADMIN)
        _, before, _ = await world.exchange(cookie)
        await world.stub.RotateSigningKey(pb.RotateSigningKeyRequest(), metadata=metadata(before))
        _, after, _ = await world.exchange(cookie)
        assert before.split(".")[0] != after.split(".")[0]  # another key id in the header
        assert (await world.stub.GetCurrentUser(ME, metadata=metadata(after))).email == "admin@example.com"
    async with world.running():
        assert (await world.exchange(cookie)).status == 200


async def test_what_is_over_is_removed_in_passing(world: IdentityWorld) -> None:
    for _ in range(3):
        await world.session()
        await world.code()
    await world.sql("UPDATE sessions SET last_seen_at = now() - interval '13 hours'")
    await world.sql("UPDATE link_codes SET expire_at = now() - interval '1 second'")
    await world.session()
    assert len(await world.sql("SELECT 1 FROM sessions")) == 1
    assert await world.sql("SELECT 1 FROM link_codes") == []


async def test_keys_that_cannot_be_used_are_answered_with_503_and_no_path(world: IdentityWorld) -> None:
    cookie = await world.session()
    world.keys.chmod(0o755)
    async with world.http("/internal/session", Cookie=cookie) as response:
        text = await response.text()
        assert response.status == 503
        assert response.headers["Retry-After"]
    assert json.loads(text)["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
    assert str(world.keys) not in text


async def test_without_the_database_nobody_is_let_in_and_nobody_is_signed_out(tmp_path: Path) -> None:
    async with AsyncExitStack() as server:
        url = await server.enter_async_context(running_postgres())
        world = IdentityWorld(url, tmp_path)
        async with world.running():
            cookie, code = await world.session(), await world.code()
            await server.aclose()
            assert await world.exchange(cookie) == (503, "", "SERVICE_UNAVAILABLE")
            async with world.http(f"/auth/link?code={code}") as response:
                assert (response.status, response.content_type) == (503, "text/html")
                assert code not in await response.text()

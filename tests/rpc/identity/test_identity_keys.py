from __future__ import annotations

import base64
import json
import os
import stat
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from aidatalabs.identity.v1 import identity_service_pb2 as pb
from aidatalabs_services.identity.adapters.key_directory import KeyDirectory
from aidatalabs_services.identity.bootstrap import bootstrap
from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.settings import IdentitySettings
from aidatalabs_services.identity.tokens import issue
from aidatalabs_services.identity.users import User
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.tokens import TokenVerifier, jwks_source
from tests.rpc.identity.world import IdentityWorld, bearer, refused

ME = pb.GetCurrentUserRequest()


def claims_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    return json.loads(base64.urlsafe_b64decode(header)), json.loads(base64.urlsafe_b64decode(claims))


async def user_of(world: IdentityWorld, email: str) -> User:
    row = (await world.sql("SELECT id, email, created_at FROM users WHERE email = $1", email))[0]
    return User(row["id"], row["email"], Role.VIEWER, "", row["created_at"])


async def test_the_jwks_holds_the_public_key_alone_with_cache_headers(world: IdentityWorld) -> None:
    async with world.http("/.well-known/jwks.json") as response:
        found = await response.json()
        assert response.status == 200
        assert response.content_type == "application/json"
        assert "max-age=60" in response.headers["Cache-Control"]
        tag = response.headers["ETag"]
    key, ahead = found["keys"]
    assert ahead["kid"] != key["kid"]
    assert set(ahead) == set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert key["kid"] == ECKey.import_key({name: key[name] for name in ("kty", "crv", "x", "y")}).thumbprint()
    async with world.http("/.well-known/jwks.json", **{"If-None-Match": tag}) as again:
        assert again.status == 304


@pytest.mark.parametrize("path", ["/x", "/.well-known/", "/keys", "/.well-known/jwks.json/x"])
async def test_any_other_path_is_refused_in_the_shape_of_every_error(world: IdentityWorld, path: str) -> None:
    async with world.http(path) as response:
        body = await response.json()
        assert response.status == 404
    assert body["code"] == 5
    assert body["details"][0]["reason"] == "ROUTE_NOT_FOUND"


async def test_a_token_has_the_claims_of_the_contract_and_a_published_key_verifies_it(
    world: IdentityWorld,
) -> None:
    token = await world.token("ann@example.com", Role.ADMIN, seconds=120)
    header, claims = claims_of(token)
    assert set(header) == {"alg", "typ", "kid"}
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert set(claims) == {"iss", "aud", "sub", "jti", "iat", "nbf", "exp"}
    assert (claims["iss"], claims["aud"]) == ("aidatalabs", "aidatalabs-api")
    assert claims["exp"] - claims["iat"] == 120
    assert claims["sub"] == (await user_of(world, "ann@example.com")).name
    async with world.http("/.well-known/jwks.json") as response:
        published = {key["kid"]: key for key in (await response.json())["keys"]}
    assert jwt.decode(token, ECKey.import_key(published[header["kid"]]), algorithms=["ES256"])
    other = claims_of(await world.token("ann@example.com"))[1]
    assert other["jti"] != claims["jti"]


async def test_other_services_verify_tokens_through_the_socket_of_the_public_keys(
    world: IdentityWorld,
) -> None:
    token = await world.token("ann@example.com")
    verified = await TokenVerifier(jwks_source(f"unix:{world.http_socket}")).verify(token)
    assert verified.user == (await user_of(world, "ann@example.com")).name


async def test_an_expired_token_is_refused_as_expired(world: IdentityWorld) -> None:
    await world.token("ann@example.com")
    user = await user_of(world, "ann@example.com")
    keys = KeyDirectory(world.keys, lambda: datetime.now(UTC)).load()
    for age, outcome in ((timedelta(seconds=70), None), (timedelta(seconds=100), "TOKEN_EXPIRED")):
        issued = (datetime.now(UTC) - age).timestamp()
        token = issue(keys, user, timedelta(seconds=60), now=partial(datetime.fromtimestamp, issued, UTC))
        call = world.stub.GetCurrentUser(ME, metadata=bearer(token))
        if outcome is None:  # 10 seconds over, within the 30 seconds that clocks may differ
            assert (await call).email == "ann@example.com"
        else:
            assert await refused(call) == ("UNAUTHENTICATED", outcome)


async def test_a_restart_keeps_keys_users_and_tokens(postgres_url: str, tmp_path: Path) -> None:
    world = IdentityWorld(postgres_url, tmp_path)
    async with world.running():
        caller = await world.caller("ann@example.com", Role.EDITOR)
        before = await world.stub.GetCurrentUser(ME, metadata=caller)
        async with world.http("/.well-known/jwks.json") as response:
            keys = await response.text()
    async with world.running():
        assert await world.stub.GetCurrentUser(ME, metadata=caller) == before
        async with world.http("/.well-known/jwks.json") as response:
            assert await response.text() == keys


async def test_keys_are_closed_to_other_users_of_the_machine(world: IdentityWorld) -> None:
    assert stat.S_IMODE(world.keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in world.keys.iterdir()} == {0o600}


async def test_keys_are_closed_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        KeyDirectory(tmp_path / "keys", lambda: datetime.now(UTC)).load()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "keys").iterdir()} == {0o600}


@pytest.mark.parametrize("part", ["directory", "file"])
async def test_keys_that_others_can_read_stop_the_start(postgres_url: str, tmp_path: Path, part: str) -> None:
    keys = tmp_path / "keys"
    KeyDirectory(keys, lambda: datetime.now(UTC)).load()
    (keys if part == "directory" else next(keys.iterdir())).chmod(0o755 if part == "directory" else 0o640)
    settings = IdentitySettings(
        listen_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        postgres_url=postgres_url,
        key_directory=keys,
    )
    with pytest.raises(KeyDirectoryUnsafe, match="chmod"):
        await bootstrap(settings)


async def test_keys_that_become_unreadable_are_answered_with_503_and_no_path(world: IdentityWorld) -> None:
    file = next(world.keys.iterdir())
    file.write_text("{}")
    async with world.http("/.well-known/jwks.json") as response:
        text = await response.text()
        assert response.status == 503
    assert json.loads(text)["details"][0]["reason"] == "SERVICE_UNAVAILABLE"
    assert str(world.keys) not in text

"""The token check: which key sets it trusts, what it remembers, and when it says that it cannot know."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from aidatalabs_services.runtime import tokens
from aidatalabs_services.runtime.errors import ServiceUnavailable, TokenExpired, TokenInvalid
from aidatalabs_services.runtime.testing import ALICE, TokenMint
from aidatalabs_services.runtime.tokens import JWKS_PATH, TokenVerifier, jwks_source

MINT = TokenMint()


@pytest.mark.parametrize(
    "claims",
    [
        {"jti": None},
        {"nbf": None},
        {"iat": None},
        {"sub": None},
        {"sub": "users/1"},
        {"sub": "users/" + "a" * 36 + "\n"},
        {"sub": "users/00000000-0000-4000-8000-00000000000A"},
        {"iat": 1, "nbf": 1, "exp": 4_000_000_000},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"iat": -(10**400), "exp": -(10**400) + 5},
        {"aud": ["other"]},
        {"iss": ["aidatalabs"]},
    ],
    ids=str,
)
async def test_claims_that_break_a_rule_are_invalid(claims: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        await MINT.verifier().verify(MINT.token(**claims))


async def test_expired_token_is_told_apart_from_an_invalid_one() -> None:
    past = int(time.time()) - 1000
    with pytest.raises(TokenExpired):
        await MINT.verifier().verify(MINT.token(iat=past, nbf=past, exp=past + 900))


async def test_remembered_token_expires_all_the_same() -> None:
    now = time.time()
    verifier = MINT.verifier()
    verifier._clock = lambda: now
    token = MINT.token(seconds=60)
    await verifier.verify(token)
    now += 100
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


@pytest.mark.parametrize(
    "change", [lambda t: t + "=", lambda t: t + "A", lambda t: " " + t, lambda t: t[:-1] + "é"]
)
async def test_other_spelling_of_a_good_token_is_invalid(change: Any) -> None:
    with pytest.raises(TokenInvalid):
        await MINT.verifier().verify(change(MINT.token()))


async def test_stray_bits_in_the_last_character_of_the_signature_are_invalid() -> None:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    token, verifier = MINT.token(), MINT.verifier()
    await verifier.verify(token)
    twin = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]  # 64 bytes leave four bits unused
    with pytest.raises(TokenInvalid):
        await verifier.verify(twin)


@pytest.mark.parametrize("part", ["QR", "QQ==", "Q", "Q+", "QQ\n", "é"])
def test_part_that_is_not_canonical_base64url_is_invalid(part: str) -> None:
    assert tokens._decoded("QQ") == b"A"
    with pytest.raises(TokenInvalid):
        tokens._decoded(part)


@pytest.mark.parametrize("text", [b'{"alg":"none","alg":"ES256"}', b"[]", b"{", b"\xff", b"[" * 9999])
def test_part_that_is_no_plain_json_object_is_invalid(text: bytes) -> None:
    with pytest.raises(TokenInvalid):
        tokens._json(text)


async def test_without_a_first_key_set_the_answer_is_unavailable_and_a_retry_finds_it() -> None:
    up = False

    async def source() -> Mapping[str, Any]:
        if not up:
            raise OSError("refused")
        return MINT.jwks()

    verifier = TokenVerifier(source)
    with pytest.raises(ServiceUnavailable):
        await verifier.verify(MINT.token())
    up = True
    await asyncio.sleep(0.3)
    assert (await verifier.verify(MINT.token())).user == ALICE


async def test_equal_questions_for_keys_are_one_fetch() -> None:
    fetched = 0

    async def source() -> Mapping[str, Any]:
        nonlocal fetched
        fetched += 1
        await asyncio.sleep(0.05)
        return MINT.jwks()

    verifier = TokenVerifier(source)
    await asyncio.gather(*(verifier.verify(MINT.token()) for _ in range(50)))
    assert fetched == 1


async def test_last_good_keys_serve_while_the_source_is_down_or_empty() -> None:
    answers: list[Any] = [MINT.jwks(), {"keys": []}, {"nonsense": 1}, OSError()]

    async def source() -> Mapping[str, Any]:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[no-any-return]

    verifier = TokenVerifier(source)
    await verifier.verify(MINT.token())
    for _ in range(3):
        verifier._last_try = float("-inf")
        with pytest.raises(TokenInvalid):
            await verifier.verify(TokenMint("other").token())
        await verifier.verify(MINT.token())
    assert not answers


async def test_key_taken_out_of_the_set_ends_its_tokens_remembered_ones_too() -> None:
    old, new = TokenMint("old"), TokenMint("new")
    found = {"keys": old.jwks()["keys"] + new.jwks()["keys"]}

    async def source() -> Mapping[str, Any]:
        return found

    verifier, token = TokenVerifier(source), old.token()
    await verifier.verify(token)
    found = new.jwks()
    verifier._last_try = float("-inf")
    with pytest.raises(TokenInvalid):
        await verifier.verify(TokenMint("third").token())
    with pytest.raises(TokenInvalid):
        await verifier.verify(token)
    await verifier.verify(new.token())


async def test_keys_come_over_http_and_over_a_unix_socket(tmp_path: Path) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(MINT.jwks())

    app = web.Application()
    app.router.add_get(JWKS_PATH, answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    await web.UnixSite(runner, str(tmp_path / "s")).start()
    try:
        port = runner.addresses[0][1]
        for url in (
            f"http://127.0.0.1:{port}",
            f"http://127.0.0.1:{port}{JWKS_PATH}",
            f"unix:{tmp_path / 's'}",
        ):
            assert (await TokenVerifier(jwks_source(url)).verify(MINT.token())).user == ALICE
    finally:
        await runner.cleanup()

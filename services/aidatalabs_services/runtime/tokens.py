"""Verifies the tokens that callers bring; nothing in a token but its user is believed.

A token is a JWT in the compact form: ES256, `typ` at+jwt, issuer `aidatalabs`, audience `aidatalabs-api`,
signed with one of the identity service's keys, which are fetched from its JWKS endpoint. A key is found by
its id in a dictionary of known keys; no other header can name a key, an algorithm or an address.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import json
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from aidatalabs_services.runtime.errors import ServiceUnavailable, TokenExpired, TokenInvalid

ISSUER = "aidatalabs"
AUDIENCE = "aidatalabs-api"
TOKEN_TYPE = "at+jwt"  # noqa: S105 - the media type, no secret
ALGORITHM = "ES256"
JWKS_PATH = "/.well-known/jwks.json"

_TOKEN_BYTES = 8 * 1024
_LEEWAY_SECONDS = 30
_LIFE_SECONDS = 24 * 3600
_REFRESH_SECONDS = 30.0  # between two fetches, however many unknown key ids arrive
_FIRST_RETRY_SECONDS = 0.25  # until the first success: the identity service may start after us
_STALE_SECONDS = 300.0  # a removed key is noticed after this time at the latest, while calls arrive
_FETCH_SECONDS = 3.0
_REMEMBERED = 4096
_HEADER_NAMES = frozenset(("alg", "typ", "kid"))
_TEXT_CLAIMS = ("iss", "sub", "jti")
_TIME_CLAIMS = ("exp", "nbf", "iat")
_SUBJECT = re.compile(r"users/[0-9a-f-]{36}")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

KeySource = Callable[[], Awaitable[Mapping[str, Any]]]


@dataclass(frozen=True)
class VerifiedToken:
    """What a good token says: its user (`users/{id}`), its own id and when it ends (seconds since 1970)."""

    user: str
    token_id: str
    expires_at: float


def jwks_source(url: str) -> KeySource:
    """Fetches the key set from `http://host:port[/path]` or `unix:/path.sock`; by default at JWKS_PATH."""

    async def fetch() -> Mapping[str, Any]:
        unix = url.startswith("unix:")
        connector = aiohttp.UnixConnector(path=url.removeprefix("unix:").replace("//", "/")) if unix else None
        address = f"http://identity{JWKS_PATH}" if unix else url
        if not unix and urlsplit(url).path in ("", "/"):
            address = url.rstrip("/") + JWKS_PATH
        timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(address, allow_redirects=False) as response,
        ):
            response.raise_for_status()
            found: Mapping[str, Any] = await response.json(content_type=None)
            return found

    return fetch


class TokenVerifier:
    """Checks tokens against the keys of `source`; the last good key set serves while the source is down.

    `verify` raises TokenInvalid, TokenExpired, or ServiceUnavailable while no key set was ever fetched.
    """

    def __init__(self, source: KeySource, *, clock: Callable[[], float] = time.time) -> None:
        self._source = source
        self._clock = clock
        self._keys: dict[str, ECKey] = {}
        self._last_try = float("-inf")
        self._last_success: float | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._verified: OrderedDict[bytes, tuple[str, VerifiedToken]] = OrderedDict()
        self._denied: dict[str, float] = {}

    async def verify(self, token: str) -> VerifiedToken:
        """What the token says, if it is good now. A token seen before costs one hash."""
        if len(token) > _TOKEN_BYTES:
            raise _invalid()
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        known = self._verified.get(digest)
        if known is not None:
            self._refresh_if_stale()
            self._check_now(known[1])
            return known[1]
        header, claims = _parsed(token)
        key = await self._key(header["kid"])
        if key is None:
            raise _invalid()
        _check_signature(token, key)
        found = self._checked(claims)
        self._verified[digest] = (header["kid"], found)
        while len(self._verified) > _REMEMBERED:
            self._verified.popitem(last=False)
        return found

    def deny(self, token_id: str, until: float) -> None:
        """Refuses the token with this `jti` until the time it would end (seconds since 1970)."""
        now = self._clock()
        self._denied = {name: end for name, end in self._denied.items() if end > now - _LEEWAY_SECONDS}
        self._denied[token_id] = until

    def _checked(self, claims: Mapping[str, Any]) -> VerifiedToken:
        if any(not isinstance(claims.get(name), str) for name in _TEXT_CLAIMS):
            raise _invalid()
        if any(type(claims.get(name)) not in (int, float) for name in _TIME_CLAIMS):
            raise _invalid()
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if claims["iss"] != ISSUER or AUDIENCE not in audiences or not _SUBJECT.fullmatch(claims["sub"]):
            raise _invalid()
        now = self._clock()
        # Written so that NaN, which JSON of Python lets through, fails every comparison.
        in_force = claims["nbf"] <= now + _LEEWAY_SECONDS and 0 < claims["iat"] <= now + _LEEWAY_SECONDS
        if not (in_force and 0 < claims["exp"] - claims["iat"] <= _LIFE_SECONDS):
            raise _invalid()
        found = VerifiedToken(claims["sub"], claims["jti"], float(claims["exp"]))
        self._check_now(found)
        return found

    def _check_now(self, token: VerifiedToken) -> None:
        if token.token_id in self._denied:
            raise _invalid()
        if not token.expires_at > self._clock() - _LEEWAY_SECONDS:
            raise TokenExpired(
                "The token has expired. Sign in again, or run `aidatalabs token` for a new one."
            )

    async def _key(self, key_id: str) -> ECKey | None:
        if key_id not in self._keys:
            await self._refresh()
            if self._last_success is None:
                raise ServiceUnavailable(
                    "Tokens cannot be checked at the moment. Try again shortly.",
                    metadata={"service": "identity"},
                    retry_after_seconds=1.0,
                )
        return self._keys.get(key_id)

    async def _refresh(self) -> None:
        pause = _FIRST_RETRY_SECONDS if self._last_success is None else _REFRESH_SECONDS
        if self._fetching is None and time.monotonic() - self._last_try >= pause:
            self._start_fetch()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _refresh_if_stale(self) -> None:
        fresh_until = (self._last_success or 0.0) + _STALE_SECONDS
        if self._fetching is None and time.monotonic() > max(fresh_until, self._last_try + _REFRESH_SECONDS):
            self._start_fetch()

    def _start_fetch(self) -> None:
        self._last_try = time.monotonic()
        self._fetching = asyncio.create_task(self._fetch())
        self._fetching.add_done_callback(lambda _: setattr(self, "_fetching", None))

    async def _fetch(self) -> None:
        with suppress(OSError, TimeoutError, aiohttp.ClientError, ValueError, JoseError, KeyError, TypeError):
            keys = _key_set(await self._source())
            self._last_success = time.monotonic()
            if keys:  # an empty set is a fault of the source, never an order to refuse everybody
                gone = {name for name, key in self._keys.items() if keys.get(name) != key}
                self._keys = keys
                for digest in [digest for digest, known in self._verified.items() if known[0] in gone]:
                    del self._verified[digest]


def _key_set(found: Mapping[str, Any]) -> dict[str, ECKey]:
    """The usable keys: EC P-256, for signatures, with an id. Anything else in the set is left out."""
    keys: dict[str, ECKey] = {}
    for entry in found["keys"]:
        fits = entry.get("kty") == "EC" and entry.get("crv") == "P-256" and entry.get("use", "sig") == "sig"
        if fits and entry.get("alg", ALGORITHM) == ALGORITHM and _KEY_ID.fullmatch(str(entry.get("kid"))):
            public = {name: entry[name] for name in ("kty", "crv", "x", "y")}
            keys[entry["kid"]] = _SameKey.import_key(public)
    return keys


class _SameKey(ECKey):
    """An EC key that equals another one of the same coordinates."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ECKey) and other.as_dict(private=False) == self.as_dict(private=False)

    def __hash__(self) -> int:
        return hash(self.thumbprint())


def _parsed(token: str) -> tuple[dict[str, str], dict[str, Any]]:
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise _invalid()
    header, claims = _json(_decoded(parts[0])), _json(_decoded(parts[1]))
    _decoded(parts[2])
    fits = set(header) == _HEADER_NAMES and header["alg"] == ALGORITHM and header["typ"] == TOKEN_TYPE
    if not (fits and isinstance(header["kid"], str) and _KEY_ID.fullmatch(header["kid"])):
        raise _invalid()
    return header, claims


def _decoded(part: str) -> bytes:
    """Canonical base64url only: no padding, no other alphabet, no stray bits; one text for one value."""
    try:
        raw = part.encode("ascii")
        value = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise _invalid() from None
    if base64.urlsafe_b64encode(value).rstrip(b"=") != raw:
        raise _invalid()
    return value


def _json(text: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise _invalid() from None
    if not isinstance(value, dict):
        raise _invalid()
    return value


def _check_signature(token: str, key: ECKey) -> None:
    try:
        jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise _invalid() from None


def _invalid() -> TokenInvalid:
    return TokenInvalid(
        "The token is not valid here. Sign in again, or run `aidatalabs token` for a new one."
    )

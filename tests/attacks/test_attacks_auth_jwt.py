"""The auth.jwt attacks, each with one pinned outcome, against the verifier and through a running server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running
from aidatalabs_services.runtime.tokens import TokenVerifier
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoRequest, Raw
from tests.rpc.runtime.test_runtime_calls import details

ROWS = json.loads(Path(__file__).with_name("auth_jwt_attacks.json").read_text())
MINT = TokenMint("test-key")
OLD = TokenMint("old-key")
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "test-key"}
ROLES = StaticRoles(platforms={("platforms/demo", ALICE): Role.VIEWER})
Metadata = tuple[tuple[str, str], ...]


def _b64(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def _signed(**header: object) -> str:
    return MINT.signed(HEADER | header, _payload(MINT.token()))


def _unsigned(algorithm: str) -> str:
    return f"{_b64(HEADER | {'alg': algorithm})}.{_b64(_payload(MINT.token()))}."


def _hmac_with_public_key() -> str:
    text = f"{_b64(HEADER | {'alg': 'HS256'})}.{_b64(_payload(MINT.token()))}"
    pem = MINT.key.as_pem(private=False)
    return f"{text}.{_b64(hmac.new(pem, text.encode(), hashlib.sha256).digest())}"


def _changed_payload() -> str:
    head, _, signature = MINT.token().split(".")
    return f"{head}.{_b64(_payload(MINT.token()) | {'tid': 'other'})}.{signature}"


def _now(offset: float) -> int:
    return int(time.time() + offset)


REVOKED = MINT.token(jti="revoked-token")

TOKENS: dict[str, Callable[[], str]] = {
    "AUTH-JWT-001": lambda: _unsigned("none"),
    "AUTH-JWT-002": lambda: _unsigned("nOnE"),
    "AUTH-JWT-003": _hmac_with_public_key,
    "AUTH-JWT-006": lambda: MINT.token().rsplit(".", 1)[0] + ".",
    "AUTH-JWT-007": _changed_payload,
    "AUTH-JWT-009": lambda: _signed(kid="../../dev/null"),
    "AUTH-JWT-010": lambda: _signed(kid="x' UNION SELECT 'secret"),
    "AUTH-JWT-011": lambda: _signed(kid="no-such-key"),
    "AUTH-JWT-013": lambda: _signed(jwk=MINT.key.as_dict(private=False)),
    "AUTH-JWT-015": lambda: _signed(crit=["x-foo"]),
    "AUTH-JWT-018": lambda: MINT.token(iat=_now(-900), nbf=_now(-900), exp=_now(-10)),
    "AUTH-JWT-019": lambda: MINT.token(exp=None),
    "AUTH-JWT-021": lambda: MINT.token(exp="never"),
    "AUTH-JWT-022": lambda: MINT.token(nbf=_now(100)),
    "AUTH-JWT-023": lambda: MINT.token(iat=_now(100)),
    "AUTH-JWT-024": lambda: MINT.token(aud="other"),
    "AUTH-JWT-025": lambda: MINT.token(aud=None),
    "AUTH-JWT-028": lambda: MINT.token(iss=None),
    "AUTH-JWT-030": lambda: REVOKED,
    "AUTH-JWT-031": lambda: OLD.token(),
    "AUTH-JWT-033": lambda: ".".join([_b64(HEADER), _b64(b"key"), _b64(b"iv"), _b64(b"text"), _b64(b"tag")]),
    "AUTH-JWT-034": lambda: MINT.token().rsplit(".", 1)[0],
    "AUTH-JWT-037": lambda: MINT.token() + "A" * 1_000_000,
}
METADATA: dict[str, Callable[[], Metadata]] = {
    "AUTH-JWT-039": lambda: (*MINT.metadata(), *MINT.metadata()),
    "AUTH-JWT-041": lambda: (("authorization", "Basic " + _b64(b"alice:secret")),),
    "AUTH-JWT-043": lambda: (*MINT.metadata(), ("x-user-id", "users/root"), ("x-tenant-id", "other")),
}


def _verifier() -> TokenVerifier:
    async def source() -> Mapping[str, Any]:
        return {"keys": MINT.jwks()["keys"] + OLD.jwks()["keys"]}

    verifier = TokenVerifier(source)
    verifier.deny("revoked-token", time.time() + 900)
    return verifier


def test_every_attack_of_the_file_has_a_test() -> None:
    assert {row["id"] for row in ROWS} == TOKENS.keys() | METADATA.keys()


@pytest.mark.parametrize("row", [row for row in ROWS if row["id"] in TOKENS], ids=lambda row: row["id"])
async def test_token_attack_against_the_verifier(row: dict[str, Any]) -> None:
    token = TOKENS[row["id"]]()
    begun = time.process_time()
    if row["grpc"] == "OK":
        assert (await _verifier().verify(token)).user == ALICE
    else:
        with pytest.raises(ServiceError) as caught:
            await _verifier().verify(token)
        assert (caught.value.code.name, caught.value.reason) == (row["grpc"], row["reason"])
        assert token[:40] not in str(caught.value)
    assert time.process_time() - begun < 0.05


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_token_attack_through_a_running_server(row: dict[str, Any]) -> None:
    echo = Echo()
    made = TOKENS.get(row["id"])
    if row["id"] == "AUTH-JWT-037":  # beyond what metadata may hold; the longest that fits is tried here
        made = lambda: MINT.token() + "A" * 20_000  # noqa: E731
    metadata = (("authorization", f"Bearer {made()}"),) if made else METADATA[row["id"]]()
    service = echo.service()
    async with running(
        replace(service, verifier=_verifier()), roles=ROLES, table=TABLE, contract=CONTRACT
    ) as channel:
        call = Raw(channel, metadata).call("Say", EchoRequest(platform="platforms/demo"))
        if row["grpc"] == "OK":
            await call
            assert echo.seen_caller.user == ALICE
            return
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        info, _ = details(caught.value)
        assert (caught.value.code().name, info.reason) == (row["grpc"], row["reason"])
        assert echo.seen_caller is None


async def test_thousand_unknown_key_ids_cause_one_refresh() -> None:
    fetched = 0

    async def source() -> Mapping[str, Any]:
        nonlocal fetched
        fetched += 1
        return MINT.jwks()

    verifier = TokenVerifier(source)
    await verifier.verify(MINT.token())
    for number in range(1000):
        with pytest.raises(ServiceError):
            await verifier.verify(_signed(kid=f"key-{number}"))
    assert fetched == 1

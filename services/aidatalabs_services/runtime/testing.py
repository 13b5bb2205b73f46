"""For tests: starts any service in this process, with the real server and interceptors, and mints tokens.

async with running(service, roles=StaticRoles({...}), mint=mint) as channel:
    stub = pb_grpc.DataServiceStub(channel)
    await stub.Query(request, metadata=mint.metadata(user))
"""

from __future__ import annotations

import base64
import json
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from google.protobuf.descriptor import ServiceDescriptor
from joserfc.jwk import ECKey

from aidatalabs_services.runtime.access import MethodAccess
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.errors import platform_not_found
from aidatalabs_services.runtime.postgres_server import PostgresServer
from aidatalabs_services.runtime.roles import ResolvedAccess, RoleDirectory
from aidatalabs_services.runtime.server import RunningServer, Service, start_server
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.tls import TlsFiles
from aidatalabs_services.runtime.tokens import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, TokenVerifier

ALICE = "users/00000000-0000-4000-8000-00000000000a"
BOB = "users/00000000-0000-4000-8000-00000000000b"


class TokenMint:
    """A key pair of the test's own and the tokens signed with it."""

    def __init__(self, key_id: str = "test-key") -> None:
        self.key = ECKey.generate_key("P-256")
        self.key_id = key_id

    def jwks(self) -> dict[str, Any]:
        """The public key set as the identity service would publish it."""
        public = self.key.as_dict(private=False)
        return {"keys": [public | {"kid": self.key_id, "alg": ALGORITHM, "use": "sig"}]}

    def verifier(self) -> TokenVerifier:
        """A verifier that knows this key."""

        async def source() -> Mapping[str, Any]:
            return self.jwks()

        return TokenVerifier(source)

    def token(self, user: str = ALICE, *, seconds: float = 900, **changes: object) -> str:
        """A token of `user`; `changes` replace claims, a change to None leaves the claim out."""
        now = int(time.time())
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "jti": uuid.uuid4().hex,
            "iat": now,
            "nbf": now,
            "exp": int(now + seconds),
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return self.signed({"alg": ALGORITHM, "typ": TOKEN_TYPE, "kid": self.key_id}, claims)

    def signed(self, header: dict[str, Any], claims: Mapping[str, object]) -> str:
        """Any header and claims, signed with the key (for tokens that must be refused)."""
        text = b".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        # By hand, because a library refuses to sign the headers that tests need.
        pair = self.key.private_key
        assert pair is not None  # noqa: S101 - generated with its private half
        numbers = decode_dss_signature(pair.sign(text, ec.ECDSA(hashes.SHA256())))
        signature = b"".join(number.to_bytes(32, "big") for number in numbers)
        return (text + b"." + _base64(signature)).decode()

    def metadata(self, user: str = ALICE) -> tuple[tuple[str, str], ...]:
        """The metadata of a call by `user`."""
        return (("authorization", f"Bearer {self.token(user)}"),)


def _base64(value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


@dataclass
class StaticRoles:
    """A role directory with fixed answers: `mesh` by user, `platforms` by (platform, user).

    A platform that no entry names is missing; `calls` counts the questions.
    """

    mesh: Mapping[str, Role] = field(default_factory=dict)
    platforms: dict[tuple[str, str], Role] = field(default_factory=dict)
    calls: int = 0

    async def resolve(self, token: str, user: str, platform: str | None, method: str = "") -> ResolvedAccess:
        """See RoleDirectory; the uid of a platform is derived from its name."""
        self.calls += 1
        found = ResolvedAccess(user, self.mesh.get(user, Role.NONE))
        if platform is None:
            return found
        if platform not in {name for name, _ in self.platforms}:
            raise platform_not_found(platform)
        member = self.platforms.get((platform, user), Role.NONE)
        role = Role.ADMIN if found.mesh_role is Role.ADMIN else member
        return replace(found, platform_role=role, platform_uid=str(uuid.uuid5(uuid.NAMESPACE_URL, platform)))


@asynccontextmanager
async def running_server(
    service: Service,
    *,
    mint: TokenMint | None = None,
    roles: RoleDirectory | None = None,
    table: Sequence[MethodAccess] | None = None,
    contract: Sequence[ServiceDescriptor] | None = None,
    settings: ServerSettings | None = None,
    certificates: Path | None = None,
) -> AsyncIterator[RunningServer]:
    """Starts a service on a free port of the loopback and drains it at the end.

    `mint` and `roles` stand in for the identity and platform services unless the service brings its own.
    With `certificates` (a folder of `mint_certificates` that knows the service's name) it speaks mutual TLS.
    """
    settings = settings or ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", drain_limit_seconds=5.0
    )
    if certificates is not None:
        tls = TlsFiles.of(certificates, service.name)
        files = {"tls_certificate": tls.certificate, "tls_key": tls.key, "tls_authority": tls.authority}
        settings = settings.model_copy(update=files)
    filled = replace(
        service,
        verifier=service.verifier or (mint or TokenMint()).verifier(),
        roles=service.roles or roles or StaticRoles(),
    )
    server = await start_server(filled, settings, table=table, contract=contract)
    try:
        yield server
    finally:
        await server.drain(wait_seconds=0.0)


@asynccontextmanager
async def running(
    service: Service,
    *,
    mint: TokenMint | None = None,
    roles: RoleDirectory | None = None,
    table: Sequence[MethodAccess] | None = None,
    contract: Sequence[ServiceDescriptor] | None = None,
    settings: ServerSettings | None = None,
    certificates: Path | None = None,
    peer: str = "edge",
) -> AsyncIterator[grpc.aio.Channel]:
    """As `running_server`, but yields a channel to the service; with `certificates` it is that of `peer`."""
    async with running_server(
        service,
        mint=mint,
        roles=roles,
        table=table,
        contract=contract,
        settings=settings,
        certificates=certificates,
    ) as server:
        tls = TlsFiles.of(certificates, peer) if certificates is not None else None
        channel = open_channel(server.address, service=service.name, tls=tls)
        try:
            yield channel
        finally:
            await channel.close()


@asynccontextmanager
async def running_postgres() -> AsyncIterator[str]:
    """A real PostgreSQL server in a temporary folder; yields its DSN.

    For a session-wide fixture use an event loop of the session's scope: the server ends with the thread of
    the loop that started it.
    """
    with tempfile.TemporaryDirectory(prefix="aidatalabs-pg-", ignore_cleanup_errors=True) as folder:
        server = await PostgresServer.start(Path(folder) / "data", Path(folder) / "run", durable=False)
        try:
            yield server.url
        finally:
            await server.stop()

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import asyncpg
import grpc
from google.rpc import error_details_pb2, status_pb2
from yarl import URL

from aidatalabs.identity.v1 import identity_service_pb2_grpc as pb_grpc
from aidatalabs_services.identity.bootstrap import bootstrap
from aidatalabs_services.identity.local import issue_local_token, issue_login_code
from aidatalabs_services.identity.settings import IdentitySettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.server import start_server

Metadata = tuple[tuple[str, str], ...]


class Exchange(NamedTuple):
    """An answer to the edge: HTTP status, the token's header, the reason of a refusal."""

    status: int
    authorization: str
    reason: str


class IdentityWorld:
    """The identity service on real parts; `running` may be entered again after it was left: a restart."""

    def __init__(self, postgres_url: str, folder: Path, **settings: Any) -> None:
        self.postgres_url = postgres_url
        self.keys = folder / "keys"
        self.settings = settings
        self.stub: pb_grpc.IdentityServiceAsyncStub
        self.http_socket = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[IdentityWorld]:
        with tempfile.TemporaryDirectory(prefix="aidatalabs-id-") as sockets:
            self.http_socket = f"{sockets}/http.sock"
            settings = IdentitySettings(
                listen_address=f"unix:{sockets}/grpc.sock",
                http_address=f"unix:{self.http_socket}",
                postgres_url=self.postgres_url,
                key_directory=self.keys,
                **self.settings,
            )
            server = await start_server(await bootstrap(settings), settings)
            channel = open_channel(server.address)
            self.stub = pb_grpc.IdentityServiceStub(channel)
            try:
                yield self
            finally:
                await channel.close()
                await server.drain(wait_seconds=0.0)

    async def token(self, email: str, role: Role | None = None, seconds: float = 600) -> str:
        return await issue_local_token(self.postgres_url, self.keys, email, role, seconds)

    async def caller(self, email: str, role: Role | None = None) -> Metadata:
        return bearer(await self.token(email, role))

    async def sql(self, statement: str, *values: object) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.postgres_url, server_settings={"search_path": "identity"})
        try:
            return await connection.fetch(statement, *values)
        finally:
            await connection.close()

    @asynccontextmanager
    async def http(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A plain HTTP request; underscores in the names of headers stand for dashes."""
        connector = aiohttp.UnixConnector(path=self.http_socket)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(f"http://{named.pop('Host', 'identity')}{path}", encoded=True)
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.request(method, url, headers=named, allow_redirects=False) as response,
        ):
            yield response

    async def code(self, email: str = "ann@example.com", role: Role | None = None) -> str:
        return await issue_login_code(self.postgres_url, email, role)

    async def session(self, email: str = "ann@example.com", role: Role | None = None) -> str:
        """The value of the `Cookie` header after signing in with a new link."""
        async with self.http(f"/auth/link?code={await self.code(email, role)}") as response:
            assert response.status == 303, await response.text()
            return response.headers["Set-Cookie"].partition(";")[0]

    async def exchange(self, cookie: str, method: str = "GET", **headers: str) -> Exchange:
        """What the edge is told about a call with this cookie."""
        async with self.http("/internal/session", method=method, Cookie=cookie, **headers) as response:
            text = await response.text()
            reason = json.loads(text)["details"][0]["reason"] if text else ""
            return Exchange(response.status, response.headers.get("Authorization", ""), reason)


def bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),)


def refusal(error: grpc.aio.AioRpcError) -> tuple[str, str, dict[str, str]]:
    """The gRPC code, reason and metadata of a refusal."""
    packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return error.code().name, info.reason, dict(info.metadata)


async def refused(call: Any) -> tuple[str, str]:
    """The gRPC code and reason with which a call was refused; fails where it was not."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal(error)[:2]
    raise AssertionError(f"was answered: {answer}")

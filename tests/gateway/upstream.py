"""A real Envoy in front of small stand-in services: what the edge tests share."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import grpc
from aiohttp import web
from google.api import httpbody_pb2
from google.protobuf import struct_pb2
from google.rpc.error_details_pb2 import ErrorInfo
from joserfc import jwk, jwt

from aidatalabs.agent.v1 import agent_service_pb2 as agent_pb
from aidatalabs.agent.v1 import agent_service_pb2_grpc as agent_grpc
from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.identity.adapters.reference_http import ReferencePages
from aidatalabs_services.mesh.edge import envoy_binary, write_edge_config
from aidatalabs_services.mesh.edge_config import EdgeConfig
from aidatalabs_services.runtime.listening import server_options

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
SERVICES = ("identity", "platform", "data", "agent", "monitoring")


@dataclass
class Seen:
    """The last call that reached the stand-in data service."""

    request: Any = None
    metadata: dict[str, str | bytes] | None = None
    authority: list[dict[str, str]] = field(default_factory=list)
    """What identity's HTTP side was asked, newest last: method, path and headers of each request."""


class EchoDataService(pb_grpc.DataServiceServicer):
    """Answers Query with its own SQL; every other method of the contract stays unimplemented."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def Query(self, request, context):  # type: ignore[no-untyped-def]
        self._seen.request = request
        self._seen.metadata = dict(context.invocation_metadata())
        if request.sql == "slow":
            await asyncio.sleep(4)
        response = pb.QueryResponse()
        response.result.columns.add(name="sql", type="String")
        row = response.result.rows.add()
        row.values.append(struct_pb2.Value(string_value=request.sql))
        row.values.append(struct_pb2.Value(null_value=struct_pb2.NULL_VALUE))
        response.result.row_count = 1
        return response

    async def Ingest(self, request, context):  # type: ignore[no-untyped-def]
        self._seen.request = request
        return pb.IngestResponse()

    async def Export(self, request, context):  # type: ignore[no-untyped-def]
        """The SQL says how many MiB to send; a word in its place fails before the first byte."""
        if not request.sql.isdigit():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no number")
        await context.send_initial_metadata((("content-disposition", 'attachment; filename="export.csv"'),))
        for number in range(int(request.sql)):
            yield httpbody_pb2.HttpBody(content_type="text/csv", data=bytes([97 + number % 26]) * MIB)


class TellingAgentService(agent_grpc.AgentServiceServicer):
    """Tells an answer in events 0.2 s apart; the question says how it ends (`refused`, `aborted`).

    An answer in one piece, and a picture, tell what they were asked.
    """

    async def Query(self, request, context):  # type: ignore[no-untyped-def]
        return agent_pb.QueryResponse(answer=request.question)

    async def DrawAnswer(self, request, context):  # type: ignore[no-untyped-def]
        form = agent_pb.DrawAnswerRequest.Format.Name(request.format)
        kind = "image/svg+xml" if form == "SVG" else "image/png"
        text = f"{form} {request.question} {request.max_rows} {request.conversation}"
        return httpbody_pb2.HttpBody(content_type=kind, data=text.encode())

    async def StreamAnswer(self, request, context):  # type: ignore[no-untyped-def]
        if request.question == "at once":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no question")
        for event in ("understood", "sql", "running"):
            yield agent_pb.StreamAnswerResponse(event=event)
            await asyncio.sleep(0.2)
        if request.question == "aborted":
            await context.abort(grpc.StatusCode.INTERNAL, "broken")
        if request.question == "refused":
            response = agent_pb.StreamAnswerResponse(event="error")
            response.error.code = 3
            response.error.message = "cannot be answered"
            response.error.details.add().Pack(
                ErrorInfo(reason="QUESTION_NOT_ANSWERABLE", domain="aidatalabs")
            )
            yield response
            return
        yield agent_pb.StreamAnswerResponse(event="done")


@dataclass
class Edge:
    """A running edge: its address, what its services saw and how to get a token it accepts."""

    port: int
    seen: Seen
    key: jwk.ECKey
    folder: Path
    process: int = 0
    identity_http: web.AppRunner | None = None

    @property
    def cookie(self) -> str:
        return f"__Host-aidatalabs-{self.port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, **claims: object) -> str:
        now = int(time.time())
        standard: dict[str, object] = {
            "iss": "aidatalabs",
            "aud": "aidatalabs-api",
            "sub": "users/00000000-0000-4000-8000-000000000001",
            "jti": "1",
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        header = {"alg": "ES256", "kid": self.key.kid, "typ": "at+jwt"}
        return jwt.encode(header, standard | claims, self.key)

    def bearer(self, **claims: object) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token(**claims)}"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def edge_config(folder: Path, port: int) -> EdgeConfig:
    return EdgeConfig(
        listen_host="127.0.0.1",
        listen_port=port,
        services={name: f"unix:{folder}/{name}.sock" for name in SERVICES},
        identity_http_address=f"unix:{folder}/identity-http.sock",
        admin_socket=folder / "admin.sock",
        descriptor_set=ROOT / "gen" / "envoy" / "descriptors.binpb",
        access_log=folder / "access.log",
    )


SESSION = "right"
"""The only session the stand-in of identity knows."""


def identity_http(edge: Edge) -> web.Application:
    """What identity serves over HTTP: keys, the session's token, login pages; its own API reference."""

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [edge.key.as_dict(private=False)]})

    async def session(request: web.Request) -> web.Response:
        _note(edge, request)
        value = request.headers.get("cookie", "").partition(f"{edge.cookie}=")[2].partition(";")[0]
        if request.headers.get("sec-fetch-site") == "cross-site":
            return web.json_response(refusal(7, "CROSS_SITE_REQUEST"), status=403)
        if value != SESSION:
            return web.json_response(refusal(16, "SESSION_INVALID"), status=401)
        return web.Response(headers={"authorization": f"Bearer {edge.token()}", "x-user-id": "users/root"})

    async def link(request: web.Request) -> web.Response:
        _note(edge, request)
        cookie = f"{edge.cookie}={SESSION}; Path=/; Secure; HttpOnly; SameSite=Lax"
        return web.Response(status=303, headers={"location": "/", "set-cookie": cookie})

    application = web.Application()
    application.router.add_get("/.well-known/jwks.json", keys)
    application.router.add_route("*", "/internal/session", session)
    application.router.add_get("/auth/link", link)
    application.router.add_post("/auth/logout", link)
    application.add_routes(ReferencePages().routes())
    return application


def refusal(code: int, reason: str) -> dict[str, Any]:
    """A refusal as identity words it."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "aidatalabs",
        "metadata": {"told_by": "identity"},
    }
    return {"code": code, "message": "No.", "details": [info]}


def _note(edge: Edge, request: web.Request) -> None:
    asked = {"method": request.method, "path": request.path_qs}
    edge.seen.authority.append(asked | {key.lower(): value for key, value in request.headers.items()})


AddServices = Callable[[grpc.aio.Server, Seen], None]


def add_data(server: grpc.aio.Server, seen: Seen) -> None:
    """The stand-in data service."""
    pb_grpc.add_DataServiceServicer_to_server(EchoDataService(seen), server)  # type: ignore[abstract]


def add_agent(server: grpc.aio.Server, _: Seen) -> None:
    """The stand-in agent service."""
    agent_grpc.add_AgentServiceServicer_to_server(TellingAgentService(), server)  # type: ignore[abstract]


@asynccontextmanager
async def running_edge(
    folder: Path, *, upstreams: dict[str, AddServices] | None = None, **changes: Any
) -> AsyncIterator[Edge]:
    """Starts Envoy, identity's HTTP side and the stand-in services; those that are not named stay down.

    `changes` are fields of EdgeConfig that differ from those of `edge_config`.
    """
    key = jwk.ECKey.generate_key("P-256", parameters={"alg": "ES256", "use": "sig", "kid": "test"})
    edge = Edge(port=free_port(), seen=Seen(), key=key, folder=folder)
    config = replace(edge_config(folder, edge.port), **changes)
    write_edge_config(config, folder / "envoy.yaml")
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(identity_http(edge))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.UnixSite(runner, f"{folder}/identity-http.sock").start()
        edge.identity_http = runner
        for name, add in ({"data": add_data} if upstreams is None else upstreams).items():
            server = grpc.aio.server(options=server_options(16 * MIB))
            add(server, edge.seen)
            server.add_insecure_port(f"unix:{folder}/{name}.sock")
            await server.start()
            stack.push_async_callback(server.stop, 0)
        await stack.enter_async_context(running_envoy(edge))
        yield edge


@asynccontextmanager
async def running_envoy(edge: Edge) -> AsyncIterator[None]:
    """Envoy with the configuration in the edge's folder."""
    envoy = subprocess.Popen(
        [
            *(envoy_binary(), "-c", edge.folder / "envoy.yaml"),
            *("--disable-hot-restart", "--concurrency", "1", "-l", "error"),
            *("--file-flush-interval-msec", "200"),
        ],
        stderr=(edge.folder / "envoy.err").open("wb"),
    )
    edge.process = envoy.pid
    try:
        await _until_healthy(edge, envoy)
        yield
    finally:
        envoy.terminate()
        await asyncio.to_thread(envoy.wait, 10)


async def _until_healthy(edge: Edge, envoy: subprocess.Popen[bytes]) -> None:
    async with aiohttp.ClientSession() as client:
        for _ in range(200):
            assert envoy.poll() is None, "Envoy exited"
            try:
                async with client.get(f"{edge.url}/healthz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError("Envoy did not become healthy")

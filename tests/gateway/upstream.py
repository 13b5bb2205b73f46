"""A real Envoy in front of small stand-in services: what the edge tests share."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import grpc
from aiohttp import web
from google.protobuf import struct_pb2
from joserfc import jwk, jwt

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.mesh.edge import envoy_binary, render_edge_config
from aidatalabs_services.mesh.edge_config import EdgeConfig

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("identity", "platform", "data", "agent", "monitoring")


@dataclass
class Seen:
    """The last call that reached the stand-in data service."""

    request: object = None
    metadata: dict[str, str | bytes] | None = None


class EchoDataService(pb_grpc.DataServiceServicer):
    """Answers Query with its own SQL; every other method of the contract stays unimplemented."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def Query(self, request, context):  # type: ignore[no-untyped-def]
        self._seen.request = request
        self._seen.metadata = dict(context.invocation_metadata())
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


@dataclass
class Edge:
    """A running edge: its address, what its services saw and how to get a token it accepts."""

    port: int
    seen: Seen
    key: jwk.ECKey

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


@asynccontextmanager
async def running_edge(folder: Path) -> AsyncIterator[Edge]:
    """Starts Envoy, the stand-in data service and a JWKS server; the other services stay down."""
    key = jwk.ECKey.generate_key("P-256", parameters={"alg": "ES256", "use": "sig", "kid": "test"})
    edge = Edge(port=free_port(), seen=Seen(), key=key)
    config = folder / "envoy.yaml"
    config.write_text(render_edge_config(edge_config(folder, edge.port)))

    async def serve_keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [key.as_dict(private=False)]})

    keys = web.Application()
    keys.router.add_get("/.well-known/jwks.json", serve_keys)
    runner = web.AppRunner(keys)
    await runner.setup()
    await web.UnixSite(runner, f"{folder}/identity-http.sock").start()
    server = grpc.aio.server()
    pb_grpc.add_DataServiceServicer_to_server(EchoDataService(edge.seen), server)  # type: ignore[abstract]
    server.add_insecure_port(f"unix:{folder}/data.sock")
    await server.start()
    envoy = subprocess.Popen(
        [
            envoy_binary(),
            "-c",
            config,
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "-l",
            "error",
            "--file-flush-interval-msec",
            "200",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        await _until_healthy(edge, envoy)
        yield edge
    finally:
        envoy.terminate()
        await asyncio.to_thread(envoy.wait, 10)
        await server.stop(0)
        await runner.cleanup()


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

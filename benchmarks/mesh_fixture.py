"""A mesh with real services for one run, and the engine behind it, which the benchmarks can reach themselves.

    own HOME and port ── edge ── services ──┐
                                            ├── one engine process
    the peer of a benchmark ────────────────┘

Inside an ordinary mesh the data service alone knows its engine's password. Here this process starts the same
engine and gives the data service its address as that of a cluster, so that product and peer share one engine,
one database and one table.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import grpc

from aidatalabs_client import Client
from aidatalabs_services.cli.connection import ConnectionSettings, local_token
from aidatalabs_services.cli.demo import PLATFORM, load_demo
from aidatalabs_services.data.engine.process import EngineProcess
from aidatalabs_services.mesh.control import start_detached, stop_mesh
from aidatalabs_services.mesh.events import EventKind, MeshEvent
from aidatalabs_services.mesh.identities import EDGE_NAME, certificate_folder, identity_of
from aidatalabs_services.mesh.ports import HOST
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord
from aidatalabs_services.mesh.topology import service_address
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel

_TOKEN_SECONDS = 3600.0
_DATABASE_PREFIX = "platform_"
_SHOWN = ("edge", "data")
_STORE_SECONDS = 30.0
"""Longer than any call of a benchmark: an acknowledged row is one in its table."""


@dataclass(frozen=True)
class Mesh:
    """A running mesh with the demo in `platforms/demo`, and ways past its edge."""

    record: MeshRecord
    token: str
    client: Client
    engine: EngineProcess
    database: str
    """The demo platform's database in the engine."""

    @property
    def url(self) -> str:
        """The edge's base URL."""
        return self.record.url

    @property
    def edge(self) -> str:
        """The edge's gRPC target."""
        return f"{HOST}:{self.record.port}"

    def direct(self, service: str) -> str:
        """A service's own gRPC target, past the edge."""
        return service_address(self._sockets, service)

    @property
    def certificates(self) -> Path:
        """The folder of the mesh's certificates."""
        return certificate_folder(self._sockets)

    def channel(self, service: str) -> grpc.aio.Channel:
        """A channel to a service past the edge, with the edge's own certificate."""
        return open_channel(self.direct(service), service=service, tls=identity_of(self._sockets, EDGE_NAME))

    @property
    def _sockets(self) -> Path:
        return Path(self.record.socket_folder)

    @property
    def headers(self) -> dict[str, str]:
        """What a REST caller sends; the same user calls past the edge."""
        return {"authorization": f"Bearer {self.token}"}

    def processes(self) -> dict[str, list[int]]:
        """Pids of what a call passes: this process, the edge, the services and the engine; and all others."""
        found: dict[str, list[int]] = {"client": [os.getpid()], "engine": [self.engine.pid], "others": []}
        for process in self.record.processes:
            pids = [each.pid for each in (process.identity, *process.children) if each is not None]
            found.setdefault(process.name if process.name in _SHOWN else "others", []).extend(pids)
        return found

    def database_of(self, uid: str) -> str:
        """Name of a platform's database in the engine."""
        return _DATABASE_PREFIX + uid.replace("-", "")

    @property
    def engine_url(self) -> str:
        """The engine's HTTP interface, answering in JSON from the demo's database."""
        return (
            f"http://{self.engine.host}:{self.engine.port}/?database={self.database}"
            "&session_timezone=UTC&default_format=JSONCompact&wait_end_of_query=1"
        )

    @property
    def engine_headers(self) -> dict[str, str]:
        """Who a caller of the engine is."""
        return {"X-ClickHouse-User": "default", "X-ClickHouse-Key": self.engine.password}


@contextlib.asynccontextmanager
async def running_mesh() -> AsyncIterator[Mesh]:
    """Starts engine and mesh, loads the demo; stops all and removes HOME however the block ends."""
    home = Path(tempfile.mkdtemp(prefix="aidatalabs-bench-"))
    try:
        engine = await EngineProcess.start(home / "engine")
        try:
            with _environment(_variables(home, engine)):
                async with _mesh_of(engine) as mesh:
                    yield mesh
        finally:
            await engine.stop()
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


@contextlib.asynccontextmanager
async def _mesh_of(engine: EngineProcess) -> AsyncIterator[Mesh]:
    settings = MeshSettings()
    try:
        record = await start_detached(settings, _show_trouble)
        token = await local_token(ConnectionSettings().operator_email, Role.ADMIN, _TOKEN_SECONDS)
        async with Client(f"{HOST}:{record.port}", token) as client:
            await load_demo(client)
            uid = (await client.get_platform(PLATFORM)).uid
            yield Mesh(record, token, client, engine, _DATABASE_PREFIX + uid.replace("-", ""))
    finally:
        await stop_mesh(settings, _show_trouble)


def _variables(home: Path, engine: EngineProcess) -> Mapping[str, str]:
    return {
        "AIDATALABS_HOME": str(home),
        "AIDATALABS_PORT": str(_free_port()),
        "AIDATALABS_MESH_LOG_LEVEL": "info",
        "AIDATALABS_DATA_CLICKHOUSE_HOST": engine.host,
        "AIDATALABS_DATA_CLICKHOUSE_PORT": str(engine.port),
        "AIDATALABS_DATA_CLICKHOUSE_USER": "default",
        "AIDATALABS_DATA_CLICKHOUSE_PASSWORD": engine.password,
        "AIDATALABS_DATA_CLICKHOUSE_TLS": "false",
        "AIDATALABS_DATA_CLICKHOUSE_DATABASE_PREFIX": _DATABASE_PREFIX,
        "AIDATALABS_DATA_INGEST_STORE_SECONDS": str(_STORE_SECONDS),
    }


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Our variables alone: one that the user set for another mesh must not reach this one."""
    before = {name: value for name, value in os.environ.items() if name.startswith("AIDATALABS_")}
    for name in before:
        del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]
        os.environ.update(before)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _show_trouble(event: MeshEvent) -> None:
    if event.kind is EventKind.PROCESS_FAILED:
        print(event.text)

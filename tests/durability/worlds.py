"""What a drill kills: a data service with its engine alone, or the whole way in behind a real edge.

Alone     client ─► data ─► engine                            a start takes a second: for every test run
Behind    client ─► edge ─► data ─► engine, with identity, platform and PostgreSQL beside
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import grpc
import psutil

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_client import Client
from aidatalabs_services.cli.connection import token_of
from aidatalabs_services.mesh.control import start_detached, stop_mesh
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import read_record
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import BOB, TokenMint
from tests.durability.plans import DATA_PROCESS, ROOT, TWIN_VARIABLE
from tests.e2e.conftest import ADMIN, free_port

PLATFORM = "platforms/drill"
NEIGHBOUR = "platforms/neighbour"
NO_TWIN = "none"
SETTINGS = {
    # An acknowledgement is that of the journal alone: nothing waits for the engine.
    "AIDATALABS_DATA_INGEST_STORE_SECONDS": "0",
    # Segments of 4 MiB: several are finished, turned into receipts and read again in each run.
    "AIDATALABS_DATA_JOURNAL_BYTES": str(32 * 1024 * 1024),
    "AIDATALABS_DATA_ENGINE_MEMORY_BYTES": str(1024**3),
}
_START_SECONDS = 60.0


@dataclass(frozen=True)
class Tenant:
    """A platform, and a token of somebody who may send rows to it."""

    platform: str
    token: str = field(repr=False)


class World(Protocol):
    """A way in that is up; every process of it may be killed."""

    address: str
    data_directory: Path
    database: str

    @property
    def token(self) -> str:
        """What clients show."""

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the processes that can be killed."""

    def find(self, name: str) -> ProcessIdentity | None:
        """Which process has this name now; None while it is being replaced."""

    async def start(self) -> None:
        """Starts all of it and makes the platform."""

    async def settled(self) -> tuple[str, ...]:
        """Returns when nothing that was acknowledged waits any more; names what was put aside."""

    async def stop(self) -> None:
        """Stops all of it; the engine's directory is free on return. Idempotent."""


class Alone:
    """A data service that is started again whenever it ends; tokens and roles are the test's own."""

    targets = ("data", "engine")
    database = "analytics"

    def __init__(self, folder: Path, twin: str, settings: Mapping[str, str] = SETTINGS) -> None:
        self.data_directory = folder / "data"
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        mint = TokenMint()
        self.token = mint.token()
        self._neighbour = Tenant(NEIGHBOUR, mint.token(BOB))
        keys = folder / "keys.json"
        keys.write_text(json.dumps(mint.jwks()))
        self._argv = (sys.executable, "-P", str(DATA_PROCESS), twin, "--alone", str(keys), PLATFORM)
        self._log = folder / "data.log"
        own = {
            "AIDATALABS_DATA_LISTEN_ADDRESS": self.address,
            "AIDATALABS_DATA_JWKS_URL": "http://127.0.0.1:9",
            "AIDATALABS_DATA_DIRECTORY": str(self.data_directory),
        }
        self._env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT)} | dict(settings) | own
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts it and provisions the platform."""
        self._keeper = asyncio.create_task(self._keep())
        await self._provision(Tenant(PLATFORM, self.token))

    async def neighbour(self) -> Tenant:
        """Somebody else with a platform of their own, made now."""
        await self._provision(self._neighbour)
        return self._neighbour

    async def _provision(self, tenant: Tenant) -> None:
        async with grpc.aio.insecure_channel(self.address) as channel, asyncio.timeout(_START_SECONDS):
            await pb_grpc.DataServiceStub(channel).ProvisionPlatform(
                pb.ProvisionPlatformRequest(platform=tenant.platform),
                metadata=(("authorization", f"Bearer {tenant.token}"),),
                wait_for_ready=True,
            )

    async def _keep(self) -> None:
        while True:
            with self._log.open("ab") as log:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv, env=self._env, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
                )
            await self._process.wait()

    def find(self, name: str) -> ProcessIdentity | None:
        """See World."""
        running = self._process is not None and self._process.returncode is None
        data = ProcessIdentity.of(self._process.pid) if running and self._process is not None else None
        return data if name == "data" else engine_of(data)

    async def settled(self) -> tuple[str, ...]:
        """The journal is in order: a client that saw its last batch stored has seen them all."""
        return ()

    async def stop(self) -> None:
        """See World."""
        if self._keeper is None:
            return
        self._keeper.cancel()
        await asyncio.gather(self._keeper, return_exceptions=True)
        self._keeper = None
        # Killed, not stopped: that is one more end which must lose nothing. The engine sees it and ends.
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


class Behind:
    """A mesh without agent and monitoring, in a HOME of its own."""

    targets = ("edge", "data", "engine", "platform", "identity", "postgres")
    database = "analytics"

    def __init__(self, folder: Path, twin: str, settings: Mapping[str, str] = SETTINGS) -> None:
        self._given = dict(settings)
        self._home = folder / "home"
        self._port = free_port()
        self._twin = twin
        self.address = f"127.0.0.1:{self._port}"
        self.token = ""
        self.data_directory = MeshHome.at(self._home).data
        self._up = False

    def _settings(self) -> MeshSettings:
        return MeshSettings(home=self._home, port=self._port)

    async def start(self) -> None:
        """Starts it and creates the platform."""
        self._up = True
        variables = self._given | {TWIN_VARIABLE: self._twin, "PYTHONPATH": str(ROOT)}
        with environment(variables):
            record = await start_detached(
                self._settings(), lambda _: None, plan="tests.durability.plans:ingest_plan"
            )
        self.token = await token_of(record, ADMIN, Role.ADMIN, 3600.0)
        async with Client(self.address, self.token) as client:
            await client.create_platform(PLATFORM.partition("/")[2])

    async def neighbour(self) -> Tenant:
        """Somebody else with a platform of their own, made now."""
        record = read_record(MeshHome.at(self._home))
        assert record is not None
        token = await token_of(record, "neighbour@example.com", Role.ADMIN, 3600.0)
        async with Client(self.address, token) as client:
            await client.create_platform(NEIGHBOUR.partition("/")[2])
        return Tenant(NEIGHBOUR, token)

    def find(self, name: str) -> ProcessIdentity | None:
        """See World."""
        record = read_record(MeshHome.at(self._home))
        if record is None:
            return None
        found = {one.name: one.identity for one in record.processes}
        identity = found["data" if name == "engine" else name]
        if identity is None or not identity.alive():
            return None
        return engine_of(identity) if name == "engine" else identity

    async def settled(self) -> tuple[str, ...]:
        """As of a data service alone."""
        return ()

    async def stop(self) -> None:
        """See World."""
        if self._up:
            self._up = False
            await stop_mesh(self._settings(), lambda _: None)


def engine_of(data: ProcessIdentity | None) -> ProcessIdentity | None:
    """The engine that this data service started, of several the first."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(data.pid).children() if data is not None else ():
            if "aidatalabs_services.data.engine" in child.cmdline():
                return ProcessIdentity.of(child.pid)
    return None


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These variables as long as the block runs, and no other of the product's."""
    before = dict(os.environ)
    for name in before:
        if name.startswith("AIDATALABS_"):
            del os.environ[name]
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class Place:
    """Where worlds are made: a folder of this run, and which kind."""

    folder: Path
    kind: Callable[[Path, str, Mapping[str, str]], World]
    settings: Mapping[str, str] = field(default_factory=SETTINGS.copy)

    @asynccontextmanager
    async def world(self, twin: str = NO_TWIN) -> AsyncIterator[World]:
        """A world that is up; it is stopped however the block ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        made = self.kind(self.folder, twin, self.settings)
        try:
            await made.start()
            yield made
        finally:
            await made.stop()

"""What the edge costs under load: GetPlatform at 1, 32 and 500 callers, made by k6.

Measured in turns: a FastAPI app that does the same work, the platform service started a second time without
the edge before it (over TCP, with the mesh's mTLS where the mesh has it), and the edge over gRPC and REST.
Every caller has a connection of its own; the edge bundles them, which is part of its work.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import psutil

from aidatalabs_services.cli.demo import PLATFORM
from aidatalabs_services.mesh.ports import HOST
from aidatalabs_services.runtime.server import LIFELINE_VARIABLE
from aidatalabs_services.runtime.tls import server_name
from benchmarks.load import Load, LoadJob, load
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, row

CALLERS = (1, 32, 500)
_SECONDS = {1: 2.0, 32: 4.0, 500: 8.0}
_ENV = "AIDATALABS_PLATFORM_"
_METHOD = "aidatalabs.platform.v1.PlatformService/GetPlatform"

_FASTAPI = "FastAPI and uvicorn, same work"
_DIRECT = "gRPC, service without edge"
_EDGE = "gRPC, edge"
_REST = "REST, edge"


async def run(mesh: Mesh) -> list[Row]:
    """Rates, latencies and errors of each way and number of callers."""
    process = next(one for one in mesh.record.processes if one.name == "platform")
    assert process.identity is not None
    env = psutil.Process(process.identity.pid).environ()
    rows: list[Row] = []
    async with _second_service(env) as direct, _fastapi(env) as fastapi:
        grpc_job = LoadJob("grpc", mesh.edge, mesh.headers, _METHOD, {"name": PLATFORM})
        jobs = {
            _FASTAPI: LoadJob("http", f"http://{fastapi}/api/v1/{PLATFORM}", mesh.headers),
            _DIRECT: _past_the_edge(grpc_job, direct, env),
            _EDGE: grpc_job,
            _REST: LoadJob("http", f"{mesh.url}/api/v1/{PLATFORM}", mesh.headers),
        }
        for callers in CALLERS:
            seconds = _SECONDS[callers]
            found = {
                way: await load(replace(job, callers=callers, seconds=seconds)) for way, job in jobs.items()
            }
            rows += _rows(found, callers)
    return rows


def _rows(found: Mapping[str, Load], callers: int) -> list[Row]:
    name = f"{callers} caller{'s' if callers > 1 else ''}"
    peers = {_DIRECT: _FASTAPI, _EDGE: _DIRECT, _REST: _DIRECT}
    rows = []
    for way, measured in found.items():
        peer = peers.get(way)
        rows.append(
            row(
                f"load: {way}, {name}",
                measured.rate,
                "calls/s",
                peer=peer,
                peer_value=found[peer].rate if peer else None,
                goal="ratio >= 0.5" if way in (_EDGE, _REST) and callers == 32 else None,
            )
        )
        if way == _REST:
            fastapi = found[_FASTAPI].rate
            rows.append(
                row(f"load: {way}, {name}", measured.rate, "calls/s", peer=_FASTAPI, peer_value=fastapi)
            )
        goal = "ratio <= 3" if way in (_EDGE, _REST) and callers == 500 else None
        rows.append(
            row(
                f"load: {way}, {name}: p99",
                measured.p99_ms,
                "ms",
                peer="its p50",
                peer_value=measured.p50_ms,
                goal=goal,
            )
        )
        rows.append(row(f"load: {way}, {name}: errors", measured.errors, "calls", goal="0"))
    return rows


def _past_the_edge(job: LoadJob, address: str, env: Mapping[str, str]) -> LoadJob:
    """The job to the second service: as the edge, with its certificate, where the mesh has certificates."""
    certificate = env.get(f"{_ENV}TLS_CERTIFICATE")
    if certificate is None:
        return replace(job, target=address)
    folder = Path(certificate).parent
    files = {"cacerts": "ca.pem", "cert": "edge.pem", "key": "edge.key"}
    tls = {key: (folder / name).read_text(encoding="utf-8") for key, name in files.items()}
    host, _, port = address.rpartition(":")
    name = server_name("platform")
    return replace(job, target=f"{name}:{port}", connect={"tls": tls}, hosts={name: host})


@contextlib.asynccontextmanager
async def _second_service(env: Mapping[str, str]) -> AsyncIterator[str]:
    """The platform service once more, listening on TCP; yields its address."""
    address = _free_address()
    own = {name: value for name, value in env.items() if name != LIFELINE_VARIABLE}
    own[f"{_ENV}LISTEN_ADDRESS"] = address
    own[f"{_ENV}METRICS_ADDRESS"] = _free_address()
    async with _process(own, "-P", "-m", "aidatalabs_services", "platform") as process:
        async with asyncio.timeout(20):
            await _listening(address, process)
        yield address


@contextlib.asynccontextmanager
async def _fastapi(env: Mapping[str, str]) -> AsyncIterator[str]:
    address = _free_address()
    async with _process(
        env, "-m", "benchmarks.fastapi_peer", address.rpartition(":")[2], heard=True
    ) as process:
        assert process.stdout is not None
        if not await process.stdout.readline():
            raise RuntimeError("the FastAPI peer did not start")
        yield address


@contextlib.asynccontextmanager
async def _process(
    env: Mapping[str, str], *words: str, heard: bool = False
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process that ends with the block; its output is a pipe where it is `heard`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        env=env,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE if heard else asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(address: str, process: asyncio.subprocess.Process) -> None:
    """Waits until the process accepts connections there."""
    host, _, port = address.rpartition(":")
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"the service at {address} ended with status {process.returncode}")
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"{HOST}:{probe.getsockname()[1]}"

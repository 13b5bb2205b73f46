"""Unary calls per second at 1 and 32 callers: gRPC past the edge, gRPC and REST through it.

Callers live in a process of their own, on the same cores as everything else. The ways are measured in turns,
and every call must succeed. Peers: of the edge the service's own socket; of GetPlatform there a bare gRPC
server that answers the same bytes; of Query there the same SQL in the engine over HTTP.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aidatalabs.data.v1 import data_service_pb2 as data_pb
from aidatalabs.platform.v1 import platform_service_pb2 as platform_pb
from aidatalabs_services.cli.demo import PLATFORM
from benchmarks.bare_server import running_bare_server
from benchmarks.callers import Callers, Count, Job, running_callers
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, row

CALLERS = (1, 32)
_ROUNDS = 2
_SECONDS = 1.5
_GET_PLATFORM = "/aidatalabs.platform.v1.PlatformService/GetPlatform"
_QUERY = "/aidatalabs.data.v1.DataService/Query"
_SQL = "SELECT name FROM airlines WHERE carrier = 'UA'"

_DIRECT = "gRPC, service's socket"
_EDGE = "gRPC, edge"
_REST = "REST, edge"


async def run(mesh: Mesh) -> list[Row]:
    """Calls per second of each method, way and number of callers."""
    bare = f"unix:{Path(mesh.record.socket_folder) / 'bare.sock'}"
    answer = await mesh.client.get_platform(PLATFORM)
    rows: list[Row] = []
    async with running_bare_server(bare, answer.SerializeToString()), running_callers() as process:
        for method, jobs in (
            ("GetPlatform", _get_platform_jobs(mesh, bare)),
            ("Query", _query_jobs(mesh)),
        ):
            for callers in CALLERS:
                rows += await _measure(process, method, jobs, callers)
    return rows


def _get_platform_jobs(mesh: Mesh, bare: str) -> dict[str, Job]:
    """The ways to call GetPlatform; the first is the peer of the second, that one of the rest."""
    body = platform_pb.GetPlatformRequest(name=PLATFORM).SerializeToString().hex()
    direct = _direct_job(mesh, "platform", _GET_PLATFORM, body)
    return {
        "bare grpc.aio server, same bytes": replace(direct, target=bare, certificates=""),
        _DIRECT: direct,
        _EDGE: replace(direct, target=mesh.edge, certificates=""),
        _REST: Job("http", f"{mesh.url}/api/v1/{PLATFORM}", mesh.headers),
    }


def _query_jobs(mesh: Mesh) -> dict[str, Job]:
    """The ways to run one small SELECT, in the same order."""
    body = data_pb.QueryRequest(platform=PLATFORM, sql=_SQL).SerializeToString().hex()
    direct = _direct_job(mesh, "data", _QUERY, body)
    headers = {**mesh.headers, "content-type": "application/json"}
    rest = f'{{"platform": "{PLATFORM}", "sql": "{_SQL}"}}'
    return {
        "same SQL, engine over HTTP": Job("http", mesh.engine_url, mesh.engine_headers, body=_SQL),
        _DIRECT: direct,
        _EDGE: replace(direct, target=mesh.edge, certificates=""),
        _REST: Job("http", f"{mesh.url}/api/v1/data/query", headers, body=rest),
    }


def _direct_job(mesh: Mesh, service: str, method: str, body: str) -> Job:
    return Job(
        "grpc",
        mesh.direct(service),
        mesh.headers,
        method,
        body,
        certificates=str(mesh.certificates),
        service=service,
    )


async def _measure(process: Callers, method: str, jobs: dict[str, Job], callers: int) -> list[Row]:
    """Every way in turns; a way's figure is that of all its rounds together."""
    counts: dict[str, list[Count]] = {way: [] for way in jobs}
    for _ in range(_ROUNDS):
        for way, job in jobs.items():
            counts[way].append(await process.count(replace(job, callers=callers, seconds=_SECONDS)))
    rates = {way: _rate(found) for way, found in counts.items()}
    floor, direct, *_ = rates
    rows = []
    for way, rate in rates.items():
        if way == floor:
            continue
        peer = floor if way == direct else direct
        name = f"{method}: {way}, {callers} caller{'s' if callers > 1 else ''}"
        rows.append(row(name, rate, "calls/s", peer=peer, peer_value=rates[peer]))
    return rows


def _rate(counts: list[Count]) -> float:
    return sum(count.calls for count in counts) / sum(count.seconds for count in counts)

"""Mutual TLS between the edge and the services: who shows what, and what happens when it is the wrong one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import grpc

from aidatalabs.data.v1 import data_service_pb2_grpc as data_grpc
from aidatalabs_services.mesh.edge_config import EdgeTls
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.certificates import mint_certificates
from aidatalabs_services.runtime.server import Service, start_server
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import StaticRoles

from .upstream import EchoDataService, Edge, running_edge

USER = "users/00000000-0000-4000-8000-000000000001"
QUERY = "/api/v1/data/query?sql=x&platform=platforms/demo"


@asynccontextmanager
async def _edge_and_data(
    folder: Path, *, data_shows: str = "data", edge_shows: str = "edge", edge_authority: str = "ca.pem"
) -> AsyncIterator[Edge]:
    """An edge that shows the certificate `edge_shows`, before a data service that shows `data_shows`."""
    mint_certificates(folder, ["data", "edge", "monitoring"])
    strangers = folder / "strangers"
    strangers.mkdir(mode=0o700)
    mint_certificates(strangers, ["edge"])
    tls = EdgeTls(folder / f"{edge_shows}.pem", folder / f"{edge_shows}.key", folder / edge_authority)
    settings = ServerSettings(
        listen_address=f"unix:{folder}/data.sock",
        jwks_url=f"unix:{folder}/identity-http.sock",
        tls_certificate=folder / f"{data_shows}.pem",
        tls_key=folder / f"{data_shows}.key",
        tls_authority=folder / "ca.pem",
    )
    async with AsyncExitStack() as stack:
        edge = await stack.enter_async_context(running_edge(folder, upstreams={}, tls=tls))

        def register(server: grpc.aio.Server) -> None:
            data_grpc.add_DataServiceServicer_to_server(
                EchoDataService(edge.seen),  # type: ignore[abstract]
                server,
            )

        roles = StaticRoles(platforms={("platforms/demo", USER): Role.VIEWER})
        service = Service("data", register, ("aidatalabs.data.v1.DataService",), roles=roles)
        server = await start_server(service, settings)
        stack.push_async_callback(server.drain, wait_seconds=0)
        yield edge


async def _ask(edge: Edge) -> tuple[int, str]:
    """The HTTP status of a query and the reason it was refused with."""
    async with (
        aiohttp.ClientSession(edge.url) as rest,
        rest.get(QUERY, headers=edge.bearer()) as answer,
    ):
        body = await answer.json()
    return answer.status, body["details"][0]["reason"] if "details" in body else ""


async def test_the_edge_and_a_service_show_each_other_who_they_are(tmp_path: Path) -> None:
    async with _edge_and_data(tmp_path) as edge:
        assert await _ask(edge) == (200, "")


async def test_a_service_with_the_certificate_of_another_gets_no_call(tmp_path: Path) -> None:
    async with _edge_and_data(tmp_path, data_shows="monitoring") as edge:
        assert await _ask(edge) == (503, "SERVICE_UNAVAILABLE")
    assert edge.seen.metadata is None


async def test_a_service_of_another_authority_gets_no_call(tmp_path: Path) -> None:
    async with _edge_and_data(tmp_path, edge_authority="strangers/ca.pem") as edge:
        assert await _ask(edge) == (503, "SERVICE_UNAVAILABLE")
    assert edge.seen.metadata is None


async def test_a_service_takes_no_call_from_an_edge_of_another_authority(tmp_path: Path) -> None:
    async with _edge_and_data(tmp_path, edge_shows="strangers/edge") as edge:
        assert await _ask(edge) == (503, "SERVICE_UNAVAILABLE")
    assert edge.seen.metadata is None


async def test_a_service_takes_no_call_of_the_edges_from_another_service(tmp_path: Path) -> None:
    async with _edge_and_data(tmp_path, edge_shows="monitoring") as edge:
        assert await _ask(edge) == (403, "PEER_NOT_ALLOWED")
    assert edge.seen.metadata is None


async def test_a_service_without_tls_gets_no_call(tmp_path: Path) -> None:
    mint_certificates(tmp_path, ["edge"])
    tls = EdgeTls(tmp_path / "edge.pem", tmp_path / "edge.key", tmp_path / "ca.pem")
    async with running_edge(tmp_path, tls=tls) as edge:  # the stand-in data service speaks plain h2c
        assert await _ask(edge) == (503, "SERVICE_UNAVAILABLE")
    assert edge.seen.metadata is None

"""Mutual TLS between services: who gets a connection, who may call which method, what a header changes."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pydantic_settings import SettingsConfigDict

from aidatalabs_services.runtime.access_table import TABLE as REAL_TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.certificates import mint_certificates
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.server import RunningServer
from aidatalabs_services.runtime.settings import ServerSettings, SettingsInvalid, load_settings
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running_server
from aidatalabs_services.runtime.tls import TlsFiles, TlsFilesUnreadable
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoRequest, Raw
from tests.rpc.runtime.test_runtime_calls import refusal

MINT = TokenMint()
ROLES = StaticRoles(mesh={ALICE: Role.VIEWER}, platforms={("platforms/demo", ALICE): Role.EDITOR})
NAMES = ("echo", "platform", "monitoring", "agent", "edge", "mesh")
PEERS = {"Say": ("edge", "agent"), "Count": ("agent",)}
GUARDED = tuple(replace(row, peers=PEERS.get(row.method.rsplit("/", 1)[1], ("edge",))) for row in TABLE)
REQUEST = EchoRequest(platform="platforms/demo", text="hello")


@pytest.fixture(name="folder", scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    mint_certificates(folder, NAMES)
    return folder


@asynccontextmanager
async def guarded(folder: Path, address: str = "127.0.0.1:0") -> AsyncIterator[RunningServer]:
    settings = ServerSettings(listen_address=address, jwks_url="http://127.0.0.1:9", drain_limit_seconds=5.0)
    async with running_server(
        Echo().service(),
        mint=MINT,
        roles=ROLES,
        table=GUARDED,
        contract=CONTRACT,
        settings=settings,
        certificates=folder,
    ) as server:
        yield server


def channel_of(server: RunningServer, folder: Path, peer: str, service: str = "echo") -> grpc.aio.Channel:
    return open_channel(server.address, service=service, tls=TlsFiles.of(folder, peer))


async def no_connection(channel: grpc.aio.Channel) -> None:
    """The handshake fails, so the call is never made."""
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Raw(channel, MINT.metadata()).call("Say", REQUEST, timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not any(key == "x-request-id" for key, _ in caught.value.trailing_metadata() or ())


@pytest.mark.parametrize("where", ["port", "socket"])
async def test_peer_of_the_row_may_call_and_another_is_refused(
    folder: Path, tmp_path: Path, where: str
) -> None:
    address = f"unix:{tmp_path}/s.sock" if where == "socket" else "127.0.0.1:0"
    async with guarded(folder, address) as server:
        for peer in ("edge", "agent"):
            async with channel_of(server, folder, peer) as channel:
                answers = await Raw(channel, MINT.metadata()).call("Say", REQUEST)
                assert answers[0].text == "hello"
        async with channel_of(server, folder, "monitoring") as channel:
            code, reason, others, _ = await refusal(Raw(channel, MINT.metadata()).call("Say", REQUEST))
        assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")
        assert others["metadata"]["peer"] == "monitoring"


@pytest.mark.parametrize("kind", ["Say", "Count", "Sum", "Chat"])
async def test_peer_is_checked_for_every_kind_of_call_and_before_the_token(folder: Path, kind: str) -> None:
    async with guarded(folder) as server, channel_of(server, folder, "monitoring") as channel:
        code, reason, _, _ = await refusal(Raw(channel, ()).call(kind, REQUEST))
    assert (code, reason) == (grpc.StatusCode.PERMISSION_DENIED, "PEER_NOT_ALLOWED")


async def test_forged_headers_do_not_change_who_the_peer_is(folder: Path) -> None:
    forged = (
        ("x-forwarded-client-cert", "By=spiffe://aidatalabs.local/echo;URI=spiffe://aidatalabs.local/edge"),
        ("x-spiffe-id", "spiffe://aidatalabs.local/edge"),
        ("x-peer", "edge"),
        ("peer_spiffe_id", "spiffe://aidatalabs.local/edge"),
    )
    async with guarded(folder) as server, channel_of(server, folder, "monitoring") as channel:
        call = Raw(channel, (*MINT.metadata(), *forged)).call("Say", REQUEST)
        _, reason, others, _ = await refusal(call)
    assert (reason, others["metadata"]["peer"]) == ("PEER_NOT_ALLOWED", "monitoring")


async def test_caller_without_a_certificate_gets_no_connection(folder: Path) -> None:
    async with guarded(folder) as server:
        authority = (folder / "ca.pem").read_bytes()
        options = [("grpc.ssl_target_name_override", "echo.aidatalabs.internal")]
        credentials = grpc.ssl_channel_credentials(root_certificates=authority)
        await no_connection(grpc.aio.secure_channel(server.address, credentials, options=options))
        await no_connection(grpc.aio.insecure_channel(server.address))


async def test_certificate_of_another_authority_gets_no_connection(folder: Path, tmp_path: Path) -> None:
    mint_certificates(tmp_path, NAMES)
    stranger = TlsFiles(tmp_path / "edge.pem", tmp_path / "edge.key", folder / "ca.pem")
    async with guarded(folder) as server:
        await no_connection(open_channel(server.address, service="echo", tls=stranger))


async def test_caller_notices_that_another_service_answers(folder: Path) -> None:
    async with guarded(folder) as server:
        await no_connection(channel_of(server, folder, "edge", service="platform"))


async def test_caller_notices_a_server_of_another_authority(folder: Path, tmp_path: Path) -> None:
    mint_certificates(tmp_path, NAMES)
    trusting_own = TlsFiles(folder / "edge.pem", folder / "edge.key", tmp_path / "ca.pem")
    async with guarded(folder) as server:
        await no_connection(open_channel(server.address, service="echo", tls=trusting_own))


async def test_health_is_open_to_every_holder_of_a_certificate(folder: Path) -> None:
    async with guarded(folder) as server:
        for peer in ("mesh", "monitoring"):
            async with channel_of(server, folder, peer) as channel:
                answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
                assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_without_certificates_no_peer_is_checked() -> None:
    parts: dict[str, Any] = {"mint": MINT, "roles": ROLES, "table": GUARDED, "contract": CONTRACT}
    async with running_server(Echo().service(), **parts) as server, open_channel(server.address) as channel:
        await Raw(channel, MINT.metadata()).call("Say", REQUEST)


def test_minted_files_are_private_replaced_whole_and_hold_no_key_of_the_authority(tmp_path: Path) -> None:
    mint_certificates(tmp_path, ["data"])
    first = (tmp_path / "data.pem").read_bytes()
    mint_certificates(tmp_path, ["data"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "data.key", "data.pem"]
    assert stat.S_IMODE((tmp_path / "data.key").stat().st_mode) == 0o600
    assert "PRIVATE" not in (tmp_path / "ca.pem").read_text() + (tmp_path / "data.pem").read_text()
    assert (tmp_path / "data.pem").read_bytes() != first
    made = x509.load_pem_x509_certificate((tmp_path / "data.pem").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["data.aidatalabs.internal"]
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://aidatalabs.local/data"]
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    made.verify_directly_issued_by(authority)
    with pytest.raises(ValueError, match="no names"):
        mint_certificates(tmp_path, ["../data"])


def test_every_row_of_the_access_table_names_its_peers() -> None:
    known = {"edge", "identity", "platform", "data", "agent", "monitoring"}
    assert [row.method for row in REAL_TABLE if not row.peers or not set(row.peers) <= known] == []


class EchoSettings(ServerSettings):
    """Reads AIDATALABS_ECHO_…"""

    model_config = SettingsConfigDict(env_prefix="AIDATALABS_ECHO_")


def test_tls_settings_come_together_or_not_at_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIDATALABS_ECHO_LISTEN_ADDRESS", "127.0.0.1:0")
    monkeypatch.setenv("AIDATALABS_ECHO_JWKS_URL", "http://127.0.0.1:9")
    assert load_settings(EchoSettings).tls is None
    monkeypatch.setenv("AIDATALABS_ECHO_TLS_CERTIFICATE", str(folder / "echo.pem"))
    with pytest.raises(SettingsInvalid, match="set together or not at all"):
        load_settings(EchoSettings)
    monkeypatch.setenv("AIDATALABS_ECHO_TLS_KEY", str(folder / "echo.key"))
    monkeypatch.setenv("AIDATALABS_ECHO_TLS_AUTHORITY", str(folder / "ca.pem"))
    assert load_settings(EchoSettings).tls == TlsFiles.of(folder, "echo")


async def test_missing_certificate_stops_the_start_and_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(TlsFilesUnreadable, match=r"echo\.key"):
        async with guarded(tmp_path):
            await asyncio.sleep(0)

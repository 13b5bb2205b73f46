"""Address, token, TLS, and calls that are made again: against the fake server, in both clients."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aidatalabs.identity.v1 import user_pb2
from aidatalabs_client import ApiError, Client, SyncClient, errors
from aidatalabs_client.connection import is_this_machine
from aidatalabs_client.testing import FakeServer

P = "platforms/demo"


@pytest.mark.parametrize(
    ("code", "reason"), [("UNAVAILABLE", "SERVICE_UNAVAILABLE"), ("RESOURCE_EXHAUSTED", "OVERLOADED")]
)
def test_both_clients_wait_as_long_as_the_mesh_says_and_call_again(code: str, reason: str) -> None:
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        fake.fail(code, reason, times=2, retry_after_seconds=0.15)
        begun = time.monotonic()
        assert client.get_platform(P).name == P
        assert 0.3 <= time.monotonic() - begun < 1.5
    assert [call.method for call in fake.calls] == ["PlatformService/GetPlatform"] * 3


async def test_resource_exhausted_without_a_time_to_wait_is_raised_at_once() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        fake.fail("RESOURCE_EXHAUSTED", "QUERY_MEMORY_EXCEEDED", times=5)
        with pytest.raises(errors.QueryMemoryExceeded):
            await client.query(P, "SELECT 1")
    assert len(fake.calls) == 1


async def test_a_time_to_wait_beyond_the_patience_is_not_waited() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        fake.fail("RESOURCE_EXHAUSTED", "OVERLOADED", retry_after_seconds=3600)
        with pytest.raises(errors.Overloaded) as caught:
            await client.query(P, "SELECT 1")
    assert caught.value.retry_after_seconds == 3600
    assert len(fake.calls) == 1


async def test_rows_are_stored_once_however_often_the_call_is_made_again() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        fake.fail(times=2, retry_after_seconds=0.01, method="Ingest")
        receipt = await client.ingest_events(P, [{"timestamp": "2026-01-02T03:04:05Z", "event_type": "x"}])
        assert (receipt.accepted_count, receipt.duplicate_count) == (1, 0)
    assert len({call.request.request_id for call in fake.calls}) == 1
    assert len(fake.calls) == 3
    assert len(fake.rows("events")) == 1


async def test_a_stream_is_called_again_until_its_first_message() -> None:
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        fake.result("SELECT 1", [{"x": 1}])
        fake.fail(times=2, retry_after_seconds=0.01)
        assert (await client.query_arrow(P, "SELECT 1")).to_pylist() == [{"x": 1}]
        assert len(fake.calls) == 3
        fake.fail("INVALID_ARGUMENT", "QUERY_FAILED")
        with pytest.raises(errors.QueryFailed):
            await client.query_arrow(P, "SELECT 1")
        assert len(fake.calls) == 4


async def test_a_token_that_expired_is_asked_for_again_once_and_the_call_made_again() -> None:
    made: list[str] = []

    def token() -> str:
        made.append(f"token-{len(made)}")
        return made[-1]

    async with FakeServer() as fake, Client(fake.address, token) as client:
        await client.current_user()
        await client.current_user()
        assert made == ["token-0"]
        fake.fail("UNAUTHENTICATED", "TOKEN_EXPIRED")
        await client.ingest_events(P, [])
        fake.fail("UNAUTHENTICATED", "TOKEN_EXPIRED")
        fake.result("SELECT 1", [{"x": 1}])
        await client.query_arrow(P, "SELECT 1")
        assert [call.token for call in fake.calls] == [f"token-{n}" for n in (0, 0, 0, 1, 1, 2)]
        fake.fail("UNAUTHENTICATED", "TOKEN_EXPIRED", times=9)
        with pytest.raises(errors.TokenExpired):
            await client.current_user()
    assert len(made) == 4


async def test_an_async_function_gives_the_token_once_for_calls_at_the_same_time() -> None:
    made: list[str] = []

    async def token() -> str:
        await asyncio.sleep(0.05)
        made.append("awaited")
        return "awaited"

    async with FakeServer() as fake, Client(fake.address, token) as client:
        await asyncio.gather(*[client.current_user() for _ in range(5)])
    assert made == ["awaited"]
    assert {call.token for call in fake.calls} == {"awaited"}


async def test_a_fixed_token_that_expired_is_not_sent_twice() -> None:
    async with FakeServer() as fake, Client(fake.address, "fixed") as client:
        fake.fail("UNAUTHENTICATED", "TOKEN_EXPIRED")
        with pytest.raises(errors.TokenExpired):
            await client.current_user()
    assert len(fake.calls) == 1


def test_address_and_token_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeServer() as fake:
        monkeypatch.setenv("AIDATALABS_ADDRESS", f"http://{fake.address}/")
        monkeypatch.setenv("AIDATALABS_TOKEN", "from-the-environment")
        with SyncClient() as client:
            client.current_user()
        with SyncClient(token="given") as client:
            client.current_user()
    assert [call.token for call in fake.calls] == ["from-the-environment", "given"]


async def test_a_client_may_be_made_before_its_event_loop() -> None:
    async with FakeServer() as fake:
        client = await asyncio.to_thread(Client, fake.address, "t")
        async with client:
            assert (await client.current_user()).email
        with pytest.raises(RuntimeError, match="closed"):
            await client.current_user()


async def test_lists_are_read_page_by_page_and_only_as_far_as_they_are_used() -> None:
    names = [f"platforms/p{number}" for number in range(7)]
    async with FakeServer(platforms=names) as fake, Client(fake.address, "t") as client:
        assert [one.name async for one in client.platforms(page_size=3)] == names
        assert len(fake.calls) == 3
        async for one in client.platforms(page_size=3):
            assert one.name == names[0]
            break
        assert len(fake.calls) == 4
        assert [one.name for one in await client.list_platforms()] == names
        with pytest.raises(errors.InvalidRequest, match="neither filters nor orders"):
            await client.list_tables(names[0], filter="name = x", order_by="name desc")
        assert (fake.calls[-1].request.filter, fake.calls[-1].request.order_by) == ("name = x", "name desc")


def certificate_for_this_machine() -> tuple[bytes, bytes]:
    """Key and certificate (PEM) of 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)


async def test_tls_is_spoken_to_whom_the_given_authority_signed_and_to_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aidatalabs_client.retries._PAUSE_SECONDS", 0.01)
    key, certificate = certificate_for_this_machine()
    (tmp_path / "ca.pem").write_bytes(certificate)

    async def answered(request: bytes, context: object) -> user_pb2.User:
        return user_pb2.User(email="tls@example.com")

    handler: Any = grpc.unary_unary_rpc_method_handler(
        answered, response_serializer=user_pb2.User.SerializeToString
    )
    service = "aidatalabs.identity.v1.IdentityService"
    server = grpc.aio.server()
    generic = grpc.method_handlers_generic_handler(service, {"GetCurrentUser": handler})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
    await server.start()
    try:
        async with Client(f"127.0.0.1:{port}", "t", ca_file=tmp_path / "ca.pem") as client:
            assert (await client.current_user()).email == "tls@example.com"
        async with Client(f"https://127.0.0.1:{port}", "t") as client:
            with pytest.raises(ApiError) as caught:
                await client.current_user()
        assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "")
        assert "AIDATALABS_ADDRESS" in caught.value.next_step
    finally:
        await server.stop(0)


async def test_a_token_out_of_a_file_ends_in_a_line_end_that_is_not_sent() -> None:
    async with FakeServer() as fake:
        for token in ("from-a-file\n", lambda: " from-a-file\n"):
            async with Client(fake.address, token) as client:
                await client.current_user()
    assert [call.token for call in fake.calls] == ["from-a-file"] * 2


@pytest.mark.parametrize("token", ["two\nlines", "sécret"])
async def test_a_token_that_no_header_can_carry_is_refused_as_one_and_not_told(token: str) -> None:
    async with FakeServer() as fake, Client(fake.address, token) as client:
        with pytest.raises(errors.TokenInvalid) as caught:
            await client.current_user()
    assert (caught.value.exit_code, fake.calls) == (16, [])
    assert token not in f"{caught.value} {caught.value!r}"


async def test_a_time_to_wait_of_next_to_nothing_does_not_become_a_flood() -> None:
    async with FakeServer() as fake, Client(fake.address, "t", patience_seconds=0.5) as client:
        fake.fail("RESOURCE_EXHAUSTED", "OVERLOADED", times=10_000, retry_after_seconds=0.0001)
        with pytest.raises(errors.Overloaded):
            await client.current_user()
    assert 5 <= len(fake.calls) <= 12


async def bytes_read_slowly(client: Client) -> int:
    """The size of a file of two megabytes, whose reader takes half a second."""
    byte_count = 0
    async for piece in client.export(P, "SELECT t", "CSV"):
        byte_count += len(piece)
        await asyncio.sleep(0.02)
    return byte_count


async def test_the_reader_of_a_stream_may_take_longer_than_a_call_may() -> None:
    async with FakeServer() as fake:
        fake.result("SELECT t", [{"t": "x" * 100_000}] * 20)
        async with Client(fake.address, "t", timeout_seconds=0.2) as client:
            assert await bytes_read_slowly(client) > 2_000_000
        async with Client(fake.address, "t", stream_timeout_seconds=0.2) as client:
            with pytest.raises(ApiError) as caught:
                await bytes_read_slowly(client)
    assert caught.value.code == "DEADLINE_EXCEEDED"


async def test_a_call_under_way_ends_with_cancelled_when_its_client_is_closed() -> None:
    async def never(request: bytes, context: object) -> user_pb2.User:
        await asyncio.sleep(20)
        return user_pb2.User()

    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(never)
    service = "aidatalabs.identity.v1.IdentityService"
    generic = grpc.method_handlers_generic_handler(service, {"GetCurrentUser": handler})
    server.add_generic_rpc_handlers((generic,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        client = Client(f"127.0.0.1:{port}", "t")
        given_up, calling = [asyncio.create_task(client.current_user()) for _ in range(2)]
        await asyncio.sleep(0.2)
        given_up.cancel()
        with pytest.raises(asyncio.CancelledError):  # whoever cancels a task has it cancelled
            await given_up
        await client.close()
        with pytest.raises(ApiError) as caught:
            await calling
        assert (caught.value.code, caught.value.exit_code) == ("CANCELLED", 1)
    finally:
        await server.stop(0)


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with FakeServer() as fake, Client(fake.address, "t") as client:
        assert (await client.current_user()).email


@pytest.mark.parametrize(
    ("address", "here"),
    [
        ("127.0.0.1:8080", True),
        ("http://localhost:8080/", True),
        ("localhost", True),
        ("[::1]:80", True),
        ("https://mesh.example.com", False),
        ("127.0.0.1.example.com:80", False),
        ("10.0.0.1:80", False),
        ("[:80", False),
    ],
)
def test_addresses_of_this_machine_are_known(address: str, here: bool) -> None:
    assert is_this_machine(address) is here

"""Starting and stopping: health, reflection, sockets, drain, signals and the parent's pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from aidatalabs_services.runtime.access import AccessTableIncomplete, MethodAccess, Scope, check_complete
from aidatalabs_services.runtime.access_table import TABLE as REAL_TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.contract import load_contract
from aidatalabs_services.runtime.server import AddressInUse, start_server
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running, running_server
from tests.rpc.runtime.echo_service import CONTRACT, NAME, TABLE, Echo, EchoRequest, EchoResponse, Raw

ROLES = StaticRoles(platforms={("platforms/demo", ALICE): Role.EDITOR})
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
MINT = TokenMint()


def settings(address: str = "127.0.0.1:0", **more: Any) -> ServerSettings:
    return ServerSettings(listen_address=address, jwks_url="http://127.0.0.1:9", **more)


def echo_server(echo: Echo | None = None, address: str = "127.0.0.1:0", **more: Any) -> Any:
    return running_server(
        (echo or Echo()).service(),
        mint=MINT,
        roles=ROLES,
        table=TABLE,
        contract=CONTRACT,
        settings=settings(address, **more),
    )


async def test_health_answers_for_every_service_without_a_token() -> None:
    async with echo_server() as server, open_channel(server.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for name in ("", NAME):
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nope"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_is_answered_while_every_place_is_taken() -> None:
    async def say(_request: Any) -> Any:
        await asyncio.sleep(1)
        return EchoResponse()

    async with (
        echo_server(Echo(say), running_calls=1, queued_calls=0) as server,
        open_channel(server.address) as channel,
    ):
        busy = asyncio.create_task(
            Raw(channel, MINT.metadata()).call("Say", EchoRequest(platform="platforms/demo"))
        )
        await asyncio.sleep(0.1)
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=0.5)
        assert answer.status == SERVING
        await busy


async def test_reflection_lists_the_whole_contract_and_needs_a_token() -> None:
    contract = load_contract()
    async with running(
        Echo().service(), mint=MINT, roles=ROLES, table=TABLE, contract=[*CONTRACT]
    ) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            async for _ in stub.ServerReflectionInfo(iter([request])):
                pass
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol=contract[0].full_name)
        answers = [
            a async for a in stub.ServerReflectionInfo(iter([request, symbol]), metadata=MINT.metadata())
        ]
        names = {service.name for service in answers[0].list_services_response.service}
        assert {NAME, "grpc.health.v1.Health"} <= names
        assert answers[1].file_descriptor_response.file_descriptor_proto


async def test_every_process_can_reflect_every_service_of_the_contract() -> None:
    names = {service.full_name for service in load_contract()}
    assert {"aidatalabs.common.v1.AccessService"} <= names


def test_access_table_fits_the_contract() -> None:
    check_complete(REAL_TABLE, load_contract())


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE[1:], "Say: no row in the access table"),
        ((*TABLE, MethodAccess("/a.b.C/D", Scope.MESH)), "/a.b.C/D: no such RPC"),
        ((*TABLE, TABLE[0]), "Say: more than one row"),
        ((replace(TABLE[0], platform_field="nope"), *TABLE[1:]), "no text field 'nope'"),
        ((replace(TABLE[0], platform_field="number"), *TABLE[1:]), "no text field 'number'"),
        ((replace(TABLE[0], deadline_seconds=0.0), *TABLE[1:]), "must be positive"),
    ],
)
async def test_process_does_not_start_when_table_and_contract_differ(table: Any, words: str) -> None:
    with pytest.raises(AccessTableIncomplete, match=words):
        await start_server(Echo().service(), settings(), table=table, contract=CONTRACT)


async def test_unix_socket_is_private_and_a_stale_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(path))
    async with echo_server(address=f"unix:{path}") as server, open_channel(server.address) as channel:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        await Raw(channel, MINT.metadata()).call("Say", EchoRequest(platform="platforms/demo"))
        with pytest.raises(AddressInUse, match="Another process listens"):
            async with echo_server(address=f"unix:{path}"):
                pass
        await Raw(channel, MINT.metadata()).call("Say", EchoRequest(platform="platforms/demo"))


async def test_address_in_use_is_a_clear_error_and_runs_the_close_hook(tmp_path: Path) -> None:
    closed = []

    async def close() -> None:
        closed.append(1)

    async with echo_server() as server:
        with pytest.raises(AddressInUse, match="Another process listens"):
            await start_server(
                replace(Echo().service(), close=close, roles=ROLES),
                settings(server.address),
                table=TABLE,
                contract=CONTRACT,
            )
    assert closed == [1]
    (tmp_path / "letter").write_text("mine")
    with pytest.raises(AddressInUse, match="is no socket"):
        async with echo_server(address=f"unix:{tmp_path / 'letter'}"):
            pass


async def test_drain_finishes_running_calls_takes_no_new_ones_and_ends_watches() -> None:
    order: list[str] = []

    async def say(_request: Any) -> Any:
        await asyncio.sleep(0.6)
        order.append("call ended")
        return EchoResponse(text="whole")

    async def close() -> None:
        order.append("closed")

    service = replace(Echo(say).service(), close=close)
    async with (
        running_server(
            service,
            mint=MINT,
            roles=ROLES,
            table=TABLE,
            contract=CONTRACT,
            settings=settings(drain_limit_seconds=10),
        ) as server,
        open_channel(server.address) as channel,
    ):
        client = Raw(channel, MINT.metadata())
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        running_call = asyncio.create_task(client.call("Say", EchoRequest(platform="platforms/demo")))
        await asyncio.sleep(0.1)
        begun = asyncio.get_running_loop().time()
        drain = asyncio.create_task(server.drain(wait_seconds=0.2))
        assert (await watch.read()).status == NOT_SERVING
        assert (await running_call)[0].text == "whole"
        await drain
        assert asyncio.get_running_loop().time() - begun < 2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch.read()
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert order == ["call ended", "closed"]


PROGRAM = """
import asyncio, sys
from dataclasses import replace
from aidatalabs_services.runtime import server
from aidatalabs_services.runtime.logs import configure_logging
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import StaticRoles
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo

async def close():
    print(f"closed after turns of {sys.getswitchinterval():g} seconds", flush=True)

configure_logging("echo")
service = replace(Echo().service(), roles=StaticRoles(), close=close)
settings = ServerSettings(listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9")
asyncio.run(server.run(service, settings, table=TABLE, contract=CONTRACT))
"""


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "lifeline"])
async def test_process_drains_and_ends_with_0(how: str) -> None:
    read_end, write_end = os.pipe()
    environment = os.environ | {"AIDATALABS_LIFELINE_FD": str(read_end)}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        stdout=-1,
        pass_fds=[read_end],
        env=environment,
        cwd=Path(__file__).parents[3],
    )
    os.close(read_end)
    try:
        assert child.stdout is not None
        line = await asyncio.wait_for(child.stdout.readline(), 30)
        assert b'"serving"' in line
        if how == "lifeline":
            os.close(write_end)
            write_end = -1
        else:
            child.send_signal(getattr(signal, how))
        rest, _ = await asyncio.wait_for(child.communicate(), 20)
        assert child.returncode == 0
        assert [word in rest.decode() for word in ("draining", "closed", "stopped")] == [True] * 3
        # Threads that compute are told to let the event loop on soon.
        assert "turns of 0.0005 seconds" in rest.decode()
    finally:
        if write_end >= 0:
            os.close(write_end)
        if child.returncode is None:
            child.kill()


async def test_metadata_of_30_kb_passes_and_of_70_kb_is_refused() -> None:
    async with echo_server() as server, open_channel(server.address) as channel:
        for size, fits in ((30_000, True), (70_000, False), (30_000, True)):
            metadata = (*MINT.metadata(), ("x-much", "m" * size))
            call = Raw(channel, metadata).call("Say", EchoRequest(platform="platforms/demo"), timeout=5)
            if fits:
                await call
                continue
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "symbol",
    [
        "aidatalabs.data.v1.DataService.Query",
        "aidatalabs.data.v1.ExportRequest.Format.CSV",
        "aidatalabs.data.v1.QueryRequest.sql",
    ],
)
async def test_reflection_finds_methods_values_and_fields_in_their_file(symbol: str) -> None:
    found = await _reflected(symbol)
    assert any(b"aidatalabs/data/v1/data_service.proto" in file for file in found)


@pytest.mark.parametrize("symbol", ["aidatalabs.data.v1.DataService.Nope", "nowhere.Nope", "", "."])
async def test_reflection_says_what_it_does_not_find(symbol: str) -> None:
    assert await _reflected(symbol) == []


async def _reflected(symbol: str) -> list[bytes]:
    """The files that reflection gives for a symbol; none where it says NOT_FOUND."""
    async with running(
        Echo().service(), mint=MINT, roles=ROLES, table=TABLE, contract=[*CONTRACT]
    ) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        answers = [a async for a in stub.ServerReflectionInfo(iter([request]), metadata=MINT.metadata())]
    if answers[0].HasField("error_response"):
        assert answers[0].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
        return []
    return list(answers[0].file_descriptor_response.file_descriptor_proto)

"""Calls between services: identity, time and refusals pass unchanged; roles are remembered briefly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest

from aidatalabs.common.v1 import access_service_pb2 as pb
from aidatalabs.common.v1 import access_service_pb2_grpc as pb_grpc
from aidatalabs_services.runtime.access import MethodAccess, Scope
from aidatalabs_services.runtime.caller import (
    Call,
    Caller,
    Role,
    current_call,
    current_caller,
    set_current_call,
)
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, open_channel, peer_errors
from aidatalabs_services.runtime.errors import (
    DeadlineExceeded,
    FieldViolation,
    PlatformNotFound,
    ServiceError,
    ServiceUnavailable,
    StatusCode,
    platform_not_found,
)
from aidatalabs_services.runtime.roles import RemoteRoleDirectory
from aidatalabs_services.runtime.server import Service
from aidatalabs_services.runtime.testing import ALICE, BOB, TokenMint, running, running_server
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoRequest, EchoResponse, Raw
from tests.rpc.runtime.test_runtime_calls import refusal

MINT = TokenMint()
NAME = "aidatalabs.common.v1.AccessService"
ACCESS_TABLE = (MethodAccess(f"/{NAME}/ResolveAccess", Scope.SELF, Role.NONE),)
ACCESS_CONTRACT = [pb.DESCRIPTOR.services_by_name["AccessService"]]


class Access(pb_grpc.AccessServiceServicer):
    """Alice edits demo; nobody else is a member of anything."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.pause_seconds = 0.0

    async def ResolveAccess(self, request: pb.ResolveAccessRequest, context: Any) -> pb.ResolveAccessResponse:
        user = current_caller().user
        self.asked.append((user, request.platform, current_call().request_id))
        await asyncio.sleep(self.pause_seconds)
        if request.platform not in ("", "platforms/demo") or (request.platform and user != ALICE):
            raise platform_not_found(request.platform)
        answer = pb.ResolveAccessResponse(user=user, mesh_role=pb.ROLE_VIEWER)
        if request.platform:
            answer.platform_role, answer.platform_uid = pb.ROLE_EDITOR, "uid-1"
        return answer


@asynccontextmanager
async def access_server(access: Access) -> AsyncIterator[str]:
    def register(server: grpc.aio.Server) -> None:
        pb_grpc.add_AccessServiceServicer_to_server(access, server)

    service = Service("platform", register, (NAME,))
    async with running_server(service, mint=MINT, table=ACCESS_TABLE, contract=ACCESS_CONTRACT) as server:
        yield server.address


def serve_call(user: str = ALICE, seconds: float = 5.0) -> None:
    """Makes this task look like one that serves a call."""
    deadline = asyncio.get_running_loop().time() + seconds
    set_current_call(Call("request-1", "/a/B", deadline, Caller(user, MINT.token(user))))


async def test_service_asks_the_platform_service_for_roles_with_the_callers_token() -> None:
    access = Access()
    async with access_server(access) as address, open_channel(address) as channel:
        echo = Echo()
        service = replace(echo.service(), roles=RemoteRoleDirectory(channel))
        async with running(service, mint=MINT, table=TABLE, contract=CONTRACT) as front:
            client = Raw(front, (*MINT.metadata(), ("x-request-id", "request-77")))
            for _ in range(5):
                await client.call("Sum", EchoRequest(platform="platforms/demo"))
            assert access.asked == [(ALICE, "platforms/demo", "request-77")]
            assert echo.seen_caller.platform_uid == "uid-1"
            code, reason, _, _ = await refusal(
                client.call("Say", EchoRequest(platform="platforms/demo"), metadata=MINT.metadata(BOB))
            )
            assert (code, reason) == (grpc.StatusCode.NOT_FOUND, "PLATFORM_NOT_FOUND")


async def test_roles_are_asked_anew_after_their_time_and_equal_questions_are_one() -> None:
    access = Access()
    access.pause_seconds = 0.05
    async with access_server(access) as address, open_channel(address) as channel:
        directory = RemoteRoleDirectory(channel, keep_seconds=0.2)
        serve_call()
        token = current_caller().token
        found = await asyncio.gather(*(directory.resolve(token, ALICE, "platforms/demo") for _ in range(20)))
        assert {item.platform_role for item in found} == {Role.EDITOR}
        assert len(access.asked) == 1
        await asyncio.sleep(0.25)
        await directory.resolve(token, ALICE, "platforms/demo")
        assert len(access.asked) == 2
        for _ in range(3):
            with pytest.raises(PlatformNotFound):
                await directory.resolve(token, ALICE, "platforms/other")
        assert len(access.asked) == 3


async def test_caller_who_goes_away_does_not_cancel_the_question_of_others() -> None:
    access = Access()
    access.pause_seconds = 0.2
    async with access_server(access) as address, open_channel(address) as channel:
        directory = RemoteRoleDirectory(channel)
        serve_call()
        token = current_caller().token
        first = asyncio.create_task(directory.resolve(token, ALICE, "platforms/demo"))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(directory.resolve(token, ALICE, "platforms/demo"))
        await asyncio.sleep(0.01)
        first.cancel()
        assert (await second).platform_role is Role.EDITOR
        assert len(access.asked) == 1


async def test_platform_service_that_is_down_makes_calls_unavailable_and_recovers() -> None:
    async with access_server(Access()) as address:
        pass
    async with open_channel(address, idempotent=[f"/{NAME}/ResolveAccess"]) as channel:
        service = replace(Echo().service(), roles=RemoteRoleDirectory(channel))
        async with running(service, mint=MINT, table=TABLE, contract=CONTRACT) as front:
            call = Raw(front, MINT.metadata()).call("Say", EchoRequest(platform="platforms/demo"))
            code, reason, others, _ = await refusal(call)
    assert (code, reason) == (grpc.StatusCode.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert others["metadata"]["service"] == "platform"
    assert "RetryInfo" in others


class TableNotKnown(ServiceError):
    """A refusal of the peer, with a constructor of its own."""

    code = StatusCode.INVALID_ARGUMENT
    reason = "TABLE_NOT_KNOWN"

    def __init__(self, table: str) -> None:
        super().__init__(
            f"There is no table {table} ø look.",
            metadata={"table": table},
            violations=[FieldViolation("sql", "names it")],
            retry_after_seconds=2.5,
        )


@pytest.mark.parametrize("known", [True, False])
async def test_refusal_of_a_peer_passes_through_a_service_unchanged(
    known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not known:
        monkeypatch.setattr("aidatalabs_services.runtime.channels.ServiceError.__subclasses__", list)

    async def refuse(_request: Any) -> Any:
        raise TableNotKnown("orders")

    chat = {"metadata": MINT.metadata()}
    async with running(Echo(refuse).service(), mint=MINT, table=TABLE, contract=CONTRACT) as back:

        async def relay(request: Any) -> Any:
            with peer_errors("data"):
                return (await Raw(back, call_metadata()).call("Chat", request, timeout=call_timeout()))[0]

        async with running(Echo(relay).service(), mint=MINT, table=TABLE, contract=CONTRACT) as front:
            answers = [
                await refusal(Raw(channel, chat["metadata"]).call("Chat", EchoRequest()))
                for channel in (back, front)
            ]
    for code, reason, others, error in answers:
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TABLE_NOT_KNOWN")
        assert error.details() == "There is no table orders ø look."
        assert others["metadata"]["table"] == "orders"
        assert others["BadRequest"].field_violations[0].field == "sql"
        assert others["RetryInfo"].retry_delay.ToMilliseconds() == 2500


async def test_peer_gets_less_time_than_is_left_and_none_is_a_refusal() -> None:
    left: list[float] = []

    async def note(_request: Any) -> Any:
        left.append(current_call().seconds_left())
        return EchoResponse()

    async with running(Echo(note).service(), mint=MINT, table=TABLE, contract=CONTRACT) as back:
        serve_call(seconds=0.8)
        await Raw(back, call_metadata()).call("Chat", EchoRequest(), timeout=call_timeout(0.3))
        assert 0.2 < left[0] <= 0.5
        serve_call(seconds=0.01)
        with pytest.raises(DeadlineExceeded):
            call_timeout()


async def bare_call(channel: Any) -> None:
    await channel.unary_unary("/a.B/C")(b"", timeout=5)


async def test_peer_without_our_details_becomes_a_refusal_of_ours() -> None:
    async def bare(_request: bytes, context: Any) -> bytes:
        await context.abort(codes.pop(0), "driver words")
        return b""

    codes = [grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED]
    wanted = ["INTERNAL", "SERVICE_UNAVAILABLE", "DEADLINE_EXCEEDED"]
    server = grpc.aio.server()
    handler: Any = grpc.unary_unary_rpc_method_handler(bare)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"C": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with open_channel(f"127.0.0.1:{port}") as channel:
        for reason in wanted:
            with pytest.raises(ServiceError) as caught, peer_errors("data"):
                await bare_call(channel)
            assert caught.value.reason == reason
            assert "driver" not in caught.value.message
    await server.stop(0)
    with pytest.raises(ServiceUnavailable), peer_errors("data"):
        async with open_channel(f"127.0.0.1:{port}") as channel:
            await bare_call(channel)

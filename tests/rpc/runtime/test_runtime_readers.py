"""Readers who take nothing: what they hold is bounded, and nobody else waits for them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc

from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, BOB, running_server
from tests.rpc.runtime.echo_service import CONTRACT, NAME, TABLE, Echo, EchoRequest, EchoResponse
from tests.rpc.runtime.test_runtime_admission import BIG, MINT, ROLES, SMALL

MIB = 1024 * 1024
# A window that does not grow by itself: what is not read stays with the server.
UNREAD = (("grpc.http2.bdp_probe", 0), ("grpc.use_local_subchannel_pool", 1))


async def large(request: Any) -> Any:
    return EchoResponse(text="x" * (request.number * MIB))


class Reader:
    """Calls that one person makes on a connection of their own and reads only when asked to."""

    def __init__(self, address: str, user: str) -> None:
        self.channel = grpc.aio.insecure_channel(address, options=UNREAD)
        self.metadata = MINT.metadata(user)

    def begin(self, method: str, platform: str, mib: int) -> Any:
        """A call whose answer nobody reads yet; single answers are read as streams, so that this can be."""
        call = self.channel.unary_stream(
            f"/{NAME}/{method}",
            request_serializer=type(BIG).SerializeToString,
            response_deserializer=EchoResponse.FromString,
        )
        return call(EchoRequest(platform=platform, number=mib), metadata=self.metadata, timeout=10)


@asynccontextmanager
async def readers(echo: Echo, **limits: Any) -> AsyncIterator[tuple[Reader, Reader]]:
    settings = ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", drain_limit_seconds=1.0, **limits
    )
    parts: dict[str, Any] = {"mint": MINT, "roles": ROLES, "table": TABLE, "contract": CONTRACT}
    async with running_server(echo.service(), settings=settings, **parts) as server:
        alice, bob = Reader(server.address, ALICE), Reader(server.address, BOB)
        try:
            yield alice, bob
        finally:
            await alice.channel.close()
            await bob.channel.close()


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    try:
        answer = await call.read()
    except grpc.aio.AioRpcError as refused:
        return refused.code(), str(refused.details())
    raise AssertionError(f"answered with {len(answer.text)} characters")


async def test_an_answer_that_nobody_reads_holds_no_place() -> None:
    async with readers(Echo(large), running_calls=1) as (alice, bob):
        unread = [alice.begin("Say", "platforms/big", 1) for _ in range(3)]
        await asyncio.sleep(0.3)
        for _ in range(3):
            answer = await asyncio.wait_for(bob.begin("Say", SMALL.platform, 0).read(), 1)
            assert answer.text == ""
        for call in unread:
            assert len((await call.read()).text) == MIB


async def test_answers_that_nobody_reads_are_bounded_and_another_caller_is_answered() -> None:
    async with readers(Echo(large), unsent_bytes=8 * MIB) as (alice, bob):
        unread = [alice.begin("Say", "platforms/big", 1)]
        await asyncio.sleep(0.3)
        code, text = await refusal(alice.begin("Say", "platforms/big", 2))
        assert (code, "wait here to be read" in text) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
        assert len((await bob.begin("Say", SMALL.platform, 2).read()).text) == 2 * MIB
        assert len((await unread[0].read()).text) == MIB
        await asyncio.sleep(0.1)
        assert len((await alice.begin("Say", "platforms/big", 2).read()).text) == 2 * MIB


async def test_an_answer_that_is_not_taken_counts_until_its_reader_gives_up() -> None:
    async with readers(Echo(large), unsent_bytes=8 * MIB) as (alice, _):
        stuck = alice.begin("Say", "platforms/big", 2)
        await asyncio.sleep(2.5)  # the method's deadline of 2 s is over: the answer was made in time
        code, _text = await refusal(alice.begin("Say", "platforms/big", 2))
        assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        stuck.cancel()
        await asyncio.sleep(0.3)
        assert len((await alice.begin("Say", "platforms/big", 2).read()).text) == 2 * MIB


async def test_a_stream_whose_reader_pauses_holds_no_place_and_goes_on_when_read() -> None:
    class Many(Echo):
        async def count(self, request: Any, _context: Any) -> AsyncIterator[Any]:
            for number in range(5):
                yield EchoResponse(text="x" * MIB, number=number)

    async with readers(Many(large), running_calls=1) as (alice, bob):
        paused = alice.begin("Count", "", 0)
        assert (await paused.read()).number == 0
        await asyncio.sleep(0.3)
        assert (await asyncio.wait_for(bob.begin("Say", SMALL.platform, 0).read(), 1)).text == ""
        assert [(await paused.read()).number for _ in range(4)] == [1, 2, 3, 4]
        assert await paused.read() is grpc.aio.EOF

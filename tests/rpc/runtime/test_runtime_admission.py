"""Admission as callers see it: who waits, who is told to come back, who is never made to wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from aidatalabs_services.runtime.access import MethodAccess
from aidatalabs_services.runtime.access_table import TABLE as REAL_TABLE
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import ALICE, BOB, StaticRoles, TokenMint, running
from tests.rpc.runtime.echo_service import CONTRACT, TABLE, Echo, EchoRequest, EchoResponse, Raw
from tests.rpc.runtime.test_runtime_calls import refusal

MINT = TokenMint()
ROLES = StaticRoles(
    mesh={ALICE: Role.VIEWER},
    platforms={("platforms/big", ALICE): Role.EDITOR, ("platforms/small", BOB): Role.EDITOR},
)
BIG, SMALL = EchoRequest(platform="platforms/big"), EchoRequest(platform="platforms/small")


class Door:
    """Handlers that wait until the test opens the door."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.echo = Echo(self._say)

    async def _say(self, _request: Any) -> Any:
        await self.open.wait()
        return EchoResponse(text="done")

    async def running(self, count: int) -> None:
        """Waits until so many handlers run; fails after two seconds, or if more do."""
        async with asyncio.timeout(2):
            while self.echo.running < count:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert self.echo.running == count


@asynccontextmanager
async def served(
    door: Door, table: tuple[MethodAccess, ...] = TABLE, **limits: Any
) -> AsyncIterator[tuple[Raw, Raw]]:
    """Alice's client and Bob's, of a server with these limits."""
    settings = ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", drain_limit_seconds=5.0, **limits
    )
    parts: dict[str, Any] = {"mint": MINT, "roles": ROLES, "table": table, "contract": CONTRACT}
    async with running(door.echo.service(), settings=settings, **parts) as channel:
        yield Raw(channel, MINT.metadata(ALICE)), Raw(channel, MINT.metadata(BOB))


def start(client: Raw, count: int, request: Any, method: str = "Say") -> list[asyncio.Task[Any]]:
    return [asyncio.create_task(client.call(method, request)) for _ in range(count)]


async def test_one_platform_cannot_take_every_place_from_another() -> None:
    door = Door()
    async with served(door, running_calls=4, queued_calls=50) as (alice, bob):
        many = start(alice, 20, BIG)
        await door.running(3)
        few = start(bob, 1, SMALL)
        await door.running(4)
        door.open.set()
        await asyncio.gather(*many, *few)


async def test_refusal_of_a_full_server_comes_within_50_ms() -> None:
    door = Door()
    async with served(door, running_calls=1, queued_calls=0) as (alice, bob):
        held = start(alice, 1, BIG)
        await door.running(1)
        seconds = []
        for _ in range(20):
            begun = time.perf_counter()
            code, reason, others, _ = await refusal(bob.call("Say", SMALL))
            seconds.append(time.perf_counter() - begun)
            assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
            assert others["RetryInfo"].retry_delay.ToMilliseconds() == 1000
        assert sorted(seconds)[10] < 0.05
        door.open.set()
        await asyncio.gather(*held)


async def test_call_whose_time_is_over_leaves_the_queue() -> None:
    door = Door()
    async with served(door, running_calls=1, queued_calls=1) as (alice, bob):
        held = start(alice, 1, BIG)
        await door.running(1)
        for _ in range(3):  # the one waiting room is free again each time
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await bob.call("Say", SMALL, timeout=0.2)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            await asyncio.sleep(0.05)
        waiting = start(bob, 1, SMALL)
        await asyncio.sleep(0.1)
        door.open.set()
        await asyncio.gather(*held, *waiting)
        assert door.echo.most_running == 1


async def test_stream_holds_its_place_while_it_runs() -> None:
    door = Door()
    async with served(door, running_calls=1, queued_calls=5) as (alice, bob):
        stream = start(alice, 1, EchoRequest(number=3), "Count")
        await door.running(1)
        unary = start(bob, 1, SMALL)
        await door.running(1)
        door.open.set()
        answers = await asyncio.gather(*stream, *unary)
        assert [len(found) for found in answers] == [3, 1]
        assert door.echo.most_running == 1


async def test_health_and_methods_that_peers_need_never_wait() -> None:
    table = tuple(replace(row, queued=not row.method.endswith("/Chat")) for row in TABLE)
    door = Door()
    async with served(door, table, running_calls=1, queued_calls=5) as (alice, bob):
        held = start(alice, 1, BIG)
        await door.running(1)
        unqueued = start(bob, 1, SMALL, "Chat")
        await door.running(2)
        health = health_pb2_grpc.HealthStub(alice.channel)
        await health.Check(health_pb2.HealthCheckRequest(), timeout=0.5)
        door.open.set()
        await asyncio.gather(*held, *unqueued)


def test_roles_are_asked_without_a_place_and_files_have_places_of_their_own() -> None:
    assert [row.method for row in REAL_TABLE if not row.queued] == [
        "/aidatalabs.common.v1.AccessService/ResolveAccess",
        "/aidatalabs.data.v1.DataService/IngestStream",
        "/aidatalabs.data.v1.DataService/Export",
        "/aidatalabs.data.v1.DataService/MeasureLayouts",
    ]


async def test_watches_that_nobody_needs_a_token_for_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aidatalabs_services.runtime.interceptors.calls._OPEN_STREAMS", 3)
    async with served(Door()) as (alice, _):
        stub = health_pb2_grpc.HealthStub(alice.channel)
        watches = [stub.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        for watch in watches:
            await watch.read()
        code, reason, _, _ = await refusal(stub.Watch(health_pb2.HealthCheckRequest()).read())
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED")
        await stub.Check(health_pb2.HealthCheckRequest())
        for watch in watches:
            watch.cancel()
        await asyncio.sleep(0.1)
        await stub.Watch(health_pb2.HealthCheckRequest()).read()

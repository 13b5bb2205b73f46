"""The grpc attacks that a service meets directly, each with one pinned outcome."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.channels import open_channel
from aidatalabs_services.runtime.loop_watch import LoopWatch
from aidatalabs_services.runtime.settings import ServerSettings
from aidatalabs_services.runtime.testing import StaticRoles, TokenMint, running, running_server
from tests.attacks.grpc_process import EchoProcess, echo_process
from tests.rpc.runtime.echo_service import CONTRACT, NAME, TABLE, Echo, EchoRequest, EchoResponse, Raw
from tests.rpc.runtime.test_runtime_calls import refusal

ROWS = json.loads(Path(__file__).with_name("grpc_attacks.json").read_text())
MINT = TokenMint()
USERS = [f"users/00000000-0000-4000-8000-{number:012d}" for number in range(8)]
ROLES = StaticRoles(
    mesh=dict.fromkeys(USERS, Role.VIEWER),
    platforms={(f"platforms/p{number}", user): Role.EDITOR for number, user in enumerate(USERS)},
)
REQUEST = EchoRequest(platform="platforms/p0")
PARTS: dict[str, Any] = {"mint": MINT, "roles": ROLES, "table": TABLE, "contract": CONTRACT}
MIB = 1024 * 1024

Row = dict[str, Any]
Attack = Callable[[Row, Path], Awaitable[None]]
ATTACKS: dict[str, Attack] = {}


def attack(row_id: str) -> Callable[[Attack], Attack]:
    """Registers the attack of a row of the file."""

    def register(made: Attack) -> Attack:
        ATTACKS[row_id] = made
        return made

    return register


@asynccontextmanager
async def client_of(echo: Echo, **limits: Any) -> AsyncIterator[Raw]:
    settings = ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", drain_limit_seconds=5.0, **limits
    )
    async with running(echo.service(), settings=settings, **PARTS) as channel:
        yield Raw(channel, MINT.metadata(USERS[0]))


async def expect(row: Row, call: Awaitable[Any]) -> dict[str, Any]:
    """Fails unless the call is refused as the row says; the rest of the refusal."""
    code, reason, others, error = await refusal(call)
    assert (code.name, reason) == (row["grpc"], row["reason"])
    return others | {"text": error.details()}


def client_of_process(channel: grpc.aio.Channel, process: EchoProcess) -> Raw:
    return Raw(channel, (("authorization", f"Bearer {process.token}"),))


def test_every_attack_of_the_file_has_a_test() -> None:
    assert {row["id"] for row in ROWS} == set(ATTACKS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
async def test_grpc_attack_has_its_pinned_outcome(row: Row, tmp_path: Path) -> None:
    await ATTACKS[row["id"]](row, tmp_path)


@attack("GRPC-001")
async def too_large(row: Row, folder: Path) -> None:
    address = f"unix:{folder}/echo.sock"
    async with echo_process(address) as process:
        zipped = grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip)
        async with open_channel(address) as plain, zipped:
            for channel in (plain, zipped):
                client = client_of_process(channel, process)
                for size in (100_001, 16 * MIB):
                    others = await expect(row, client.call("Say", bytes(size)))
                    assert others["metadata"]["limit_bytes"] == "100000"
                before = process.peak_bytes()
                # The 64 MiB that a client of ours may send, and beyond what any may.
                for size in (60 * MIB,) if channel is plain else (60 * MIB, 200 * MIB):
                    with pytest.raises(grpc.aio.AioRpcError) as caught:
                        await client.call("Say", bytes(size))
                    assert caught.value.code().name == row["grpc"]
                    assert "larger than max" in str(caught.value.details())
                assert process.peak_bytes() - before < 100 * MIB
        assert (await process.stopped())[0] == 0


@attack("GRPC-005")
async def no_deadline(row: Row, _folder: Path) -> None:
    async def say(_request: Any) -> Any:
        await asyncio.sleep(30)

    echo, begun = Echo(say), time.monotonic()
    async with client_of(echo) as client:
        await expect(row, client.call("Say", REQUEST, timeout=None))
        assert 1.9 < time.monotonic() - begun < 4
        assert (echo.running, echo.cancelled) == (0, 1)


@attack("GRPC-010")
async def unknown_method(row: Row, _folder: Path) -> None:
    async with client_of(Echo()) as client:
        for path in (f"/{NAME}/Drop", f"//{NAME}/Say", f"/{NAME}/%53ay", f"/x/../{NAME}/Say"):
            method: Any = client.channel.unary_unary(path)
            others = await expect(row, method(b"", metadata=client.metadata, timeout=5))
            assert others["metadata"]["method"] == path


@attack("GRPC-012")
async def garbage(row: Row, _folder: Path) -> None:
    async with client_of(Echo()) as client:
        for kind in ("Say", "Count", "Sum", "Chat"):
            for data in (b"\xff\xff\xff\xff", b"\x0a\x80", b"\x00", bytes(range(256))):
                await expect(row, client.call(kind, data))


@attack("GRPC-013")
async def bad_text(row: Row, _folder: Path) -> None:
    async with client_of(Echo()) as client:
        for data in (b"\x12\x02\xc3\x28", b"\x0a\x01\xff", b"\x12\x03\xed\xa0\x80"):
            await expect(row, client.call("Say", data))


@attack("GRPC-016")
async def exception_text(row: Row, _folder: Path) -> None:
    async def say(_request: Any) -> Any:
        raise RuntimeError("password=hunter2")

    async with client_of(Echo(say)) as client:
        for kind in ("Say", "Count", "Sum", "Chat"):
            others = await expect(row, client.call(kind, REQUEST))
            assert "hunter2" not in str(others)
            assert "RuntimeError" not in str(others)
            assert others["metadata"]["request_id"] == others["request_id"]


@attack("GRPC-017")
async def thousand_calls(row: Row, _folder: Path) -> None:
    door = asyncio.Event()

    async def say(_request: Any) -> Any:
        await door.wait()
        return EchoResponse()

    echo, ended, tokens = Echo(say), Counter[str](), [MINT.metadata(user) for user in USERS]

    async def call(client: Raw, number: int) -> None:
        request = EchoRequest(platform=f"platforms/p{number}")
        answer = client.call("Say", request, timeout=30, metadata=tokens[number])
        try:
            await answer
            ended["OK"] += 1
        except grpc.aio.AioRpcError as error:

            async def again(error: grpc.aio.AioRpcError = error) -> None:
                raise error

            others = await expect(row, again())
            assert others["RetryInfo"].retry_delay.ToMilliseconds() == 1000
            ended["refused"] += 1
            if ended["refused"] == 680:
                door.set()

    slow = tuple(r if not r.method.endswith("/Say") else _with_deadline(r, 30.0) for r in TABLE)
    settings = ServerSettings(
        listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", running_calls=64, queued_calls=256
    )
    with capture_logs() as lines:
        async with running(echo.service(), settings=settings, **(PARTS | {"table": slow})) as channel:
            client = Raw(channel, ())
            await asyncio.wait_for(asyncio.gather(*(call(client, n % 8) for n in range(1000))), 60)
    assert ended == {"OK": 320, "refused": 680}
    assert echo.most_running == 64
    refusals = [line["seconds"] for line in lines if line.get("reason") == "OVERLOADED"]
    assert len(refusals) == 680
    assert sorted(refusals)[int(len(refusals) * 0.99)] < 0.05


def _with_deadline(row: Any, seconds: float) -> Any:
    return type(row)(**{**vars(row), "deadline_seconds": seconds})


@attack("GRPC-018")
async def many_streams(row: Row, _folder: Path) -> None:
    async def say(request: Any) -> Any:
        await asyncio.sleep(0.3)
        return EchoResponse(number=request.number)

    for users, most in ((USERS[:1], 48), (USERS, 64)):
        echo = Echo(say)
        async with client_of(echo) as client:
            streams = [
                client.call("Count", EchoRequest(number=1), metadata=MINT.metadata(users[n % len(users)]))
                for n in range(200)
            ]
            answers = await asyncio.wait_for(asyncio.gather(*streams), 20)
        assert [len(found) for found in answers] == [1] * 200
        assert echo.most_running == most
    assert row["grpc"] == "OK"


@attack("GRPC-020")
async def cancelled_streams(_row: Row, folder: Path) -> None:
    address = f"unix:{folder}/echo.sock"
    body = EchoRequest(number=1_000_000).SerializeToString()
    async with echo_process(address) as process, open_channel(address) as channel:
        client = client_of_process(channel, process)
        method: Any = channel.unary_stream(f"/{NAME}/Count")
        reading = asyncio.create_task(_drained(process))

        async def cancel(times: int) -> None:
            for _ in range(times):
                call = method(body, metadata=client.metadata)
                await call.read()
                call.cancel()

        await asyncio.gather(*(cancel(60) for _ in range(25)))
        before = process.memory_bytes()
        # A quarter of the row's 10,000 streams, with a quarter of its bound: what each may leave is the same.
        await asyncio.gather(*(cancel(100) for _ in range(25)))
        await client.call("Say", EchoRequest(platform="platforms/demo"))
        assert process.memory_bytes() - before < 5 * MIB
        reading.cancel()
        begun = time.monotonic()
        assert (await process.stopped())[0] == 0
        assert time.monotonic() - begun < 5  # no handler was left to wait for


async def _drained(process: EchoProcess) -> None:
    assert process.process.stdout is not None
    while await process.process.stdout.read(2**16):
        pass


@attack("GRPC-021")
async def pings(_row: Row, _folder: Path) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    ping = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"01234567"
    async with running_server(Echo().service(), **PARTS) as server:
        host, port = server.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(preface)
        sent, received = 0, b""
        try:
            while sent < 30 and b"too_many_pings" not in received:
                writer.write(ping)
                sent += 1
                received += await asyncio.wait_for(reader.read(2**16), 5)
                await asyncio.sleep(0.01)
        finally:
            writer.close()
        away = received[received.index(b"too_many_pings") - 17 :]
        assert away[3] == 7  # GOAWAY
        assert int.from_bytes(away[13:17], "big") == 0x0B  # ENHANCE_YOUR_CALM
        assert 8 < sent < 13
        async with open_channel(server.address) as channel:
            await Raw(channel, MINT.metadata(USERS[0])).call("Say", REQUEST)


@attack("GRPC-022")
async def stop_while_a_call_runs(_row: Row, folder: Path) -> None:
    address = f"unix:{folder}/echo.sock"
    async with echo_process(address) as process, open_channel(address) as channel:
        client = client_of_process(channel, process)
        slow = EchoRequest(platform="platforms/demo", text="sleep", number=3)
        begun = time.monotonic()
        in_flight = asyncio.create_task(client.call("Say", slow))
        await asyncio.sleep(0.3)
        stopping = asyncio.create_task(process.stopped())
        await asyncio.sleep(1.0)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await client.call("Say", EchoRequest(platform="platforms/demo"), timeout=1)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert (await in_flight)[0].text == "done"
        assert 2.9 < time.monotonic() - begun < 6
        code, log = await stopping
        assert code == 0
        assert '"stopped"' in log


@attack("GRPC-023")
async def blocking_handler(_row: Row, _folder: Path) -> None:
    async def in_a_thread(_request: Any) -> Any:
        await asyncio.to_thread(time.sleep, 1.5)
        return EchoResponse()

    async def on_the_loop(_request: Any) -> Any:
        time.sleep(1.0)  # the fault under test
        return EchoResponse()

    async with client_of(Echo(in_a_thread)) as client:
        health = health_pb2_grpc.HealthStub(client.channel)
        busy = [asyncio.create_task(client.call("Say", REQUEST)) for _ in range(3)]
        seconds = []
        while not all(task.done() for task in busy):
            begun = time.perf_counter()
            await health.Check(health_pb2.HealthCheckRequest())
            seconds.append(time.perf_counter() - begun)
            await asyncio.sleep(0.01)
        assert len(seconds) > 50
        assert sorted(seconds)[int(len(seconds) * 0.99)] < 0.1
        await asyncio.gather(*busy)
    with capture_logs() as lines:
        watch = LoopWatch()
        async with client_of(Echo(on_the_loop)) as client:
            watch.start()
            await client.call("Say", REQUEST)
            answer = await health_pb2_grpc.HealthStub(client.channel).Check(
                health_pb2.HealthCheckRequest(), timeout=1
            )
            watch.stop()
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    blocked = [line for line in lines if line["event"] == "event loop blocked"]
    assert len(blocked) == 1
    assert "on_the_loop" in blocked[0]["where"]

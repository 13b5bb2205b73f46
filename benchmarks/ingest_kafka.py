"""Events a second through Apache Kafka, beside the same ingest without Kafka and the engine's own inserts.

    one engine ◄─┬─ data service ◄─ journal ◄─┐
                 ├─ data service ◄─ broker  ◄─┴─ the same calls, one service after the other
                 └─ the peer: the same events straight into the engine

Two ways in, past the edge: unary calls of 1,000 events, and a stream of Arrow batches of 50,000. A call is
acknowledged when journal or broker has it; nothing waits for the engine. Figures of each: events acknowledged
a second, events in the table a second until the last one is there, the most events that were acknowledged and
not in the table, and how long after the last acknowledgement they all were. Making events is left out, making
the clients' messages is left out; clients, service, broker and engine share the machine.

The broker is one node of Apache Kafka, as the tests start it: it needs Java and Maven, and is no cluster (an
acknowledgement is that of one replica).
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import clickhouse_connect
import grpc
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1.data_service_pb2_grpc import DataServiceStub
from aidatalabs_client.streamed_ingest import Batch, StreamedIngest
from aidatalabs_services.data.blocks import encoded_blocks
from aidatalabs_services.data.engine.process import EngineProcess
from aidatalabs_services.data.standard_tables import EVENTS
from benchmarks.event_batches import event_batches, ipc
from benchmarks.ingest_events import event_calls, event_message, json_insert
from benchmarks.results import Row, row
from tests.durability.worlds import NO_TWIN, PLATFORM, Alone
from tests.kafka.brokers import ApacheKafka, Broker

DEFAULT_SECONDS = 15.0
_UNARY, _STREAM = "unary calls of 1,000", "stream of 50,000 a batch"
_ENGINE = {_UNARY: "clickhouse-connect, JSONEachRow", _STREAM: "engine, Native blocks"}
_JOURNAL, _KAFKA = "journal", "Apache Kafka"
_CALLERS = 8
_CALL_EVENTS = 1_000
_BATCHES = 24
_BATCH_EVENTS = 50_000
_INSERT_BATCHES = 6
_WINDOW = 24
_TIMEOUT_SECONDS = 60.0
_STORED_SECONDS = 300.0
_WARM_SECONDS = 1.0
_AGAIN_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_PREFIX = "bench_{}_"

_Ingest = grpc.aio.UnaryUnaryMultiCallable[bytes, pb.IngestResponse]
Send = Callable[["_Target", float], Awaitable[None]]
"""Sends events for so many seconds, each counted in the target when it is acknowledged."""


@dataclass
class _Target:
    """A data service, or none for the peer, and its database; `acknowledged` counts events of one way in, and
    calls are numbered on from `first`.
    """

    client: AsyncClient
    address: str = ""
    token: str = ""
    acknowledged: int = 0
    first: int = 0
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Who the caller is."""
        return (("authorization", f"Bearer {self.token}"),)

    async def count(self) -> int:
        """Events in the table."""
        return int((await self.client.raw_query("SELECT count() FROM events", fmt="TabSeparated")).strip())


@dataclass(frozen=True)
class _Figures:
    """One way in of one target: events a second, most events behind, seconds until they were all stored."""

    acknowledged: float
    stored: float
    behind: int
    behind_seconds: float


def hindrance() -> str:
    """Why Apache Kafka cannot run here; fetches it where it is missing."""
    return ApacheKafka.hindrance()


def run(seconds: float = DEFAULT_SECONDS) -> list[Row]:
    """The figures of both ways in. Raises RuntimeError where Apache Kafka cannot run here."""
    if why := hindrance():
        raise RuntimeError(why)
    return asyncio.run(_run(seconds))


async def _run(seconds: float) -> list[Row]:
    batches = await asyncio.to_thread(event_batches, _BATCHES, _BATCH_EVENTS)
    calls = await asyncio.to_thread(event_calls)
    ways: dict[str, tuple[Send, Send]] = {
        _UNARY: (
            _unary([event_message(call).SerializeToString() for call in calls]),
            _peer(json_insert(calls)),
        ),
        _STREAM: (_streamed([ipc(batch) for batch in batches]), _peer(_native_insert(batches))),
    }
    rows: list[Row] = []
    async with _targets() as (peer, journal, kafka):
        for way, (send, insert) in ways.items():
            engine = await _measured(peer, insert, seconds)
            found = {
                _JOURNAL: await _measured(journal, send, seconds),
                _KAFKA: await _measured(kafka, send, seconds),
            }
            rows += _rows(way, found, engine)
    return rows


def _rows(way: str, found: dict[str, _Figures], engine: _Figures) -> list[Row]:
    through, beside = found[_KAFKA], found[_JOURNAL]
    name = f"ingest through Kafka, {way}"
    rows = [
        row(f"{name}: {word}", value, "events/s", peer=peer, peer_value=other)
        for word, value, journal in (
            ("acknowledged", through.acknowledged, beside.acknowledged),
            ("in the table", through.stored, beside.stored),
        )
        for peer, other in ((_JOURNAL, journal), (_ENGINE[way], engine.stored))
    ]
    behind = row(f"{name}: most behind", through.behind, "events", peer=_JOURNAL, peer_value=beside.behind)
    after = beside.behind_seconds
    caught = row(f"{name}: caught up after", through.behind_seconds, "s", peer=_JOURNAL, peer_value=after)
    return [*rows, behind, caught]


async def _measured(target: _Target, send: Send, seconds: float) -> _Figures:
    """Raises RuntimeError unless exactly what was acknowledged is in the table in the end."""
    # Topics are made, engine and connections get warm.
    before = await target.count()
    await _stored(target, send, _WARM_SECONDS, before)
    before = await target.count()
    behind = 0

    async def look() -> None:
        nonlocal behind
        while True:
            behind = max(behind, target.acknowledged - (await target.count() - before))
            await asyncio.sleep(5 * _LOOK_SECONDS)

    looking = asyncio.create_task(look())
    try:
        begun, sent, ended = await _stored(target, send, seconds, before)
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    total = target.acknowledged
    return _Figures(total / (sent - begun), total / (ended - begun), behind, ended - sent)


async def _stored(target: _Target, send: Send, seconds: float, before: int) -> tuple[float, float, float]:
    """Sends, waits until all is in the table: when it began, the last was acknowledged, it ended."""
    target.acknowledged, target.first = 0, target.first + 1_000_000
    begun = time.perf_counter()
    await send(target, seconds)
    sent = time.perf_counter()
    found = await target.count() - before
    while found < target.acknowledged and time.perf_counter() - sent < _STORED_SECONDS:
        await asyncio.sleep(_LOOK_SECONDS)
        found = await target.count() - before
    if found != target.acknowledged:
        raise RuntimeError(f"{found} of {target.acknowledged} events are in the table")
    return begun, sent, time.perf_counter()


async def _acknowledged(method: _Ingest, target: _Target, body: bytes) -> int:
    """Events of a call, sent again while too much waits for the engine."""
    while True:
        try:
            answer = await method(body, metadata=target.metadata, timeout=_TIMEOUT_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return answer.receipt.accepted_count


def _unary(messages: list[bytes]) -> Send:
    async def send(target: _Target, seconds: float) -> None:
        numbers, end = itertools.count(target.first), time.perf_counter() + seconds
        async with grpc.aio.insecure_channel(target.address) as channel:
            method: _Ingest = channel.unary_unary(
                "/aidatalabs.data.v1.DataService/Ingest", response_deserializer=pb.IngestResponse.FromString
            )

            async def caller() -> None:
                while time.perf_counter() < end:
                    number = next(numbers)
                    head = pb.IngestRequest(platform=PLATFORM, request_id=f"{target.run}-{number}")
                    # Two serialised messages in a row are their fields together.
                    body = head.SerializeToString() + messages[number % len(messages)]
                    taken = await _acknowledged(method, target, body)
                    target.acknowledged += taken

            await asyncio.gather(*(caller() for _ in range(_CALLERS)))

    return send


def _streamed(messages: list[bytes]) -> Send:
    async def send(target: _Target, seconds: float) -> None:
        end = time.perf_counter() + seconds

        def source() -> Iterator[Batch]:
            for number in itertools.count(target.first):
                if time.perf_counter() >= end:
                    return
                data = messages[number % len(messages)]
                yield Batch(f"{target.run}-s{number}", data, _BATCH_EVENTS, number * _BATCH_EVENTS)

        async with grpc.aio.insecure_channel(target.address) as channel:
            stub = DataServiceStub(channel)

            async def opened(requests: AsyncIterator[pb.IngestStreamRequest]) -> object:
                return stub.IngestStream(requests, metadata=target.metadata)

            stream = StreamedIngest(PLATFORM, "events", source(), window=_WINDOW)
            async with aclosing(stream.receipts(opened, lambda _: False, 30.0)) as receipts:
                async for receipt, _ in receipts:
                    target.acknowledged += receipt.accepted_count

    return send


def _native_insert(batches: list[pa.RecordBatch]) -> Callable[[AsyncClient, int], Awaitable[int]]:
    """Blocks encoded beforehand, six batches an insert: as large as the service's own groups under load."""
    blocks = [b"".join(encoded_blocks(batch, EVENTS).values()) for batch in batches]
    pieces = [b"".join(blocks[at : at + _INSERT_BATCHES]) for at in range(0, len(blocks), _INSERT_BATCHES)]

    async def insert(client: AsyncClient, number: int) -> int:
        # The same rows come round again: under another name, or the engine takes them for repeated.
        settings = {"insert_deduplication_token": f"bench-native-{number}", "optimize_on_insert": "0"}
        piece = pieces[number % len(pieces)]
        await client.raw_insert("events", list(EVENTS.types), piece, fmt="Native", settings=settings)
        return _BATCH_EVENTS * _INSERT_BATCHES

    return insert


def _peer(insert: Callable[[AsyncClient, int], Awaitable[int]]) -> Send:
    """The engine's own: two inserts at a time, each acknowledged when it is stored."""

    async def send(target: _Target, seconds: float) -> None:
        numbers, end = itertools.count(target.first), time.perf_counter() + seconds

        async def worker() -> None:
            while time.perf_counter() < end:
                stored = await insert(target.client, next(numbers))
                target.acknowledged += stored

        await asyncio.gather(worker(), worker())

    return send


@asynccontextmanager
async def _targets() -> AsyncIterator[tuple[_Target, _Target, _Target]]:
    """Peer, journal and Kafka, each with its database in one engine."""
    home = Path(tempfile.mkdtemp(prefix="aidatalabs-bench-"))
    broker = ApacheKafka(home / "broker")
    try:
        engine = await EngineProcess.start(home / "engine")
        try:
            await asyncio.to_thread(broker.start)
            async with AsyncExitStack() as stack:
                made = [
                    await stack.enter_async_context(_target(home, name, engine, among))
                    for name, among in (("peer", None), (_JOURNAL, None), ("kafka", broker))
                ]
                yield made[0], made[1], made[2]
        finally:
            await asyncio.to_thread(broker.stop)
            await engine.stop()
    finally:
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


@asynccontextmanager
async def _target(
    home: Path, name: str, engine: EngineProcess, broker: Broker | None
) -> AsyncIterator[_Target]:
    """A data service over the engine; that of the peer only makes the tables and ends."""
    folder = home / name
    folder.mkdir()
    prefix = _PREFIX.format(name)
    variables = {
        "CLICKHOUSE_HOST": engine.host,
        "CLICKHOUSE_PORT": engine.port,
        "CLICKHOUSE_USER": "default",
        "CLICKHOUSE_PASSWORD": engine.password,
        "CLICKHOUSE_TLS": "false",
        "CLICKHOUSE_DATABASE_PREFIX": prefix,
        "INGEST_STORE_SECONDS": 0,
    }
    if broker is not None:
        variables |= {"KAFKA_BOOTSTRAP_SERVERS": broker.servers, "KAFKA_REPLICATION_COUNT": 1}
    service = Alone(
        folder, NO_TWIN, {f"AIDATALABS_DATA_{key}": str(value) for key, value in variables.items()}
    )
    client: AsyncClient | None = None
    try:
        await service.start()
        client = await clickhouse_connect.get_async_client(
            host=engine.host,
            port=engine.port,
            password=engine.password,
            database=prefix + uuid.uuid5(uuid.NAMESPACE_URL, PLATFORM).hex,
            compress=False,
            autogenerate_session_id=False,
        )
        if name == "peer":
            await service.stop()
        yield _Target(client, service.address, service.token)
    finally:
        if client is not None:
            await client.close()
        await service.stop()

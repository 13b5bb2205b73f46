"""Events a second through IngestStream, acknowledged, beside the engine's own insert of the very same blocks.

Every way fills the `events` table of a platform made for it, roll-ups and merges on, with the same batches in
the same order, two inserts at a time, for the same time; a figure is rows acknowledged per second until the
last acknowledgement. The peers insert into the same engine: Native blocks encoded beforehand over its HTTP
interface, `insert_arrow` and JSONEachRow of ClickHouse's own client. Making batches is left out everywhere.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager

import clickhouse_connect
import grpc
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1.data_service_pb2_grpc import DataServiceStub
from aidatalabs_client.streamed_ingest import Batch, StreamedIngest
from aidatalabs_services.data.blocks import encoded_blocks
from aidatalabs_services.data.standard_tables import EVENTS
from benchmarks.event_batches import event_batches, ipc
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, row

DEFAULT_SECONDS = 60.0
_BATCHES = 24
_BATCH_ROWS = 50_000
_INSERT_BATCHES = 6
_WINDOW = 24
_PEER_SECONDS_MOST = 15.0
_RAW = "engine, Native blocks"
_ARROW = "clickhouse-connect, insert_arrow"
_JSON = "clickhouse-connect, JSONEachRow"
_COLUMNS = [column.name for column in EVENTS.columns]

Insert = Callable[[AsyncClient, int], Awaitable[int]]
"""Inserts the n-th piece; returns its rows."""


async def run(mesh: Mesh, seconds: float = DEFAULT_SECONDS) -> list[Row]:
    """Rows per second of each way."""
    batches = await asyncio.to_thread(event_batches, _BATCHES, _BATCH_ROWS)
    messages = [ipc(batch) for batch in batches]
    async with mesh.channel("data") as direct, grpc.aio.insecure_channel(mesh.edge) as edge:
        raw = await _peer(mesh, "raw", _raw_insert(batches), seconds)
        ways = {
            "gRPC, service's socket": await _streamed(mesh, "direct", direct, messages, seconds),
            "gRPC, edge": await _streamed(mesh, "edge", edge, messages, seconds),
        }
    short = min(seconds, _PEER_SECONDS_MOST)
    arrow = await _peer(mesh, "arrow", _arrow_insert(batches), short)
    lines = await _peer(mesh, "json", _json_insert(batches), short)
    rows = []
    for way, rate in ways.items():
        name = f"streaming ingest, dynamic paths: {way}"
        rows.append(row(name, rate, "rows/s", peer=_RAW, peer_value=raw, goal=">= 1 M/s, ratio >= 0.6"))
        rows.append(row(name, rate, "rows/s", peer=_ARROW, peer_value=arrow, goal="ratio >= 3"))
        rows.append(row(name, rate, "rows/s", peer=_JSON, peer_value=lines, goal="ratio >= 3"))
    return rows


@asynccontextmanager
async def fresh_platform(mesh: Mesh, name: str) -> AsyncIterator[tuple[str, AsyncClient]]:
    """A platform for one way, and a client of the engine in its database."""
    platform = f"platforms/bench-{name}"
    made = await mesh.client.create_platform(f"bench-{name}", "Benchmark")
    client = await clickhouse_connect.get_async_client(
        host=mesh.engine.host,
        port=mesh.engine.port,
        password=mesh.engine.password,
        database=mesh.database_of(made.uid),
        compress=False,
        autogenerate_session_id=False,
    )
    try:
        yield platform, client
    finally:
        await client.close()
        await mesh.client.delete_platform(platform, purge=True)


async def _streamed(
    mesh: Mesh, name: str, channel: grpc.aio.Channel, messages: list[bytes], seconds: float
) -> float:
    stub = DataServiceStub(channel)
    metadata = tuple(mesh.headers.items())

    async with fresh_platform(mesh, name) as (platform, client):

        async def opened(requests: AsyncIterator[pb.IngestStreamRequest]) -> object:
            return stub.IngestStream(requests, metadata=metadata)

        begun = time.perf_counter()

        def source() -> Iterator[Batch]:
            for number in itertools.count():
                if time.perf_counter() - begun >= seconds:
                    return
                data = messages[number % len(messages)]
                yield Batch(f"{name}-{number}", data, _BATCH_ROWS, number * _BATCH_ROWS)

        stream = StreamedIngest(platform, "events", source(), window=_WINDOW)
        acknowledged = 0
        async with aclosing(stream.receipts(opened, lambda _: False, 30.0)) as receipts:
            async for receipt, _ in receipts:
                acknowledged += receipt.accepted_count
        rate = acknowledged / (time.perf_counter() - begun)
        await _check(client, acknowledged)
        return rate


async def _peer(mesh: Mesh, name: str, insert: Insert, seconds: float) -> float:
    async with fresh_platform(mesh, name) as (_, client):
        begun, stored = time.perf_counter(), 0
        numbers = itertools.count()

        async def worker() -> None:
            nonlocal stored
            while time.perf_counter() - begun < seconds:
                rows = await insert(client, next(numbers))
                stored += rows

        await asyncio.gather(worker(), worker())
        rate = stored / (time.perf_counter() - begun)
        await _check(client, stored)
        return rate


async def _check(client: AsyncClient, expected: int) -> None:
    """Raises RuntimeError unless so many rows are in the table, and counted in its roll-up."""
    for sql in ("SELECT count() FROM events", "SELECT sum(events) FROM events_hourly"):
        found = int((await client.raw_query(sql, fmt="TabSeparated")).strip())
        if found != expected:
            raise RuntimeError(f"{sql} gives {found} instead of {expected}")


def _once(number: int) -> dict[str, str]:
    """A name for each insert: the same rows come round again, which the engine would take for repeated.

    And what the service's own inserts leave out too, so that no peer is the slower for it.
    """
    return {"insert_deduplication_token": f"bench-{number}", "optimize_on_insert": "0"}


def _raw_insert(batches: list[pa.RecordBatch]) -> Insert:
    """Six batches an insert: as large as the service's own groups under load."""
    blocks = [b"".join(encoded_blocks(batch, EVENTS).values()) for batch in batches]
    pieces = [
        b"".join(piece)
        for piece in (blocks[at : at + _INSERT_BATCHES] for at in range(0, _BATCHES, _INSERT_BATCHES))
    ]

    async def insert(client: AsyncClient, number: int) -> int:
        await client.raw_insert(
            "events", _COLUMNS, pieces[number % len(pieces)], fmt="Native", settings=_once(number)
        )
        return _BATCH_ROWS * _INSERT_BATCHES

    return insert


def _arrow_insert(batches: list[pa.RecordBatch]) -> Insert:
    """As the client takes JSON: a column of text."""
    tables = []
    for batch in batches:
        texts = [
            json.dumps({k: v for k, v in one.items() if v is not None})
            for one in batch["properties"].to_pylist()
        ]
        place = batch.schema.get_field_index("properties")
        plain = pa.Table.from_batches([batch]).set_column(place, "properties", pa.array(texts))
        tables.append(
            plain.set_column(1, "event_type", plain["event_type"].combine_chunks().dictionary_decode())
        )

    async def insert(client: AsyncClient, number: int) -> int:
        await client.insert_arrow("events", tables[number % len(tables)], settings=_once(number))
        return _BATCH_ROWS

    return insert


def _json_insert(batches: list[pa.RecordBatch]) -> Insert:
    pieces = []
    for batch in batches[:4]:
        lines = []
        for one in batch.to_pylist():
            one["timestamp"] = one["timestamp"].strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
            one["properties"] = {key: value for key, value in one["properties"].items() if value is not None}
            lines.append(json.dumps(one))
        pieces.append("\n".join(lines).encode())

    async def insert(client: AsyncClient, number: int) -> int:
        await client.raw_insert(
            "events", _COLUMNS, pieces[number % len(pieces)], fmt="JSONEachRow", settings=_once(number)
        )
        return _BATCH_ROWS

    return insert

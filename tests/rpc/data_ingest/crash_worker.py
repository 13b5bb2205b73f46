"""A process that ingests events until it is killed, or drains its journal and tells what is in the tables.

    python crash_worker.py DIRECTORY run ROUND      prints `calling ROUND N` and `acked ROUND N` per call
    python crash_worker.py DIRECTORY check          prints one JSON line once the journal is drained

Call N of a round brings a known number of events; the user_id of each is unique over all rounds and calls.
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
from aidatalabs_services.data.dead_letters.letters import LetterLimits
from aidatalabs_services.data.dead_letters.parts import DeadLetters
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import EventInput, ListedEvents
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.receipts import Receipt, ReceiptState
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.errors import ServiceUnavailable

UID = "0c7d4b1e-0000-4000-8000-000000000001"
CALLERS = 12
_MONTH_NANOSECONDS = 2_629_800 * 10**9
_LIMITS = QueryLimits(30.0, 100_000, 1 << 26, 1 << 29, 10**9, 10**10)


def user_ids(number: int, call: int) -> list[int]:
    """The user ids of one call's events."""
    first = (number * 1_000_000 + call) * 100
    return list(range(first, first + 1 + call % 37))


def rejected_users(number: int, call: int) -> list[int]:
    """The user id of the event of a call that is rejected; every third call has one."""
    return [] if call % 3 else [(number * 1_000_000 + call) * 100 + 99]


async def send(ingestor: Ingestor, number: int, call: int) -> Receipt:
    """Sends one call; its events lie in up to three months, and of every third one is rejected.

    Every second call is a batch of columns.
    """
    users = user_ids(number, call)
    if call % 2:
        batch = _columns(users, rejected_users(number, call), call)
        return await ingestor.ingest_columns(
            UID, "platforms/demo", "events", f"{number}-{call}", batch, Room()
        )
    events = [
        EventInput(10**18 + (each % 3) * _MONTH_NANOSECONDS, "crash", each, {"call": float(call)}, 1.0)
        for each in users
    ]
    events += [EventInput(10**18, "", each) for each in rejected_users(number, call)]
    return await ingestor.ingest(UID, "platforms/demo", "events", f"{number}-{call}", ListedEvents(events))


def _columns(good: list[int], bad: list[int], call: int) -> bytes:
    users = [*good, *bad]
    times = [10**18 + (each % 3) * _MONTH_NANOSECONDS for each in users]
    batch = pa.RecordBatch.from_pydict(
        {
            "timestamp": pa.array(times, pa.timestamp("ns")),
            "event_type": pa.array([*["crash"] * len(good), *[""] * len(bad)]).dictionary_encode(),
            "user_id": pa.array(users, pa.uint64()),
            "properties": pa.array([{"call": call, "page": f"/{each}"} for each in users]),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


async def run(ingestor: Ingestor, number: int) -> None:
    """Calls without end."""
    calls = iter(range(1_000_000))

    async def caller() -> None:
        for call in calls:
            print("calling", number, call, flush=True)  # noqa: T201
            await send(ingestor, number, call)
            print("acked", number, call, flush=True)  # noqa: T201

    await asyncio.gather(*(caller() for _ in range(CALLERS)))


async def check(ingestor: Ingestor, rollups: Rollups, warehouse: ClickHouseWarehouse) -> None:
    """Repeats every call that was ever begun, then tells how often each event is there."""
    pending_at_start = ingestor.waiting_groups(UID)
    begun = json.loads(sys.stdin.read())
    receipts = await asyncio.gather(*(send(ingestor, number, call) for number, call in begun))
    end = time.monotonic() + 60
    while ingestor.waiting_groups(UID) and time.monotonic() < end:
        await asyncio.sleep(0.05)
    sql = "SELECT user_id, count() FROM events GROUP BY user_id"
    rows = await warehouse.query(UID, sql, limits=_LIMITS, query_id="check")
    hourly = await warehouse.query(UID, "SELECT sum(events) FROM events_hourly", limits=_LIMITS, query_id="h")
    kept = "SELECT toUInt64(user_id), count() FROM dead_letters GROUP BY user_id"
    letters = await warehouse.query(UID, kept, limits=_LIMITS, query_id="letters")
    counted = {}
    for record in await rollups.list(UID):
        sql = f"SELECT countMerge(_s0) FROM {record.target}"
        states = await warehouse.query(UID, sql, limits=_LIMITS, query_id=record.target)
        counted[record.declaration.name] = int(states.rows[0][0])
    print(  # noqa: T201
        json.dumps(
            {
                "letters": [[int(user), int(count)] for user, count in letters.rows],
                "rollups": counted,
                "pending_at_start": pending_at_start,
                "repeated": sum(receipt.duplicate_count > 0 for receipt in receipts),
                "stored": sum(receipt.state is ReceiptState.STORED for receipt in receipts),
                "rows": [[int(user), int(count)] for user, count in rows.rows],
                "hourly": int(hourly.rows[0][0]),
            }
        )
    )


async def main(directory: Path, mode: str, number: int) -> None:
    """Opens everything, works, and in check mode closes it again."""
    pool = EnginePool(directory / "engines", EngineLimits(), max_engines=1, idle_seconds=600.0)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    schemas = SchemaCache(warehouse.schema, ttl_seconds=5.0)
    dead = DeadLetters(warehouse, LetterLimits(), is_on=True, days=30, fsync=False)
    holds = TableHolds()
    rollups = Rollups(warehouse, schemas, holds, fsync=False)
    while True:
        try:
            tables = Tables(warehouse, schemas, fsync=False, holds=holds, rollups=rollups, letters=dead.table)
            await tables.provision(UID)
            break
        except ServiceUnavailable:
            await asyncio.sleep(0.1)  # the killed process's engine still holds its directory
    ingestor = Ingestor(
        warehouse,
        schemas.get,
        directory / "journal",
        limits=IngestLimits(store_seconds=0.02 if mode == "run" else 30.0),
        # Side by side however small, so that several blocks are in doubt when it is killed.
        sink_limits=SinkLimits(pause_seconds=0.2, table_inserts=3, large_bytes=0),
        letters=dead.keeping,
        holds=holds,
    )
    await ingestor.start()
    if mode == "run":
        await run(ingestor, number)
    await check(ingestor, rollups, warehouse)
    await ingestor.close()
    await rollups.close()
    await warehouse.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))

"""A process that deletes rows while it ingests until it is killed, or goes on with what was begun and tells.

    python deletion_worker.py DIRECTORY run      prints `before N`, then `deleting`, then `acked A B` per call
    python deletion_worker.py DIRECTORY check    prints one JSON line once every deletion is over

User ids count up from 1; those that are even are deleted. `before N`: as many are acknowledged so far.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import EventInput, ListedEvents
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.retention import Retention
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.caller import Call, Caller, set_current_call
from aidatalabs_services.runtime.errors import ServiceUnavailable

UID = "0c7d4b1e-0000-4000-8000-000000000002"
BEFORE = 30_000
_CALL_ROWS = 10_000
_MONTH_NANOSECONDS = 2_629_800 * 10**9
_LIMITS = QueryLimits(30.0, 1_000_000, 1 << 28, 1 << 29, 10**9, 10**10)


async def send(ingestor: Ingestor, first: int, count: int) -> None:
    """Ingests events of users `first` and the next ones, spread over four months."""
    events = [
        EventInput(10**18 + (each % 4) * _MONTH_NANOSECONDS, f"t{each % 3}", each, {"n": float(each)}, 1.0)
        for each in range(first, first + count)
    ]
    await ingestor.ingest(UID, "platforms/demo", "events", f"call-{first}", ListedEvents(events))


def in_call() -> None:
    """What follows is done in a call of somebody's."""
    caller = Caller("users/00000000-0000-4000-8000-00000000000a", "token")
    set_current_call(Call("request", "DeleteRows", time.monotonic() + 60, caller))


async def run(ingestor: Ingestor, retention: Retention) -> None:
    """Ingests, then deletes and ingests side by side."""
    for first in range(1, BEFORE, _CALL_ROWS):
        await send(ingestor, first, _CALL_ROWS)
    print("before", BEFORE, flush=True)  # noqa: T201

    async def ingest() -> None:
        first = BEFORE + 1
        while True:
            await send(ingestor, first, 50)
            print("acked", first, first + 49, flush=True)  # noqa: T201
            first += 50

    ingesting = asyncio.create_task(ingest())
    in_call()
    print("deleting", flush=True)  # noqa: T201
    await retention.deletions.delete_rows(
        UID, "platforms/demo", "events", "user_id % 2 = 0", request_id="the"
    )
    print("deleted", flush=True)  # noqa: T201
    await ingesting


async def check(ingestor: Ingestor, retention: Retention, warehouse: ClickHouseWarehouse) -> None:
    """Tells what there is when all is done."""
    end = time.monotonic() + 60
    while any(each.is_open for each in retention.deletions.list(UID)) or ingestor.waiting_groups(UID):
        assert time.monotonic() < end
        await asyncio.sleep(0.05)
    rows = await warehouse.query(UID, "SELECT user_id FROM events", limits=_LIMITS, query_id="check")
    sums = "SELECT sum(events), sum(total_value) FROM events_hourly"
    hourly = await warehouse.query(UID, sums, limits=_LIMITS, query_id="hourly")
    in_call()
    print(  # noqa: T201
        json.dumps(
            {
                "deletions": [
                    [each.state.value, table.matched_count, table.deleted_count, table.remaining_count]
                    for each in retention.deletions.list(UID)
                    for table in each.tables
                ],
                "removed": all(t.physically_removed for d in retention.deletions.list(UID) for t in d.tables),
                "users": [int(row[0]) for row in rows.rows],
                "hourly": hourly.rows[0],
            }
        )
    )


async def nothing_is_kept(_uid: str) -> None:
    """No query runs here."""


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
    holds = TableHolds()
    ingestor = Ingestor(
        warehouse,
        schemas.get,
        directory / "journal",
        limits=IngestLimits(store_seconds=0.02),
        sink_limits=SinkLimits(pause_seconds=0.2),
        holds=holds,
    )
    retention = Retention(
        warehouse,
        schemas,
        ingestor,
        holds,
        directory,
        _LIMITS,
        drop_grace_hours=1,
        forget_results=nothing_is_kept,
    )
    await retention.start()
    if mode == "run":
        await run(ingestor, retention)
    await check(ingestor, retention, warehouse)
    await retention.close()
    await ingestor.close()
    await warehouse.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))

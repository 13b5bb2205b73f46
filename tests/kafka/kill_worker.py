"""A process that ingests through Kafka into a real engine until it is killed, or tells what is in the table.

    kill_worker.py DIRECTORY PORT run ROUND      prints `calling ROUND N` and `acked ROUND N` per call;
                                                 after SIGTERM it leaves the group and ends
    kill_worker.py DIRECTORY PORT check          prints one JSON line once the topic is drained

A call that is refused because broker or engine is away is sent again with its id, as a client would.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.kafka import kafka_cluster
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.pool import EnginePool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.kafka.carrier import Carrier, CarrierLimits
from aidatalabs_services.data.kafka.sink_lines import LineLimits, Tables
from aidatalabs_services.data.receipts import Receipt
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.data.tables import Tables as PlatformTables
from aidatalabs_services.runtime.errors import ServiceUnavailable
from tests.rpc.data_ingest.crash_worker import _LIMITS, CALLERS, UID, send


async def sent(ingestor: Ingestor, number: int, call: int) -> Receipt:
    """One call, repeated until it is acknowledged."""
    while True:
        try:
            return await send(ingestor, number, call)
        except ServiceUnavailable:
            await asyncio.sleep(0.1)


async def run(ingestor: Ingestor, number: int) -> None:
    """Calls until the process is told to stop; what is not acknowledged then is given up."""
    calls = iter(range(1_000_000))

    async def caller() -> None:
        for call in calls:
            print("calling", number, call, flush=True)  # noqa: T201
            await sent(ingestor, number, call)
            print("acked", number, call, flush=True)  # noqa: T201

    callers = asyncio.gather(*(caller() for _ in range(CALLERS)))
    told = asyncio.Event()

    def stop() -> None:
        told.set()
        callers.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    try:
        await callers
    except asyncio.CancelledError:
        if not told.is_set():
            raise


async def check(ingestor: Ingestor, warehouse: ClickHouseWarehouse) -> None:
    """Repeats the calls it is told, then tells how often each event is there."""
    begun = json.loads(sys.stdin.read())
    receipts = await asyncio.gather(*(sent(ingestor, number, call) for number, call in begun))
    await asyncio.wait_for(ingestor.drained(UID, "events"), 60)
    sql = "SELECT user_id, count() FROM events GROUP BY user_id"
    rows = await warehouse.query(UID, sql, limits=_LIMITS, query_id="check")
    hourly = await warehouse.query(UID, "SELECT sum(events) FROM events_hourly", limits=_LIMITS, query_id="h")
    found = {
        "repeated": sum(receipt.duplicate_count > 0 for receipt in receipts),
        "rows": [[int(user), int(count)] for user, count in rows.rows],
        "hourly": int(hourly.rows[0][0]),
    }
    print(json.dumps(found))  # noqa: T201


async def main(directory: Path, port: int, mode: str, number: int) -> None:
    """Opens everything, works, and closes it again."""
    settings = DataSettings(
        listen_address="127.0.0.1:0",
        jwks_url="http://127.0.0.1:9",
        directory=directory,
        kafka_bootstrap_servers=f"127.0.0.1:{port}",
        kafka_prefix=f"kills-{directory.name}",
        kafka_replication_count=1,
        kafka_partition_count=3,
        kafka_session_seconds=float(os.environ["SESSION_SECONDS"]),
    )
    pool = EnginePool(directory / "engines", EngineLimits(), max_engines=1, idle_seconds=600.0)
    warehouse = ClickHouseWarehouse(EmbeddedServers(pool))
    schemas = SchemaCache(warehouse.schema, ttl_seconds=5.0)
    while True:
        try:
            await PlatformTables(warehouse, schemas, fsync=False).provision(UID)
            break
        except ServiceUnavailable:
            await asyncio.sleep(0.1)  # the killed process's engine still holds its directory
    holds, lines = TableHolds(), LineLimits(pause_seconds=0.2, fence_seconds=0.5)
    carrier = Carrier(
        kafka_cluster(settings),
        Tables(warehouse, schemas.get, holds, lines),
        stored=lambda _rows: None,
        limits=CarrierLimits(ack_seconds=5.0, look_seconds=1.0),
        line_limits=lines,
    )
    limits = IngestLimits(store_seconds=0.0)
    ingestor = Ingestor(
        warehouse, schemas.get, directory / "journal", limits=limits, holds=holds, carrier=carrier
    )
    await ingestor.start()
    if mode == "run":
        await run(ingestor, number)
    else:
        await check(ingestor, warehouse)
    await ingestor.close()
    await warehouse.close()


if __name__ == "__main__":
    words = sys.argv[1:]
    asyncio.run(main(Path(words[0]), int(words[1]), words[2], int(words[3]) if len(words) > 3 else 0))

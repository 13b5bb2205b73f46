"""Ingestors over a broker and a warehouse in memory, as many side by side as a test wants."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from aidatalabs_services.data.adapters.kafka import kafka_cluster
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import IngestLimits, Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.kafka.carrier import Carrier, CarrierLimits
from aidatalabs_services.data.kafka.sink_lines import LineLimits, Tables
from aidatalabs_services.data.kafka.sink_worker import WorkerLimits
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Receipt, ReceiptState
from aidatalabs_services.data.settings import DataSettings
from tests.unit.data_ingest.warehouse import MemoryWarehouse

from .brokers import Broker

UID = "0c7d4b1e-0000-4000-8000-000000000001"
DEMO = "platforms/demo"


@dataclass
class Flow:
    """One data process's ingest, and what the tests ask of it."""

    ingestor: Ingestor
    carrier: Carrier
    holds: TableHolds

    async def take(self, request_id: str, *ids: int, note: str = "") -> Receipt:
        rows = MappingRows([{"id": each, "note": note} for each in ids])
        return await self.ingestor.ingest(UID, DEMO, "trips", request_id, rows)

    async def state(self, request_id: str) -> ReceiptState:
        return (await self.ingestor.receipt(UID, "trips", request_id)).state

    async def stored(self, request_id: str) -> None:
        await until(lambda: self._is_stored(request_id))

    async def _is_stored(self, request_id: str) -> bool:
        return await self.state(request_id) is ReceiptState.STORED


@dataclass
class Deployment:
    """Data processes with one prefix, so one group, each on a folder of its own."""

    broker: Broker
    directory: Path
    warehouse: MemoryWarehouse = field(default_factory=MemoryWarehouse)
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")
    changes: dict[str, Any] = field(default_factory=dict)
    ack_seconds: float = 8.0
    worker_limits: WorkerLimits | None = None

    def settings(self, process: str = "one") -> DataSettings:
        return DataSettings(
            listen_address="127.0.0.1:0",
            jwks_url="http://127.0.0.1:9",
            directory=self.directory / process,
            kafka_bootstrap_servers=self.broker.servers,
            kafka_prefix=self.prefix,
            kafka_replication_count=1,
            kafka_session_seconds=self.broker.session_seconds,
            **({"kafka_partition_count": 3} | self.changes),
        )

    @asynccontextmanager
    async def running(self, process: str = "one") -> AsyncIterator[Flow]:
        settings = self.settings(process)
        holds, lines = TableHolds(), LineLimits(pause_seconds=0.2, fence_seconds=0.5)
        warehouse = cast(Warehouse, self.warehouse)
        limits = CarrierLimits(
            message_bytes=settings.kafka_message_bytes, ack_seconds=self.ack_seconds, look_seconds=0.5
        )
        carrier = Carrier(
            kafka_cluster(settings),
            Tables(warehouse, self.warehouse.schema, holds, lines),
            stored=lambda _rows: None,
            limits=limits,
            line_limits=lines,
            worker_limits=self.worker_limits,
        )
        ingestor = Ingestor(
            warehouse,
            self.warehouse.schema,
            settings.directory / "journal",
            limits=IngestLimits(store_seconds=0.0, gather_seconds=0.0),
            holds=holds,
            carrier=carrier,
        )
        await ingestor.start()
        try:
            yield Flow(ingestor, carrier, holds)
        finally:
            await ingestor.close()

    @property
    def ids(self) -> list[int]:
        """The ids stored, sorted."""
        return sorted(row["id"] for row in self.warehouse.rows("trips"))


async def until(condition: Callable[[], bool | Awaitable[bool]], seconds: float = 15.0) -> None:
    """Waits until it holds."""
    end = time.monotonic() + seconds
    while True:
        held = condition()
        if held if isinstance(held, bool) else await held:
            return
        assert time.monotonic() < end, "it did not come true"
        await asyncio.sleep(0.02)

"""A backup of `events` and a drill of it: the pause of inserts, the time to recover and what would be lost.

The engine makes the rows itself (30 days up to now, two properties each); everything after goes through the
data service's own methods. After the backup 1,000 rows more are inserted: what the drill tells as lost.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from aidatalabs.data.v1 import backup_pb2
from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import bootstrap, engine_pool
from aidatalabs_services.data.settings import DataSettings
from aidatalabs_services.runtime.caller import Role
from aidatalabs_services.runtime.testing import ALICE, StaticRoles, TokenMint, running
from benchmarks.results import Row, row

DEFAULT_ROWS = 10_000_000
_PLATFORM = "platforms/bench"
_PIECE = 1_000_000
_MORE = 1000


def run(row_count: int = DEFAULT_ROWS) -> list[Row]:
    """The figures of one backup, the one after it, and one drill."""
    return asyncio.run(_run(row_count))


async def _run(row_count: int) -> list[Row]:
    roles = StaticRoles(platforms={(_PLATFORM, ALICE): Role.ADMIN})
    with tempfile.TemporaryDirectory(prefix="aidatalabs-drill-") as folder:
        settings = DataSettings(
            listen_address="127.0.0.1:0", jwks_url="http://127.0.0.1:9", directory=Path(folder)
        )
        warehouse = ClickHouseWarehouse(EmbeddedServers(engine_pool(settings)))
        mint = TokenMint()
        async with running(bootstrap(settings, warehouse=warehouse), mint=mint, roles=roles) as channel:
            service = _Service(pb_grpc.DataServiceStub(channel), mint)
            await service.call("ProvisionPlatform", pb.ProvisionPlatformRequest(platform=_PLATFORM))
            uid = (await roles.resolve("", ALICE, _PLATFORM)).platform_uid
            for first in range(0, row_count, _PIECE):
                await _insert(warehouse, uid, min(_PIECE, row_count - first))
            first_seconds, first_backup = await service.backed_up()
            again_seconds, _ = await service.backed_up()
            await _insert(warehouse, uid, _MORE)
            return _rows(first_seconds, first_backup, again_seconds, await service.drilled())


def _rows(seconds: float, backup: backup_pb2.Backup, again: float, drill: backup_pb2.Restore) -> list[Row]:
    label = f"{backup.row_count / 1e6:g} M rows, {backup.size_bytes / 1e6:,.0f} MB"
    return [
        row(f"backup: {label}", seconds, "s"),
        row("backup: the same again, unchanged", again, "s", peer="the first", peer_value=seconds),
        row("backup: inserts waited", backup.pause_seconds * 1000, "ms"),
        row(f"drill: RTO, {label}", drill.recovery_seconds, "s"),
        row(f"drill: RPO, {drill.missing_count:,} rows after the backup", drill.loss_seconds, "s"),
    ]


class _Service:
    """Calls as one admin."""

    def __init__(self, stub: pb_grpc.DataServiceStub, mint: TokenMint) -> None:
        self._stub = stub
        self._mint = mint

    async def call(self, method: str, request: Any) -> Any:
        return await getattr(self._stub, method)(request, metadata=self._mint.metadata(ALICE), timeout=60.0)

    async def backed_up(self) -> tuple[float, backup_pb2.Backup]:
        """Seconds until a backup is complete, and the backup."""
        begun = time.perf_counter()
        found = await self.call("CreateBackup", backup_pb2.CreateBackupRequest(platform=_PLATFORM))
        asked = backup_pb2.GetBackupRequest(platform=_PLATFORM, backup=found.name.rpartition("/")[2])
        while found.state == backup_pb2.BACKUP_STATE_RUNNING:
            await asyncio.sleep(0.05)
            found = await self.call("GetBackup", asked)
        if found.state != backup_pb2.BACKUP_STATE_DONE:
            raise RuntimeError(found.message)
        return time.perf_counter() - begun, found

    async def drilled(self) -> backup_pb2.Restore:
        """The evidence of a drill in which every table was equal."""
        found: backup_pb2.Restore = await self.call(
            "DrillBackup", backup_pb2.DrillBackupRequest(platform=_PLATFORM)
        )
        asked = backup_pb2.GetRestoreRequest(platform=_PLATFORM, restore=found.name.rpartition("/")[2])
        while found.state == backup_pb2.BACKUP_STATE_RUNNING:
            await asyncio.sleep(0.05)
            found = await self.call("GetRestore", asked)
        if found.state != backup_pb2.BACKUP_STATE_DONE or not all(table.equal for table in found.tables):
            raise RuntimeError(found.message)
        return found


async def _insert(warehouse: ClickHouseWarehouse, uid: str, count: int) -> None:
    await warehouse.execute(
        uid,
        "INSERT INTO events SELECT now64(3) - toIntervalMillisecond(cityHash64(number) % 2592000000), "
        "['view', 'click', 'buy'][1 + number % 3], number % 100000, "
        """concat('{"page":"/p', toString(number % 200), '","depth":', toString(number % 9), '}'), """
        f"number / 100 FROM numbers({count})",
        table="events",
    )

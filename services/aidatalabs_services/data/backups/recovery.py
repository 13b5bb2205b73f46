"""Everything about backups, built once: records, folders, snapshots, restores; one start, one end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from aidatalabs_services.data.backups.backups import BackupLimits, Backups
from aidatalabs_services.data.backups.completion import Completion, DeleteAgain
from aidatalabs_services.data.backups.filling import Filling
from aidatalabs_services.data.backups.records import Records, read_backup, read_restore
from aidatalabs_services.data.backups.restores import Restores
from aidatalabs_services.data.backups.snapshots import EngineParts, Snapshots
from aidatalabs_services.data.backups.store import BackupFolders
from aidatalabs_services.data.backups.works import BackupWorks
from aidatalabs_services.data.doubts import Doubts, Drained
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache

OfPlatform = Callable[[str], Awaitable[None]]


class Recovery:
    """`directory` is the data service's own, `kept` the folder of backups; `engines` hold the parts.

    `hold_unfinished` comes before ingest starts, `resume` after it.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        holds: TableHolds,
        rollups: Rollups,
        directory: Path,
        kept: Path,
        limits: BackupLimits,
        *,
        fsync: bool,
        embedded: bool,
        doubts: Doubts,
        drain: Drained,
        provision: OfPlatform,
        remove: OfPlatform,
        forget: OfPlatform,
        delete_again: DeleteAgain,
    ) -> None:
        store = BackupFolders(kept, directory / "staging")
        self._works = BackupWorks(embedded=embedded)
        parts = EngineParts(warehouse, directory / "engines", memory_bytes=limits.memory_bytes)
        snapshots = Snapshots(warehouse, parts, holds, doubts, drain)
        self.backups = Backups(
            Records(directory / "backup_records", read_backup),
            store,
            self._works,
            snapshots,
            parts,
            rollups,
            limits,
        )
        filling = Filling(warehouse, schemas, parts, rollups, fsync=fsync, free_bytes=limits.free_bytes)
        self.restores = Restores(
            warehouse,
            Records(directory / "restore_records", read_restore),
            self.backups,
            store,
            self._works,
            filling,
            holds,
            rollups,
            provision=provision,
            remove=remove,
            forget=forget,
            drained=snapshots.drained,
            completion=Completion(store, filling, rollups, delete_again),
        )

    async def hold_unfinished(self) -> None:
        """Keeps ingest out of platforms in the middle of a restore."""
        await self.backups.start()
        await self.restores.hold_unfinished()

    async def resume(self) -> None:
        """Goes on with what was under way."""
        await self.restores.resume()

    async def close(self) -> None:
        """Ends the work; restores begin again at the next start."""
        await self._works.close()

    def check_whole(self, uid: str) -> None:
        """Raises BackupBusy for a platform in the middle of a restore.

        Nobody is shown a part of its rows, and nothing is taken into tables that may have to go again.
        """
        self.restores.check(uid)

    async def delete_backup(self, uid: str, backup_id: str) -> None:
        """As Backups.delete; raises BackupBusy too while another platform is restored from it."""
        self.restores.check_unused(uid, backup_id)
        await self.backups.delete(uid, backup_id)

    async def remove(self, uid: str) -> None:
        """Ends everything here about a platform that is removed, with its backups."""
        await self.backups.remove(uid)
        await self.restores.remove_platform(uid)

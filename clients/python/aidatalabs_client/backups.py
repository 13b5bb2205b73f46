"""Calls about backups: made, verified, restored into a new platform, drilled.

The work goes on when a call has ended; `wait_for_backup` and `wait_for_restore` ask until it is over.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

from aidatalabs.data.v1 import backup_pb2
from aidatalabs_client.connection import Connection

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0


class BackupCalls(Connection):
    """What can be done about backups; all of it is for a platform's admins."""

    async def create_backup(self, platform: str, *, request_id: str = "") -> backup_pb2.Backup:
        """Begins a backup and returns it with its key; `wait_for_backup` tells its end."""
        request = backup_pb2.CreateBackupRequest(
            platform=platform, request_id=request_id or str(uuid.uuid4())
        )
        return await self._call(self._data.CreateBackup, request)

    async def get_backup(self, platform: str, backup: str) -> backup_pb2.Backup:
        """Returns one backup with its key, by its name `platforms/{id}/backups/{backup}` or its last part."""
        request = backup_pb2.GetBackupRequest(platform=platform, backup=backup.rpartition("/")[2])
        return await self._call(self._data.GetBackup, request)

    async def backups(self, platform: str, *, page_size: int = 100) -> AsyncIterator[backup_pb2.Backup]:
        """Yields the platform's backups page by page, the latest first, without their keys."""

        def page_of(page_token: str) -> Any:
            request = backup_pb2.ListBackupsRequest(
                platform=platform, page_size=page_size, page_token=page_token
            )
            return self._call(self._data.ListBackups, request)

        async for page in self._pages(page_of):
            for backup in page.backups:
                yield backup

    async def list_backups(self, platform: str) -> Sequence[backup_pb2.Backup]:
        """Returns every backup of the platform, the latest first, without their keys."""
        return [backup async for backup in self.backups(platform)]

    async def delete_backup(self, platform: str, backup: str) -> None:
        """Removes a backup with its files; what other backups share with it stays."""
        request = backup_pb2.DeleteBackupRequest(platform=platform, backup=backup.rpartition("/")[2])
        await self._call(self._data.DeleteBackup, request)

    async def verify_backup(self, platform: str, backup: str) -> backup_pb2.Backup:
        """Begins to read all files of a backup anew; `wait_for_backup` returns it with its verification."""
        request = backup_pb2.VerifyBackupRequest(platform=platform, backup=backup.rpartition("/")[2])
        return await self._call(self._data.VerifyBackup, request)

    async def restore_backup(self, platform: str, key: str, *, request_id: str = "") -> backup_pb2.Restore:
        """Begins to fill a new, empty platform from the backup of this key; see `wait_for_restore`."""
        request = backup_pb2.RestoreBackupRequest(
            platform=platform, key=key, request_id=request_id or str(uuid.uuid4())
        )
        return await self._call(self._data.RestoreBackup, request)

    async def drill_backup(self, platform: str, *, request_id: str = "") -> backup_pb2.Restore:
        """Begins a drill of the platform's newest backup; `wait_for_restore` returns the evidence."""
        request = backup_pb2.DrillBackupRequest(platform=platform, request_id=request_id or str(uuid.uuid4()))
        return await self._call(self._data.DrillBackup, request)

    async def get_restore(self, platform: str, restore: str) -> backup_pb2.Restore:
        """Returns one restore or drill, by its name `platforms/{id}/restores/{restore}` or its last part."""
        request = backup_pb2.GetRestoreRequest(platform=platform, restore=restore.rpartition("/")[2])
        return await self._call(self._data.GetRestore, request)

    async def restores(self, platform: str, *, page_size: int = 100) -> AsyncIterator[backup_pb2.Restore]:
        """Yields the restores into the platform and the drills of it page by page, the latest first."""

        def page_of(page_token: str) -> Any:
            request = backup_pb2.ListRestoresRequest(
                platform=platform, page_size=page_size, page_token=page_token
            )
            return self._call(self._data.ListRestores, request)

        async for page in self._pages(page_of):
            for restore in page.restores:
                yield restore

    async def list_restores(self, platform: str) -> Sequence[backup_pb2.Restore]:
        """Returns every restore into the platform and every drill of it, the latest first."""
        return [restore async for restore in self.restores(platform)]

    async def wait_for_backup(self, backup: backup_pb2.Backup) -> backup_pb2.Backup:
        """Returns a backup when it is DONE or FAILED and nobody is verifying it."""
        platform = backup.name.partition("/backups/")[0]
        pause = _FIRST_PAUSE_SECONDS
        running = backup_pb2.BACKUP_STATE_RUNNING
        while running in (backup.state, backup.verification.state):
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            backup = await self.get_backup(platform, backup.name)
        return backup

    async def wait_for_restore(self, restore: backup_pb2.Restore) -> backup_pb2.Restore:
        """Returns a restore or drill when it is DONE or FAILED."""
        platform = restore.name.partition("/restores/")[0]
        pause = _FIRST_PAUSE_SECONDS
        while restore.state == backup_pb2.BACKUP_STATE_RUNNING:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            restore = await self.get_restore(platform, restore.name)
        return restore

"""The data service's methods about backups: message in, domain call, message out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.data.v1 import backup_pb2
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs_services.data.backups.records import Backup, Restore, TableCopy
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.runtime.caller import current_caller, current_user
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]


class _OnPlatform(Protocol):
    @property
    def platform(self) -> str: ...


class _Paged(_OnPlatform, Protocol):
    @property
    def page_token(self) -> str: ...

    @property
    def page_size(self) -> int: ...


class _Listed(Protocol):
    @property
    def id(self) -> str: ...


_T = TypeVar("_T", bound=_Listed)


class BackupServicer(pb_grpc.DataServiceServicer):
    """See `data_service.proto`; `DataServicer` is one of these."""

    _recovery: Recovery
    _removal: PlatformRemoval

    async def CreateBackup(
        self, request: backup_pb2.CreateBackupRequest, context: Context
    ) -> backup_pb2.Backup:
        """Begins a backup."""
        backup = await self._recovery.backups.create(
            self._backed(request), request.platform, current_user(), request.request_id
        )
        return backup_message(backup, with_key=True)

    async def GetBackup(self, request: backup_pb2.GetBackupRequest, context: Context) -> backup_pb2.Backup:
        """One backup, with its key."""
        backup = self._recovery.backups.get(self._backed(request), request.backup)
        return backup_message(backup, with_key=True)

    async def ListBackups(
        self, request: backup_pb2.ListBackupsRequest, context: Context
    ) -> backup_pb2.ListBackupsResponse:
        """One page of backups."""
        found = self._recovery.backups.list(self._backed(request))
        some, token = _page(found, request, "ListBackups")
        return backup_pb2.ListBackupsResponse(
            backups=[backup_message(one) for one in some], next_page_token=token
        )

    async def DeleteBackup(self, request: backup_pb2.DeleteBackupRequest, context: Context) -> Empty:
        """Removes a backup."""
        await self._recovery.delete_backup(self._backed(request), request.backup)
        return Empty()

    async def VerifyBackup(
        self, request: backup_pb2.VerifyBackupRequest, context: Context
    ) -> backup_pb2.Backup:
        """Begins to verify a backup."""
        return backup_message(await self._recovery.backups.verify(self._backed(request), request.backup))

    async def RestoreBackup(
        self, request: backup_pb2.RestoreBackupRequest, context: Context
    ) -> backup_pb2.Restore:
        """Begins a restore."""
        restore = await self._recovery.restores.restore(
            self._backed(request), request.platform, current_user(), request.key, request.request_id
        )
        return restore_message(restore)

    async def DrillBackup(
        self, request: backup_pb2.DrillBackupRequest, context: Context
    ) -> backup_pb2.Restore:
        """Begins a drill."""
        drill = await self._recovery.restores.drill(
            self._backed(request), request.platform, current_user(), request.request_id
        )
        return restore_message(drill)

    async def GetRestore(self, request: backup_pb2.GetRestoreRequest, context: Context) -> backup_pb2.Restore:
        """One restore or drill."""
        return restore_message(self._recovery.restores.get(self._backed(request), request.restore))

    async def ListRestores(
        self, request: backup_pb2.ListRestoresRequest, context: Context
    ) -> backup_pb2.ListRestoresResponse:
        """One page of restores and drills."""
        found = self._recovery.restores.list(self._backed(request))
        some, token = _page(found, request, "ListRestores")
        return backup_pb2.ListRestoresResponse(
            restores=[restore_message(one) for one in some], next_page_token=token
        )

    def _backed(self, request: _OnPlatform) -> str:
        """The uid of the platform that the access check let this call to."""
        uid = current_caller().platform_uid
        self._removal.check(uid, request.platform)
        return uid


def _page(found: Sequence[_T], request: _Paged, method: str) -> tuple[Sequence[_T], str]:
    """Some of what was found, the latest first, and the token of the next page."""
    parameters = {"method": method, "platform": request.platform}
    position = page_position(request.page_token, parameters)
    before = str(position[0]) if position else None
    count = page_size(request.page_size)
    rest = [one for one in found if before is None or one.id < before]
    return rest[:count], page_token((rest[count - 1].id,), parameters) if len(rest) > count else ""


def backup_message(backup: Backup, *, with_key: bool = False) -> backup_pb2.Backup:
    """A backup; its key only where one alone is asked for."""
    verification = None
    if backup.verify_state is not None:
        verification = backup_pb2.BackupVerification(
            state=backup_pb2.BackupState.Value(f"BACKUP_STATE_{backup.verify_state.value}"),
            end_time=_moment(backup.verify_seconds),
            message=backup.verify_message,
            damaged_file=backup.damaged_file,
        )
    return backup_pb2.Backup(
        name=backup.name,
        state=backup_pb2.BackupState.Value(f"BACKUP_STATE_{backup.state.value}"),
        user=backup.user,
        create_time=_moment(backup.create_seconds),
        snapshot_time=_moment(backup.snapshot_seconds),
        end_time=_moment(backup.end_seconds),
        progress=backup.progress,
        message=backup.message,
        tables=[_table(table) for table in backup.tables],
        row_count=backup.row_count,
        size_bytes=backup.size_bytes,
        copied_bytes=backup.copied_bytes,
        file_count=backup.file_count,
        pause_seconds=round(backup.pause_seconds, 4),
        engine_version=backup.engine_version,
        key=backup.key if with_key else "",
        verification=verification,
    )


def restore_message(restore: Restore) -> backup_pb2.Restore:
    """A restore or a drill."""
    return backup_pb2.Restore(
        name=restore.name,
        kind=backup_pb2.Restore.Kind.Value(restore.kind.value),
        state=backup_pb2.BackupState.Value(f"BACKUP_STATE_{restore.state.value}"),
        backup=restore.backup,
        user=restore.user,
        create_time=_moment(restore.create_seconds),
        end_time=_moment(restore.end_seconds),
        progress=restore.progress,
        message=restore.message,
        tables=[_table(table) for table in restore.tables],
        size_bytes=restore.size_bytes,
        recovery_seconds=restore.recovery_seconds,
        loss_seconds=restore.loss_seconds,
        missing_count=restore.missing_count,
        rollup_count=restore.rollup_count,
    )


def _table(table: TableCopy) -> backup_pb2.BackupTable:
    found = table.found_count >= 0
    return backup_pb2.BackupTable(
        table=table.table,
        row_count=table.row_count,
        size_bytes=table.size_bytes,
        row_hash=table.row_hash,
        restored_count=table.found_count if found else None,
        restored_hash=table.found_hash,
        equal=found and table.is_equal,
    )


def _moment(seconds: float) -> Timestamp | None:
    """None where it has not come yet: the field stays unset."""
    if not seconds:
        return None
    moment = Timestamp()
    moment.FromMilliseconds(round(seconds * 1000))
    return moment

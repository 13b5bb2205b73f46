"""Backups of platforms: begun, carried out in the background, listed, verified, removed.

A backup that a restart cuts short is FAILED and leaves nothing behind; the next one costs what is new.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import (
    Manifest,
    StoredPart,
    StoredTable,
    part_folder,
    written,
)
from aidatalabs_services.data.backups.progress import Progress, followed, to_the_end
from aidatalabs_services.data.backups.records import Backup, Records, State, TableCopy
from aidatalabs_services.data.backups.snapshots import EngineParts, Snapshot, Snapshots, stored_tables
from aidatalabs_services.data.backups.store import BackupFolders
from aidatalabs_services.data.backups.works import BackupWorks
from aidatalabs_services.data.deletion_records import new_deletion_id
from aidatalabs_services.data.errors import (
    BackupDamaged,
    BackupLimitReached,
    BackupNotFound,
    BackupNotReady,
)
from aidatalabs_services.data.rollups.declarations import STANDARD_NAMES
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
INTERRUPTED = "The service was stopped before it was done. Begin another."
UNFORESEEN = "It failed in an unforeseen way; the log of the data service has more."


@dataclass(frozen=True)
class BackupLimits:
    """`count` backups of a platform at most, `free_bytes` of room that the disk keeps, `memory_bytes` that
    one statement of ours may use.
    """

    count: int
    free_bytes: int
    memory_bytes: int


class Backups:
    """The backups of every platform, by the platform's uid."""

    def __init__(
        self,
        records: Records[Backup],
        store: BackupFolders,
        works: BackupWorks,
        snapshots: Snapshots,
        parts: EngineParts,
        rollups: Rollups,
        limits: BackupLimits,
    ) -> None:
        self._records = records
        self._store = store
        self._works = works
        self._snapshots = snapshots
        self._parts = parts
        self._rollups = rollups
        self._limits = limits

    async def start(self) -> None:
        """Notes what a process that ended left undone."""
        await self._records.load()
        for uid, backup in self._records.all():
            if backup.state is State.RUNNING:
                failed = replace(backup, state=State.FAILED, end_seconds=time.time(), message=INTERRUPTED)
                await self._records.save(uid, failed)
            elif backup.verify_state is State.RUNNING:
                await self._records.save(uid, replace(backup, verify_state=None))
        await asyncio.to_thread(self._store.clear)

    async def remove(self, uid: str) -> None:
        """Ends everything about a platform that is removed, its backups too."""
        await self._works.stop(uid)
        await asyncio.to_thread(self._store.remove_platform, uid)
        await self._records.remove(uid)

    def get(self, uid: str, backup_id: str) -> Backup:
        """One backup. Raises BackupNotFound."""
        found = self._records.get(uid, backup_id)
        if found is None:
            raise BackupNotFound(
                "The platform has no backup of this id. List the backups to see which there are.",
                metadata={"backup": backup_id},
            )
        return found

    def list(self, uid: str) -> list[Backup]:
        """All backups of a platform, the latest first."""
        return self._records.of_platform(uid)

    def newest(self, uid: str) -> Backup:
        """The newest backup that is complete. Raises BackupNotFound."""
        for backup in self.list(uid):
            if backup.state is State.DONE:
                return backup
        raise BackupNotFound(
            "The platform has no complete backup. Create one first.", metadata={"backup": ""}
        )

    def of_key(self, key: str) -> tuple[Path, str] | None:
        """(folder, name) of the complete backup with this key, kept here or brought from elsewhere."""
        for uid, backup in self._records.all():
            if backup.state is State.DONE and secrets.compare_digest(backup.key, key):
                return self._store.folder(uid, backup.id), backup.name
        folder = self._store.imported(key)
        return (folder, f"imports/{key[:8]}") if folder else None

    async def create(self, uid: str, platform: str, user: str, request_id: str = "") -> Backup:
        """Begins a backup; the same request id again returns the same one.

        Raises BackupBusy, BackupLimitReached, NotBuiltYet.
        """
        earlier = self._records.of_request(uid, request_id)
        if earlier is not None:
            return earlier
        self._works.check(uid)
        if len(self.list(uid)) >= self._limits.count:
            raise BackupLimitReached(
                f"The platform has {self._limits.count} backups, as many as it may. Delete one first.",
                metadata={"limit": str(self._limits.count)},
            )
        backup = Backup(
            new_deletion_id(), platform, user, request_id, secrets.token_hex(16), create_seconds=time.time()
        )
        self._works.start(uid, self._carry_out(uid, backup))
        return await self._records.save(uid, backup)

    async def delete(self, uid: str, backup_id: str) -> None:
        """Removes a backup with its files; others keep what they share with it. Raises BackupNotFound,
        BackupBusy.
        """
        self.get(uid, backup_id)
        self._works.check(uid)
        await asyncio.to_thread(self._store.remove, uid, backup_id)
        await self._records.forget(uid, backup_id)

    async def verify(self, uid: str, backup_id: str) -> Backup:
        """Begins to read every file of a backup anew. Raises BackupNotFound, BackupNotReady, BackupBusy."""
        backup = self.get(uid, backup_id)
        if backup.state is not State.DONE:
            raise not_ready(backup)
        self._works.check(uid)
        begun = replace(backup, verify_state=State.RUNNING, verify_message="", damaged_file="")
        self._works.start(uid, self._verify(uid, begun))
        return await self._records.save(uid, begun)

    async def _carry_out(self, uid: str, backup: Backup) -> None:
        try:
            done = await self._taken(uid, backup)
        except asyncio.CancelledError:
            raise
        except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
            done = replace(backup, state=State.FAILED, message=why(error))
        except Exception:  # noqa: BLE001 - the record must tell an end
            _LOG.exception("a backup failed in an unforeseen way")
            done = replace(backup, state=State.FAILED, message=UNFORESEEN)
        if done.state is State.FAILED:
            await asyncio.to_thread(self._store.remove, uid, backup.id)
        await self._records.settle(uid, replace(done, end_seconds=time.time()))

    async def _taken(self, uid: str, backup: Backup) -> Backup:
        before = await asyncio.to_thread(self._before, uid)
        staged = await asyncio.to_thread(self._store.staged, backup.id)
        try:
            version = await self._parts.version(uid)
            snapshot = await self._snapshots.take(
                uid, staged, lambda found: _known_hashes(found, staged, before)
            )
            declared = [each.declaration for each in await self._rollups.list(uid)]
            manifest = Manifest(
                backup.id,
                backup.key,
                backup.platform,
                uid,
                snapshot.seconds,
                version,
                (),
                tuple(each for each in declared if each.name not in STANDARD_NAMES),
            )
            return await self._kept(uid, backup, manifest, snapshot, staged, before)
        finally:
            await asyncio.to_thread(folders.removed, staged)

    async def _kept(
        self,
        uid: str,
        backup: Backup,
        manifest: Manifest,
        snapshot: Snapshot,
        staged: Path,
        before: Manifest | None,
    ) -> Backup:
        """Copies what is new and completes the folder."""
        size = await asyncio.to_thread(_size_of, staged)
        if (
            await asyncio.to_thread(folders.free_bytes, self._store.directory)
            < size + self._limits.free_bytes
        ):
            raise OSError(28, "no room")
        progress = Progress(size)
        keep = partial(self._keep, uid, backup.id, manifest, snapshot, staged, before, progress)
        backup = replace(
            backup, snapshot_seconds=snapshot.seconds, pause_seconds=snapshot.pause_seconds, size_bytes=size
        )
        whole, copied = await followed(
            asyncio.create_task(to_the_end(keep)),
            lambda: self._records.note(uid, replace(backup, progress=progress.share)),
        )
        return replace(
            backup,
            state=State.DONE,
            progress=1.0,
            copied_bytes=copied,
            file_count=whole.file_count,
            size_bytes=whole.size_bytes,
            engine_version=whole.engine_version,
            tables=copies(whole),
        )

    def _keep(
        self,
        uid: str,
        backup_id: str,
        manifest: Manifest,
        snapshot: Snapshot,
        staged: Path,
        before: Manifest | None,
        progress: Progress,
    ) -> tuple[Manifest, int]:
        partial = self._store.partial(uid, backup_id)
        kept: dict[str, list[StoredPart]] = {}
        copied = 0
        for part in snapshot.parts:
            inner = part_folder(part.table, part.name)
            known = _part_of(before, part.table, part.name)
            earlier = self._store.folder(uid, before.id) / inner if before else None
            files, count = folders.keep_part(
                staged / part.table / part.name, partial / inner, known, earlier, progress.add
            )
            row_hash = snapshot.hashes.get((part.table, part.name), "")
            kept.setdefault(part.table, []).append(StoredPart(part.name, part.row_count, files, row_hash))
            copied += count
        whole = replace(manifest, tables=stored_tables(snapshot, kept))
        self._store.complete(partial, written(whole))
        return whole, copied

    def _before(self, uid: str) -> Manifest | None:
        """The manifest of the newest backup that can be built upon."""
        for backup in self.list(uid):
            if backup.state is State.DONE and backup.verify_state is not State.FAILED:
                try:
                    return self._store.read(self._store.folder(uid, backup.id))
                except ServiceError:
                    continue
        return None

    async def _verify(self, uid: str, backup: Backup) -> None:
        folder = self._store.folder(uid, backup.id)
        try:
            count = await asyncio.to_thread(self._verified, folder)
            done = replace(
                backup, verify_state=State.DONE, verify_message=f"{count:,} files are as they were written."
            )
        except BackupDamaged as error:
            done = replace(
                backup,
                verify_state=State.FAILED,
                verify_message=error.message,
                damaged_file=error.metadata.get("file", ""),
            )
        except (ServiceError, OSError) as error:
            done = replace(backup, verify_state=State.FAILED, verify_message=why(error))
        await self._records.settle(uid, replace(done, verify_seconds=time.time()))

    def _verified(self, folder: Path) -> int:
        manifest = self._store.read(folder)
        for table in manifest.tables:
            for part in table.parts:
                folders.verified(folder, table.schema.name, part, lambda count: None)
        return manifest.file_count


def copies(manifest: Manifest) -> tuple[TableCopy, ...]:
    """What a record says of a backup's tables."""
    return tuple(
        TableCopy(table.schema.name, table.row_count, table.size_bytes, table.row_hash)
        for table in manifest.tables
    )


def not_ready(backup: Backup) -> BackupNotReady:
    """The refusal of a backup that is not complete."""
    return BackupNotReady(
        "The backup is not complete. Wait for its state to be DONE, or create another one.",
        metadata={"backup": backup.id, "state": backup.state.value},
    )


def why(error: Exception) -> str:
    """What is told about a failure, in our own words."""
    if isinstance(error, ServiceError):
        return error.message
    if isinstance(error, OSError) and error.errno == 28:
        return "The disk that backups are kept on has no room for it. Delete older backups, or make room."
    if isinstance(error, TimeoutError):
        return "The engine did not answer in time. Try again."
    return "The files could not be read or written. The log of the data service has more."


def _size_of(folder: Path) -> int:
    return sum(facts.st_size for _, facts in folders.walk(folder, depth=5))


def _part_of(before: Manifest | None, table: str, part: str) -> StoredPart | None:
    stored = before.table(table) if before else None
    return next((each for each in stored.parts if each.name == part), None) if stored else None


def _known_hashes(snapshot: Snapshot, staged: Path, before: Manifest | None) -> Mapping[tuple[str, str], str]:
    """Hashes of parts that are the same as in the backup before: the engine's checksums tell."""
    found = {}
    for part in snapshot.parts:
        stored = _part_of(before, part.table, part.name)
        if stored is None or not stored.row_hash or before is None:
            continue
        table: StoredTable | None = before.table(part.table)
        if table is None or table.schema.columns != snapshot.schema[part.table].columns:
            continue  # the hash is one of all columns
        checksums = next((file.sha256 for file in stored.files if file.path == "checksums.txt"), "")
        path = staged / part.table / part.name / "checksums.txt"
        if path.is_file() and folders.sha256_of(path) == checksums:
            found[part.table, part.name] = stored.row_hash
    return found

"""Backups of platforms: begun, carried out in the background, listed, verified, removed.

A backup that a restart cuts short is FAILED and leaves nothing behind; the next one costs what is new.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import (
    Manifest,
    StoredPart,
    part_folder,
    written,
)
from aidatalabs_services.data.backups.outcomes import (
    INTERRUPTED,
    NOT_VERIFIED,
    UNFORESEEN,
    logged,
    told,
    why,
)
from aidatalabs_services.data.backups.progress import Progress, followed, to_the_end
from aidatalabs_services.data.backups.records import Backup, Records, State, TableCopy
from aidatalabs_services.data.backups.reuse import known_hashes, part_of, sizes_of
from aidatalabs_services.data.backups.snapshots import EngineParts, Snapshot, Snapshots, stored_tables
from aidatalabs_services.data.backups.store import IMPORTS, BackupFolders
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
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackupLimits:
    """`count` backups of a platform at most, `free_bytes` of room that the disk keeps, `memory_bytes` that
    one statement of ours may use.
    """

    count: int
    free_bytes: int
    memory_bytes: int


@dataclass(frozen=True)
class Source:
    """Where a restore takes its rows from: folder and name of the backup, and the uid of the platform that it
    was made of here; empty for one from elsewhere, whatever its manifest says.
    """

    folder: Path
    name: str
    uid: str


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
        """Ends what a process that ended left undone, the files before what is said of them."""
        await self._records.load()
        await asyncio.to_thread(self._store.clear)
        for uid, backup in self._records.all():
            if backup.removing:
                await self._removed(uid, backup)
            elif backup.state is State.RUNNING:
                with logged("files of a backup that was cut short stay"):
                    await asyncio.to_thread(self._store.remove, uid, backup.id)
                failed = replace(backup, state=State.FAILED, end_seconds=time.time(), message=INTERRUPTED)
                await self._records.settle(uid, failed)
            elif backup.verify_state is State.RUNNING:
                # What an earlier look found damaged stays known as damaged.
                cut = replace(backup, verify_state=State.FAILED, verify_message=NOT_VERIFIED)
                await self._records.settle(uid, replace(cut, verify_seconds=time.time()))

    async def remove(self, uid: str) -> None:
        """Ends everything about a platform that is removed, its backups too. Raises ServiceUnavailable."""
        await self._works.stop(uid)
        try:
            await asyncio.to_thread(self._store.remove_platform, uid)
        except OSError as error:
            _LOG.warning("backups of a removed platform are still there: %s", error)
            raise ServiceUnavailable(
                "The backups could not be removed yet; try again.", retry_after_seconds=5.0
            ) from error
        await self._records.remove(uid)

    def get(self, uid: str, backup_id: str) -> Backup:
        """One backup. Raises BackupNotFound."""
        found = self._records.get(uid, backup_id)
        if found is None or found.removing:
            raise BackupNotFound(
                "The platform has no backup of this id. List the backups to see which there are.",
                metadata={"backup": backup_id},
            )
        return found

    def list(self, uid: str) -> list[Backup]:
        """All backups of a platform, the latest first."""
        return [each for each in self._records.of_platform(uid) if not each.removing]

    def newest(self, uid: str) -> Backup:
        """The newest backup that is complete. Raises BackupNotFound."""
        for backup in self.list(uid):
            if backup.state is State.DONE:
                return backup
        raise BackupNotFound(
            "The platform has no complete backup. Create one first.", metadata={"backup": ""}
        )

    def of_key(self, key: str) -> Source | None:
        """The complete backup with this key, kept here or brought from elsewhere."""
        for uid, backup in self._records.all():
            whole = backup.state is State.DONE and not backup.removing
            if whole and secrets.compare_digest(backup.key, key):
                return Source(self._store.folder(uid, backup.id), backup.name, uid)
        folder = self._store.imported(key)
        return Source(folder, f"{IMPORTS}/{key[:8]}", "") if folder else None

    async def create(self, uid: str, platform: str, user: str, request_id: str = "") -> Backup:
        """Begins a backup; the same request id again returns the same one.

        Raises BackupBusy, BackupLimitReached, NotBuiltYet, ServiceUnavailable.
        """
        earlier = self._records.of_request(uid, request_id)
        if earlier is not None and not earlier.removing:
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
        return await self._works.begin(
            uid, self._records.save(uid, backup), lambda kept: self._carry_out(uid, kept)
        )

    async def delete(self, uid: str, backup_id: str) -> None:
        """Removes a backup with its files; others keep what they share with it. Raises BackupNotFound,
        BackupBusy, ServiceUnavailable. It goes on when the caller goes away, and after a restart.
        """
        backup = self.get(uid, backup_id)
        self._works.check(uid)
        over = asyncio.Event()

        async def remove(kept: Backup) -> None:
            try:
                await self._removed(uid, kept)
            finally:
                over.set()

        await self._works.begin(uid, self._records.save(uid, replace(backup, removing=True)), remove)
        await over.wait()

    async def verify(self, uid: str, backup_id: str) -> Backup:
        """Begins to read every file of a backup anew. Raises BackupNotFound, BackupNotReady, BackupBusy."""
        backup = self.get(uid, backup_id)
        if backup.state is not State.DONE:
            raise not_ready(backup)
        self._works.check(uid)
        begun = replace(backup, verify_state=State.RUNNING, verify_message="")
        return await self._works.begin(
            uid, self._records.save(uid, begun), lambda kept: self._verify(uid, kept)
        )

    async def note_damage(self, uid: str, backup_id: str, error: BackupDamaged) -> None:
        """Remembers that a restore or drill found a file that is not as it was written."""
        backup = self._records.get(uid, backup_id)
        if backup is not None and not backup.removing:
            await self._records.settle(uid, _damaged(backup, error))

    async def _removed(self, uid: str, backup: Backup) -> None:
        with logged("files of a removed backup go at the next start"):
            await asyncio.to_thread(self._store.remove, uid, backup.id)
            await self._records.forget(uid, backup.id)

    async def _carry_out(self, uid: str, backup: Backup) -> None:
        try:
            done = await self._taken(uid, backup)
        except asyncio.CancelledError:
            raise
        except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
            _LOG.warning("a backup failed: %s", told(error))
            done = replace(backup, state=State.FAILED, message=why(error))
        except Exception:  # noqa: BLE001 - the record must tell an end
            _LOG.exception("a backup failed in an unforeseen way")
            done = replace(backup, state=State.FAILED, message=UNFORESEEN)
        if done.state is State.FAILED:
            with logged("files of a failed backup stay until it is deleted"):
                await asyncio.to_thread(self._store.remove, uid, backup.id)
        await self._records.settle(uid, replace(done, end_seconds=time.time()))

    async def _taken(self, uid: str, backup: Backup) -> Backup:
        before = await asyncio.to_thread(self._before, uid)
        staged = await asyncio.to_thread(self._store.staged, backup.id)
        try:
            version = await self._parts.version(uid)
            snapshot = await self._snapshots.take(
                uid, staged, lambda found: known_hashes(found, staged, before)
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
        size, new = await asyncio.to_thread(sizes_of, snapshot, staged, before)
        await asyncio.to_thread(
            folders.demand_room, self._store.directory, new + self._limits.free_bytes if new else 0
        )
        progress = Progress(size)
        keep = partial(self._keep, uid, backup.id, manifest, snapshot, staged, before, progress)
        backup = replace(
            backup, snapshot_seconds=snapshot.seconds, pause_seconds=snapshot.pause_seconds, size_bytes=size
        )
        whole, copied = await followed(
            asyncio.create_task(to_the_end(keep, progress)),
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
            known = part_of(before, part.table, part.name)
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
        """The manifest of the newest backup that can be built upon.

        None behind one that is damaged: its file may be the same one in those before it, known or not.
        """
        for backup in self.list(uid):
            if backup.damaged_file:
                return None
            if backup.state is State.DONE:
                try:
                    return self._store.read(self._store.folder(uid, backup.id))
                except ServiceError:
                    continue
        return None

    async def _verify(self, uid: str, backup: Backup) -> None:
        progress = Progress(0)
        try:
            work = partial(self._verified, self._store.folder(uid, backup.id), progress)
            count = await to_the_end(work, progress)
            done = replace(
                backup,
                verify_state=State.DONE,
                verify_message=f"{count:,} files are as they were written.",
                damaged_file="",
            )
        except BackupDamaged as error:
            done = _damaged(backup, error)
        except (ServiceError, OSError) as error:
            _LOG.warning("a backup is not verified: %s", told(error))
            done = replace(backup, verify_state=State.FAILED, verify_message=why(error))
        await self._records.settle(uid, replace(done, verify_seconds=time.time()))

    def _verified(self, folder: Path, progress: Progress) -> int:
        manifest = self._store.read(folder)
        for table in manifest.tables:
            for part in table.parts:
                folders.verified(folder, table.schema.name, part, progress.add)
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


def _damaged(backup: Backup, error: BackupDamaged) -> Backup:
    return replace(
        backup,
        verify_state=State.FAILED,
        verify_seconds=time.time(),
        verify_message=error.message,
        damaged_file=error.metadata.get("file", ""),
    )

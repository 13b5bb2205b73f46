"""Restores into a new platform, and drills: the newest backup restored aside, compared, measured, removed.

A restore that a restart cuts short begins again from an empty platform; a drill is FAILED and leaves nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.backups import (
    INTERRUPTED,
    UNFORESEEN,
    Backups,
    copies,
    why,
)
from aidatalabs_services.data.backups.filling import STANDARD, Filling, seconds_since
from aidatalabs_services.data.backups.manifest import Manifest
from aidatalabs_services.data.backups.progress import Progress, followed
from aidatalabs_services.data.backups.records import Kind, Records, Restore, State
from aidatalabs_services.data.backups.store import IMPORTS, BackupFolders
from aidatalabs_services.data.backups.works import BackupWorks
from aidatalabs_services.data.deletion_records import new_deletion_id
from aidatalabs_services.data.errors import BackupNotFound
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)

OfPlatform = Callable[[str], Awaitable[None]]


class Restores:
    """Restores and drills of every platform, by the platform's uid.

    `provision` makes a store with its standard tables, `remove` takes one away with all that is known of it;
    `forget` drops what is kept of a platform's queries.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        records: Records[Restore],
        backups: Backups,
        store: BackupFolders,
        works: BackupWorks,
        filling: Filling,
        holds: TableHolds,
        rollups: Rollups,
        *,
        provision: OfPlatform,
        remove: OfPlatform,
        forget: Callable[[str], Awaitable[None]],
    ) -> None:
        self._warehouse = warehouse
        self._records = records
        self._backups = backups
        self._store = store
        self._works = works
        self._filling = filling
        self._holds = holds
        self._rollups = rollups
        self._provision = provision
        self._remove = remove
        self._forget = forget
        self._held: dict[str, AsyncExitStack] = {}

    async def hold_unfinished(self) -> None:
        """Holds the tables of every platform that is in the middle of a restore, before ingest begins."""
        await self._records.load()
        for uid, restore in self._records.all():
            if restore.state is State.RUNNING and restore.kind is Kind.RESTORE:
                self._held[uid] = await self._hold(uid, [table.table for table in restore.tables])

    async def resume(self) -> None:
        """Begins interrupted restores again, and removes the scratch stores of interrupted drills."""
        for uid, restore in self._records.all():
            if restore.kind is Kind.RESTORE and restore.state is State.RUNNING:
                self._works.start(uid, self._carry_out(uid, restore, None))
            elif restore.scratch_uid:
                self._works.start(uid, self._given_up(uid, restore))

    async def remove_platform(self, uid: str) -> None:
        """Forgets a platform's restores; its work was stopped with its backups'."""
        held = self._held.pop(uid, None)
        if held is not None:
            await held.aclose()
        await self._records.remove(uid)

    def get(self, uid: str, restore_id: str) -> Restore:
        """One restore or drill. Raises BackupNotFound."""
        found = self._records.get(uid, restore_id)
        if found is None:
            raise BackupNotFound(
                "The platform has no restore or drill of this id. List them to see which there are.",
                metadata={"backup": restore_id},
            )
        return found

    def list(self, uid: str) -> list[Restore]:
        """All restores into a platform and all drills of it, the latest first."""
        return self._records.of_platform(uid)

    async def restore(self, uid: str, platform: str, user: str, key: str, request_id: str = "") -> Restore:
        """Begins to fill an empty platform; the same request id again returns the same restore.

        Raises BackupNotFound (no backup of this key), BackupDamaged (its manifest), RestoreTargetNotEmpty,
        BackupVersionNotSupported, BackupBusy, NotBuiltYet.
        """
        earlier = self._records.of_request(uid, request_id)
        if earlier is not None:
            return earlier
        self._works.check(uid)
        found = self._backups.of_key(key)
        if found is None:
            raise BackupNotFound(
                "There is no backup of this key here. GetBackup tells the key of one; a folder from "
                "elsewhere has to be brought here first (aidatalabs restore FOLDER).",
                metadata={"backup": ""},
            )
        folder, name = found
        manifest = await asyncio.to_thread(self._store.read, folder)
        await self._filling.check_version(uid, manifest)
        await self._filling.check_empty(uid, platform)
        self._works.check(uid)
        restore = self._new(Kind.RESTORE, platform, user, name, folder, manifest, request_id)
        self._works.start(uid, self._carry_out(uid, restore, manifest))
        return await self._records.save(uid, restore)

    async def drill(self, uid: str, platform: str, user: str, request_id: str = "") -> Restore:
        """Begins a drill of the newest complete backup. Raises BackupNotFound, BackupDamaged, BackupBusy."""
        earlier = self._records.of_request(uid, request_id)
        if earlier is not None:
            return earlier
        self._works.check(uid)
        backup = self._backups.newest(uid)
        folder = self._store.folder(uid, backup.id)
        manifest = await asyncio.to_thread(self._store.read, folder)
        self._works.check(uid)
        restore = replace(
            self._new(Kind.DRILL, platform, user, backup.name, folder, manifest, request_id),
            scratch_uid=str(uuid.uuid4()),
        )
        self._works.start(uid, self._drilled(uid, restore, manifest))
        return await self._records.save(uid, restore)

    def _new(
        self,
        kind: Kind,
        platform: str,
        user: str,
        backup: str,
        folder: Path,
        manifest: Manifest,
        request_id: str,
    ) -> Restore:
        return Restore(
            new_deletion_id(),
            kind,
            platform,
            user,
            backup,
            self._store.relative(folder),
            request_id,
            create_seconds=time.time(),
            size_bytes=manifest.size_bytes,
            tables=copies(manifest),
        )

    async def _hold(self, uid: str, tables: Sequence[str]) -> AsyncExitStack:
        stack = AsyncExitStack()
        for table in sorted({*tables, *STANDARD}):
            await stack.enter_async_context(self._holds.deleting(uid, table))
        return stack

    async def _carry_out(self, uid: str, restore: Restore, manifest: Manifest | None) -> None:
        """Fills the platform; empties it again where that fails."""
        held = self._held.pop(uid, None) or await self._hold(uid, [each.table for each in restore.tables])
        async with held:
            try:
                folder = self._store.place(restore.folder)
                if manifest is None:
                    manifest = await asyncio.to_thread(self._store.read, folder)
                if restore.begun:
                    await self._filling.clear(uid, manifest)
                else:
                    # Once more, now that nothing else writes: from here on the tables are this restore's own.
                    await self._filling.check_empty(uid, restore.platform)
                restore = await self._records.save(uid, replace(restore, begun=True))
                restore = await self._filled(uid, uid, restore, folder, manifest)
                if restore.state is State.FAILED:
                    await self._emptied(uid, restore, manifest)
            except asyncio.CancelledError:
                raise
            except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
                restore = replace(restore, state=State.FAILED, message=why(error))
                await self._emptied(uid, restore, manifest)
            except Exception:  # noqa: BLE001 - the record must tell an end
                _LOG.exception("a restore failed in an unforeseen way")
                restore = replace(restore, state=State.FAILED, message=UNFORESEEN)
                await self._emptied(uid, restore, manifest)
        if restore.state is not State.FAILED and manifest is not None:
            restore = await self._rolled_up(uid, restore, manifest)
        await self._forget(uid)
        await self._records.settle(uid, replace(restore, end_seconds=time.time()))
        if restore.folder.startswith(f"{IMPORTS}/"):
            # After it is kept: a restore that begins again needs the folder.
            await asyncio.to_thread(folders.removed, self._store.place(restore.folder))

    async def _filled(
        self, uid: str, into: str, restore: Restore, folder: Path, manifest: Manifest
    ) -> Restore:
        """The restore with what was found; FAILED where that is not what was backed up."""
        begun = time.monotonic()
        await self._rollups.fence(into, EVENTS.name)
        progress = Progress(manifest.size_bytes)
        tables = await followed(
            asyncio.create_task(self._filling.fill(into, folder, manifest, progress.add)),
            lambda: self._records.note(uid, replace(restore, progress=progress.share)),
        )
        wrong = [table.table for table in tables if not table.is_equal]
        restore = replace(restore, tables=tables, recovery_seconds=seconds_since(begun), progress=1.0)
        if wrong:
            message = f"The rows of {', '.join(wrong)[:200]} are not those that were backed up."
            return replace(restore, state=State.FAILED, message=message)
        return restore

    async def _rolled_up(self, uid: str, restore: Restore, manifest: Manifest) -> Restore:
        """Builds roll-ups over the rows; a roll-up that fails leaves the rows as they are."""
        done = replace(restore, state=State.DONE)
        try:
            await self._rollups.rebuild(uid, EVENTS.name)
            return replace(done, rollup_count=await self._filling.declare(uid, manifest))
        except (ServiceError, TimeoutError) as error:
            return replace(done, message=f"All rows are there, but a roll-up is not: {why(error)}")

    async def _emptied(self, uid: str, restore: Restore, manifest: Manifest | None) -> None:
        """Empties the platform of what this restore filled; nothing happens where it had not begun."""
        try:
            if manifest is not None and restore.begun:
                await self._filling.clear(uid, manifest)
            await self._rollups.rebuild(uid, EVENTS.name, wait=False)
        except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
            _LOG.warning("a platform whose restore failed is not empty: %s", type(error).__name__)

    async def _drilled(self, uid: str, restore: Restore, manifest: Manifest) -> None:
        """Fills a scratch store, compares and measures, and removes it again."""
        scratch = restore.scratch_uid
        try:
            loss, missing = await self._lost(uid, restore, manifest)
            restore = replace(restore, loss_seconds=loss, missing_count=missing)
            begun = time.monotonic()
            await self._provision(scratch)
            folder = self._store.place(restore.folder)
            done = await self._filled(uid, scratch, restore, folder, manifest)
            restore = replace(
                done,
                state=State.FAILED if done.state is State.FAILED else State.DONE,
                recovery_seconds=seconds_since(begun),
            )
        except asyncio.CancelledError:
            raise
        except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
            restore = replace(restore, state=State.FAILED, message=why(error))
        except Exception:  # noqa: BLE001 - the record must tell an end
            _LOG.exception("a drill failed in an unforeseen way")
            restore = replace(restore, state=State.FAILED, message=UNFORESEEN)
        left = await self._scratch_left(scratch)
        await self._records.settle(uid, replace(restore, scratch_uid=left, end_seconds=time.time()))

    async def _lost(self, uid: str, restore: Restore, manifest: Manifest) -> tuple[float, int]:
        """(seconds, rows) that would be lost if the platform were lost now: what came after the backup."""
        sizes = await self._warehouse.sizes(uid)
        schema = await self._warehouse.schema(uid)
        counts = {table.schema.name: table.row_count for table in manifest.tables}
        live = {
            name: sizes[name].row_count if name in sizes else 0 for name in schema if name not in STANDARD[1:]
        }
        missing = sum(max(0, count - counts.get(name, 0)) for name, count in live.items())
        changed = missing or any(count != counts.get(name) for name, count in live.items())
        seconds = max(0.0, restore.create_seconds - manifest.snapshot_seconds)
        return (round(seconds, 3), missing) if changed else (0.0, 0)

    async def _given_up(self, uid: str, restore: Restore) -> None:
        """Ends a drill that a restart cut short."""
        left = await self._scratch_left(restore.scratch_uid)
        if restore.state is State.RUNNING:
            restore = replace(restore, state=State.FAILED, message=INTERRUPTED, end_seconds=time.time())
        await self._records.settle(uid, replace(restore, scratch_uid=left))

    async def _scratch_left(self, scratch: str) -> str:
        """Removes a scratch store; its uid where that has to wait for the next start."""
        try:
            await self._remove(scratch)
        except (ServiceError, TimeoutError, OSError) as error:
            _LOG.warning("a drill's scratch store is removed at the next start: %s", type(error).__name__)
            return scratch
        return ""

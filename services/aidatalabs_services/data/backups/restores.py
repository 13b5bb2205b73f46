"""Restores into a new platform, and drills: the newest backup restored aside, compared, measured, removed.

    WAITING ─► begun ─► filled ─► roll-ups built, people deleted since deleted again ─► DONE
                 └────► failed ─► empty again ─► FAILED

Each step is kept before the next one. A restore that a restart cuts short begins again from an empty platform
until it is `filled`: from then on the rows are the platform's, beside new ones. Until its end nobody is shown
any of them. A drill that is cut short is FAILED and leaves nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.backups import Backups, Source, copies
from aidatalabs_services.data.backups.completion import Completion
from aidatalabs_services.data.backups.filling import STANDARD, Filling, seconds_since
from aidatalabs_services.data.backups.manifest import Manifest
from aidatalabs_services.data.backups.outcomes import INTERRUPTED, UNFORESEEN, logged, passes, told, why
from aidatalabs_services.data.backups.progress import Progress, followed
from aidatalabs_services.data.backups.records import Kind, Records, Restore, State
from aidatalabs_services.data.backups.store import IMPORTS, BackupFolders
from aidatalabs_services.data.backups.works import BackupWorks
from aidatalabs_services.data.deletion_records import new_deletion_id
from aidatalabs_services.data.errors import BackupBusy, BackupDamaged, BackupNotFound
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.runtime.errors import IdempotencyMismatch, ServiceError

_LOG = logging.getLogger(__name__)

OfPlatform = Callable[[str], Awaitable[None]]
_TRIES = 6
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 30.0


class Restores:
    """Restores and drills of every platform, by the platform's uid.

    `provision` makes a store with its standard tables, `remove` takes one away with all that is known of it;
    `forget` drops what is kept of a platform's queries; `drained` returns when what was acknowledged before
    is in the platform's tables; `completion` does what is left when the rows are there.
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
        forget: OfPlatform,
        drained: Callable[[str], Awaitable[object]],
        completion: Completion,
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
        self._drained = drained
        self._completion = completion
        self._held: dict[str, AsyncExitStack] = {}
        self._unfinished: set[str] = set()

    def check(self, uid: str) -> None:
        """Raises BackupBusy for a platform in the middle of a restore: its rows are not all there."""
        if uid in self._unfinished:
            raise BackupBusy(
                "The platform is being restored, and its rows are not all there yet. GetRestore tells how "
                "far it is.",
                metadata={},
                retry_after_seconds=2.0,
            )

    def check_unused(self, uid: str, backup_id: str) -> None:
        """Raises BackupBusy for a backup that some platform is being restored from."""
        for _, restore in self._records.all():
            of_it = restore.source_uid == uid and restore.backup.endswith(f"/{backup_id}")
            if of_it and restore.state is State.RUNNING:
                raise BackupBusy(
                    "A platform is being restored from this backup. Wait for its end and call again.",
                    metadata={},
                    retry_after_seconds=2.0,
                )

    async def hold_unfinished(self) -> None:
        """Holds the tables of every platform that is in the middle of a restore, before ingest begins."""
        await self._records.load()
        used = set()
        for uid, restore in self._records.all():
            if restore.state is State.RUNNING and restore.kind is Kind.RESTORE:
                self._held[uid] = await self._hold(uid, [table.table for table in restore.tables])
                self._unfinished.add(uid)
                used.add(restore.folder)
        await asyncio.to_thread(self._store.clear_imports, used)

    async def resume(self) -> None:
        """Begins interrupted restores again, and removes the scratch stores of interrupted drills."""
        for uid, restore in self._records.all():
            if restore.kind is Kind.RESTORE and restore.state is State.RUNNING:
                self._works.start(uid, self._carry_out(uid, restore))
            elif restore.scratch_uid:
                self._works.start(uid, self._given_up(uid, restore))

    async def remove_platform(self, uid: str) -> None:
        """Forgets a platform's restores; its work was stopped with its backups'.

        Raises as the removal of a store does: then something of a drill is left, and this is to be repeated.
        """
        held = self._held.pop(uid, None)
        if held is not None:
            await held.aclose()
        for restore in self._records.of_platform(uid):
            if restore.scratch_uid:
                await self._remove(restore.scratch_uid)
        self._unfinished.discard(uid)
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
        """Begins to fill an empty platform; the same request id and key again return the same restore.

        Raises BackupNotFound (no backup of this key), BackupDamaged (its manifest), RestoreTargetNotEmpty,
        BackupVersionNotSupported, BackupBusy, NotBuiltYet, IdempotencyMismatch.
        """
        digest = hashlib.sha256(key.encode()).hexdigest()
        earlier = self._earlier(uid, Kind.RESTORE, request_id, digest)
        if earlier is not None:
            return earlier
        self._works.check(uid)
        source = self._backups.of_key(key)
        if source is None:
            raise BackupNotFound(
                "There is no backup of this key here. GetBackup tells the key of one; a folder from "
                "elsewhere has to be brought here first (aidatalabs restore FOLDER).",
                metadata={"backup": ""},
            )
        manifest = await asyncio.to_thread(self._store.read, source.folder)
        await self._filling.check_version(uid, manifest)
        await self._drained(uid)
        await self._filling.check_empty(uid, platform)
        self._works.check(uid)
        restore = self._new(Kind.RESTORE, platform, user, source, manifest, request_id)
        return await self._works.begin(
            uid,
            self._records.save(uid, replace(restore, key_sha256=digest)),
            lambda kept: self._carry_out(uid, kept),
        )

    async def drill(self, uid: str, platform: str, user: str, request_id: str = "") -> Restore:
        """Begins a drill of the newest complete backup.

        Raises BackupNotFound, BackupDamaged, BackupBusy, IdempotencyMismatch.
        """
        earlier = self._earlier(uid, Kind.DRILL, request_id, "")
        if earlier is not None:
            return earlier
        self._works.check(uid)
        backup = self._backups.newest(uid)
        source = Source(self._store.folder(uid, backup.id), backup.name, uid)
        manifest = await asyncio.to_thread(self._store.read, source.folder)
        self._works.check(uid)
        drill = self._new(Kind.DRILL, platform, user, source, manifest, request_id)
        return await self._works.begin(
            uid,
            # What a drill makes is known before it is made: nothing of it outlives a crash.
            self._records.save(uid, replace(drill, scratch_uid=str(uuid.uuid4()))),
            lambda kept: self._drilled(uid, kept, manifest),
        )

    def _earlier(self, uid: str, kind: Kind, request_id: str, digest: str) -> Restore | None:
        """What this request id stands for already. Raises IdempotencyMismatch."""
        earlier = self._records.of_request(uid, request_id)
        if earlier is not None and (earlier.kind, earlier.key_sha256) != (kind, digest):
            raise IdempotencyMismatch(
                "This request_id was used before for another restore or drill. Send a new request_id.",
                metadata={"repeated_request_id": request_id},
            )
        return earlier

    def _new(
        self, kind: Kind, platform: str, user: str, source: Source, manifest: Manifest, request_id: str
    ) -> Restore:
        return Restore(
            new_deletion_id(),
            kind,
            platform,
            user,
            source.name,
            self._store.relative(source.folder),
            request_id,
            create_seconds=time.time(),
            source_uid=source.uid,
            snapshot_seconds=manifest.snapshot_seconds,
            size_bytes=manifest.size_bytes,
            tables=copies(manifest),
        )

    async def _hold(self, uid: str, tables: Sequence[str]) -> AsyncExitStack:
        stack = AsyncExitStack()
        for table in sorted({*tables, *STANDARD}):
            await stack.enter_async_context(self._holds.deleting(uid, table))
        return stack

    async def _carry_out(self, uid: str, restore: Restore) -> None:
        """Fills the platform; empties it again where that fails."""
        self._unfinished.add(uid)
        held = self._held.pop(uid, None) or await self._hold(uid, [each.table for each in restore.tables])
        async with held:
            if not restore.filled:
                restore = await self._brought_in(uid, restore)
        if restore.filled:
            restore = await self._completion.complete(uid, restore)
        try:
            await self._forget(uid)
        except Exception:  # noqa: BLE001 - what is kept of queries is told apart by the data's version too
            _LOG.exception("results of a restored platform are forgotten later")
        await self._records.settle(uid, replace(restore, end_seconds=time.time()))
        self._unfinished.discard(uid)
        await self._drop_import(restore)

    async def _brought_in(self, uid: str, restore: Restore) -> Restore:
        """The restore, `filled`, or FAILED and the platform empty; what passes by itself is tried again."""
        pause = _FIRST_PAUSE_SECONDS
        for tried in range(1, _TRIES + 1):
            if restore.failed:  # a crash came before it was empty again
                break
            try:
                return await self._attempt(uid, restore)
            except asyncio.CancelledError:
                raise
            except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
                _LOG.warning("a restore did not get through (%s)", told(error))
                restore = self._records.get(uid, restore.id) or restore
                if tried == _TRIES or not passes(error):
                    await self._note_damage(restore, error)
                    restore = replace(restore, failed=True, message=why(error))
            except Exception:  # noqa: BLE001 - the record must tell an end
                _LOG.exception("a restore failed in an unforeseen way")
                restore = self._records.get(uid, restore.id) or restore
                restore = replace(restore, failed=True, message=UNFORESEEN)
            if not restore.failed:
                await asyncio.sleep(pause)
                pause *= 2
        return await self._emptied(uid, restore)

    async def _attempt(self, uid: str, restore: Restore) -> Restore:
        folder = self._store.place(restore.folder)
        manifest = await asyncio.to_thread(self._store.read, folder)
        if restore.begun:
            await self._filling.clear(uid, [table.table for table in restore.tables])
        else:
            # Once more, now that nothing else writes: from here on the tables are this restore's own.
            await self._filling.check_empty(uid, restore.platform)
            restore = await self._records.save(uid, replace(restore, begun=True))
        restore = await self._filled(uid, uid, restore, folder, manifest)
        if restore.state is State.FAILED:
            return await self._emptied(uid, restore)
        return await self._records.save(uid, replace(restore, filled=True))

    async def _filled(
        self, uid: str, into: str, restore: Restore, folder: Path, manifest: Manifest
    ) -> Restore:
        """The restore with what was found; FAILED where that is not what was backed up."""
        begun = time.monotonic()
        await self._rollups.fence(into, EVENTS.name)
        progress = Progress(manifest.size_bytes)
        tables = await followed(
            asyncio.create_task(self._filling.fill(into, folder, manifest, progress)),
            lambda: self._records.note(uid, replace(restore, progress=progress.share)),
        )
        wrong = [table.table for table in tables if not table.is_equal]
        restore = replace(restore, tables=tables, recovery_seconds=seconds_since(begun), progress=1.0)
        if wrong:
            message = f"The rows of {', '.join(wrong)[:200]} are not those that were backed up."
            return replace(restore, state=State.FAILED, failed=True, message=message)
        return restore

    async def _emptied(self, uid: str, restore: Restore) -> Restore:
        """The restore, FAILED, once the platform is empty of what it brought; goes on until that worked."""
        restore = replace(restore, failed=True, state=State.RUNNING)
        pause = _FIRST_PAUSE_SECONDS
        while restore.begun:
            try:
                with suppress(OSError):  # where the disk is full, there is room afterwards
                    await self._records.save(uid, restore)
                await self._filling.clear(uid, [table.table for table in restore.tables])
                break
            except (ServiceError, TimeoutError, OSError, folders.Unfit) as error:
                _LOG.warning("a platform whose restore failed is emptied later (%s)", told(error))
            except Exception:  # noqa: BLE001 - half a platform must not be left
                _LOG.exception("a platform whose restore failed is emptied later")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        with suppress(ServiceError, TimeoutError):
            await self._rollups.rebuild(uid, EVENTS.name, wait=False)
        return replace(restore, state=State.FAILED)

    async def _note_damage(self, restore: Restore, error: Exception) -> None:
        """What is found damaged here is known as damaged to the next backup."""
        if isinstance(error, BackupDamaged) and restore.source_uid:
            await self._backups.note_damage(restore.source_uid, restore.backup.rpartition("/")[2], error)

    async def _drop_import(self, restore: Restore) -> None:
        """Removes a folder from elsewhere when nobody restores from it any more."""
        in_use = any(
            each.folder == restore.folder and each.state is State.RUNNING for _, each in self._records.all()
        )
        if restore.folder.startswith(f"{IMPORTS}/") and not in_use:
            with logged("what was brought from elsewhere is removed at a later start"):
                await asyncio.to_thread(folders.removed, self._store.place(restore.folder))

    async def _drilled(self, uid: str, restore: Restore, manifest: Manifest) -> None:
        """Fills a scratch store, compares and measures, and removes it again."""
        scratch = restore.scratch_uid
        try:
            await self._drained(uid)
            age = max(0.0, restore.create_seconds - manifest.snapshot_seconds)
            changed, missing = await self._filling.missing(uid, manifest)
            loss = round(age, 3) if changed else 0.0
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
            _LOG.warning("a drill failed (%s)", told(error))
            await self._note_damage(restore, error)
            restore = replace(restore, state=State.FAILED, message=why(error))
        except Exception:  # noqa: BLE001 - the record must tell an end
            _LOG.exception("a drill failed in an unforeseen way")
            restore = replace(restore, state=State.FAILED, message=UNFORESEEN)
        left = await self._scratch_left(scratch)
        await self._records.settle(uid, replace(restore, scratch_uid=left, end_seconds=time.time()))

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

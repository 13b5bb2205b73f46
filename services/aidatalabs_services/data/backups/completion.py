"""What a restore has left to do when every row is there: roll-ups, and people who were deleted since."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from aidatalabs_services.data.backups.filling import Filling
from aidatalabs_services.data.backups.outcomes import UNFORESEEN, why
from aidatalabs_services.data.backups.records import Restore, State
from aidatalabs_services.data.backups.store import BackupFolders
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 30.0

DeleteAgain = Callable[[str, str, str, str, float, str], Awaitable[str]]
"""(uid, platform, user, uid of the platform backed up, moment of the backup, id of the restore): deletes the
people again who were deleted there since; returns what is to be told about it."""


class Completion:
    """Goes on after a crash where it was: each of its steps may be repeated."""

    def __init__(
        self, store: BackupFolders, filling: Filling, rollups: Rollups, delete_again: DeleteAgain
    ) -> None:
        self._store = store
        self._filling = filling
        self._rollups = rollups
        self._delete_again = delete_again

    async def complete(self, uid: str, restore: Restore) -> Restore:
        """Builds roll-ups over the rows, and deletes again who was deleted; the rows stay as they are where
        that fails.
        """
        notes = []
        try:
            await self._rollups.rebuild(uid, EVENTS.name)
            manifest = await asyncio.to_thread(self._store.read, self._store.place(restore.folder))
            restore = replace(restore, rollup_count=await self._filling.declare(uid, manifest))
        except (ServiceError, TimeoutError, OSError) as error:
            notes.append(f"All rows are there, but a roll-up is not: {why(error)}")
        except Exception:  # noqa: BLE001 - the record must tell an end
            _LOG.exception("roll-ups of a restored platform failed in an unforeseen way")
            notes.append(f"All rows are there, but a roll-up is not: {UNFORESEEN}")
        notes.append(await self._deleted_again(uid, restore))
        return replace(restore, state=State.DONE, message=" ".join(filter(None, notes)))

    async def _deleted_again(self, uid: str, restore: Restore) -> str:
        """Goes on until that worked: nobody is shown who was deleted."""
        asked = uid, restore.platform, restore.user, restore.source_uid
        while restore.source_uid:
            try:
                return await self._delete_again(*asked, restore.snapshot_seconds, restore.id)
            except Exception:  # noqa: BLE001 - whatever it is, it is repeated
                _LOG.exception("people are deleted again from a restored platform later")
            await asyncio.sleep(_PAUSE_SECONDS)
        return ""

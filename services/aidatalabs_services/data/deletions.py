"""Deletion of rows by a condition or by person: asked for once, carried out to its end, evidence kept.

A call first waits for the rows that were acknowledged before it, counts what matches, and refuses where that
is more than expected: until here nothing is kept, and a caller who goes away has asked for nothing. Then the
deletion is recorded, and from that moment it goes on whatever becomes of the caller or of this process.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from dataclasses import replace

from aidatalabs_services.data.dead_letters.row_texts import user_text
from aidatalabs_services.data.deletion_records import (
    Deletion,
    DeletionRecords,
    DeletionState,
    TableDeletion,
    TableState,
    new_deletion_id,
)
from aidatalabs_services.data.deletion_works import DeletionWorks, Work
from aidatalabs_services.data.dropped_tables import dropped_of
from aidatalabs_services.data.errors import DeletionNotFound, TableProtected, table_not_found
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.row_filters import admit_filter, user_filter
from aidatalabs_services.data.schema import SchemaCache, TableSchema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, EVENTS, PROTECTED, is_dead_letters
from aidatalabs_services.runtime.caller import current_call, current_user
from aidatalabs_services.runtime.errors import (
    DeadlineExceeded,
    FieldViolation,
    IdempotencyMismatch,
    InvalidRequest,
)

_ANSWER_MARGIN_SECONDS = 0.5
_DISK_PATIENCE_SECONDS = 3.0


class Deletions:
    """Deletions of every platform, by the platform's uid."""

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        records: DeletionRecords,
        works: DeletionWorks,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._records = records
        self._works = works

    async def remove(self, uid: str) -> None:
        """Ends a platform's deletions and forgets them."""
        await self._works.stop(uid)
        await self._records.remove(uid)

    def get(self, uid: str, deletion_id: str) -> Deletion:
        """One deletion. Raises DeletionNotFound."""
        found = self._records.get(uid, deletion_id)
        if found is None:
            raise DeletionNotFound(
                "The platform has no deletion of this id. List the deletions to see which there are.",
                metadata={"deletion": deletion_id},
            )
        return found

    def list(self, uid: str) -> list[Deletion]:
        """All deletions of a platform, the latest first."""
        return self._records.of_platform(uid)

    async def delete_rows(
        self,
        uid: str,
        platform: str,
        table: str,
        text: str,
        *,
        request_id: str = "",
        dry_run: bool = False,
        max_count: int | None = None,
    ) -> Deletion:
        """Deletes the rows of one table that the condition `text` holds for.

        Returns when they are gone, or before the call's deadline with what is reached; see `Deletion.state`.
        Raises TableNotFound, TableProtected, DeletionTooLarge, IdempotencyMismatch, the refusals of the door
        and of a query, and DeadlineExceeded where nothing was begun.
        """
        if max_count is not None and max_count < 0:
            wrong = FieldViolation("max_count", "is negative; leave it out for any number")
            raise InvalidRequest("No table has fewer than no rows.", violations=[wrong])
        described = await self._table(uid, table)
        database = self._warehouse.database_of(uid)
        condition = admit_filter(text, described, database=database)
        entry = TableDeletion(table, described.identity, condition.sql, condition.sha256)
        digest = _digest("rows", table, condition.sql, dry_run, max_count)
        wanted = Deletion("", platform, current_user(), request_id, digest, (entry,), dry_run=dry_run)
        return await self._ask(uid, wanted, max_count)

    async def delete_user(
        self, uid: str, platform: str, user_id: str, *, request_id: str = "", dry_run: bool = False
    ) -> Deletion:
        """Deletes a person's rows from every table with a `user_id` column, dropped ones included.

        As `delete_rows` in all else. Raises InvalidRequest for user 0 too.
        """
        if user_id == "0":
            nobody = FieldViolation("user_id", "0 stands for nobody known; delete such rows by a filter")
            raise InvalidRequest("Rows of user 0 are nobody's.", violations=[nobody])
        entries = await self._entries_of_user(uid, user_id)
        digest = _digest("user", user_id, dry_run)
        wanted = Deletion(
            "", platform, current_user(), request_id, digest, entries, user_id=user_id, dry_run=dry_run
        )
        return await self._ask(uid, wanted, None)

    async def _entries_of_user(self, uid: str, user_id: str) -> tuple[TableDeletion, ...]:
        """What there is to do in every table with a `user_id` column."""
        self._schemas.forget(uid)
        entries = []
        shown = await self._schemas.get(uid)
        hidden = await self._warehouse.dropped_tables(uid)
        for name, table in [*sorted(shown.items()), *sorted(hidden.items())]:
            if "user_id" in table.types and name not in PROTECTED - {EVENTS.name}:
                entries.append(self._entry_of_user(uid, name, table, user_id))
        # Rejected rows first: what is replayed meanwhile is then in a table that is still to come.
        entries.sort(key=lambda entry: entry.table != DEAD_LETTERS.name)
        return tuple(entries)

    async def repeat_after(
        self, uid: str, platform: str, user: str, source: str, seconds: float, key: str
    ) -> str:
        """Deletes the people from a restored platform who were deleted from `source`, the platform that the
        backup is one of, after its moment; returns what is to be told about it when that is over.

        Nobody else's deletions are repeated: rows that went by a filter may be what is restored for. The same
        `key` again goes on with what was begun.
        """
        people = {
            one.user_id: one
            for one in self._records.of_platform(source)
            if one.user_id and not one.dry_run and any(_is_after(table, seconds) for table in one.tables)
        }
        failed = 0
        for one in people.values():
            deletion = await self._repeat(uid, platform, user, one.user_id, f"restore:{key}:{one.id}")
            failed += deletion.state is not DeletionState.DONE
        if not people:
            return ""
        told = f"People who were deleted after the backup were deleted again: {len(people):,}."
        if failed:
            told += f" Rows of {failed:,} may be left: repeat the deletions of the platform that FAILED."
        return told

    async def _repeat(self, uid: str, platform: str, user: str, user_id: str, request_id: str) -> Deletion:
        work = self._works.of_request(uid, request_id)
        earlier = self._records.of_request(uid, request_id)
        if work is None and earlier is not None:
            return earlier
        if work is None:
            entries = await self._entries_of_user(uid, user_id)
            wanted = Deletion(
                new_deletion_id(),
                platform,
                user,
                request_id,
                _digest("user", user_id, False),
                entries,
                user_id=user_id,
                create_seconds=time.time(),
            )
            work = Work(wanted, None)
            self._works.start(uid, work)
        return await asyncio.shield(work.task)

    def _entry_of_user(self, uid: str, name: str, table: TableSchema, user_id: str) -> TableDeletion:
        dropped = dropped_of(name)
        if is_dead_letters(table):
            user_id = user_text(user_id)
        condition = user_filter(user_id, table, database=self._warehouse.database_of(uid))
        entry = TableDeletion(
            dropped.name if dropped else name,
            table.identity,
            condition.sql if condition else "",
            condition.sha256 if condition else "",
            dropped=dropped is not None,
        )
        if condition is None:
            return replace(
                entry,
                state=TableState.NOT_SEARCHED,
                message=f"user_id is of type {table.types['user_id']}; look for the person by a filter.",
            )
        return entry

    async def _table(self, uid: str, name: str) -> TableSchema:
        found = (await self._schemas.get(uid)).get(name)
        if found is None:
            raise table_not_found(name)
        if name in PROTECTED and name != EVENTS.name:
            raise TableProtected(
                f"{name!r} is kept by the engine and follows {EVENTS.name!r}: take rows away there.",
                metadata={"table": name},
            )
        return found

    async def _ask(self, uid: str, wanted: Deletion, max_count: int | None) -> Deletion:
        """Has a deletion carried out, or joins the one of the same request, and waits for it in the call."""
        work = self._works.of_request(uid, wanted.request_id)
        earlier = work.deletion if work else self._records.of_request(uid, wanted.request_id)
        if earlier is not None and earlier.digest != wanted.digest:
            raise IdempotencyMismatch(
                "This request_id was used before for another deletion. Send a new request_id.",
                metadata={"repeated_request_id": wanted.request_id},
            )
        if work is None and earlier is not None:
            return earlier
        if work is None:
            made = replace(wanted, id="" if wanted.dry_run else new_deletion_id(), create_seconds=time.time())
            work = Work(made, max_count)
            self._works.start(uid, work)
        return await self._wait(uid, work)

    async def _wait(self, uid: str, work: Work) -> Deletion:
        """What is reached when the rows are gone, or when the call's time is almost over."""
        until = time.monotonic() + max(0.0, current_call().seconds_left() - _ANSWER_MARGIN_SECONDS)
        work.callers += 1
        try:
            await asyncio.wait(
                (work.task, work.done), timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED
            )
            disk_seconds = min(_DISK_PATIENCE_SECONDS, until - time.monotonic())
            if work.done.done() and disk_seconds > 0:
                await asyncio.wait((work.task,), timeout=disk_seconds)
        finally:
            work.callers -= 1
            if not work.callers and not work.recorded:
                work.task.cancel()
        if work.task.done() and not work.task.cancelled():
            return work.task.result()
        kept = self._records.get(uid, work.deletion.id)
        if kept is not None and work.recorded:
            return kept
        raise DeadlineExceeded(
            "The time of this call was over before the rows were counted. Nothing was deleted."
        )


def _digest(*content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _is_after(entry: TableDeletion, seconds: float) -> bool:
    """Whether a backup of this moment may hold rows that the entry was to delete."""
    return entry.state is not TableState.NOT_SEARCHED and not 0.0 < entry.end_seconds <= seconds

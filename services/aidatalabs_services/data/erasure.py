"""The work of a deletion in one table: count, delete, put derived tables right, count again, clear the disk.

    WAITING ─► counted ─► DELETING ─► mutation ─► derived tables ─► counted anew ─► DONE ─► files gone

Each arrow's end is kept before the next begins, and each step is safe to repeat, so a deletion goes on after
a kill where it stopped. From the first count to the last nothing else writes into the table: that is what
makes the counts evidence.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from aidatalabs_services.data.deletion_records import TableDeletion, TableState
from aidatalabs_services.data.dropped_tables import dropped_of
from aidatalabs_services.data.errors import QueryFailed
from aidatalabs_services.data.ports import DerivedTables, Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import Schema, TableSchema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.data.versions import data_version

_POLL_SECONDS = 0.05
_LONGEST_POLL_SECONDS = 1.0
# The codes of what may pass while the engine tries again: it stops, or memory, disk or a file fails it.
_MUTATIONS = (
    "SELECT countIf(NOT is_done), sumIf(parts_to_do, NOT is_done), countIf(latest_fail_reason != '' "
    "AND NOT match(latest_fail_reason, '^Code: (74|75|236|241|243)[.]')) "
    "FROM system.mutations WHERE database = currentDatabase() AND table = '{table}' AND NOT is_killed"
)
_ZONE = "SELECT serverTimezone() AS zone, zone IN ('UTC', 'Etc/UTC', 'UCT', 'Universal', 'Zulu', 'GMT')"
_PARTS = (
    "SELECT countIf(active), countIf(NOT active) FROM system.parts "
    "WHERE database = currentDatabase() AND table = '{table}'"
)

Keep = Callable[[TableDeletion], Awaitable[None]]
Show = Callable[[TableDeletion], None]


class Erasure:
    """Deletes rows of one table at a time; the caller holds the table from `count` to the end of `delete`."""

    def __init__(self, warehouse: Warehouse, limits: QueryLimits, derived: Sequence[DerivedTables]) -> None:
        self._warehouse = warehouse
        self._limits = limits
        self._derived = tuple(derived)

    async def name_now(self, uid: str, entry: TableDeletion) -> tuple[str, TableSchema] | None:
        """The name that the entry's table has in the engine, and the table; None where it is gone."""
        for tables in (await self._warehouse.schema(uid), await self._warehouse.dropped_tables(uid)):
            for name, table in tables.items():
                if table.identity == entry.identity:
                    return name, table
        return None

    async def count(self, uid: str, entry: TableDeletion, name: str) -> TableDeletion:
        """The entry with the rows that match now. Raises as `Warehouse.query` does."""
        begun = time.time()
        ((zone, is_utc),) = await self._rows(uid, _ZONE)
        if not is_utc:
            # A mutation reads times in the server's zone, a query in UTC: other rows would go than match.
            raise QueryFailed(
                f"The ClickHouse server's time zone is {zone}. Nothing is deleted until it is UTC.",
                metadata={"time_zone": str(zone)[:64]},
            )
        matched, rows = await self._counts(uid, entry, name)
        version = await self._version(uid, name, entry)
        return replace(
            entry, matched_count=matched, row_count=rows, start_seconds=begun, version_before=version
        )

    async def prepare(self, uid: str, entry: TableDeletion, name: str, key: str) -> TableDeletion:
        """The counted entry with what the derived tables noted, ready to be kept as DELETING."""
        notes = [
            await derived.prepare(uid, name, entry.filter, key=key) if _concerns(derived, name) else ""
            for derived in self._derived
        ]
        return replace(entry, state=TableState.DELETING, derived="\n".join(notes))

    async def delete(
        self, uid: str, entry: TableDeletion, name: str, key: str, *, keep: Keep, show: Show
    ) -> TableDeletion:
        """Deletes the rows of an entry in DELETING, counts anew and returns it in DONE or FAILED.

        Raises as `Warehouse.execute` and `query` do where the engine is not there; then it may be repeated.
        """
        await self._warehouse.execute(
            uid, f"ALTER TABLE {quoted(name)} DELETE WHERE ({entry.filter})", table=name
        )
        if not await self._mutated(uid, entry, name, show):
            return await self._stopped(uid, entry, name)
        entry = replace(entry, progress=1.0)
        if not entry.corrected:
            for derived, note in zip(self._derived, entry.derived.split("\n"), strict=False):
                if _concerns(derived, name):
                    await derived.correct(uid, name, note, key=key)
            entry = replace(entry, corrected=True)
            await keep(entry)
        await self.release(uid, entry)
        return await self._verified(uid, entry, name)

    async def release(self, uid: str, entry: TableDeletion) -> None:
        """Lets go what derived tables hold for an entry that is over."""
        for derived in self._derived:
            if derived.derive_from(entry.table):
                await derived.release(uid, entry.table)

    async def clear_disk(self, uid: str, entry: TableDeletion) -> None:
        """Returns when the table's files of before are gone, whichever name it has meanwhile."""
        found = await self.name_now(uid, entry)
        if found is None:
            return
        name, pause = found[0], _POLL_SECONDS
        lifetime = f"ALTER TABLE {quoted(name)} MODIFY SETTING old_parts_lifetime"
        try:
            await self._warehouse.execute(uid, f"{lifetime} = 0", table=name)
            while True:
                # Dropping a partition that is not there makes the engine look for files to remove now; by
                # itself it looks when there is something to merge.
                await self._warehouse.execute(
                    uid, f"ALTER TABLE {quoted(name)} DROP PARTITION ID 'none'", table=name
                )
                if not (await self._rows(uid, _PARTS.format(table=_text(name))))[0][1]:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_POLL_SECONDS)
        finally:
            await asyncio.shield(
                self._warehouse.execute(
                    uid, f"ALTER TABLE {quoted(name)} RESET SETTING old_parts_lifetime", table=name
                )
            )

    async def _stopped(self, uid: str, entry: TableDeletion, name: str) -> TableDeletion:
        """The entry of a mutation that was given up, with what it has done by then."""
        remaining, rows = await self._counts(uid, entry, name)
        return replace(
            entry,
            state=TableState.FAILED,
            deleted_count=max(0, entry.row_count - rows),
            remaining_count=remaining,
            version_after=await self._version(uid, name, entry),
            end_seconds=time.time(),
            message=_STOPPED,
        )

    async def _verified(self, uid: str, entry: TableDeletion, name: str) -> TableDeletion:
        remaining, rows = await self._counts(uid, entry, name)
        gone = max(0, entry.row_count - rows)
        message = ""
        if not remaining and gone > entry.matched_count:
            message = (
                "Other rows went by the table's time to live at the same time; they are counted as deleted."
            )
        return replace(
            entry,
            state=TableState.FAILED if remaining else TableState.DONE,
            deleted_count=gone,
            remaining_count=remaining,
            version_after=await self._version(uid, name, entry),
            end_seconds=time.time(),
            message=_REMAIN if remaining else message,
        )

    async def _mutated(self, uid: str, entry: TableDeletion, name: str, show: Show) -> bool:
        """Waits for the table's mutations; False where the engine cannot carry one out."""
        pause, most = _POLL_SECONDS, 0
        while True:
            waiting, parts, failures = (await self._rows(uid, _MUTATIONS.format(table=_text(name))))[0]
            if not waiting:
                return True
            if failures:
                stop = f"KILL MUTATION WHERE database = currentDatabase() AND table = '{_text(name)}'"
                await self._warehouse.execute(uid, stop, table=name)
                return False
            most = max(most, parts)
            show(replace(entry, progress=1.0 - parts / most if most else 0.0))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)

    async def _counts(self, uid: str, entry: TableDeletion, name: str) -> tuple[int, int]:
        """Rows that match, and rows of the table."""
        matched = f"SELECT count() FROM {quoted(name)} WHERE ({entry.filter})"  # noqa: S608 - from the door
        rows = f"SELECT count() FROM {quoted(name)}"  # noqa: S608 - quoted
        return int((await self._rows(uid, matched))[0][0]), int((await self._rows(uid, rows))[0][0])

    async def _version(self, uid: str, name: str, entry: TableDeletion) -> str:
        described: Schema = {name: TableSchema(entry.table, (), identity=entry.identity)}
        return data_version(described, await self._warehouse.fingerprints(uid), [name])

    async def _rows(self, uid: str, sql: str) -> Sequence[Sequence[Json]]:
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows


def _concerns(derived: DerivedTables, name: str) -> bool:
    """Whether something is derived from the table of this name now: one that was dropped may be back."""
    return dropped_of(name) is None and derived.derive_from(name)


def _text(name: str) -> str:
    return name.replace("\\", "\\\\").replace("'", "\\'")


_STOPPED = "The engine could not compute the filter for a row and stopped; rows of some parts may be gone."
_REMAIN = "Rows that match came back while they were deleted. Delete again."

"""Fills an empty platform from a backup: tables made anew, parts verified, attached, counted.

    files copied beside the tables, each checksum compared ─► parts attached ─► rows counted and hashed

Until the last file is there and sound nothing is attached; whatever fails afterwards empties the tables.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aidatalabs_services.data import standard_tables
from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import Manifest, StoredTable, damaged
from aidatalabs_services.data.backups.progress import Progress, to_the_end
from aidatalabs_services.data.backups.records import TableCopy
from aidatalabs_services.data.backups.snapshots import EngineParts
from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.errors import (
    BackupDamaged,
    BackupVersionNotSupported,
    RestoreTargetNotEmpty,
    RollupAlreadyExists,
    TableInvalid,
    TypeNotAllowed,
)
from aidatalabs_services.data.native.json_type import same_types
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import SchemaCache, TableSchema
from aidatalabs_services.data.table_ddl import (
    add_column,
    checked,
    checked_column,
    checked_ttl,
    create_table,
    modify_ttl,
    quoted,
)
from aidatalabs_services.runtime.errors import ServiceError

_MADE_WITH_IT = (standard_tables.EVENTS.name, standard_tables.EVENTS_HOURLY.name)
# The last may be missing where rejected rows are not kept.
STANDARD = (*_MADE_WITH_IT, standard_tables.DEAD_LETTERS.name)


class Filling:
    """Puts backups into platforms whose tables the caller holds meanwhile; `fsync` as for new tables,
    `free_bytes` as much room as the engines' disk keeps.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        parts: EngineParts,
        rollups: Rollups,
        *,
        fsync: bool,
        free_bytes: int = 0,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._parts = parts
        self._rollups = rollups
        self._fsync = fsync
        self._free_bytes = free_bytes

    async def check_empty(self, uid: str, platform: str) -> None:
        """Raises RestoreTargetNotEmpty where the platform has rows, or a table beside the standard ones."""
        schema = await self._warehouse.schema(uid)
        sizes = await self._warehouse.sizes(uid)
        own = [name for name in schema if name not in STANDARD]
        filled = [name for name in STANDARD if name in sizes and sizes[name].row_count]
        if own or filled:
            raise RestoreTargetNotEmpty(
                f"{platform} is not empty, and a restore overwrites nothing. Restore into a new platform.",
                metadata={"platform": platform, "table": (own or filled)[0]},
            )

    async def check_version(self, uid: str, manifest: Manifest) -> None:
        """Raises BackupVersionNotSupported for one of an engine that is newer than this."""
        own = await self._parts.version(uid)
        if _version(manifest.engine_version) > _version(own):
            raise BackupVersionNotSupported(
                "The backup was written by a newer engine than this one. Restore it where that version runs.",
                metadata={"version": manifest.engine_version[:40], "supported": own},
            )

    async def clear(self, uid: str, tables: Iterable[str]) -> None:
        """Empties what an attempt before filled: the tables of these names."""
        schema = await self._warehouse.schema(uid)
        for name in tables:
            if name in schema:
                word = "TRUNCATE TABLE" if name in STANDARD else "DROP TABLE"
                await self._warehouse.execute(uid, f"{word} {quoted(name)} SYNC", table=name)
        self._schemas.forget(uid)
        for detached in (await self._parts.detached(uid)).values():
            await asyncio.to_thread(folders.removed, detached)
            await asyncio.to_thread(detached.mkdir, mode=0o700, exist_ok=True)

    async def fill(
        self, uid: str, folder: Path, manifest: Manifest, progress: Progress
    ) -> tuple[TableCopy, ...]:
        """Makes the tables and attaches every part; what was found afterwards, table by table.

        Raises BackupDamaged, OSError where the disk has no room, and the engine's refusals.
        """
        room = manifest.size_bytes + self._free_bytes
        await asyncio.to_thread(folders.demand_room, self._parts.engines, room)
        for table in manifest.tables:
            await self._make(uid, table)
        self._schemas.forget(uid)
        async with self._parts.unmerged(uid):
            detached = await self._parts.detached(uid)
            copy_back = partial(_copy_back, folder, manifest.tables, detached, progress.add)
            await to_the_end(copy_back, progress)
            found = []
            for table in manifest.tables:
                await self._attach(uid, table)
            for table in manifest.tables:
                count, row_hash = await self._parts.whole(uid, table.schema.name, table.row_count)
                copy = TableCopy(table.schema.name, table.row_count, table.size_bytes, table.row_hash)
                found.append(replace(copy, found_count=count, found_hash=row_hash))
        return tuple(found)

    async def missing(self, uid: str, manifest: Manifest) -> tuple[bool, int]:
        """Whether the platform's rows are others than the backup's, and how many more there are.

        Where that cannot be told they count as others: of a table that was merged since and cannot be hashed.
        """
        sizes = await self._warehouse.sizes(uid)
        schema = await self._warehouse.schema(uid)
        counts = {table.schema.name: table.row_count for table in manifest.tables}
        live = {
            name: sizes[name].row_count if name in sizes else 0 for name in schema if name not in STANDARD[1:]
        }
        missing = sum(max(0, count - counts.get(name, 0)) for name, count in live.items())
        changed = any(count != counts.get(name) for name, count in live.items())
        gone = any(counts[name] for name in counts if name not in schema)
        return changed or gone or await self._is_changed(uid, manifest, list(live)), missing

    async def _is_changed(self, uid: str, manifest: Manifest, tables: Sequence[str]) -> bool:
        live = await self._parts.live(uid)
        for name in tables:
            stored = manifest.table(name)
            kept = {part.name for part in stored.parts} if stored is not None else set()
            if stored is not None and kept == {part.name for part in live if part.table == name}:
                continue
            count = stored.row_count if stored is not None else 0
            found = await self._parts.whole(uid, name, count)
            if stored is None or not stored.row_hash or found != (count, stored.row_hash):
                return True
        return False

    async def declare(self, uid: str, manifest: Manifest) -> int:
        """Builds the roll-ups that the platform had beside the standard ones; returns how many.

        Raises the refusal of one, after the others were begun.
        """
        refused: ServiceError | None = None
        for declaration in manifest.rollups:
            try:
                await self._rollups.create(uid, declaration)
            except RollupAlreadyExists:
                continue
            except ServiceError as error:
                refused = error
        if refused is not None:
            raise refused
        return len(manifest.rollups)

    async def _make(self, uid: str, table: StoredTable) -> None:
        wanted = _sound(table.schema)
        existing = (await self._warehouse.schema(uid)).get(wanted.name)
        if existing is None and wanted.name in _MADE_WITH_IT:
            raise damaged("manifest.json", f"has {wanted.name!r}, which the platform lacks")
        if existing is not None and wanted.name not in STANDARD:
            raise RestoreTargetNotEmpty(
                f"A table {wanted.name!r} was made while the restore began. Restore into a new platform.",
                metadata={"platform": "", "table": wanted.name},
            )
        if existing is None:
            await self._warehouse.execute(uid, create_table(wanted, fsync=self._fsync), table=wanted.name)
        else:
            await self._adapt(uid, existing, wanted)

    async def _adapt(self, uid: str, existing: TableSchema, wanted: TableSchema) -> None:
        """Gives an empty standard table the columns and the time to live that it had."""
        name = quoted(existing.name)
        for column in wanted.columns:
            held = existing.column(column.name)
            if held is None:
                await self._warehouse.execute(uid, add_column(existing.name, column), table=existing.name)
            elif not same_types([held.type], [column.type]):
                sql = f"ALTER TABLE {name} MODIFY COLUMN {quoted(column.name)} {column.type}"
                await self._warehouse.execute(uid, sql, table=existing.name)
        if wanted.ttl != existing.ttl:
            await self._warehouse.execute(uid, modify_ttl(existing.name, wanted.ttl), table=existing.name)
        now = (await self._warehouse.schema(uid))[existing.name]
        if [column.name for column in now.columns] != [column.name for column in wanted.columns]:
            raise damaged("manifest.json", f"describes {existing.name!r} otherwise than it can be")

    async def _attach(self, uid: str, table: StoredTable) -> None:
        name = table.schema.name
        for part in table.parts:
            sql = f"ALTER TABLE {quoted(name)} ATTACH PART {quote_text(part.name)}"
            await self._warehouse.execute(uid, sql, table=name)


def _copy_back(
    folder: Path, tables: Sequence[StoredTable], detached: dict[str, Path], progress: Callable[[int], None]
) -> None:
    for table in tables:
        target = detached[table.schema.name]
        target.mkdir(mode=0o750, exist_ok=True)
        for part in table.parts:
            folders.put_back(folder, table.schema.name, part, target, progress)


def _sound(table: TableSchema) -> TableSchema:
    """A description out of a manifest, by the rules of every table. Raises BackupDamaged."""
    try:
        if table.name in STANDARD:
            columns = tuple(checked_column(table, column) for column in table.columns)
            return replace(table, columns=columns, ttl=checked_ttl(table, table.ttl))
        return checked(table)
    except (TableInvalid, TypeNotAllowed) as error:
        raise BackupDamaged(
            "The backup is damaged: manifest.json describes what is no table. Restore another.",
            metadata={"file": "manifest.json"},
        ) from error


def _version(text: str) -> tuple[int, ...]:
    words = text.split(".")[:2]
    if len(words) < 2 or not all(word.isdigit() for word in words):
        raise damaged("manifest.json", "names no version of the engine")
    return tuple(map(int, words))


def seconds_since(begun: float) -> float:
    """Seconds since a moment of the monotonic clock."""
    return round(time.monotonic() - begun, 3)

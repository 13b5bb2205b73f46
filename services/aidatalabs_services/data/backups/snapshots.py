"""What the engine tells about a platform's parts, and the snapshot: all tables at one moment.

no merges ─► acknowledged rows stored ─► every table held ─► parts listed and linked ─► let go ─► rows hashed
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import StoredPart, StoredTable
from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.errors import QueryFailed, QueryMemoryExceeded, QueryTimeout
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_SECONDS, _ROWS = 59.0, 1_000_000
_RESULT_BYTES = 64 * 1024**2
_PARTS = """
SELECT table, name, path, rows FROM system.parts
WHERE database = currentDatabase() AND active AND rows > 0 ORDER BY table, name
"""
_PATHS = "SELECT name, data_paths[1] FROM system.tables WHERE database = currentDatabase()"
# Rows that are hashed by one statement: a few seconds of work.
_HASHED_ROWS = 5_000_000

Drain = Callable[[str, str], Awaitable[None]]
Known = Callable[["Snapshot"], Mapping[tuple[str, str], str]]
"""Hashes that need no measuring, by (table, part): called in a thread when the files are linked."""


@dataclass(frozen=True)
class LivePart:
    """A part as the engine has it: its table, name, folder and rows."""

    table: str
    name: str
    path: Path
    row_count: int


@dataclass(frozen=True)
class Snapshot:
    """The platform at one moment: descriptions, parts and their rows' hashes by (table, part).

    The files stand under `STAGED/<table>/<part>`. `pause_seconds` is how long inserts waited.
    """

    schema: Schema
    parts: Sequence[LivePart]
    hashes: Mapping[tuple[str, str], str]
    seconds: float
    pause_seconds: float


class EngineParts:
    """Parts of every platform's embedded engine; `engines` is the folder that theirs lie in, `memory_bytes`
    what one statement may use.
    """

    def __init__(self, warehouse: Warehouse, engines: Path, *, memory_bytes: int) -> None:
        self._warehouse = warehouse
        self._engines = engines
        self._limits = QueryLimits(_SECONDS, _ROWS, _RESULT_BYTES, memory_bytes, 10**15, 10**18)

    async def rows(self, uid: str, sql: str) -> Sequence[Sequence[Json]]:
        """Rows of a statement of our own."""
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows

    async def version(self, uid: str) -> str:
        """The engine's version."""
        return str((await self.rows(uid, "SELECT version()"))[0][0])

    async def live(self, uid: str) -> list[LivePart]:
        """Every part that holds rows now. Raises Unfit where one lies elsewhere."""
        root = self._engines / uid
        return [
            LivePart(str(table), str(name), folders.inside(root, Path(str(path))), int(str(count)))
            for table, name, path, count in await self.rows(uid, _PARTS)
        ]

    async def detached(self, uid: str) -> dict[str, Path]:
        """The folder from which the engine attaches parts, by table."""
        root = self._engines / uid
        return {
            str(name): folders.inside(root, Path(str(path))) / "detached"
            for name, path in await self.rows(uid, _PATHS)
            if path
        }

    async def merging(self, uid: str, table: str, *, on: bool) -> None:
        """Lets the engine merge the table's parts, or keeps them as they are; ends with the engine."""
        word = "START" if on else "STOP"
        await self._warehouse.execute(uid, f"SYSTEM {word} MERGES {quoted(table)}", table=table)

    async def hashes(self, uid: str, table: str, parts: Mapping[str, int]) -> dict[str, str]:
        """The hash of each part's rows, from its name and rows; a part that cannot be hashed is left out."""
        found: dict[str, str] = {}
        for some in _in_portions(parts):
            try:
                found |= await self._hashes(uid, table, some)
            except (QueryFailed, QueryTimeout, QueryMemoryExceeded) as error:
                _LOG.warning("rows of %s are not hashed: %s", table, error.reason)
        return found

    async def _hashes(self, uid: str, table: str, parts: Mapping[str, int]) -> dict[str, str]:
        names = ", ".join(map(quote_text, parts))
        sql = (
            "SELECT _part, count(), hex(sum(cityHash64(tuple(*)))) "  # noqa: S608 - quoted names only
            f"FROM {quoted(table)} WHERE _part IN ({names}) GROUP BY _part"
        )
        found = await self.rows(uid, sql)
        return {
            str(name): str(text).lower() for name, count, text in found if int(str(count)) == parts[str(name)]
        }

    async def whole(self, uid: str, table: str, row_count: int) -> tuple[int, str]:
        """Rows of a table that nobody writes into, and the sum of their hashes; empty where not known."""
        count = int(str((await self.rows(uid, f"SELECT count() FROM {quoted(table)}"))[0][0]))  # noqa: S608
        parts = {part.name: part.row_count for part in await self.live(uid) if part.table == table}
        hashes = await self.hashes(uid, table, parts)
        complete = count == row_count and set(hashes) == set(parts)
        total = sum(int(each, 16) for each in hashes.values()) % 2**64
        return count, f"{total:016x}" if complete else ""


def _in_portions(parts: Mapping[str, int]) -> list[dict[str, int]]:
    portions: list[dict[str, int]] = []
    room = 0
    for name, count in parts.items():
        if not portions or room < count:
            portions.append({})
            room = _HASHED_ROWS
        portions[-1][name] = count
        room -= count
    return portions


class Snapshots:
    """Takes snapshots: a row that was acknowledged before `take` was called is in it, whole tables only.

    Inserts wait in the journal while parts are linked, callers do not; a deletion under way ends first.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        parts: EngineParts,
        holds: TableHolds,
        drain: Drain,
    ) -> None:
        self._warehouse = warehouse
        self._parts = parts
        self._holds = holds
        self._drain = drain

    async def take(self, uid: str, staged: Path, known: Known) -> Snapshot:
        """A snapshot with its files under `staged`; hashes that are `known` are not measured anew."""
        schema = await self._warehouse.schema(uid)
        stopped: list[str] = []
        try:
            for table in sorted(schema):
                await self._parts.merging(uid, table, on=False)
                stopped.append(table)
            snapshot = await self._linked(uid, staged)
            hashes = await self._hashed(uid, snapshot.parts, await asyncio.to_thread(known, snapshot))
        finally:
            await asyncio.shield(self._merge_again(uid, stopped))
        return Snapshot(snapshot.schema, snapshot.parts, hashes, snapshot.seconds, snapshot.pause_seconds)

    async def _linked(self, uid: str, staged: Path) -> Snapshot:
        names = sorted(await self._warehouse.schema(uid))
        await asyncio.gather(*(self._drain(uid, table) for table in names))
        async with AsyncExitStack() as held:
            begun = time.monotonic()
            for table in names:
                await held.enter_async_context(self._holds.alone(uid, table))
            moment = time.time()
            schema = {
                name: table for name, table in (await self._warehouse.schema(uid)).items() if name in names
            }
            parts = [part for part in await self._parts.live(uid) if part.table in schema]
            await asyncio.to_thread(_link, parts, staged)
            pause = time.monotonic() - begun
        return Snapshot(schema, parts, {}, moment, pause)

    async def _hashed(
        self, uid: str, parts: Sequence[LivePart], known: Mapping[tuple[str, str], str]
    ) -> dict[tuple[str, str], str]:
        hashes = {
            (part.table, part.name): known[part.table, part.name]
            for part in parts
            if known.get((part.table, part.name))
        }
        for table in sorted({part.table for part in parts}):
            fresh = {
                part.name: part.row_count
                for part in parts
                if part.table == table and (table, part.name) not in hashes
            }
            found = await self._parts.hashes(uid, table, fresh) if fresh else {}
            hashes |= {(table, name): text for name, text in found.items()}
        return hashes

    async def _merge_again(self, uid: str, tables: Sequence[str]) -> None:
        for table in tables:
            try:
                await self._parts.merging(uid, table, on=True)
            except (ServiceError, TimeoutError) as error:
                _LOG.warning("merges of %s begin again with its engine: %s", table, type(error).__name__)


def _link(parts: Sequence[LivePart], staged: Path) -> None:
    for part in parts:
        folders.link_part(part.path, staged / part.table / part.name)


def stored_tables(snapshot: Snapshot, parts: Mapping[str, Sequence[StoredPart]]) -> tuple[StoredTable, ...]:
    """The tables of a snapshot with the parts that were kept of each, in order of their names."""
    return tuple(
        StoredTable(snapshot.schema[name], tuple(parts.get(name, ()))) for name in sorted(snapshot.schema)
    )

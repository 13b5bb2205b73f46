"""What the engine tells about a platform's parts, and the snapshot: all tables at one moment.

acknowledged rows stored ─► every table held ─► no merges, parts listed and linked ─► let go ─► rows hashed
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import StoredPart, StoredTable
from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.doubts import Doubts, Drained
from aidatalabs_services.data.errors import QueryFailed, QueryMemoryExceeded, QueryTimeout, TableNotKnown
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable

_LOG = logging.getLogger(__name__)
_SECONDS, _ROWS = 59.0, 1_000_000
_RESULT_BYTES = 64 * 1024**2
_PARTS = """
SELECT table, name, path, rows FROM system.parts
WHERE database = currentDatabase() AND active AND rows > 0 ORDER BY table, name
"""
_PATHS = "SELECT name, data_paths[1] FROM system.tables WHERE database = currentDatabase()"
# Rows that are hashed by one statement: about a second of work; and seconds that all of them may take.
_HASHED_ROWS, _HASH_SECONDS = 2_500_000, 120.0
# Inserts of the other tables wait as long when one table is not free, then as long they do not.
_HOLD_SECONDS, _HOLD_PAUSE_SECONDS = 2.0, 0.5
# From holding the tables alone to holding them beside inserts.
_CHANGE_SECONDS, _LOOK_SECONDS = 0.1, 0.2
_PAUSES_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

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
        self.engines = engines
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
        root = self.engines / uid
        return [
            LivePart(str(table), str(name), folders.inside(root, Path(str(path))), int(str(count)))
            for table, name, path, count in await self.rows(uid, _PARTS)
        ]

    async def detached(self, uid: str) -> dict[str, Path]:
        """The folder from which the engine attaches parts, by table."""
        root = self.engines / uid
        return {
            str(name): folders.inside(root, Path(str(path))) / "detached"
            for name, path in await self.rows(uid, _PATHS)
            if path
        }

    @asynccontextmanager
    async def unmerged(self, uid: str) -> AsyncIterator[None]:
        """Parts of all tables stay what they are while the block runs, unless the engine ends."""
        try:
            await self._warehouse.execute(uid, "SYSTEM STOP MERGES", table="")
            yield
        finally:
            await asyncio.shield(self._merge_again(uid))

    async def _merge_again(self, uid: str) -> None:
        """Of every table, whatever it is called by now: one that is never merged takes no rows some day."""
        for pause in _PAUSES_SECONDS:
            try:
                await self._warehouse.execute(uid, "SYSTEM START MERGES", table="")
                return
            except (ServiceError, TimeoutError) as error:
                _LOG.warning("merges begin again a little later: %s", type(error).__name__)
            await asyncio.sleep(pause)
        _LOG.error("merges of a platform begin again with its engine only")

    async def hashes(self, uid: str, table: str, parts: Mapping[str, int]) -> dict[str, str]:
        """The hash of each part's rows, from its name and rows; a part that cannot be hashed is left out, as
        those of a table that was dropped when its files were linked.
        """
        try:
            return await self._hashes(uid, table, parts)
        except (QueryFailed, QueryTimeout, QueryMemoryExceeded, TableNotKnown) as error:
            _LOG.warning("rows of %s are not hashed: %s", table, error.reason)
            return {}

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
        hashes: dict[str, str] = {}
        for some in _in_portions(parts):
            hashes |= await self.hashes(uid, table, some)
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

    Inserts wait in the journal while parts are linked, callers do not; a deletion under way ends first, and
    keeps nobody else waiting. `patience_seconds` are spent on either, then the snapshot is given up.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        parts: EngineParts,
        holds: TableHolds,
        doubts: Doubts,
        drain: Drained,
        *,
        patience_seconds: float = 600.0,
    ) -> None:
        self._warehouse = warehouse
        self._parts = parts
        self._holds = holds
        self._doubts = doubts
        self._drain = drain
        self._patience_seconds = patience_seconds

    async def take(self, uid: str, staged: Path, known: Known) -> Snapshot:
        """A snapshot with its files under `staged`; hashes that are `known` are not measured anew.

        Raises ServiceUnavailable where rows are not stored, or a table is not free, in time.
        """
        async with AsyncExitStack() as unmerged:
            async with AsyncExitStack() as held:
                names, waited = await self._alone(uid, held)
                begun = time.monotonic() - waited
                await unmerged.enter_async_context(self._parts.unmerged(uid))
                snapshot = await self._linked(uid, names, staged)
            pause = time.monotonic() - begun
            hashes = await self._hashed(uid, snapshot, known)
        return replace(snapshot, hashes=hashes, pause_seconds=pause)

    async def drained(self, uid: str) -> list[str]:
        """The platform's tables, once what was acknowledged before is in them. Raises ServiceUnavailable."""
        names = sorted(await self._warehouse.schema(uid))
        try:
            async with asyncio.timeout(self._patience_seconds):
                await asyncio.gather(*(self._doubts.settled(uid, each, self._drain) for each in names))
        except TimeoutError:
            raise _not_now("Rows that were acknowledged could not be stored in time.") from None
        return names

    async def _alone(self, uid: str, held: AsyncExitStack) -> tuple[list[str], float]:
        """Holds every table until `held` ends, no block of any in doubt; (tables, seconds inserts waited).

        Whoever waits for one table holds none of the others for longer than a moment.
        """
        end = time.monotonic() + self._patience_seconds
        while True:
            names = await self.drained(uid)
            begun = time.monotonic()
            if not any(self._holds.is_deleting(uid, name) for name in names):
                with suppress(TimeoutError):
                    async with AsyncExitStack() as attempt:
                        async with asyncio.timeout(_HOLD_SECONDS):
                            for name in names:
                                await attempt.enter_async_context(self._holds.alone(uid, name))
                        if not any(self._doubts.of(uid, name) for name in names):
                            held.push_async_exit(attempt.pop_all())
                            return names, time.monotonic() - begun
            if time.monotonic() >= end:
                raise _not_now("A table was not free in time: rows of it are being deleted, or changed.")
            await asyncio.sleep(_HOLD_PAUSE_SECONDS)

    async def _linked(self, uid: str, names: Sequence[str], staged: Path) -> Snapshot:
        moment = time.time()
        schema = {name: table for name, table in (await self._warehouse.schema(uid)).items() if name in names}
        parts = [part for part in await self._parts.live(uid) if part.table in schema]
        await asyncio.to_thread(_link, parts, staged)
        return Snapshot(schema, parts, {}, moment, 0.0)

    async def _hashed(self, uid: str, snapshot: Snapshot, known: Known) -> dict[tuple[str, str], str]:
        """Hashes by (table, part); without those that others would have to wait for.

        While parts are not merged no deletion gets anywhere, and inserts make ever more parts.
        """
        hashes = dict(await asyncio.to_thread(known, snapshot))
        until = time.monotonic() + _HASH_SECONDS
        async with AsyncExitStack() as held:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CHANGE_SECONDS):
                    for table in snapshot.schema:
                        await held.enter_async_context(self._holds.hashing(uid, table))
                for table in snapshot.schema:
                    fresh = {
                        part.name: part.row_count
                        for part in snapshot.parts
                        if part.table == table and (table, part.name) not in hashes
                    }
                    for some in _in_portions(fresh):
                        found = await self._unless_wanted(uid, snapshot, table, some, until)
                        if found is None:
                            _LOG.info("not every part of a backup is hashed: others need the tables")
                            return hashes
                        hashes |= {(table, name): text for name, text in found.items()}
        return hashes

    async def _unless_wanted(
        self, uid: str, snapshot: Snapshot, table: str, parts: Mapping[str, int], until: float
    ) -> dict[str, str] | None:
        """The hashes of some parts; None where somebody wants the tables before, or the time is over."""
        work = asyncio.create_task(self._parts.hashes(uid, table, parts))
        try:
            while not work.done():
                if time.monotonic() >= until or any(
                    self._holds.is_wanted(uid, each) for each in snapshot.schema
                ):
                    return None
                await asyncio.wait((work,), timeout=_LOOK_SECONDS)
            return work.result()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)


def _not_now(text: str) -> ServiceUnavailable:
    return ServiceUnavailable(f"{text} Begin another backup when that is over.", retry_after_seconds=30.0)


def _link(parts: Sequence[LivePart], staged: Path) -> None:
    for part in parts:
        folders.link_part(part.path, staged / part.table / part.name)


def stored_tables(snapshot: Snapshot, parts: Mapping[str, Sequence[StoredPart]]) -> tuple[StoredTable, ...]:
    """The tables of a snapshot with the parts that were kept of each, in order of their names."""
    return tuple(
        StoredTable(snapshot.schema[name], tuple(parts.get(name, ()))) for name in sorted(snapshot.schema)
    )

"""Making a roll-up over a table that people write into: every row is counted once.

The hidden table is made, with the record BUILDING. Then, while inserts wait for some milliseconds, the
table's parts are linked into a snapshot and the view is put in place: what came before is in the snapshot,
what comes after passes the view. The snapshot is then read in pieces at leisure, and the record becomes
READY. A build that a crash cut short is known by its record and begun anew.

An asynchronous one needs no pause and no view: it is made of the blocks that are there, and its worker goes
on from the highest of them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aidatalabs_services.data.doubts import Doubts, Drained
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.declarations import Declaration
from aidatalabs_services.data.rollups.epochs import PIECE_ROWS as FOLLOWED_ROWS
from aidatalabs_services.data.rollups.epochs import Epochs
from aidatalabs_services.data.rollups.layout import (
    Layout,
    create_target,
    create_view,
    day_ranges,
    layout_of,
    select_merged,
    select_states,
)
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.records import (
    BUILDING,
    READY,
    SNAPSHOT,
    VIEW,
    Record,
)
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceUnavailable

_LOG = logging.getLogger(__name__)
PIECE_ROWS = 4_000_000
_INSERTS_SECONDS = 60.0
_SOON_SECONDS = 0.05


@dataclass(frozen=True)
class _Making:
    """What a roll-up is made of: the rows of its table, or the states of a roll-up."""

    layout: Layout
    base_layout: Layout | None
    base: Record | None

    @property
    def source(self) -> str:
        """The table that it reads."""
        return self.base.target if self.base else self.layout.table.name

    def states(self, source: str, where: str = "") -> str:
        """SELECT of its states out of `source`."""
        if self.base_layout is None:
            return select_states(self.layout, source, where)
        return select_merged(self.layout, self.base_layout, source, where)


async def _nothing_waits(_uid: str, _table: str) -> None:
    """Where nothing is journalled, nothing is in doubt."""


class Builder:
    """Builds generations of roll-ups. `fsync` makes what is inserted into them survive power loss.

    `doubts` are the blocks that may come again, `drained` says when those of before have come.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        holds: TableHolds,
        *,
        fsync: bool,
        piece_rows: int = PIECE_ROWS,
        doubts: Doubts | None = None,
        drained: Drained = _nothing_waits,
    ) -> None:
        self._warehouse = warehouse
        self._holds = holds
        self._fsync = fsync
        self._piece_rows = piece_rows
        self._doubts = doubts or Doubts()
        self._drained = drained
        self.epochs = Epochs(warehouse, piece_rows=min(piece_rows, FOLLOWED_ROWS))

    async def build(
        self,
        uid: str,
        declaration: Declaration,
        table: TableSchema,
        generation: int,
        base: Record | None = None,
    ) -> Record:
        """A new generation, ready; made of the states of `base` where there is one.

        Raises the warehouse's errors; what was begun is then removed.
        """
        base_layout = layout_of(base.declaration, table) if base else None
        making = _Making(layout_of(declaration, table), base_layout, base)
        record = Record(
            declaration,
            BUILDING,
            table.identity,
            generation,
            records.target_name(declaration.name, generation),
            over=base.target if base else "",
        )
        try:
            progress = None
            if declaration.is_asynchronous:
                progress = await self._first_epoch(uid, making.layout, record)
            elif await self._begin(uid, making, record):
                await self._fill(uid, making, record)
            ready = replace(record, state=READY, progress=progress)
            await records.put(self._warehouse, uid, ready)
            await self._drop(uid, f"{record.target}{SNAPSHOT}")
        except BaseException:
            await asyncio.shield(self._undo(uid, record))
            raise
        return ready

    async def _first_epoch(self, uid: str, layout: Layout, record: Record) -> Progress:
        """Makes the table and the states of every block that is there now."""
        created = create_target(layout, record.target, comment=records.comment(record), fsync=self._fsync)
        # Not in the middle of a change of the table's types: whoever makes one looks who reads them.
        async with self._holds.building(uid, layout.table.name):
            await self._execute(uid, created, record.target)
        now = time.time()
        blocks = await self.epochs.keep_blocks(uid, layout.table.name)
        piece = 2 * self.epochs.piece_rows  # each may look at the whole table, where it has another order
        made = await self.epochs.make(uid, layout, record.target, blocks, piece_rows=piece)
        return Progress(blocks.top, (made,) if made else (), now)

    async def _undo(self, uid: str, record: Record) -> None:
        try:
            await records.remove(self._warehouse, uid, record.target)
        except Exception:  # noqa: BLE001 - the next start finds the record and begins anew
            _LOG.warning("roll-up %s: a build that failed could not be removed yet", record.declaration.name)

    async def _begin(self, uid: str, making: _Making, record: Record) -> bool:
        """Makes table, snapshot and view; returns whether the snapshot has rows."""
        table, source, target = making.layout.table.name, making.source, record.target
        created = create_target(making.layout, target, comment=records.comment(record), fsync=self._fsync)
        await self._execute(uid, created, target)
        async with self._still(uid, table):
            found = await records.rows(
                self._warehouse,
                uid,
                f"SELECT count() FROM {quoted(source)}",  # noqa: S608 - quoted
            )
            filled = int(found[0][0]) > 0
            if filled:
                snapshot = f"{target}{SNAPSHOT}"
                await self._execute(
                    uid, f"CREATE TABLE {quoted(snapshot)} CLONE AS {quoted(source)}", snapshot
                )
            await self._execute(
                uid, create_view(f"{target}{VIEW}", target, making.states(quoted(source))), target
            )
        return filled

    @asynccontextmanager
    async def _still(self, uid: str, table: str) -> AsyncIterator[None]:
        """No insert into the table is at work while the block runs, and none of before will come again."""
        until = time.monotonic() + _INSERTS_SECONDS
        while True:
            await self._doubts.settled(uid, table, self._drained)
            async with self._holds.building(uid, table):
                await self._quiet(uid, table)
                if not self._doubts.of(uid, table):
                    yield
                    return
            if time.monotonic() > until:
                raise _restless()
            await asyncio.sleep(_SOON_SECONDS)

    async def _quiet(self, uid: str, table: str) -> None:
        """Waits until no insert runs in the engine: one whose answer was lost may still be at work."""
        try:
            async with asyncio.timeout(_INSERTS_SECONDS):
                while await records.inserts_running(self._warehouse, uid, table):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise _restless() from None

    async def _fill(self, uid: str, making: _Making, record: Record) -> None:
        snapshot = f"{record.target}{SNAPSHOT}"
        time = quoted(making.layout.declaration.time_column)
        day = f"toDate32({time})"
        days = await records.rows_by_day(self._warehouse, uid, day, quoted(snapshot))
        for first, last in day_ranges(days, self._piece_rows):
            where = f"{day} BETWEEN '{first}' AND '{last}'"
            states = making.states(quoted(snapshot), where)
            await self._execute(uid, f"INSERT INTO {quoted(record.target)} {states}", record.target)

    async def _drop(self, uid: str, name: str) -> None:
        await self._execute(uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC", name)

    async def _execute(self, uid: str, sql: str, table: str) -> None:
        await self._warehouse.execute(uid, sql, table=table)


def _restless() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The table is written to without a pause. Try again shortly.",
        metadata={"service": "engine"},
        retry_after_seconds=5.0,
    )


def latest(found: Sequence[Record]) -> dict[str, Record]:
    """The newest generation of each roll-up."""
    newest: dict[str, Record] = {}
    for record in found:
        held = newest.get(record.declaration.name)
        if held is None or held.generation < record.generation:
            newest[record.declaration.name] = record
    return newest

"""From the journal into the engine: every group, in order, with its own tokens, until the engine confirmed
it.

Each table has its own queue, groups begin in its order, and large ones go side by side; different tables do
anyway. After a kill each block that was under way is in doubt, and the engine recognises it by its token as
long as few others came after it: so none is begun while too many are.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import itertools
import logging
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aidatalabs_services.data.backlog import Backlog
from aidatalabs_services.data.block_inserts import BlockInserts
from aidatalabs_services.data.durable_files import durable_file
from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal import Journal
from aidatalabs_services.data.journal_files import PendingGroup
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Progress
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.05
# Blocks of a table that the sink may have begun since the oldest one in doubt; far fewer than the engine
# recognises, also in a roll-up where a block falls into several partitions.
_IN_DOUBT_BLOCKS = 64


@dataclass(frozen=True)
class SinkLimits:
    """`parallel_inserts` at one moment over all tables of a platform, `table_inserts` into one table of
    groups from `large_bytes` on; smaller ones are cheaper one after the other, since what comes meanwhile
    makes the next one larger. `insert_seconds` for one insert until its outcome counts as not known,
    `pause_seconds` the longest wait between two tries.
    """

    parallel_inserts: int = 4
    table_inserts: int = 2
    large_bytes: int = 1024 * 1024
    insert_seconds: float = 120.0
    pause_seconds: float = 1.0


@dataclass(eq=False)
class _Entry:
    """One group on its way, and who waits for it."""

    group: PendingGroup
    progress: Progress

    @property
    def size_bytes(self) -> int:
        """Bytes of its blocks."""
        return sum(length for _, length in self.group.spans)


@dataclass
class _Table:
    """One table's groups in order: those that wait and those under way; what is not known of its blocks.

    `doubts` are the blocks that were begun and are not confirmed, each by how many were begun before it.
    """

    waiting: deque[_Entry] = field(default_factory=deque)
    running: dict[_Entry, asyncio.Task[None]] = field(default_factory=dict)
    begun_count: int = 0
    doubts: set[int] = field(default_factory=set)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


class Sink:
    """The way of one platform's journalled groups into its engine; `stored` is told the rows of each."""

    def __init__(
        self,
        uid: str,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        journal: Journal,
        limits: SinkLimits,
        holds: TableHolds,
        stored: Callable[[int], None],
        backlog: Backlog,
    ) -> None:
        self._uid = uid
        self._backlog = backlog
        self._inserts = BlockInserts(warehouse, schema, holds, limits.insert_seconds)
        self._journal = journal
        self._limits = limits
        self._stored = stored
        self._places = asyncio.Semaphore(limits.parallel_inserts)
        self._tables: dict[str, _Table] = {}
        self._closed = False

    @property
    def waiting_groups(self) -> int:
        """Groups that the engine has not confirmed."""
        return sum(map(self.waiting_groups_of, self._tables))

    def waiting_groups_of(self, name: str) -> int:
        """The same of one table."""
        table = self._tables.get(name)
        return len(table.waiting) + len(table.running) if table else 0

    def add(self, group: PendingGroup, progress: Progress) -> None:
        """Takes a journalled group; `progress` ends when it is in the table."""
        name = group.record.table
        self._backlog.add(name, group.waiting_sizes, group.block_rows)
        self._tables.setdefault(name, _Table()).waiting.append(_Entry(group, progress))
        self._begin(name)

    async def drained(self, table: str) -> None:
        """Returns when every group of the table that was taken before this call has nothing left to do."""
        # Rejected rows stand in the groups of the tables that they were sent to.
        names = list(self._tables) if table == DEAD_LETTERS.name else [table]
        found = [each for name in names if (each := self._tables.get(name))]
        for entry in [entry for each in found for entry in (*each.running, *each.waiting)]:
            await entry.progress.ended()

    async def close(self) -> None:
        """Stops inserting; what is not confirmed is inserted after the next start."""
        self._closed = True
        tasks = [task for table in self._tables.values() for task in table.running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _begin(self, name: str) -> None:
        """Begins with whatever of the table's groups may go now, in their order."""
        table = self._tables[name]
        while not self._closed and table.waiting and self._may_begin(table):
            entry = table.waiting.popleft()
            # Of its own: the caller's deadline must not end up in a task that outlives the call.
            task = asyncio.create_task(self._work(table, entry), context=contextvars.Context())
            table.running[entry] = task
            task.add_done_callback(partial(self._ended, name, entry))

    def _may_begin(self, table: _Table) -> bool:
        smallest = min(entry.size_bytes for entry in [table.waiting[0], *table.running])
        beside = smallest >= self._limits.large_bytes
        return len(table.running) < (self._limits.table_inserts if beside else 1)

    def _ended(self, name: str, entry: _Entry, task: asyncio.Task[None]) -> None:
        table = self._tables[name]
        del table.running[entry]
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOG.error("table %s: a group waits for the next start", name, exc_info=error)
            self._backlog.remove(name, entry.group.waiting_sizes)
        self._begin(name)
        if not table.running and not table.waiting:
            del self._tables[name]

    async def _work(self, table: _Table, entry: _Entry) -> None:
        group = entry.group
        await self._store(table, group)
        entry.progress.finish(stored=not group.refused)
        if not group.refused:
            self._stored(group.row_count)

    async def _store(self, table: _Table, group: PendingGroup) -> None:
        for index in range(len(group.spans)):
            if index not in group.stored:
                async with self._doubt(table):
                    kept = await self._insert_until_known(group, index)
                    self._journal.mark(group, index, kept=kept)
                    self._backlog.remove(group.record.table, [group.spans[index][1]])

    @asynccontextmanager
    async def _doubt(self, table: _Table) -> AsyncIterator[None]:
        """A block whose fate is not known while the block runs; waits where the oldest such one is too old.

        A confirmation that is not written yet would be forgotten by a kill: it counts as a doubt.
        """
        while (
            table.doubts and table.begun_count - min(table.doubts) >= _IN_DOUBT_BLOCKS
        ) or self._journal.unwritten_marks >= _IN_DOUBT_BLOCKS:
            table.confirmed.clear()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: it forgets a cancellation that comes with the event, and `close` would wait.
                async with asyncio.timeout(_FIRST_PAUSE_SECONDS):
                    await table.confirmed.wait()
        number = table.begun_count
        table.begun_count += 1
        table.doubts.add(number)
        yield
        # Not where it was cancelled: what is not known stays in doubt.
        table.doubts.discard(number)
        table.confirmed.set()

    async def _insert_until_known(self, group: PendingGroup, index: int) -> bool:
        """True when the block is in the table, False when it never can be."""
        pause = _FIRST_PAUSE_SECONDS
        payload: bytes | None = None
        for tries in itertools.count(1):
            try:
                payload = payload or await self._journal.read_block(group, index)
                return await self._insert(group, index, payload)
            except asyncio.CancelledError:
                raise
            except (ServiceError, TimeoutError) as error:
                if tries & (tries - 1) == 0:  # 1, 2, 4, 8, …: an engine that is down long fills no log
                    _LOG.warning(
                        "table %s: insert not confirmed (%s) after %d tries, will repeat",
                        group.record.table,
                        type(error).__name__,
                        tries,
                    )
            except Exception:  # noqa: BLE001 - acknowledged rows are never given up
                _LOG.exception(
                    "table %s: insert failed in an unforeseen way, will repeat", group.record.table
                )
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the tries
            pause = min(pause * 2, self._limits.pause_seconds)
        raise AssertionError("the count has no end")

    async def _insert(self, group: PendingGroup, index: int, payload: bytes) -> bool:
        with self._backlog.inserting(group.record.table, len(payload)) as begun:
            try:
                return await self._inserts.insert(
                    self._uid,
                    group.record,
                    payload,
                    letters=group.is_letters(index),
                    token=f"{group.record.token}-{index}",
                    places=self._places,
                    begun=begun,
                )
            except InsertRefused as error:
                return await self._park(group, index, payload, error)

    async def _park(self, group: PendingGroup, index: int, payload: bytes, error: InsertRefused) -> bool:
        """Keeps a block that the engine will never take out of the way of the others, as a file."""
        _LOG.error("table %s: a block was refused with engine code %d", group.record.table, error.engine_code)
        folder = self._journal.directory / "parked"
        path = (
            folder / f"{group.record.table}.{group.record.token}-{index}.{group.record.format_name.lower()}"
        )
        await asyncio.to_thread(_keep, path, payload)
        return False


def _keep(path: Path, payload: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    durable_file(path, payload)

"""From the journal into the engine: every group, in order, with its own tokens, until the engine confirmed
it.

Each table has its own queue and one insert at a time, so that after a kill at most one block of a table is in
doubt, and that one the engine recognises by its token. Different tables go side by side.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from aidatalabs_services.data.blocks import NATIVE
from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal import Journal
from aidatalabs_services.data.journal_files import PendingGroup, durable_file
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Progress
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, is_dead_letters
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.05
_UNKNOWN_TABLE = 60  # ClickHouse's number


@dataclass(frozen=True)
class SinkLimits:
    """`parallel_inserts` at one moment over all tables of a platform, `insert_seconds` for one insert until
    its outcome counts as not known, `pause_seconds` the longest wait between two tries.
    """

    parallel_inserts: int = 4
    insert_seconds: float = 120.0
    pause_seconds: float = 1.0


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
    ) -> None:
        self._uid = uid
        self._warehouse = warehouse
        self._schema = schema
        self._journal = journal
        self._limits = limits
        self._holds = holds
        self._stored = stored
        self._places = asyncio.Semaphore(limits.parallel_inserts)
        self._queues: dict[str, deque[tuple[PendingGroup, Progress]]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}

    @property
    def waiting_groups(self) -> int:
        """Groups that the engine has not confirmed."""
        return sum(map(len, self._queues.values()))

    def add(self, group: PendingGroup, progress: Progress) -> None:
        """Takes a journalled group; `progress` ends when it is in the table."""
        table = group.record.table
        self._queues.setdefault(table, deque()).append((group, progress))
        if table not in self._workers:
            # Of its own: the caller's deadline must not end up in a task that outlives the call.
            self._workers[table] = asyncio.create_task(self._drain(table), context=contextvars.Context())

    async def drained(self, table: str) -> None:
        """Returns when every group of the table that was taken before this call has nothing left to do."""
        # Rejected rows stand in the groups of the tables that they were sent to.
        names = list(self._queues) if table == DEAD_LETTERS.name else [table]
        last = [queue[-1][1] for name in names if (queue := self._queues.get(name))]
        for progress in last:
            await progress.ended()

    async def close(self) -> None:
        """Stops inserting; what is not confirmed is inserted after the next start."""
        workers = list(self._workers.values())
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _drain(self, table: str) -> None:
        queue = self._queues[table]
        try:
            while queue:
                group, progress = queue[0]
                await self._store(group)
                progress.finish(stored=not group.refused)
                if not group.refused:
                    self._stored(sum(request.accepted_count for request in group.record.requests))
                queue.popleft()
        finally:
            del self._workers[table]
            if not queue:
                del self._queues[table]

    async def _store(self, group: PendingGroup) -> None:
        for index in range(len(group.spans)):
            if index not in group.stored:
                payload = await self._journal.read_block(group, index)
                kept = await self._insert_until_known(group, index, payload)
                self._journal.mark(group, index, kept=kept)

    async def _insert_until_known(self, group: PendingGroup, index: int, payload: bytes) -> bool:
        """True when the block is in the table, False when it never can be."""
        pause = _FIRST_PAUSE_SECONDS
        for tries in itertools.count(1):
            try:
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
        record = group.record
        into = DEAD_LETTERS.name if group.is_letters(index) else record.table
        # The hold first: a table that is held must not take a place from the others.
        async with (
            self._holds.lock(self._uid, into),
            self._places,
            asyncio.timeout(self._limits.insert_seconds),
        ):
            letters = group.is_letters(index)
            table = await (self._letters_table() if letters else self._table_now(group))
            if table is None:
                _LOG.warning("table %s was dropped: a journalled block goes with it", into)
                return False
            try:
                await self._warehouse.insert_block(
                    self._uid,
                    table,
                    record.letter_columns if letters else record.columns,
                    payload,
                    format_name=NATIVE if letters else record.format_name,
                    token=f"{record.token}-{index}",
                )
            except InsertRefused as error:
                if error.engine_code == _UNKNOWN_TABLE:
                    # Renamed or removed by another process since it was looked up: looked up anew.
                    raise ServiceUnavailable("The table is not where it was.") from error
                return await self._park(group, index, payload, error)
            return True

    async def _table_now(self, group: PendingGroup) -> str | None:
        """The name that the rows' table has now: another one where it was dropped and can be brought back.

        None where it is gone, also where another table has its name.
        """
        name, identity = group.record.table, group.record.identity
        table = (await self._schema(self._uid)).get(name)
        if table is not None and table.identity == identity:
            return name
        dropped = await self._warehouse.dropped_tables(self._uid)
        return next((name for name, table in dropped.items() if table.identity == identity), None)

    async def _letters_table(self) -> str | None:
        """The table of rejected rows, None where it is not one of ours or gone for good."""
        table = (await self._schema(self._uid)).get(DEAD_LETTERS.name)
        return table.name if table is not None and is_dead_letters(table) else None

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

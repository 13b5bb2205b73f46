"""The workers that keep asynchronous roll-ups near their tables: one a platform, a piece at a time.

A worker looks only where rows may have been written since it looked last, so it keeps no engine awake. Its
pieces are bounded, run on one thread, and take turns with those of other platforms; while people's queries
run they wait a little, while memory is short they wait altogether. Nothing depends on how far a worker has
come but time: what it has not reached yet is read from the rows.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from aidatalabs_services.data.rollups.epochs import Epochs
from aidatalabs_services.data.rollups.layout import layout_of
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.records import Record
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_LONGEST_PAUSE_SECONDS = 30.0
_MOST_MEMORY = 0.8
_MOST_WAITS = 5
_MOST_WAITS_FOR_MEMORY = 60
_PIECES_AT_ONCE = 2
_LEAST_PIECE_ROWS = 10_000


class Followed(Protocol):
    """Where the records of asynchronous roll-ups are."""

    def following(self, uid: str) -> Sequence[Record]:
        """Those that are ready, as far as that is known without asking the engine."""
        ...

    async def table(self, uid: str, record: Record) -> TableSchema | None:
        """The table of one; None where it is another by now."""
        ...

    async def publish(self, uid: str, record: Record, progress: Progress) -> bool:
        """Writes progress into the record; False where that roll-up is no longer in use."""
        ...

    async def sweep(self, uid: str, record: Record) -> bool:
        """Drops epochs that nobody reads any more; whether none are left."""
        ...


@dataclass(frozen=True)
class _Look:
    """What a look has found: rows that were there at `moment` (monotonic) are in; none were missing then?

    `writes` is the platform's count of writes before it.
    """

    moment: float
    is_whole: bool
    writes: int


@dataclass
class _Worker:
    """One platform's: its looks by the hidden table's name, and what is left to sweep.

    `piece_rows` shrinks where a piece failed: it may have been too large for the engine.
    """

    piece_rows: int
    task: asyncio.Task[None] | None = None
    looks: dict[str, _Look] = field(default_factory=dict)
    unswept: set[str] = field(default_factory=set)
    waits: int = 0


class Followers:
    """Workers by the platform's uid. `writes` counts what is written into a platform, see DataVersions.

    `seconds` is the time between two looks.
    """

    def __init__(
        self,
        epochs: Epochs,
        followed: Followed,
        *,
        writes: Callable[[str], int] | None = None,
        seconds: float = 1.0,
    ) -> None:
        self._epochs = epochs
        self._followed = followed
        self._writes = writes
        self._seconds = seconds
        self._turns = asyncio.Semaphore(_PIECES_AT_ONCE)
        self._workers: dict[str, _Worker] = {}

    def watch(self, uid: str) -> None:
        """Begins to follow a platform's tables; harmless where that is done already."""
        worker = self._workers.setdefault(uid, _Worker(self._epochs.piece_rows))
        if worker.task is None or worker.task.done():
            # Of its own: a caller's deadline must not end up in a task that outlives the call.
            worker.task = asyncio.create_task(self._follow(uid, worker), context=contextvars.Context())

    def forget(self, uid: str) -> None:
        """Ends the worker of a platform that is gone."""
        worker = self._workers.pop(uid, None)
        if worker is not None and worker.task is not None:
            worker.task.cancel()

    async def close(self) -> None:
        """Ends every worker; a piece under way is written anew after the next start."""
        tasks = [each.task for each in self._workers.values() if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def lag_seconds(self, uid: str, record: Record) -> float | None:
        """How old the oldest row can be that its states lack, 0 where they lack none; None where nobody has
        looked since the start.
        """
        worker = self._workers.get(uid)
        look = worker.looks.get(record.target) if worker else None
        if look is None:
            return None
        return 0.0 if self._is_near(uid, look) else time.monotonic() - look.moment

    def longest_lag_seconds(self) -> float:
        """The longest of all that are followed."""
        now = time.monotonic()
        looks = [(uid, look) for uid, worker in self._workers.items() for look in worker.looks.values()]
        return max((now - look.moment for uid, look in looks if not self._is_near(uid, look)), default=0.0)

    async def _follow(self, uid: str, worker: _Worker) -> None:
        pause = self._seconds
        while True:
            await asyncio.sleep(pause)
            try:
                found = self._followed.following(uid)
                if not found:
                    return
                is_busy = await self._round(uid, worker, found)
                pause = 0.0 if is_busy else self._seconds
                worker.piece_rows = min(2 * worker.piece_rows, self._epochs.piece_rows)
            except (ServiceError, TimeoutError) as error:
                _LOG.info("roll-ups are not brought forward now: %s", type(error).__name__)
                worker.piece_rows = max(worker.piece_rows // 2, _LEAST_PIECE_ROWS)
                pause = min(2 * max(pause, self._seconds), _LONGEST_PAUSE_SECONDS)
            except Exception:  # noqa: BLE001 - it must go on: answers only get slower without it
                _LOG.exception("roll-ups could not be brought forward")
                pause = _LONGEST_PAUSE_SECONDS

    async def _round(self, uid: str, worker: _Worker, found: Sequence[Record]) -> bool:
        """A piece of each roll-up that may be behind; whether there is more to do at once.

        Raises what went wrong with one of them, after the others had their turn.
        """
        worker.looks = {each.target: look for each in found if (look := worker.looks.get(each.target))}
        worker.unswept &= {each.target for each in found}
        is_busy = False
        failure: Exception | None = None
        for record in found:
            if self._is_near(uid, worker.looks.get(record.target)) and record.target not in worker.unswept:
                continue
            try:
                async with self._turns:
                    table = await self._followed.table(uid, record)
                    if table is not None and not await self._must_wait(uid, worker):
                        is_busy |= await self._advance(uid, worker, record, table)
            except Exception as error:  # noqa: BLE001 - of this one: the others go on
                failure = error
                worker.unswept.add(record.target)
        if failure is not None:
            raise failure
        return is_busy

    def _is_near(self, uid: str, look: _Look | None) -> bool:
        """Whether nothing was missing at the last look, and nothing was written since."""
        return bool(look and look.is_whole and self._writes and self._writes(uid) == look.writes)

    async def _must_wait(self, uid: str, worker: _Worker) -> bool:
        """Whether people's queries go first, for a few looks, or memory is short, for a minute of them.

        Then a small piece is tried all the same: what is left to the rows costs every query memory.
        """
        load = await self._epochs.load(uid)
        is_short = load.memory_share > _MOST_MEMORY
        most = _MOST_WAITS_FOR_MEMORY if is_short else _MOST_WAITS if load.reading else 0
        worker.waits = worker.waits + 1 if worker.waits < most else 0
        if is_short:
            worker.piece_rows = _LEAST_PIECE_ROWS
        return worker.waits > 0

    async def _advance(self, uid: str, worker: _Worker, record: Record, table: TableSchema) -> bool:
        """One look and, where there is something new, one piece; whether there is more."""
        progress = record.progress
        if progress is None:
            return False
        if record.target not in worker.looks:
            worker.unswept.add(record.target)  # a process that was killed may have left some
        writes = self._writes(uid) if self._writes else 0
        moment, now = time.monotonic(), time.time()
        blocks = await self._epochs.next_blocks(
            uid, table.name, progress.watermark, piece_rows=worker.piece_rows
        )
        is_whole = blocks.upto == blocks.top
        if blocks.upto > progress.watermark:
            layout = layout_of(record.declaration, table)
            made = await self._epochs.make(uid, layout, record.target, blocks, piece_rows=worker.piece_rows)
            progress = Progress(
                blocks.upto, progress.epochs + ((made,) if made else ()), now if is_whole else progress.as_of
            )
            if not await self._followed.publish(uid, record, progress):
                return False
            await self._fold(uid, worker, replace(record, progress=progress), table)
        if is_whole:
            worker.looks[record.target] = _Look(moment, is_whole, writes)
        if record.target in worker.unswept and await self._followed.sweep(uid, record):
            worker.unswept.discard(record.target)
        return not is_whole

    async def _fold(self, uid: str, worker: _Worker, record: Record, table: TableSchema) -> None:
        """Puts epochs together where it is time; the old ones go when no query reads them any more."""
        progress = record.progress
        old = progress.folded() if progress else ()
        if progress is None or not old:
            return
        made = await self._epochs.fold(uid, layout_of(record.declaration, table), record.target, old)
        if await self._followed.publish(uid, record, progress.with_folded(old, made)):
            worker.unswept.add(record.target)

"""Deletions at work: each in a task of its own that survives its caller, and is begun again after a restart.

Until a deletion is recorded it has changed nothing and ends with its callers. From then on it is never given
up for a fault that passes; what the engine refuses for good ends the entry of that table as FAILED.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from aidatalabs_services.data.deletion_records import (
    Deletion,
    DeletionRecords,
    TableDeletion,
    TableState,
    new_deletion_id,
)
from aidatalabs_services.data.doubts import Doubts, Drained
from aidatalabs_services.data.erasure import Erasure
from aidatalabs_services.data.errors import DeletionTooLarge
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.runtime.errors import ServiceError, StatusCode

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 30.0
# What may pass by itself; anything else is the end of an entry.
_PASSING = (
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.CANCELLED,
)

Forget = Callable[[str], Awaitable[None]]


@dataclass(eq=False)
class Work:
    """A deletion at work: `recorded` once it goes on without its callers, `done` once no row is left."""

    deletion: Deletion
    max_count: int | None
    recorded: bool = False
    callers: int = 0
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    task: asyncio.Task[Deletion] = field(init=False)


class DeletionWorks:
    """The deletions of every platform that are at work.

    `drain` returns when the rows of a table that were acknowledged before are in it, `forget_stored` when no
    file of the ingest journal holds rows that were stored before; `forget_results` drops what is kept of a
    platform's queries, which may hold deleted rows. Call `hold_unfinished` before ingest starts
    and `resume` after.
    """

    def __init__(
        self,
        records: DeletionRecords,
        erasure: Erasure,
        holds: TableHolds,
        doubts: Doubts,
        *,
        drain: Drained,
        forget_stored: Forget,
        forget_results: Forget,
    ) -> None:
        self._records = records
        self._erasure = erasure
        self._holds = holds
        self._doubts = doubts
        self._drain = drain
        self._forget_stored = forget_stored
        self._forget_results = forget_results
        self._works: dict[tuple[str, str], Work] = {}
        self._held: dict[tuple[str, int], AsyncExitStack] = {}

    def of_request(self, uid: str, request_id: str) -> Work | None:
        """The deletion at work that a client's id stands for."""
        work = self._works.get((uid, request_id))
        # One whose callers have all gone away is being stopped, and will answer nobody.
        return work if work is not None and not work.task.cancelling() else None

    async def hold_unfinished(self) -> None:
        """Holds every table that is in the middle of a deletion, so that its counts stay true."""
        await self._records.load()
        for uid, deletion in self._records.open():
            for index, entry in enumerate(deletion.tables):
                if entry.state is TableState.DELETING:
                    stack = AsyncExitStack()
                    await stack.enter_async_context(self._holds.deleting(uid, entry.table))
                    self._held[deletion.id, index] = stack

    async def resume(self) -> None:
        """Goes on with every deletion that is not finished."""
        for uid, deletion in self._records.open():
            self.start(uid, Work(deletion, None, recorded=True))

    async def close(self) -> None:
        """Stops the work; the next start goes on."""
        await self._stop(list(self._works.values()))
        for stack in self._held.values():
            await stack.aclose()

    async def stop(self, uid: str) -> None:
        """Ends the work on one platform's deletions."""
        await self._stop([work for (of, _), work in self._works.items() if of == uid])

    async def _stop(self, works: Sequence[Work]) -> None:
        for work in works:
            work.task.cancel()
        await asyncio.gather(*(work.task for work in works), return_exceptions=True)

    def start(self, uid: str, work: Work) -> None:
        """Begins with a deletion, or goes on with it."""
        key = (uid, work.deletion.request_id or f"/{new_deletion_id()}")
        self._works[key] = work
        # Of its own: the caller's deadline must not end up in work that outlives the call.
        work.task = asyncio.create_task(self._carry_out(uid, work), context=contextvars.Context())

        def ended(task: asyncio.Task[Deletion]) -> None:
            if self._works.get(key) is work:
                del self._works[key]
            if not task.cancelled():
                task.exception()  # read it: every caller may have gone away

        work.task.add_done_callback(ended)

    async def _carry_out(self, uid: str, work: Work) -> Deletion:
        """Every table, then the disk; raises only while the deletion is not recorded."""
        deletion = work.deletion
        if deletion.user_id and not deletion.dry_run and not work.recorded:
            await self._keep(uid, work, deletion)
        for index in range(len(deletion.tables)):
            await self._erase(uid, work, index)
        if deletion.dry_run:
            return work.deletion
        if not work.done.done():
            work.done.set_result(None)
        await self._clear_disk(uid, work)
        return self._records.get(uid, deletion.id) or work.deletion

    async def _erase(self, uid: str, work: Work, index: int) -> None:
        """One table from wherever it is to its end; the table is held until then."""
        entry = work.deletion.tables[index]
        if entry.state not in (TableState.WAITING, TableState.DELETING):
            return
        async with AsyncExitStack() as stack:
            held = self._held.pop((work.deletion.id, index), None)
            is_held = held is not None
            if held is not None:
                await stack.enter_async_context(held)

            async def tried() -> None:
                nonlocal is_held
                if not is_held:
                    await self._hold(uid, entry.table, stack)
                    is_held = True
                try:
                    await self._step(uid, work, index)
                except Exception:
                    if work.deletion.tables[index].state is TableState.WAITING:
                        # Nothing was begun: ingest must not wait for as long as this goes wrong.
                        await self._let_go(uid, entry)
                        is_held = False
                        await stack.aclose()
                    raise

            await self._repeated(uid, work, tried, ends=index)
            if work.deletion.tables[index].state is TableState.FAILED:
                await self._let_go(uid, work.deletion.tables[index])
        await self._forget_results(uid)

    async def _hold(self, uid: str, table: str, stack: AsyncExitStack) -> None:
        """Holds the table until `stack` ends, at a moment when no block of it is in doubt: none will come
        again whose rows the deletion has seen.
        """
        while True:
            await self._doubts.settled(uid, table, self._drain)
            async with AsyncExitStack() as held:
                await held.enter_async_context(self._holds.deleting(uid, table))
                if not self._doubts.of(uid, table):
                    stack.push_async_exit(held.pop_all())
                    return

    async def _let_go(self, uid: str, entry: TableDeletion) -> None:
        """Nothing waits for it: what stays behind is put right by the next one that looks."""
        try:
            await self._erasure.release(uid, entry)
        except (ServiceError, TimeoutError) as error:
            _LOG.warning("derived tables of a failed deletion wait: %s", type(error).__name__)

    async def _step(self, uid: str, work: Work, index: int) -> None:
        """One try at a table that is held."""
        entry, key = work.deletion.tables[index], work.deletion.id

        async def keep(changed: TableDeletion) -> None:
            await self._keep(uid, work, work.deletion.with_table(index, changed))

        def show(changed: TableDeletion) -> None:
            self._records.note(uid, work.deletion.with_table(index, changed))

        found = await self._erasure.name_now(uid, entry)
        if found is None:
            await keep(_nothing_left(entry, "The table is gone, with all its rows."))
            return
        name = found[0]
        if entry.state is TableState.WAITING:
            entry = await self._erasure.count(uid, entry, name)
            if work.deletion.dry_run:
                counted = replace(
                    _nothing_left(entry, ""), remaining_count=entry.matched_count, physically_removed=False
                )
                work.deletion = work.deletion.with_table(index, counted)
                return
            _check_count(entry, work.max_count)
            if not entry.matched_count:
                await keep(replace(_nothing_left(entry, ""), version_after=entry.version_before))
                return
            await keep(await self._erasure.prepare(uid, entry, name, key))
        entry = await self._erasure.delete(uid, work.deletion.tables[index], name, key, keep=keep, show=show)
        await keep(entry)

    async def _clear_disk(self, uid: str, work: Work) -> None:
        """Returns when the rows are in no file any more; the tables are not held for that."""
        for index, entry in enumerate(work.deletion.tables):
            if entry.state is TableState.DONE and not entry.physically_removed:
                await self._repeated(uid, work, partial(self._cleared, uid, work, index))

    async def _cleared(self, uid: str, work: Work, index: int) -> None:
        await self._erasure.clear_disk(uid, work.deletion.tables[index])
        await self._forget_stored(uid)
        removed = replace(work.deletion.tables[index], physically_removed=True)
        await self._keep(uid, work, work.deletion.with_table(index, removed))

    async def _repeated(
        self, uid: str, work: Work, step: Callable[[], Awaitable[None]], *, ends: int | None = None
    ) -> None:
        """Tries until it worked; a refusal for good ends the entry at the place `ends`, where given."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return await step()
            except (ServiceError, TimeoutError) as error:
                if not work.recorded:
                    raise
                if ends is not None and isinstance(error, ServiceError) and error.code not in _PASSING:
                    failed = replace(
                        work.deletion.tables[ends],
                        state=TableState.FAILED,
                        end_seconds=time.time(),
                        message=error.message,
                    )
                    return await self._keep(uid, work, work.deletion.with_table(ends, failed))
                _LOG.warning("deletion %s goes on later (%s)", work.deletion.id, type(error).__name__)
            except Exception:
                if not work.recorded:
                    raise
                _LOG.exception("deletion %s failed in an unforeseen way, will repeat", work.deletion.id)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _keep(self, uid: str, work: Work, deletion: Deletion) -> None:
        """Keeps this state; from the first time on the deletion goes on without its caller."""
        work.recorded = True
        await self._records.save(uid, deletion)
        work.deletion = deletion  # not before it is kept: a step that could not keep its end is repeated


def _nothing_left(entry: TableDeletion, message: str) -> TableDeletion:
    return replace(
        entry,
        state=TableState.DONE,
        remaining_count=0,
        physically_removed=True,
        progress=1.0,
        end_seconds=time.time(),
        message=message,
    )


def _check_count(entry: TableDeletion, max_count: int | None) -> None:
    if max_count is not None and entry.matched_count > max_count:
        raise DeletionTooLarge(
            f"{entry.matched_count:,} rows match, more than the {max_count:,} expected; none was deleted. "
            "Look at the filter, or raise max_count.",
            metadata={
                "table": entry.table,
                "matched_count": str(entry.matched_count),
                "max_count": str(max_count),
            },
        )

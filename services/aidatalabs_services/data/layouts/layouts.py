"""What another layout of a table would do for a query, measured on copies of some of its rows.

    the table ─► a clone of its parts (links, no bytes) ─► a copy of every k-th granule, as it is laid out now
              ─► a copy of the copy for each change, dropped before the next ─► the query over both, in turns

One at a time per platform and few in all, each statement on one thread and inside limits. Whatever happens,
the copies go: at the end of the call, or when the service begins again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from aidatalabs_services.data.admission import Admission, Admitted
from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.errors import table_not_found
from aidatalabs_services.data.layouts.changes import Change, checked
from aidatalabs_services.data.layouts.copies import Copies, CopyLimits, Sample
from aidatalabs_services.data.layouts.scratches import Scratches
from aidatalabs_services.data.layouts.trials import Trial, Trials
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import DeadlineExceeded, FieldViolation, InvalidRequest, Overloaded

# Of the call's time: what dropping the copies and the answer may take.
_MARGIN_SECONDS = 3.0
_LEAST_SECONDS = 2.0
_CLEAR_SECONDS = 10.0
_ROOM_COPIES = 4


@dataclass(frozen=True)
class LayoutLimits:
    """`count` platforms are measured at once, each for up to `seconds`; the disk keeps `free_bytes`."""

    count: int
    seconds: float
    free_bytes: int
    copies: CopyLimits


@dataclass(frozen=True)
class Measurement:
    """What was measured on, and one trial for each change."""

    sample: Sample
    trials: tuple[Trial, ...]


class Layouts:
    """Measures layouts on every platform, by its uid. `start` once, `close` at the end."""

    def __init__(
        self,
        warehouse: Warehouse,
        admission: Admission,
        budget: RowBudget,
        scratches: Scratches,
        query_limits: QueryLimits,
        limits: LayoutLimits,
    ) -> None:
        self._warehouse = warehouse
        self._admission = admission
        self._budget = budget
        self._scratches = scratches
        self._query_limits = query_limits
        self._limits = limits
        self._running: dict[str, asyncio.Task[Measurement]] = {}
        self._stopped: set[str] = set()

    async def start(self) -> None:
        """Begins to drop what an earlier process has left."""
        await self._scratches.start()

    async def close(self) -> None:
        """Ends what runs."""
        for uid in list(self._running):
            await self.stop(uid)
        await self._scratches.close()

    async def measure(self, uid: str, sql: str, table: str, changes: Sequence[Change]) -> Measurement:
        """Runs `sql` over the table as it is and with each change.

        Raises the refusals of the door, TableNotFound, InvalidRequest, QueryBudgetExceeded, Overloaded where
        one runs already or the disk is short, and what the query itself ends with over the table as it is; a
        change that fails says so in its trial.
        """
        query = await self._admission.admit(uid, sql, self._query_limits)
        schema = query.schema.get(table)
        if schema is None:
            raise table_not_found(table)
        if table not in query.statement.tables:
            raise InvalidRequest(
                "The query does not read this table.",
                violations=[FieldViolation("table", "must be one that the query reads")],
            )
        asked = checked(changes, schema)
        self._check_place(uid)
        work = asyncio.create_task(self._measured(query, schema, asked))
        self._running[uid] = work
        try:
            return await work
        except asyncio.CancelledError:
            if uid in self._stopped:
                raise _deleting() from None
            raise
        finally:
            self._running.pop(uid, None)
            self._stopped.discard(uid)

    async def stop(self, uid: str) -> None:
        """Ends what is measured on a platform now, and drops its copies: rows of its tables are to go."""
        work = self._running.get(uid)
        if work is not None:
            self._stopped.add(uid)
            work.cancel()
            await asyncio.wait((work,))

    async def remove(self, uid: str) -> None:
        """Ends everything about a platform that is removed."""
        await self.stop(uid)
        await self._scratches.forget(uid)

    def _check_place(self, uid: str) -> None:
        if uid in self._running or len(self._running) >= self._limits.count:
            raise Overloaded(
                "Other layouts are being measured at the moment. Try again in a little while.",
                metadata={"limit": "layouts at a time", "most": str(self._limits.count)},
                retry_after_seconds=10.0,
            )

    async def _measured(self, query: Admitted, schema: TableSchema, changes: Sequence[Change]) -> Measurement:
        uid = query.uid
        seconds = min(self._limits.seconds, current_call().seconds_left() - _MARGIN_SECONDS)
        if seconds < _LEAST_SECONDS:
            raise DeadlineExceeded("The time of this call is too short to measure a layout.")
        await self._check_room(uid, schema.name)
        until = asyncio.get_running_loop().time() + seconds
        try:
            prefix = await self._scratches.prepare(uid)
            copies = Copies(self._warehouse, self._budget, uid, prefix, self._limits.copies, until)
            trials = Trials(copies, self._warehouse, self._budget, query, schema, self._query_limits, until)
            async with asyncio.timeout_at(until + 1.0):
                return Measurement(*await trials.all(changes))
        except TimeoutError:
            raise DeadlineExceeded(
                "The layouts could not be measured in the time there was. Ask again with a query that reads"
                " less, or when less is going on."
            ) from None
        finally:
            await self._cleared(uid)

    async def _check_room(self, uid: str, table: str) -> None:
        known = (await self._warehouse.sizes(uid)).get(table)
        most = self._limits.copies.sample_bytes
        copied = min(most, known.size_bytes) if known is not None else most
        free = await asyncio.to_thread(self._scratches.free_bytes)
        if free < self._limits.free_bytes + _ROOM_COPIES * copied:
            raise Overloaded(
                "The disk has too little room for a copy of rows at the moment.",
                metadata={"limit": "room on the disk", "most": str(free)},
                retry_after_seconds=60.0,
            )

    async def _cleared(self, uid: str) -> None:
        """Waits until the copies are gone, for a while; they go on going when it is over."""
        clearing = self._scratches.clear_soon(uid)
        await asyncio.wait((clearing,), timeout=_CLEAR_SECONDS)


class DerivedCopies:
    """See `ports.DerivedTables`: a deletion is not over while a copy holds rows of its table."""

    def __init__(self, layouts: Layouts) -> None:
        self._layouts = layouts

    def derive_from(self, table: str) -> bool:
        """See DerivedTables. Of any table there may be a copy."""
        return True

    async def prepare(self, uid: str, table: str, condition: str, *, key: str) -> str:
        """See DerivedTables."""
        return ""

    async def correct(self, uid: str, table: str, noted: str, *, key: str) -> None:
        """See DerivedTables. Ends what is measured now: its copies have the rows that are gone."""
        await self._layouts.stop(uid)

    async def release(self, uid: str, table: str) -> None:
        """See DerivedTables."""


def _deleting() -> Overloaded:
    return Overloaded(
        "Rows of this platform are being deleted, so that no copy of them is kept. Try again shortly.",
        retry_after_seconds=10.0,
    )

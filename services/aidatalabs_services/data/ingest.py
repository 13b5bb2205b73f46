"""Ingest: calls become groups in a journal, groups become blocks in the engine, each call gets its receipt.

    call ─► verdicts ─► claim of its request id ─► group ─► journal (fsync: acknowledged) ─► sink ─► engine

Calls that come while a group is being written make up the next one, so many small calls share one fsync and
one insert. A call waits a short while for its rows to be stored and otherwise answers JOURNALLED.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from aidatalabs_services.data.backlog import Room
from aidatalabs_services.data.batch_threads import IngestThreads, is_quick
from aidatalabs_services.data.column_batches import ColumnBatch
from aidatalabs_services.data.dead_letters.letters import LetterKeeping, Letters, Origin
from aidatalabs_services.data.errors import IngestTooLarge, ReceiptNotFound
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest_batches import EventBatch
from aidatalabs_services.data.ingest_tables import ingest_table
from aidatalabs_services.data.intake import IngestLimits, Intake, Waiting
from aidatalabs_services.data.intakes import Intakes, StoreWay
from aidatalabs_services.data.journal import JournalLimits
from aidatalabs_services.data.journal_records import RequestRecord
from aidatalabs_services.data.judged_batches import Batch, examined, judged
from aidatalabs_services.data.kafka.carrier import Carrier
from aidatalabs_services.data.kafka.outbox import broker_away
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Key, Progress, Receipt, Taken
from aidatalabs_services.data.schema import Schema, TableSchema
from aidatalabs_services.data.sink import SinkLimits
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, EVENTS, is_dead_letters
from aidatalabs_services.data.type_fences import TypeFences
from aidatalabs_services.data.verdicts import RejectedRow
from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import (
    FieldViolation,
    InvalidRequest,
    ServiceUnavailable,
    platform_not_found,
)

__all__ = ["IngestLimits", "Ingestor"]

_ANSWER_MARGIN_SECONDS = 0.5
_T = TypeVar("_T")


class Ingestor:
    """Ingest of all platforms; `start` before the first call, `close` after the last.

    `stored` is told the rows of each group that the engine has confirmed. Rejected rows are kept where
    `letters` is given and the platform has the table for them. With a `carrier` groups go through Kafka, and
    what journals hold from before goes on into the engine.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        directory: Path,
        *,
        limits: IngestLimits | None = None,
        journal_limits: JournalLimits | None = None,
        sink_limits: SinkLimits | None = None,
        holds: TableHolds | None = None,
        fences: TypeFences | None = None,
        stored: Callable[[int], None] = lambda _rows: None,
        letters: LetterKeeping | None = None,
        carrier: Carrier | None = None,
    ) -> None:
        self._schema = schema
        self._limits = limits or IngestLimits()
        self._fences = fences or TypeFences()
        self._letters = letters
        self._carrier = carrier
        self._threads = IngestThreads()
        way = StoreWay(
            warehouse,
            schema,
            journal_limits or JournalLimits(),
            sink_limits or SinkLimits(),
            holds or TableHolds(),
            stored,
        )
        self._intakes = Intakes(directory, self._limits, way, carrier)

    async def start(self) -> None:
        """Opens every journal that is there, so that what was acknowledged before goes on into the engine.

        Raises JournalInUse where another process has the directory.
        """
        await self._intakes.start()

    async def close(self) -> None:
        """Journals what waits and closes every journal."""
        await self._intakes.close()
        self._threads.close()

    async def remove(self, uid: str) -> None:
        """Ends a platform's ingest for good and deletes its journal with all that is parked. Idempotent."""
        await self._intakes.remove(uid)
        self._threads.forget(uid)

    async def drained(self, uid: str, table: str) -> None:
        """Returns when every row of the table that was acknowledged before this call is in it."""
        if not self._intakes.is_removed(uid):
            await (await self._intakes.of(uid)).drained(table)

    async def settled(self, uid: str, table: str) -> None:
        """As `drained`, and no call is left whose rows are still to be journalled.

        Calls that come meanwhile have to be kept away.
        """
        if not self._intakes.is_removed(uid):
            await (await self._intakes.of(uid)).settled(table)

    async def stored_rows_forgotten(self, uid: str) -> None:
        """Returns when no file of the platform's journal holds a row that was stored before this call."""
        if not self._intakes.is_removed(uid):
            await (await self._intakes.of(uid)).stored_rows_forgotten()

    def waiting_groups(self, uid: str) -> int:
        """Journalled groups of a platform that its engine has not confirmed."""
        return opened.waiting_groups if (opened := self._intakes.find(uid)) else 0

    def waiting_groups_of_all(self) -> int:
        """The same over every platform."""
        return sum(opened.waiting_groups for opened in self._intakes.opened)

    def backlog_seconds(self) -> float:
        """Seconds until what is acknowledged is stored, in the table of all platforms with the most."""
        return max((each.backlog.longest_seconds() for each in self._intakes.opened), default=0.0)

    async def ingest(
        self, uid: str, platform: str, table: str, request_id: str, batch: Batch, *, replayed: bool = False
    ) -> Receipt:
        """Takes one call: every row gets a verdict, the good ones are acknowledged.

        A `replayed` call brings one letter: it is not waited for, and a refusal of it is not remembered.
        Raises InvalidRequest (no row, or events for another table), IngestTooLarge, TableNotFound,
        TableProtected, IdempotencyMismatch, JournalFull, Overloaded and ServiceUnavailable.
        """
        self._check(uid, platform, batch)
        intake = await self._intakes.ready(uid)
        key = (table or EVENTS.name, request_id)
        # A letter is one row, and a replay ends with the first that is refused.
        room = Room() if replayed else intake.room(key, batch.count)
        return await self._answered(intake, platform, key, batch, room, replayed=replayed)

    async def _answered(
        self, intake: Intake, platform: str, key: Key, batch: Batch, room: Room, *, replayed: bool = False
    ) -> Receipt:
        """The receipt of a call that has its room, once its rows are stored or waiting is of no use."""
        try:
            async with self._fences.taking(intake.uid, key[0]):
                taken, repeated = await self._taken(intake, platform, key, batch, replayed=replayed)
        finally:
            room.leave()
        if not replayed:
            await taken.progress.wait(self._store_seconds(intake, key[0]))
        return taken.receipt(repeated=repeated)

    async def _taken(
        self, intake: Intake, platform: str, key: Key, batch: Batch, *, replayed: bool
    ) -> tuple[Taken, bool]:
        """The call once it is journalled, and whether it was before this."""
        uid, request_id = intake.uid, key[1]
        described = await self._table_or_hindrance(uid, key[0], batch)
        identity = described.identity if isinstance(described, TableSchema) else ""
        # Large batches are judged when it is sure that they are no repetition; for rows that is dearer.
        table = None if isinstance(batch, ColumnBatch) or intake.is_known(key) else described
        with intake.gathering.judging(key[0]):
            found = await self._work(uid, batch, lambda: examined(batch, table, named=bool(request_id)))
        claim = await self._acknowledged(intake.claim(key, identity, found.digest))
        if isinstance(claim, Taken):
            return claim, True
        try:
            if isinstance(described, ServiceUnavailable):
                raise described
            late = None if table else await self._work(uid, batch, lambda: judged(batch, described))
            verdicts = late or found.verdicts()
            keeps = bool(verdicts.rejected) and not replayed
            letters = await self._letters_of(uid, batch, verdicts.rejected, key) if keeps else Letters()
        except BaseException:
            intake.release(key, claim)
            raise
        request = RequestRecord(
            request_id,
            found.digest,
            f"{platform}/receipts/{request_id or uuid.uuid4().hex}",
            verdicts.accepted_count,
            verdicts.rejected,
            verdicts.unlisted_count,
            letters.count,
        )
        if not (request.accepted_count or letters.count) and (claim is None or replayed):
            # Nothing to keep, and nobody can ask for it again.
            intake.release(key, claim)
            return Taken(identity, request, time.time(), Progress(stored=True)), False
        waiting = Waiting(described, request, verdicts.rows, key, claim, letters)
        return await self._acknowledged(intake.take(waiting)), False

    async def _letters_of(self, uid: str, batch: Batch, rejected: Sequence[RejectedRow], key: Key) -> Letters:
        """The rejected rows as they are kept."""
        table = (await self._schema(uid)).get(DEAD_LETTERS.name)
        keeping = self._letters
        if keeping is None or table is None or not is_dead_letters(table):
            return Letters()
        room = await keeping.room(uid)
        source = "stream" if isinstance(batch, ColumnBatch) else "rows"
        origin = Origin(key[0], "events" if isinstance(batch, EventBatch) else source, key[1])
        letters = await self._work(uid, batch, lambda: keeping.written(rejected, batch.row, origin, room))
        keeping.note(uid, letters)
        return letters

    async def room_for_batch(self, uid: str, table: str, batch_id: str, size: int) -> Room:
        """Room for a batch of `size` bytes among what waits to be stored, when there is some.

        Raises Overloaded where that takes too long, and ServiceUnavailable.
        """
        if self._intakes.is_removed(uid):
            return Room()  # refused when it is taken
        return await (await self._intakes.ready(uid)).room_for_batch((table or EVENTS.name, batch_id), size)

    async def ingest_columns(
        self, uid: str, platform: str, table: str, batch_id: str, arrow_ipc: bytes, room: Room
    ) -> Receipt:
        """Takes one batch of a stream, an Arrow IPC stream, and its room, which is given back in any case.

        Raises as `ingest` does, and BatchInvalid.
        """
        try:
            batch = await self._threads.on_columns(uid, lambda: ColumnBatch(arrow_ipc, table or EVENTS.name))
            self._check(uid, platform, batch)
            intake = await self._intakes.ready(uid)
        except BaseException:
            room.leave()
            raise
        return await self._answered(intake, platform, (table or EVENTS.name, batch_id), batch, room)

    async def receipt(self, uid: str, table: str, request_id: str) -> Receipt:
        """The receipt of a call or batch that is remembered, as it is now. Raises ReceiptNotFound."""
        name = table or EVENTS.name
        described = (await self._schema(uid)).get(name)
        taken = None
        if described is not None and not self._intakes.is_removed(uid):
            taken = (await self._intakes.ready(uid)).find((name, request_id), described.identity)
            if taken is not None and not taken.progress.stored and self._carrier is not None:
                await self._carrier.looked()
        if taken is None:
            raise ReceiptNotFound(
                "No call or batch of this id was acknowledged for this table within the last 24 hours. Check "
                "both; what was never acknowledged can be sent again with the same id.",
                metadata={"receipt_id": request_id, "table": name},
            )
        return taken.receipt(repeated=False)

    async def _work(self, uid: str, batch: Batch, work: Callable[[], _T]) -> _T:
        """Work on a batch, off the event loop where it is much."""
        if isinstance(batch, ColumnBatch):
            return await self._threads.on_columns(uid, work)
        return await self._threads.on_rows(uid, work, quick=is_quick(batch.count, batch.size_bytes))

    def _check(self, uid: str, platform: str, batch: Batch) -> None:
        """Raises what needs no look at the rows."""
        if self._intakes.is_removed(uid):
            raise platform_not_found(platform)
        if batch.count == 0 and isinstance(batch, ColumnBatch):
            nothing = FieldViolation("arrow_ipc", "holds no row; leave such batches out")
            raise InvalidRequest("The batch brings no row.", violations=[nothing])
        if batch.count == 0:
            nothing = FieldViolation("events", "is empty, and so is rows; bring one of the two")
            raise InvalidRequest("The call brings no row.", violations=[nothing])
        if not isinstance(batch, ColumnBatch) and batch.count > self._limits.call_rows:
            raise IngestTooLarge(
                f"One call may bring {self._limits.call_rows:,} rows; send several.",
                metadata={"limit_rows": str(self._limits.call_rows)},
            )

    async def _table_or_hindrance(
        self, uid: str, name: str, batch: Batch
    ) -> TableSchema | ServiceUnavailable:
        """The table, or why it cannot be known now: a repeated call gets its first receipt even so."""
        try:
            return ingest_table(await self._schema(uid), name, batch)
        except ServiceUnavailable as hindrance:
            return hindrance

    def _store_seconds(self, intake: Intake, table: str) -> float:
        """How long a call waits for its rows to be stored; not at all where that takes longer anyway."""
        backlog = intake.backlog
        if not backlog.is_stopped(table) and backlog.seconds(table) > self._limits.store_seconds:
            return 0.0
        call = optional_call()
        left = call.seconds_left() - _ANSWER_MARGIN_SECONDS if call else self._limits.store_seconds
        return max(0.0, min(self._limits.store_seconds, left))

    async def _acknowledged(self, waiting: Awaitable[_T]) -> _T:
        """Waits for an acknowledgement; for that of a broker not without end."""
        if self._carrier is None:
            return await waiting
        call = optional_call()
        seconds = self._carrier.ack_seconds
        if call is not None:
            seconds = max(0.0, min(seconds, call.seconds_left() - _ANSWER_MARGIN_SECONDS))
        try:
            async with asyncio.timeout(seconds):
                return await waiting
        except TimeoutError:
            raise broker_away() from None

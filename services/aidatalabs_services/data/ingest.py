"""Ingest: calls become groups in a journal, groups become blocks in the engine, each call gets its receipt.

    call ─► verdicts ─► claim of its request id ─► group ─► journal (fsync: acknowledged) ─► sink ─► engine

Calls that come while a group is being written make up the next one, so many small calls share one fsync and
one insert. A call waits a short while for its rows to be stored and otherwise answers JOURNALLED.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from aidatalabs_services.data.blocks import blocks_of
from aidatalabs_services.data.errors import IngestTooLarge, TableNotFound, TableProtected
from aidatalabs_services.data.ingest_batches import EventBatch, RowBatch
from aidatalabs_services.data.journal import Journal, JournalLimits
from aidatalabs_services.data.journal_files import JournalLock
from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.receipts import Claim, Key, Progress, Receipt, ReceiptIndex, Taken
from aidatalabs_services.data.schema import Schema, TableSchema
from aidatalabs_services.data.sink import Sink, SinkLimits
from aidatalabs_services.data.standard_tables import EVENTS, PROTECTED
from aidatalabs_services.data.verdicts import Verdict, judge_event_rows, judge_events, judge_rows
from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest, Overloaded, ServiceUnavailable

_ANSWER_MARGIN_SECONDS = 0.5
# Work on fewer rows is done at once: handing it to a thread would take longer.
_INLINE_ROWS = 64
_UID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}\Z")
_T = TypeVar("_T")


@dataclass(frozen=True)
class IngestLimits:
    """How much one call, one group and all waiting calls may be, and how long a call waits for its rows.

    `call_rows` is the most of one call, `group_rows` of one group, `waiting_rows` of calls that are not
    journalled yet; `store_seconds` is the longest wait before JOURNALLED; `gather_seconds` lets small calls
    gather while the engine is busy with earlier groups; `receipt_count` bounds the receipts kept in memory.
    """

    call_rows: int = 10_000
    group_rows: int = 100_000
    waiting_rows: int = 200_000
    store_seconds: float = 2.0
    gather_seconds: float = 0.01
    receipt_count: int = 250_000


@dataclass
class _Waiting:
    """One judged call on its way into a group."""

    table: TableSchema
    request: RequestRecord
    verdict: Verdict
    key: Key
    claim: Claim | None
    taken: asyncio.Future[Taken] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def row_count(self) -> int:
        return self.request.accepted_count


class Intake:
    """One platform's way in: its journal, its sink, its receipts and the calls that wait for a group."""

    def __init__(
        self,
        uid: str,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        journal: Journal,
        limits: IngestLimits,
        receipt_seconds: float,
        sink_limits: SinkLimits,
    ) -> None:
        self._limits = limits
        self._journal = journal
        self._sink = Sink(uid, warehouse, schema, journal, sink_limits)
        self._index = ReceiptIndex(limit=limits.receipt_count, seconds=receipt_seconds)
        self._queues: dict[str, list[_Waiting]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}
        self._waiting_rows = 0

    async def recover(self) -> None:
        """Reads the journal: receipts are known again, unconfirmed groups go on before new ones."""
        found = await self._journal.recover()
        pending = {id(group) for group in found.pending}
        for group in found.groups:
            progress = Progress(stored=group.complete and not group.refused, ended=group.complete)
            for request in group.record.requests:
                if request.request_id:
                    taken = Taken(group.record.identity, request, group.record.created_seconds, progress)
                    self._index.remember((group.record.table, request.request_id), taken)
            if id(group) in pending:
                self._sink.add(group, progress)

    async def close(self) -> None:
        """Journals what waits and stops inserting; the next start goes on."""
        await asyncio.gather(*self._writers.values(), return_exceptions=True)
        await self._sink.close()
        await self._journal.close()

    @property
    def waiting_groups(self) -> int:
        """Journalled groups that the engine has not confirmed."""
        return self._sink.waiting_groups

    async def claim(self, key: Key, identity: str, digest: bytes) -> Taken | Claim | None:
        """The call taken before under this key, a claim that makes this one the first, None without an id."""
        return await self._index.claim(key, identity, digest, time.time()) if key[1] else None

    def release(self, key: Key, claim: Claim | None) -> None:
        """Gives a claim up."""
        if claim is not None:
            self._index.release(key, claim)

    async def take(self, waiting: _Waiting) -> Taken:
        """Has a judged call journalled; from here on its claim is settled even when its caller goes away."""
        if self._waiting_rows + waiting.row_count > self._limits.waiting_rows:
            self.release(waiting.key, waiting.claim)
            raise Overloaded(
                "More rows are waiting than fit. Send the same call again shortly.", retry_after_seconds=0.5
            )
        self._waiting_rows += waiting.row_count
        table = waiting.table.name
        self._queues.setdefault(table, []).append(waiting)
        if table not in self._writers:
            # Of its own context: the caller's deadline must not end up in a task that outlives the call.
            self._writers[table] = asyncio.create_task(self._write(table), context=contextvars.Context())
        return await asyncio.shield(waiting.taken)

    async def _write(self, table: str) -> None:
        """Journals the waiting calls of one table, group by group, until none is left."""
        try:
            while self._queues[table]:
                if self._sink.waiting_groups > 1:
                    await asyncio.sleep(self._limits.gather_seconds)
                group = self._next_group(table)
                try:
                    await self._journal_group(group)
                except Exception as error:  # noqa: BLE001 - told to every call of the group
                    self._fail(group, error)
        finally:
            del self._writers[table], self._queues[table]

    def _next_group(self, table: str) -> list[_Waiting]:
        """The longest run of waiting calls that fit one group: the same table as it was, few enough rows."""
        queue = self._queues[table]
        count, rows = 0, 0
        while count < len(queue) and queue[count].table == queue[0].table:
            rows += queue[count].row_count
            if count and rows > self._limits.group_rows:
                break
            count += 1
        self._queues[table] = queue[count:]
        return queue[:count]

    async def _journal_group(self, group: list[_Waiting]) -> None:
        table = group[0].table
        batches = [waiting.verdict.accepted for waiting in group if waiting.row_count]
        rows = sum(batch.num_rows for batch in batches)
        blocks = await _off_loop(rows, lambda: blocks_of(batches, table)) if batches else []
        record = GroupRecord(
            sequence=self._journal.next_sequence(),
            created_seconds=time.time(),
            table=table.name,
            identity=table.identity,
            token=uuid.uuid4().hex,
            columns=tuple(table.types),
            requests=tuple(waiting.request for waiting in group),
            blocks=tuple(blocks),
        )
        pending = await self._journal.append(record)
        progress = Progress(stored=pending.complete)
        for waiting in group:
            taken = Taken(record.identity, waiting.request, record.created_seconds, progress)
            if waiting.claim is not None:
                self._index.settle(waiting.key, waiting.claim, taken)
            if not waiting.taken.done():
                waiting.taken.set_result(taken)
            self._waiting_rows -= waiting.row_count
        if not pending.complete:
            self._sink.add(pending, progress)

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        for waiting in group:
            self.release(waiting.key, waiting.claim)
            self._waiting_rows -= waiting.row_count
            if not waiting.taken.done():
                waiting.taken.set_exception(error)
                waiting.taken.exception()  # a caller that went away leaves nobody to look at it


class Ingestor:
    """Ingest of all platforms; `start` before the first call, `close` after the last."""

    def __init__(
        self,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        directory: Path,
        *,
        limits: IngestLimits | None = None,
        journal_limits: JournalLimits | None = None,
        sink_limits: SinkLimits | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._schema = schema
        self._directory = directory
        self._limits = limits or IngestLimits()
        self._journal_limits = journal_limits or JournalLimits()
        self._sink_limits = sink_limits or SinkLimits()
        self._executor: Executor = ThreadPoolExecutor(4, thread_name_prefix="journal")
        self._intakes: dict[str, asyncio.Task[Intake]] = {}
        self._lock: JournalLock | None = None

    async def start(self) -> None:
        """Opens every journal that is there, so that what was acknowledged before goes on into the engine.

        Raises JournalInUse where another process has the directory.
        """
        self._lock = await asyncio.to_thread(JournalLock, self._directory)
        found = sorted(path.name for path in self._directory.iterdir() if path.is_dir())
        await asyncio.gather(*(self._intake(uid) for uid in found))

    async def close(self) -> None:
        """Journals what waits and closes every journal."""
        opened = await asyncio.gather(*self._intakes.values(), return_exceptions=True)
        await asyncio.gather(*(intake.close() for intake in opened if isinstance(intake, Intake)))
        self._executor.shutdown(wait=False)
        if self._lock is not None:
            self._lock.release()

    def waiting_groups(self, uid: str) -> int:
        """Journalled groups of a platform that its engine has not confirmed."""
        opening = self._intakes.get(uid)
        opened = opening is not None and opening.done() and opening.exception() is None
        return opening.result().waiting_groups if opening is not None and opened else 0

    async def ingest(
        self, uid: str, platform: str, table: str, request_id: str, batch: EventBatch | RowBatch
    ) -> Receipt:
        """Takes one call: every row gets a verdict, the good ones are acknowledged.

        Raises InvalidRequest (no row, or events for another table), IngestTooLarge, TableNotFound,
        TableProtected, IdempotencyMismatch, JournalFull, Overloaded and ServiceUnavailable.
        """
        self._check_size(batch)
        intake = await self._intake(uid)
        digest = await _off_loop(batch.count, batch.digest) if request_id else b""
        key = (table or EVENTS.name, request_id)
        described = await self._table_or_hindrance(uid, key[0], batch)
        identity = described.identity if isinstance(described, TableSchema) else ""
        claim = await intake.claim(key, identity, digest)
        if isinstance(claim, Taken):
            await claim.progress.wait(self._store_seconds())
            return claim.receipt(repeated=True)
        try:
            if isinstance(described, ServiceUnavailable):
                raise described
            verdict = await _off_loop(batch.count, lambda: _judge(batch, described))
        except BaseException:
            intake.release(key, claim)
            raise
        request = RequestRecord(
            request_id,
            digest,
            f"{platform}/receipts/{request_id or uuid.uuid4().hex}",
            verdict.accepted.num_rows,
            verdict.rejected,
        )
        if claim is None and not request.accepted_count:
            # Nothing to keep, and nobody can ask for it again.
            return Taken(identity, request, time.time(), Progress(stored=True)).receipt(repeated=False)
        taken = await intake.take(_Waiting(described, request, verdict, key, claim))
        await taken.progress.wait(self._store_seconds())
        return taken.receipt(repeated=False)

    def _check_size(self, batch: EventBatch | RowBatch) -> None:
        if batch.count == 0:
            nothing = FieldViolation("events", "is empty, and so is rows; bring one of the two")
            raise InvalidRequest("The call brings no row.", violations=[nothing])
        if batch.count > self._limits.call_rows:
            raise IngestTooLarge(
                f"One call may bring {self._limits.call_rows:,} rows; send several.",
                metadata={"limit_rows": str(self._limits.call_rows)},
            )

    async def _table_or_hindrance(
        self, uid: str, name: str, batch: EventBatch | RowBatch
    ) -> TableSchema | ServiceUnavailable:
        """The table, or why it cannot be known now: a repeated call gets its first receipt even so."""
        try:
            return await self._table(uid, name, batch)
        except ServiceUnavailable as hindrance:
            return hindrance

    async def _table(self, uid: str, name: str, batch: EventBatch | RowBatch) -> TableSchema:
        described = (await self._schema(uid)).get(name)
        if described is None:
            raise TableNotFound(
                f"The platform has no table {name}. Create it first, or list the tables there are.",
                metadata={"table": name},
            )
        if name in PROTECTED and name != EVENTS.name:
            raise TableProtected(
                f"Table {name} is kept by the engine; send events to {EVENTS.name} instead.",
                metadata={"table": name},
            )
        if name != EVENTS.name and not isinstance(batch, RowBatch):
            wrong = FieldViolation("events", f"goes into table {EVENTS.name} only; send rows to {name}")
            raise InvalidRequest("Events were sent to another table.", violations=[wrong])
        return described

    def _store_seconds(self) -> float:
        call = optional_call()
        left = call.seconds_left() - _ANSWER_MARGIN_SECONDS if call else self._limits.store_seconds
        return max(0.0, min(self._limits.store_seconds, left))

    async def _intake(self, uid: str) -> Intake:
        """The platform's open intake; opened once, whoever asks first."""
        opening = self._intakes.get(uid)
        if opening is None:
            opening = asyncio.create_task(self._open(uid), context=contextvars.Context())
            self._intakes[uid] = opening
        try:
            return await asyncio.shield(opening)
        except Exception:
            if self._intakes.get(uid) is opening:
                del self._intakes[uid]
            raise

    async def _open(self, uid: str) -> Intake:
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        journal = Journal(self._directory / uid, self._journal_limits, self._executor)
        intake = Intake(
            uid,
            self._warehouse,
            self._schema,
            journal,
            self._limits,
            self._journal_limits.receipt_seconds,
            self._sink_limits,
        )
        await intake.recover()
        return intake


async def _off_loop(count: int, work: Callable[[], _T]) -> _T:
    """Runs work on `count` rows in a thread, unless they are few."""
    return work() if count <= _INLINE_ROWS else await asyncio.to_thread(work)


def _judge(batch: EventBatch | RowBatch, table: TableSchema) -> Verdict:
    now_seconds = time.time()
    if not isinstance(batch, RowBatch):
        return judge_events(batch.events(), now_seconds=now_seconds)
    if table.name == EVENTS.name:
        return judge_event_rows(batch.mappings(), now_seconds=now_seconds)
    return judge_rows(batch.columns(tuple(table.types)), batch.count, table)

"""One platform's way in: judged calls become groups, groups are journalled and handed to the sink."""

from __future__ import annotations

import asyncio
import contextvars
import time
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import pyarrow as pa

from aidatalabs_services.data.backlog import Backlog, Room
from aidatalabs_services.data.batch_threads import is_quick
from aidatalabs_services.data.blocks import NATIVE, ROWS_FORMAT, Blocks, blocks_of, joined
from aidatalabs_services.data.dead_letters.letters import Letters
from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.gathering import Behind, Gathering
from aidatalabs_services.data.journal_records import GroupRecord, RequestRecord
from aidatalabs_services.data.keeper import Keeper
from aidatalabs_services.data.receipts import Claim, Key, Progress, ReceiptIndex, Taken
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS
from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import Overloaded, ServiceUnavailable


@dataclass(frozen=True)
class IngestLimits:
    """How much one call, one group and all waiting calls may be, and how long a call waits for its rows.

    `call_rows` is the most of one call, `group_rows` and `group_bytes` of one group, `waiting_rows` of one
    platform's calls that are not journalled yet, `waiting_bytes` of their encoded blocks and
    `waiting_bytes_of_all` of the rows of all platforms; `store_seconds` is the longest wait before
    JOURNALLED, and for others to share a group with; `gather_seconds` for each group that the engine has not
    confirmed lets small calls gather into a larger one; `others_seconds` is the longest wait for calls that
    are being judged; `receipt_count` bounds the receipts kept in memory;
    `backlog_seconds` is the longest that what is acknowledged for a table may take to be stored,
    `batch_seconds` the longest wait of a stream's batch for that.
    """

    call_rows: int = 10_000
    group_rows: int = 500_000
    group_bytes: int = 48 * 1024 * 1024
    waiting_rows: int = 200_000
    waiting_bytes: int = 192 * 1024 * 1024
    waiting_bytes_of_all: int = 384 * 1024 * 1024
    store_seconds: float = 2.0
    gather_seconds: float = 0.01
    others_seconds: float = 0.25
    receipt_count: int = 250_000
    backlog_seconds: float = 3.0
    batch_seconds: float = 3.0


class WaitingRoom:
    """Bytes of judged rows that wait for a journal, over all platforms.

    A platform may hold as much as it leaves free, so that many small ones share what one alone has half of.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: Counter[str] = Counter()
        self.held_bytes = 0

    def fits(self, uid: str, size: int) -> bool:
        """Whether a platform's rows of `size` bytes may come in; rows larger than all room may, alone."""
        return not self.held_bytes or self._held[uid] + size <= self._limit_bytes - self.held_bytes

    def take(self, uid: str, size: int) -> None:
        """Counts rows in."""
        self._held[uid] += size
        self.held_bytes += size

    def give(self, uid: str, size: int) -> None:
        """Counts rows out."""
        self._held[uid] -= size
        if not self._held[uid]:
            del self._held[uid]
        self.held_bytes -= size


@dataclass
class Waiting:
    """One judged call on its way into a group.

    `rows` are those taken: by partition where they are encoded already, as those of large batches are.
    `letters` are those rejected.
    """

    table: TableSchema
    request: RequestRecord
    rows: pa.RecordBatch | Blocks
    key: Key
    claim: Claim | None
    letters: Letters = field(default_factory=Letters)
    taken: asyncio.Future[Taken] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def row_count(self) -> int:
        """Rows that go into the table."""
        return self.request.accepted_count

    @property
    def is_encoded(self) -> bool:
        """Whether its rows are blocks."""
        return isinstance(self.rows, Mapping)

    @property
    def block_bytes(self) -> int:
        """Bytes of its encoded blocks, letters included."""
        rows = sum(map(len, self.rows.values())) if isinstance(self.rows, Mapping) else 0
        return rows + sum(map(len, self.letters.blocks.values()))

    @cached_property
    def held_bytes(self) -> int:
        """Bytes of its rows in memory, in either form, and of its letters."""
        return self.block_bytes + (0 if isinstance(self.rows, Mapping) else int(self.rows.nbytes))

    def goes_with(self, other: Waiting) -> bool:
        """Whether both may be in one group: the same table as it was, rows in the same form."""
        return self.table == other.table and self.is_encoded == other.is_encoded


@dataclass
class _Group:
    """Calls that are journalled together, with their rows and the bytes of their blocks."""

    calls: list[Waiting] = field(default_factory=list)
    rows: int = 0
    size: int = 0

    def has_room(self, call: Waiting, limits: IngestLimits) -> bool:
        """Whether one more fits."""
        fits = self.size + call.block_bytes <= limits.group_bytes
        return fits and self.rows + call.row_count <= limits.group_rows

    def add(self, call: Waiting) -> None:
        """Takes it in."""
        self.calls.append(call)
        self.rows += call.row_count
        self.size += call.block_bytes


class Intake:
    """One platform's way in: its keeper, its receipts and the calls that wait for a group."""

    def __init__(
        self,
        uid: str,
        keeper: Keeper,
        limits: IngestLimits,
        receipt_seconds: float,
        room: WaitingRoom,
        backlog: Backlog,
    ) -> None:
        self.uid = uid
        self._room = room
        self.backlog = backlog
        self._limits = limits
        self.gathering = Gathering(min(limits.others_seconds, limits.store_seconds), limits.gather_seconds)
        self._keeper = keeper
        self._index = ReceiptIndex(limit=limits.receipt_count, seconds=receipt_seconds)
        self._queues: dict[str, list[Waiting]] = {}
        self._writers: dict[str, asyncio.Task[None]] = {}
        self._waiting_rows = 0
        self._waiting_bytes = 0
        self._closed = False

    async def recover(self) -> None:
        """Takes up what was acknowledged before: its receipts are known again."""
        for kept in await self._keeper.recover():
            self.remember(kept.record, kept.progress)

    def remember(self, record: GroupRecord, progress: Progress) -> None:
        """Knows the calls of a group that was acknowledged elsewhere or before."""
        for request in record.requests:
            if request.request_id:
                taken = Taken(record.identity, request, record.created_seconds, progress)
                self._index.remember((record.table, request.request_id), taken)

    async def close(self) -> None:
        """Journals what waits and stops inserting; the next start goes on."""
        self._closed = True
        await asyncio.gather(*self._writers.values(), return_exceptions=True)
        await self._keeper.close()

    async def drained(self, table: str) -> None:
        """Returns when every row of the table that was acknowledged before this call is in it, or never
        will be.
        """
        await self._keeper.drained(table)

    async def settled(self, table: str) -> None:
        """As `drained`, once the calls that wait for a group are journalled, whose callers may have left."""
        writer = self._writers.get(table)
        if writer is not None:
            await asyncio.wait([writer])
        await self.drained(table)

    async def stored_rows_forgotten(self) -> None:
        """Returns when nothing outside the engine gives a row that was stored before this call."""
        await self._keeper.stored_rows_forgotten()

    @property
    def waiting_groups(self) -> int:
        """Journalled groups that the engine has not confirmed."""
        return self._keeper.waiting_groups

    async def claim(self, key: Key, identity: str, digest: bytes) -> Taken | Claim | None:
        """The call taken before under this key, a claim that makes this one the first, None without an id."""
        return await self._index.claim(key, identity, digest, time.time()) if key[1] else None

    def find(self, key: Key, identity: str) -> Taken | None:
        """The call taken before under this key, if it is remembered."""
        return self._index.find(key, identity, time.time())

    def room(self, key: Key, rows: int) -> Room:
        """Room in its table's backlog for a call of so many rows. Raises Overloaded."""
        return Room() if self.is_known(key) else self.backlog.enter(key[0], rows)

    async def room_for_batch(self, key: Key, size: int) -> Room:
        """The same for a stream's batch of `size` bytes, which waits for it."""
        if self.is_known(key):
            return Room()
        return await self.backlog.wait_to_enter(key[0], size, seconds=self._limits.batch_seconds)

    def is_known(self, key: Key) -> bool:
        """Whether a call of this key was taken before: repeated, it gets its receipt and adds nothing."""
        return bool(key[1]) and self.find(key, "") is not None

    def release(self, key: Key, claim: Claim | None) -> None:
        """Gives a claim up."""
        if claim is not None:
            self._index.release(key, claim)

    async def take(self, waiting: Waiting) -> Taken:
        """Has a judged call journalled; from here on its claim is settled even when its caller goes away."""
        if self._closed:
            self.release(waiting.key, waiting.claim)
            raise _stopped()
        if not self._fits(waiting):
            self.release(waiting.key, waiting.claim)
            raise Overloaded(
                "More rows are waiting than fit. Send the same call again shortly.", retry_after_seconds=0.5
            )
        self._count(waiting, 1)
        table = waiting.table.name
        self._queues.setdefault(table, []).append(waiting)
        if (call := optional_call()) is not None:
            self.gathering.hurry(table, call.deadline)
        if table not in self._writers:
            # Of its own context: the caller's deadline must not end up in a task that outlives the call.
            self._writers[table] = asyncio.create_task(self._write(table), context=contextvars.Context())
        return await asyncio.shield(waiting.taken)

    def _fits(self, waiting: Waiting) -> bool:
        if not self._room.fits(self.uid, waiting.held_bytes):
            return False
        # A lone batch always fits: one that is larger than the limit could never be sent otherwise.
        rest, size = self._waiting_bytes, waiting.block_bytes
        if size and rest and rest + size > self._limits.waiting_bytes:
            return False
        return waiting.is_encoded or self._waiting_rows + waiting.row_count <= self._limits.waiting_rows

    def _count(self, waiting: Waiting, sign: int) -> None:
        (self._room.take if sign > 0 else self._room.give)(self.uid, waiting.held_bytes)
        self._waiting_bytes += sign * waiting.block_bytes
        if not waiting.is_encoded:
            self._waiting_rows += sign * waiting.row_count

    async def _write(self, table: str) -> None:
        """Journals the waiting calls of one table, group by group, until none is left."""
        waiting: list[Waiting] = []
        try:
            while self._queues[table]:
                await self.gathering.gathered(
                    table, lambda: _held_bytes(self._queues[table]), lambda: self._behind(table)
                )
                waiting, self._queues[table] = self._queues[table], []
                for group in self._groups(waiting):
                    await self._journal_or_tell(group)
        finally:
            # None, unless it ended in a way that nobody foresaw: they would wait for ever.
            left = [call for call in (*waiting, *self._queues[table]) if not call.taken.done()]
            del self._writers[table], self._queues[table]
            self._fail(left, _stopped())

    def _behind(self, table: str) -> Behind:
        return Behind(self._keeper.waiting_groups_of(table), self.backlog.sink_seconds(table))

    def _groups(self, waiting: Sequence[Waiting]) -> list[list[Waiting]]:
        """Calls that waited together in as few groups as there can be: each group is an insert of its own.

        Calls and batches of streams come mixed and do not go together, so that several are filled at once.
        """
        groups: list[_Group] = []
        for call in waiting:
            # The latest that it goes with: those before are full.
            group = next((each for each in reversed(groups) if call.goes_with(each.calls[0])), None)
            if group is None or not group.has_room(call, self._limits):
                groups.append(group := _Group())
            group.add(call)
        return [group.calls for group in groups]

    async def _journal_or_tell(self, group: list[Waiting]) -> None:
        """Journals a group; where only all of it together is too large, in halves."""
        try:
            await self._journal_group(group)
        except Exception as error:  # noqa: BLE001 - told to every call of the group
            if isinstance(error, IngestTooLarge) and len(group) > 1:
                middle = len(group) // 2
                await self._journal_or_tell(group[:middle])
                await self._journal_or_tell(group[middle:])
            else:
                self._fail(group, error)

    async def _journal_group(self, group: list[Waiting]) -> None:
        table = group[0].table
        blocks, format_name = await _blocks_of_group(group)
        letters = joined([waiting.letters.blocks for waiting in group])
        record = GroupRecord(
            sequence=self._keeper.next_sequence(),
            created_seconds=time.time(),
            table=table.name,
            identity=table.identity,
            token=uuid.uuid4().hex,
            columns=tuple(table.types),
            requests=tuple(waiting.request for waiting in group),
            blocks=(*blocks, *letters),
            format_name=format_name,
            letter_blocks=len(letters),
            letter_columns=tuple(DEAD_LETTERS.types) if letters else (),
        )
        progress = await self._keeper.keep(record)
        self.gathering.journalled(table.name, progress)
        for waiting in group:
            taken = Taken(record.identity, waiting.request, record.created_seconds, progress)
            if waiting.claim is not None:
                self._index.settle(waiting.key, waiting.claim, taken)
            if not waiting.taken.done():
                waiting.taken.set_result(taken)
            self._count(waiting, -1)

    def _fail(self, group: list[Waiting], error: Exception) -> None:
        for waiting in group:
            self.release(waiting.key, waiting.claim)
            self._count(waiting, -1)
            if not waiting.taken.done():
                waiting.taken.set_exception(error)
                waiting.taken.exception()  # a caller that went away leaves nobody to look at it


def _stopped() -> ServiceUnavailable:
    return ServiceUnavailable("Ingest has stopped. Send the same call again.", retry_after_seconds=1.0)


def _held_bytes(calls: Sequence[Waiting]) -> int:
    return sum(call.held_bytes for call in calls)


async def _blocks_of_group(group: list[Waiting]) -> tuple[list[bytes], str]:
    """The rows of a group as the engine is given them, partition by partition, and in which format."""
    encoded = [waiting.rows for waiting in group if isinstance(waiting.rows, Mapping)]
    if encoded:
        return await asyncio.to_thread(joined, encoded), NATIVE
    batches = [
        waiting.rows for waiting in group if isinstance(waiting.rows, pa.RecordBatch) and waiting.row_count
    ]
    table = group[0].table
    if not batches:
        return [], ROWS_FORMAT
    if is_quick(sum(batch.num_rows for batch in batches), lambda: sum(batch.nbytes for batch in batches)):
        return blocks_of(batches, table), ROWS_FORMAT
    return await asyncio.to_thread(blocks_of, batches, table), ROWS_FORMAT

"""One table's line of the sink: its messages into the engine, one at a time, each confirmed to the group.

    take a message ─► still ours? ─► insert with its token ─► commit its offset ─► the next

Two things keep a row from being stored twice. The token of a block is made of topic, partition and offset, so
whoever inserts a message inserts the same blocks under the same tokens, and the engine keeps the first. And
the offset of a message is committed before the next one is inserted: the broker refuses that to a worker
whose partition was given to another, so one that was out of reach for a while inserts at most one message too
many, under tokens that the engine knows.

The engine knows a table's last 1,000 tokens. So after the partitions were given out, the first message of
each that has any goes before the second of any other: those are the ones that may be in the engine already.
And while other workers have part of the table, no more is inserted in the time in which one of them may be
gone unnoticed than those tokens leave room for.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from aidatalabs_services.data.block_inserts import BlockInserts
from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal_records import GroupRecord, ReadGroup
from aidatalabs_services.data.kafka.letters import UID, block_token, header, read_group
from aidatalabs_services.data.kafka.ports import AssignmentLost, BrokerUnavailable, Lane, Message
from aidatalabs_services.data.kafka.tasks import ended, is_told_to_stop
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.05
_LOOK_SECONDS = 0.2

Commit = Callable[[dict[Lane, int]], Awaitable[None]]


@dataclass(frozen=True)
class LineLimits:
    """`insert_seconds` for one insert until its outcome counts as not known, `pause_seconds` the longest wait
    between two tries, `fence_seconds` how long the group's last word that a partition is ours is believed.
    `shared_blocks` is the most that all workers of one table together begin within `doubt_seconds`, the
    longest until the partitions of a worker that died are another's.
    """

    insert_seconds: float = 120.0
    pause_seconds: float = 1.0
    fence_seconds: float = 3.0
    shared_blocks: int = 500
    doubt_seconds: float = 30.0


class Tables:
    """Inserts blocks of messages into the tables they were sent to, under the holds of deletions."""

    def __init__(
        self,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        holds: TableHolds,
        limits: LineLimits,
        *,
        parallel: int = 4,
    ) -> None:
        self._inserts = BlockInserts(warehouse, schema, holds, limits.insert_seconds)
        self._limits = limits
        self._parallel = parallel
        self._places: dict[str, asyncio.Semaphore] = {}

    def forget(self, uid: str) -> None:
        """Drops what is kept of a platform that is removed."""
        self._places.pop(uid, None)

    async def insert(
        self, uid: str, record: GroupRecord, payload: bytes, *, letters: bool, token: str
    ) -> bool:
        """Stores one block, trying until the engine says something: False where the table is gone.

        Raises InsertRefused where the engine will never take it.
        """
        places = self._places.setdefault(uid, asyncio.Semaphore(self._parallel))
        pause, tries = _FIRST_PAUSE_SECONDS, 0
        while True:
            try:
                return await self._inserts.insert(
                    uid, record, payload, letters=letters, token=token, places=places
                )
            except (ServiceError, TimeoutError) as error:
                tries += 1
                if tries & (tries - 1) == 0:  # 1, 2, 4, 8, …: an engine that is down long fills no log
                    _LOG.warning(
                        "table %s: insert not confirmed (%s) after %d tries, will repeat",
                        record.table,
                        type(error).__name__,
                        tries,
                    )
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - only spreads the tries
            pause = min(pause * 2, self._limits.pause_seconds)


class Burials:
    """What becomes of messages that can never be stored, and who is told what was."""

    def __init__(
        self,
        dead: Callable[[Message, str], Awaitable[None]],
        refused: Callable[[str], Awaitable[None]],
        stored: Callable[[int], None],
    ) -> None:
        self.dead = dead
        self.refused = refused
        self.stored = stored


class Line:
    """The messages of one topic that this worker has been given, on their way into one table.

    `stamps` is told the time of the last message of each partition that was dealt with, by the broker's
    clock.
    """

    def __init__(
        self,
        uid: str,
        table: str,
        tables: Tables,
        commit: Commit,
        burials: Burials,
        limits: LineLimits,
        stamps: dict[Lane, int],
    ) -> None:
        self._uid = uid
        self._table = table
        self._tables = tables
        self._commit = commit
        self._burials = burials
        self._limits = limits
        self._stamps = stamps
        self._queues: dict[Lane, deque[Message]] = {}
        self._turn: deque[Lane] = deque()
        self._last: dict[Lane, int] = {}
        self._first: set[Lane] = set()
        self._most_begun: int | None = None
        self._begun: deque[float] = deque()
        self._confirmed = time.monotonic()
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self.busy: Lane | None = None
        self.size_bytes = 0

    def begin(self, first: Collection[Lane], share: float = 1.0) -> None:
        """The partitions were given out; of each of `first` one message goes before all else.

        `share` of all partitions of the table are this worker's.
        """
        self._first = set(first)
        self._most_begun = None if share >= 1 else max(1, int(self._limits.shared_blocks * share))
        self._confirmed = time.monotonic()

    def add(self, message: Message) -> bool:
        """Takes a message; those of one partition in their order. False where it was taken before."""
        if message.offset <= self._last.get(message.lane, -1):
            return False
        self._last[message.lane] = message.offset
        queue = self._queues.setdefault(message.lane, deque())
        if not queue:
            self._turn.append(message.lane)
        queue.append(message)
        self.size_bytes += len(message.value)
        self._work.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), context=contextvars.Context())
        return True

    def passed_over(self, lane: Lane) -> None:
        """There is nothing in a partition after all that would have gone first."""
        if lane not in self._queues or not self._queues[lane]:
            self._first.discard(lane)
            self._work.set()

    @property
    def first(self) -> Collection[Lane]:
        """Partitions whose first message is still to come."""
        return frozenset(self._first)

    def waits(self, lane: Lane) -> bool:
        """Whether messages of this partition wait or are at work."""
        return lane == self.busy or bool(self._queues.get(lane))

    async def stop(self, seconds: float) -> None:
        """Ends the line; the message at work may finish for so long, the others are the next owner's."""
        self._stopping = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=seconds)
            await ended(self._task)

    async def _run(self) -> None:
        while not self._stopping:
            lane = self._next_lane()
            if lane is None:
                self._work.clear()
                await self._work.wait()
                continue
            self.busy = lane
            try:
                await self._store_next(lane)
            except AssignmentLost:
                _LOG.warning("%s: the group has given the partition to another worker", lane[0])
                return
            except BrokerUnavailable as error:
                # Not taken out of the queue: it is inserted again, under the same token.
                _LOG.warning("%s: the broker does not answer (%s)", lane[0], error)
                await asyncio.sleep(self._limits.pause_seconds)
            except asyncio.CancelledError:
                if is_told_to_stop():
                    raise
                _LOG.warning("%s: a wait was given up by the library", lane[0])
            except Exception:  # noqa: BLE001 - acknowledged rows are never given up
                _LOG.exception("%s: a message could not be stored for an unforeseen reason", lane[0])
                await asyncio.sleep(self._limits.pause_seconds)
            finally:
                self.busy = None

    def _next_lane(self) -> Lane | None:
        """The partition whose turn it is; while first messages are awaited, only theirs."""
        for _ in range(len(self._turn)):
            lane = self._turn[0]
            self._turn.rotate(-1)
            if not self._first or lane in self._first:
                return lane
        return None

    async def _store_next(self, lane: Lane) -> None:
        message = self._queues[lane][0]
        if time.monotonic() - self._confirmed > self._limits.fence_seconds:
            await self._confirm({lane: message.offset})  # changes nothing, but fails where it is not ours
        group = read_group(message)
        if group is None or group.record.table != self._table or not self._is_ours(message):
            _LOG.error("%s/%d: message %d is none of this table", *lane, message.offset)
            await self._burials.dead(message, "broken")
        else:
            await self._store(message, group)
        await self._confirm({lane: message.offset + 1})
        self._stamps[lane] = message.stamp_ms
        self._queues[lane].popleft()
        self.size_bytes -= len(message.value)
        if not self._queues[lane]:
            self._turn.remove(lane)
        self._first.discard(lane)

    def _is_ours(self, message: Message) -> bool:
        """Whether a message was sent to this platform, not copied from another's topic."""
        return UID not in message.headers or header(message, UID) == self._uid

    async def _store(self, message: Message, group: ReadGroup) -> None:
        kept = True
        for index, (start, length) in enumerate(group.spans):
            payload = message.value[start : start + length]
            token = block_token(message, group, index)
            await self._paced()
            try:
                kept &= await self._tables.insert(
                    self._uid, group.record, payload, letters=group.is_letters(index), token=token
                )
            except InsertRefused as error:
                _LOG.error("%s: a block was refused with engine code %d", message.topic, error.engine_code)
                await self._burials.dead(message, f"refused by the engine with code {error.engine_code}")
                kept = False
        if not kept:
            await self._burials.refused(group.record.token)
        else:
            self._burials.stored(sum(request.accepted_count for request in group.record.requests))

    async def _paced(self) -> None:
        """Waits until one more block may be begun in a table that others write to as well."""
        if self._most_begun is None:
            return
        while len(self._begun) >= self._most_begun:
            wait = self._begun[0] + self._limits.doubt_seconds - time.monotonic()
            if wait <= 0:
                self._begun.popleft()
            elif self._stopping:
                raise AssignmentLost
            else:
                await asyncio.sleep(min(wait, _LOOK_SECONDS))
        self._begun.append(time.monotonic())

    async def _confirm(self, offsets: dict[Lane, int]) -> None:
        await self._commit(offsets)
        self._confirmed = time.monotonic()

"""The sink's worker of this process: one member of the group, a line for each table that it has part of."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aidatalabs_services.data.kafka.letters import TopicNames
from aidatalabs_services.data.kafka.ports import (
    AssignmentLost,
    BrokerUnavailable,
    Lane,
    Message,
    SinkReader,
    Topics,
)
from aidatalabs_services.data.kafka.sink_lines import Burials, Line, LineLimits, Tables
from aidatalabs_services.data.kafka.standing import Standing
from aidatalabs_services.data.kafka.tasks import ended, kept_up, to_its_end

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5


class OffsetsWentBack(Exception):
    """A partition gives offsets again that it gave before: it is not what it was."""


@dataclass(frozen=True)
class WorkerLimits:
    """`line_bytes` of messages wait for one table and `all_bytes` for all until no more is read (one read
    beyond, at most); `finish_seconds` is what an insert at work has when its partition is given away.
    """

    line_bytes: int = 64 * 1024 * 1024
    all_bytes: int = 192 * 1024 * 1024
    finish_seconds: float = 5.0


class SinkWorker:
    """Reads the topics that `follow` names and stores what the group gives this worker."""

    def __init__(
        self,
        names: TopicNames,
        topics: Topics,
        reader: Callable[[], SinkReader],
        tables: Tables,
        burials: Burials,
        standing: Standing,
        *,
        limits: WorkerLimits | None = None,
        line_limits: LineLimits | None = None,
    ) -> None:
        self._names = names
        self._topics = topics
        self._make_reader = reader
        self._tables = tables
        self._burials = burials
        self._standing = standing
        self._limits = limits or WorkerLimits()
        self._line_limits = line_limits or LineLimits()
        self._followed: frozenset[str] = frozenset()
        self._changed = asyncio.Event()
        self._reader: SinkReader | None = None
        self._lines: dict[str, Line] = {}
        self._lanes: frozenset[Lane] = frozenset()
        self._ends: dict[Lane, int] = {}
        self._committed: dict[Lane, int] = {}
        self._stamps: dict[Lane, int] = {}
        self._left: dict[Lane, tuple[int, int]] = {}
        self._failure: Exception | None = None
        self._passing: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting_bytes(self) -> int:
        """Bytes of messages that were read and are not stored."""
        return sum(line.size_bytes for line in self._lines.values())

    @property
    def lanes(self) -> Collection[Lane]:
        """The partitions that this worker has."""
        return self._lanes

    def start(self) -> None:
        """Begins to work."""
        work = kept_up(self._read_on, "the sink", _PAUSE_SECONDS)
        self._task = asyncio.create_task(work, context=contextvars.Context())

    def follow(self, topics: Collection[str]) -> None:
        """Reads exactly these topics from now on."""
        if frozenset(topics) != self._followed:
            self._followed = frozenset(topics)
            self._changed.set()

    async def close(self) -> None:
        """Stops; what is not stored is, by the next worker."""
        await ended(self._task)

    async def _read_on(self) -> None:
        """Reads with one reader for as long as that goes well."""
        self._reader = reader = self._make_reader()
        try:
            await reader.open(self._revoked, self._assigned)
            await self._serve(reader)
        except BrokerUnavailable as error:
            _LOG.warning("the sink cannot read at the moment: %s", error)
        except OffsetsWentBack as error:
            _LOG.error("%s: a topic was made anew, or has lost its end; the sink begins anew", error)
        finally:
            await to_its_end(self._leave(reader))

    async def _leave(self, reader: SinkReader) -> None:
        """Gives back what this reader had, and has it leave the group: the next need not wait for it."""
        try:
            await self._revoked()
        finally:
            with contextlib.suppress(BrokerUnavailable):
                await reader.close()

    async def _serve(self, reader: SinkReader) -> None:
        self._changed.set()
        while True:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._changed.is_set():
                self._changed.clear()
                reader.follow(self._followed)
            if not self._followed:
                await self._revoked()  # the group takes nothing back from who leaves it
                await self._changed.wait()
                continue
            for message in await reader.next():
                self._add(message)
            self._passing = asyncio.create_task(self._pass_over(reader))
            await asyncio.wait([self._passing])
            if not self._passing.cancelled():
                self._passing.result()
            reader.hold_back(self._held_back())

    def _add(self, message: Message) -> None:
        """Hands a message to its line. Raises OffsetsWentBack where its offset was read before."""
        line, lane = self._lines.get(message.topic), message.lane
        if line is None or lane not in self._lanes:
            return
        before, stamp_ms = self._left.get(lane, (0, 0))
        if message.offset < before and message.stamp_ms <= stamp_ms:
            return
        self._left.pop(lane, None)
        if message.offset < self._committed.get(lane, 0) or not line.add(message):
            raise OffsetsWentBack(f"{message.topic}/{message.partition} counts from {message.offset} again")

    async def _revoked(self) -> None:
        """The group takes all partitions back, to give them out anew.

        No commit may be left that is repeated under what the group is then: it would be believed.
        """
        lines, self._lines, self._lanes = list(self._lines.values()), {}, frozenset()
        await ended(self._passing)
        await asyncio.gather(*(line.stop(self._limits.finish_seconds) for line in lines))

    async def _assigned(self, lanes: Collection[Lane]) -> None:
        """The group has given out its partitions."""
        try:
            await self._take_over(lanes)
        except Exception as error:  # noqa: BLE001 - told to `_serve`, which begins anew
            self._failure = error

    async def _take_over(self, lanes: Collection[Lane]) -> None:
        reader = self._reader
        topics = {topic for topic, _ in lanes}
        if reader is None or not lanes:
            return
        committed = dict(await reader.committed(lanes))
        self._ends = dict(await self._topics.ends(topics))
        starts = await self._topics.starts(topics)
        note_lost(committed, starts)
        await self._set_right(reader, committed, starts)
        self._committed = committed
        for topic in topics:
            owner = self._names.table_of(topic)
            if owner is None:
                continue
            line = Line(*owner, self._tables, self._commit, self._burials, self._line_limits, self._stamps)
            behind = [
                lane
                for lane in lanes
                if lane[0] == topic and committed.get(lane, 0) < self._ends.get(lane, 0)
            ]
            mine, all_lanes = (sum(lane[0] == topic for lane in each) for each in (lanes, self._ends))
            line.begin(behind, mine / max(mine, all_lanes))
            self._lines[topic] = line
        # What was read while this went on has no line to go to: it is read again.
        reader.go_back({lane: max(committed.get(lane, 0), starts.get(lane, 0)) for lane in lanes})
        self._lanes = frozenset(lanes)
        reader.hold_back(self._held_back())

    async def _set_right(
        self, reader: SinkReader, committed: dict[Lane, int], starts: Mapping[Lane, int]
    ) -> None:
        """Changes the offsets of partitions that end before them: what they count is not there any more.

        Such a partition was made anew, while the last messages of the old one were being stored, or it has
        lost its end in a failure of the brokers, for a moment or for good. What is in it is told apart by its
        age: messages no newer than the last one stored here are left from before. Where nothing was stored
        here, all of them are.
        """
        ahead = [lane for lane, offset in committed.items() if offset > self._ends.get(lane, offset)]
        ends = {lane: self._ends[lane] for lane in ahead if lane not in self._stamps}
        for lane in ahead:
            if lane not in ends:
                # Not committed: another worker could not tell what is left from what is new.
                self._left[lane] = (committed[lane], self._stamps[lane])
            committed[lane] = ends.get(lane, starts.get(lane, 0))
            _LOG.error("%s/%d ends before what was stored; goes on at %d", *lane, committed[lane])
        if ends:
            await reader.commit(ends)

    def _held_back(self) -> set[Lane]:
        """Partitions that are not read on from: what was read is enough for now."""
        full = self.waiting_bytes >= self._limits.all_bytes
        held = set()
        for lane in self._lanes:
            line = self._lines.get(lane[0])
            if line is None:
                held.add(lane)
            elif line.first:
                if lane not in line.first or line.waits(lane):
                    held.add(lane)
            elif line.size_bytes >= self._limits.line_bytes or (full and line.size_bytes):
                held.add(lane)
        return held

    async def _pass_over(self, reader: SinkReader) -> None:
        """Commits what lies behind the last message: ends of transactions, and what was undone."""
        idle = [lane for lane in self._lanes if not self._lines[lane[0]].waits(lane)]
        moved = {}
        for lane, position in (await reader.positions(idle)).items():
            if lane not in self._lanes or self._lines[lane[0]].waits(lane):
                continue
            if position >= self._ends.get(lane, 0):
                self._lines[lane[0]].passed_over(lane)
            elif lane in self._left:
                continue
            if position > self._committed.get(lane, 0):
                moved[lane] = position
        if moved:
            with contextlib.suppress(AssignmentLost):
                await self._commit(moved)

    async def _commit(self, offsets: dict[Lane, int]) -> None:
        reader = self._reader
        if reader is None:
            raise AssignmentLost
        await reader.commit(offsets)
        self._committed.update(offsets)
        self._standing.advance(offsets)


def note_lost(committed: Mapping[Lane, int], starts: Mapping[Lane, int]) -> None:
    """Messages that the broker deleted before they were stored are lost: that must be seen."""
    for lane, start in starts.items():
        if lane in committed and committed[lane] < start:
            _LOG.error(
                "%s/%d: offsets %d to %d were deleted by the broker before they were stored",
                *lane,
                committed[lane],
                start - 1,
            )

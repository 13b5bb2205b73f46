"""Ingest over Kafka as one thing: the outbox, the receipts topic and the sink's worker of this process.

Intake ─► KafkaKeeper ─► outbox ─► topic of the table (acknowledged) ─► sink worker ─► engine
                           └─────► receipts topic ─► receipts of every process
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.kafka.letters import REFUSED, TopicNames, group_messages, receipt_message
from aidatalabs_services.data.kafka.outbox import Outbox, broker_away
from aidatalabs_services.data.kafka.ports import (
    BrokerUnavailable,
    Lane,
    Message,
    MessageRefused,
    OutcomeUnknown,
    Parcel,
    ReceiptReader,
    SinkReader,
    Topics,
    Writer,
    WriterReplaced,
)
from aidatalabs_services.data.kafka.receipts_log import Heard, ReceiptsLog
from aidatalabs_services.data.kafka.sink_lines import Burials, LineLimits, Tables
from aidatalabs_services.data.kafka.sink_worker import SinkWorker, WorkerLimits, note_lost
from aidatalabs_services.data.kafka.standing import Standing
from aidatalabs_services.data.kafka.tasks import ended
from aidatalabs_services.data.receipts import Progress
from aidatalabs_services.data.standard_tables import DEAD_LETTERS

_LOG = logging.getLogger(__name__)
_PAUSE_SECONDS = 0.5
_DRAIN_LOOK_SECONDS = 0.1
_FRESH_SECONDS = 0.2
_LAG_LOG_SECONDS = 60.0
_STARTS_LOOK_SECONDS = 60.0


@dataclass(frozen=True)
class Cluster:
    """The parts of one Kafka cluster. `writer_name` is this process's, the same after a restart; `session` is
    of this life alone.
    """

    topics: Topics
    writer: Writer
    receipts: Callable[[], ReceiptReader]
    sink: Callable[[], SinkReader]
    names: TopicNames
    writer_name: str
    session: str


@dataclass(frozen=True)
class CarrierLimits:
    """`message_bytes` and `message_blocks` of one message, `batch_bytes` of one transaction, `ack_seconds` a
    call waits for the broker, `look_seconds` between two looks at topics and offsets, `receipt_seconds` as
    the journal has it.
    """

    message_bytes: int = 32 * 1024 * 1024
    message_blocks: int = 32
    batch_bytes: int = 48 * 1024 * 1024
    ack_seconds: float = 10.0
    look_seconds: float = 5.0
    receipt_seconds: float = 24 * 3600.0


class Carrier:
    """Ingest of all platforms over one cluster; `start` once, `close` at the end.

    While the cluster is away it waits: what cannot be acknowledged is refused, nothing is given up.
    """

    def __init__(
        self,
        cluster: Cluster,
        tables: Tables,
        *,
        stored: Callable[[int], None],
        limits: CarrierLimits | None = None,
        worker_limits: WorkerLimits | None = None,
        line_limits: LineLimits | None = None,
    ) -> None:
        self._cluster = cluster
        self._names = cluster.names
        self._tables = tables
        self._limits = limits or CarrierLimits()
        self._standing = Standing()
        self._heard: Heard | None = None
        self._log = ReceiptsLog(
            cluster.topics,
            cluster.receipts,
            self._standing,
            self._hear,
            topic=cluster.names.receipts,
            writer=cluster.writer_name,
            session=cluster.session,
            receipt_seconds=self._limits.receipt_seconds,
        )
        self._outbox = Outbox(
            cluster.writer,
            self._log.look_up,
            self._log.is_replaced,
            self._restore,
            batch_bytes=self._limits.batch_bytes,
            patience_seconds=self._limits.ack_seconds,
        )
        self._worker = SinkWorker(
            cluster.names,
            cluster.topics,
            cluster.sink,
            tables,
            Burials(self._bury, self._refuse, stored),
            self._standing,
            limits=worker_limits,
            line_limits=line_limits,
        )
        self._ensured: dict[str, asyncio.Task[None]] = {}
        self._removed: set[str] = set()
        self._opened = asyncio.Event()
        self._looked = -self._limits.look_seconds
        self._looking = asyncio.Lock()
        self._lag: Mapping[Lane, int] = {}
        self._lag_logged = 0.0
        self._starts_looked = time.monotonic()
        self._works: list[asyncio.Task[None]] = []

    @property
    def worker(self) -> SinkWorker:
        """The sink's worker of this process."""
        return self._worker

    @property
    def ack_seconds(self) -> float:
        """Longest wait of a call for the broker."""
        return self._limits.ack_seconds

    @property
    def lag(self) -> Mapping[Lane, int]:
        """Offsets of every partition that the sink has not passed, as of the last look."""
        return self._lag

    async def start(self, heard: Heard) -> None:
        """Begins; `heard` is told each group that was acknowledged before or by others."""
        self._heard = heard
        self._works = [
            asyncio.create_task(each(), context=contextvars.Context())
            for each in (self._open, self._look_often)
        ]

    async def close(self) -> None:
        """Stops; what is in the topics goes on after the next start, or with another process."""
        await ended(*self._works)
        await self._outbox.close()
        # Side by side: where the brokers are away each takes seconds, and a process has few to stop.
        await asyncio.gather(self._worker.close(), self._log.close())
        for fault in await asyncio.gather(
            self._cluster.writer.close(), self._cluster.topics.close(), return_exceptions=True
        ):
            if fault is not None and not isinstance(fault, BrokerUnavailable):
                _LOG.error("a client of Kafka could not be closed", exc_info=fault)

    async def ready(self) -> None:
        """Returns when the receipts of earlier calls are known. Raises ServiceUnavailable."""
        try:
            async with asyncio.timeout(self._limits.ack_seconds):
                await self._opened.wait()
        except TimeoutError:
            raise broker_away() from None

    async def keep(self, uid: str, record: GroupRecord) -> Progress:
        """Writes a group into its table's topic: acknowledged when this returns.

        Raises ServiceUnavailable and IngestTooLarge.
        """
        if not record.blocks and not any(request.request_id for request in record.requests):
            return Progress(stored=True)
        topic = self._names.data(uid, record.table)
        limits = self._limits
        values = await asyncio.to_thread(group_messages, record, limits.message_bytes, limits.message_blocks)
        await self._ensure(topic)
        parcel = Parcel(uid, record.token, topic, values, receipt_message(record))
        place = await self._outbox.send(parcel)
        return self._standing.progress_of(place, record.token) if values else Progress(stored=True)

    def waiting_groups(self, uid: str) -> int:
        """Groups of a platform that are known here and not stored."""
        return sum(count for topic, count in self._standing.waiting.items() if self._names.is_of(topic, uid))

    def waiting_groups_of(self, uid: str, table: str) -> int:
        """The same of one table."""
        return self._standing.waiting.get(self._names.data(uid, table), 0)

    async def drained(self, uid: str, table: str) -> None:
        """Returns when the sink has dealt with everything that is sent to the table now."""
        ends = None
        while True:
            with contextlib.suppress(BrokerUnavailable):
                if ends is None:
                    owners = {name: self._names.table_of(name) for name in await self._cluster.topics.names()}
                    # Rejected rows stand in the groups of the tables that they were sent to.
                    of_all = table == DEAD_LETTERS.name
                    topics = [
                        name
                        for name, owner in owners.items()
                        if owner and owner[0] == uid and (of_all or owner[1] == table)
                    ]
                    if not topics:
                        return
                    ends = await self._cluster.topics.ends(topics)
                stored = await self._cluster.topics.committed()
                if all(stored.get(lane, 0) >= end for lane, end in ends.items()):
                    return
            await asyncio.sleep(_DRAIN_LOOK_SECONDS)

    async def stored_rows_forgotten(self, uid: str) -> None:
        """Returns when the broker gives nobody a message that was stored before this call.

        Its files go when the broker next clears them away, a minute after the segment's end by default.
        """
        while True:
            with contextlib.suppress(BrokerUnavailable):
                topics = {name for name in await self._cluster.topics.names() if self._names.is_of(name, uid)}
                stored = await self._cluster.topics.committed()
                ends = await self._cluster.topics.ends(topics)
                before = {lane: min(stored[lane], end) for lane, end in ends.items() if lane in stored}
                if before:
                    await self._cluster.topics.forget(before)
                return
            await asyncio.sleep(_DRAIN_LOOK_SECONDS)

    async def remove(self, uid: str) -> None:
        """Deletes all topics of a platform, for good."""
        self._removed.add(uid)
        while True:
            with contextlib.suppress(BrokerUnavailable):
                there = await self._cluster.topics.names()
                topics = {name for name in there if self._names.is_of(name, uid)}
                self._follow(there)
                # Not under a reader's hands: a cluster may make a topic anew that somebody asks for.
                if not any(self._names.is_of(topic, uid) for topic, _ in self._worker.lanes):
                    await self._cluster.topics.delete(topics)
                    break
            await asyncio.sleep(_DRAIN_LOOK_SECONDS)
        for topic in topics:
            self._ensured.pop(topic, None)
            self._standing.forget(topic)
        self._tables.forget(uid)

    async def looked(self) -> None:
        """Brings what is known of the sink's offsets up to date, unless it is; harmless without a broker."""
        with contextlib.suppress(BrokerUnavailable, TimeoutError):
            async with asyncio.timeout(self._limits.ack_seconds / 2), self._looking:
                if time.monotonic() - self._looked > _FRESH_SECONDS:
                    await self._look()

    async def _open(self) -> None:
        """Becomes the writer of its name, reads the receipts of the last day, begins to send and store."""
        while True:
            try:
                await self._cluster.topics.ensure(self._names.receipts, receipts=True)
                await self._cluster.writer.renew()
                await self._cluster.writer.announce(self._cluster.session)
                break
            except (BrokerUnavailable, OutcomeUnknown, WriterReplaced) as error:
                _LOG.warning("Kafka is not ready (%s: %s), tried again", type(error).__name__, error)
            except Exception:  # noqa: BLE001 - the service goes on without ingest until it works
                _LOG.exception("Kafka could not be opened for an unforeseen reason, tried again")
            await asyncio.sleep(_PAUSE_SECONDS)
        self._log.start()
        self._outbox.start()
        self._worker.start()
        while True:
            try:
                await self._look()
                break
            except BrokerUnavailable:
                await asyncio.sleep(_PAUSE_SECONDS)
        self._opened.set()

    async def _look_often(self) -> None:
        await self._opened.wait()
        while True:
            await asyncio.sleep(self._limits.look_seconds)
            try:
                await self._look()
            except BrokerUnavailable as error:
                _LOG.warning("the lag is not known at the moment: %s", error)
            except Exception:  # noqa: BLE001 - a figure that is missing must not end the others
                _LOG.exception("looking at the topics failed in an unforeseen way")

    async def _look(self) -> None:
        """Topics, offsets and lag as they are now."""
        names = await self._cluster.topics.names()
        topics = self._follow(names)
        due = time.monotonic() - self._starts_looked > _STARTS_LOOK_SECONDS
        starts = await self._cluster.topics.starts(topics) if due else {}
        stored = await self._cluster.topics.committed()
        # What was refused is noted before the sink goes past it, so it is read before the sink is believed.
        await self._log.caught_up()
        self._standing.advance(stored)
        if due:
            self._starts_looked = time.monotonic()
            note_lost({lane: stored.get(lane, 0) for lane in starts}, starts)
        ends = await self._cluster.topics.ends(topics)
        for lane, end in ends.items():
            if stored.get(lane, 0) <= end < self._standing.stored(lane):  # made anew
                self._standing.restart(lane, stored.get(lane, 0), end)
        self._lag = {lane: max(0, end - stored.get(lane, 0)) for lane, end in ends.items()}
        self._looked = time.monotonic()
        if any(self._lag.values()) and self._looked - self._lag_logged > _LAG_LOG_SECONDS:
            self._lag_logged = self._looked
            lane = max(self._lag, key=lambda lane: self._lag[lane])
            _LOG.info("the sink is %d messages behind, most in %s/%d", sum(self._lag.values()), *lane)

    def _follow(self, topics_now: set[str]) -> set[str]:
        """Has the worker read every table's topic there is."""
        owners = {topic: self._names.table_of(topic) for topic in topics_now}
        topics = {topic for topic, owner in owners.items() if owner and owner[0] not in self._removed}
        self._worker.follow(topics)
        return topics

    async def _ensure(self, topic: str) -> None:
        """Makes the table's topic at its first use, once for all who wait."""
        making = self._ensured.get(topic)
        if making is None:
            making = asyncio.create_task(self._make(topic), context=contextvars.Context())
            self._ensured[topic] = making
        try:
            await asyncio.shield(making)
        except BrokerUnavailable:
            raise broker_away() from None
        finally:
            if making.done() and (making.cancelled() or making.exception() is not None):
                self._ensured.pop(topic, None)  # the next call tries again

    async def _make(self, topic: str) -> None:
        await self._cluster.topics.ensure(topic)
        self._follow(await self._cluster.topics.names() | {topic})

    async def _restore(self, topics: Collection[str]) -> None:
        """Makes topics that somebody deleted; where that cannot be, writing into them says so."""
        owners = {topic: self._names.table_of(topic) for topic in topics}
        with contextlib.suppress(BrokerUnavailable):
            await self._cluster.topics.ensure(self._names.receipts, receipts=True)
            for topic, owner in owners.items():
                if owner and owner[0] not in self._removed:
                    await self._cluster.topics.ensure(topic)

    async def _hear(self, uid: str, record: GroupRecord, progress: Progress) -> None:
        if self._heard is not None and uid not in self._removed:
            await self._heard(uid, record, progress)

    async def _bury(self, message: Message, why: str) -> None:
        """Keeps a message that can never be stored in the table's topic of dead letters."""
        dead = self._names.dead(message.topic)
        await self._cluster.topics.ensure(dead)
        origin = f"{message.topic}/{message.partition}/{message.offset}"
        headers = {"why": why.encode(), "origin": origin.encode()}
        try:
            await self._cluster.writer.note(dead, message.value, headers)
        except MessageRefused:
            # Somebody else's: ours fit. It stays where it is until the topic's time is over.
            _LOG.error("%s: too large for the topic of dead letters", origin)
            await self._cluster.writer.note(dead, b"", headers | {"size": str(len(message.value)).encode()})

    async def _refuse(self, token: str) -> None:
        """Tells every process that not all rows of a group will be in the table."""
        self._standing.refuse(token)
        await self._cluster.writer.note(self._names.receipts, b"", {REFUSED: token.encode()})

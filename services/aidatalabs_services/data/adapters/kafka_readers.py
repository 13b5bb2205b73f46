"""The two readers: of the receipts topic, and of the partitions that the sink's group gives this worker."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from aidatalabs_services.data.adapters.kafka_connection import KafkaConnection, shut, speaking
from aidatalabs_services.data.kafka.letters import TopicNames
from aidatalabs_services.data.kafka.ports import AssignmentLost, BrokerUnavailable, Lane, Message

_MIB = 1024 * 1024
_POLL_SECONDS = 0.1
_READ_SECONDS = 30.0
_MOST_MESSAGES = 1000


class KafkaReceiptReader:
    """The `ReceiptReader` of a cluster."""

    def __init__(self, connection: KafkaConnection, names: TopicNames) -> None:
        self._connection = connection
        self._lane = TopicPartition(names.receipts, 0)
        self._consumer: Any = None

    async def open(self, since_seconds: float) -> None:
        """Goes to the first message of this Unix time or later."""
        self._consumer = consumer = AIOKafkaConsumer(
            **self._connection.arguments(),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        async with speaking(2 * self._connection.request_seconds):
            await consumer.start()
            consumer.assign([self._lane])
            found = (await consumer.offsets_for_times({self._lane: int(since_seconds * 1000)}))[self._lane]
            if found is not None:
                consumer.seek(self._lane, found.offset)
            else:
                await consumer.seek_to_beginning(self._lane)

    async def next(self) -> Sequence[Message]:
        """The next messages, none after a short while."""
        return await _next(self._consumer)

    async def position(self) -> int:
        """The offset behind everything that was read or passed over."""
        async with speaking(2 * self._connection.request_seconds):
            return int(await self._consumer.position(self._lane))

    async def close(self) -> None:
        """Ends every connection."""
        await _stop(self._consumer)


class KafkaSinkReader:
    """The `SinkReader` of a cluster: one member of the group."""

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        *,
        session_seconds: float,
        fetch_bytes: int = 16 * _MIB,
    ) -> None:
        self._connection = connection
        self._names = names
        self._session_seconds = session_seconds
        self._fetch_bytes = fetch_bytes
        self._listener: _Listener | None = None
        self._consumer: Any = None

    async def open(
        self,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Lane]], Awaitable[None]],
    ) -> None:
        """Connects; the group is joined with the first topics that are followed."""
        self._listener = _Listener(revoked, assigned)
        self._consumer = consumer = AIOKafkaConsumer(
            **self._connection.arguments(),
            group_id=self._names.group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(self._session_seconds * 1000),
            heartbeat_interval_ms=int(self._session_seconds * 1000 / 4),
            max_partition_fetch_bytes=_MIB,
            fetch_max_bytes=self._fetch_bytes,
            fetch_max_wait_ms=100,
            metadata_max_age_ms=10_000,
        )
        async with speaking(2 * self._connection.request_seconds):
            await consumer.start()

    def follow(self, topics: Collection[str]) -> None:
        """Reads these topics from now on."""
        if topics:
            self._consumer.subscribe(sorted(topics), listener=self._listener)
        elif self._consumer.subscription():
            self._consumer.unsubscribe()

    async def next(self) -> Sequence[Message]:
        """The next messages of partitions that are not held back, none after a short while."""
        return await _next(self._consumer)

    def hold_back(self, lanes: Iterable[Lane]) -> None:
        """Reads on from exactly these partitions no more."""
        held = {TopicPartition(*lane) for lane in lanes} & self._consumer.assignment()
        paused = self._consumer.paused()
        self._consumer.pause(*(held - paused))
        self._consumer.resume(*(paused - held))

    async def positions(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        """The offset behind everything that was read or passed over."""
        found = {}
        async with speaking(2 * self._connection.request_seconds):
            for lane in lanes:
                with contextlib.suppress(IllegalStateError):  # given to another worker at this moment
                    place = self._consumer.position(TopicPartition(*lane))
                    found[lane] = int(await place)
        return found

    async def committed(self, lanes: Iterable[Lane]) -> Mapping[Lane, int]:
        """Up to where the group has stored these partitions."""
        async with speaking(2 * self._connection.request_seconds):
            return {lane: int(await self._consumer.committed(TopicPartition(*lane)) or 0) for lane in lanes}

    def go_back(self, offsets: Mapping[Lane, int]) -> None:
        """Reads on from these offsets."""
        for lane, offset in offsets.items():
            self._consumer.seek(TopicPartition(*lane), offset)

    async def commit(self, offsets: Mapping[Lane, int]) -> None:
        """Notes that everything before these offsets is stored."""
        places = {TopicPartition(*lane): offset for lane, offset in offsets.items()}
        async with speaking(2 * self._connection.request_seconds):
            try:
                await self._consumer.commit(places)
            except (CommitFailedError, IllegalStateError) as error:
                raise AssignmentLost from error

    async def close(self) -> None:
        """Leaves the group."""
        await _stop(self._consumer)


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc] # the library has no types
    """Passes what the group decides on."""

    def __init__(
        self,
        revoked: Callable[[], Awaitable[None]],
        assigned: Callable[[Collection[Lane]], Awaitable[None]],
    ) -> None:
        self._revoked = revoked
        self._assigned = assigned

    async def on_partitions_revoked(self, revoked: Collection[Any]) -> None:
        await self._revoked()

    async def on_partitions_assigned(self, assigned: Collection[Any]) -> None:
        await self._assigned([(each.topic, each.partition) for each in assigned])


async def _next(consumer: Any) -> Sequence[Message]:
    if consumer is None:
        raise BrokerUnavailable("not connected")
    async with speaking(_READ_SECONDS):
        found = await consumer.getmany(timeout_ms=int(_POLL_SECONDS * 1000), max_records=_MOST_MESSAGES)
    return [
        Message(
            each.topic,
            each.partition,
            each.offset,
            bytes(each.value or b""),
            _headers(each.headers),
            each.timestamp,
        )
        for records in found.values()
        for each in records
    ]


def _headers(given: Iterable[tuple[str, bytes | None]]) -> Mapping[str, bytes]:
    return {name: value or b"" for name, value in given}


async def _stop(consumer: Any) -> None:
    if consumer is not None:
        fetcher = [consumer._fetcher.close] if consumer._fetcher is not None else []
        await shut(consumer.stop, *fetcher, consumer._client.close)

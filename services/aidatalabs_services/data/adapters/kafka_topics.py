"""Topics and offsets of a Kafka cluster, looked at and changed from outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    NoError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

from aidatalabs_services.data.adapters.kafka_connection import KafkaConnection, shut, speaking
from aidatalabs_services.data.kafka.letters import TopicNames
from aidatalabs_services.data.kafka.ports import BrokerUnavailable, Lane

_LOG = logging.getLogger(__name__)
_OVERHEAD_BYTES = 64 * 1024
_RECEIPT_HOURS = 25
_SEGMENT_SECONDS = 86_400.0
_CLOSE_SECONDS = 2.0


@dataclass(frozen=True)
class TopicLayout:
    """What a table's topic is made with; `message_bytes` is the largest message it takes."""

    partitions: int = 12
    replication: int = 3
    retention_seconds: float = 7 * 86_400.0
    message_bytes: int = 32 * 1024 * 1024


class KafkaTopics:
    """The `Topics` of a cluster, connected at the first use and anew after a failure."""

    def __init__(self, connection: KafkaConnection, names: TopicNames, layout: TopicLayout) -> None:
        self._connection = connection
        self._names = names
        self._layout = layout
        self._admin: Any = None
        self._looker: Any = None
        self._connecting = asyncio.Lock()

    async def ensure(self, topic: str, *, receipts: bool = False) -> None:
        """Makes a topic where it is missing."""
        layout = self._layout
        # A message of somebody else that just fits gets its headers in the topic of dead letters.
        overhead = _OVERHEAD_BYTES * (1 if self._names.table_of(topic) else 2)
        keep = _RECEIPT_HOURS * 3600.0 if receipts else layout.retention_seconds
        new = NewTopic(
            topic,
            1 if receipts else layout.partitions,
            layout.replication,
            topic_configs={
                "retention.ms": str(int(keep * 1000)),
                # The time alone decides, by the broker's clock: one of ours that is wrong must not make rows
                # look old enough to go.
                "retention.bytes": "-1",
                "message.timestamp.type": "LogAppendTime",
                "segment.ms": str(int(min(keep / 7, _SEGMENT_SECONDS) * 1000)),
                "max.message.bytes": str(layout.message_bytes + overhead),
                "min.insync.replicas": str(max(1, layout.replication - 1)),
                "cleanup.policy": "delete",
                # Whatever comes in, what is read needs no library of a compression that is not here.
                "compression.type": "uncompressed",
            },
        )
        async with self._speaking():
            answer = await (await self._admin_client()).create_topics([new])
        kind = for_code(answer.topic_errors[0][1])
        if kind is NoError:
            _LOG.info("topic %s was made", topic)
        elif kind is not TopicAlreadyExistsError:
            _LOG.error("topic %s could not be made: %s", topic, kind.__name__)
            raise BrokerUnavailable(kind.__name__)

    async def names(self) -> set[str]:
        """All topics."""
        async with self._speaking():
            return set(await (await self._admin_client()).list_topics())

    async def ends(self, topics: Collection[str]) -> Mapping[Lane, int]:
        """The offset behind the last message of every partition."""
        return await self._offsets(topics, "end_offsets")

    async def starts(self, topics: Collection[str]) -> Mapping[Lane, int]:
        """The offset of the first message that is still there, of every partition."""
        return await self._offsets(topics, "beginning_offsets")

    async def committed(self) -> Mapping[Lane, int]:
        """Up to where the sink's group has stored every partition."""
        async with self._speaking():
            admin = await self._admin_client()
            try:
                found = await admin.list_consumer_group_offsets(self._names.group)
            except GroupCoordinatorNotAvailableError:
                return {}  # no group has ever been on this cluster
        return {
            (lane.topic, lane.partition): entry.offset for lane, entry in found.items() if entry.offset >= 0
        }

    async def forget(self, before: Mapping[Lane, int]) -> None:
        """Deletes the messages before these offsets."""
        records = {TopicPartition(*lane): RecordsToDelete(offset) for lane, offset in before.items()}
        async with self._speaking():
            await (await self._admin_client()).delete_records(records)

    async def delete(self, topics: Collection[str]) -> None:
        """Deletes topics; harmless where they are not there."""
        if not topics:
            return
        async with self._speaking():
            answer = await (await self._admin_client()).delete_topics(sorted(topics))
        for topic, code in answer.topic_error_codes:
            if for_code(code) not in (NoError, UnknownTopicOrPartitionError):
                raise BrokerUnavailable(f"{topic}: {for_code(code).__name__}")

    async def close(self) -> None:
        """Ends every connection."""
        admin, self._admin = self._admin, None
        looker, self._looker = self._looker, None
        if admin is not None:
            await shut(admin.close, seconds=_CLOSE_SECONDS)
        if looker is not None:
            await shut(looker.stop, looker._client.close, seconds=_CLOSE_SECONDS)

    async def _offsets(self, topics: Collection[str], method: str) -> Mapping[Lane, int]:
        if not topics:
            return {}
        async with self._speaking():
            described = await (await self._admin_client()).describe_topics(sorted(topics))
            lanes = [
                TopicPartition(each["topic"], partition["partition"])
                for each in described
                for partition in each["partitions"]
            ]
            looker = await self._looker_client()
            found = await getattr(looker, method)(lanes) if lanes else {}
        return {(lane.topic, lane.partition): offset for lane, offset in found.items()}

    @asynccontextmanager
    async def _speaking(self) -> AsyncIterator[None]:
        """As `speaking`; after a failure the next use connects anew."""
        try:
            async with speaking(2 * self._connection.request_seconds):
                yield
        except BrokerUnavailable:
            await self.close()
            raise

    async def _admin_client(self) -> Any:
        async with self._connecting:
            if self._admin is None:
                admin = AIOKafkaAdminClient(**self._connection.arguments())
                try:
                    await admin.start()
                except BaseException:
                    await shut(admin.close, seconds=_CLOSE_SECONDS)
                    raise
                self._admin = admin
        return self._admin

    async def _looker_client(self) -> Any:
        async with self._connecting:
            if self._looker is None:
                looker = AIOKafkaConsumer(**self._connection.arguments(), enable_auto_commit=False)
                try:
                    await looker.start()
                except BaseException:
                    await shut(looker.stop, looker._client.close, seconds=_CLOSE_SECONDS)
                    raise
                self._looker = looker
        return self._looker

"""The transactional writer of one process, and its plain one for single notes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    RecordListTooLargeError,
)

from aidatalabs_services.data.adapters.kafka_connection import KafkaConnection, shut, speaking
from aidatalabs_services.data.kafka.letters import PLACE, SESSION, UID, WRITER, TopicNames, place_text
from aidatalabs_services.data.kafka.ports import (
    BrokerUnavailable,
    MessageRefused,
    OutcomeUnknown,
    Parcel,
    Place,
    WriterReplaced,
)
from aidatalabs_services.data.kafka.tasks import is_told_to_stop

_LOG = logging.getLogger(__name__)
_OVERHEAD_BYTES = 64 * 1024
_STOP_SECONDS = 2.0


class KafkaWriter:
    """The `Writer` of a cluster: one transaction at a time, acknowledged by all replicas in sync.

    `transaction_seconds` is how long the cluster waits for a writer that died in the middle of one.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        names: TopicNames,
        name: str,
        session: str,
        *,
        message_bytes: int,
        transaction_seconds: float = 15.0,
    ) -> None:
        self._connection = connection
        self._names = names
        self._name = name
        self._session = session
        self._message_bytes = message_bytes
        self._transaction_seconds = transaction_seconds
        self._producer: Any = None
        self._notes: Any = None
        self._noting = asyncio.Lock()
        self._turns: Counter[str] = Counter()

    async def write(self, parcels: Sequence[Parcel]) -> Sequence[Place]:
        """Writes groups and their receipts in one transaction."""
        async with self._transaction() as producer:
            lanes = [await self._lane(producer, parcel.topic) for parcel in parcels]
            sent = [
                [
                    await producer.send(
                        parcel.topic, value, partition=lane, headers=[(UID, parcel.uid.encode())]
                    )
                    for value in parcel.values
                ]
                for parcel, lane in zip(parcels, lanes, strict=True)
            ]
            places = []
            for parcel, lane, futures in zip(parcels, lanes, sent, strict=True):
                written = [await future for future in futures]
                places.append(Place(parcel.topic, lane, written[-1].offset if written else -1))
            receipts = [
                await producer.send(
                    self._names.receipts,
                    parcel.receipt,
                    partition=0,
                    headers=[
                        (UID, parcel.uid.encode()),
                        (PLACE, place_text(place)),
                        (WRITER, self._session.encode()),
                    ],
                )
                for parcel, place in zip(parcels, places, strict=True)
            ]
            for receipt in receipts:
                await receipt
        return places

    async def announce(self, session: str) -> None:
        """Writes who the writer of this name is from now on."""
        async with self._transaction() as producer:
            headers = [(SESSION, session.encode()), (WRITER, self._name.encode())]
            await producer.send_and_wait(self._names.receipts, b"", partition=0, headers=headers)

    async def renew(self) -> None:
        """A new producer of the same transactional id: the cluster ends what the last one left open."""
        await self._drop(self._producer)
        self._producer = None
        producer = AIOKafkaProducer(
            **self._connection.arguments(),
            acks="all",
            transactional_id=f"{self._names.prefix}.{self._name}",
            transaction_timeout_ms=int(self._transaction_seconds * 1000),
            max_request_size=self._message_bytes + _OVERHEAD_BYTES,
        )
        await self._started(producer)
        self._producer = producer

    async def note(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        """Writes one message of its own."""
        async with self._noting:
            try:
                async with speaking(3 * self._connection.request_seconds):
                    await self._note(topic, value, headers)
            except BrokerUnavailable as error:
                if isinstance(error.__cause__, (MessageSizeTooLargeError, RecordListTooLargeError)):
                    raise MessageRefused from error
                # What failed once may fail for good: an idempotent producer that lost its place does.
                notes, self._notes = self._notes, None
                await self._drop(notes)
                raise

    async def _note(self, topic: str, value: bytes, headers: Mapping[str, bytes]) -> None:
        if self._notes is None:
            notes = AIOKafkaProducer(
                **self._connection.arguments(),
                acks="all",
                enable_idempotence=True,
                max_request_size=self._message_bytes + 2 * _OVERHEAD_BYTES,
            )
            await self._started(notes)
            self._notes = notes
        await self._notes.send_and_wait(topic, value, headers=list(headers.items()))

    async def close(self) -> None:
        """Ends every connection."""
        producers, self._producer, self._notes = (self._producer, self._notes), None, None
        for producer in producers:
            await self._drop(producer)

    async def _lane(self, producer: Any, topic: str) -> int:
        """The partition whose turn it is."""
        count = len(await producer.partitions_for(topic))
        self._turns[topic] += 1
        return self._turns[topic] % max(1, count)

    @contextlib.asynccontextmanager
    async def _transaction(self) -> Any:
        """One transaction; whatever goes wrong in it leaves it open, for `renew` to end."""
        producer = self._producer
        if producer is None:
            raise OutcomeUnknown("there is no producer")
        try:
            async with asyncio.timeout(self._transaction_seconds):
                await producer.begin_transaction()
                try:
                    yield producer
                except (MessageSizeTooLargeError, RecordListTooLargeError) as error:
                    await producer.abort_transaction()
                    raise MessageRefused from error
                await producer.commit_transaction()
        except ProducerFenced as error:
            raise WriterReplaced from error
        except MessageRefused:
            raise
        except (KafkaError, OSError, TimeoutError, AssertionError) as error:
            raise OutcomeUnknown(type(error).__name__) from error
        except asyncio.CancelledError as error:
            if is_told_to_stop():
                raise
            raise OutcomeUnknown(type(error).__name__) from error

    async def _started(self, producer: Any) -> None:
        try:
            async with speaking(self._connection.request_seconds):
                await producer.start()
        except BaseException:
            await self._drop(producer)
            raise

    async def _drop(self, producer: Any) -> None:
        """Ends a producer without waiting for what it could not send."""
        if producer is not None:
            await shut(producer.stop, producer._sender.close, producer.client.close, seconds=_STOP_SECONDS)

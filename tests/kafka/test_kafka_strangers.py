"""What others do to the topics: write nonsense into them, copy messages of other platforms, delete them."""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import MessageSizeTooLargeError

from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.journal_records import GroupRecord, group_frame
from aidatalabs_services.runtime.errors import ServiceUnavailable

from .flows import DEMO, UID, Deployment, Flow, until
from .test_kafka_ingest import read_all

OTHER = "0c7d4b1e-0000-4000-8000-000000000002"
ROWS = GroupRecord(1, 5.0, "trips", "trips-1", "token", ("id",), (), (b"rows",))
Headers = Sequence[tuple[str, bytes | None]]


def framed(payload: bytes) -> bytes:
    """A frame whose checksum is right, whatever is in it."""
    checked = zlib.crc32(payload, zlib.crc32(struct.pack("<BI", 1, len(payload))))
    return struct.pack("<4sB3xII", b"ADLJ", 1, len(payload), checked) + payload


NONSENSE: list[tuple[bytes | None, Headers]] = [
    (None, ()),
    (b"no group", (("uid", None),)),
    (framed(b""), ()),
    (framed(struct.pack("<I", 100_000) + b"[" * 100_000), ()),
    (group_frame(ROWS).replace(b"ArrowStream", b"Values (1);"), ()),
    (group_frame(ROWS), (("uid", OTHER.encode()), ("place", b"here"))),
    (b"", (("refused", None), ("session", b"\xff"))),
    (b"", (("session", b"\xff"), ("writer", None))),
]


@asynccontextmanager
async def stranger(deployment: Deployment) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody else who may write to the brokers."""
    producer = AIOKafkaProducer(
        bootstrap_servers=deployment.broker.servers, max_request_size=40 << 20, compression_type="gzip"
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def taken(flow: Flow, request_id: str, row: int) -> None:
    """A call, sent again until it is acknowledged."""
    while True:
        try:
            await flow.take(request_id, row)
            return
        except ServiceUnavailable:
            await asyncio.sleep(0.2)


async def test_nonsense_in_any_topic_holds_nothing_up(deployment: Deployment) -> None:
    topic = f"{deployment.prefix}.{UID}.trips"
    async with deployment.running() as flow:
        await flow.take("a", 1)
        async with stranger(deployment) as producer:
            for value, headers in NONSENSE:
                await producer.send_and_wait(topic, value, key=b"k", partition=1, headers=list(headers))
                await producer.send_and_wait(
                    f"{deployment.prefix}.receipts", value, key=b"k", partition=0, headers=list(headers)
                )
        await asyncio.gather(*(taken(flow, f"b{each}", 10 + each) for each in range(6)))
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 20)
    async with deployment.running() as flow:
        assert (await asyncio.wait_for(flow.take("b0", 10), 5)).duplicate_count == 1
        await taken(flow, "c", 2)
        await flow.stored("c")
    assert deployment.ids == [1, 2, *range(10, 16)]
    dead = await read_all(deployment, topic + ".dead")
    assert sorted(value for value, _ in dead) == sorted(value or b"" for value, _ in NONSENSE)


async def test_the_largest_message_can_be_buried_and_none_grows_as_it_is_read(
    on_apache_kafka: Deployment,
) -> None:
    on_apache_kafka.changes = {"kafka_message_bytes": 1 << 20}
    topic = f"{on_apache_kafka.prefix}.{UID}.trips"
    largest = bytes((1 << 20) + (64 << 10) - 100)
    async with on_apache_kafka.running() as flow:
        await flow.take("a", 1)
        async with stranger(on_apache_kafka) as producer:
            await producer.send_and_wait(topic, largest, partition=0)
            with pytest.raises(MessageSizeTooLargeError):  # small while it is compressed
                await producer.send_and_wait(topic, bytes(30 << 20), partition=0)
        await taken(flow, "b", 2)
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 20)
        assert on_apache_kafka.ids == [1, 2]
    ((value, _),) = await read_all(on_apache_kafka, topic + ".dead")
    assert value == largest


@pytest.mark.soak
async def test_a_topic_that_is_deleted_is_made_anew_and_its_new_rows_are_all_stored(
    on_apache_kafka: Deployment,
) -> None:
    topic = f"{on_apache_kafka.prefix}.{UID}.trips"
    async with on_apache_kafka.running() as flow:
        for each in range(9):
            await flow.take(f"a{each}", each)
        await flow.stored("a8")
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 10)
        admin = AIOKafkaAdminClient(bootstrap_servers=on_apache_kafka.broker.servers)
        await admin.start()
        await admin.delete_topics([topic])
        await admin.close()
        await asyncio.gather(*(taken(flow, f"b{each}", 100 + each) for each in range(5)))
        beside = MappingRows([{"id": 1000}])
        assert (await flow.ingestor.ingest(OTHER, DEMO, "trips", "o", beside)).accepted_count == 1
        await until(lambda: flow.carrier.lag.get((topic, 0)) == 0, 30)
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 30)
        await asyncio.wait_for(flow.ingestor.drained(OTHER, "trips"), 30)
        await asyncio.gather(*(flow.stored(f"b{each}") for each in range(5)))
    assert on_apache_kafka.ids == [*range(9), *range(100, 105), 1000]


@pytest.mark.parametrize("behind", [0, 3])
async def test_a_topic_that_was_made_anew_behind_the_back_of_the_service_loses_nothing_new(
    on_apache_kafka: Deployment, behind: int
) -> None:
    topic = f"{on_apache_kafka.prefix}.{UID}.trips"
    on_apache_kafka.changes = {"kafka_partition_count": 1}
    async with on_apache_kafka.running() as flow:
        for each in range(9):
            await flow.take(f"a{each}", each)
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 10)
        on_apache_kafka.warehouse.down = behind > 0
        for each in range(behind):  # read, and not stored while the topic goes
            await flow.take(f"l{each}", 50 + each)
        await until(lambda: behind == 0 or flow.carrier.worker.waiting_bytes > 0)
        admin = AIOKafkaAdminClient(bootstrap_servers=on_apache_kafka.broker.servers)
        await admin.start()
        await admin.delete_topics([topic])
        await asyncio.sleep(0.5)
        await admin.close()
        await flow.carrier._restore([topic])
        on_apache_kafka.warehouse.down = False
        for each in range(5):
            await taken(flow, f"b{each}", 100 + each)
        await until(lambda: set(on_apache_kafka.ids) >= {*range(100, 105)}, 30)
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 30)
        await flow.stored("b4")
    assert len(set(on_apache_kafka.ids)) == len(on_apache_kafka.ids)
    assert set(on_apache_kafka.ids) >= {*range(9), *range(100, 105)}

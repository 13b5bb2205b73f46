"""The way of a call through a broker: acknowledged, stored once, known again, held, refused, buried."""

from __future__ import annotations

import asyncio
import time

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ingest_batches import MappingRows
from aidatalabs_services.data.kafka.sink_worker import WorkerLimits
from aidatalabs_services.data.receipts import ReceiptState
from aidatalabs_services.runtime.errors import IdempotencyMismatch

from .flows import DEMO, UID, Deployment, Flow, until


async def read_all(deployment: Deployment, topic: str) -> list[tuple[bytes, dict[str, bytes]]]:
    """Every message that the broker still gives of a topic."""
    consumer = AIOKafkaConsumer(bootstrap_servers=deployment.broker.servers, enable_auto_commit=False)
    await consumer.start()
    try:
        lanes = [TopicPartition(topic, each) for each in range(3)]
        consumer.assign(lanes)
        await consumer.seek_to_beginning(*lanes)
        ends = await consumer.end_offsets(lanes)
        found = []
        while any([await consumer.position(lane) < ends[lane] for lane in lanes]):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [(record.value, dict(record.headers)) for record in records]
        return found
    finally:
        await consumer.stop()


async def test_an_acknowledged_call_is_stored_once_and_known_again(deployment: Deployment) -> None:
    async with deployment.running() as flow:
        first = await flow.take("a", 1, 2, 3)
        assert (first.state, first.accepted_count, first.duplicate_count) == (ReceiptState.JOURNALLED, 3, 0)
        again = await flow.take("a", 1, 2, 3)
        assert (again.name, again.accepted_count, again.duplicate_count) == (first.name, 3, 3)
        with pytest.raises(IdempotencyMismatch):
            await flow.take("a", 1, 2, 4)
        await asyncio.gather(*(flow.take(f"b{each}", 100 + each) for each in range(40)))
        await flow.stored("a")
        await asyncio.gather(*(flow.stored(f"b{each}") for each in range(40)))
        assert deployment.ids == [1, 2, 3, *range(100, 140)]
        await until(lambda: caught_up(flow))


async def test_a_repeated_call_gets_its_first_receipt_after_a_restart(deployment: Deployment) -> None:
    async with deployment.running() as flow:
        first = await flow.take("a", 1, 2)
        await flow.stored("a")
        await deployment_refuses_nothing(flow.ingestor)
        deployment.warehouse.down = True
        await flow.take("b", 3)
    async with deployment.running() as flow:
        again = await flow.take("a", 1, 2)
        assert (again.name, again.state, again.duplicate_count) == (first.name, ReceiptState.STORED, 2)
        with pytest.raises(IdempotencyMismatch):
            await flow.take("b", 4)
        refused = await flow.ingestor.receipt(UID, "trips", "none")
        assert (refused.state, refused.rejected_count) == (ReceiptState.STORED, 1)
        assert await flow.state("b") is ReceiptState.JOURNALLED
        deployment.warehouse.down = False
        await flow.stored("b")
    assert deployment.ids == [1, 2, 3]


async def caught_up(flow: Flow) -> bool:
    await flow.carrier.looked()
    return len(flow.carrier.lag) == 3 and not any(flow.carrier.lag.values())


async def deployment_refuses_nothing(ingestor: Ingestor) -> None:
    """A call whose rows are all refused is known again like any other."""
    receipt = await ingestor.ingest(UID, DEMO, "trips", "none", MappingRows([{"id": -1}]))
    assert (receipt.accepted_count, receipt.rejected_count) == (0, 1)


async def test_a_deletion_holds_the_sink_and_waits_for_what_is_in_the_topic(deployment: Deployment) -> None:
    async with deployment.running() as flow:
        deployment.warehouse.down = True
        await flow.take("a", 1)
        drained = asyncio.create_task(flow.ingestor.drained(UID, "trips"))
        await asyncio.sleep(0.3)
        assert not drained.done()
        deployment.warehouse.down = False
        await asyncio.wait_for(drained, 10)
        assert deployment.ids == [1]
        async with flow.holds.deleting(UID, "trips"):
            await flow.take("b", 2)
            await asyncio.sleep(0.5)
            assert deployment.ids == [1]
        await flow.stored("b")
        assert deployment.ids == [1, 2]


async def test_rows_of_a_dropped_table_go_with_it(deployment: Deployment) -> None:
    async with deployment.running() as flow:
        deployment.warehouse.down = True
        await flow.take("a", 1)
        del deployment.warehouse.tables["trips"]
        deployment.warehouse.down = False
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 10)
        assert deployment.ids == []


async def test_stored_rows_can_be_made_to_leave_the_topic(deployment: Deployment) -> None:
    topic = f"{deployment.prefix}.{UID}.trips"
    async with deployment.running() as flow:
        await flow.take("a", 1)
        await flow.ingestor.drained(UID, "trips")
        assert len(await read_all(deployment, topic)) == 1
        await flow.ingestor.stored_rows_forgotten(UID)
        assert await read_all(deployment, topic) == []
        await flow.take("b", 2)
        await flow.stored("b")
        assert deployment.ids == [1, 2]


async def test_a_broken_message_goes_to_the_dead_letters_and_holds_nothing_up(deployment: Deployment) -> None:
    topic = f"{deployment.prefix}.{UID}.trips"
    async with deployment.running() as flow:
        await flow.take("a", 1)
        producer = AIOKafkaProducer(bootstrap_servers=deployment.broker.servers)
        await producer.start()
        for partition in range(3):
            await producer.send_and_wait(topic, b"no group", partition=partition)
            await producer.send_and_wait(topic, b"", partition=partition)
        await producer.stop()
        await asyncio.gather(*(flow.take(f"b{each}", 10 + each) for each in range(6)))
        await asyncio.gather(*(flow.stored(f"b{each}") for each in range(6)))
        assert deployment.ids == [1, *range(10, 16)]
        dead = await read_all(deployment, topic + ".dead")
        assert sorted(value for value, _ in dead) == [b""] * 3 + [b"no group"] * 3
        assert {headers["why"] for _, headers in dead} == {b"broken"}
        assert {headers["origin"].decode().rsplit("/", 1)[0] for _, headers in dead} == {
            f"{topic}/{each}" for each in range(3)
        }


async def test_a_block_that_the_engine_refuses_is_kept_and_its_call_is_never_stored(
    deployment: Deployment,
) -> None:
    topic = f"{deployment.prefix}.{UID}.trips"
    async with deployment.running() as flow:
        deployment.warehouse.refuse = True
        await flow.take("a", 1)
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 10)
        deployment.warehouse.refuse = False
        await flow.take("b", 2)
        await flow.stored("b")
        assert await flow.state("a") is ReceiptState.JOURNALLED
    async with deployment.running() as flow:
        assert await flow.state("a") is ReceiptState.JOURNALLED
        assert await flow.state("b") is ReceiptState.STORED
    assert [headers["why"] for _, headers in await read_all(deployment, topic + ".dead")] == [
        b"refused by the engine with code 53"
    ]


async def test_what_is_too_large_for_one_message_is_refused_or_sent_in_parts(deployment: Deployment) -> None:
    deployment.changes = {"kafka_message_bytes": 1 << 20}
    async with deployment.running() as flow:
        with pytest.raises(IngestTooLarge) as caught:
            await flow.take("big", 1, note="x" * 1_200_000)
        assert caught.value.metadata["limit_bytes"] == str(1 << 20)
        # Several calls that fit alone, but not together.
        await asyncio.gather(*(flow.take(f"a{each}", each, note="y" * 400_000) for each in range(8)))
        await asyncio.gather(*(flow.stored(f"a{each}") for each in range(8)))
        assert deployment.ids == list(range(8))
        await flow.take("big", 1000)  # its id was not used up
        await flow.stored("big")


async def test_memory_is_bounded_while_the_engine_is_away(on_apache_kafka: Deployment) -> None:
    # Not with the stand-in: it gives all there is, however little is asked for at once.
    deployment = on_apache_kafka
    deployment.worker_limits = WorkerLimits(line_bytes=4 << 20, all_bytes=4 << 20)
    async with deployment.running() as flow:
        deployment.warehouse.down = True
        for each in range(28):
            await flow.take(f"a{each}", each, note="z" * 900_000)
        most, end = 0, time.monotonic() + 1.0
        while time.monotonic() < end:
            most = max(most, flow.carrier.worker.waiting_bytes)
            await asyncio.sleep(0.02)
        # One read of at most 16 MiB beyond the bound.
        assert 0 < most <= 21 << 20
        deployment.warehouse.down = False
        await asyncio.wait_for(flow.ingestor.drained(UID, "trips"), 20)
        assert deployment.ids == list(range(28))


async def test_a_removed_platform_leaves_no_topic(deployment: Deployment) -> None:
    async with deployment.running() as flow:
        await flow.take("a", 1)
        await flow.stored("a")
        await flow.ingestor.remove(UID)
        await until(lambda: gone(deployment))


async def gone(deployment: Deployment) -> bool:
    consumer = AIOKafkaConsumer(bootstrap_servers=deployment.broker.servers)
    await consumer.start()
    try:
        return not any(UID in name and deployment.prefix in name for name in await consumer.topics())
    finally:
        await consumer.stop()


async def test_what_a_journal_still_holds_goes_on_into_the_engine(deployment: Deployment) -> None:
    settings = deployment.settings()
    deployment.warehouse.down = True
    before = Ingestor(deployment.warehouse, deployment.warehouse.schema, settings.directory / "journal")  # type: ignore[arg-type]
    await before.start()
    await before.ingest(UID, DEMO, "trips", "old", MappingRows([{"id": 1}]))
    await before.close()
    deployment.warehouse.down = False
    async with deployment.running() as flow:
        assert (
            await flow.ingestor.ingest(UID, DEMO, "trips", "old", MappingRows([{"id": 1}]))
        ).duplicate_count == 1
        await flow.take("new", 2)
        await flow.stored("old")
        await flow.stored("new")
    assert deployment.ids == [1, 2]

"""The broker is killed under a running service, or away when it starts: refusals, no hang, nothing twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aidatalabs_services.runtime.errors import ServiceUnavailable

from .brokers import IN_CI, ApacheKafka, Broker
from .flows import Deployment, Flow, until

pytestmark = pytest.mark.soak  # brokers of its own to start and kill


@pytest.fixture(scope="module")
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    hindrance = ApacheKafka.hindrance()
    if hindrance:
        assert not IN_CI, hindrance
        pytest.skip(hindrance)
    broker = ApacheKafka(tmp_path_factory.mktemp("own"))
    broker.start()
    yield broker
    broker.stop()


async def taken(flow: Flow, request_id: str, row: int) -> None:
    """A call, sent again until it is acknowledged."""
    while True:
        try:
            await flow.take(request_id, row)
            return
        except ServiceUnavailable:
            await asyncio.sleep(0.1)


async def test_a_killed_apache_kafka_is_a_refusal_with_retry_and_no_row_is_stored_twice(
    own_broker: Broker, tmp_path: Path
) -> None:
    deployment = Deployment(own_broker, tmp_path, ack_seconds=2.0)
    async with deployment.running() as flow:
        await taken(flow, "before", 1)
        await flow.stored("before")
        under_way = [asyncio.create_task(flow.take(f"u{each}", 100 + each)) for each in range(20)]
        await asyncio.sleep(0.01)
        await asyncio.to_thread(own_broker.kill)
        await asyncio.gather(*under_way, return_exceptions=True)
        begun = time.monotonic()
        with pytest.raises(ServiceUnavailable) as caught:
            await flow.take("away", 2)
        assert time.monotonic() - begun < 4
        assert caught.value.retry_after_seconds
        assert (await flow.take("before", 1)).duplicate_count == 1  # its receipt needs no broker
        await asyncio.to_thread(own_broker.start)

        again = [taken(flow, f"u{each}", 100 + each) for each in range(20)]
        await asyncio.wait_for(asyncio.gather(taken(flow, "away", 2), *again), 40)
        await until(lambda: len(deployment.ids) >= 22, 30)
        await asyncio.wait_for(flow.ingestor.drained("0c7d4b1e-0000-4000-8000-000000000001", "trips"), 30)
    assert deployment.ids == [1, 2, *range(100, 120)]


async def test_a_service_starts_and_ends_without_its_broker(tmp_path: Path) -> None:
    nowhere = Broker(tmp_path)
    deployment = Deployment(nowhere, tmp_path, ack_seconds=0.5)
    async with deployment.running() as flow:
        with pytest.raises(ServiceUnavailable) as caught:
            await flow.take("a", 1)
        assert caught.value.retry_after_seconds
    assert deployment.ids == []

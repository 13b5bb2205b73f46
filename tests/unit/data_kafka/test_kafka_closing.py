"""Clients of the library are ended whatever the library does, and what it gives up ends nobody else."""

from __future__ import annotations

import asyncio

import pytest

from aidatalabs_services.data.adapters.kafka_connection import shut, speaking
from aidatalabs_services.data.kafka.ports import BrokerUnavailable
from aidatalabs_services.data.kafka.tasks import to_its_end


class Client:
    """What the library's `stop` does: it ends, raises, gives up, or hangs."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.shut: list[str] = []

    async def stop(self) -> None:
        if self.way == "raises":
            raise AssertionError
        if self.way == "gives up":
            await given_up()
        if self.way == "hangs":
            await asyncio.sleep(60)

    async def fetcher(self) -> None:
        self.shut.append("fetcher")
        if self.way == "gives up":
            await given_up()

    async def connections(self) -> None:
        self.shut.append("connections")


async def given_up() -> None:
    """Waits for a future that the library has cancelled."""
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future


@pytest.mark.parametrize("way", ["ends", "raises", "gives up", "hangs"])
async def test_the_connections_are_closed_whatever_the_library_does(way: str) -> None:
    client = Client(way)
    async with asyncio.timeout(5):
        await shut(client.stop, client.fetcher, client.connections, seconds=0.05)
    assert client.shut == ([] if way == "ends" else ["fetcher", "connections"])


async def test_a_task_that_is_told_to_stop_closes_the_connections_first() -> None:
    client = Client("hangs")
    task = asyncio.create_task(shut(client.stop, client.fetcher, client.connections))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    assert client.shut == ["fetcher", "connections"]


async def test_a_wait_that_the_library_gives_up_is_a_broker_that_is_away() -> None:
    with pytest.raises(BrokerUnavailable):
        async with speaking(5):
            await given_up()


async def test_a_cancellation_of_ours_stays_one() -> None:
    async def call() -> None:
        async with speaking(5):
            await asyncio.sleep(60)

    task = asyncio.create_task(call())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_what_a_task_does_on_its_way_out_may_be_given_up_without_ending_it() -> None:
    await asyncio.create_task(to_its_end(given_up()))

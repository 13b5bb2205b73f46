"""Several data processes on one cluster: receipts of the others, partitions that move, a worker out of reach.

With Apache Kafka only, see `conftest.py`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aidatalabs_services.data.errors import ReceiptNotFound
from aidatalabs_services.data.receipts import ReceiptState
from aidatalabs_services.runtime.errors import IdempotencyMismatch

from .flows import UID, Deployment, Flow, until
from .shared_folder import FolderWarehouse

WORKER = Path(__file__).with_name("sink_process.py")


async def knows(flow: Flow, request_id: str) -> bool:
    try:
        await flow.ingestor.receipt(UID, "trips", request_id)
    except ReceiptNotFound:
        return False
    return True


def lanes(flow: Flow) -> int:
    return len(flow.carrier.worker.lanes)


async def test_a_call_is_known_at_every_process(on_apache_kafka: Deployment) -> None:
    async with on_apache_kafka.running("one") as one, on_apache_kafka.running("two") as two:
        first = await one.take("a", 1, 2)
        await until(lambda: knows(two, "a"))
        again = await two.take("a", 1, 2)
        assert (again.name, again.duplicate_count) == (first.name, 2)
        with pytest.raises(IdempotencyMismatch):
            await two.take("a", 3)
        await two.stored("a")
        assert await one.state("a") is ReceiptState.STORED
        assert on_apache_kafka.ids == [1, 2]


async def test_partitions_move_between_workers_and_every_row_is_stored_once(
    on_apache_kafka: Deployment,
) -> None:
    sent = 0

    async def send(flow: Flow, count: int) -> None:
        nonlocal sent
        for _ in range(count):
            sent += 1
            await flow.take(f"r{sent}", sent)

    async with on_apache_kafka.running("one") as one:
        await send(one, 10)
        await until(lambda: lanes(one) == 3)
        async with on_apache_kafka.running("two") as two:
            sending = asyncio.create_task(send(one, 60))
            await until(lambda: 0 < lanes(two) < 3 and lanes(one) + lanes(two) == 3)
            await sending
        await send(one, 10)
        await until(lambda: lanes(one) == 3)
        await until(lambda: len(on_apache_kafka.ids) >= sent)
    assert on_apache_kafka.ids == list(range(1, sent + 1))


def begun(deployment: Deployment, folder: Path, process: str) -> subprocess.Popen[str]:
    """A process whose sink works on the shared folder."""
    settings = deployment.settings(process)
    words = [str(folder), str(settings.directory), settings.kafka_bootstrap_servers, deployment.prefix]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, str(WORKER), *words], stdout=subprocess.PIPE, text=True, env=environment
    )


async def test_a_worker_that_was_out_of_reach_stores_nothing_of_what_others_took_over(
    on_apache_kafka: Deployment, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    warehouse = FolderWarehouse(folder)
    on_apache_kafka.warehouse = warehouse  # type: ignore[assignment]
    zombie = begun(on_apache_kafka, folder, "zombie")
    try:
        assert zombie.stdout is not None
        assert "ready" in await asyncio.to_thread(zombie.stdout.readline)
        async with on_apache_kafka.running("sender") as sender:
            await sender.take("first", 1000)
            await sender.stored("first")
            await until(lambda: 0 < lanes(sender) < 3)
            # The next insert of the other process stands still in the middle of it, and then all of it.
            warehouse.hold(zombie.pid)
            for each in range(30):
                await sender.take(f"a{each}", each)
            await until(lambda: warehouse.held(zombie.pid))
            zombie.send_signal(signal.SIGSTOP)
            await until(lambda: lanes(sender) == 3, 30)
            await asyncio.wait_for(sender.ingestor.drained(UID, "trips"), 20)
            taken_over = len(warehouse.inserts())
            warehouse.release(zombie.pid)
            zombie.send_signal(signal.SIGCONT)
            await until(lambda: len(warehouse.inserts()) > taken_over)
            await asyncio.sleep(1.0)
            late = [entry for entry in warehouse.inserts()[taken_over:] if entry["pid"] == zombie.pid]
            # The one that was under way, under a token that is known; nothing else of what it had read.
            assert len(late) == 1
            assert late[0]["token"] in [entry["token"] for entry in warehouse.inserts()[:taken_over]]
            assert warehouse.ids() == [*range(30), 1000]
    finally:
        zombie.kill()
        zombie.wait()

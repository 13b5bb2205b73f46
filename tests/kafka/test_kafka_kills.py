"""Service, engine and broker are killed while events come in: none that was acknowledged is lost or doubled.

With Apache Kafka, and with the stand-in where only the service and the engine are killed. Every call is sent
again in the end; the drill of twenty seeds is `tests/durability/test_durability_kafka.py`.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from tests.rpc.data_ingest.crash_worker import user_ids
from tests.rpc.killed_workers import killed_after

from .brokers import IN_CI, ApacheKafka, Broker

WORKER = Path(__file__).with_name("kill_worker.py")
LEAST_ACKNOWLEDGED = 60

Calls = set[tuple[int, int]]


@pytest.fixture
def own_apache_kafka(tmp_path: Path) -> Iterator[Broker]:
    """A broker of its own, to be killed."""
    hindrance = ApacheKafka.hindrance()
    if hindrance:
        assert not IN_CI, hindrance
        pytest.skip(hindrance)
    broker = ApacheKafka(tmp_path / "broker")
    broker.start()
    yield broker
    broker.stop()


def start(directory: Path, broker: Broker, *arguments: str) -> subprocess.Popen[str]:
    """Starts the worker; its log goes into the directory."""
    directory.mkdir(exist_ok=True)
    log: IO[str] = (directory / "worker.log").open("a")
    with log:
        return subprocess.Popen(
            [sys.executable, str(WORKER), str(directory), str(broker.port), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
                "SESSION_SECONDS": str(broker.session_seconds),
            },
        )


def checked(directory: Path, broker: Broker, begun: list[tuple[int, int]]) -> dict[str, Any]:
    """What is in the tables after the topic is drained and the calls `begun` were sent again."""
    worker = start(directory, broker, "check")
    answer, _ = worker.communicate(json.dumps(begun), timeout=150)
    assert worker.returncode == 0, (directory / "worker.log").read_text()[-3000:]
    found: dict[str, Any] = json.loads(answer)
    return found


def kill_meanwhile(broker: Broker | None, worker: subprocess.Popen[str], after: float) -> threading.Thread:
    """Kills the broker (and starts it again), or without one the worker's engine, in a while."""

    def work() -> None:
        time.sleep(after)
        if broker is not None:
            broker.kill()
            time.sleep(0.3)
            broker.start()
            return
        for child in psutil.Process(worker.pid).children(recursive=True):
            child.kill()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def ingest_through_kills(directory: Path, broker: Broker, seed: int, *, rounds: int, seconds: float) -> None:
    """Rounds of ingest, each ended by a kill of the service and with another kill in its middle."""
    chance = random.Random(seed)
    begun: Calls = set()
    acknowledged: Calls = set()
    for number in range(rounds):
        worker = start(directory, broker, "run", str(number))
        other = None
        if number % 3:
            after = chance.uniform(2.0, 2.0 + seconds)
            kills_broker = number % 3 == 1 and isinstance(broker, ApacheKafka)
            other = kill_meanwhile(broker if kills_broker else None, worker, after)
        lines = killed_after(worker, "acked", chance.uniform(1.0, 1.0 + seconds), engine_too=number % 2 == 0)
        if other is not None:
            other.join()
        begun |= {(int(round_), int(call)) for word, round_, call in lines if word == "calling"}
        acknowledged |= {(int(round_), int(call)) for word, round_, call in lines if word == "acked"}
    assert len(acknowledged) >= LEAST_ACKNOWLEDGED

    # First without repeating anything: the acknowledged calls alone must all be there, each once.
    seen = checked(directory, broker, [])
    rows: dict[int, int] = dict(seen["rows"])
    lost = [call for call in acknowledged if any(user not in rows for user in user_ids(*call))]
    assert (lost, doubled(rows)) == ([], []), f"seed {seed}"
    assert seen["hourly"] == sum(rows.values()), f"seed {seed}"

    # Then every call that was begun is sent again, as a client would: all are there, each once.
    again = checked(directory, broker, sorted(begun))
    rows = dict(again["rows"])
    assert doubled(rows) == [], f"seed {seed}"
    assert set(rows) == {user for call in begun for user in user_ids(*call)}, f"seed {seed}"
    assert again["repeated"] >= len(acknowledged), f"seed {seed}"
    assert again["hourly"] == sum(rows.values()), f"seed {seed}"


def doubled(rows: dict[int, int]) -> list[int]:
    """Events that are there more than once."""
    return [user for user, count in rows.items() if count != 1]


@pytest.mark.soak
@pytest.mark.timeout(240)
def test_kills_of_service_engine_and_apache_kafka_lose_nothing_and_double_nothing(
    own_apache_kafka: Broker, tmp_path: Path
) -> None:
    seed = random.randrange(10**6)
    ingest_through_kills(tmp_path / "state", own_apache_kafka, seed, rounds=2, seconds=1.0)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(2))
def test_many_rounds_of_kills_on_apache_kafka(own_apache_kafka: Broker, tmp_path: Path, seed: int) -> None:
    ingest_through_kills(tmp_path / "state", own_apache_kafka, seed, rounds=9, seconds=6.0)


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_kills_of_service_and_engine_on_noida_db_as_a_stand_in(noida_db: Broker, tmp_path: Path) -> None:
    ingest_through_kills(tmp_path / "state", noida_db, 1, rounds=4, seconds=2.0)

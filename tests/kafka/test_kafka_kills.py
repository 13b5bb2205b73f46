"""Service, engine and broker are killed while events come in: none that was acknowledged is lost or doubled.

With Apache Kafka. With the stand-in the engine alone is killed, `NoidaDb` in `brokers.py` says why. Every
call is sent again in the end; the drill of twenty seeds is `tests/durability/test_durability_kafka.py`.
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
            other = kill_meanwhile(broker if number % 3 == 1 else None, worker, after)
        lines = killed_after(worker, "acked", chance.uniform(1.0, 1.0 + seconds), engine_too=number % 2 == 0)
        if other is not None:
            other.join()
        begun |= {(int(round_), int(call)) for word, round_, call in lines if word == "calling"}
        acknowledged |= {(int(round_), int(call)) for word, round_, call in lines if word == "acked"}
    assert_all_are_there_once(directory, broker, begun, acknowledged, f"seed {seed}")


def assert_all_are_there_once(
    directory: Path, broker: Broker, begun: Calls, acknowledged: Calls, told: str
) -> None:
    """Looks into the tables with a worker of its own, before and after all calls are sent again."""
    assert len(acknowledged) >= LEAST_ACKNOWLEDGED, told

    # First without repeating anything: the acknowledged calls alone must all be there, each once.
    seen = checked(directory, broker, [])
    rows: dict[int, int] = dict(seen["rows"])
    lost = [call for call in acknowledged if any(user not in rows for user in user_ids(*call))]
    assert (lost, doubled(rows)) == ([], []), told
    assert seen["hourly"] == sum(rows.values()), told

    # Then every call that was begun is sent again, as a client would: all are there, each once.
    again = checked(directory, broker, sorted(begun))
    rows = dict(again["rows"])
    assert doubled(rows) == [], told
    assert set(rows) == {user for call in begun for user in user_ids(*call)}, told
    assert again["repeated"] >= len(acknowledged), told
    assert again["hourly"] == sum(rows.values()), told


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
@pytest.mark.timeout(300)
def test_kills_of_the_engine_alone_on_noida_db_as_a_stand_in(noida_db: Broker, tmp_path: Path) -> None:
    directory, chance = tmp_path / "state", random.Random(1)
    worker = start(directory, noida_db, "run", "0")
    lines: list[str] = []
    reading = threading.Thread(target=lambda: lines.extend(worker.stdout or ()))
    reading.start()
    for _ in range(4):
        acknowledged_more(lines, 20)
        time.sleep(chance.uniform(0.3, 2.0))
        kill_engine(worker)
    acknowledged_more(lines, 20)
    worker.terminate()  # it leaves the group: the stand-in would keep one that is killed
    assert worker.wait(60) == 0, (directory / "worker.log").read_text()[-3000:]
    reading.join()
    calls = calls_of(lines)
    assert_all_are_there_once(directory, noida_db, calls["calling"], calls["acked"], "stand-in")


def kill_engine(worker: subprocess.Popen[str]) -> None:
    """Kills the worker's engine, once there is one again."""
    end = time.monotonic() + 60
    while not (engine := psutil.Process(worker.pid).children(recursive=True)):
        assert time.monotonic() < end, "no engine comes back"
        time.sleep(0.05)
    for process in engine:
        process.kill()
    psutil.wait_procs(engine, timeout=10)


def acknowledged_more(lines: list[str], calls: int) -> None:
    """Returns when so many calls were acknowledged from now on."""
    enough = len(calls_of(lines)["acked"]) + calls
    end = time.monotonic() + 60
    while len(calls_of(lines)["acked"]) < enough:
        assert time.monotonic() < end, f"{len(lines)} lines and no more"
        time.sleep(0.05)


def calls_of(lines: list[str]) -> dict[str, Calls]:
    """What was begun (`calling`) and acknowledged (`acked`), by what a worker said."""
    words = [line.split() for line in list(lines)]
    return {
        word: {(int(number), int(call)) for said, number, call in words if said == word}
        for word in ("calling", "acked")
    }

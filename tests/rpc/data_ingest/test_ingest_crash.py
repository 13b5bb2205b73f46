"""Killed with SIGKILL at random moments: nothing acknowledged is lost, nothing is there twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from aidatalabs_services.data.rollups.declarations import STANDARD_NAMES
from tests.rpc.data_ingest.crash_worker import rejected_users, user_ids
from tests.rpc.killed_workers import killed_after

WORKER = Path(__file__).with_name("crash_worker.py")
ROUNDS = 7
# What ran when it was killed must have got this far at least once, or the test proves nothing.
# Small, since four roll-ups take part in every one of the small inserts.
LEAST_ACKNOWLEDGED = 60


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts the worker; its log goes into the directory."""
    log: IO[str] = (directory / "worker.log").open("a")
    with log:
        return subprocess.Popen(
            [sys.executable, str(WORKER), str(directory), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[3]), *sys.path])},
        )


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_kills_lose_nothing_acknowledged_and_double_nothing(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    begun: set[tuple[int, int]] = set()
    acknowledged: set[tuple[int, int]] = set()
    for number in range(ROUNDS):
        lines = killed_after(
            start(tmp_path, "run", str(number)), "acked", chance.uniform(0.2, 1.7), engine_too=number % 2 == 0
        )
        begun |= {(int(round_), int(call)) for word, round_, call in lines if word == "calling"}
        acknowledged |= {(int(round_), int(call)) for word, round_, call in lines if word == "acked"}
    assert len(acknowledged) >= LEAST_ACKNOWLEDGED

    # First without repeating anything: the acknowledged calls alone must all be there, each once.
    seen = checked(tmp_path, [])
    rows: dict[int, int] = dict(seen["rows"])
    lost = [call for call in acknowledged if any(user not in rows for user in user_ids(*call))]
    assert (lost, doubled(rows)) == ([], []), f"seed {seed}"
    assert seen["hourly"] == sum(rows.values()), f"seed {seed}"
    letters: dict[int, int] = dict(seen["letters"])
    unkept = [call for call in acknowledged if not letters.keys() >= set(rejected_users(*call))]
    assert (unkept, doubled(letters)) == ([], []), f"seed {seed}"
    assert seen["rollups"] == dict.fromkeys(STANDARD_NAMES, sum(rows.values())), f"seed {seed}"

    # Then every call that was begun is sent again, as a client would: all are there, each once.
    again = checked(tmp_path, sorted(begun))
    rows = dict(again["rows"])
    assert doubled(rows) == [], f"seed {seed}"
    assert set(rows) == {user for call in begun for user in user_ids(*call)}, f"seed {seed}"
    assert again["repeated"] >= len(acknowledged)
    assert again["stored"] == len(begun)
    assert again["hourly"] == sum(rows.values()), f"seed {seed}"
    letters = dict(again["letters"])
    assert doubled(letters) == [], f"seed {seed}"
    assert set(letters) == {user for call in begun for user in rejected_users(*call)}, f"seed {seed}"
    assert again["rollups"] == dict.fromkeys(STANDARD_NAMES, sum(rows.values())), f"seed {seed}"


def checked(directory: Path, begun: list[tuple[int, int]]) -> dict[str, Any]:
    """What is in the tables after the journal is drained and the calls `begun` were sent again."""
    worker = start(directory, "check")
    answer, _ = worker.communicate(json.dumps(begun), timeout=120)
    assert worker.returncode == 0, (directory / "worker.log").read_text()[-2000:]
    found: dict[str, Any] = json.loads(answer)
    return found


def doubled(rows: dict[int, int]) -> list[int]:
    """Events that are there more than once."""
    return [user for user, count in rows.items() if count != 1]

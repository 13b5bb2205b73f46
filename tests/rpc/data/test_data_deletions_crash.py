"""Killed with SIGKILL in the middle of a deletion: it ends after the restart, and its evidence is right."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.data.deletion_worker import BEFORE
from tests.rpc.killed_workers import killed_after

WORKER = Path(__file__).with_name("deletion_worker.py")


def start(directory: Path, mode: str) -> subprocess.Popen[str]:
    """Starts the worker."""
    return subprocess.Popen(
        [sys.executable, str(WORKER), str(directory), mode],
        stdout=subprocess.PIPE,
        stderr=(directory / "worker.log").open("a"),
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def seen_after(directory: Path) -> Any:
    """What is there once a second worker has gone on."""
    worker = start(directory, "check")
    out, _ = worker.communicate(timeout=100)
    assert worker.returncode == 0, (directory / "worker.log").read_text()[-2000:]
    return json.loads(out)


def check_round(directory: Path, seconds: float, *, engine_too: bool) -> str:
    """One kill; returns how far the deletion was known to be."""
    lines = killed_after(start(directory, "run"), "deleting", seconds, engine_too=engine_too)
    acknowledged = {
        each for line in lines if line[0] == "acked" for each in range(int(line[1]), int(line[2]) + 1)
    } | set(range(1, BEFORE + 1))
    seen = seen_after(directory)
    users = set(seen["users"])
    assert len(seen["users"]) == len(users), "a row is there twice"
    assert {each for each in acknowledged if each % 2} <= users, "a row that does not match is lost"
    assert seen["hourly"] == [len(users), float(len(users))], "the roll-up is not what the events give"
    if not seen["deletions"]:
        assert acknowledged <= users
        return "nothing"
    ((state, matched, deleted, remaining),) = seen["deletions"]
    assert (state, remaining, seen["removed"]) == ("DONE", 0, True)
    assert not {each for each in users if each % 2 == 0 and each <= BEFORE}
    # Every row that matches is deleted or there: the evidence counts exactly those that went.
    there = {each for each in users if each % 2 == 0}
    sent = max(users | acknowledged)
    assert deleted == matched
    assert deleted >= BEFORE // 2
    assert deleted + len(there) >= len([each for each in acknowledged if each % 2 == 0])
    assert deleted + len(there) == len([each for each in range(1, sent + 1) if each % 2 == 0])
    return "deleted" if any(line[0] == "deleted" for line in lines) else "cut off"


@pytest.mark.timeout(120)
def test_a_deletion_that_is_killed_goes_on_after_the_restart(tmp_path: Path) -> None:
    assert check_round(tmp_path, 0.15, engine_too=True) in ("cut off", "nothing", "deleted")


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_kills_at_random_moments_of_a_deletion(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    found = []
    for number in range(15):
        directory = tmp_path / str(number)
        directory.mkdir()
        found.append(check_round(directory, chance.uniform(0.0, 0.7), engine_too=number % 2 == 0))
    assert found.count("cut off") >= 3, f"seed {seed}: {found}"

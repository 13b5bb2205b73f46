"""Killed with SIGKILL while a path is declared and taken back: every acknowledged value is there."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.killed_workers import killed_after

WORKER = Path(__file__).with_name("typed_paths_worker.py")
TYPES = ("JSON", "JSON(n Nullable(Int64))")


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


def check_round(directory: Path, seconds: float, *, engine_too: bool) -> tuple[int, str]:
    """One kill; returns how many declarations were known to be made, and the type that is left."""
    lines = killed_after(start(directory, "run"), "changing", seconds, engine_too=engine_too)
    acknowledged = {
        each for line in lines if line[0] == "acked" for each in range(int(line[1]), int(line[2]) + 1)
    }
    seen = seen_after(directory)
    users = [int(row[0]) for row in seen["rows"]]
    assert len(users) == len(set(users)), "a row is there twice"
    assert acknowledged <= set(users), "an acknowledged row is lost"
    assert not seen["parked"], "an acknowledged block was refused by the engine"
    assert seen["type"] in TYPES
    for user, number, _, text in seen["rows"]:
        assert number == str(user)
        assert text == ("2026/01/31" if (int(user) - 1) // 50 % 2 == 0 else "n/a"), "a text was changed"
    return sum(line[0] == "changed" for line in lines), seen["type"]


@pytest.mark.timeout(120)
def test_a_kill_in_the_middle_leaves_one_type_or_the_other_and_every_value(tmp_path: Path) -> None:
    check_round(tmp_path, 0.5, engine_too=True)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_kills_at_random_moments_of_a_declaration(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    found = []
    for number in range(15):
        directory = tmp_path / str(number)
        directory.mkdir()
        found.append(check_round(directory, chance.uniform(0.0, 1.5), engine_too=number % 2 == 0))
    assert sum(changed for changed, _ in found) >= 5, f"seed {seed}: {found}"
    assert {kind for _, kind in found} == set(TYPES), f"seed {seed}: {found}"

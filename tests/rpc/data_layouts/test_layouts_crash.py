"""Killed with SIGKILL in the middle of a measurement: after the next start nothing of it is left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.data_layouts.layout_worker import ROWS
from tests.rpc.killed_workers import killed_after

WORKER = Path(__file__).with_name("layout_worker.py")


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
    """What is left once a second worker has begun."""
    worker = start(directory, "check")
    out, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0, (directory / "worker.log").read_text()[-2000:]
    return json.loads(out)


@pytest.mark.soak
@pytest.mark.parametrize("engine_too", [False, True])
def test_whenever_it_is_killed_nothing_is_left_after_the_next_start(tmp_path: Path, engine_too: bool) -> None:
    chance = random.Random(7)
    in_the_middle = 0
    for _ in range(6):
        lines = killed_after(
            start(tmp_path, "run"), "measuring", chance.uniform(0.02, 1.2), engine_too=engine_too
        )
        in_the_middle += lines[-1] == ["measuring"]
        seen = seen_after(tmp_path)
        assert seen == {"left": 0, "notes": [], "rows": ROWS}
    assert in_the_middle

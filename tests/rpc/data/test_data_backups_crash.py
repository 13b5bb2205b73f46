"""Killed with SIGKILL at every step of work on backups: afterwards it is whole, or it is told as failed.

Whatever dies: acknowledged rows stay, no row is there twice, complete backups can be restored, a platform has
all rows of a restore or none of them, and nothing is left on the disk that belongs to nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.rpc.data.backup_worker import SOURCE, STEPS

WORKER = Path(__file__).with_name("backup_worker.py")
_BESIDE = 10**6


@dataclass
class World:
    """One directory with what was acknowledged in it."""

    directory: Path
    acknowledged: dict[str, set[int]] = field(default_factory=dict)
    names: list[tuple[str, str]] = field(default_factory=list)

    def run(self, *work: str) -> list[dict[str, Any]]:
        """Runs the worker to its end; what it told, which is checked."""
        worker = subprocess.run(
            [sys.executable, str(WORKER), str(self.directory), *work],
            stdout=subprocess.PIPE,
            stderr=(self.directory / "worker.log").open("a"),
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            timeout=280,
        )
        died = worker.returncode == -9
        log = (self.directory / "worker.log").read_text()[-3000:]
        assert worker.returncode == 0 or (died and work[-1] == "die"), f"{work}: {log}"
        assert not (work and work[-1] == "die" and not died), f"{work} was never reached"
        told = []
        for line in worker.stdout.splitlines():
            word, *rest = line.split()
            if word == "acked":
                self.acknowledged.setdefault(rest[0], set()).update(range(int(rest[1]), int(rest[2]) + 1))
            elif word == "name":
                self.names.append((work[0], rest[0]))
            elif line.startswith("{"):
                told.append(json.loads(line))
                self.check(told[-1])
        return told

    def check(self, told: dict[str, Any]) -> None:
        """What must hold whenever everything has settled, with what was acknowledged until then."""
        assert told["strange"] == []
        assert all(left == ["removed", []] for left in told["removals"].values()), told["removals"]
        for platform, one in told["platforms"].items():
            states = [state for state, *_ in (*one["backups"].values(), *one["restores"].values())]
            assert set(states) <= {"DONE", "FAILED"}
            done = [each for each, (state, *_) in one["backups"].items() if state == "DONE"]
            assert one["folders"] == sorted(done), "a backup has no files, or files have no backup"
            for state, *_, message in (*one["backups"].values(), *one["restores"].values()):
                assert state == "DONE" or message, "a failure is told without a reason"
            rows = one["rows"].get("orders", [])
            assert len(rows) == len(set(rows)), "a row is there twice"
            if platform != SOURCE:
                self._check_restored(platform, one)
        for platform, wanted in self.acknowledged.items():
            if platform in told["platforms"]:
                lost = wanted - set(told["platforms"][platform]["rows"].get("orders", []))
                assert not lost, f"{len(lost)} acknowledged rows of {platform} are lost"

    def _check_restored(self, platform: str, one: dict[str, Any]) -> None:
        """A platform that was made for a restore has all of it or nothing."""
        rows = one["rows"]
        for state, tables, _ in one["restores"].values():
            if state == "FAILED":
                assert not any(rows.values()), f"{platform} has rows of a restore that failed"
                continue
            assert len(rows["others"]) == tables["others"]
            own = range(_BESIDE * (int(platform[11:]) + 1), _BESIDE * (int(platform[11:]) + 2))
            assert sum(each not in own for each in rows["orders"]) == tables["orders"]


def end_well(world: World) -> dict[str, Any]:
    """The last look; and whatever happened before, the newest backup can still be verified and restored."""
    world.run("verify", "none", "finish")
    world.run("restore", "none", "finish")
    (told,) = world.run()
    source = told["platforms"][SOURCE]
    newest = max(each for each, (state, *_) in source["backups"].items() if state == "DONE")
    assert source["backups"][newest][1] == "DONE", source["backups"][newest]
    last = [name for what, name in world.names if what == "restore"][-1]
    platform, _, restore = last.rsplit("/", 2)
    assert told["platforms"][platform]["restores"][restore][0] == "DONE"
    return told


@pytest.mark.timeout(300)
def test_work_on_backups_that_is_killed_is_whole_or_failed_after_the_restart(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.run("create", "create-complete", "die")
    world.run("restore", "restore-attaching", "die")
    world.run()


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("action", ["die", "engine"])
@pytest.mark.parametrize("what", ["create", "verify", "delete", "restore", "drill", "purge"])
def test_a_kill_at_each_step(tmp_path: Path, what: str, action: str) -> None:
    world = World(tmp_path)
    for step in STEPS:
        if step.startswith(f"{what}-"):
            if what == "delete":
                world.run("create", "none", "finish")
            world.run(what, step, action)
    end_well(world)

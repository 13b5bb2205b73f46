"""One process of the mesh and what its record tells, without a supervisor."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from aidatalabs_services.mesh.errors import StartFailed
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.members import Member, Patience
from aidatalabs_services.mesh.processes import Launching, ProcessSpec
from aidatalabs_services.mesh.readiness import ReadyCheck
from aidatalabs_services.mesh.restarts import RestartPolicy


class DyingUnderTheQuestion(ReadyCheck):
    """Two questions fail as they do when the server dies under them; the third finds it ready."""

    asked = 0

    async def wait(self) -> None:
        DyingUnderTheQuestion.asked += 1
        if DyingUnderTheQuestion.asked in (1, 3):
            raise asyncpg.InterfaceError("connection is closed")


def member(tmp_path: Path) -> Member:
    home = MeshHome.at(tmp_path)
    home.logs.mkdir(parents=True)
    spec = ProcessSpec(
        name="first",
        argv=("/bin/sleep", "60"),
        env=dict,
        ready=lambda: DyingUnderTheQuestion("postgres", "postgresql://"),
        holds_lifeline=False,
    )
    reader, _ = os.pipe()
    return Member(
        spec,
        home,
        Launching(reader, home.log("mesh"), 1 << 20, tmp_path),
        on_event=lambda event: None,
        save=lambda: None,
        patience=Patience(start_seconds=10, hang_seconds=60, ask_seconds=30),
        restarts=RestartPolicy(first_wait_seconds=0.01),
    )


async def test_a_process_whose_question_fails_is_started_again_and_watched(tmp_path: Path) -> None:
    one = member(tmp_path)
    with pytest.raises(StartFailed, match="asking it failed: InterfaceError"):
        await one.start()
    await one.start()
    watch = asyncio.create_task(one.keep_running())
    try:
        assert one.record.identity is not None
        os.kill(one.record.identity.pid, 9)
        async with asyncio.timeout(10):
            while one.record.restart_count < 2 or not one.record.identity:
                await asyncio.sleep(0.02)
        assert DyingUnderTheQuestion.asked == 4
        assert not watch.done()
    finally:
        watch.cancel()
        await one.stop(1.0)

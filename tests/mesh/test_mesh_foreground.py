from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from aidatalabs_services.mesh.errors import AlreadyUp, StartFailed
from aidatalabs_services.mesh.events import EventKind
from aidatalabs_services.mesh.pids import ProcessIdentity, descendants, process_table
from aidatalabs_services.mesh.restarts import RestartBook, RestartPolicy
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord
from aidatalabs_services.mesh.status import mesh_status
from aidatalabs_services.mesh.supervisor import run_mesh
from tests.mesh.conftest import foreground
from tests.mesh.plans import standins, whole_plan

MakeSettings = Callable[..., MeshSettings]


async def test_processes_start_after_what_they_need_and_stop_before_it(make_settings: MakeSettings) -> None:
    async with foreground(make_settings(), standins()) as mesh:
        pass
    told = [(event.kind, event.process) for event in mesh.events if event.process]
    assert told == [
        (EventKind.PROCESS_STARTING, "first"),
        (EventKind.PROCESS_READY, "first"),
        (EventKind.PROCESS_STARTING, "second"),
        (EventKind.PROCESS_READY, "second"),
        (EventKind.PROCESS_STOPPED, "second"),
        (EventKind.PROCESS_STOPPED, "first"),
    ]


@pytest.mark.mesh
@pytest.mark.parametrize("name", ["postgres", "identity", "edge"])
async def test_a_killed_process_is_reported_and_started_again(make_settings: MakeSettings, name: str) -> None:
    async with foreground(make_settings(), whole_plan) as mesh:
        before = {process.name: process.identity for process in mesh.record.processes}
        os.kill(mesh.pid(name), signal.SIGKILL)
        exited = await mesh.heard(EventKind.PROCESS_EXITED, name)
        assert exited.text == f"{name} was ended by SIGKILL by itself"
        await mesh.heard(EventKind.PROCESS_READY, name, count=2)
        after = {process.name: process.identity for process in mesh.record.processes}
        assert {changed for changed in after if after[changed] != before[changed]} == {name}
        status = await mesh_status(mesh.home)
        assert status.serving
        assert next(process for process in status.processes if process.name == name).restart_count == 1


@pytest.mark.mesh
async def test_an_edge_whose_port_was_taken_meanwhile_says_so_and_comes_back(
    make_settings: MakeSettings,
) -> None:
    settings, policy = make_settings(), RestartPolicy(first_wait_seconds=1.0)
    async with foreground(settings, whole_plan, restarts=policy) as mesh:
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            os.kill(mesh.pid("edge"), signal.SIGKILL)
            await mesh.heard(EventKind.PROCESS_EXITED, "edge")
            taken.bind(("127.0.0.1", settings.port))
            taken.listen()
            failed = await mesh.heard(EventKind.PROCESS_FAILED, "edge")
            assert f"Port {settings.port} is already in use by " in failed.text
            status = await mesh_status(mesh.home)
            shown = next(process for process in status.processes if process.name == "edge")
            assert "is already in use" in shown.last_end
        await mesh.heard(EventKind.PROCESS_READY, "edge", count=2)
        assert (await mesh_status(mesh.home)).serving


async def test_what_a_killed_process_had_started_ends_too(make_settings: MakeSettings) -> None:
    async with foreground(make_settings(), standins(first="parent")) as mesh:
        while not mesh.record.processes[0].children:
            await asyncio.sleep(0.1)
        (child,) = mesh.record.processes[0].children
        assert child.alive()
        os.kill(mesh.pid("first"), signal.SIGKILL)
        await mesh.heard(EventKind.PROCESS_EXITED, "first")
        assert not child.alive()
        await mesh.heard(EventKind.PROCESS_READY, "first", count=2)
        (next_child,) = descendants(process_table(), mesh.pid("first"))
    assert not next_child.alive()


async def test_a_process_that_keeps_ending_rests_and_is_tried_again_later(
    make_settings: MakeSettings,
) -> None:
    policy = RestartPolicy(first_wait_seconds=0.01, tries=2, later_seconds=3.0)
    async with foreground(make_settings(), standins(), restarts=policy) as mesh:
        for count in range(1, 4):
            await mesh.heard(EventKind.PROCESS_READY, "second", count=count)
            os.kill(mesh.pid("second"), signal.SIGKILL)
            await mesh.heard(EventKind.PROCESS_EXITED, "second", count=count)
        failed = await mesh.heard(EventKind.PROCESS_FAILED, "second")
        assert failed.text == "second ended too often; the next try is in 3.0 s"
        status = await mesh_status(mesh.home)
        assert (status.phase, status.serving) == ("DEGRADED", False)
        second = next(process for process in status.processes if process.name == "second")
        assert (second.state, second.pid, second.health) == ("FAILED", 0, "UNREACHABLE")
        assert second.message.startswith("ended too often; the next try is at ")
        await mesh.heard(EventKind.PROCESS_READY, "second", count=4)
        status = await mesh_status(mesh.home)
        second = next(process for process in status.processes if process.name == "second")
        assert (status.phase, second.state, second.restart_count) == ("UP", "RUNNING", 3)
        assert (second.message, second.last_end) == ("", "was ended by SIGKILL by itself")


def test_a_process_that_rested_is_trusted_again_after_a_whole_window() -> None:
    book = RestartBook(RestartPolicy(tries=2, window_seconds=60, later_seconds=90))
    waits = [book.next_try(now, up_seconds=1.0) for now in (0.0, 1.0, 2.0, 200.0)]
    assert [(one.wait_seconds, one.rests) for one in waits] == [
        *((0.2, False), (0.4, False)),
        *((90, True), (90, True)),
    ]
    assert book.next_try(300.0, up_seconds=61.0).wait_seconds == 0.2


async def test_a_process_that_hangs_is_killed_and_replaced(make_settings: MakeSettings) -> None:
    async with foreground(make_settings(mesh_hang_seconds=1.0), standins()) as mesh:
        hung = ProcessIdentity.of(mesh.pid("second"))
        assert hung is not None
        os.kill(hung.pid, signal.SIGSTOP)
        exited = await mesh.heard(EventKind.PROCESS_EXITED, "second")
        assert exited.text == "second did not answer for 1 s and was killed"
        assert not hung.alive()
        await mesh.heard(EventKind.PROCESS_READY, "second", count=2)
        assert (await mesh_status(mesh.home)).serving


async def test_a_process_that_is_slow_for_a_moment_is_left_alone(make_settings: MakeSettings) -> None:
    async with foreground(make_settings(mesh_hang_seconds=8.0), standins()) as mesh:
        slow = mesh.pid("second")
        os.kill(slow, signal.SIGSTOP)
        await asyncio.sleep(3.0)
        os.kill(slow, signal.SIGCONT)
        await asyncio.sleep(6.0)
        assert mesh.pid("second") == slow
        assert EventKind.PROCESS_EXITED not in [event.kind for event in mesh.events]


@pytest.mark.mesh
@pytest.mark.parametrize("name", ["postgres", "edge"])
async def test_a_hung_store_or_edge_is_replaced(make_settings: MakeSettings, name: str) -> None:
    async with foreground(make_settings(mesh_hang_seconds=2.0), whole_plan) as mesh:
        hung = mesh.pid(name)
        os.kill(hung, signal.SIGSTOP)
        exited = await mesh.heard(EventKind.PROCESS_EXITED, name)
        assert exited.text == f"{name} did not answer for 2 s and was killed"
        await mesh.heard(EventKind.PROCESS_READY, name, count=2)
        assert (await mesh_status(mesh.home)).serving


def test_the_wait_before_a_restart_doubles_up_to_a_limit() -> None:
    policy = RestartPolicy()
    assert [policy.wait_seconds(tries) for tries in range(7)] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


async def test_a_process_that_ignores_sigterm_is_killed_in_time(make_settings: MakeSettings) -> None:
    settings = make_settings(mesh_stop_timeout_seconds=0.3)
    async with foreground(settings, standins(second="stubborn")) as mesh:
        stubborn = ProcessIdentity.of(mesh.pid("second"))
    assert stubborn is not None
    assert not stubborn.alive()


async def test_a_process_that_never_serves_fails_the_start(make_settings: MakeSettings) -> None:
    settings = make_settings(mesh_start_timeout_seconds=1.0)
    before = _children()  # other tests of this run may have processes of theirs
    with pytest.raises(StartFailed, match="first did not start: it was not ready within 1 s"):
        await run_mesh(settings, lambda event: None, plan=standins(first="mute"))
    assert _children() == before


def _children() -> set[int]:
    table = process_table()
    return {pid for pid, entry in table.items() if entry.parent_pid == os.getpid() and not entry.dead}


async def test_a_signal_stops_the_mesh_and_a_home_has_one_mesh(make_settings: MakeSettings) -> None:
    settings = make_settings()

    async def when_ready(record: MeshRecord) -> None:
        with pytest.raises(AlreadyUp):
            await run_mesh(settings, lambda event: None, plan=standins())
        os.kill(os.getpid(), signal.SIGINT)

    kinds: list[EventKind] = []
    await run_mesh(settings, lambda event: kinds.append(event.kind), plan=standins(), on_ready=when_ready)
    assert kinds[-1] is EventKind.MESH_STOPPED


async def test_a_fault_in_what_runs_beside_the_mesh_stops_it(make_settings: MakeSettings) -> None:
    settings = make_settings()

    async def when_ready(record: MeshRecord) -> None:
        raise LookupError("no demo data")

    with pytest.raises(LookupError):
        await run_mesh(settings, lambda event: None, plan=standins(), on_ready=when_ready)
    assert not (Path(settings.home) / "run" / "mesh.json").exists()

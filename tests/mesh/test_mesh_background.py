from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

import aiohttp
import psutil
import pytest

from aidatalabs_services.mesh.control import start_detached, stop_mesh
from aidatalabs_services.mesh.errors import HomeInUse, PortInUse, StartFailed
from aidatalabs_services.mesh.events import EventKind, MeshEvent
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity, descendants, process_table
from aidatalabs_services.mesh.readiness import Health
from aidatalabs_services.mesh.settings import MeshSettings
from aidatalabs_services.mesh.state import MeshRecord, mesh_is_locked, read_record
from aidatalabs_services.mesh.status import mesh_status

MakeSettings = Callable[..., MeshSettings]
WHOLE = "tests.mesh.plans:whole_plan"
SMALL = "tests.mesh.plans:small_plan"


def everything(record: MeshRecord) -> list[ProcessIdentity]:
    """The supervisor and all it started, PostgreSQL's backends and the like included."""
    return [record.supervisor, *descendants(process_table(), record.supervisor.pid)]


async def all_gone(identities: list[ProcessIdentity], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    results = [await identity.gone(max(0.0, deadline - time.monotonic())) for identity in identities]
    return all(results)


def read(home: MeshHome) -> MeshRecord:
    record = read_record(home)
    assert record is not None
    return record


@pytest.mark.mesh
async def test_up_serves_through_the_port_and_down_leaves_nothing(make_settings: MakeSettings) -> None:
    settings = make_settings()
    events: list[MeshEvent] = []
    record = await start_detached(settings, events.append, plan=WHOLE)

    status = await mesh_status(MeshHome.at(settings.home))
    assert status.serving
    assert [process.name for process in status.processes] == [
        *("mesh", "postgres", "identity", "platform", "data", "agent", "monitoring", "edge")
    ]
    assert all(process.health == "SERVING" for process in status.processes[1:])
    assert all(process.rss_bytes > 1_000_000 for process in status.processes)
    assert any("checkpointer" in child.name for child in status.processes[1].children)
    async with aiohttp.ClientSession() as client, client.get(f"{record.url}/healthz") as answer:
        assert answer.status == 200

    again = await start_detached(settings, events.append, plan=WHOLE)
    assert again.supervisor == record.supervisor

    processes = everything(record)
    assert len(processes) >= 8
    stopped = await stop_mesh(settings, events.append)
    assert stopped.was_running
    assert stopped.stray_count == 0
    assert await all_gone(processes, 0)
    assert not MeshHome.at(settings.home).socket_folder().exists()
    assert (await mesh_status(MeshHome.at(settings.home))).phase == "DOWN"
    assert not (await stop_mesh(settings, events.append)).was_running


@pytest.mark.mesh
async def test_a_killed_supervisor_takes_everything_with_it(make_settings: MakeSettings) -> None:
    settings = make_settings()
    record = await start_detached(settings, lambda event: None, plan=WHOLE)
    processes = everything(record)
    record.supervisor.send(signal.SIGKILL)
    assert await all_gone(processes, 8.0), [identity for identity in processes if identity.alive()]

    again = await start_detached(settings, lambda event: None, plan=WHOLE)
    assert again.supervisor != record.supervisor
    assert (await mesh_status(MeshHome.at(settings.home))).serving


async def test_down_ends_a_stray_that_ignores_its_lifeline(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_MODES", "second=stubborn")
    settings = make_settings()
    record = await start_detached(settings, lambda event: None, plan=SMALL)
    first, second = (process.identity for process in record.processes)
    assert first is not None
    assert second is not None
    record.supervisor.send(signal.SIGKILL)
    assert await first.gone(5.0)
    assert second.alive()
    status = await mesh_status(MeshHome.at(settings.home))
    assert (status.phase, [process.state for process in status.processes]) == ("DOWN", ["STRAY"])

    stopped = await stop_mesh(settings, lambda event: None)
    assert (stopped.was_running, stopped.stray_count) == (False, 1)
    assert not second.alive()


async def test_a_record_whose_pid_now_belongs_to_another_process_ends_nobody(
    make_settings: MakeSettings,
) -> None:
    settings = make_settings()
    home = MeshHome.at(settings.home)
    record = await start_detached(settings, lambda event: None, plan=SMALL)
    await stop_mesh(settings, lambda event: None)
    bystander = await asyncio.create_subprocess_exec("/bin/sleep", "60")
    true = ProcessIdentity.of(bystander.pid)
    assert true is not None
    record.processes[0].identity = ProcessIdentity(true.pid, true.start_ticks - 100, true.boot)
    record.processes[1].identity = ProcessIdentity(true.pid, true.start_ticks, "an-earlier-boot")
    record.write(home)
    assert (await stop_mesh(settings, lambda event: None)).stray_count == 0
    assert true.alive()
    bystander.kill()
    await bystander.wait()


async def test_a_port_in_use_is_refused_before_anything_starts(make_settings: MakeSettings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = make_settings(port=taken.getsockname()[1])
        with pytest.raises(PortInUse, match=f"pid {os.getpid()}.*AIDATALABS_PORT"):
            await start_detached(settings, lambda event: None, plan=SMALL)
    home = MeshHome.at(settings.home)
    assert not mesh_is_locked(home)
    assert read_record(home) is None
    assert not list(home.logs.iterdir())


async def test_a_start_that_fails_stops_the_rest_and_shows_the_log(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_MODES", "second=broken")
    settings = make_settings()
    events: list[MeshEvent] = []
    with pytest.raises(StartFailed, match=r"second did not start: exited with code 1\.") as caught:
        await start_detached(settings, events.append, plan=SMALL)
    assert "no key to the treasury" in caught.value.log_tail
    assert EventKind.PROCESS_STOPPED in [event.kind for event in events if event.process == "first"]
    home = MeshHome.at(settings.home)
    assert not mesh_is_locked(home)
    assert not home.socket_folder().exists()


async def test_giving_up_a_start_ends_what_had_started(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_MODES", "second=mute")
    settings = make_settings()
    home = MeshHome.at(settings.home)
    starting = asyncio.create_task(start_detached(settings, lambda event: None, plan=SMALL))
    while (record := read_record(home)) is None or record.processes[1].identity is None:
        await asyncio.sleep(0.05)
    processes = everything(record)
    assert len(processes) == 3
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert await all_gone(processes, 0)


@pytest.mark.mesh
async def test_two_meshes_run_side_by_side(make_settings: MakeSettings) -> None:
    one, two = make_settings("one"), make_settings("two")
    first, second = await asyncio.gather(
        start_detached(one, lambda event: None, plan=WHOLE),
        start_detached(two, lambda event: None, plan=WHOLE),
    )
    assert first.socket_folder != second.socket_folder
    # Neither believes the other's certificates.
    check = next(process.check for process in second.processes if process.name == "identity")
    assert check is not None
    assert await check.ask() is Health.SERVING
    assert await replace(check, sockets=first.socket_folder).ask() is Health.UNREACHABLE
    assert await replace(check, certificate_of="").ask() is Health.UNREACHABLE
    assert await replace(check, service="data").ask() is Health.UNREACHABLE
    await stop_mesh(one, lambda event: None)
    assert (await mesh_status(MeshHome.at(one.home))).phase == "DOWN"
    assert (await mesh_status(MeshHome.at(two.home))).serving
    assert all(identity.alive() for identity in read(MeshHome.at(two.home)).known_processes())


async def test_a_home_in_use_is_refused_with_another_port(make_settings: MakeSettings) -> None:
    settings, other = make_settings(), make_settings()
    record = await start_detached(settings, lambda event: None, plan=SMALL)
    with pytest.raises(HomeInUse, match=rf"with port {settings.port}; .* with {other.port}\.") as caught:
        await start_detached(other, lambda event: None, plan=SMALL)
    assert "AIDATALABS_HOME" in caught.value.hint
    assert read(MeshHome.at(settings.home)).supervisor == record.supervisor


@pytest.mark.mesh
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.4, 0.9])
async def test_a_supervisor_killed_while_it_starts_leaves_nothing(
    make_settings: MakeSettings, seconds: float
) -> None:
    settings = make_settings()
    home = MeshHome.at(settings.home)
    starting = asyncio.create_task(start_detached(settings, lambda event: None, plan=WHOLE))
    while (record := read_record(home)) is None:
        await asyncio.sleep(0.005)
    await asyncio.sleep(seconds)
    record.supervisor.send(signal.SIGKILL)
    with pytest.raises(StartFailed, match="its supervisor ended"):
        await starting
    deadline = time.monotonic() + 8.0
    while left := of_home(home):
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.05)
    await start_detached(settings, lambda event: None, plan=WHOLE)
    assert (await mesh_status(home)).serving


def of_home(home: MeshHome) -> list[str]:
    """Every process that works for this HOME, by its words, its environment or its folder."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            traces = [*one.cmdline(), *one.environ().values(), one.cwd()]
            if one.pid != os.getpid() and any(str(home.path) in trace for trace in traces):
                found.append(f"{one.pid} {one.name()}")
    return found


async def test_down_ends_a_stray_that_no_record_names(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STANDIN_MODES", "second=stubborn")
    settings = make_settings()
    home = MeshHome.at(settings.home)
    record = await start_detached(settings, lambda event: None, plan=SMALL)
    stubborn = record.processes[1].identity
    assert stubborn is not None
    record.processes[1].identity = None
    record.supervisor.send(signal.SIGKILL)
    await record.supervisor.gone(5.0)
    record.write(home)
    bystander = await asyncio.create_subprocess_exec("/bin/sleep", "60", cwd=home.path)
    assert (await stop_mesh(settings, lambda event: None)).stray_count >= 1
    assert not stubborn.alive()
    assert bystander.returncode is None
    bystander.kill()
    await bystander.wait()


async def test_two_ups_at_once_start_one_mesh(make_settings: MakeSettings) -> None:
    settings = make_settings()
    first, second = await asyncio.gather(
        start_detached(settings, lambda event: None, plan=SMALL),
        start_detached(settings, lambda event: None, plan=SMALL),
    )
    assert first.supervisor == second.supervisor

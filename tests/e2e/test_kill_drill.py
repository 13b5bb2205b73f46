"""The kill drill: every process of a mesh under load dies of SIGKILL, and nothing acknowledged is lost.

The short drill kills each process once and runs with all tests; the full one kills each three times
(`make soak`) and writes `benchmarks/kill_drill.json`. A drill without enough events, kills inside the load or
retries proves nothing and fails.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil
import pytest

from aidatalabs_client import Client
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.state import ProcessPhase, ProcessRecord, read_record
from aidatalabs_services.mesh.status import mesh_status
from tests.e2e.conftest import Mesh, free_port
from tests.e2e.drill_load import BATCH, READERS, Load, Seen, running_load

pytestmark = pytest.mark.mesh

PLATFORM = "platforms/drill"
TARGETS = ("edge", "identity", "platform", "data", "agent", "monitoring", "engine", "postgres", "supervisor")
REPORT = Path(__file__).parents[2] / "benchmarks" / "kill_drill.json"
_HEAL_SECONDS = 40.0
_FIRST_EVENTS = 100
_STEADY_SECONDS = 0.5
_PAGE = 5_000

# While these are down nobody is there to answer: the connection itself is refused or reset.
_CUTS_CONNECTIONS = {"edge", "supervisor"}
_AFTER_SECONDS = 3.0


@dataclass(frozen=True)
class Kill:
    """One SIGKILL: when, and how long until callers were served by what replaced the process."""

    name: str
    at: float
    heal_seconds: float


@pytest.fixture
def drilled(tmp_path: Path) -> Iterator[Mesh]:
    """A mesh without the demo, with `platforms/drill`; down at the end."""
    mesh = Mesh(tmp_path / "home", free_port())
    up = mesh.command("up", "--detach", "--no-demo")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        asyncio.run(create_platform(mesh))
        yield mesh
    finally:
        mesh.command("down")


async def create_platform(mesh: Mesh) -> None:
    async with Client(f"127.0.0.1:{mesh.port}", mesh.admin_token) as client:
        await client.create_platform(PLATFORM.partition("/")[2])


@pytest.mark.soak
def test_each_process_killed_once_under_load_loses_and_doubles_nothing(drilled: Mesh) -> None:
    load, kills = asyncio.run(drill(drilled, rounds=1, least_events=1_000))
    judge(drilled, load, kills, least_events=1_000, least_kills=1)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_each_process_killed_three_times_under_load_loses_and_doubles_nothing(drilled: Mesh) -> None:
    load, kills = asyncio.run(drill(drilled, rounds=3, least_events=5_000))
    judge(drilled, load, kills, least_events=5_000, least_kills=3)
    report = {
        "acknowledged_events": len(load.acknowledged),
        "retried_batches": load.retries,
        "failed_attempts": len(load.seen),
        "kills": [asdict(kill) | {"at": round(kill.at - kills[0].at, 1)} for kill in kills],
    }
    REPORT.write_text(json.dumps(report, indent=1) + "\n")


def test_the_drill_notices_a_lost_a_doubled_and_an_unknown_event(monkeypatch: pytest.MonkeyPatch) -> None:
    mesh, load = Mesh(Path(), 0), Load("", "", PLATFORM, acknowledged=dict.fromkeys(range(1, 4), 0.0))
    told = {"lost": [1, 2, 4], "doubled": [1, 2, 2], "well": [3, 2, 1]}
    for case, numbers in told.items():
        stored = [[number] for number in numbers]
        monkeypatch.setitem(
            globals(), "mesh_rows", lambda _, sql, rows=stored: [[3]] if "count" in sql else rows
        )
        if case == "well":
            assert_stored(mesh, load)
            continue
        with pytest.raises(AssertionError, match="rows that nobody was promised, or twice"):
            assert_stored(mesh, load)
    edge, data = Kill("edge", 10.0, 1.0), Kill("data", 100.0, 1.0)
    silent = Seen(100.5, "rest", "", "", None, "ServerDisconnectedError")
    assert may_be_told(replace(silent, at=10.5), [edge, data])
    assert not may_be_told(silent, [edge, data])
    assert not may_be_told(replace(silent, code="UNAVAILABLE", reason="SERVICE_UNAVAILABLE"), [data])
    assert not may_be_told(replace(silent, code="INTERNAL", reason="INTERNAL_ERROR"), [edge])


async def drill(mesh: Mesh, rounds: int, least_events: int) -> tuple[Load, list[Kill]]:
    """Kill every process `rounds` times while the load runs; each is healed before the next kill.

    On a slow machine the load goes on until there are enough events for a judgement.
    """
    load = Load(f"127.0.0.1:{mesh.port}", mesh.admin_token, PLATFORM)
    kills: list[Kill] = []
    async with running_load(load):
        async with asyncio.timeout(_HEAL_SECONDS):
            while len(load.acknowledged) < _FIRST_EVENTS or len(load.reads) < len(READERS):
                await asyncio.sleep(0.02)
        for _ in range(rounds):
            for name in TARGETS:
                kills.append(await kill(mesh, load, name))
                await asyncio.sleep(_STEADY_SECONDS)
        async with asyncio.timeout(_HEAL_SECONDS):
            while len(load.acknowledged) < least_events:
                await asyncio.sleep(0.1)
    return load, kills


async def kill(mesh: Mesh, load: Load, name: str) -> Kill:
    victim = identity_of(mesh, name)
    before = len(load.acknowledged)
    at = time.monotonic()
    os.kill(victim.pid, signal.SIGKILL)
    assert await victim.gone(5.0)
    if name == "supervisor":
        await asyncio.to_thread(start_again, mesh)
    async with asyncio.timeout(_HEAL_SECONDS):
        while not is_replaced(mesh, name, victim):
            await asyncio.sleep(0.02)
        reads = load.reads.copy()
        # Healed is what callers call so: what reads through this process works, and writes are taken again.
        readers = [name] if name in reads else ["data", "platform"]
        while any(load.reads[one] <= reads[one] for one in readers) or len(load.acknowledged) <= before:
            await asyncio.sleep(0.02)
    return Kill(name, at, round(time.monotonic() - at, 2))


def start_again(mesh: Mesh) -> None:
    """What whoever watches the mesh does when its supervisor has died."""
    up = mesh.command("up", "--detach", "--no-demo")
    assert up.returncode == 0, up.stdout + up.stderr


def record_of(mesh: Mesh, name: str) -> ProcessRecord:
    record = read_record(MeshHome.at(mesh.home))
    assert record is not None
    return next(process for process in record.processes if process.name == name)


def identity_of(mesh: Mesh, name: str) -> ProcessIdentity:
    """Which process bears this name now."""
    if name == "supervisor":
        record = read_record(MeshHome.at(mesh.home))
        assert record is not None
        return record.supervisor
    if name == "engine":
        data = record_of(mesh, "data").identity
        assert data is not None
        engines = [one for one in psutil.Process(data.pid).children() if "engine" in " ".join(one.cmdline())]
        assert len(engines) == 1, engines
        found = ProcessIdentity.of(engines[0].pid)
    else:
        found = record_of(mesh, name).identity
    assert found is not None, f"{name} does not run"
    return found


def is_replaced(mesh: Mesh, name: str, victim: ProcessIdentity) -> bool:
    """Whether another process has its place; an engine's place is seen by the rows that come from it."""
    if name in ("engine", "supervisor"):
        return True
    record = record_of(mesh, name)
    return record.phase is ProcessPhase.RUNNING and record.identity != victim


def judge(mesh: Mesh, load: Load, kills: list[Kill], *, least_events: int, least_kills: int) -> None:
    """Fail unless the drill was a real one, callers were told what they may be, and all rows are there."""
    print_table(load, kills)
    counts = Counter(kill.name for kill in kills)
    assert min(counts[name] for name in TARGETS) >= least_kills, counts
    assert len(load.acknowledged) >= least_events, "too few events for a drill"
    assert load.retries >= 1, "no caller had to try again: nothing was proved"
    times = sorted(load.acknowledged.values())
    for one in kills:
        assert times[0] < one.at < times[-1], f"{one.name} was not killed inside the load"
        if one.name in READERS:
            assert any(
                told.caller == one.name and one.at < told.at < one.at + one.heal_seconds for told in load.seen
            ), one
    assert [told for told in load.seen if not may_be_told(told, kills)] == []
    assert_stored(mesh, load)
    status = asyncio.run(mesh_status(MeshHome.at(mesh.home)))
    assert status.serving

    pids = {one.pid for one in status.processes} | {
        child.pid for one in status.processes for child in one.children
    }
    assert mesh.command("down").returncode == 0
    assert [pid for pid in pids if psutil.pid_exists(pid) and is_running(pid)] == []
    assert [one.pid for one in psutil.process_iter() if belongs_to(one, mesh.home)] == []
    start_again(mesh)
    assert_stored(mesh, load)


def may_be_told(told: Seen, kills: list[Kill]) -> bool:
    """UNAVAILABLE with the time to wait; nothing at all while there is no edge to say it."""
    if told.code == "UNAVAILABLE" and told.reason and told.retry_after_seconds is not None:
        return True
    return told.code == "" and any(
        one.name in _CUTS_CONNECTIONS and one.at <= told.at <= one.at + one.heal_seconds + _AFTER_SECONDS
        for one in kills
    )


def assert_stored(mesh: Mesh, load: Load) -> None:
    """Every acknowledged event is stored, once, and no other."""
    expected = Counter(dict.fromkeys(load.acknowledged, 1))
    deadline = time.monotonic() + 20.0
    # A batch may be acknowledged from the journal, a moment before its rows can be read.
    while (count := mesh_rows(mesh, "SELECT count() FROM events")[0][0]) != len(expected):
        assert time.monotonic() < deadline, f"{count} rows for {len(expected)} acknowledged events"
        time.sleep(0.2)
    found: Counter[int] = Counter()
    for block in {number // 1_000_000 for number in expected}:
        last = max(number for number in expected if number // 1_000_000 == block)
        for first in range(block * 1_000_000, last + 1, _PAGE):
            sql = f"SELECT user_id FROM events WHERE user_id >= {first} AND user_id < {first + _PAGE}"
            found.update(row[0] for row in mesh_rows(mesh, sql))
    assert found - expected == Counter(), "rows that nobody was promised, or twice"
    assert expected - found == Counter(), "acknowledged events are missing"


def mesh_rows(mesh: Mesh, sql: str) -> list[list[int]]:
    body = {"platform": PLATFORM, "sql": sql, "max_rows": 10_000}
    reply = mesh.rest("/api/v1/data/query", body, token=mesh.admin_token)
    assert reply.status == 200, reply.body
    assert not reply.body["result"]["truncated"]
    rows: list[list[int]] = reply.body["result"]["rows"]
    return rows


def print_table(load: Load, kills: list[Kill]) -> None:
    """Seconds to heal by process, and what callers were told."""
    lines = [
        f"{len(load.acknowledged)} events acknowledged in {len(load.acknowledged) // BATCH} batches, "
        f"{load.retries} of them after a retry; {len(load.seen)} attempts failed"
    ]
    for name in TARGETS:
        times = "  ".join(f"{one.heal_seconds:5.2f}" for one in kills if one.name == name)
        lines.append(f"  {name:<11} healed in s: {times}")
    told = Counter((one.code or "no answer", one.reason) for one in load.seen)
    lines += [f"  {count:>6} times {code} {reason}" for (code, reason), count in told.most_common()]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def belongs_to(one: psutil.Process, home: Path) -> bool:
    """By its words, its environment or its folder."""
    try:
        traces = [*one.cmdline(), *one.environ().values(), one.cwd()]
    except psutil.Error:
        return False
    return any(str(home) in trace for trace in traces) and one.pid != os.getpid()

"""The engine's life: ready, gone with its parent, nothing lost by kill -9, one engine a directory."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from aidatalabs_services.data.engine.limits import EngineLimits
from aidatalabs_services.data.engine.process import EngineDirectoryInUse, EngineNotStarted, EngineProcess
from tests.adapters.engine.running import Loop, sync_client

NewEngine = Callable[[Path], EngineProcess]


def _gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


def test_ready_engine_tells_its_layers_and_listens_on_loopback_only(engine: EngineProcess) -> None:
    early = {"rlimits", "network", "capabilities", "seccomp", "landlock_libraries"}
    assert set(engine.layers) == early | {"landlock_directory"}
    assert all(state.startswith(("on: ", "off: ")) for state in engine.layers.values())
    assert engine.layers["rlimits"].startswith("on")
    listening = [c.laddr for c in psutil.Process(engine.pid).net_connections("inet") if c.status == "LISTEN"]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", engine.port)]
    assert len(engine.password) >= 32
    assert engine.password not in repr(engine.address)


def test_directory_is_private_and_may_have_any_name(
    tmp_path: Path, new_engine: NewEngine, loop_thread: Loop
) -> None:
    directory = tmp_path / "fresh & ? % ü 'x'"
    process = new_engine(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert sync_client(process.address).command("SELECT 7") == 7
    loop_thread.run(process.stop())


def test_second_engine_on_one_directory_is_refused(engine: EngineProcess, new_engine: NewEngine) -> None:
    with pytest.raises(EngineDirectoryInUse, match="stop it first"):
        new_engine(engine.directory)
    assert sync_client(engine.address).command("SELECT 7") == 7


def test_engine_that_cannot_start_says_so(
    new_engine: Callable[[Path], EngineProcess], tmp_path: Path
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "store").write_text("not a directory", encoding="utf-8")
    with pytest.raises(EngineNotStarted, match="log"):
        new_engine(tmp_path / "broken")


def test_unknown_limits_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown engine limits: nonsense"):
        EngineLimits.from_json({"nonsense": 1})


def test_engine_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys\nfrom pathlib import Path\n"
        "from aidatalabs_services.data.engine.process import EngineProcess\n"
        "async def main():\n"
        "    engine = await EngineProcess.start(Path(sys.argv[1]))\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "orphan")], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert psutil.pid_exists(pid)
        parent.send_signal(signal.SIGKILL)
    assert _gone(pid)


def test_killed_engine_keeps_every_acknowledged_row(
    new_engine: Callable[[Path], EngineProcess], tmp_path: Path, loop_thread: Loop
) -> None:
    process = new_engine(tmp_path / "durable")
    sync_client(process.address).command("CREATE TABLE kept (a UInt64) ENGINE=MergeTree ORDER BY a")
    acknowledged: list[int] = []

    def insert(start: int) -> None:
        try:
            client = sync_client(process.address)
            for batch in range(start, start + 10_000):
                client.insert(
                    "kept", [[batch]] * 10, ["a"], settings={"insert_deduplication_token": f"t{batch}"}
                )
                acknowledged.append(batch)
        except ClickHouseError:
            pass

    threads = [threading.Thread(target=insert, args=(start * 100_000,)) for start in range(3)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 15
    while len(acknowledged) < 150 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    for thread in threads:
        thread.join(20)
    loop_thread.run(process.stop())
    again = new_engine(tmp_path / "durable")
    found = sync_client(again.address).query("SELECT a, count() FROM kept GROUP BY a").result_rows
    loop_thread.run(again.stop())
    stored = {row[0]: row[1] for row in found}
    assert len(acknowledged) >= 150
    assert [batch for batch in acknowledged if stored.get(batch) != 10] == []
    assert len(stored) <= len(acknowledged) + 3


def test_stopped_engine_ends_its_queries_and_itself(
    new_engine: Callable[[Path], EngineProcess], tmp_path: Path, loop_thread: Loop
) -> None:
    process = new_engine(tmp_path / "stopping")
    failed: list[str] = []

    def run() -> None:
        try:
            sync_client(process.address).query("SELECT count() FROM numbers(100000000000)")
        except ClickHouseError as error:
            failed.append(type(error).__name__)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.4)
    assert loop_thread.run(process.running_queries()) == 1
    started = time.monotonic()
    loop_thread.run(process.stop())
    thread.join(5)
    assert time.monotonic() - started < 6
    assert failed
    assert process.exited.is_set()
    assert _gone(process.pid)
    assert os.path.exists(tmp_path / "stopping" / "store")

"""What happens when parts die: nothing acknowledged is lost or doubled, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.conftest import COMMAND, Mesh, free_port

pytestmark = pytest.mark.mesh
ROWS = 150_000


def process(mesh: Mesh, name: str) -> dict[str, Any]:
    found = json.loads(mesh.command("status", "--json").stdout)["processes"]
    return next(one for one in found if one["name"] == name)


def test_killing_the_data_service_during_an_ingest_loses_and_doubles_nothing(
    mesh: Mesh, tmp_path: Path
) -> None:
    path = tmp_path / "steady.csv"
    path.write_text("id,note\n" + "".join(f"{n},note {n % 97}\n" for n in range(ROWS)))
    pid = process(mesh, "data")["pid"]
    ingest = subprocess.Popen(
        [COMMAND, "ingest", str(path), "--create"],
        env=mesh.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_rows(mesh, "steady")
    assert ingest.poll() is None, "the file was in before anything could be killed"
    os.kill(pid, signal.SIGKILL)
    printed, told = ingest.communicate(timeout=60)
    assert (ingest.returncode, told) == (0, ""), told
    assert "rows stored in steady" in printed
    deadline = time.monotonic() + 10
    sql = "SELECT count(), uniqExact(id), sum(id), min(id), max(id) FROM steady"
    expected = [ROWS, ROWS, sum(range(ROWS)), 0, ROWS - 1]
    while (rows := mesh.rows(sql)) != [expected]:
        assert time.monotonic() < deadline, rows
    again = process(mesh, "data")
    assert (again["health"], again["restart_count"]) == ("SERVING", 1)
    assert again["pid"] != pid
    assert (again["message"], again["last_end"]) == ("", "was ended by SIGKILL by itself")
    assert again["last_end_time"]
    engines = [child for child in again["children"] if child["name"].startswith("engine ")]
    assert [engine["health"] for engine in engines] == ["SERVING"]
    line = next(line for line in mesh.printed("status").splitlines() if line.startswith("data "))
    assert "was ended by SIGKILL by itself" in line


def wait_for_rows(mesh: Mesh, table: str) -> None:
    """Until some rows of the table are stored."""
    deadline = time.monotonic() + 20
    body = {"platform": "platforms/demo", "sql": f"SELECT count() FROM {table}"}
    while True:
        reply = mesh.rest("/api/v1/data/query", body, token=mesh.admin_token)
        if reply.status == 200 and reply.body["result"]["rows"] != [[0]]:
            return
        assert time.monotonic() < deadline, reply.body
        time.sleep(0.02)


def test_a_call_under_way_is_answered_while_the_mesh_stops(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "home", free_port())
    up = mesh.command("up", "--detach", "--no-demo")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        path = tmp_path / "drain.csv"
        path.write_text("id\n" + "".join(f"{number}\n" for number in range(1_500)))
        create = mesh.rest(
            "/api/v1/platforms?platform_id=drain", {"display_name": "Drain"}, token=mesh.admin_token
        )
        assert create.status == 200, create.body
        mesh.printed("ingest", str(path), "--create", "--platform", "platforms/drain")
        slow = (
            "SELECT sum(a.id * b.id % (c.id + 1)) FROM drain AS a CROSS JOIN drain AS b CROSS JOIN drain AS c"
            " WHERE c.id < 50"
        )
        with ThreadPoolExecutor(1) as pool:
            body = {"platform": "platforms/drain", "sql": slow}
            asked = pool.submit(mesh.rest, "/api/v1/data/query", body, token=mesh.admin_token)
            time.sleep(0.4)
            assert not asked.done(), "the query was over before anything was stopped"
            down = mesh.command("down")
            answered = asked.result()
        assert answered.status == 200, answered.body
        assert down.returncode == 0, down.stderr
        with pytest.raises(urllib.error.URLError):
            mesh.rest("/healthz")
    finally:
        mesh.command("down")


def test_down_leaves_no_process_and_a_second_down_is_success(tmp_path: Path) -> None:
    mesh = Mesh(tmp_path / "home", free_port())
    up = mesh.command("up", "--detach", "--no-demo")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        assert "\x1b" not in up.stdout
        assert f"The mesh is up at http://127.0.0.1:{mesh.port}" in up.stdout
        found = json.loads(mesh.printed("status", "--json"))["processes"]
        pids = {one["pid"] for one in found} | {child["pid"] for one in found for child in one["children"]}
        assert len(pids) > 8
    finally:
        down = mesh.command("down")
    assert down.returncode == 0, down.stderr
    assert [pid for pid in pids if runs(pid)] == []
    ours = [one.pid for one in psutil.process_iter() if str(mesh.home) in " ".join(words_of(one))]
    assert ours == []
    assert mesh.command("down").returncode == 0
    status = mesh.command("status", "--json")
    assert (status.returncode, json.loads(status.stdout)["phase"]) == (1, "DOWN")


def runs(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected by its parent does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def words_of(one: psutil.Process) -> list[str]:
    try:
        return list(one.cmdline())
    except psutil.Error:
        return []

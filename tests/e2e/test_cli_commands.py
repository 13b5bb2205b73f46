"""Forms, pictures, doctor and eval of the `aidatalabs` command against the mesh."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from typer.testing import CliRunner, Result

from aidatalabs_services.cli.app import app
from tests.e2e.conftest import Mesh

pytestmark = pytest.mark.mesh


class Program:
    """The command in this process, which is quicker than one of its own each time."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env

    def run(self, *words: str, typed: str = "") -> Result:
        return CliRunner().invoke(app, words, env=self._env, input=typed)

    def printed(self, *words: str, typed: str = "") -> str:
        done = self.run(*words, typed=typed)
        assert (done.exit_code, done.exception) == (0, None), done.stderr
        return done.stdout


@pytest.fixture
def program(mesh: Mesh) -> Program:
    return Program(mesh.env)


def test_rows_come_as_csv_and_the_picture_beside_them(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "origins.png"
    done = program.run("ask", "number of flights by origin", "--output", "csv", "--chart", str(path))
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert (lines[0], lines[1]) == ("origin,airport_name,number_of_flights", "EWR,Newark Liberty Intl,120835")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert str(path) in done.stderr


def test_an_answer_without_a_chart_saves_none_and_says_so(program: Program, tmp_path: Path) -> None:
    done = program.run("query", "SELECT 1 AS a, 2 AS b, 3 AS c", "--chart", str(tmp_path / "none.svg"))
    assert done.exit_code == 9
    assert "There is no chart to save" in done.stderr
    assert not list(tmp_path.iterdir())


def test_explain_shows_how_it_was_read_and_the_proof(program: Program) -> None:
    printed = program.printed("ask", "how many flights were there?", "--explain")
    assert "• Reads flights (336,776 rows)." in printed
    assert "result_sha256" in printed


def test_a_question_back_is_printed_with_the_command_that_asks_each_reading(program: Program) -> None:
    table, told, rows = (
        program.run("ask", "best carrier", "--output", form) for form in ("table", "json", "csv")
    )
    commands = [line for line in table.stdout.splitlines() if "ask: aidatalabs ask " in line]
    choices = json.loads(told.stdout)["clarification"]["choices"]
    assert len(choices) == len(commands) > 0
    # Nobody was answered, in whatever form that is told.
    assert [done.exit_code for done in (table, told, rows)] == [9, 9, 9]


def test_a_query_is_read_from_a_file_or_the_standard_input(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "count.sql"
    path.write_text("-- all of them\nSELECT count() AS n FROM airlines\n")
    assert program.printed("query", "--file", str(path), "--output", "csv") == "n\n16\n"
    assert program.printed("query", "-f", "-", "--output", "csv", typed="SELECT 7 AS n") == "n\n7\n"
    assert program.run("query").exit_code == 2
    assert program.run("query", "SELECT 1", "--file", str(path)).exit_code == 2


def test_a_platform_stays_where_nobody_can_be_asked(program: Program) -> None:
    program.printed("platforms", "create", "kept")
    done = program.run("platforms", "delete", "kept")
    assert (done.exit_code, "--yes" in done.stderr) == (2, True)
    assert json.loads(program.printed("platforms", "get", "kept", "--output", "json"))["state"] == "ACTIVE"
    deleted = program.printed("platforms", "delete", "kept", "--yes", "--output", "json")
    assert json.loads(deleted) == {"platform": "platforms/kept", "deleted": True}


def test_doctor_finds_the_mesh_its_token_and_its_engine_well(program: Program) -> None:
    found = json.loads(program.printed("doctor", "--output", "json"))["findings"]
    states = {one["check"]: one["state"] for one in found}
    assert {
        name: states[name] for name in ("mesh", "token", "engine", "edge", "port", "state")
    } == dict.fromkeys(("mesh", "token", "engine", "edge", "port", "state"), "ok")


def make_pack(folder: Path) -> Path:
    """Two databases: ferry trips, and events, which every platform has a table for already."""
    for db in ("ferry", "clicks"):
        (folder / "databases" / db).mkdir(parents=True)
    (folder / "pack.json").write_text('{"name": "tiny", "now": "2025-06-30 17:45:00", "timezone": "UTC"}')
    (folder / "cases.json").mkdir()  # whoever reads it fails
    questions = [
        ("f1", "ferry", "how many trips were there in the last 7 days?"),
        ("c1", "clicks", "how many events are there?"),
        ("f2", "ferry", "delete all trips"),
        ("f3", "ferry", "how many dragons were there?"),
        ("c2", "clicks", "number of events by event type"),
    ]
    lines = [json.dumps({"id": key, "db": db, "question": text}) for key, db, text in questions]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    trips = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.uint32()),
            "day": [datetime.date(2025, 6, day) for day in (1, 28, 29)],
            "extra": ['{"wind": 3}', "{}", None],
        }
    )
    put(folder, "ferry", "trips", "id UInt32, day Date COMMENT 'when it left', extra JSON", trips)
    clicks = pa.table(
        {
            "timestamp": pa.array([1_750_000_000_000, 1_750_000_060_000], pa.timestamp("ms")),
            "event_type": ["click", "view"],
            "user_id": pa.array([1, 2], pa.uint64()),
            "properties": ['{"page": "/a"}', "{}"],
            "value": [0.5, 1.0],
        }
    )
    columns = "timestamp DateTime64(3), event_type String, user_id UInt64, properties JSON, value Float64"
    put(folder, "clicks", "events", columns, clicks)
    return folder


def put(folder: Path, db: str, table: str, columns: str, rows: pa.Table) -> None:
    place = folder / "databases" / db
    (place / "schema.sql").write_text(
        f"CREATE DATABASE IF NOT EXISTS {db};\nCREATE TABLE {db}.{table} ({columns}) "
        "ENGINE = MergeTree ORDER BY tuple();\n"
    )
    entry = {"name": table, "file": f"{table}.parquet", "rows": rows.num_rows}
    (place / "db.json").write_text(json.dumps({"db": db, "tables": [entry], "foreign_keys": []}))
    pa.parquet.write_table(rows, place / f"{table}.parquet")


def checked(out: Path) -> list[dict[str, Any]]:
    """The lines of the pack above, whose SQL has to be what the questions ask."""
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["id"] for line in lines] == ["f1", "c1", "f2", "f3", "c2"]
    assert "2025-06-24" in lines[0]["sql"], "the last 7 days of the pack's clock"
    assert lines[1]["sql"] == "SELECT count() AS number_of_events FROM events"
    assert (lines[2]["refused"], lines[2]["reason"]) == (True, "QUESTION_NOT_READ_ONLY")
    assert (lines[3]["refused"], lines[3]["reason"]) == (True, "QUESTION_NOT_ANSWERABLE")
    assert "events_hourly" not in lines[4]["sql"]
    assert all(line["ms"] > 0 for line in lines)
    return lines


def test_eval_asks_a_pack_in_scratch_platforms_and_leaves_none(program: Program, tmp_path: Path) -> None:
    pack, out = make_pack(tmp_path / "pack"), tmp_path / "answers.jsonl"
    told = json.loads(program.printed("eval", str(pack), "--out", str(out), "--output", "json"))
    checked(out)
    assert (told["question_count"], told["answered_count"]) == (5, 3)
    assert told["mesh"].startswith("the mesh at 127.0.0.1:")
    assert "eval-" not in program.printed("platforms", "list")


def test_eval_of_a_broken_pack_writes_nothing_and_leaves_no_platform(
    program: Program, tmp_path: Path
) -> None:
    pack, out = make_pack(tmp_path / "pack"), tmp_path / "answers.jsonl"
    (pack / "databases" / "ferry" / "trips.parquet").write_text("not Parquet")
    done = program.run("eval", str(pack), "--out", str(out))
    assert (done.exit_code, "trips.parquet" in done.stderr) == (1, True)
    assert not out.exists()
    assert "eval-" not in program.printed("platforms", "list")


def test_eval_with_a_model_that_is_not_configured_says_so(program: Program, tmp_path: Path) -> None:
    words = ("eval", str(tmp_path), "--out", str(tmp_path / "a"), "--model", "glm5", "--output", "json")
    done = program.run(*words)
    assert (done.exit_code, json.loads(done.stderr)["error"]["reason"]) == (9, "MODEL_NOT_CONFIGURED")


@pytest.mark.soak
def test_eval_starts_a_mesh_of_its_own_where_none_is_up(mesh: Mesh, tmp_path: Path) -> None:
    pack, out = make_pack(tmp_path / "pack"), tmp_path / "answers.jsonl"
    done = mesh.command("eval", str(pack), "--out", str(out), AIDATALABS_HOME=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert "asked in a mesh of its own" in done.stdout
    checked(out)
    assert not (tmp_path / "none").exists()


def test_metrics_are_those_of_each_process_and_the_edge_serves_none(mesh: Mesh) -> None:
    mesh.rows("SELECT 1")
    told = mesh.json("metrics")
    assert {"data", "agent", "platform", "identity", "monitoring", "edge"} <= set(told)
    assert "grpc_server_" in told["data"]
    assert "process_resident_memory_bytes" in mesh.printed("metrics", "data")
    unknown = mesh.command("metrics", "kitchen")
    assert (unknown.returncode, "data" in unknown.stderr) == (1, True)
    assert mesh.rest("/metrics", token=mesh.admin_token).status == 404

"""The `aidatalabs` command, each time in a process of its own, against the mesh and without one."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pyarrow as pa
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from aidatalabs_services.cli.app import app
from tests.e2e.conftest import COMMAND, Mesh

pytestmark = pytest.mark.mesh
COMMANDS = [
    ["up"],
    ["down"],
    ["status"],
    ["doctor"],
    ["metrics"],
    ["token"],
    ["ask"],
    ["query"],
    ["optimize"],
    ["verify"],
    ["conversations", "list"],
    ["conversations", "show"],
    ["conversations", "delete"],
    ["feedback"],
    ["lessons", "list"],
    ["lessons", "forget"],
    *(["catalogue", name] for name in ("show", "export", "import", "history", "restore")),
    ["ingest"],
    ["export"],
    ["eval"],
    ["login-link"],
    ["keys", "list"],
    ["keys", "rotate"],
    ["users", "list"],
    ["tables", "list"],
    ["tables", "get"],
    ["tables", "create"],
    ["tables", "drop"],
    ["tables", "undrop"],
    ["tables", "update"],
    ["tables", "delete-rows"],
    ["tables", "delete-user"],
    ["tables", "deletions"],
    ["tables", "paths"],
    ["backup", "create"],
    ["backup", "list"],
    ["backup", "verify"],
    ["backup", "drill"],
    ["backup", "drills"],
    ["backup", "delete"],
    ["backup", "copy"],
    ["restore"],
    ["rollups", "list"],
    ["rollups", "create"],
    ["rollups", "drop"],
    ["dead-letters", "list"],
    ["dead-letters", "replay"],
    ["platforms", "list"],
    ["platforms", "get"],
    ["platforms", "create"],
    ["platforms", "update"],
    ["platforms", "delete"],
    ["platforms", "undelete"],
    ["platforms", "members"],
    ["platforms", "share"],
]
JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")


def count(mesh: Mesh, table: str) -> Any:
    return mesh.rows(f"SELECT count() FROM {table}")[0][0]


def test_status_tells_every_process_and_that_all_serve(mesh: Mesh) -> None:
    found = json.loads(mesh.printed("status", "--json"))
    assert (found["phase"], found["url"]) == ("UP", f"http://127.0.0.1:{mesh.port}")
    health = {one["name"]: one["health"] for one in found["processes"] if one["name"] != "mesh"}
    assert set(health) == {"postgres", "identity", "platform", "data", "agent", "monitoring", "edge"}
    assert set(health.values()) == {"SERVING"}
    assert all(one["pid"] and one["rss_bytes"] for one in found["processes"])
    assert "UP" in mesh.printed("status").splitlines()[0]


def test_the_token_is_the_last_word_and_works(mesh: Mesh) -> None:
    printed = mesh.printed("token", "--email", "Ana@Example.com", "--role", "editor", "--ttl", "5m")
    token = printed.split()[-1]
    assert JWT.fullmatch(token)
    user = mesh.rest("/api/v1/users/me", token=token)
    if user.status == 200:
        assert user.body["email"] == "ana@example.com"
    listed = mesh.printed("platforms", "list", AIDATALABS_TOKEN=token)
    assert "platforms/demo" in listed


def test_ask_prints_sentence_sql_rows_and_proof_as_plain_lines(mesh: Mesh) -> None:
    printed = mesh.printed("ask", "top 10 destinations by number of flights")
    assert "\x1b" not in printed
    lines = printed.splitlines()
    assert lines[0].startswith("10 groups: number of flights is highest for Chicago Ohare Intl (ORD)")
    assert lines[2].startswith("SELECT ")
    assert lines[2].endswith("LIMIT 10"), "one line stays one line where no terminal reads it"
    assert re.search(r"ORD +Chicago Ohare Intl +17,283", printed)
    assert re.search(r"read [\d,]+ rows .* by planner · sql [0-9a-f]{12} · result [0-9a-f]{12}$", lines[-1])


def test_ask_as_json_is_what_rest_answers(mesh: Mesh, admin: str) -> None:
    question = "average departure delay by origin"
    printed = mesh.json("ask", question)
    rest = mesh.rest(
        "/api/v1/agents/query", {"platform": "platforms/demo", "question": question}, token=admin
    ).body
    for answer in (printed, rest):
        # The seal is over the time too.
        del answer["proof"]["produced_time"], answer["proof"]["seal"]
    assert {name: printed[name] for name in ("answer", "sql", "explanation", "result", "proof")} == {
        name: rest[name] for name in ("answer", "sql", "explanation", "result", "proof")
    }
    assert isinstance(mesh.json("ask", "How many flights were there?")["result"]["rows"][0][0], int)


def test_query_prints_rows_and_what_it_cost(mesh: Mesh) -> None:
    printed = mesh.printed("query", "SELECT carrier, name FROM airlines ORDER BY carrier", "--max-rows", "2")
    assert "9E       Endeavor Air Inc." in printed
    assert "more rows" in printed
    assert re.search(r"read [\d,]+ rows in [\d.]+ s", printed)


def test_values_cannot_command_the_terminal_or_the_markup(mesh: Mesh) -> None:
    text = "\\x1b[31mred [bold]x[/] \\\\[/y] [/z]"
    printed = mesh.printed("query", f"SELECT '{text}' AS v, 'a\\nb' AS w")
    assert "\\x1b[31mred [bold]x[/] \\[/y] [/z]" in printed
    assert "\x1b" not in printed
    assert "a\\nb" in printed


ROWS: list[dict[str, Any]] = [
    {"id": n, "label": f"row {n}", "amount": n / 4 if n % 3 else None, "at": f"2026-01-02 03:04:{n % 60:02}"}
    for n in range(250)
]


def write(folder: Path, kind: str) -> Path:
    path = folder / f"orders_{kind}.{kind}"
    if kind == "csv":
        lines = [",".join("" if value is None else str(value) for value in row.values()) for row in ROWS]
        path.write_text("\n".join([",".join(ROWS[0]), *lines]) + "\n")
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    else:
        pa.parquet.write_table(pa.Table.from_pylist(ROWS), path)
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_becomes_a_table_and_again_stores_nothing_twice(mesh: Mesh, tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind)
    printed = mesh.printed("ingest", str(path), "--create")
    assert printed.startswith(f"orders_{kind} is a new table of platforms/demo\n")
    assert printed.endswith(f"250 rows stored in orders_{kind} of platforms/demo\n")
    again = mesh.printed("ingest", str(path), "--create")
    assert again == f"0 rows stored in orders_{kind} of platforms/demo, 250 had been stored before\n"
    sql = f"SELECT count(), sum(id), sum(amount), countIf(isNull(amount)), max(label) FROM orders_{kind}"
    amounts = [row["amount"] for row in ROWS if row["amount"] is not None]
    expected = [250, sum(range(250)), sum(amounts), 250 - len(amounts), "row 99"]
    assert mesh.rows(sql) == [expected]
    answer = mesh.answer(f"how many orders {kind} were there?")
    assert answer["result"]["rows"] == [[250]], answer


def test_rows_that_do_not_fit_are_told_by_number_and_the_others_are_stored(
    mesh: Mesh, tmp_path: Path
) -> None:
    mesh.printed("tables", "create", "small", "--column", "n:UInt8", "--column", "t:String")
    path = tmp_path / "small.csv"
    path.write_text("n,t\n1,a\n300,b\n3,c\n")
    done = mesh.command("ingest", str(path))
    assert done.returncode == 1
    assert "2 rows stored in small" in done.stdout
    assert "row 2: " in done.stdout
    assert "VALUE_INVALID" in done.stdout
    assert "1 row was rejected" in done.stderr
    assert count(mesh, "small") == 2


def test_a_file_whose_table_was_dropped_is_stored_again(mesh: Mesh, tmp_path: Path) -> None:
    """What the service remembers of the old table says nothing about the new one of its name."""
    path = tmp_path / "renewed.csv"
    path.write_text("n\n1\n2\n")
    mesh.printed("ingest", str(path), "--create")
    mesh.printed("tables", "drop", "renewed")
    printed = mesh.printed("ingest", str(path), "--create")
    assert (count(mesh, "renewed"), "2 rows stored" in printed) == (2, True)


def test_tables_are_created_listed_shown_and_dropped(mesh: Mesh) -> None:
    made = mesh.printed(
        "tables", "create", "boxes", "--column", "id:UInt64", "--column", "w:Float64", "--order-by", "id"
    )
    assert made == "boxes has 2 columns\n"
    assert "boxes" in [table["name"] for table in mesh.json("tables", "list")["tables"]]
    assert re.search(r"flights +336,776", mesh.printed("tables", "list"))
    shown = mesh.printed("tables", "get", "boxes")
    assert "0 rows · ordered by id" in shown
    assert re.search(r"w +Float64", shown)
    assert mesh.printed("tables", "drop", "boxes") == "boxes is dropped\n"
    assert mesh.command("tables", "get", "boxes").returncode == 5


def test_platforms_are_created_listed_and_shown(mesh: Mesh) -> None:
    assert mesh.printed("platforms", "create", "mill", "--name", "The [mill]") == "platforms/mill is ACTIVE\n"
    assert "platforms/mill" in [one["name"] for one in mesh.json("platforms", "list")["platforms"]]
    assert mesh.printed("platforms", "get", "mill").startswith("platforms/mill The [mill] · ACTIVE · owner ")
    assert mesh.json("platforms", "get", "platforms/mill")["display_name"] == "The [mill]"
    assert mesh.printed("tables", "list", "--platform", "mill").split()[:4] == [
        "table",
        "rows",
        "MB",
        "columns",
    ]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_has_an_example_of_it(words: list[str]) -> None:
    done = CliRunner().invoke(app, [*words, "--help"])
    assert (done.exit_code, done.exception) == (0, None)
    assert f"Example: aidatalabs {' '.join(words)}" in done.stdout


def test_the_list_of_commands_is_complete() -> None:
    printed = subprocess.run([COMMAND, "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^│ ([a-z][a-z-]*) +", printed, re.MULTILINE)) == {words[0] for words in COMMANDS}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["tables", "get", "nope"], 5, "TABLE_NOT_FOUND · request "),
        (["platforms", "get", "nope"], 5, "PLATFORM_NOT_FOUND · request "),
        (["query", "SELECT nope FROM flights"], 3, "COLUMN_NOT_KNOWN · request "),
        (["query", "DROP TABLE flights"], 3, "QUERY_NOT_READ_ONLY · request "),
        (["ask", "what is the weather like on Mars"], 9, "QUESTION_NOT_ANSWERABLE · request "),
        (["platforms", "create", "Not Good"], 3, "INVALID_REQUEST · request "),
        (["tables", "create", "bad", "--column", "n:Nope"], 3, "TYPE_NOT_ALLOWED · request "),
        (["tables", "create", "bad", "--column", "n"], 2, "write name:type"),
        (["token", "--email", "no address"], 1, "This is no e-mail address."),
        (["token", "--email", "a@example.com", "--ttl", "25h"], 1, "at most 24 hours"),
        (["token", "--email", "a@example.com", "--ttl", "soon"], 2, "is no duration"),
        (["token", "--email", "a@example.com", "--role", "king"], 2, "admin, editor or viewer"),
        (["ingest", "missing.csv"], 2, "does not exist"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_failure_is_told_with_its_reason_and_an_exit_code(
    mesh: Mesh, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, told: str
) -> None:
    for name, value in mesh.env.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_failing_process_says_the_same_on_standard_error(mesh: Mesh) -> None:
    done = mesh.command("tables", "get", "nope")
    assert (done.returncode, done.stdout) == (5, "")
    assert re.search(r"^  TABLE_NOT_FOUND · request [0-9a-f-]{36}$", done.stderr, re.MULTILINE)


def test_a_file_that_cannot_be_read_is_told_before_anything_is_made(mesh: Mesh, tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("a,b\n1,2\n3\n")
    done = mesh.command("ingest", str(path), "--create")
    assert (done.returncode, done.stdout) == (1, "")
    assert "ragged.csv: line 3 has 1 field, the header has 2" in done.stderr
    assert mesh.command("tables", "get", "ragged").returncode == 5


def test_settings_that_cannot_be_read_are_named(mesh: Mesh) -> None:
    done = mesh.command("down", AIDATALABS_PORT="eighty")
    assert done.returncode == 2
    assert "AIDATALABS_PORT: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [["ask", "x"], ["token", "--email", "a@example.com"]])
def test_without_a_mesh_every_command_says_how_to_start_one(
    mesh: Mesh, tmp_path: Path, words: list[str]
) -> None:
    done = mesh.command(*words, AIDATALABS_HOME=str(tmp_path / "none"))
    assert (done.returncode, done.stdout) == (14, "")
    assert "No mesh is up in" in done.stderr
    assert "aidatalabs up" in done.stderr


def test_a_database_that_is_gone_is_told_in_own_words_alone(mesh: Mesh, tmp_path: Path) -> None:
    """A record of a mesh whose PostgreSQL cannot be reached: no log line comes between."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "run").mkdir()
    record = json.loads((mesh.home / "run" / "mesh.json").read_text())
    (home / "run" / "mesh.json").write_text(json.dumps(record | {"socket_folder": str(tmp_path / "gone")}))
    (home / "keys").mkdir(mode=0o700)
    for key in (mesh.home / "keys").iterdir():
        (home / "keys" / key.name).write_bytes(key.read_bytes())
        (home / "keys" / key.name).chmod(0o600)
    held = subprocess.Popen(["flock", str(home / "run" / "mesh.lock"), "sleep", "60"], start_new_session=True)
    try:
        time.sleep(0.3)
        done = mesh.command("tables", "list", AIDATALABS_HOME=str(home))
    finally:
        for child in psutil.Process(held.pid).children(recursive=True):
            child.kill()
        held.kill()
        held.wait()
    assert (done.returncode, done.stdout) == (14, "")
    assert done.stderr.startswith("error ")
    assert "warning" not in done.stderr


def test_up_where_a_mesh_is_up_already_is_success(mesh: Mesh) -> None:
    for words in (["up", "--no-demo"], ["up", "--detach", "--no-demo"]):
        done = mesh.command(*words)
        assert done.returncode == 0, done.stderr
        assert "already up" in done.stdout


def test_the_demo_loaded_again_changes_nothing(mesh: Mesh) -> None:
    def tables() -> Any:
        listed = mesh.rest("/api/v1/data/tables?platform=platforms/demo", token=mesh.admin_token).body
        return [table for table in listed["tables"] if table["name"] in demo]

    demo = {"airlines", "airports", "planes", "weather", "flights"}
    before, version = tables(), mesh.answer("How many flights were there?")["proof"]["data_version"]
    assert len(before) == 5
    mesh.load_demo()
    assert tables() == before
    assert mesh.answer("How many flights were there?")["proof"]["data_version"] == version


def test_a_demo_table_that_was_left_half_full_is_made_whole(mesh: Mesh, tmp_path: Path) -> None:
    mesh.printed("tables", "drop", "airlines")
    path = tmp_path / "airlines.csv"
    path.write_text("carrier,name\nUA,United\n")
    mesh.printed("ingest", str(path), "--create")
    mesh.load_demo()
    assert count(mesh, "airlines") == 16


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet", "arrow"])
def test_an_export_is_a_whole_file_that_pandas_reads(mesh: Mesh, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"airlines.{ending}"
    printed = mesh.printed("export", "SELECT carrier, name FROM airlines ORDER BY carrier", str(path))
    assert printed == f"{path.stat().st_size:,} bytes written to {path}\n"
    readers = {
        "csv": pd.read_csv,
        "jsonl": lambda file: pd.read_json(file, lines=True),
        "parquet": pd.read_parquet,
        "arrow": lambda file: pa.ipc.open_stream(file.read_bytes()).read_pandas(),
    }
    assert readers[ending](path).to_numpy().tolist() == mesh.rows(
        "SELECT carrier, name FROM airlines ORDER BY 1"
    )


def test_an_export_that_is_refused_leaves_no_file(mesh: Mesh, tmp_path: Path) -> None:
    done = mesh.command("export", "SELECT nope FROM airlines", str(tmp_path / "a.csv"))
    assert done.returncode == 3
    assert "COLUMN_NOT_KNOWN" in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_platform_is_renamed_shared_and_deleted(mesh: Mesh) -> None:
    mesh.printed("platforms", "create", "brief")
    assert mesh.printed("platforms", "update", "brief", "--name", "Brief one").split() == [
        *("platforms/brief", "is", "called", "Brief", "one")
    ]
    mesh.printed("platforms", "share", "brief", "allUsers", "--role", "viewer")
    members = mesh.json("platforms", "members", "brief")["members"]
    assert {"member": "allUsers", "role": "ROLE_VIEWER"}.items() <= next(
        one.items() for one in members if one["member"] == "allUsers"
    )
    mesh.printed("platforms", "share", "brief", "allUsers", "--role", "none")
    assert len(mesh.json("platforms", "members", "brief")["members"]) == 1
    assert mesh.printed("platforms", "delete", "brief", "--yes") == "platforms/brief is deleted\n"
    assert "PLATFORM_NOT_FOUND" in mesh.command("platforms", "get", "brief").stderr

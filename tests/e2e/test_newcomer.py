"""What a newcomer meets in the first hour: sharing, files that are mended and grow, mistakes in words."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from aidatalabs_client import SyncClient
from tests.e2e.conftest import Mesh
from tests.e2e.test_cli_commands import Program

pytestmark = pytest.mark.mesh
PLATFORM = "newcomer"


@pytest.fixture(scope="module")
def program(mesh: Mesh) -> Iterator[Program]:
    made = Program(mesh.env | {"AIDATALABS_PLATFORM": PLATFORM})
    made.printed("platforms", "create", PLATFORM)
    yield made
    made.printed("platforms", "delete", PLATFORM, "--yes")


def rows_of(program: Program, table: str) -> int:
    return int(program.printed("query", f"SELECT count() AS n FROM {table}", "--output", "csv").split()[1])


def test_a_platform_is_shared_by_e_mail_and_its_members_are_told_by_it(program: Program, mesh: Mesh) -> None:
    token = program.printed("token", "--email", "ben@example.com").split()[-1]
    told = program.printed("platforms", "share", PLATFORM, "Ben@example.com", "--role", "viewer")
    assert "(ben@example.com) has the role viewer" in told
    listed = program.printed("platforms", "members", PLATFORM, "--output", "csv").splitlines()
    assert listed[0] == "member,role,email"
    assert [line.split(",")[1:] for line in listed[1:]] == [
        ["admin", "admin@example.com"],
        ["viewer", "ben@example.com"],
    ]
    with SyncClient(f"127.0.0.1:{mesh.port}", token) as ben:
        assert ben.get_platform(f"platforms/{PLATFORM}").name == f"platforms/{PLATFORM}"
    users = json.loads(program.printed("users", "list", "--output", "json"))["users"]
    assert listed[2].split(",")[0] in {user["name"] for user in users if user["email"] == "ben@example.com"}
    nobody = program.run("platforms", "share", PLATFORM, "nobody@example.com", "--role", "viewer")
    assert (nobody.exit_code, "aidatalabs users list" in nobody.stderr) == (5, True)
    program.printed("platforms", "share", PLATFORM, "ben@example.com", "--role", "none")
    assert "ben@" not in program.printed("platforms", "members", PLATFORM)


def test_a_role_on_the_mesh_is_given_by_another_command_than_one_on_a_platform(
    program: Program, mesh: Mesh
) -> None:
    token = program.printed("token", "--email", "vera@example.com", "--role", "viewer").split()[-1]
    vera = Program(mesh.env | {"AIDATALABS_TOKEN": token})
    done = vera.run("platforms", "create", "veras")
    assert (done.exit_code, "token --email YOUR-EMAIL --role editor" in done.stderr) == (7, True)
    done = vera.run("tables", "create", "x", "--column", "a:Int64")
    assert (done.exit_code, "aidatalabs platforms share" in done.stderr) == (7, True)


def test_rejected_rows_are_mended_alone_and_the_mended_file_is_not_stored_twice(
    program: Program, tmp_path: Path
) -> None:
    program.printed("tables", "create", "orders", "--column", "id:Int64", "--column", "amount:Float64")
    path, rejected = tmp_path / "orders.csv", tmp_path / "rejected.csv"
    for place in (0, 1):  # whichever of the two rows it is
        wrong = ["1,2.5", "2,3.5"]
        wrong[place] = wrong[place].replace(".", "one")
        path.write_text("\n".join(["id,amount", *wrong]) + "\n")
        name = ("--table", f"orders_{place}")
        program.printed("tables", "create", name[1], "--column", "id:Int64", "--column", "amount:Float64")
        done = program.run("ingest", str(path), *name, "--rejected", str(rejected))
        assert (done.exit_code, rows_of(program, name[1])) == (1, 1)
        assert f"it is '{place + 2}one5'" in done.stdout
        assert "1 row was rejected." in done.stderr
        reasons = (tmp_path / "rejected.reasons.csv").read_text().splitlines()
        assert reasons[1].startswith(f"1,{place + 1},VALUE_INVALID,")
        path.write_text("id,amount\n1,2.5\n2,3.5\n")
        done = program.run("ingest", str(path), *name)  # mended in its place
        assert (done.exit_code, "--again" in done.stderr, rows_of(program, name[1])) == (6, True, 1)
        rejected.write_text(rejected.read_text().replace("one", "."))
        program.printed("ingest", str(rejected), *name)
        assert rows_of(program, name[1]) == 2
        program.printed("ingest", str(path), *name, "--again")
        assert rows_of(program, name[1]) == 4


def test_a_file_that_grew_is_stored_once_and_its_types_are_told(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "sales.csv"
    path.write_text("id;day;amount\n1;03.02.2026;12,50\n2;04.02.2026;3,00\n")
    printed = program.printed("ingest", str(path), "--create")
    assert "looks like dates; write them as 2026-02-03" in printed
    assert "looks like numbers with a decimal comma" in printed
    with path.open("a") as file:
        file.write("3;05.02.2026;7,00\n4;05.02.2026;8,00\n")
    assert "2 rows stored in sales" in program.printed("ingest", str(path), "--create")
    assert rows_of(program, "sales") == 4
    program.printed("tables", "drop", "sales", "--yes")
    assert "4 rows stored" in program.printed("ingest", str(path), "--create")  # a new table has nothing


def test_another_home_is_told_whose_mesh_has_the_port(program: Program, mesh: Mesh, tmp_path: Path) -> None:
    home = mesh.env["AIDATALABS_HOME"]
    other = Program(mesh.env | {"AIDATALABS_HOME": str(tmp_path / "none")})
    done = other.run("tables", "list")
    assert (done.exit_code, f"has its HOME in {home}" in done.stderr) == (14, True)
    done = other.run("up", "--detach", "--no-demo")
    assert (done.exit_code, f"AIDATALABS_HOME={home} aidatalabs down" in done.stderr) == (1, True)


def test_the_front_page_is_no_error(mesh: Mesh) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{mesh.port}/", timeout=10) as answer:
        page = answer.read().decode()
    assert (answer.status, answer.headers.get_content_type()) == (200, "text/html")
    assert "aidatalabs login-link" in page


def test_nobody_at_an_address_is_said_with_the_address(mesh: Mesh) -> None:
    lost = Program(mesh.env | {"AIDATALABS_ADDRESS": "127.0.0.1:1", "AIDATALABS_TOKEN": "t"})
    done = lost.run("tables", "list", "--output", "json")
    refused = json.loads(done.stderr)["error"]
    assert (done.exit_code, refused["code"]) == (14, "UNAVAILABLE")
    assert refused["message"] == "Nobody answers at 127.0.0.1:1, or the connection broke."


def test_what_cannot_go_well_is_said_before_anything_is_stored(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_text("id,name\n1,a\n")
    done = program.run("ingest", str(path), "--platform", PLATFORM)
    assert (done.exit_code, "Add --create" in done.stderr) == (5, True)
    program.printed("ingest", str(path), "--create")
    path.write_text("id,title\n1,a\n")
    done = program.run("ingest", str(path), "--output", "json")
    refused = json.loads(done.stderr)["error"]
    assert (refused["code"], refused["reason"]) == ("INVALID_ARGUMENT", "COLUMN_NOT_KNOWN")
    assert "it has id, name" in refused["message"]
    done = program.run("ingest", str(path), "--rejected", str(tmp_path / "none" / "r.csv"))
    assert (done.exit_code, "There is no folder" in done.stderr) == (2, True)
    done = program.run("tables", "get", "itms")
    assert (done.exit_code, "Did you mean items?" in done.stderr) == (5, True)
    done = program.run("query", "SELECT sum(name) FROM items")
    assert "the function sum does not take the type String" in done.stderr

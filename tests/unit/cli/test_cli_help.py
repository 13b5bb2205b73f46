"""The whole tree of commands: an example in each help, forms and exit codes, and a quick start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import typer
from typer.testing import CliRunner

from aidatalabs_services.cli.app import app
from aidatalabs_services.cli.failures import EXIT_CODES

TREE: Any = typer.main.get_command(app)


def walk(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from walk(child, (*words, name))


COMMANDS = list(walk(TREE))
LEAVES = [(words, command) for words, command in COMMANDS if not hasattr(command, "commands")]
WRITES_YAML = ("catalogue", "export")
"""Its output is a file for people to edit; `catalogue show` has the same as a table or JSON."""
ANSWERING = [(words, command) for words, command in LEAVES if words != WRITES_YAML]


def label(value: object) -> str:
    return " ".join(value) if isinstance(value, tuple) else ""


def plain_help(words: tuple[str, ...]) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert (done.exit_code, done.exception) == (0, None)
    return done.stdout


def test_the_commands_of_the_contract_are_there() -> None:
    wanted = {"up", "down", "status", "doctor", "metrics", "token", "ask", "query", "ingest", "export",
              "tables", "platforms", "eval", "keys", "users", "login-link",
              "backup", "restore", "dead-letters", "rollups", "verify", "conversations",
              "feedback", "lessons", "optimize", "catalogue"}  # fmt: skip
    assert set(TREE.commands) == wanted


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=label)
def test_every_help_has_an_example_of_its_command(words: tuple[str, ...], command: Any) -> None:
    example = next(line for line in plain_help(words).splitlines() if "Example: " in line)
    assert example.partition("Example: ")[2].startswith(" ".join(("aidatalabs", *words)))


@pytest.mark.parametrize(("words", "command"), ANSWERING, ids=label)
def test_every_command_answers_as_a_table_or_as_json(words: tuple[str, ...], command: Any) -> None:
    told = next(one.help for one in command.params if one.name == "output")
    assert told in ("table or json.", "table, json or csv.")
    refused = CliRunner().invoke(app, [*words, "--output", "xml"])
    assert refused.exit_code == 2


@pytest.mark.parametrize(("words", "command"), COMMANDS, ids=label)
def test_every_option_says_what_it_is_for(words: tuple[str, ...], command: Any) -> None:
    silent = [one.name for one in command.params if one.param_type_name == "option" and not one.help]
    assert silent == []


def test_the_exit_codes_are_the_numbers_of_grpc_and_stand_in_the_help() -> None:
    numbers = {code.value[0]: code.name for code in grpc.StatusCode}
    for code, meaning in EXIT_CODES.items():
        if 3 <= code <= 16:
            assert meaning.split(",")[0] == numbers[code]
    told = " ".join(plain_help(()).split())
    assert all(f"{code} {meaning}" in told for code, meaning in EXIT_CODES.items())


def test_help_and_completion_wait_for_nothing_slow() -> None:
    """Measured by what is imported: seconds differ from machine to machine."""
    program = (
        "import sys; import aidatalabs_services.cli.app as a; a.typer.main.get_command(a.app);"
        "slow = ('grpc', 'google.protobuf', 'pydantic', 'aiohttp', 'asyncpg', 'pyarrow', 'sqlglot',"
        " 'structlog', 'vl_convert', 'psutil', 'pygments', 'chdb');"
        "print([name for name in slow if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_offered_for_each_shell(shell: str) -> None:
    done = CliRunner().invoke(
        app, [], prog_name="aidatalabs", env={"_AIDATALABS_COMPLETE": f"source_{shell}"}
    )
    assert done.exit_code == 0
    assert "_AIDATALABS_COMPLETE=complete_" in done.stdout


def completed(line: str, **env: str) -> list[str]:
    program = "from aidatalabs_services.cli.app import main; import sys; sys.argv[0] = 'aidatalabs'; main()"
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1),
             "_AIDATALABS_COMPLETE": "complete_bash"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | asked | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_completion_knows_commands_and_stays_silent_where_no_mesh_answers(tmp_path: Any) -> None:
    assert completed("aidatalabs do") == ["down", "doctor"]
    assert completed("aidatalabs tables get o", AIDATALABS_HOME=str(tmp_path)) == []

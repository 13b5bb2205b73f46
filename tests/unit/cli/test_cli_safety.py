"""What commands may not do: obey text from outside, spoil a file, hang at a question, send a key abroad."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from aidatalabs_client import ApiError, FileUnreadable
from aidatalabs_services.cli import screen
from aidatalabs_services.cli.connection import access
from aidatalabs_services.cli.failures import CommandFailed, run
from aidatalabs_services.cli.forms import Output
from aidatalabs_services.cli.options import Form
from aidatalabs_services.cli.terminal_charts import draw
from aidatalabs_services.cli.whole_files import whole_file

EVIL = "\x1b]0;title\x07 \x9b31m red"
"""Sets a terminal's title, and its colour in the form of one character above 0x7f."""
NAMED = r"\x1b]0;title\x07 \x9b31m red"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What commands print at a terminal without colours."""
    page = io.StringIO()
    plain = Console(file=page, force_terminal=True, color_system=None, width=120, highlight=False)
    monkeypatch.setattr(screen, "console", plain)
    return page


@pytest.mark.parametrize(
    "failure",
    [
        FileUnreadable(f"a.csv: Expected 2 columns, got 3: {EVIL}"),
        CommandFailed(f"told: {EVIL}", f"hint: {EVIL}\n  second line"),
        ApiError("NOT_FOUND", 5, f"told: {EVIL}", "TABLE_NOT_KNOWN", "r-1", {"table": EVIL}, [("f", EVIL)]),
    ],
    ids=lambda failure: type(failure).__name__,
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_what_an_error_quotes_is_no_command_to_the_terminal(failure: Exception, form: str) -> None:
    app = typer.Typer()

    @app.command()
    def fail(output: Form = Output.TABLE) -> None:
        async def work() -> None:
            raise failure

        run(work())

    told = CliRunner().invoke(app, ["--output", form]).stderr
    assert not {"\x1b", "\x9b", "\x07"} & set(told)
    if form == "json":
        assert EVIL in json.loads(told)["error"]["message"]
    else:
        assert NAMED in told
        assert "\\n" not in told, "its own line ends stay"


@pytest.mark.parametrize("coloured", [False, True])
def test_values_in_sql_are_no_commands_to_the_terminal(
    terminal: io.StringIO, monkeypatch: pytest.MonkeyPatch, coloured: bool
) -> None:
    monkeypatch.setattr(screen, "has_colour", lambda: coloured)
    screen.print_sql(f"SELECT '{EVIL}'\r\nFROM t\tWHERE 1")
    shown = terminal.getvalue()
    assert NAMED in shown
    assert not {"\x1b", "\x9b", "\x07", "\r"} & set(shown)
    assert [line.split()[0] for line in shown.splitlines()] == ["SELECT", "FROM"]


def test_the_title_of_a_chart_is_no_command_to_the_terminal() -> None:
    spec = {
        "title": EVIL,
        "mark": "bar",
        "data": {"values": [{"k": "a", "v": 1}, {"k": "b", "v": 2}]},
        "encoding": {"y": {"field": "k", "type": "nominal"}, "x": {"field": "v", "type": "quantitative"}},
    }
    assert draw(spec, 80)[0].plain == NAMED


def test_json_holds_every_value_and_no_command_to_the_terminal(terminal: io.StringIO) -> None:
    data = {"rows": [[EVIL, "Łódź\n", 1.5, None]], "no": []}
    screen.print_data(data)
    assert json.loads(terminal.getvalue()) == data
    assert not {"\x1b", "\x9b", "\x07"} & set(terminal.getvalue())
    assert "Łódź" in terminal.getvalue()


def ran(script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    words = [sys.executable, "-c", script]
    return subprocess.run(words, capture_output=True, env=os.environ | env, timeout=30, check=False)


def test_a_program_reads_utf_8_whatever_the_locale() -> None:
    done = ran(
        "from aidatalabs_services.cli.screen import *; never_fail_on_a_sign()\n"
        "print_csv(['x'], [['Łódź']]); print_data({'x': 'Łódź'})",
        PYTHONIOENCODING="latin-1",
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == 'x\nŁódź\n{\n  "x": "Łódź"\n}\n'


def test_rows_that_nobody_reads_to_their_end_are_no_error_to_tell() -> None:
    script = (
        "from aidatalabs_services.cli.failures import run\n"
        "from aidatalabs_services.cli.screen import print_csv\n"
        "async def work(): print_csv(['n'], [[str(n)] for n in range(200_000)])\n"
        "run(work())"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    assert process.stdout.readline() == b"n\n"
    process.stdout.close()
    assert (process.stderr.read(), process.wait(30)) == (b"", 1)
    process.stderr.close()


ASKING = """
import typer
from aidatalabs_services.cli.confirming import confirm
from aidatalabs_services.cli.failures import run

app = typer.Typer()

@app.command()
def drop() -> None:
    async def work() -> None:
        confirm("Drop it?")
        print("dropped")
    run(work())

app()
"""


@pytest.mark.parametrize(("typed", "code"), [(b"\x03", 130), (b"n\n", 1), (b"y\n", 0)])
def test_a_question_before_something_is_deleted_ends_with_ctrl_c_at_once(typed: bytes, code: int) -> None:
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-c", ASKING],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        preexec_fn=take_terminal,
    )
    os.close(theirs)
    screen_text, until, waiting = b"", time.monotonic() + 10, True
    try:
        while time.monotonic() < until and process.poll() is None:
            if not select.select([ours], [], [], 0.1)[0]:
                continue
            try:
                screen_text += os.read(ours, 4096)
            except OSError:  # how a terminal tells that the other end is closed
                break
            if waiting and b"[y/N]: " in screen_text:
                time.sleep(0.5)  # nobody types while the question is still being written
                os.write(ours, typed)
                waiting = False
        assert process.wait(3) == code
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_a_file_is_written_beside_what_is_there_and_keeps_its_permissions(tmp_path: Path) -> None:
    secret, planted = tmp_path / "secret.csv", tmp_path / "victim"
    secret.write_text("old")
    secret.chmod(0o600)
    (tmp_path / ".secret.csv.part").symlink_to(planted)
    with whole_file(secret) as target:
        target.write(b"new")
        assert secret.read_text() == "old"
        assert all(one.stat().st_mode & 0o077 == 0 for one in tmp_path.glob(".secret.csv.*.part"))
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("new", 0o600)
    assert not planted.exists(), "a link that somebody planted is not followed"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_new_file_has_the_permissions_of_new_files_and_a_link_leads_to_its_file(tmp_path: Path) -> None:
    made, link = tmp_path / "made.csv", tmp_path / "link.csv"
    link.symlink_to(made)
    known = os.umask(0o027)
    try:
        with whole_file(link) as target:
            target.write(b"rows")
    finally:
        os.umask(known)
    assert link.is_symlink()
    assert (made.read_bytes(), made.stat().st_mode & 0o777) == (b"rows", 0o640)


def test_a_file_that_was_not_written_to_its_end_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("old")

    def interrupted() -> None:
        with whole_file(path) as target:
            target.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path.read_text(), len(list(tmp_path.iterdir()))) == ("old", 1)


def test_a_folder_that_is_not_there_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    with (
        pytest.raises(CommandFailed, match="is no folder to write to"),
        whole_file(tmp_path / "no" / "a.csv"),
    ):
        pytest.fail("there is nowhere to write")


@pytest.mark.parametrize("address", ["mesh.example.com:443", "https://mesh.example.com"])
def test_this_machines_own_token_is_not_sent_to_another_one(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AIDATALABS_ADDRESS", address)
    monkeypatch.delenv("AIDATALABS_TOKEN", raising=False)
    with pytest.raises(CommandFailed) as refused:
        asyncio.run(access())
    assert (refused.value.exit_code, refused.value.reason) == (16, "TOKEN_MISSING")
    monkeypatch.setenv("AIDATALABS_TOKEN", "one-of-that-mesh")
    assert asyncio.run(access()).token == "one-of-that-mesh"

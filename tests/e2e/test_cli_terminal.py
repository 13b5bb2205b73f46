"""The `aidatalabs` command as a person at a terminal has it: colours, steps, choices, and no sudden loss."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time

import pytest

from tests.e2e.conftest import COMMAND, Mesh

pytestmark = pytest.mark.mesh
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MOST_SECONDS = 60.0


def at_a_terminal(mesh: Mesh, *words: str, typed: str = "", after: str = "", **env: str) -> tuple[int, str]:
    """Exit code and everything shown; `typed` is typed once `after` has appeared."""
    ours, theirs = pty.openpty()
    env = mesh.env | {"TERM": "xterm-256color", "COLUMNS": "70", "LINES": "40"} | env
    process = subprocess.Popen(
        [COMMAND, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    )
    os.close(theirs)
    screen, waiting, until = b"", bool(typed), time.monotonic() + _MOST_SECONDS
    try:
        while time.monotonic() < until:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                piece = os.read(ours, 65536)
            except OSError:  # how a terminal tells that the other end is closed
                break
            if not piece:
                break
            screen += piece
            if waiting and after.encode() in screen:
                os.write(ours, typed.encode())
                waiting = False
        return process.wait(5), screen.decode()
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait()


def plain(screen: str) -> str:
    return _ESCAPE.sub("", screen).replace("\r", "")


def test_an_answer_comes_with_its_steps_in_colour_and_never_wider_than_the_terminal(mesh: Mesh) -> None:
    # Asked by no other test: rows that were read before would come at once, without this step.
    code, screen = at_a_terminal(mesh, "ask", "number of flights by origin with distance above 301")
    shown = plain(screen)
    assert code == 0
    assert "the answer is coming" in shown, "the steps are told while it is answered"
    assert re.search(r"\x1b\[[0-9;]+mSELECT", screen), "SQL is coloured"
    answer = shown[shown.index("3 groups") :].splitlines()
    bars = [line for line in answer if "█" in line]
    assert len(bars) == 3
    assert max(map(len, answer)) <= 70


def test_no_color_leaves_the_sql_plain(mesh: Mesh) -> None:
    _, screen = at_a_terminal(mesh, "query", "SELECT carrier, name FROM airlines LIMIT 2", NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", screen)


def test_a_question_with_several_readings_is_answered_as_the_reader_chooses(mesh: Mesh) -> None:
    code, screen = at_a_terminal(mesh, "ask", "best carrier", typed="x\n1\n", after="Enter for none")
    shown = plain(screen)
    assert code == 0
    assert shown.count("Which one? 1") == 2, "a word that is no number is asked again"
    assert "SELECT " in shown[shown.rindex("Which one?") :]


def test_a_table_is_dropped_only_when_the_reader_says_so(mesh: Mesh) -> None:
    mesh.printed("tables", "create", "spare", "--column", "id:UInt64")
    code, screen = at_a_terminal(mesh, "tables", "drop", "spare", typed="n\n", after="[y/N]")
    assert (code, "Drop spare of platforms/demo with all its rows?" in plain(screen)) == (1, True)
    assert mesh.rows("SELECT count() FROM spare") == [[0]]
    code, screen = at_a_terminal(mesh, "tables", "drop", "spare", typed="y\n", after="[y/N]")
    assert (code, "spare is dropped" in plain(screen)) == (0, True)

"""The quickstart as a newcomer types it: every command of the page runs, and prints what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.architecture.test_house_rules import ROOT
from tests.e2e.conftest import Mesh

pytestmark = pytest.mark.mesh
PAGE = ROOT / "docs" / "quickstart.md"
NOT_RUN = {
    "make up": "the package's mesh is up, with the demo",
    "make down": "the package's mesh goes on; its fixture stops it",
}
"""Blocks that do not run here, and why; all others do, word for word."""

_SHELL_SECONDS = 60


@dataclass(frozen=True)
class Block:
    """A fenced block of the page: its language, its text, and what the page says it prints."""

    kind: str
    text: str
    line: int
    printed: str = ""


def blocks_of(page: str) -> Iterator[Block]:
    """The blocks to run, each with the `text` block that stands right after it."""
    found = [
        Block(match[1], match[2], page.count("\n", 0, match.start()) + 1)
        for match in re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.M | re.S)
    ]
    for block, after in zip(found, [*found[1:], Block("", "", 0)], strict=True):
        if block.kind != "text":
            printed = after.text if after.kind == "text" else ""
            yield Block(block.kind, block.text, block.line, printed)


def fits(expected: str, actual: str) -> bool:
    """Whether a text is what the page says: `…` stands for anything, spaces at line ends for nothing."""
    lines = [line.rstrip() for line in expected.strip().splitlines()]
    pattern = r"\n".join(".*?".join(map(re.escape, line.split("…"))) for line in lines)
    shown = "\n".join(line.rstrip() for line in actual.strip().splitlines())
    whole = pattern if expected.rstrip().endswith("…") else rf"{pattern}\Z"
    return re.match(whole, shown, re.S) is not None


class Newcomer:
    """Somebody at one shell, in a folder with the clone's `.venv`; variables stay from block to block."""

    def __init__(self, mesh: Mesh, folder: Path) -> None:
        self._folder = folder
        self._env = mesh.env | {"LC_ALL": "C.UTF-8"}
        self._kept = folder / ".variables"
        (folder / ".venv" / "bin").mkdir(parents=True)
        for name in ("aidatalabs", "python"):
            # Links keep the interpreter's own environment only through a starter that names it.
            starter = folder / ".venv" / "bin" / name
            starter.write_text(f'#!/bin/sh\nexec "{Path(sys.executable).parent / name}" "$@"\n')
            starter.chmod(0o755)

    def types(self, block: Block) -> str:
        """What a block prints, both streams as a terminal shows them. Fails when its last command does."""
        script = f'touch "{self._kept}"; . "{self._kept}"; set -e\n{block.text}\nexport -p > "{self._kept}"\n'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_SHELL_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"quickstart.md:{block.line}\n{done.stdout}"
        return done.stdout

    def saves(self, block: Block) -> None:
        """A program of the page goes into the file that its first line names."""
        name = re.match(r"# (\w+\.py)\n", block.text)
        assert name, f"quickstart.md:{block.line}: the first line names no file"
        (self._folder / name[1]).write_text(block.text)

    def made(self) -> set[str]:
        """Files in the folder that are not empty."""
        return {path.name for path in self._folder.iterdir() if path.is_file() and path.stat().st_size}


@pytest.mark.timeout(300)
def test_every_command_of_the_quickstart_does_what_the_page_says(mesh: Mesh, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt-get install curl")
    newcomer, skipped = Newcomer(mesh, tmp_path), []
    for block in blocks_of(PAGE.read_text()):
        if block.text.strip() in NOT_RUN:
            skipped.append(block.text.strip())
        elif block.kind == "python":
            newcomer.saves(block)
        else:
            assert block.kind == "bash", f"quickstart.md:{block.line}: nobody runs {block.kind}"
            if "\nrm " in block.text:
                assert (tmp_path / "monthly.png").read_bytes().startswith(b"\x89PNG")
            printed = newcomer.types(block)
            assert not block.printed or fits(block.printed, printed), f"quickstart.md:{block.line}\n{printed}"
    assert skipped == list(NOT_RUN)
    assert newcomer.made() == {".variables"}  # `rm` fails where one is missing; nothing else is left behind
    assert "bakery" not in mesh.printed("platforms", "list")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        ("a … c\nd", "a b b c\nd\n", True),
        ("a\n…\nd", "a\nb\nc\nd", True),
        ("a …", "a b\nc", True),
        ("a", "a\nb", False),
        ("a\nb", "a", False),
        ("10 rows", "11 rows", False),
        ("1.5 (x)", "1x5 (x)", False),
    ],
)
def test_output_is_compared_with_the_page(expected: str, actual: str, same: bool) -> None:
    assert fits(expected, actual) is same

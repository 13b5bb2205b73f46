"""The TypeScript client, built once for the tests that run it, or the reason why it cannot be."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "clients" / "typescript"
NODE_VERSION = 20


def require_node() -> str:
    """Path of Node. Skips the test where it is missing; in CI only Node itself may be."""
    node = shutil.which("node")
    if node is None:
        pytest.skip(f"Node {NODE_VERSION} is not here")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < NODE_VERSION:
        pytest.skip(f"Node {NODE_VERSION} is needed, {version} is here")
    if not (PACKAGE / "node_modules").is_dir():
        missing = "clients/typescript/node_modules is not there; run `make node`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return node


def build() -> None:
    """Compiles what has changed, with every strict check; processes that test at the same time take turns."""
    node = require_node()
    compiler = PACKAGE / "node_modules" / "typescript" / "bin" / "tsc"
    with (PACKAGE / "node_modules" / ".build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(
            [node, compiler, "--build"], cwd=PACKAGE, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr


def run(*words: str, given: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Runs Node in the package's folder."""
    return subprocess.run(
        [require_node(), *words],
        cwd=PACKAGE,
        env=os.environ | env,
        input=given,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

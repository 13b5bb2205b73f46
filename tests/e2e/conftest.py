"""One mesh for this folder, in a HOME of its own on a free port, with the demo loaded."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from aidatalabs_client import Client
from aidatalabs_services.cli.demo import load_demo

COMMAND = Path(sys.executable).parent / "aidatalabs"
ADMIN = "admin@example.com"


@dataclass(frozen=True)
class Reply:
    """What REST answered."""

    status: int
    body: Any

    @property
    def reason(self) -> str:
        return str(self.body["details"][0]["reason"])


@dataclass(frozen=True)
class Mesh:
    """A running mesh, spoken to as its users do."""

    home: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIDATALABS_")}
        return kept | {"AIDATALABS_HOME": str(self.home), "AIDATALABS_PORT": str(self.port)}

    def command(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """The `aidatalabs` command in a process of its own, its output not a terminal."""
        return subprocess.run(
            [COMMAND, *words], env=self.env | env, capture_output=True, text=True, timeout=60, check=False
        )

    def printed(self, *words: str, **env: str) -> str:
        """What a command prints that has to succeed, and to say nothing on standard error."""
        done = self.command(*words, **env)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.printed(*words, "--output", "json"))

    def token(self, email: str = ADMIN, role: str = "") -> str:
        words = ["token", "--email", email, *(["--role", role] if role else [])]
        return self.printed(*words).split()[-1]

    @cached_property
    def admin_token(self) -> str:
        return self.token(ADMIN, "admin")

    def rows(self, sql: str) -> Any:
        """The rows of a query over REST, which is quicker than a process each time."""
        body = {"platform": "platforms/demo", "sql": sql}
        reply = self.rest("/api/v1/data/query", body, token=self.admin_token)
        assert reply.status == 200, reply.body
        return reply.body["result"]["rows"]

    def answer(self, question: str) -> Any:
        """The answer to a question about the demo platform, over REST."""
        body = {"platform": "platforms/demo", "question": question}
        reply = self.rest("/api/v1/agents/query", body, token=self.admin_token)
        assert reply.status == 200, reply.body
        return reply.body

    def rest(self, path: str, body: Any = None, *, token: str = "") -> Reply:
        """POST where there is a body, else GET."""
        headers = {"content-type": "application/json"} | (
            {"authorization": f"Bearer {token}"} if token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Reply(answer.status, json.load(answer))
        except urllib.error.HTTPError as refused:
            return Reply(refused.code, json.load(refused))

    def load_demo(self) -> None:
        async def load() -> None:
            async with Client(f"127.0.0.1:{self.port}", self.admin_token) as client:
                await load_demo(client)

        asyncio.run(load())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="package")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """The mesh with the demo; whatever happens, it is down at the end."""
    made = Mesh(tmp_path_factory.mktemp("home"), free_port())
    up = made.command("up", "--detach", "--no-demo")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        made.load_demo()
        yield made
    finally:
        made.command("down")


@pytest.fixture(scope="package")
def admin(mesh: Mesh) -> str:
    """A token of the mesh's admin."""
    return mesh.admin_token

"""The parent's hold on one engine process: start, address, end."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aidatalabs_services.data.engine.limits import EngineLimits

_START_SECONDS = 30.0
_LOG_BYTES = 4 * 1024 * 1024

# The engine frees and takes hundreds of megabytes per insert; given back to the system after its own 5 s they
# cost a tenth of all its time to get again. The engine itself returns more when its memory runs short.
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "JE_MALLOC_CONF": "dirty_decay_ms:60000",
}


class EngineNotStarted(Exception):
    """The child ended or answered with an error instead of getting ready; the text has no secret."""


class EngineDirectoryInUse(EngineNotStarted):
    """Another engine process owns the directory: one directory, one engine."""


@dataclass(frozen=True)
class EngineAddress:
    """Where an engine listens; user `default`, password made anew at each start."""

    host: str
    port: int
    password: str

    def __repr__(self) -> str:
        return f"EngineAddress({self.host}:{self.port})"


class EngineProcess:
    """One running engine. Build it with `start`; the child ends when this process ends in any way."""

    def __init__(
        self, child: Process, directory: Path, address: EngineAddress, ready: Mapping[str, Any]
    ) -> None:
        self._child = child
        self.directory = directory
        self.address = address
        self.pid = child.pid
        # Sandbox layers by name: `on: …` or `off: <why>`.
        self.layers: Mapping[str, str] = dict(ready["layers"])
        self.version = str(ready["version"])
        self.started = time.monotonic()
        self.exited = asyncio.Event()
        self._waiter = asyncio.create_task(self._wait())

    @property
    def host(self) -> str:
        """The address the engine listens on, loopback."""
        return self.address.host

    @property
    def port(self) -> int:
        """The port the kernel chose."""
        return self.address.port

    @property
    def password(self) -> str:
        """The password of user `default`, for `X-ClickHouse-Key` or Basic authentication."""
        return self.address.password

    @classmethod
    async def start(
        cls, directory: Path, limits: EngineLimits | None = None, *, writable: Sequence[Path] = ()
    ) -> EngineProcess:
        """Starts an engine on `directory` (made if missing, 0700) and waits until it serves.

        `writable` are further folders that its sandbox lets it write, there already and of no other platform.
        Raises EngineDirectoryInUse, EngineNotStarted. The child gets no environment of ours and its password
        through its stdin.
        """
        limits = limits or EngineLimits()
        directory = Path.cwd() / directory
        password = secrets.token_urlsafe(32)
        child = await _spawn(directory)
        config = {
            "directory": str(directory),
            "password": password,
            "limits": limits.to_json(),
            "writable": [str(Path.cwd() / path) for path in writable],
        }
        try:
            reply = await asyncio.wait_for(_handshake(child, config), _START_SECONDS)
        except BaseException as error:
            await _end(child, 0.0)
            if isinstance(error, (TimeoutError, OSError, ValueError)):
                raise EngineNotStarted("the engine did not answer; its log is in its directory") from error
            raise
        if not reply.get("ready"):
            await _end(child, 1.0)
            if reply.get("reason") == "DIRECTORY_IN_USE":
                raise EngineDirectoryInUse("another engine has this directory open: stop it first")
            raise EngineNotStarted(
                f"the engine refused to start ({reply.get('reason')}); its log has the cause"
            )
        return cls(child, directory, EngineAddress("127.0.0.1", int(reply["port"]), password), reply)

    async def stop(self, grace_seconds: float = 10.0) -> None:
        """Lets running queries end for a while, then stops the process; does nothing if it has ended."""
        await _end(self._child, grace_seconds)
        await self._waiter

    def kill(self) -> None:
        """Kills the process at once (SIGKILL); acknowledged rows are on disk."""
        with suppress(ProcessLookupError):
            self._child.kill()

    async def running_queries(self) -> int:
        """How many queries run in the engine now. Raises OSError when it does not answer in two seconds."""
        try:
            return await asyncio.wait_for(_running_queries(self.address), 2.0)
        except (TimeoutError, ValueError) as error:
            raise ConnectionError("the engine did not tell its state") from error

    async def answers(self, seconds: float) -> bool:
        """Whether the engine answers a ping within this time."""
        try:
            return await asyncio.wait_for(_ping(self.address), seconds)
        except (TimeoutError, OSError):
            return False

    async def _wait(self) -> None:
        await self._child.wait()
        self.exited.set()


async def _spawn(directory: Path) -> Process:
    """Starts the interpreter afresh (never a fork: the engine hangs in one), with a log beside the data."""
    log = await asyncio.to_thread(_open_log, directory)
    try:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-I",
            "-m",
            "aidatalabs_services.data.engine",
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
            env=_ENVIRONMENT,
            cwd=directory,
            start_new_session=True,
        )
    finally:
        os.close(log)


def _open_log(directory: Path) -> int:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / "engine.log"
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.replace(directory / "engine.log.1")
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


async def _handshake(child: Process, config: Mapping[str, Any]) -> dict[str, Any]:
    """Sends the configuration line and reads the reply line."""
    assert child.stdin is not None  # noqa: S101 - both were asked for as pipes
    assert child.stdout is not None  # noqa: S101
    child.stdin.write(json.dumps(config).encode() + b"\n")
    await child.stdin.drain()
    line = await child.stdout.readline()
    if not line:
        raise ConnectionError("the engine ended before it was ready")
    reply: dict[str, Any] = json.loads(line)
    return reply


async def _end(child: Process, grace_seconds: float) -> None:
    """Closes the child's stdin, which asks it to end; kills it after the grace."""
    if child.stdin is not None:
        child.stdin.close()
    if child.returncode is None:
        with suppress(TimeoutError):
            await asyncio.wait_for(child.wait(), grace_seconds)
    if child.returncode is None:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


async def _running_queries(address: EngineAddress) -> int:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(
            b"GET /status HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n"
            b"X-ClickHouse-User: default\r\nX-ClickHouse-Key: " + address.password.encode() + b"\r\n\r\n"
        )
        answer = await reader.read()
        return int(json.loads(answer.partition(b"\r\n\r\n")[2])["running"])
    finally:
        writer.close()


async def _ping(address: EngineAddress) -> bool:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(b"GET /ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n")
        return (await reader.readline()).startswith(b"HTTP/1.1 200 ")
    finally:
        writer.close()

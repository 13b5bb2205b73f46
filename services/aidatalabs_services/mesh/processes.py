"""One process of the mesh: what it is started with, and the running thing.

Every child is started through `runtime.child_launch`, which asks the kernel for a signal at the supervisor's
death, in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone. Services also hold
the reading end of the supervisor's lifeline, a pipe that closes when the supervisor ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aidatalabs_services.mesh.home import put_long_log_aside
from aidatalabs_services.mesh.metrics import MetricsPlace
from aidatalabs_services.mesh.pids import end_processes, session_members
from aidatalabs_services.mesh.readiness import ReadyCheck
from aidatalabs_services.runtime import child_launch
from aidatalabs_services.runtime.postgres_server import PostgresServer

LIFELINE_VARIABLE = "AIDATALABS_LIFELINE_FD"
"""Names the descriptor that a service reads until it ends, and then exits."""

HOME_VARIABLE = "AIDATALABS_MESH_OF"
"""Names HOME in the environment of every child, so that one is found that no record names yet."""

_LEFTOVER_GRACE_SECONDS = 2.0


class Running(Protocol):
    """A process that was started and may have ended since."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def note(self) -> str:
        """What the reader of the start should know beside that it is ready; mostly empty."""

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for the signal that ended it."""

    async def stop(self, timeout_seconds: float) -> None:
        """End it and what it started, by force after the time; harmless when it has ended."""


@dataclass(frozen=True)
class Launching:
    """What the supervisor gives to every start: the lifeline's reading end, the log, the working folder."""

    lifeline: int
    log: Path
    log_limit_bytes: int
    folder: Path


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the mesh.

    `env` is asked at each start and is the child's whole environment; `ready` is asked once it runs. `needs`
    must be ready before it starts. `layer` orders the stop: the highest first, one layer at a time.
    `sockets` are unix sockets it makes, removed before it starts. `prepare` runs before each start, for a
    file that must be written first. `metrics` is where it tells its metrics.
    `drain` runs before a wanted stop, within the seconds it is given.
    `launch` replaces `argv` for a process that has a starter of its own.
    """

    name: str
    argv: tuple[str, ...]
    env: Callable[[], Mapping[str, str]]
    ready: Callable[[], ReadyCheck]
    needs: tuple[str, ...] = ()
    layer: int = 0
    sockets: tuple[Path, ...] = ()
    metrics: MetricsPlace | None = None
    holds_lifeline: bool = True
    death_signal: signal.Signals = signal.SIGTERM
    prepare: Callable[[], None] | None = None
    drain: Callable[[float], Awaitable[None]] | None = None
    launch: Callable[[Launching], Awaitable[Running]] | None = None

    async def start(self, launching: Launching) -> Running:
        """Start it; it is running on return, not yet ready."""
        put_long_log_aside(launching.log, launching.log_limit_bytes)
        for socket in self.sockets:
            socket.unlink(missing_ok=True)
        if self.prepare is not None:
            self.prepare()
        if self.launch is not None:
            return await self.launch(launching)
        return await ChildProcess.start(self, launching)


class ChildProcess:
    """A process started from `ProcessSpec.argv`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid
        self.note = ""

    @classmethod
    async def start(cls, spec: ProcessSpec, launching: Launching) -> ChildProcess:
        """Start the program with the spec's environment; its output goes to the log."""
        env = dict(spec.env()) | {HOME_VARIABLE: str(launching.folder)}
        descriptors: tuple[int, ...] = ()
        if spec.holds_lifeline:
            env[LIFELINE_VARIABLE] = str(launching.lifeline)
            descriptors = (launching.lifeline,)
        launcher = (str(child_launch.__file__), str(os.getpid()), "-1", "-1", str(int(spec.death_signal)))
        descriptor = os.open(launching.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-S", *launcher, *spec.argv),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                env=env,
                cwd=launching.folder,
                pass_fds=descriptors,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        return cls(process)

    async def wait(self) -> int:
        """Wait for its end and end what it left behind in its session; the exit code."""
        code = await self._process.wait()
        await end_processes(session_members(self.pid), _LEFTOVER_GRACE_SECONDS)
        return code

    async def stop(self, timeout_seconds: float) -> None:
        """SIGTERM, and SIGKILL after the time."""
        for number, seconds in ((signal.SIGTERM, timeout_seconds), (signal.SIGKILL, 5.0)):
            if self._process.returncode is not None:
                break
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), seconds)
        await end_processes(session_members(self.pid), _LEFTOVER_GRACE_SECONDS)


class PostgresProcess:
    """PostgreSQL, started and stopped by its own starter."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.pid = server.pid
        self.url = server.url
        # PostgreSQL refuses to be root; who started the mesh as root should know whose files these are.
        self.note = f", running as the user {server.owner}" if os.geteuid() == 0 else ""

    async def wait(self) -> int:
        """Wait for its end; the exit code."""
        return await self._server.wait()

    async def stop(self, timeout_seconds: float) -> None:
        """Fast shutdown: sessions are cut, every committed transaction is kept."""
        await self._server.stop()


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"

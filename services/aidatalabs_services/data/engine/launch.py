"""The child's life: configuration in, sandbox, engine, server, ready line out, end with the parent.

stdin carries one JSON line {directory, password, limits, writable} and then stays open: its end means the
parent has gone or wants an end. stdout carries one JSON line {ready, port, layers, version} or
{ready: false, …}.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from aidatalabs_services.data.engine import sandbox
from aidatalabs_services.data.engine.limits import EngineLimits

_LOG = logging.getLogger(__name__)


class DirectoryInUse(Exception):
    """Another engine process owns the directory."""


def main() -> None:
    """Runs the engine until stdin ends. Exits with 1 if it cannot start, with 3 if the directory is taken."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it closes the pipe
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the engine prints is a log line, not a reply
    line = sys.stdin.buffer.readline()
    try:
        config = json.loads(line)
        limits = EngineLimits.from_json(config["limits"])
        directory = Path(config["directory"])
        writable = [Path(path) for path in config.get("writable", ())]
    except (ValueError, KeyError, TypeError) as error:
        _reply(replies, {"ready": False, "reason": "BAD_CONFIGURATION", "error": type(error).__name__})
        sys.exit(1)
    try:
        _run(directory, str(config["password"]), limits, writable, replies)
    except DirectoryInUse:
        _reply(
            replies,
            {"ready": False, "reason": "DIRECTORY_IN_USE", "error": "another engine has this directory"},
        )
        sys.exit(3)
    except Exception as error:  # noqa: BLE001 - whatever it was, the parent must hear of it
        _LOG.exception("the engine did not start")
        _reply(replies, {"ready": False, "reason": "START_FAILED", "error": type(error).__name__})
        os._exit(1)


def _run(
    directory: Path, password: str, limits: EngineLimits, writable: Sequence[Path], replies: IO[str]
) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(directory)
    temporary = directory / "tmp"
    temporary.mkdir(mode=0o700, exist_ok=True)
    os.chdir(directory)
    os.environ.update(HOME=str(directory), TMPDIR=str(temporary), TZ="UTC")
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    layers = sandbox.early_layers(directory, limits, writable)
    # Loaded only now, under the first layers: the engine's library starts threads.
    from aidatalabs_services.data.engine.execution import Executor
    from aidatalabs_services.data.engine.server import EngineServer
    from aidatalabs_services.data.engine.storage import Storage

    storage = Storage.open(directory, limits)
    layers |= sandbox.late_layers(directory, writable)
    executor = Executor(storage, limits)
    server = EngineServer(listener, executor, password, limits)
    threading.Thread(target=server.serve, name="accept", daemon=True).start()
    port = listener.getsockname()[1]
    _reply(replies, {"ready": True, "port": port, "layers": layers, "version": storage.version})
    _wait_for_the_end()
    # Acknowledged rows are on disk already; nothing may keep a process alive whose parent is gone.
    last = threading.Timer(limits.stop_seconds + 2.0, os._exit, args=(0,))
    last.daemon = True
    last.start()
    server.close()
    executor.running.stop_all(limits.stop_seconds)
    storage.close()
    lock.close()
    os._exit(0)


def _wait_for_the_end() -> None:
    while os.read(0, 4096):
        pass


def _locked(directory: Path) -> IO[str]:
    """Holds the directory for this process; the kernel lets go of it when the process ends in any way."""
    lock = (directory / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise DirectoryInUse from None
    return lock


def _reply(replies: IO[str], message: Mapping[str, Any]) -> None:
    try:
        replies.write(json.dumps(message) + "\n")
        replies.close()
    except BrokenPipeError:
        os._exit(0)  # the parent has gone

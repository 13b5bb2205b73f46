"""Why the local mesh did not start or stop: one class per reason, each with a next step to take.

These are read at a terminal, not over the wire, so they are no `ServiceError`s: they may name paths and
processes of the reader's own machine.
"""

from __future__ import annotations

import shlex
from pathlib import Path


class MeshError(Exception):
    """A fault of the local mesh: `message` says what happened, `hint` what to do next."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint


class PortInUse(MeshError):
    """Another program listens on the edge's port."""

    def __init__(self, port: int, holder: str | None, home: Path | None = None) -> None:
        by = f" by {holder}" if holder else ""
        stop = "Stop that program"
        if home is not None:
            by = f" by the mesh of {home}"
            stop = f"Stop it with `AIDATALABS_HOME={shlex.quote(str(home))} aidatalabs down`"
        super().__init__(
            f"Port {port} is already in use{by}.", f"{stop}, or choose another port with AIDATALABS_PORT."
        )
        self.port = port


class TlsNotSupported(MeshError):
    """`AIDATALABS_TLS_PORT` is set, and the edge cannot speak TLS yet."""

    def __init__(self) -> None:
        super().__init__(
            "AIDATALABS_TLS_PORT is set, but the edge does not serve TLS yet.", "Unset it and start again."
        )


class SocketPathTooLong(MeshError):
    """No folder for sockets is short enough for the 107 bytes a unix socket's path may have."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"The folder for sockets, {path}, has a path too long for a unix socket.",
            "Set TMPDIR to a shorter folder, such as /tmp.",
        )


class SocketFolderUnsafe(MeshError):
    """The folder for sockets exists and is not a private folder of this user."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} exists, but it is not a folder that only this user can enter.",
            "Remove it, or set TMPDIR to a folder of your own.",
        )


class PartMissing(MeshError):
    """A file or package the mesh starts a process from is not there."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is missing.", "Run `make setup` and start again.")


class StartFailed(MeshError):
    """A process did not become ready; everything that had started was stopped again."""

    def __init__(self, process: str, reason: str, log: Path | None, log_tail: str) -> None:
        super().__init__(f"{process} did not start: {reason}.", f"Its log is {log}." if log else "")
        self.process = process
        self.reason = reason
        self.log = log
        self.log_tail = log_tail


class HomeBusy(MeshError):
    """Another command holds HOME and neither became ready nor let go in time."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"Another mesh command is working in {home} and has not finished.",
            "Run `aidatalabs down` and start again.",
        )


class AlreadyUp(MeshError):
    """A mesh runs in this HOME already; for `up` that is success."""

    def __init__(self, home: Path) -> None:
        super().__init__(f"The mesh in {home} is already up.", "Run `aidatalabs status` to look at it.")


class HomeInUse(MeshError):
    """A mesh runs in this HOME with another port than the one asked for; a HOME has one mesh."""

    def __init__(self, home: Path, running_port: int, wanted_port: int) -> None:
        super().__init__(
            f"The mesh in {home} is up with port {running_port}; none can start there with {wanted_port}.",
            "Run `aidatalabs down` first, or set AIDATALABS_HOME to another folder for a second mesh.",
        )

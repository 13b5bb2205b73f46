"""Backups as folders and tar files on this machine: brought into the mesh, and taken out of it.

A backup is a folder that is whole by itself; the data service checks its files, nothing here does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tarfile
import tempfile
from pathlib import Path

from aidatalabs_services.cli.failures import CommandFailed

_KEY = re.compile(r"[0-9a-f]{32}\Z")
_ID = re.compile(r"[0-9a-f]{12,40}\Z")
_MANIFEST = "manifest.json"
_MOST_MANIFEST_BYTES = 512 * 1024 * 1024


def backup_directory() -> Path:
    """Where this machine's mesh keeps its backups: the data service's own setting, or its default."""
    from aidatalabs_services.mesh.home import MeshHome
    from aidatalabs_services.mesh.settings import MeshSettings

    named = os.environ.get("AIDATALABS_DATA_BACKUP_DIRECTORY", "")
    return Path(named).absolute() if named else MeshHome.at(MeshSettings().home).data / "backups"


def bring(source: Path, directory: Path) -> str:
    """Copies a backup from elsewhere to where the mesh finds it; returns its key.

    Raises CommandFailed where the folder or tar file holds no backup, or what does not belong in one.
    """
    imports = directory / "imports"
    imports.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".coming-", dir=imports) as room:
        copy = Path(room) / "backup"
        if source.is_dir():
            shutil.copytree(source, copy, symlinks=True)
        else:
            copy = _unpacked(source, Path(room) / "tar")
        key = _key_of(copy, source)
        if (imports / key).exists():
            # An earlier copy may have been cut short, or be damaged where this one is not.
            (imports / key).rename(Path(room) / "earlier")
        copy.rename(imports / key)
    return key


def take_out(backup_id: str, target: Path, directory: Path) -> None:
    """Copies a backup of this mesh to `target`, a new folder, or a tar file where it ends in `.tar`.

    Raises CommandFailed where there is no such backup on this machine, or `target` is there.
    """
    found = list(directory.glob(f"*/{backup_id}/{_MANIFEST}")) if _ID.match(backup_id) else []
    if not found:
        told = f"There is no complete backup {backup_id[:40]} in {directory}."
        raise CommandFailed(told, "Run this on the machine of the mesh, with its AIDATALABS_HOME.")
    if target.exists():
        raise CommandFailed(f"{target} is there already.", "Name a place that is free.")
    folder = found[0].parent
    part = target.with_name(f".{target.name}.part")
    try:
        _remove(part)  # of a copy that was cut short
        if target.suffix == ".tar":
            with tarfile.open(part, "w") as archive:
                archive.add(folder, arcname=backup_id)
        else:
            shutil.copytree(folder, part)
        part.rename(target)
    except OSError as error:
        _remove(part)
        if not (folder / _MANIFEST).is_file():
            told = f"The backup {backup_id[:40]} was removed while it was copied."
            raise CommandFailed(told, "`aidatalabs backup list` shows the backups there are.") from None
        reason = error.strerror or "not every file could be copied"
        raise CommandFailed(f"{target} cannot be written: {reason}.", "Choose another place.") from None


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _unpacked(source: Path, room: Path) -> Path:
    try:
        with tarfile.open(source) as archive:
            # Refuses names that leave the folder, links that do, devices; everything becomes our own.
            archive.extractall(room, filter="data")
    except (tarfile.TarError, OSError, EOFError):
        told = f"{source} is no tar file of a backup, or holds what belongs in none."
        raise CommandFailed(told, "Give it a folder or a .tar made by `aidatalabs backup copy`.") from None
    found = [path.parent for path in (*room.glob(_MANIFEST), *room.glob(f"*/{_MANIFEST}"))]
    return found[0] if found else room


def _key_of(copy: Path, source: Path) -> str:
    path = copy / _MANIFEST
    try:
        if path.is_symlink() or path.stat().st_size > _MOST_MANIFEST_BYTES:
            raise ValueError("no manifest")
        key = json.loads(path.read_bytes())["key"]
        if not _KEY.match(key):
            raise ValueError("no key")
    except (OSError, ValueError, KeyError, TypeError):
        hint = "Give it a folder or a .tar made by `aidatalabs backup copy`."
        raise CommandFailed(f"{source} holds no backup.", hint) from None
    return str(key)

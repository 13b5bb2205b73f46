"""Where backups lie: one folder a platform, one folder a backup; and folders brought from elsewhere.

    DIRECTORY/<platform uid>/<backup id>/           complete once it has this name
    DIRECTORY/<platform uid>/<backup id>.partial/   being written
    DIRECTORY/imports/<key>/                        a copy of another mesh's backup

All of it blocks.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import time
from collections.abc import Collection
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import KEY, MANIFEST, Manifest, read_manifest
from aidatalabs_services.data.durable_files import sync_directory
from aidatalabs_services.data.errors import BackupNotFound

_LOG = logging.getLogger(__name__)
_UID = re.compile(r"[0-9a-f-]{36}\Z")
_ID = re.compile(r"[0-9a-f]{12,40}\Z")
_PARTIAL, _REMOVED = ".partial", ".removed"
# As long a folder that was brought from elsewhere waits for its restore.
_IMPORT_SECONDS = 7 * 86_400.0
IMPORTS = "imports"


class BackupFolders:
    """The folders under `directory`; `staging` is on the engines' file system."""

    def __init__(self, directory: Path, staging: Path) -> None:
        self.directory = directory
        self._staging = staging

    def folder(self, uid: str, backup_id: str) -> Path:
        """The folder of a backup that is complete. Raises ValueError for what is no uid or id."""
        if not _UID.match(uid) or not _ID.match(backup_id):
            raise ValueError("not the uid of a platform and the id of a backup")
        return self.directory / uid / backup_id

    def partial(self, uid: str, backup_id: str) -> Path:
        """A new, empty folder for a backup that is being written."""
        whole = self.folder(uid, backup_id)
        path = whole.with_name(whole.name + _PARTIAL)
        folders.removed(path)
        path.mkdir(mode=0o700, parents=True)
        return path

    def complete(self, partial: Path, manifest: bytes) -> Path:
        """Gives a folder its name when all of it is on disk."""
        folders.write_manifest(partial, manifest)
        whole = partial.with_name(partial.name.removesuffix(_PARTIAL))
        partial.rename(whole)
        sync_directory(whole.parent)
        return whole

    def staged(self, backup_id: str) -> Path:
        """A new, empty folder on the engines' file system."""
        path = self._staging / backup_id
        folders.removed(path)
        path.mkdir(mode=0o700, parents=True)
        return path

    def clear(self) -> None:
        """Removes what a process that ended left half done. What is being brought from elsewhere stays."""
        _cleared(self._staging)
        for path in (*self.directory.glob("*"), *self.directory.glob("*/*")):
            if path.name.startswith(".") and path.name.endswith(_REMOVED):
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.endswith(_PARTIAL):
                _cleared(path)

    def clear_imports(self, used: Collection[str]) -> None:
        """Removes what was brought from elsewhere long ago, but for the folders (`relative`) in `used`."""
        for path in (self.directory / IMPORTS).glob("*"):
            # A rename sets this time, whatever the files inside are dated.
            old = time.time() - path.lstat().st_ctime > _IMPORT_SECONDS
            if old and self.relative(path) not in used:
                _cleared(path)

    def remove(self, uid: str, backup_id: str) -> None:
        """Removes one backup, complete or not."""
        whole = self.folder(uid, backup_id)
        folders.removed(whole)
        folders.removed(whole.with_name(whole.name + _PARTIAL))

    def remove_platform(self, uid: str) -> None:
        """Removes all of a platform's backups."""
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        folders.removed(self.directory / uid)

    def place(self, relative: str) -> Path:
        """A folder inside `directory` by what a record says of it."""
        return self.directory / relative

    def relative(self, folder: Path) -> str:
        """What a record says of a folder."""
        return folder.relative_to(self.directory).as_posix()

    def imported(self, key: str) -> Path | None:
        """The folder that was brought from elsewhere under this key."""
        folder = self.directory / IMPORTS / key
        if not KEY.match(key) or folder.is_symlink() or not (folder / MANIFEST).is_file():
            return None
        # Whoever else can write there could change it while it is read.
        return folder if folder.stat().st_uid == os.geteuid() else None

    def read(self, folder: Path) -> Manifest:
        """The manifest of a backup. Raises BackupDamaged, BackupVersionNotSupported, BackupNotFound."""
        if not folder.is_dir():
            raise BackupNotFound(
                "The files of the backup are gone. List the backups and restore another one.",
                metadata={"backup": folder.name},
            )
        return read_manifest(folder)


def _cleared(folder: Path) -> None:
    """Removes a folder where that can be; a start of the service does not fail for it."""
    try:
        folders.removed(folder)
    except OSError as error:
        _LOG.warning("what a backup left behind cannot be removed: %s", type(error).__name__)

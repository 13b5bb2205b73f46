"""Signing keys as files: one private JWK each, in a directory that its owner alone can enter."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from secrets import token_hex

from aidatalabs_services.identity.errors import KeyDirectoryUnsafe
from aidatalabs_services.identity.keys import KeyRing, SigningKey

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_PART_PREFIX = ".part-"


class KeyDirectory:
    """The keys in `path`; safe for several processes at once, among them a first start of two."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path = path
        self._now = now

    def load(self) -> KeyRing:
        """Reads all keys afresh and makes the first where there is none. Raises KeyDirectoryUnsafe."""
        self._make_or_check_directory()
        keys = self._read_all()
        return KeyRing(keys) if keys else self._first()

    def add(self) -> SigningKey:
        """Makes a new key, which signs from now on; the others stay published."""
        self._make_or_check_directory()
        with _locked(self._path):
            return self._write(SigningKey.generate(self._now()))

    def _make_or_check_directory(self) -> None:
        self._path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        _refuse_what_others_can_open(self._path.lstat(), self._path)

    def _first(self) -> KeyRing:
        with _locked(self._path):
            for part in self._path.glob(f"{_PART_PREFIX}*"):  # left by a start that was killed
                part.unlink()
            return KeyRing(self._read_all() or [self._write(SigningKey.generate(self._now()))])

    def _read_all(self) -> list[SigningKey]:
        return [_read(path) for path in sorted(self._path.glob("key-*.json"))]

    def _write(self, key: SigningKey) -> SigningKey:
        """Under a name of its own first, so that no reader ever sees half a key."""
        part = self._path / f"{_PART_PREFIX}{token_hex(8)}"
        content = {"create_time": key.create_time.isoformat(), "private_key": key.private_jwk()}
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), _FILE_MODE)  # whatever the umask says
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._path / f"key-{key.kid}.json")
        _sync_folder(self._path)
        return key


def _read(path: Path) -> SigningKey:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        raise KeyDirectoryUnsafe(f"{path} cannot be opened as a plain file. Restore or remove it.") from None
    with os.fdopen(descriptor) as file:
        _refuse_what_others_can_open(os.fstat(file.fileno()), path)
        try:
            content = json.load(file)
            key = SigningKey.from_private(
                content["private_key"], datetime.fromisoformat(content["create_time"])
            )
        except (ValueError, KeyError, TypeError):
            raise KeyDirectoryUnsafe(f"{path} is no signing key. Restore or remove it.") from None
    if path.name != f"key-{key.kid}.json":
        raise KeyDirectoryUnsafe(f"{path} holds another key than its name says. Restore or remove it.")
    return key


def _refuse_what_others_can_open(found: os.stat_result, path: Path) -> None:
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise KeyDirectoryUnsafe(
            f"{path} is open to other users of this machine. Replace the keys if they may have been read, "
            f"then run: chmod {mode} {path}"
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the directory's lock; the kernel drops it with the process."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Signing keys as files: one private JWK each, in a directory that its owner alone can enter."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from secrets import token_hex
from typing import Any

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
        """Reads all keys afresh, makes what is missing, removes what is over. Raises KeyDirectoryUnsafe."""
        self._make_or_check_directory()
        keys = self._read_all()
        ring = self._ring(keys) if any(key.sign_time for key in keys) else None
        if ring is None or ring.ahead is None or ring.expired():
            with _locked(self._path):
                return self._tended()
        return ring

    def rotate(self, rotation: str) -> KeyRing:
        """Makes the next key sign and publishes another ahead; the ones before stay until they are over.

        The same `rotation` a second time within 24 hours changes nothing. Raises KeyDirectoryUnsafe, and
        Overloaded where too many keys are published.
        """
        self._make_or_check_directory()
        with _locked(self._path):
            promoted = self._tended().rotated(rotation, self._now())
            if promoted is not None:
                self._write(promoted)
            return self._tended()

    def _make_or_check_directory(self) -> None:
        self._path.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        _refuse_what_others_can_open(self._path.lstat(), self._path)

    def _tended(self) -> KeyRing:
        """All keys, under the lock: the first and the next key made, expired ones and half files removed."""
        now = self._now()
        for part in self._path.glob(f"{_PART_PREFIX}*"):  # left by a process that was killed
            part.unlink()
        keys = self._read_all()
        if not any(key.sign_time for key in keys):
            keys.append(self._write(SigningKey.generate(now, signs=True)))
        ring = self._ring(keys)
        for key in ring.expired():
            self._file(key).unlink(missing_ok=True)
            keys.remove(key)
        if ring.ahead is None:
            keys.append(self._write(SigningKey.generate(now)))
        return self._ring(keys)

    def _ring(self, keys: list[SigningKey]) -> KeyRing:
        return KeyRing(keys, self._now())

    def _read_all(self) -> list[SigningKey]:
        keys = (_read(path) for path in sorted(self._path.glob("key-*.json")))
        return [key for key in keys if key is not None]

    def _file(self, key: SigningKey) -> Path:
        return self._path / f"key-{key.kid}.json"

    def _write(self, key: SigningKey) -> SigningKey:
        """Under a name of its own first, so that no reader ever sees half a key."""
        part = self._path / f"{_PART_PREFIX}{token_hex(8)}"
        content = {
            "create_time": key.create_time.isoformat(),
            "sign_time": key.sign_time.isoformat() if key.sign_time else None,
            "rotation": key.rotation,
            "private_key": key.private_jwk(),
        }
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), _FILE_MODE)  # whatever the umask says
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        part.rename(self._file(key))
        _sync_folder(self._path)
        return key


def _read(path: Path) -> SigningKey | None:
    """The key of a file; None where another process has removed it, as it does with expired ones."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError:
        raise KeyDirectoryUnsafe(f"{path} cannot be opened as a plain file. Restore or remove it.") from None
    with os.fdopen(descriptor) as file:
        _refuse_what_others_can_open(os.fstat(file.fileno()), path)
        try:
            key = _key(json.load(file))
        except (ValueError, KeyError, TypeError):
            raise KeyDirectoryUnsafe(f"{path} is no signing key. Restore or remove it.") from None
    if path.name != f"key-{key.kid}.json":
        raise KeyDirectoryUnsafe(f"{path} holds another key than its name says. Restore or remove it.")
    return key


def _key(content: dict[str, Any]) -> SigningKey:
    """The key of a file's content; one written before keys were published ahead signs since it was made."""
    made = SigningKey.from_private(content["private_key"], datetime.fromisoformat(content["create_time"]))
    since = content.get("sign_time", content["create_time"])
    sign_time = datetime.fromisoformat(since) if since is not None else None
    if made.create_time.tzinfo is None or (sign_time is not None and sign_time.tzinfo is None):
        raise ValueError("a moment without its zone")
    return replace(made, sign_time=sign_time, rotation=str(content.get("rotation", "")))


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

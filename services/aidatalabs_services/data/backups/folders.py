"""Files of backups: parts linked aside, copied with their checksums, verified, put back. All of it blocks.

Parts never change once the engine has written them, so a hard link made while no insert runs is a snapshot.
What the engine's folder holds is not trusted: only ordinary files in it are taken, no link is followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from aidatalabs_services.data.backups.manifest import StoredFile, StoredPart, damaged, part_folder
from aidatalabs_services.data.durable_files import durable_file

_CHUNK = 1024 * 1024
_DEPTH = 3
_CHECKSUMS = "checksums.txt"

Progress = Callable[[int], None]
"""Told of bytes as they are done; what it raises ends the work."""


def _unseen(count: int) -> None:
    """Nobody asks how far it is."""


class Unfit(Exception):
    """Something in the engine's folder is not what a part is made of; the text has no secret."""


def walk(folder: Path, depth: int = _DEPTH) -> Iterator[tuple[str, os.stat_result]]:
    """(path inside, facts) of every ordinary file, in order of the paths. Raises Unfit for anything else."""
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode) and depth > 1:
            for path, inner in walk(folder / entry.name, depth - 1):
                yield f"{entry.name}/{path}", inner
        elif stat.S_ISREG(facts.st_mode):
            yield entry.name, facts
        else:
            raise Unfit("a part holds something that is no ordinary file")


def inside(root: Path, path: Path) -> Path:
    """`path` where it lies in `root` without a symbolic link on the way. Raises Unfit."""
    whole = path.resolve()
    if whole != Path(os.path.abspath(path)) or not whole.is_relative_to(root.resolve()):
        raise Unfit("a part lies outside of its engine's folder")
    return whole


def link_part(source: Path, target: Path) -> None:
    """Makes a second name for every file of a part; copies where the file system has no hard links."""
    for path, _ in walk(source):
        place = target / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(source / path, place, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            copied(source / path, place)


def copied(source: Path, target: Path, progress: Progress = _unseen) -> str:
    """Copies one ordinary file; returns the SHA-256 of what was read. The target must not be there yet."""
    digest = hashlib.sha256()
    reading = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(reading, "rb", buffering=0) as read, target.open("xb", buffering=0) as write:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
            view = memoryview(chunk)
            while view:
                view = view[write.write(view) :]
            progress(len(chunk))
    return digest.hexdigest()


def sha256_of(path: Path, progress: Progress = _unseen) -> str:
    """SHA-256 of one ordinary file. Raises OSError."""
    digest = hashlib.sha256()
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(handle, "rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            progress(len(chunk))
    return digest.hexdigest()


def keep_part(
    staged: Path, target: Path, known: StoredPart | None, kept: Path | None, progress: Progress
) -> tuple[tuple[StoredFile, ...], int]:
    """Brings a staged part into a backup; returns its files and the bytes that were written for it.

    `known` is the part of this name in the backup before, whose files lie in `kept`: files that are the same
    (size, time of writing, and the engine's own checksums of the part) become further names of those.
    """
    earlier = {file.path: file for file in known.files} if known and kept and is_same(staged, known) else {}
    files, written = [], 0
    for path, facts in walk(staged):
        place = target / path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        before = earlier.get(path)
        if (
            kept is not None
            and before is not None
            and (before.size, before.mtime_ns) == (facts.st_size, facts.st_mtime_ns)
            and _linked(kept / path, place, before.size)
        ):
            files.append(before)
            progress(facts.st_size)
        else:
            digest = copied(staged / path, place, progress)
            files.append(StoredFile(path, facts.st_size, digest, facts.st_mtime_ns))
            written += facts.st_size
    return tuple(files), written


def is_same(staged: Path, known: StoredPart) -> bool:
    """Whether the engine's own checksums of a part are those that it had when it was backed up."""
    checksums = next((file for file in known.files if file.path == _CHECKSUMS), None)
    path = staged / _CHECKSUMS
    return checksums is not None and path.is_file() and sha256_of(path) == checksums.sha256


def _linked(source: Path, target: Path, size: int) -> bool:
    try:
        if source.lstat().st_size != size:
            return False
        os.link(source, target, follow_symlinks=False)
    except OSError:
        return False  # it is copied then
    return True


def write_manifest(folder: Path, text: bytes) -> None:
    """Makes a backup's folder complete: everything is on disk before the manifest is."""
    os.sync()
    durable_file(folder / "manifest.sha256", f"{hashlib.sha256(text).hexdigest()}\n".encode())
    durable_file(folder / "manifest.json", text)


def verified(folder: Path, table: str, part: StoredPart, progress: Progress) -> None:
    """Reads every file of a part anew. Raises BackupDamaged naming the first that is not as it was."""
    inner = part_folder(table, part.name)
    for file in part.files:
        _check(inner, file, _digest_in(folder, inner, file, progress))


def put_back(folder: Path, table: str, part: StoredPart, detached: Path, progress: Progress) -> None:
    """Copies a part where the engine attaches from, verified on the way. Raises BackupDamaged, Unfit."""
    inner = part_folder(table, part.name)
    target = detached / part.name
    for file in part.files:
        place = target / file.path
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source = _found(folder, inner, file)
        try:
            digest = copied(source, place, progress)
        except FileNotFoundError:
            raise damaged(f"{inner}/{file.path}", "is missing") from None
        _check(inner, file, digest)


def _digest_in(folder: Path, inner: str, file: StoredFile, progress: Progress) -> str:
    try:
        return sha256_of(_found(folder, inner, file), progress)
    except OSError:
        raise damaged(f"{inner}/{file.path}", "is missing or cannot be read") from None


def _found(folder: Path, inner: str, file: StoredFile) -> Path:
    path = folder / inner / file.path
    try:
        facts = path.lstat()
    except OSError:
        raise damaged(f"{inner}/{file.path}", "is missing") from None
    in_folder = path.resolve() == folder.resolve() / inner / file.path
    if not stat.S_ISREG(facts.st_mode) or not in_folder:
        raise damaged(f"{inner}/{file.path}", "is no ordinary file of the backup")
    if facts.st_size != file.size:
        raise damaged(f"{inner}/{file.path}", f"has {facts.st_size:,} bytes in place of {file.size:,}")
    return path


def _check(inner: str, file: StoredFile, digest: str) -> None:
    if digest != file.sha256:
        raise damaged(f"{inner}/{file.path}", "has another checksum than when it was written")


def removed(folder: Path) -> None:
    """Removes a folder with all in it, and what a removal that was cut short left of it."""
    if folder.is_symlink():
        folder.unlink()
        return
    # Out of sight in one step first, so that a crash leaves no half of a backup under its name.
    aside = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
    if aside.exists():
        raise OSError(errno.EBUSY, "a folder cannot be removed")


def free_bytes(folder: Path) -> int:
    """Room on the disk that `folder` is on."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return shutil.disk_usage(folder).free


def demand_room(folder: Path, size: int) -> None:
    """Raises OSError (ENOSPC) where `size` bytes have no room on the disk that `folder` is on."""
    if free_bytes(folder) < size:
        raise OSError(errno.ENOSPC, "no room")

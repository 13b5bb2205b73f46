"""Bounded temporary files for results that are completed before their first byte is sent.

A file has no name, so it is gone when it is closed or when this process ends, in whatever way. Where the disk
does not know nameless files it has a name for a moment; `Spool` clears such leftovers when it is made.
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aidatalabs_services.data.errors import ResultTooLarge
from aidatalabs_services.runtime.errors import Overloaded

_RETRY_SECONDS = 5.0
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Spool:
    """Temporary files in `directory`: each at most `file_bytes`, all together at most `all_bytes`.

    Those of one user are at most three quarters of all. The disk keeps `free_bytes` of room.
    """

    def __init__(self, directory: Path, *, file_bytes: int, all_bytes: int, free_bytes: int) -> None:
        self._directory = directory
        self._file_bytes = file_bytes
        self._all_bytes = all_bytes
        self._free_bytes = free_bytes
        self._used_bytes = 0
        self._used_by: Counter[str] = Counter()
        self._counting = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for leftover in directory.iterdir():
            leftover.unlink()

    @property
    def used_bytes(self) -> int:
        """Bytes in the files that are open."""
        return self._used_bytes

    @contextmanager
    def file(self, user: str) -> Iterator[SpoolFile]:
        """An empty file of `users/{id}`, removed when the block ends. Raises Overloaded on a full disk."""
        status = os.statvfs(self._directory)
        if status.f_bavail * status.f_frsize < self._free_bytes:
            raise _full()
        opened = tempfile.TemporaryFile(dir=self._directory, prefix="export-", buffering=0)  # noqa: SIM115 - see end
        spooled = SpoolFile(self, opened, user)
        try:
            yield spooled
        finally:
            spooled.end()

    def reserve(self, user: str, size: int, more: int) -> None:
        """Takes room for `more` bytes behind the first `size` of a user's file.

        Raises ResultTooLarge or Overloaded.
        """
        if size + more > self._file_bytes:
            raise ResultTooLarge(
                "The file is larger than an export may be. Ask for fewer rows or export in parts.",
                metadata={"limit_bytes": str(self._file_bytes)},
            )
        with self._counting:
            each = self._all_bytes - self._all_bytes // 4
            if self._used_bytes + more > self._all_bytes or self._used_by[user] + more > each:
                raise _full()
            self._used_bytes += more
            self._used_by[user] += more

    def give_back(self, user: str, size: int) -> None:
        """Returns the room of a user's file that is gone."""
        with self._counting:
            self._used_bytes -= size
            self._used_by[user] -= size
            if not self._used_by[user]:
                del self._used_by[user]


class SpoolFile:
    """One temporary file: written from its beginning to its end, then read. Not for several tasks at once.

    It has the part of a binary file's interface that writers of file formats need. A thread may outlive the
    task that started it, and so the file's block: what it writes then is refused, and a write or read under
    way keeps the file open until it is done.
    """

    def __init__(self, spool: Spool, opened: IO[bytes], user: str) -> None:
        self._spool = spool
        self._user = user
        self._opened = opened
        self._state = threading.Lock()
        self._busy = 0
        self._ended = False
        self.size = 0
        self.closed = False

    def write(self, data: bytes | memoryview) -> int:
        """Appends all of `data`; blocks. Raises ResultTooLarge or Overloaded, ValueError once closed."""
        view = memoryview(data).cast("B")
        with self._held(more=len(view)):
            rest = view
            try:
                while rest:
                    rest = rest[self._opened.write(rest) :]
            except OSError as error:
                if error.errno in _NO_ROOM:
                    raise _full() from error
                raise
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.size

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Says that nothing more is written; the file stays until its block ends."""
        self.closed = True

    def end(self) -> None:
        """Removes the file, or leaves that to the thread that is at it."""
        with self._state:
            self.closed = self._ended = True
            is_last = not self._busy
        if is_last:
            self._remove()

    async def pieces(self, piece_bytes: int) -> AsyncGenerator[bytes, None]:
        """The whole content, at least one piece, each at most `piece_bytes`."""
        place = 0
        while place < self.size or not place:
            piece = await asyncio.to_thread(self._read, piece_bytes, place)
            yield piece
            if not piece:
                return
            place += len(piece)

    def _read(self, size: int, place: int) -> bytes:
        with self._held():
            return os.pread(self._opened.fileno(), size, place)

    @contextmanager
    def _held(self, *, more: int | None = None) -> Iterator[None]:
        """Keeps the file open while the block runs, with room for `more` bytes where it writes."""
        with self._state:
            if self._ended or (self.closed and more is not None):
                raise ValueError("the spool's file is closed")
            if more is not None:
                self._spool.reserve(self._user, self.size, more)
                self.size += more
            self._busy += 1
        try:
            yield
        finally:
            with self._state:
                self._busy -= 1
                is_last = self._ended and not self._busy
            if is_last:
                self._remove()

    def _remove(self) -> None:
        self._opened.close()
        self._spool.give_back(self._user, self.size)


def _full() -> Overloaded:
    return Overloaded(
        "There is no room for this export at the moment. Try again when others are done, or ask for less.",
        retry_after_seconds=_RETRY_SECONDS,
    )

"""Which files this HOME's commands stored where, so that a changed file is not stored twice unseen.

The service recognises a file by its first row and what follows, for a day. This remembers the rows a file
began with, by their hashes, and knows the file again where that first row was mended, or a day is over.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aidatalabs_client import DataFile

_FILE = "ingested.json"
_ENTRIES = 200
_ROWS = 256
_SERVICE_SECONDS = 23 * 3600.0
"""How long the service surely recognises a file; a bit less than it does."""


@dataclass(frozen=True)
class StoredFile:
    """A file that was stored in a table (`place`): its name, Unix time, the hash of its first row, and those
    of the rows accepted among the first 256.
    """

    place: str
    file: str
    seconds: float
    first: str
    rows: tuple[str, ...]


class IngestLedger:
    """The files that were stored from this HOME, the last 200; none where there is no HOME."""

    def __init__(self, home: Path) -> None:
        self._path = home / _FILE

    def like(self, place: str, file: str, beginning: Sequence[str]) -> tuple[StoredFile, int] | None:
        """A file stored in this place that shares rows with one that begins so, and how many.

        One of the same name need share only one row, others half of theirs. None too where the service will
        recognise the file itself: it has the same first row and was stored within a day.
        """
        for entry in reversed(self._read()):
            shared = len(set(entry.rows) & set(beginning))
            least = 1 if entry.file == file else max(1, min(len(entry.rows), len(beginning)) / 2)
            if entry.place != place or shared < least:
                continue
            recognised = entry.first == beginning[0] and time.time() - entry.seconds < _SERVICE_SECONDS
            return None if recognised else (entry, shared)
        return None

    def note(self, place: str, file: str, beginning: Sequence[str], rejected: Iterable[int]) -> None:
        """Remembers a file that was stored, without its rejected rows (by their places, from 0)."""
        if not beginning or not self._path.parent.is_dir():
            return
        missing = set(rejected)
        rows = tuple(row for index, row in enumerate(beginning) if index not in missing)
        entries = [
            one for one in self._read() if (one.place, one.file, one.first) != (place, file, beginning[0])
        ]
        entries.append(StoredFile(place, file, time.time(), beginning[0], rows))
        self._write(entries[-_ENTRIES:])

    def forget(self, place: str) -> None:
        """The table of this place is gone with all that was stored in it."""
        entries = self._read()
        kept = [entry for entry in entries if entry.place != place]
        if len(kept) != len(entries):
            self._write(kept)

    def _read(self) -> list[StoredFile]:
        try:
            found = json.loads(self._path.read_text())
            return [StoredFile(**entry | {"rows": tuple(entry["rows"])}) for entry in found]
        except (OSError, ValueError, TypeError, KeyError):
            return []  # a help against mistakes, nothing that ingest depends on

    def _write(self, entries: Sequence[StoredFile]) -> None:
        beside = self._path.with_name(f".{_FILE}.{os.getpid()}")
        with contextlib.suppress(OSError):
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump([asdict(entry) for entry in entries], file)
            beside.replace(self._path)


def beginning_of(content: DataFile) -> list[str]:
    """The hashes of a file's first 256 rows."""
    from aidatalabs_client.batches import row_text  # slow to import, see the client

    return [hashlib.sha256(row_text(row).encode()).hexdigest()[:16] for row in content.batch(0, _ROWS)]

"""Backups, restores and drills as they are remembered: one JSON document each, whole or not at all.

    DIRECTORY/<platform uid>/<id>.json

An id begins with the milliseconds it was made at, so names sort by time.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from aidatalabs_services.data.durable_files import durable_file

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.5, 30.0
_UID = re.compile(r"[0-9a-f-]{36}\Z")


class State(Enum):
    """How far work is; the names are those of the contract."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


class Kind(Enum):
    """What a restore is for; the names are those of the contract."""

    RESTORE = "RESTORE"
    DRILL = "DRILL"


@dataclass(frozen=True)
class TableCopy:
    """One table in a backup, and after a restore what was found in its place; hashes as in the manifest."""

    table: str
    row_count: int
    size_bytes: int = 0
    row_hash: str = ""
    found_count: int = -1
    found_hash: str = ""

    @property
    def is_equal(self) -> bool:
        """Whether what was restored is what was backed up; hashes count where both are known."""
        hashes = self.row_hash == self.found_hash or "" in (self.row_hash, self.found_hash)
        return self.found_count == self.row_count and hashes


@dataclass(frozen=True)
class Backup:
    """One backup; times in Unix seconds, 0 where not yet, sizes in bytes.

    `copied_bytes` were written for it, the rest are further names of the files of the backup before.
    `pause_seconds` is how long rows waited in the journal for the snapshot. `verify_…` is the last look
    through all files; `damaged_file` the first that was not as written. `removing`: its files are going, and
    nobody is shown it any more.
    """

    id: str
    platform: str
    user: str
    request_id: str = ""
    key: str = ""
    state: State = State.RUNNING
    create_seconds: float = 0.0
    snapshot_seconds: float = 0.0
    end_seconds: float = 0.0
    progress: float = 0.0
    message: str = ""
    pause_seconds: float = 0.0
    size_bytes: int = 0
    copied_bytes: int = 0
    file_count: int = 0
    engine_version: str = ""
    tables: tuple[TableCopy, ...] = ()
    verify_state: State | None = None
    verify_seconds: float = 0.0
    verify_message: str = ""
    damaged_file: str = ""
    removing: bool = False

    @property
    def name(self) -> str:
        """`platforms/{id}/backups/{backup}`."""
        return f"{self.platform}/backups/{self.id}"

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(table.row_count for table in self.tables)


@dataclass(frozen=True)
class Restore:
    """One restore of a backup, or a drill of one; times in Unix seconds.

    `folder` is where the backup lies, inside the folder of backups, and `source_uid` the platform it was
    made of, empty for one from elsewhere; `key_sha256` tells the key again that was asked with, and
    `scratch_uid` is the store that a drill fills. A restore has `begun` when it may have changed the
    platform, is `filled` when every row is there, and `failed` when it is to leave the platform empty.
    `recovery_seconds` went by from the beginning until every table could be queried. Of a drill,
    `loss_seconds` is how old the backup was when it began, 0 where nothing had changed since, and
    `missing_count` how many rows more the platform had.
    """

    id: str
    kind: Kind
    platform: str
    user: str
    backup: str
    folder: str
    request_id: str = ""
    state: State = State.RUNNING
    create_seconds: float = 0.0
    end_seconds: float = 0.0
    progress: float = 0.0
    message: str = ""
    scratch_uid: str = ""
    begun: bool = False
    filled: bool = False
    failed: bool = False
    source_uid: str = ""
    key_sha256: str = ""
    snapshot_seconds: float = 0.0
    recovery_seconds: float = 0.0
    loss_seconds: float = 0.0
    missing_count: int = 0
    rollup_count: int = 0
    size_bytes: int = 0
    tables: tuple[TableCopy, ...] = ()

    @property
    def name(self) -> str:
        """`platforms/{id}/restores/{restore}`."""
        return f"{self.platform}/restores/{self.id}"


class _Record(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def request_id(self) -> str: ...


R = TypeVar("R", bound=_Record)


class Records(Generic[R]):
    """Records of one kind of every platform, in memory and on disk, as long as the platform is."""

    def __init__(self, directory: Path, read: Callable[[dict[str, Any]], R]) -> None:
        self._directory = directory
        self._read = read
        self._known: dict[str, dict[str, R]] = {}
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Reads what is there."""
        self._known = await asyncio.to_thread(self._read_all)

    def get(self, uid: str, record_id: str) -> R | None:
        """One record of a platform."""
        return self._known.get(uid, {}).get(record_id)

    def of_platform(self, uid: str) -> list[R]:
        """All records of a platform, the latest first."""
        return sorted(self._known.get(uid, {}).values(), key=lambda one: one.id, reverse=True)

    def of_request(self, uid: str, request_id: str) -> R | None:
        """The record that a client's id stands for."""
        if not request_id:
            return None
        return next((one for one in self.of_platform(uid) if one.request_id == request_id), None)

    def all(self) -> list[tuple[str, R]]:
        """(platform uid, record) of every platform."""
        return [(uid, one) for uid, known in self._known.items() for one in known.values()]

    async def save(self, uid: str, record: R) -> R:
        """Keeps this state; when this returns it survives a kill of any process.

        Raises OSError; then the state of before is what is known.
        """
        before = self.get(uid, record.id)
        self.note(uid, record)
        async with self._saving:
            try:
                await asyncio.to_thread(self._write, uid, record)
            except OSError:
                if before is None:
                    self._known[uid].pop(record.id, None)
                else:
                    self.note(uid, before)
                raise
        return record

    async def settle(self, uid: str, record: R) -> None:
        """Keeps how something ended, and shows it only then: whoever reads it may begin the next thing.

        Goes on until that worked: a disk that is full now has room again some day.
        """
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with self._saving:
                    await asyncio.to_thread(self._write, uid, record)
                break
            except OSError as error:
                _LOG.warning("the end of a backup or restore is kept later: %s", type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        self.note(uid, record)

    def note(self, uid: str, record: R) -> None:
        """Shows this state to readers without keeping it: how far something is."""
        self._known.setdefault(uid, {})[record.id] = record

    async def forget(self, uid: str, record_id: str) -> None:
        """Removes one record."""
        self._known.get(uid, {}).pop(record_id, None)
        async with self._saving:
            await asyncio.to_thread((self._directory / uid / f"{record_id}.json").unlink, missing_ok=True)

    async def remove(self, uid: str) -> None:
        """Forgets a platform's records for good."""
        self._known.pop(uid, None)
        async with self._saving:
            await asyncio.to_thread(shutil.rmtree, self._directory / uid, ignore_errors=True)

    def _write(self, uid: str, record: R) -> None:
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        folder = self._directory / uid
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = json.dumps(asdict(record), default=_plain)  # type: ignore[call-overload]
        durable_file(folder / f"{record.id}.json", document.encode())

    def _read_all(self) -> dict[str, dict[str, R]]:
        found: dict[str, dict[str, R]] = {}
        if self._directory.is_dir():
            for folder in self._directory.iterdir():
                if _UID.match(folder.name):
                    records = [self._read(json.loads(path.read_text())) for path in folder.glob("*.json")]
                    found[folder.name] = {record.id: record for record in records}
        return found


def _plain(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    raise TypeError(f"no place for {type(value).__name__} in a record")


def read_backup(document: dict[str, Any]) -> Backup:
    """A backup from its document."""
    verify = document.pop("verify_state")
    tables = tuple(TableCopy(**each) for each in document.pop("tables"))
    state = State(document.pop("state"))
    return Backup(state=state, tables=tables, verify_state=State(verify) if verify else None, **document)


def read_restore(document: dict[str, Any]) -> Restore:
    """A restore from its document."""
    tables = tuple(TableCopy(**each) for each in document.pop("tables"))
    kind, state = Kind(document.pop("kind")), State(document.pop("state"))
    return Restore(kind=kind, state=state, tables=tables, **document)

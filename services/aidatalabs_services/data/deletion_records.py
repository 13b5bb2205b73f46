"""Deletions and their evidence, and the files that keep them: one JSON document each, whole or not at all.

    DIRECTORY/<platform uid>/<deletion id>.json

An id begins with the milliseconds it was made at, so names sort by time.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import shutil
import time
from dataclasses import asdict, dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

from aidatalabs_services.data.durable_files import durable_file

_UID = re.compile(r"[0-9a-f-]{36}\Z")


class TableState(Enum):
    """How far a deletion is in one table; the names are those of the contract."""

    WAITING = "WAITING"
    DELETING = "DELETING"
    DONE = "DONE"
    FAILED = "FAILED"
    NOT_SEARCHED = "NOT_SEARCHED"


class DeletionState(Enum):
    """How far a deletion is; the names are those of the contract."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"


@dataclass(frozen=True)
class TableDeletion:
    """What a deletion does to one table, with counts of rows; times are Unix seconds, 0 where not yet.

    `identity` is the engine's id of the table and `dropped` whether it was a dropped one. `row_count` is the
    table's rows before. `remaining_count` is -1 until it was counted. `derived` is what the derived tables
    noted for themselves; `corrected` says that they were put right.
    """

    table: str
    identity: str
    filter: str
    sha256: str
    dropped: bool = False
    state: TableState = TableState.WAITING
    row_count: int = 0
    matched_count: int = 0
    deleted_count: int = 0
    remaining_count: int = -1
    version_before: str = ""
    version_after: str = ""
    start_seconds: float = 0.0
    end_seconds: float = 0.0
    derived: str = ""
    corrected: bool = False
    physically_removed: bool = False
    progress: float = 0.0
    message: str = ""

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do."""
        unfinished = self.state in (TableState.WAITING, TableState.DELETING)
        return unfinished or (self.state is TableState.DONE and not self.physically_removed)


@dataclass(frozen=True)
class Deletion:
    """One deletion. `platform` is `platforms/{id}`, `user` who asked, `user_id` whose data (or empty)."""

    id: str
    platform: str
    user: str
    request_id: str
    digest: str
    tables: tuple[TableDeletion, ...]
    user_id: str = ""
    create_seconds: float = 0.0
    dry_run: bool = False

    @property
    def name(self) -> str:
        """`platforms/{id}/deletions/{deletion}`; empty where nothing is kept."""
        return f"{self.platform}/deletions/{self.id}" if self.id else ""

    @property
    def state(self) -> DeletionState:
        """RUNNING until no table is left to do; FAILED where one failed."""
        states = {table.state for table in self.tables}
        if states & {TableState.WAITING, TableState.DELETING}:
            return DeletionState.RUNNING
        return DeletionState.FAILED if TableState.FAILED in states else DeletionState.DONE

    @property
    def end_seconds(self) -> float:
        """When the last table was done; 0 while one is not."""
        if self.state is DeletionState.RUNNING:
            return 0.0
        return max((table.end_seconds for table in self.tables), default=self.create_seconds)

    @property
    def is_open(self) -> bool:
        """Whether there is something left to do in any table."""
        return any(table.is_open for table in self.tables)

    def with_table(self, index: int, table: TableDeletion) -> Deletion:
        """The same with another entry at this place."""
        return replace(self, tables=(*self.tables[:index], table, *self.tables[index + 1 :]))


def new_deletion_id() -> str:
    """An id nobody chose: the time in milliseconds and 40 random bits, in hexadecimal."""
    return f"{int(time.time() * 1000):012x}{secrets.token_hex(5)}"


class DeletionRecords:
    """The deletions of every platform, in memory and on disk; nothing is forgotten before its platform."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._known: dict[str, dict[str, Deletion]] = {}
        self._requests: dict[tuple[str, str], str] = {}
        self._saving = asyncio.Lock()

    async def load(self) -> None:
        """Reads what is there."""
        for uid, deletion in await asyncio.to_thread(self._read_all):
            self._remember(uid, deletion)

    def open(self) -> list[tuple[str, Deletion]]:
        """(platform uid, deletion) of all that are not finished, the oldest first."""
        found = [(uid, one) for uid, known in self._known.items() for one in known.values() if one.is_open]
        return sorted(found, key=lambda each: each[1].id)

    def get(self, uid: str, deletion_id: str) -> Deletion | None:
        """One deletion of a platform."""
        return self._known.get(uid, {}).get(deletion_id)

    def of_platform(self, uid: str) -> list[Deletion]:
        """All deletions of a platform, the latest first."""
        return sorted(self._known.get(uid, {}).values(), key=lambda one: one.id, reverse=True)

    def of_request(self, uid: str, request_id: str) -> Deletion | None:
        """The deletion that a client's id stands for."""
        found = self._requests.get((uid, request_id)) if request_id else None
        return self.get(uid, found) if found else None

    async def save(self, uid: str, deletion: Deletion) -> None:
        """Keeps this state of a deletion; when this returns it survives a kill of any process."""
        self._remember(uid, deletion)
        async with self._saving:
            newest = self.get(uid, deletion.id)
            if newest is not None:
                await asyncio.to_thread(self._write, uid, newest)

    def note(self, uid: str, deletion: Deletion) -> None:
        """Shows this state to readers without keeping it: how far something is."""
        self._remember(uid, deletion)

    async def remove(self, uid: str) -> None:
        """Forgets a platform's deletions for good."""
        for one in self._known.pop(uid, {}).values():
            self._requests.pop((uid, one.request_id), None)
        async with self._saving:
            await asyncio.to_thread(shutil.rmtree, self._directory / uid, ignore_errors=True)

    def _remember(self, uid: str, deletion: Deletion) -> None:
        self._known.setdefault(uid, {})[deletion.id] = deletion
        if deletion.request_id:
            self._requests[uid, deletion.request_id] = deletion.id

    def _write(self, uid: str, deletion: Deletion) -> None:
        folder = self._directory / uid
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_file(folder / f"{deletion.id}.json", json.dumps(_document(deletion)).encode())

    def _read_all(self) -> list[tuple[str, Deletion]]:
        if not self._directory.is_dir():
            return []
        return [
            (folder.name, _deletion(json.loads(path.read_text())))
            for folder in sorted(self._directory.iterdir())
            if _UID.match(folder.name)
            for path in sorted(folder.glob("*.json"))
        ]


def _document(deletion: Deletion) -> dict[str, Any]:
    document = asdict(deletion)
    for kept, table in zip(document["tables"], deletion.tables, strict=True):
        kept["state"] = table.state.value
    return document


def _deletion(document: dict[str, Any]) -> Deletion:
    tables = tuple(
        TableDeletion(**{**table, "state": TableState(table["state"])}) for table in document["tables"]
    )
    return Deletion(**{**document, "tables": tables})

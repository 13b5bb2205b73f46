"""What a backup holds, written beside its files: tables as typed descriptions, parts, files with SHA-256.

    BACKUP/manifest.json            this document
    BACKUP/manifest.sha256          its SHA-256, in hexadecimal
    BACKUP/parts/<table>/<part>/…   the engine's own files of each part

A folder such as this one is whole by itself: copied elsewhere, another mesh restores it. Reading one trusts
nothing in it: no SQL comes from here, and every name that becomes a path is checked first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aidatalabs_services.data.errors import BackupDamaged, BackupVersionNotSupported
from aidatalabs_services.data.rollups.declarations import Declaration, Grain, Kind, Maintenance, Measure
from aidatalabs_services.data.schema import ColumnSchema, TableSchema

FORMAT = 1
MANIFEST, DIGEST, PARTS = "manifest.json", "manifest.sha256", "parts"
_MOST_BYTES = 512 * 1024 * 1024
_PART = re.compile(r"[A-Za-z0-9_-]{1,200}\Z")
_FILE = re.compile(r"(?!\.)[^/\0]{1,255}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_HASH = re.compile(r"[0-9a-f]{1,16}\Z")
# Of signed 64 bits, and of the year 9999: what a message can carry.
_MOST_COUNT, _MOST_SECONDS = 2**63 - 1, 253_402_300_800.0
_TABLE = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
KEY = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True)
class StoredFile:
    """One file of a part: its path in it, bytes, SHA-256; `mtime_ns` is the source's, to know it again by."""

    path: str
    size: int
    sha256: str
    mtime_ns: int = 0


@dataclass(frozen=True)
class StoredPart:
    """One part of a table: its name in the engine, rows, and `row_hash`, the sum of its rows' hashes modulo
    2^64 in hexadecimal, empty where it could not be measured.
    """

    name: str
    row_count: int
    files: tuple[StoredFile, ...]
    row_hash: str = ""

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)


@dataclass(frozen=True)
class StoredTable:
    """One table: its description and its parts."""

    schema: TableSchema
    parts: tuple[StoredPart, ...]

    @property
    def row_count(self) -> int:
        """Rows of all parts."""
        return sum(part.row_count for part in self.parts)

    @property
    def size_bytes(self) -> int:
        """Bytes of all parts."""
        return sum(part.size_bytes for part in self.parts)

    @property
    def row_hash(self) -> str:
        """Sum of all rows' hashes, order and parts play no role; empty where a part's is not known."""
        return sum_of_hashes(part.row_hash for part in self.parts)


@dataclass(frozen=True)
class Manifest:
    """A backup. `key` is the secret that lets an admin of another platform restore it; times in seconds."""

    id: str
    key: str
    platform: str
    platform_uid: str
    snapshot_seconds: float
    engine_version: str
    tables: tuple[StoredTable, ...]
    rollups: tuple[Declaration, ...] = ()

    def table(self, name: str) -> StoredTable | None:
        """The table of this name."""
        return next((table for table in self.tables if table.schema.name == name), None)

    @property
    def row_count(self) -> int:
        """Rows of all tables."""
        return sum(table.row_count for table in self.tables)

    @property
    def size_bytes(self) -> int:
        """Bytes of all files."""
        return sum(table.size_bytes for table in self.tables)

    @property
    def file_count(self) -> int:
        """Files of all parts."""
        return sum(len(part.files) for table in self.tables for part in table.parts)


def sum_of_hashes(hashes: Any) -> str:
    """The sum modulo 2^64 of hexadecimal hashes; empty where one is."""
    found = list(hashes)
    return "" if "" in found else f"{sum(int(each, 16) for each in found) % 2**64:016x}"


def written(manifest: Manifest) -> bytes:
    """The document."""
    document = {"format": FORMAT, **asdict(manifest)}
    document["rollups"] = [_rollup_document(each) for each in manifest.rollups]
    return json.dumps(document, separators=(",", ":")).encode()


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup's folder.

    Raises BackupDamaged naming the file, BackupVersionNotSupported for a later format. Blocking.
    """
    try:
        for name in (MANIFEST, DIGEST):
            path = folder / name
            if path.is_symlink() or not path.is_file() or path.stat().st_size > _MOST_BYTES:
                raise damaged(name, "is missing or no ordinary file")
        text = (folder / MANIFEST).read_bytes()
        digest = (folder / DIGEST).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise damaged(MANIFEST, "cannot be read") from None
    if hashlib.sha256(text).hexdigest() != digest:
        raise damaged(MANIFEST, f"does not have the checksum that {DIGEST} names")
    return _manifest(text)


def _manifest(text: bytes) -> Manifest:
    try:
        document = json.loads(text)
        version = document.pop("format")
        if version != FORMAT:
            raise BackupVersionNotSupported(
                "The backup was written by a later version. Restore it with that version or a newer one.",
                metadata={"version": str(version)[:20]},
            )
        tables = tuple(_table(each) for each in document.pop("tables"))
        rollups = tuple(_rollup(each) for each in document.pop("rollups"))
        seconds = float(document.pop("snapshot_seconds"))
        words = {name: _text(word) for name, word in document.items()}
        manifest = Manifest(tables=tables, rollups=rollups, snapshot_seconds=seconds, **words)
        names = [table.schema.name for table in tables]
        _demand(len(set(names)) == len(names), "names a table twice")
        _demand(bool(KEY.match(manifest.key)), "has no key")
        _demand(0.0 <= seconds < _MOST_SECONDS, "is of no time")
        _demand(max(manifest.row_count, manifest.size_bytes) <= _MOST_COUNT, "counts more than there can be")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        raise damaged(MANIFEST, "is not a manifest") from None
    return manifest


def _table(document: dict[str, Any]) -> StoredTable:
    schema = dict(document["schema"])
    columns = tuple(
        ColumnSchema(_text(each["name"]), _text(each["type"]), _text(each["comment"]))
        for each in schema.pop("columns")
    )
    order = tuple(map(_text, schema.pop("order_by")))
    words = {name: _text(word) for name, word in schema.items()}
    table = TableSchema(columns=columns, order_by=order, **words)
    _demand(bool(_TABLE.match(table.name)), "names a table in a way that no table is")
    return StoredTable(table, tuple(_part(each) for each in document["parts"]))


def _part(document: dict[str, Any]) -> StoredPart:
    part = StoredPart(
        str(document["name"]),
        int(document["row_count"]),
        tuple(_file(each) for each in document["files"]),
        str(document["row_hash"]),
    )
    _demand(bool(_PART.match(part.name)) and part.row_count >= 0, "names a part in a way that no part is")
    _demand(not part.row_hash or bool(_HASH.match(part.row_hash)), "has a hash that is none")
    paths = [file.path for file in part.files]
    _demand(len(set(paths)) == len(paths), "names a file twice")
    return part


def _file(document: dict[str, Any]) -> StoredFile:
    file = StoredFile(
        _text(document["path"]), int(document["size"]), str(document["sha256"]), int(document["mtime_ns"])
    )
    steps = file.path.split("/")
    inside = len(steps) <= 3 and all(_FILE.match(step) for step in steps)
    _demand(inside and bool(_SHA256.match(file.sha256)) and file.size >= 0, "names a file outside of it")
    return file


def _text(value: Any) -> str:
    """A text that can be sent. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("no text")
    value.encode()  # half of a surrogate pair has no UTF-8
    return value


def _rollup_document(declaration: Declaration) -> dict[str, Any]:
    return {
        "name": declaration.name,
        "table": declaration.table,
        "time_column": declaration.time_column,
        "grain": declaration.grain.value,
        "dimensions": list(declaration.dimensions),
        "measures": [[each.column, each.kind.value] for each in declaration.measures],
        "maintenance": declaration.maintenance.value,
    }


def _rollup(document: dict[str, Any]) -> Declaration:
    return Declaration(
        _text(document["name"]),
        _text(document["table"]),
        _text(document["time_column"]),
        Grain(document["grain"]),
        tuple(map(_text, document["dimensions"])),
        tuple(Measure(_text(column), Kind(kind)) for column, kind in document["measures"]),
        Maintenance(document.get("maintenance", Maintenance.SYNCHRONOUS.value)),
    )


def _demand(holds: bool, fault: str) -> None:
    if not holds:
        raise damaged(MANIFEST, fault)


def damaged(file: str, fault: str) -> BackupDamaged:
    """The refusal of a backup in which `file` (a path inside it) is not as it was written."""
    return BackupDamaged(
        f"The backup is damaged: {file[:300]} {fault}. Restore another backup, or another copy of this one.",
        metadata={"file": file[:300]},
    )


def part_folder(table: str, part: str) -> str:
    """Where a part lies in a backup."""
    return f"{PARTS}/{table}/{part}"


def described(tables: Sequence[StoredTable]) -> dict[str, StoredTable]:
    """Tables by name."""
    return {table.schema.name: table for table in tables}

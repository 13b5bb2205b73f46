"""What a backup has in common with the one before it: parts that did not change. All of it blocks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from aidatalabs_services.data.backups import folders
from aidatalabs_services.data.backups.manifest import Manifest, StoredPart, StoredTable
from aidatalabs_services.data.backups.snapshots import Snapshot


def sizes_of(snapshot: Snapshot, staged: Path, before: Manifest | None) -> tuple[int, int]:
    """Bytes of all files, and of those parts that the backup before does not have."""
    size = new = 0
    for part in snapshot.parts:
        folder = staged / part.table / part.name
        count = sum(facts.st_size for _, facts in folders.walk(folder))
        known = part_of(before, part.table, part.name)
        size += count
        new += 0 if known is not None and folders.is_same(folder, known) else count
    return size, new


def part_of(before: Manifest | None, table: str, part: str) -> StoredPart | None:
    """The part of this name in the backup before."""
    stored = before.table(table) if before else None
    return next((each for each in stored.parts if each.name == part), None) if stored else None


def known_hashes(snapshot: Snapshot, staged: Path, before: Manifest | None) -> Mapping[tuple[str, str], str]:
    """Hashes of parts that are the same as in the backup before: the engine's checksums tell."""
    found = {}
    for part in snapshot.parts:
        stored = part_of(before, part.table, part.name)
        if stored is None or not stored.row_hash or before is None:
            continue
        table: StoredTable | None = before.table(part.table)
        if table is None or table.schema.columns != snapshot.schema[part.table].columns:
            continue  # the hash is one of all columns
        if folders.is_same(staged / part.table / part.name, stored):
            found[part.table, part.name] = stored.row_hash
    return found

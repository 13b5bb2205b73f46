"""Forgets insert tokens whose part never came, before the engine is opened.

MergeTree writes a block's token into its deduplication log first and the part's final name after. A kill
between the two leaves a token without rows, and the repeated block would pass for a duplicate.
"""

from __future__ import annotations

from pathlib import Path

_ADDED = "1"


def forget_unfinished(tables: Path) -> int:
    """Drops such tokens from every table below `tables` (`<prefix>/<uuid>/`); returns how many."""
    forgotten = 0
    for log in sorted(tables.glob("*/*/deduplication_logs/*.txt")):
        parts = _parts(log.parent.parent)
        lines = log.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not _is_unfinished(line, parts)]
        if len(kept) < len(lines):
            forgotten += len(lines) - len(kept)
            part_file = log.with_name(f"{log.name}.part")
            part_file.write_text("".join(kept))
            part_file.replace(log)
    return forgotten


def _parts(table: Path) -> list[tuple[str, int, int]]:
    """(partition, first block, last block) of every finished part."""
    return [found for path in table.iterdir() if path.is_dir() and (found := _blocks(path.name))]


def _blocks(name: str) -> tuple[str, int, int] | None:
    """The blocks in a part's name `<partition>_<first>_<last>_<level>[_<mutation>]`, None in other names."""
    fields = name.split("_")
    if len(fields) not in (4, 5) or not all(field.isdigit() for field in fields[1:]):
        return None
    return fields[0], int(fields[1]), int(fields[2])


def _is_unfinished(line: str, parts: list[tuple[str, int, int]]) -> bool:
    """Whether a line adds a token for a block that no part holds. Torn lines are the engine's to judge."""
    kind, _, rest = line.partition("\t")
    added = _blocks(rest.partition("\t")[0])
    if kind != _ADDED or added is None:
        return False
    partition, first, last = added
    return not any(name == partition and low <= first and last <= high for name, low, high in parts)

"""What the engine answers: the rows of a query; by its list of parts, whether rows changed and how wide."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aidatalabs_services.data.ports import QueryOutcome, StoredWidths

FINGERPRINTS = """
SELECT table, partition_id, max_block_number, rows, data_version, toUnixTimestamp(delete_ttl_info_max)
FROM system.parts
WHERE database = currentDatabase() AND active
"""
WIDTHS = """
SELECT table, column, sumIf(rows, column_data_uncompressed_bytes > 0), sum(column_data_uncompressed_bytes),
    sum(rows), sum(data_uncompressed_bytes)
FROM system.parts_columns
WHERE database = currentDatabase() AND active
GROUP BY table, column
"""


def fingerprints_of(parts: Sequence[Sequence[Any]]) -> Mapping[str, str]:
    """A text per table from (table, partition, highest block, rows, data version, end of life) of each part.

    Block numbers, row counts and mutations change with the rows; a merge keeps the highest and the sums. Of a
    part that was never mutated the data version is its lowest block, which a merge does change. Over a table
    whose last rows have expired an engine that starts counts blocks from the beginning again: then the moment
    at which the rows expire tells those of now from those of then. Put together here: it takes the engine
    longer to plan the grouping than to list the parts.
    """
    tables: dict[str, dict[str, tuple[int, int, int, int]]] = {}
    for table, partition, block, rows, version, end in parts:
        partitions = tables.setdefault(table, {})
        highest, total, mutation, last = partitions.get(partition, (0, 0, 0, 0))
        mutated = int(version) if int(version) > int(block) else 0
        partitions[partition] = (
            max(highest, int(block)),
            total + int(rows),
            max(mutation, mutated),
            max(last, int(end)),
        )
    return {
        table: hashlib.blake2b(repr(sorted(partitions.items())).encode(), digest_size=16).hexdigest()
        for table, partitions in tables.items()
    }


def widths_of(columns: Sequence[Sequence[Any]]) -> Mapping[str, StoredWidths]:
    """Average widths from (table, column, rows with a figure, bytes, all rows, bytes of all columns)."""
    found: dict[str, tuple[float, dict[str, float]]] = {}
    for table, column, known_rows, known_bytes, rows, all_bytes in columns:
        _, widths = found.setdefault(table, (int(all_bytes) / max(1, int(rows)), {}))
        widths[column] = int(known_bytes) / int(known_rows) if int(known_rows) else 0.0
    return {table: StoredWidths(row_bytes, widths) for table, (row_bytes, widths) in found.items()}


def outcome_of(answer: bytes, max_rows: int) -> QueryOutcome:
    """The rows in the engine's JSONCompact document, of which there may be one more than wanted."""
    document = json.loads(answer)
    rows, spent = document["data"], document["statistics"]
    return QueryOutcome(
        columns=[(column["name"], column["type"]) for column in document["meta"]],
        rows=rows[:max_rows],
        elapsed_seconds=float(spent["elapsed"]),
        read_rows=int(spent["rows_read"]),
        read_bytes=int(spent["bytes_read"]),
        truncated=len(rows) > max_rows,
    )

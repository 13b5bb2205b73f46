"""The verdicts on one batch, whatever it is: column by column where it can be, else row by row."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.blocks import Blocks, encoded_blocks, joined_blocks
from aidatalabs_services.data.column_batches import ColumnBatch, judge_columns
from aidatalabs_services.data.event_verdicts import judge_event_batch
from aidatalabs_services.data.ingest_batches import EventBatch, RowBatch
from aidatalabs_services.data.native.errors import BatchValueInvalid, NotEncodable
from aidatalabs_services.data.native.json_paths import MAX_PATHS
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import (
    RejectedRow,
    Verdict,
    judge_event_rows,
    judge_events,
    judge_rows,
)

# Fewer events are soon looked at one by one, and their rows share one block with those of other calls.
_FEW_EVENTS = 64

_TOO_MANY = f"has more than {MAX_PATHS:,} different paths"

Batch = EventBatch | RowBatch | ColumnBatch


@dataclass(frozen=True)
class Judged:
    """The rows taken, already encoded where there are many, and the others by index.

    `unlisted_count` more rows were not taken than `rejected` lists.
    """

    accepted_count: int
    rows: pa.RecordBatch | Blocks
    rejected: tuple[RejectedRow, ...]
    unlisted_count: int = 0


def judged(batch: Batch, table: TableSchema) -> Judged:
    """Verdicts on a batch for `table`. Raises BatchInvalid and IngestTooLarge for batches of columns."""
    now_seconds = time.time()
    if isinstance(batch, ColumnBatch):
        verdict, blocks = judge_columns(batch.rows, table, now_seconds=now_seconds)
        return Judged(verdict.accepted.num_rows, blocks, verdict.rejected, verdict.unlisted_count)
    if isinstance(batch, RowBatch) and table.name != EVENTS.name:
        return _one_by_one(judge_rows(batch.columns(tuple(table.types)), batch.count, table), table)
    properties = parse_column_type(table.types["properties"])
    if isinstance(batch, RowBatch):
        found = judge_event_rows(batch.mappings(), now_seconds=now_seconds, properties=properties)
        return _one_by_one(found, table)
    columns = batch.event_columns() if batch.count > _FEW_EVENTS else None
    if columns is not None:
        try:
            events = judge_event_batch(columns, batch.event, table, now_seconds=now_seconds)
            return Judged(events.accepted_count, events.blocks, events.rejected)
        except NotEncodable:
            pass  # more keys than a block may have, say: they go one by one
    return _one_by_one(judge_events(batch.events(), now_seconds=now_seconds, properties=properties), table)


def _one_by_one(verdict: Verdict, table: TableSchema) -> Judged:
    """Rows that were judged one by one, encoded here where the engine would read them in its own way.

    It takes the text of objects as it is, but for values at declared paths: of moments it does not know every
    spelling that the rules do, and one without an offset is of the column's time zone to it.
    """
    if not verdict.accepted.num_rows or not _declares_paths(table):
        return Judged(verdict.accepted.num_rows, verdict.accepted, verdict.rejected)
    count = verdict.accepted.num_rows + len(verdict.rejected)
    taken = np.delete(np.arange(count), [row.index for row in verdict.rejected])
    late: list[RejectedRow] = []
    blocks = joined_blocks(list(_encoded(verdict.accepted, taken, table, late)))
    rejected = tuple(sorted((*verdict.rejected, *late), key=lambda row: row.index))
    return Judged(len(taken) - len(late), blocks, rejected)


def _declares_paths(table: TableSchema) -> bool:
    kinds = map(parse_column_type, table.types.values())
    return any(kind.name == "JSON" and kind.names for kind in kinds)


def _encoded(
    rows: pa.RecordBatch, places: NDArray[np.int64], table: TableSchema, late: list[RejectedRow]
) -> Iterator[Blocks]:
    """Rows as blocks, in halves where all together cannot be one; a row that cannot by itself goes to `late`.

    `places` are those of the rows in their call.
    """
    try:
        yield encoded_blocks(rows, table)
    except NotEncodable as error:
        middle = rows.num_rows // 2
        if middle:
            yield from _encoded(rows.slice(0, middle), places[:middle], table, late)
            yield from _encoded(rows.slice(middle), places[middle:], table, late)
        elif isinstance(error, BatchValueInvalid):
            late.append(RejectedRow(int(places[0]), error.metadata["verdict"], error.words))
        else:
            late.append(RejectedRow(int(places[0]), "VALUE_INVALID", f"column {_objects(table)} {_TOO_MANY}"))


def _objects(table: TableSchema) -> str:
    return next(name for name, text in table.types.items() if text.startswith("JSON"))

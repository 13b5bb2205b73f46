"""The verdicts on one batch, whatever it is: column by column where it can be, else row by row."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyarrow as pa

from aidatalabs_services.data.blocks import Blocks
from aidatalabs_services.data.column_batches import ColumnBatch, judge_columns
from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.event_verdicts import judge_event_batch
from aidatalabs_services.data.ingest_batches import EventBatch, RowBatch
from aidatalabs_services.data.native.errors import NotEncodable
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
_PLAIN_JSON = ColumnType("JSON")

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
    if table.name == EVENTS.name:
        properties = parse_column_type(table.types["properties"])
        if not isinstance(batch, RowBatch):
            return _judged_events(batch, now_seconds, properties)
        return _unencoded(judge_event_rows(batch.mappings(), now_seconds=now_seconds, properties=properties))
    assert isinstance(batch, RowBatch)  # noqa: S101 - events go into their own table only
    return _unencoded(judge_rows(batch.columns(tuple(table.types)), batch.count, table))


def _judged_events(batch: EventBatch, now_seconds: float, properties: ColumnType) -> Judged:
    # Values at declared paths have rules of their own, which are those of one event.
    by_column = batch.count > _FEW_EVENTS and properties == _PLAIN_JSON
    columns = batch.event_columns() if by_column else None
    if columns is not None:
        try:
            found = judge_event_batch(columns, batch.event, now_seconds=now_seconds)
            return Judged(found.accepted_count, found.blocks, found.rejected)
        except NotEncodable:
            pass  # more keys than a block may have, say: the engine takes them as text
    return _unencoded(judge_events(batch.events(), now_seconds=now_seconds, properties=properties))


def _unencoded(verdict: Verdict) -> Judged:
    return Judged(verdict.accepted.num_rows, verdict.accepted, verdict.rejected)

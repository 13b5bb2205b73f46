"""The verdicts on one batch, whatever it is: column by column where it can be, else row by row."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pyarrow as pa

from aidatalabs_services.data.blocks import Blocks, encoded_blocks
from aidatalabs_services.data.column_batches import ColumnBatch, judge_columns
from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.errors import IngestTooLarge
from aidatalabs_services.data.event_verdicts import judge_event_batch
from aidatalabs_services.data.ingest_batches import EventBatch, RowBatch
from aidatalabs_services.data.native.errors import NotEncodable
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.value_rules import has_zone
from aidatalabs_services.data.verdicts import (
    RejectedRow,
    Verdict,
    judge_event_rows,
    judge_events,
    judge_rows,
)

# Fewer events are soon looked at one by one, and their rows share one block with those of other calls.
_FEW_EVENTS = 64

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


@dataclass(frozen=True)
class Examined:
    """A batch's digest, and the verdicts on it or why there can be none."""

    digest: bytes
    found: Judged | Exception | None = None

    def verdicts(self) -> Judged:
        """The verdicts. Raises what `judged` raised."""
        if isinstance(self.found, Exception):
            raise self.found
        assert self.found is not None  # noqa: S101 - asked for where it was judged
        return self.found


def examined(batch: Batch, table: TableSchema | Exception | None, *, named: bool) -> Examined:
    """The digest of a batch, where it is `named`, and the verdicts on it, where its `table` is given.

    Both in one turn of a thread: to hand the batch over takes as long as a part of the work. A refusal is for
    later, since a repeated call gets its receipt whatever the table is like by now.
    """
    digest = batch.digest() if named else b""
    if not isinstance(table, TableSchema):
        return Examined(digest)
    try:
        return Examined(digest, judged(batch, table))
    except Exception as error:  # noqa: BLE001 - told to the call that it is about
        return Examined(digest, error)


def judged(batch: Batch, table: TableSchema) -> Judged:
    """Verdicts on a batch for `table`. Raises BatchInvalid for batches of columns, and IngestTooLarge."""
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
    """Rows that were judged one by one; encoded here where the engine would read their text in its own way.

    To it a moment at a declared path is one of the column's time zone.
    """
    count = verdict.accepted.num_rows
    if not count or not any(map(_declares_zones, map(parse_column_type, table.types.values()))):
        return Judged(count, verdict.accepted, verdict.rejected)
    try:
        return Judged(count, encoded_blocks(verdict.accepted, table), verdict.rejected)
    except NotEncodable as error:
        raise IngestTooLarge(error.message, metadata=error.metadata) from error


def _declares_zones(kind: ColumnType) -> bool:
    return kind.name == "JSON" and any(map(has_zone, kind.inner))

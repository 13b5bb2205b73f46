"""Verdicts on many events at once: the same as `verdicts` gives one by one, in the same words, and the events
taken already encoded for the engine.

What the columns cannot tell (objects in objects, numbers that are too large, long text) is judged one by one
there. A test holds both ways against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.blocks import Blocks, encoded_blocks, joined_blocks
from aidatalabs_services.data.declared_values import with_declared_values
from aidatalabs_services.data.event_columns import judge_types
from aidatalabs_services.data.ingest_batches import EventColumns, EventInput, Flags
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import (
    EVENT_END_SECONDS,
    ONE_DAY_SECONDS,
    OUT_OF_RANGE,
    TIME_MISSING,
    VALUE_NOT_FINITE,
    RejectedRow,
    judge_events,
)


@dataclass
class _Refused:
    """The first reason of each event that is not taken."""

    rows: dict[int, RejectedRow] = field(default_factory=dict)

    def add(self, rows: Flags, reason: str, message: str) -> None:
        """Refuses events that were not refused before."""
        for index in np.flatnonzero(rows).tolist():
            self.rows.setdefault(index, RejectedRow(index, reason, message))


@dataclass(frozen=True)
class JudgedEvents:
    """How many events are taken, those as blocks, and the others by index."""

    accepted_count: int
    blocks: Blocks
    rejected: tuple[RejectedRow, ...]


def judge_event_batch(
    events: EventColumns, event_at: Callable[[int], EventInput], table: TableSchema, *, now_seconds: float
) -> JudgedEvents:
    """Verdicts on events for `table` by the rules of the contract; `event_at` gives the strange ones.

    Raises NotEncodable where those taken cannot be one block each partition: then they go one by one.
    """
    properties = parse_column_type(table.types["properties"])
    events = with_declared_values(events, properties)
    refused = _Refused()
    plain = ~events.strange
    _judge_times(events, plain, refused, now_seconds)
    types = events.types.dictionary_encode()
    judge_types(types, _Among(refused, plain))
    refused.add(plain & ~np.isfinite(events.values), *VALUE_NOT_FINITE)
    kept = plain.copy()
    kept[list(refused.rows)] = False
    # Coded once where all are taken; else the codes would hold the texts of those that are not.
    taken = _rows(events, types) if kept.all() else _rows(events, events.types).filter(pa.array(kept))
    blocks = [encoded_blocks(taken, table)]
    count = int(kept.sum())
    strange = np.flatnonzero(events.strange).tolist()
    if strange:
        verdict = judge_events(
            [event_at(index) for index in strange], now_seconds=now_seconds, properties=properties
        )
        refused.rows |= {
            strange[row.index]: replace(row, index=strange[row.index]) for row in verdict.rejected
        }
        blocks.append(encoded_blocks(verdict.accepted, table))
        count += verdict.accepted.num_rows
    return JudgedEvents(
        count, _together(blocks), tuple(refused.rows[index] for index in sorted(refused.rows))
    )


@dataclass(frozen=True)
class _Among:
    """Refuses only some of the events."""

    refused: _Refused
    plain: Flags

    def add(self, rows: Flags, reason: str, message: str) -> None:
        """See _Refused."""
        self.refused.add(rows & self.plain, reason, message)


def _judge_times(events: EventColumns, plain: Flags, refused: _Refused, now_seconds: float) -> None:
    refused.add(plain & ~events.timed, *TIME_MISSING)
    latest = min(EVENT_END_SECONDS, int(now_seconds) + ONE_DAY_SECONDS)
    beyond = (events.seconds > latest) | ((events.seconds == latest) & (events.nanoseconds > 0))
    refused.add(plain & beyond, *OUT_OF_RANGE)


def _rows(events: EventColumns, types: pa.Array) -> pa.RecordBatch:
    milliseconds = np.minimum(events.seconds, EVENT_END_SECONDS) * 1_000 + events.nanoseconds // 1_000_000
    arrays = [
        pa.array(milliseconds).cast(pa.timestamp("ms", tz="UTC")),
        types,
        pa.array(events.users),
        events.properties,
        pa.array(events.values),
    ]
    return pa.RecordBatch.from_arrays(arrays, names=list(EVENTS.types))


def _together(blocks: Sequence[Blocks]) -> Blocks:
    return blocks[0] if len(blocks) == 1 else joined_blocks(blocks)

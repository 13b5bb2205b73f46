"""The rows of one group as the blocks that the engine is given: one per partition, always the same bytes.

The engine takes at most 100 partitions in one insert, and one insert over several partitions is not one
atomic step; so a group is cut by partition before it is written to the journal, and a replay sends the very
bytes that were journalled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from aidatalabs_services.data.native.block import NativeColumn, columns_of, encode_block
from aidatalabs_services.data.native.errors import BatchValueInvalid, too_large
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.value_rules import ticks_per_second

ROWS_FORMAT = "ArrowStream"
NATIVE = "Native"
MAX_PARTITIONS = 400
"""Partitions of one batch: each is an insert and a part of its own."""
_SECONDS_PER_DAY = 86_400

# Encoded rows of one batch, by partition.
Blocks = Mapping[int, bytes]
Rows = NDArray[np.int64]
Picked = TypeVar("Picked", pa.Table, pa.RecordBatch)


def blocks_of(batches: Sequence[pa.RecordBatch], table: TableSchema) -> list[bytes]:
    """The rows of `batches`, in order, as one ArrowStream per partition, partitions ascending.

    Partitions are those of UTC; where a column counts in another zone a block may touch two of them.
    """
    rows = pa.Table.from_batches(batches).combine_chunks() if len(batches) > 1 else pa.table(batches[0])
    if rows.num_rows == 0:
        return []
    cut = _cut(rows, table)
    return [_encoded(_picked(rows, places)) for _, places in cut] if cut else [_encoded(rows)]


def encoded_blocks(batch: pa.RecordBatch, table: TableSchema) -> Blocks:
    """The rows of one large batch, encoded for the engine, by partition (0 where the table has one only).

    Raises what `native.block.encode_block` raises, with the row as it stands in `batch`.
    """
    if batch.num_rows == 0:
        return {}
    columns = columns_of(table, null_is_empty=True)
    cut = _cut(pa.table(batch), table)
    if not cut:
        return {0: b"".join(encode_block(batch, columns))}
    if len(cut) > MAX_PARTITIONS:
        raise too_large("partitions (sort the rows by time)", MAX_PARTITIONS)
    return {key: _partition(batch, places, columns) for key, places in cut}


def _partition(batch: pa.RecordBatch, rows: Rows, columns: Sequence[NativeColumn]) -> bytes:
    try:
        return b"".join(encode_block(_picked(batch, rows), columns))
    except BatchValueInvalid as error:
        if error.row is not None:
            error.metadata = {**error.metadata, "row": str(rows[error.row])}
        raise


def _cut(rows: pa.Table, table: TableSchema) -> list[tuple[int, Rows]]:
    """Each partition that the rows touch with the places of its rows, ascending.

    Empty where the table is not cut: every row is of the one partition, 0.
    """
    keys = _partitions(rows, table)
    if keys is None:
        return []
    if keys.min() == keys.max():
        return [(int(keys[0]), np.arange(len(keys)))]
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    return list(zip(ordered[starts].tolist(), np.split(order, starts[1:]), strict=True))


def _picked(rows: Picked, places: Rows) -> Picked:
    """These rows, ascending; without a copy where they follow each other."""
    if places[-1] - places[0] + 1 == len(places):
        return rows.slice(int(places[0]), len(places))
    return rows.take(pa.array(places))


def joined(encoded: Sequence[Blocks]) -> list[bytes]:
    """Blocks of several batches as one per partition, in their order: Native blocks may follow each other."""
    found = joined_blocks(encoded)
    return [found[key] for key in sorted(found)]


def joined_blocks(encoded: Sequence[Blocks]) -> Blocks:
    """Blocks of several batches as one per partition."""
    partitions = {key for blocks in encoded for key in blocks}
    return {key: b"".join(blocks[key] for blocks in encoded if key in blocks) for key in partitions}


def _encoded(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows)
    return bytes(sink.getvalue())


def _partitions(rows: pa.Table, table: TableSchema) -> NDArray[np.int64] | None:
    """The partition of every row as a number, or None where the table has one partition only."""
    if not table.partition_by:
        return None
    function, _, column = table.partition_by.rstrip(")").partition("(")
    ticks, a_day = _ticks(rows.column(column), table.types[column])
    # Partitions ascend with time: where the first and the last row are of one, so are those between.
    first, last = _of_days(np.array([ticks.min(), ticks.max()]) // a_day, function).tolist()
    if first == last:
        return np.full(len(ticks), first, np.int64)
    return _of_days(ticks // a_day, function)


def _of_days(days: NDArray[np.int64], function: str) -> NDArray[np.int64]:
    """The partitions of days since 1970 UTC."""
    if function == "toDate":
        return days
    if function == "toMonday":
        return (days + 3) // 7  # 1970-01-01 was a Thursday
    unit = {"toYYYYMM": "M", "toYear": "Y"}[function]
    return days.astype("datetime64[D]").astype(f"datetime64[{unit}]").astype(np.int64)


def _ticks(column: pa.ChunkedArray, type_text: str) -> tuple[NDArray[np.int64], int]:
    """A column of days or moments as whole numbers since 1970 UTC, and how many of them are a day."""
    kind = parse_column_type(type_text)
    if kind.name in ("Date", "Date32"):
        return column.cast(pa.int32()).to_numpy().astype(np.int64), 1
    return column.cast(pa.int64()).to_numpy(), _SECONDS_PER_DAY * ticks_per_second(kind)

"""A batch of Arrow columns against a table: which columns fit, and which rows are taken.

Columns are looked at as a whole, never row by row, where their type is a common one; the others go value by
value through the rules that rows in JSON pass (`value_rules`). What a batch may leave out and how its values
are judged is the same as for rows; only the way in differs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from aidatalabs_services.data.arrow_batches import read_batch
from aidatalabs_services.data.arrow_values import Misfit, fitted_column
from aidatalabs_services.data.blocks import Blocks, encoded_blocks
from aidatalabs_services.data.column_types import ColumnType
from aidatalabs_services.data.dead_letters.row_texts import arrow_row
from aidatalabs_services.data.errors import BatchInvalid, IngestTooLarge, shown_name
from aidatalabs_services.data.event_columns import EVENT_DEFAULTS, judge_event_columns
from aidatalabs_services.data.native.block import columns_of, encode_block
from aidatalabs_services.data.native.errors import BatchTooLarge, BatchValueInvalid, NotEncodable
from aidatalabs_services.data.native.json_type import parse_column_type
from aidatalabs_services.data.native.wire import MAX_BLOCK_BYTES
from aidatalabs_services.data.schema import TableSchema
from aidatalabs_services.data.standard_tables import EVENTS
from aidatalabs_services.data.verdicts import RejectedRow, Verdict
from aidatalabs_services.runtime.errors import FieldViolation

MOST_LISTED = 1_000
_MOST_VIOLATIONS = 50
# Each row found by the encoder costs encoding a piece of the batch anew.
_MOST_LATE = 100
_SEARCH_ROWS = 8_192


class ColumnBatch:
    """A batch of a stream, read and checked. Raises BatchInvalid and IngestTooLarge."""

    def __init__(self, arrow_ipc: bytes, table: str) -> None:
        self._arrow_ipc = arrow_ipc
        self.rows = read_batch(arrow_ipc, table)

    @property
    def count(self) -> int:
        """How many rows."""
        return int(self.rows.num_rows)

    def row(self, index: int) -> Mapping[str, object]:
        """The row at a place, in what JSON has."""
        return arrow_row(self.rows, index)

    def digest(self) -> bytes:
        """SHA-256 of the batch as it came."""
        return hashlib.sha256(self._arrow_ipc).digest()


@dataclass
class Refusals:
    """The rows of one batch that are not taken: the first reason found for each counts."""

    count: int
    refused: NDArray[np.bool_] = field(init=False)
    listed: dict[int, RejectedRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.refused = np.zeros(self.count, np.bool_)
        self._late_count = 0

    def add(self, rows: NDArray[np.bool_], reason: str, message: str) -> None:
        """Refuses `rows` that were not refused before, all for one reason."""
        for index in np.flatnonzero(rows & ~self.refused)[:MOST_LISTED].tolist():
            self.listed.setdefault(index, RejectedRow(index, reason, message))
        self.refused |= rows

    def add_late(self, error: BatchValueInvalid, left: NDArray[np.int64]) -> bool:
        """Refuses the row in which the encoder met a value that cannot be; `left` are the rows it was given.

        False where it names no row, and after many: the batch is not worth looking for more.
        """
        self._late_count += 1
        if error.row is None or self._late_count > _MOST_LATE:
            return False
        index = int(left[error.row])
        self.refused[index] = True
        self.listed[index] = RejectedRow(index, error.metadata["verdict"], error.words)
        return True

    def verdict(self, accepted: pa.RecordBatch) -> Verdict:
        """The verdict on the whole batch."""
        listed = tuple(self.listed[index] for index in sorted(self.listed)[:MOST_LISTED])
        return Verdict(accepted, listed, int(self.refused.sum()) - len(listed))


def judge_columns(batch: pa.RecordBatch, table: TableSchema, *, now_seconds: float) -> tuple[Verdict, Blocks]:
    """Verdicts on the rows of `batch`, and those taken as blocks for the engine.

    Those taken have every column of the table, but for JSON columns that the batch does not have; of the
    others at most the first 1,000 are listed. Raises BatchInvalid, naming each column that does not fit, and
    IngestTooLarge.
    """
    _check_width(batch.num_rows, table)
    fitted, refusals = _fitted(batch, table, now_seconds)
    try:
        try:
            return _taken(fitted, refusals, table)
        except BatchValueInvalid:
            _search(fitted, refusals, table)
        return _taken(fitted, refusals, table)
    except pa.ArrowNotImplementedError as error:
        raise BatchInvalid(
            f"The batch for table {table.name} has a column of a type that rows cannot be picked from. Send "
            "plain lists, objects and text.",
            metadata={"table": table.name},
        ) from error
    except BatchTooLarge as error:
        raise IngestTooLarge(error.message, metadata=error.metadata) from error
    except NotEncodable as error:
        metadata = {**error.metadata, "table": table.name}
        raise BatchInvalid(error.message, metadata=metadata, violations=error.violations) from error


def _taken(fitted: pa.RecordBatch, refusals: Refusals, table: TableSchema) -> tuple[Verdict, Blocks]:
    accepted = fitted.filter(pa.array(~refusals.refused)) if refusals.refused.any() else fitted
    return refusals.verdict(accepted), encoded_blocks(accepted, table)


def _search(fitted: pa.RecordBatch, refusals: Refusals, table: TableSchema) -> None:
    """Refuses the rows that the encoder does, found piece by piece: it tells the first of a piece only."""
    columns = columns_of(table, null_is_empty=True)
    for begin in range(0, fitted.num_rows, _SEARCH_ROWS):
        piece = fitted.slice(begin, _SEARCH_ROWS)
        while True:
            left = begin + np.flatnonzero(~refusals.refused[begin : begin + len(piece)])
            try:
                encode_block(piece.take(pa.array(left - begin)), columns)
                break
            except BatchValueInvalid as error:
                if not refusals.add_late(error, left):
                    raise _beyond_search(error, left) from error


def _beyond_search(error: BatchValueInvalid, left: NDArray[np.int64]) -> BatchValueInvalid:
    if error.row is None:
        return error
    row = str(left[error.row])
    return BatchValueInvalid(
        f"More than {_MOST_LATE} rows cannot be stored, among them row {row}: {error.words}.",
        metadata={**error.metadata, "row": row},
    )


def _check_width(rows: int, table: TableSchema) -> None:
    """Refuses rows that would be too large a block even if they were empty, before any of it is made."""
    least = sum(_least_bytes(parse_column_type(text)) for text in table.types.values())
    if rows * least > MAX_BLOCK_BYTES:
        raise IngestTooLarge(
            f"A row of table {table.name} has at least {least:,} bytes: one batch may bring "
            f"{MAX_BLOCK_BYTES // least:,} of them.",
            metadata={"limit_rows": str(MAX_BLOCK_BYTES // least), "table": table.name},
        )


def _least_bytes(kind: ColumnType) -> int:
    """Bytes of the shortest value of a type, whatever it is."""
    if kind.name == "Nullable":
        return 1 + _least_bytes(kind.inner[0])
    if kind.name == "Tuple":
        return sum(map(_least_bytes, kind.inner))
    bits = re.fullmatch(r"(?:U?Int|Float)([0-9]+)", kind.name)
    return int(bits[1]) // 8 if bits else 4


def _fitted(batch: pa.RecordBatch, table: TableSchema, now_seconds: float) -> tuple[pa.RecordBatch, Refusals]:
    """The columns in the order and the types of the table, and the rows that rules on columns refuse."""
    kinds = {name: parse_column_type(text) for name, text in table.types.items()}
    is_events = table.name == EVENTS.name
    defaults = EVENT_DEFAULTS if is_events else {}
    _check_names(batch.schema, kinds, table.name, defaults)
    refusals = Refusals(batch.num_rows)
    misfits: list[FieldViolation] = []
    arrays: dict[str, pa.Array] = {}
    for name, kind in kinds.items():
        if kind.name == "JSON" and name not in batch.schema.names:
            continue  # an object without keys in every row: encoded so where the column is left out
        try:
            array, wrong = fitted_column(kind, _given(batch, name, defaults.get(name)))
        except Misfit as error:
            misfits.append(FieldViolation(name[:64], str(error)))
            continue
        arrays[name] = array
        for each in wrong:
            refusals.add(each.rows, each.reason, f"column {name} {each.message}")
        if not kind.nullable and kind.name != "JSON" and not is_events and array.null_count:
            nulls = array.is_null().to_numpy(zero_copy_only=False)
            refusals.add(nulls, "VALUE_INVALID", f"column {name} must not be null")
    if misfits:
        raise _invalid(table.name, misfits)
    if is_events:
        judge_event_columns(arrays, refusals, now_seconds=now_seconds)
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)), refusals


def _check_names(
    given: pa.Schema, kinds: Mapping[str, ColumnType], table: str, defaults: Mapping[str, object]
) -> None:
    wrong = []
    for name in given.names:
        if name not in kinds:
            wrong.append(FieldViolation(shown_name(name), f"is not a column of table {table}"))
        elif given.names.count(name) > 1:
            wrong.append(FieldViolation(shown_name(name), "stands more than once in the batch"))
    for name, kind in kinds.items():
        if name not in given.names and not (kind.nullable or kind.name == "JSON" or name in defaults):
            wrong.append(FieldViolation(name, "is missing; only Nullable and JSON columns may be"))
    if wrong:
        raise _invalid(table, wrong)


def _given(batch: pa.RecordBatch, name: str, unset: pa.Scalar | None) -> pa.Array:
    """The column as it came, or as it is where the batch does not have it."""
    if name in batch.schema.names:
        array = batch.column(name)
        if unset is not None and pa.types.is_dictionary(array.type) and _holds(array.type.value_type):
            array = array.dictionary_decode()
        if unset is not None and array.null_count and _holds(array.type):
            return pc.fill_null(array, unset.cast(array.type))
        if unset is None or not pa.types.is_null(array.type):
            return array
    if unset is not None:
        return pa.repeat(unset, batch.num_rows)
    return pa.nulls(batch.num_rows)


def _holds(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _invalid(table: str, wrong: list[FieldViolation]) -> BatchInvalid:
    first = wrong[0]
    return BatchInvalid(
        f"The batch does not fit table {table}: column {first.field} {first.description}.",
        metadata={"table": table},
        violations=wrong[:_MOST_VIOLATIONS],
    )

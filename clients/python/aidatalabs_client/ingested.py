"""What became of rows that were sent in several calls."""

from __future__ import annotations

from dataclasses import dataclass, field

from aidatalabs.data.v1 import ingest_pb2


@dataclass(frozen=True)
class RejectedRow:
    """A row that was not stored: its place from 0, the reason, and what is wrong with it."""

    index: int
    reason: str
    message: str


@dataclass
class Ingested:
    """Rows sent to a table: those accepted, among them those that had come before, and those rejected."""

    table: str
    row_count: int = 0
    accepted_count: int = 0
    duplicate_count: int = 0
    rejected: list[RejectedRow] = field(default_factory=list)

    def add(self, receipt: ingest_pb2.Receipt, row_count: int, *, first_row: int | None = None) -> None:
        """Adds the receipt of `row_count` rows that begin at `first_row`; the next ones where it is None."""
        first = self.row_count if first_row is None else first_row
        self.accepted_count += receipt.accepted_count
        self.duplicate_count += receipt.duplicate_count
        self.rejected += [RejectedRow(first + row.index, row.reason, row.message) for row in receipt.rejected]
        self.row_count += row_count


class RowsDiffer(Exception):
    """Rows of this file were stored before, and the file has changed since in other ways than by growing.

    `first_row` counts from 1; the `row_count` rows from there on are stored, in another form than the file's.
    """

    def __init__(self, first_row: int, row_count: int) -> None:
        super().__init__(
            f"{row_count:,} rows were stored from a file that begins like this one; rows {first_row:,} to "
            f"{first_row + row_count - 1:,} of this file are not the same; nothing of them was stored now"
        )
        self.first_row = first_row
        self.row_count = row_count

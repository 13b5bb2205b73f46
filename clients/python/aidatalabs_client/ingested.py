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

    def add(self, receipt: ingest_pb2.Receipt, row_count: int) -> None:
        """Adds the receipt of the next `row_count` rows."""
        self.accepted_count += receipt.accepted_count
        self.duplicate_count += receipt.duplicate_count
        self.rejected += [
            RejectedRow(self.row_count + row.index, row.reason, row.message) for row in receipt.rejected
        ]
        self.row_count += row_count

"""Why a columnar batch is refused. Every text is our own and names the column and, where known, the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from aidatalabs_services.data.errors import shown_name
from aidatalabs_services.runtime.errors import FieldViolation


class NotEncodable(Exception):
    """A batch that no block can be made of; never leaves the service as it is.

    `message` and `violations` are those of a refusal; `metadata` says where.
    """

    def __init__(
        self,
        message: str,
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.metadata = dict(metadata or {})
        self.violations = list(violations)


class BatchSchemaInvalid(NotEncodable):
    """The batch's columns do not fit the table; `violations` name each, metadata `column`."""


class BatchValueInvalid(NotEncodable):
    """A value of the batch does not fit its column.

    Metadata `column`, `verdict` (VALUE_INVALID, VALUE_NOT_FINITE, PROPERTIES_INVALID as row ingest has
    them), `row` from 0 where it is known, `path` inside a JSON column. `words` say the same of the row alone.
    """

    words = ""

    @property
    def row(self) -> int | None:
        """The row of the value, where it is known."""
        row = self.metadata.get("row")
        return None if row is None else int(row)


class BatchTooLarge(NotEncodable):
    """The batch would become a larger block than the engine is given; metadata `limit`, `most`."""


class BatchCorrupt(NotEncodable):
    """The batch's Arrow arrays contradict themselves, or hold text that is not valid Unicode."""


def _same(index: int) -> int:
    return index


@dataclass(frozen=True)
class Place:
    """Where values stand: the column, the path inside its JSON, and the batch's row of each entry."""

    column: str
    path: str | None = None
    row_of: Callable[[int], int] = _same

    def at(self, row_of: Callable[[int], int]) -> Place:
        """The place of values of which entry i belongs to entry `row_of(i)` here."""
        outer = self.row_of
        return Place(self.column, self.path, lambda index: outer(row_of(index)))

    def below(self, path: str) -> Place:
        """The same rows at a path of the JSON."""
        return Place(self.column, path, self.row_of)

    def refuse(self, index: int | None, message: str, verdict: str = "VALUE_INVALID") -> BatchValueInvalid:
        """The refusal of the value of this entry; the text continues "column x …"."""
        metadata = {"column": shown_name(self.column), "verdict": verdict}
        text = f"column {shown_name(self.column)}"
        if self.path is not None:
            metadata["path"] = shown_name(self.path)
            text += f" at path {shown_name(self.path)}"
        words = f"{text} {message}"
        if index is not None:
            metadata["row"] = str(self.row_of(index))
            text += f", row {metadata['row']},"
        refusal = BatchValueInvalid(f"The batch cannot be stored: {text} {message}.", metadata=metadata)
        refusal.words = words
        return refusal

    def mismatch(self, given: object, wanted: object) -> BatchSchemaInvalid:
        """The refusal of an Arrow type that no value of the column's type can come from without loss."""
        text = f"column {shown_name(self.column)}"
        if self.path is not None:
            text += f" at path {shown_name(self.path)}"
        return BatchSchemaInvalid(
            f"The batch does not fit the table: {text} is {wanted} and cannot be taken from Arrow's "
            f"{shown_name(str(given), 200)}.",
            metadata={
                "column": shown_name(self.column),
                "arrow_type": shown_name(str(given), 200),
                "type": shown_name(str(wanted), 200),
            },
        )


def too_large(limit: str, most: int) -> BatchTooLarge:
    """The refusal of a batch beyond one of the limits of a block."""
    return BatchTooLarge(
        f"The batch would become too large a block: at most {most:,} {limit}. Send smaller batches.",
        metadata={"limit": limit, "most": str(most)},
    )

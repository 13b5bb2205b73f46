"""What the planner knows of a database: tables, columns, their ranges and their most frequent values."""

from __future__ import annotations

from dataclasses import dataclass

from .definitions import NOTHING, Definitions


@dataclass(frozen=True)
class Column:
    """One column, or one path inside a JSON column, with what is known of its contents.

    `type` is ClickHouse type text. `distinct_count` and `null_share` (0 to 1) are None where nobody
    counted. `minimum` and `maximum` are the values as ClickHouse prints them. `values` holds up to 2,000
    values, most frequent first; `values_complete` says that there are no others. `path_of` names the JSON
    column a path belongs to: a path is named `properties.page` and carries its own observed type, or the
    one that the column's type declares for it (`is_declared`).
    """

    name: str
    type: str
    comment: str = ""
    distinct_count: int | None = None
    null_share: float | None = None
    minimum: str | None = None
    maximum: str | None = None
    values: tuple[str, ...] = ()
    values_complete: bool = False
    path_of: str | None = None
    is_declared: bool = False


@dataclass(frozen=True)
class Table:
    """One table; `order_by` lists the columns of its sorting key."""

    name: str
    columns: tuple[Column, ...]
    row_count: int = 0
    comment: str = ""
    order_by: tuple[str, ...] = ()

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True)
class Catalogue:
    """All tables a question may be answered from; `version` changes whenever anything here does.

    `definitions` are what people say of them, in their version of that number; only what fits the tables
    stands here.
    """

    tables: tuple[Table, ...]
    version: str = ""
    definitions: Definitions = NOTHING
    definitions_version: int = 0

    def table(self, name: str) -> Table | None:
        """The table of that exact name, or None."""
        return next((table for table in self.tables if table.name == name), None)

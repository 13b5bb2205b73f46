"""What people say of a platform's data beside what it says itself: synonyms, roles, units, keys, metrics.

Everything here is a name, a number or a choice out of a closed list; nothing is SQL. `NOTHING` says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

ROLES = {
    "identifier": "key",
    "label": "label",
    "measure": "measure",
    "category": "dimension",
    "flag": "flag",
    "text": "other",
}
"""Roles that a column may be given, as people call them, and as the planner does."""

AGGREGATES = ("count", "count_distinct", "sum", "avg", "min", "max", "median")
"""What a metric may compute."""

OPERATORS = {
    **dict.fromkeys(("eq", "ne", "lt", "le", "gt", "ge", "contains", "starts", "ends"), (1, 1)),
    **dict.fromkeys(("in", "not_in"), (1, 100)),
    "between": (2, 2),
    **dict.fromkeys(("is_null", "not_null", "is_true", "is_false"), (0, 0)),
}
"""How a metric may pick rows, and how few and many values that takes."""

GRAINS = ("hour", "day", "week", "month", "quarter", "year")
"""Steps that a dimension may cut a time into."""


@dataclass(frozen=True)
class ValueDefinition:
    """Other words for one stored value of a column."""

    value: str
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True)
class ColumnDefinition:
    """What is said of one column, or path of a JSON column; what is empty was not said."""

    column: str
    description: str = ""
    synonyms: tuple[str, ...] = ()
    role: str = ""
    unit: str = ""
    hidden: bool = False
    values: tuple[ValueDefinition, ...] = ()


@dataclass(frozen=True)
class TableDefinition:
    """What is said of one table. `default_time` is the column that tells when its rows happened,
    `default_measure` the one that tells what they are worth."""

    table: str
    description: str = ""
    synonyms: tuple[str, ...] = ()
    hidden: bool = False
    default_time: str = ""
    default_measure: str = ""
    columns: tuple[ColumnDefinition, ...] = ()

    def column(self, name: str) -> ColumnDefinition | None:
        """What is said of that column, or None."""
        return next((one for one in self.columns if one.column == name), None)


@dataclass(frozen=True)
class KeyDefinition:
    """`column` of `table` finds its one row in `to_table` by `to_column`; or does not, where `denied`."""

    table: str
    column: str
    to_table: str
    to_column: str
    denied: bool = False


@dataclass(frozen=True)
class MetricFilter:
    """A condition on the rows that a metric is computed over; `values` as the data writes them."""

    column: str
    operator: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class MetricDefinition:
    """A named number: an aggregate over some rows of a table, or one metric divided by another.

    A ratio has `numerator` and `denominator`, names of two metrics of one table, and nothing else of a
    computation; `percent` takes it times 100. count needs no `column`.
    """

    name: str
    description: str = ""
    synonyms: tuple[str, ...] = ()
    unit: str = ""
    table: str = ""
    aggregate: str = ""
    column: str = ""
    filters: tuple[MetricFilter, ...] = ()
    numerator: str = ""
    denominator: str = ""
    percent: bool = False

    @property
    def is_ratio(self) -> bool:
        """True where it divides two metrics."""
        return bool(self.numerator or self.denominator)

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class DimensionDefinition:
    """A named way to group: a column or a path of a JSON column, or with `grain` steps of a time."""

    name: str
    table: str
    column: str
    description: str = ""
    synonyms: tuple[str, ...] = ()
    grain: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its synonyms."""
        return (self.name, *self.synonyms)


@dataclass(frozen=True)
class Definitions:
    """All that is said of one platform's data."""

    tables: tuple[TableDefinition, ...] = ()
    keys: tuple[KeyDefinition, ...] = ()
    metrics: tuple[MetricDefinition, ...] = ()
    dimensions: tuple[DimensionDefinition, ...] = ()

    def __bool__(self) -> bool:
        """False where nothing is said."""
        return bool(self.tables or self.keys or self.metrics or self.dimensions)

    def table(self, name: str) -> TableDefinition | None:
        """What is said of that table, or None."""
        return next((one for one in self.tables if one.table == name), None)

    def column(self, table: str, name: str) -> ColumnDefinition | None:
        """What is said of that column, or None."""
        held = self.table(table)
        return held.column(name) if held is not None else None

    def metric(self, name: str) -> MetricDefinition | None:
        """The metric of that name, in small or capital letters, or None."""
        return next((one for one in self.metrics if one.name.casefold() == name.casefold()), None)

    def columns(self) -> Iterator[tuple[str, ColumnDefinition]]:
        """(table, what is said of a column) for each column."""
        for table in self.tables:
            for column in table.columns:
                yield table.table, column

    def metric_table(self, metric: MetricDefinition) -> str:
        """The table whose rows a metric is computed over; empty where its parts lead to none."""
        seen = {metric.name.casefold()}
        part: MetricDefinition | None = metric
        while part is not None and part.is_ratio:
            part = self.metric(part.numerator)
            if part is None or part.name.casefold() in seen:
                return ""
            seen.add(part.name.casefold())
        return part.table if part is not None else ""


NOTHING = Definitions()

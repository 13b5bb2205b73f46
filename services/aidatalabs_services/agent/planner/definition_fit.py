"""Which definitions fit the tables there are, and what stands against those that do not.

What does not fit is left out of planning, and is never a reason for a question to fail: tables change under
definitions that were right when they were made.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from .catalogue import Catalogue, Column
from .columntypes import ColumnType, column_type
from .definitions import (
    OPERATORS,
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    KeyDefinition,
    MetricDefinition,
    MetricFilter,
    TableDefinition,
)
from .metric_parts import fitting_ratios
from .words import split_name

_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")
_ROLE_TYPES: dict[str, Callable[[ColumnType], bool]] = {
    "identifier": lambda kind: kind.kind in ("text", "integer"),
    "label": lambda kind: kind.kind == "text",
    "measure": lambda kind: kind.numeric,
    "category": lambda kind: kind.kind in ("text", "integer", "bool"),
    "flag": lambda kind: kind.kind in ("bool", "integer"),
    "text": lambda kind: kind.kind == "text",
}
_ROLE_NEEDS = {
    "identifier": "text or whole numbers", "label": "text", "measure": "numbers",
    "category": "text, whole numbers or Bool", "flag": "Bool or whole numbers", "text": "text",
}  # fmt: skip
_T = TypeVar("_T")


@dataclass(frozen=True)
class Problem:
    """What stands against a definition: the path of its field, and a sentence with what would help."""

    field: str
    message: str


@dataclass(frozen=True)
class Fitted:
    """The definitions that fit, and the problems of the others."""

    definitions: Definitions
    problems: tuple[Problem, ...]


def fitted(definitions: Definitions, catalogue: Catalogue) -> Fitted:
    """The definitions that fit the tables of a catalogue."""
    if not definitions:
        return Fitted(definitions, ())
    return _Fitting(definitions, catalogue).all()


class _Fitting:
    def __init__(self, definitions: Definitions, catalogue: Catalogue) -> None:
        self._definitions = definitions
        self._columns = {t.name: {c.name: c for c in t.columns} for t in catalogue.tables}
        self._row_counts = {t.name: t.row_count for t in catalogue.tables}
        self._called: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
        for table, columns in self._columns.items():
            self._called[split_name(table)].append((table, ""))
            for name in columns:
                self._called[split_name(name.split(".", 1)[-1])].append((table, name))
        self._problems: list[Problem] = []

    def all(self) -> Fitted:
        said = self._definitions
        tables = self._each("tables", said.tables, self._table)
        keys = self._each("keys", said.keys, self._key)
        metrics = self._each("metrics", said.metrics, self._metric)
        whole = Definitions(tables, keys, metrics, ())
        ratios, told = fitting_ratios(whole, self._is_time)
        place = {metric.name: number for number, metric in enumerate(said.metrics)}
        self._problems += [Problem(f"metrics[{place[name]}].{field}", why) for name, field, why in told]
        dimensions = self._each("dimensions", said.dimensions, self._dimension)
        return Fitted(Definitions(tables, keys, ratios, dimensions), tuple(self._problems))

    def _each(self, field: str, said: Sequence[_T], fit: Callable[[str, _T], _T | None]) -> tuple[_T, ...]:
        found = (fit(f"{field}[{number}]", one) for number, one in enumerate(said))
        return tuple(one for one in found if one is not None)

    def _no(self, field: str, message: str) -> None:
        self._problems.append(Problem(field, message))

    def _held(self, field: str, table: str, column: str) -> Column | None:
        """The column, or None with the problem noted."""
        columns = self._columns.get(table)
        if columns is None:
            self._no(f"{field}.table", f"there is no table {table!r}; GetCatalogue lists them")
            return None
        if column not in columns:
            self._no(f"{field}.column", f"there is no column {column!r} in {table}; GetCatalogue lists them")
        return columns.get(column)

    def _taken(self, name: str, table: str = "", column: str = "") -> str:
        """What a name calls already, in words; a column's own name, and that of a column of another table,
        does not stand against a synonym of a column."""
        for other, held in self._called.get(split_name(name), ()):
            if (other, held) == (table, column) or (table and held and (not column or other != table)):
                continue
            return f"the column {other}.{held}" if held else f"the table {other}"
        return ""

    def _free(self, field: str, names: Sequence[str], table: str = "", column: str = "") -> tuple[str, ...]:
        """The names that are still to be had."""
        kept = []
        for number, name in enumerate(names):
            taken = self._taken(name, table, column)
            if taken:
                self._no(f"{field}[{number}]", f"{name!r} is the name of {taken}; choose another one")
            else:
                kept.append(name)
        return tuple(kept)

    def _table(self, field: str, said: TableDefinition) -> TableDefinition | None:
        columns = self._columns.get(said.table)
        if columns is None:
            self._no(f"{field}.table", f"there is no table {said.table!r}; GetCatalogue lists them")
            return None
        time, measure = said.default_time, said.default_measure
        if time and (time not in columns or not column_type(columns[time].type).temporal):
            self._no(
                f"{field}.default_time_column", f"{time!r} is no column of dates or times in {said.table}"
            )
            time = ""
        if measure and (measure not in columns or not column_type(columns[measure].type).numeric):
            self._no(
                f"{field}.default_measure_column", f"{measure!r} is no column of numbers in {said.table}"
            )
            measure = ""
        inner = (
            self._column(f"{field}.columns[{number}]", said.table, one)
            for number, one in enumerate(said.columns)
        )
        return replace(
            said,
            synonyms=self._free(f"{field}.synonyms", said.synonyms, said.table),
            default_time=time,
            default_measure=measure,
            columns=tuple(one for one in inner if one is not None),
        )

    def _column(self, field: str, table: str, said: ColumnDefinition) -> ColumnDefinition | None:
        column = self._columns[table].get(said.column)
        if column is None:
            self._no(f"{field}.column", f"there is no column {said.column!r} in {table}")
            return None
        kind, role, values = column_type(column.type), said.role, said.values
        if role and not _ROLE_TYPES[role](kind):
            self._no(f"{field}.role", f"{role} needs {_ROLE_NEEDS[role]}, and {said.column} is {column.type}")
            role = ""
        if values and kind.kind != "text":
            self._no(
                f"{field}.values", f"only values of text have other words; {said.column} is {column.type}"
            )
            values = ()
        if column.values_complete:
            there = set(column.values)
            for number, value in enumerate(values):
                if value.value not in there:
                    self._no(f"{field}.values[{number}].value", f"{said.column} holds no {value.value!r}")
            values = tuple(value for value in values if value.value in there)
        synonyms = self._free(f"{field}.synonyms", said.synonyms, table, said.column)
        return replace(said, role=role, values=values, synonyms=synonyms)

    def _key(self, field: str, said: KeyDefinition) -> KeyDefinition | None:
        left = self._held(field, said.table, said.column)
        right = self._columns.get(said.to_table, {}).get(said.to_column)
        if right is None:
            self._no(f"{field}.to_column", f"there is no {said.to_table}.{said.to_column}")
        if left is None or right is None:
            return None
        kinds = [column_type(left.type), column_type(right.type)]
        if kinds[0].kind != kinds[1].kind or kinds[0].kind not in ("integer", "text") or right.path_of:
            self._no(
                f"{field}.to_column",
                f"{left.type} of {said.column} does not look up {right.type} of {said.to_column}; both have "
                "to be text, or whole numbers",
            )
            return None
        unique = right.distinct_count is None or right.distinct_count == self._row_counts[said.to_table]
        if not unique and not said.denied:
            self._no(
                f"{field}.to_column",
                f"several rows of {said.to_table} have the same {said.to_column}; a key finds one row",
            )
            return None
        return said

    def _metric(self, field: str, said: MetricDefinition) -> MetricDefinition | None:
        taken = self._taken(said.name)
        if taken:
            self._no(f"{field}.name", f"{said.name!r} is the name of {taken}; choose another one")
            return None
        named = replace(said, synonyms=self._free(f"{field}.synonyms", said.synonyms))
        if said.is_ratio:
            return named
        if said.table not in self._columns:
            self._no(f"{field}.table", f"there is no table {said.table!r}; GetCatalogue lists them")
            return None
        hidden = self._definitions.table(said.table)
        if hidden is not None and hidden.hidden:
            self._no(f"{field}.table", f"{said.table} is hidden, and with it what is computed of it")
            return None
        told = len(self._problems)
        if said.aggregate != "count":
            self._aggregate(field, said)
        for number, one in enumerate(said.filters):
            self._filter(f"{field}.filters[{number}]", said.table, one)
        return named if len(self._problems) == told else None

    def _aggregate(self, field: str, said: MetricDefinition) -> None:
        column = self._held(field, said.table, said.column)
        if column is None or said.aggregate == "count_distinct":
            return
        kind = column_type(column.type)
        if kind.numeric or (kind.temporal and said.aggregate in ("min", "max")):
            return
        self._no(f"{field}.aggregate", f"{said.aggregate} needs numbers, and {said.column} is {column.type}")

    def _is_time(self, metric: MetricDefinition) -> bool:
        column = self._columns.get(metric.table, {}).get(metric.column)
        return column is not None and metric.aggregate in ("min", "max") and column_type(column.type).temporal

    def _filter(self, field: str, table: str, said: MetricFilter) -> None:
        column = self._held(field, table, said.column)
        if column is None:
            return
        kind = column_type(column.type)
        why = "".join(_misfits(said, kind, column))
        if why:
            self._no(f"{field}.operator" if "values" not in why else f"{field}.values", why)

    def _dimension(self, field: str, said: DimensionDefinition) -> DimensionDefinition | None:
        column = self._held(field, said.table, said.column)
        if column is None:
            return None
        taken = self._taken(said.name)
        if taken and taken != f"the column {said.table}.{said.column}":
            self._no(f"{field}.name", f"{said.name!r} is the name of {taken}; choose another one")
            return None
        kind = column_type(column.type)
        if said.grain and not kind.temporal:
            self._no(f"{field}.grain", f"steps need a date or a time, and {said.column} is {column.type}")
            return None
        if said.grain == "hour" and kind.kind == "date":
            self._no(f"{field}.grain", f"{said.column} holds days, which have no hours")
            return None
        if kind.kind in ("json", "other"):
            self._no(f"{field}.column", f"{said.column} is {column.type}; name a path of it")
            return None
        return replace(said, synonyms=self._free(f"{field}.synonyms", said.synonyms))


def _misfits(said: MetricFilter, kind: ColumnType, column: Column) -> Iterator[str]:
    """Why a filter does not fit its column; nothing where it does."""
    name, few = column.name, OPERATORS[said.operator]
    fits = {
        "is_true": kind.kind in ("bool", "integer"),
        "is_null": kind.nullable or column.path_of is not None,
        "contains": kind.kind == "text",
        "lt": kind.numeric,
        "eq": kind.numeric or kind.kind == "text",
    }
    alike = {"is_false": "is_true", "not_null": "is_null", "starts": "contains", "ends": "contains"}
    alike |= dict.fromkeys(("le", "gt", "ge", "between"), "lt") | dict.fromkeys(("ne", "in", "not_in"), "eq")
    if not fits[alike.get(said.operator, said.operator)]:
        yield f"{said.operator} does not fit {name}, which is {column.type}"
    elif kind.numeric and few[1] and not all(_NUMBER.fullmatch(value) for value in said.values):
        yield f"values of {name} are plain numbers, such as 12 or -0.5"

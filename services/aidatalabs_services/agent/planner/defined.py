"""Definitions applied to what the planner derives from the data: names, values, roles, keys, defaults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from .catalogue import Catalogue, Column, Table
from .definitions import ROLES, Definitions, MetricDefinition
from .keys import Edge
from .names import NameEntry
from .roles import Role
from .values import ValueMatch
from .words import lemma, tokenize, value_words

_WORTH = ("value", "amount", "total", "worth")


def shown(catalogue: Catalogue) -> Catalogue:
    """The catalogue without what is hidden."""
    definitions = catalogue.definitions
    if not definitions:
        return catalogue
    hidden = {one.table for one in definitions.tables if one.hidden}
    columns = {(table, one.column) for table, one in definitions.columns() if one.hidden}
    parted = {table for table, _ in columns}
    tables = tuple(
        replace(table, columns=tuple(c for c in table.columns if not _covered(table.name, c, columns)))
        if table.name in parted
        else table
        for table in catalogue.tables
        if table.name not in hidden
    )
    return replace(catalogue, tables=tables)


def _covered(table: str, column: Column, hidden: set[tuple[str, str]]) -> bool:
    """True for what is hidden itself, or is a path of a column that is."""
    return (table, column.name) in hidden or (table, column.path_of or column.name) in hidden


def spoken(text: str) -> tuple[str, ...]:
    """The words of a defined name as the words of a question are matched."""
    return tuple(lemma(token.word) for token in tokenize(text) if token.kind in ("word", "number"))


class Defined:
    """What one catalogue's definitions change. `catalogue` is what questions see, `whole` has what is hidden,
    too, which metrics may be computed of."""

    def __init__(self, catalogue: Catalogue, whole: Catalogue) -> None:
        self.definitions: Definitions = catalogue.definitions
        self._columns = _columns(catalogue)
        self._all = _columns(whole) if whole is not catalogue else self._columns
        self._tables = {one.table: one for one in self.definitions.tables}
        self._said = {(table, one.column): one for table, one in self.definitions.columns()}
        there = {table.name for table in catalogue.tables} if self.definitions.metrics else set()
        self.metrics: dict[tuple[str, str], MetricDefinition] = {
            (table, metric.name): metric
            for metric in self.definitions.metrics
            if (table := self.definitions.metric_table(metric)) in there and self._computable(metric)
        }
        self._values: dict[str, list[ValueMatch]] = defaultdict(list)
        for (table, name), column in self._said.items():
            if (table, name) in self._columns:
                for value in column.values:
                    match = ValueMatch(table, name, value.value, partial=False, defined=True)
                    for synonym in value.synonyms:
                        self._values["".join(value_words(synonym))].append(match)

    def _computable(self, metric: MetricDefinition) -> bool:
        """Whether everything is there that a metric is computed of."""
        if metric.is_ratio:
            parts = (self.definitions.metric(name) for name in (metric.numerator, metric.denominator))
            return all(part is not None and self._computable(part) for part in parts)
        needed = {metric.column, *(one.column for one in metric.filters)} - {""}
        return all((metric.table, name) in self._all for name in needed)

    def spelled(self, words: Sequence[str]) -> list[ValueMatch]:
        """The stored values that people said these words name."""
        return self._values.get("".join(words), [])

    def source(self, table: str, column: str) -> Column:
        """A column that a metric is computed of; it must exist, and may be hidden."""
        return self._all[(table, column)]

    def metric_columns(self) -> dict[tuple[str, str], Column]:
        """A column for each metric, by which a question calls it; no table has it."""
        return {(table, name): Column(name, "Float64") for table, name in self.metrics}

    def role(self, table: str, column: str, derived: Role) -> Role:
        """The role of a column."""
        said = self._said.get((table, column))
        if said is None:
            return derived
        kind = ROLES.get(said.role, derived.kind)
        return Role(kind, said.unit or derived.unit, derived.additive and kind == "measure")

    def metric_role(self, table: str, name: str) -> Role | None:
        """The role that a metric's name plays in a question; None for anything else."""
        metric = self.metrics.get((table, name))
        return Role("measure", metric.unit, additive=True) if metric is not None else None

    def edges(self, derived: tuple[Edge, ...]) -> tuple[Edge, ...]:
        """The keys, those that were added first."""
        if not self.definitions.keys:
            return derived
        stated = {Edge(k.table, k.column, k.to_table, k.to_column): k.denied for k in self.definitions.keys}
        added = tuple(
            edge
            for edge, denied in stated.items()
            if not denied
            and (edge.table, edge.column) in self._columns
            and (edge.to_table, edge.to_column) in self._columns
        )
        taken = {(edge.table, edge.column, edge.to_table) for edge in added}
        kept = (edge for edge in derived if (edge.table, edge.column, edge.to_table) not in taken)
        return (*added, *(edge for edge in kept if edge not in stated))

    def names(self, table: Table) -> list[NameEntry]:
        """Other ways to call a table and its columns, each counting only as a whole."""
        said = self._tables.get(table.name)
        made: list[tuple[str, str, float]] = []
        if said is not None:
            made += [(synonym, "", 0.0) for synonym in said.synonyms]
            if (table.name, said.default_measure) in self._columns:
                owners = {spoken(name)[-1:] for name in (table.name.replace("_", " "), *said.synonyms)}
                named = sorted(owner[0] for owner in owners if owner)
                made += [
                    (f"{owner} {word}", said.default_measure, 0.05) for owner in named for word in _WORTH
                ]
            made += [(synonym, one.column, 0.0) for one in said.columns for synonym in one.synonyms]
        made += [
            (name, one.column, 0.0)
            for one in self.definitions.dimensions
            if one.table == table.name and not one.grain
            for name in one.names
        ]
        return [
            NameEntry(spoken(name), table.name, column, cost, whole=True)
            for name, column, cost in made
            if spoken(name) and (not column or (table.name, column) in self._columns)
        ]

    def labels(self, table: Table) -> tuple[Column, ...]:
        """The columns that were said to be what a reader knows a row by."""
        said = self._tables.get(table.name)
        named = {one.column for one in said.columns if one.role == "label"} if said is not None else set()
        return tuple(column for column in table.columns if column.name in named)

    def default_time(self, table: str) -> Column | None:
        """The column that was said to tell when the rows of a table happened."""
        said = self._tables.get(table)
        return self._columns.get((table, said.default_time)) if said is not None else None


def _columns(catalogue: Catalogue) -> dict[tuple[str, str], Column]:
    """Every column by its table; nothing where nothing is said of any."""
    if not catalogue.definitions:
        return {}
    return {(table.name, column.name): column for table in catalogue.tables for column in table.columns}

"""Everything the planner derives from a catalogue once: roles, names, values, keys, times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from .catalogue import Catalogue, Column, Table
from .columntypes import column_type
from .countries import aliases
from .keys import Edge, edges_of, paths_between
from .names import NameEntry, NameIndex
from .roles import Calendar, Role, bookkeeping, calendar_of, label_columns, role_of
from .units import UNIT_WORDS, unit_class
from .words import split_name, value_words

_COMPANY_FORMS = frozenset(
    ("inc", "ltd", "llc", "corp", "co", "company", "gmbh", "plc", "corporation", "limited")
)
_CLOSED_SUFFIXES = frozenset(("id", "code", "key", "no", "nr", "name", "number"))
_AMOUNTS = frozenset(("total", "amount", "value", "sum", "revenue", "turnover"))
_WORTH = ("value", "amount", "total")
_LASTING = ("time", "duration")
_MOST_POSTINGS = 60
_EMPTY = 0.3


@dataclass(frozen=True)
class ValueMatch:
    """A stored value that some words of the question name; `partial` when they are only some of its words."""

    table: str
    column: str
    value: str
    partial: bool


def _with_words(catalogue: Catalogue) -> Catalogue:
    """The catalogue without tables and columns whose names have no word in them: no question names those.

    A key of an object may be any text, such as a quotation mark.
    """
    tables = tuple(
        replace(
            table, columns=tuple(each for each in table.columns if split_name(each.name.split(".", 1)[-1]))
        )
        for table in catalogue.tables
        if split_name(table.name)
    )
    return replace(catalogue, tables=tables)


class CatalogueIndex:
    """The derived facts of one catalogue; built once per version and never changed."""

    def __init__(self, catalogue: Catalogue) -> None:
        catalogue = _with_words(catalogue)
        self.catalogue = catalogue
        self.tables: dict[str, Table] = {table.name: table for table in catalogue.tables}
        self.columns: dict[tuple[str, str], Column] = {
            (table.name, column.name): column for table in catalogue.tables for column in table.columns
        }
        self.calendars: dict[str, Calendar | None] = {t.name: calendar_of(t) for t in catalogue.tables}
        self.roles: dict[tuple[str, str], Role] = {
            (table.name, column.name): role_of(column, table, self.calendars[table.name])
            for table in catalogue.tables
            for column in table.columns
        }
        self.edges: tuple[Edge, ...] = edges_of(catalogue)
        filled = any(table.row_count for table in catalogue.tables)
        self.empty_tables = frozenset(t.name for t in catalogue.tables if filled and not t.row_count)
        self.names = NameIndex(self._entries())
        self._values: dict[str, list[ValueMatch]] = defaultdict(list)
        self._value_parts: dict[str, list[ValueMatch]] = defaultdict(list)
        for table in catalogue.tables:
            for column in table.columns:
                self._index_values(table, column)
        self.vocabulary = frozenset(self.names.words) | frozenset(
            word for word in self._value_parts if word.isalpha()
        )

    def column(self, table: str, name: str) -> Column:
        """The column of that name; it must exist."""
        return self.columns[(table, name)]

    def role(self, table: str, name: str) -> Role:
        """The role of a column that exists."""
        return self.roles[(table, name)]

    def label(self, table: str) -> tuple[Column, ...]:
        """The columns a reader knows this table's rows by; may be none."""
        return label_columns(self.tables[table])

    def paths(self, start: str, goal: str) -> list[tuple[Edge, ...]]:
        """Shortest many-to-one paths between two tables."""
        return paths_between(self.edges, start, goal)

    def time_columns(self, table: str) -> list[Column]:
        """The table's date and time columns, those about the event before those about the row's writing."""
        times = [c for c in self.tables[table].columns if column_type(c.type).temporal]
        events = [column for column in times if not bookkeeping(column)]
        return events or times

    def key_of(self, table: str) -> Column | None:
        """The unique column that other tables refer to, or the first unique key, or None."""
        for edge in self.edges:
            if edge.to_table == table:
                return self.column(table, edge.to_column)
        entry = self.tables[table]
        for column in entry.columns:
            if self.role(table, column.name).kind == "key" and column.distinct_count == entry.row_count:
                return column
        return None

    def _entries(self) -> list[NameEntry]:
        made: list[NameEntry] = []
        for table in self.catalogue.tables:
            entries = self._table_entries(table)
            if table.name in self.empty_tables:  # what is empty is seldom meant where something is not
                entries = [replace(entry, cost=entry.cost + _EMPTY) for entry in entries]
            made.extend(entries)
        return made

    def _table_entries(self, table: Table) -> list[NameEntry]:
        entries: list[NameEntry] = []
        owner = split_name(table.name)
        entries.append(NameEntry(owner, table.name, "", 0.0))
        if len(owner) > 1 and table.name.casefold().endswith(("s", "people")):
            entries.append(NameEntry(owner[-1:], table.name, "", 0.01))
        entries.extend(self._worth_entries(table, owner))
        calendar = self.calendars[table.name]
        dated = set(calendar.names) if calendar and calendar.finest != "year" else set()
        for column in table.columns:
            if column.name in dated:  # the words month, day … speak of time, not of a number
                continue
            name = column.name if column.path_of is None else column.name.split(".", 1)[-1]
            parts = split_name(name)
            if not parts:
                continue
            run = "".join(owner)
            if len(parts) == 1 and parts[0].startswith(run) and len(parts[0]) >= len(run) + 2:
                parts = (*owner, parts[0][len(run) :])
            entries.extend(self._column_entries(table.name, column.name, owner, parts))
        return entries

    def _column_entries(
        self, table: str, column: str, owner: tuple[str, ...], parts: tuple[str, ...]
    ) -> list[NameEntry]:
        entries = [NameEntry(parts, table, column, 0.0)]
        if parts[: len(owner)] != owner:
            entries.append(NameEntry(owner + parts, table, column, 0.0, whole=True))
        elif len(parts) > len(owner):
            entries.append(NameEntry(parts[len(owner) :], table, column, 0.03))
        if parts[0] in ("is", "has", "was") and len(parts) > 1:
            entries.append(NameEntry(parts[1:], table, column, 0.02))
        if len(parts) > 1 and parts[-1] in _CLOSED_SUFFIXES:
            entries.append(NameEntry(parts[:-1], table, column, 0.1))
        entries.extend(self._lasting_entries(table, column, parts))
        return entries

    def _worth_entries(self, table: Table, owner: tuple[str, ...]) -> list[NameEntry]:
        """`order value` is order_total, where that is the table's only amount of a row."""
        amounts = [
            (column.name, parts)
            for column in table.columns
            if self.role(table.name, column.name).kind == "measure"
            and (parts := split_name(column.name))[-1] in _AMOUNTS
        ]
        if len(amounts) != 1 or not owner or amounts[0][1][:-1] not in ((), owner[-1:], owner):
            return []
        name, parts = amounts[0]
        return [
            NameEntry((owner[-1], word), table.name, name, 0.13, whole=True)
            for word in _WORTH
            if word != parts[-1]
        ]

    def _lasting_entries(self, table: str, column: str, parts: tuple[str, ...]) -> list[NameEntry]:
        """`resolution time` is resolution_hours."""
        role = self.role(table, column)
        if role.kind != "measure" or len(parts) < 2:
            return []
        timed = unit_class(role.unit) == "time" and (parts[-1] in UNIT_WORDS or parts[-1] + "s" == role.unit)
        names = {split_name(other.name) for other in self.tables[table].columns}
        minutes = parts[-1] == "min" and not {(*parts[:-1], "max"), ("max", *parts[:-1])} & names
        if not timed and not minutes:
            return []
        return [NameEntry((*parts[:-1], word), table, column, 0.1, whole=True) for word in _LASTING]

    def _index_values(self, table: Table, column: Column) -> None:
        if column_type(column.type).kind != "text":
            return
        for value in column.values:
            words = value_words(value)
            if not words or len(words) > 12:
                continue
            match = ValueMatch(table.name, column.name, value, partial=False)
            self._values["".join(words)].append(match)
            trimmed = words[:-1] if len(words) > 1 and words[-1] in _COMPANY_FORMS else words
            if trimmed != words:
                self._values["".join(trimmed)].append(match)
            part = ValueMatch(table.name, column.name, value, partial=True)
            for word in dict.fromkeys(words):
                if len(word) > 2 and len(words) > 1:
                    self._value_parts[word].append(part)
        name = column.name if column.path_of is None else column.name.split(".", 1)[-1]
        for value, called in aliases(split_name(name), column.values).items():
            match = ValueMatch(table.name, column.name, value, partial=False)
            for spoken in called:
                known = self._values["".join(value_words(spoken))]
                if match not in known:
                    known.append(match)

    def values(self, words: list[str]) -> list[ValueMatch]:
        """The stored values that these words spell in full, in catalogue order."""
        return self._values.get("".join(words), [])

    def partial_values(self, words: list[str]) -> list[ValueMatch]:
        """The stored values that hold these words next to each other among others; none if there are too
        many."""
        postings = self._value_parts.get(words[0], [])
        found = [match for match in postings if _contains(value_words(match.value), words)]
        leading = [match for match in found if value_words(match.value)[: len(words)] == tuple(words)]
        found = leading or found
        return found if len(found) <= _MOST_POSTINGS else []


def _contains(words: tuple[str, ...], wanted: list[str]) -> bool:
    size = len(wanted)
    return any(list(words[index : index + size]) == wanted for index in range(len(words) - size + 1))

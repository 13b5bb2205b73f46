"""Everything the planner derives from a catalogue once: roles, names, values, keys, times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from .catalogue import Catalogue, Column, Table
from .columntypes import column_type
from .defined import Defined, shown
from .keys import Edge, KeyGraph
from .names import NameEntry, NameIndex
from .roles import Calendar, Role, bookkeeping, calendar_of, label_columns, role_of
from .units import UNIT_WORDS, unit_class
from .values import ValueIndex, ValueMatch
from .vocabulary.durations import Duration, duration_columns
from .words import split_name

__all__ = ["CatalogueIndex", "ValueMatch"]

_CLOSED_SUFFIXES = frozenset(("id", "code", "key", "no", "nr", "name", "number"))
_AMOUNTS = frozenset(("total", "amount", "value", "sum", "revenue", "turnover"))
_WORTH = ("value", "amount", "total")
_LASTING = ("time", "duration")
_EMPTY = 0.3


def _with_words(catalogue: Catalogue) -> Catalogue:
    """The catalogue without tables and columns whose names have no word in them: no question names those.

    A key of an object may be any text, such as a quotation mark.
    """
    return replace(
        catalogue, tables=tuple(_worded(table) for table in catalogue.tables if split_name(table.name))
    )


def _worded(table: Table) -> Table:
    columns = tuple(each for each in table.columns if split_name(each.name.split(".", 1)[-1]))
    return table if len(columns) == len(table.columns) else replace(table, columns=columns)


class CatalogueIndex:
    """The derived facts of one catalogue; built once per version and never changed.

    Made from an `earlier` one it looks at the tables alone that are not the same in both.
    """

    def __init__(self, catalogue: Catalogue, earlier: CatalogueIndex | None = None) -> None:
        whole = _with_words(catalogue)
        self.catalogue = catalogue = shown(whole)
        self.defined = Defined(catalogue, whole)
        self.tables: dict[str, Table] = {table.name: table for table in catalogue.tables}
        self.columns: dict[tuple[str, str], Column] = {
            (table.name, column.name): column for table in catalogue.tables for column in table.columns
        } | self.defined.metric_columns()
        filled = any(table.row_count for table in catalogue.tables)
        self.empty_tables = frozenset(t.name for t in catalogue.tables if filled and not t.row_count)
        if earlier is not None and not (
            earlier.defined.definitions == self.defined.definitions and earlier.resembles(self.tables, filled)
        ):
            earlier = None
        changed = frozenset(self.tables) if earlier is None else earlier.differing(self.tables)
        self.calendars: dict[str, Calendar | None] = {
            t.name: calendar_of(t) if earlier is None or t.name in changed else earlier.calendars[t.name]
            for t in catalogue.tables
        }
        self.roles: dict[tuple[str, str], Role] = {
            (table.name, column.name): self._role(table, column)
            if earlier is None or table.name in changed
            else earlier.roles[(table.name, column.name)]
            for table in catalogue.tables
            for column in table.columns
        }
        self.durations: dict[tuple[str, str], Duration] = {
            (table.name, column.name): column
            for table in catalogue.tables
            for column in duration_columns(table)
        }
        if earlier is None:
            self.keys = KeyGraph(catalogue, amended=self.defined.edges)
            self.names = NameIndex(self._entries(catalogue.tables))
            self._values = ValueIndex(catalogue.tables)
        else:
            self._take_over(earlier, changed)

    def _take_over(self, earlier: CatalogueIndex, changed: frozenset[str]) -> None:
        """Keys, names and values: those of the earlier index but for the changed tables'."""
        before = [table for table in earlier.catalogue.tables if table.name in changed]
        after = [table for table in self.catalogue.tables if table.name in changed]
        places = {name: place for place, name in enumerate(self.tables)}
        self.keys = KeyGraph(self.catalogue, earlier.keys, changed, amended=self.defined.edges)
        was, now = earlier._entries(before), self._entries(after)
        self.names = earlier.names.renewed(changed, was, now, places)
        self._values = earlier._values.renewed(changed, before, after, places)

    def _role(self, table: Table, column: Column) -> Role:
        derived = role_of(column, table, self.calendars[table.name])
        return self.defined.role(table.name, column.name, derived)

    def resembles(self, tables: Mapping[str, Table], filled: bool) -> bool:
        """Whether most is as it is here: the order of the tables that are in both, and most of their facts.

        `filled` says whether any of them has rows.
        """
        kept = [name for name in self.tables if name in tables]
        ordered = kept == [name for name in tables if name in self.tables]
        was_filled = any(table.row_count for table in self.tables.values())
        return ordered and filled == was_filled and 2 * len(self.differing(tables)) <= len(tables)

    def differing(self, tables: Mapping[str, Table]) -> frozenset[str]:
        """The names of the tables that are not the same here, or only here, or only there."""
        own = self.tables
        same = {n for n, table in tables.items() if n in own and (own[n] is table or own[n] == table)}
        return frozenset(own.keys() | tables.keys()) - same

    @property
    def edges(self) -> tuple[Edge, ...]:
        """All keys between tables, in catalogue order."""
        return self.keys.edges

    def column(self, table: str, name: str) -> Column:
        """The column of that name, or the length of time called so; it must exist."""
        return self.columns.get((table, name)) or self.durations[(table, name)]

    def role(self, table: str, name: str) -> Role:
        """The role of a column that exists, of a metric, or of a length of time."""
        lasting = self.durations.get((table, name))
        if lasting is not None:
            return Role("measure", f"{lasting.unit}s")
        return self.defined.metric_role(table, name) or self.roles[(table, name)]

    def label(self, table: str) -> tuple[Column, ...]:
        """The columns a reader knows this table's rows by; may be none."""
        return self.defined.labels(self.tables[table]) or label_columns(self.tables[table])

    def paths(self, start: str, goal: str) -> list[tuple[Edge, ...]]:
        """Shortest many-to-one paths between two tables."""
        return self.keys.paths(start, goal)

    def time_columns(self, table: str) -> list[Column]:
        """The table's date and time columns, those about the event before those about the row's writing."""
        times = [c for c in self.tables[table].columns if column_type(c.type).temporal]
        events = [column for column in times if not bookkeeping(column)]
        return events or times

    def key_of(self, table: str) -> Column | None:
        """The unique column that other tables refer to, or the first unique key, or None."""
        for edge in self.keys.reaching(table):
            return self.column(table, edge.to_column)
        entry = self.tables[table]
        for column in entry.columns:
            if self.role(table, column.name).kind == "key" and column.distinct_count == entry.row_count:
                return column
        return None

    def _entries(self, tables: Sequence[Table]) -> list[NameEntry]:
        made: list[NameEntry] = []
        for table in tables:
            entries = [*self._table_entries(table), *self.defined.names(table)]
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

    def values(self, words: list[str]) -> list[ValueMatch]:
        """The stored values that these words spell in full, in catalogue order."""
        return [*self._values.spelled(words), *self.defined.spelled(words)]

    def partial_values(self, words: list[str]) -> list[ValueMatch]:
        """The stored values that hold these words next to each other among others; none if there are too
        many."""
        return self._values.holding(words)

    def named(self, raw: str) -> list[tuple[str, str]]:
        """The columns of exactly that name, alone or behind their table's and a dot, in catalogue order."""
        return self._columns_by_name.get(raw, [])

    def tables_called(self, words: Iterable[str]) -> list[str]:
        """The tables whose names have one of these words, in catalogue order."""
        found = {name for word in words for name in self._tables_by_word.get(word, ())}
        return [name for name in self.tables if name in found] if found else []

    def near(self, word: str) -> list[str]:
        """The words of names and values, of four letters or more, that one slip of a typist makes of `word`.

        One letter too many, too few or wrong, or two neighbours changed about.
        """
        cuts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
        slips = {left + right[1:] for left, right in cuts if right}
        slips |= {left + right[1] + right[0] + right[2:] for left, right in cuts if len(right) > 1}
        for letter in self._letters:
            slips |= {left + letter + right for left, right in cuts}
            slips |= {left + letter + right[1:] for left, right in cuts if right}
        return sorted(each for each in slips if len(each) >= 4 and each != word and self._said(each))

    def _said(self, word: str) -> bool:
        return self.names.holds(word) or (word.isalpha() and self._values.knows(word))

    @cached_property
    def folded_names(self) -> frozenset[str]:
        """The names of all tables and columns, folded to lower case."""
        columns = frozenset(name.casefold() for _, name in self.columns)
        return columns | frozenset(name.casefold() for name in self.tables)

    @cached_property
    def filled_names(self) -> dict[str, list[str]]:
        """The names of tables with rows and of their columns, sorted, by their words with spaces between."""
        named = {name for table, name in self.columns if table not in self.empty_tables}
        found: dict[str, list[str]] = {}
        for name in sorted(named | (set(self.tables) - self.empty_tables)):
            found.setdefault(" ".join(split_name(name)), []).append(name)
        return found

    @cached_property
    def _tables_by_word(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.tables:
            for word in dict.fromkeys(split_name(name)):
                found.setdefault(word, []).append(name)
        return found

    @cached_property
    def _letters(self) -> frozenset[str]:
        return frozenset("".join(self.names.words)) | self._values.letters

    @cached_property
    def _columns_by_name(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for table, column in (*self.columns, *self.durations):
            for called in {column, f"{table}.{column}"}:
                found.setdefault(called, []).append((table, column))
        return found

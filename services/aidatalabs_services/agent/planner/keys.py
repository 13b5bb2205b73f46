"""The key graph: which column of one table finds its one row in another."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .catalogue import Catalogue, Table
from .references import Referring, Target, references, referring_columns, target_columns

_MOST_PATHS = 20_000


@dataclass(frozen=True)
class Edge:
    """A many-to-one key: `table`.`column` holds values of the unique `to_table`.`to_column`."""

    table: str
    column: str
    to_table: str
    to_column: str


@dataclass(frozen=True)
class _Sides:
    """What one table's columns may refer to, and which of them may be referred to."""

    referring: tuple[Referring, ...]
    targets: tuple[Target, ...]

    @classmethod
    def of(cls, table: Table) -> _Sides:
        return cls(referring_columns(table), target_columns(table))


_Found = dict[tuple[str, str], tuple[tuple[str, str], ...]]
"""By (table, column): the (table, column) pairs that its names, ranges and values refer to."""


class KeyGraph:
    """All single-column keys, in catalogue order: stated in comments, or shown by names, ranges and values.

    One that is made from `earlier` compares only the columns of the `changed` tables with the others.
    `amended` adds keys that people know of, and leaves out what they say is none.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        earlier: KeyGraph | None = None,
        changed: frozenset[str] = frozenset(),
        *,
        amended: Callable[[tuple[Edge, ...]], tuple[Edge, ...]] = tuple,
    ) -> None:
        known: dict[str, _Sides] = earlier._sides if earlier is not None else {}
        self._sides: dict[str, _Sides] = {
            table.name: known[table.name]
            if table.name in known and table.name not in changed
            else _Sides.of(table)
            for table in catalogue.tables
        }
        self._found = self._compared() if earlier is None else self._renewed(earlier, changed)
        self.edges: tuple[Edge, ...] = amended(tuple(_one_target_each(self._all(catalogue))))
        self._paths: dict[tuple[str, str], list[tuple[Edge, ...]]] = {}
        self._leaving: dict[str, list[Edge]] = defaultdict(list)
        self._of_column: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._reaching: dict[str, list[Edge]] = defaultdict(list)
        self._between: dict[tuple[str, str], list[Edge]] = defaultdict(list)
        if earlier is not None and earlier.edges == self.edges:
            self.edges, self._paths = earlier.edges, earlier._paths
            self._leaving, self._reaching = earlier._leaving, earlier._reaching
            self._of_column, self._between = earlier._of_column, earlier._between
        else:
            self._arrange()

    def _arrange(self) -> None:
        for place, edge in enumerate(self.edges):
            self._leaving[edge.table].append(edge)
            self._of_column[(edge.table, edge.column)].append(place)
            self._reaching[edge.to_table].append(edge)
            self._between[(edge.table, edge.to_table)].append(edge)

    def leaving(self, table: str) -> Sequence[Edge]:
        """The keys that this table holds of others, in their order."""
        return self._leaving.get(table, ())

    def of_column(self, table: str, column: str) -> Sequence[Edge]:
        """The keys that this column is, in their order."""
        return [self.edges[place] for place in self._of_column.get((table, column), ())]

    def followed(self, columns: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """These columns with those that they refer to; where these refer on, too, by keys that come later."""
        found = set(columns)
        waiting = [place for column in columns for place in self._of_column.get(column, ())]
        heapq.heapify(waiting)
        while waiting:
            place = heapq.heappop(waiting)
            reached = (self.edges[place].to_table, self.edges[place].to_column)
            if reached not in found:
                found.add(reached)
                for further in self._of_column.get(reached, ()):
                    if further > place:
                        heapq.heappush(waiting, further)
        return found

    def reaching(self, table: str) -> Sequence[Edge]:
        """The keys that others hold of this table, in their order."""
        return self._reaching.get(table, ())

    def paths(self, start: str, goal: str) -> list[tuple[Edge, ...]]:
        """All shortest many-to-one paths of at most two hops; an empty path from a table to itself."""
        kept = self._paths.get((start, goal))
        if kept is None:
            if len(self._paths) >= _MOST_PATHS:
                self._paths.clear()
            kept = self._paths[(start, goal)] = self._walk(start, goal)
        return list(kept)

    def _walk(self, start: str, goal: str) -> list[tuple[Edge, ...]]:
        if start == goal:
            return [()]
        direct = self._between.get((start, goal))
        if direct:
            return [(edge,) for edge in direct]
        return [
            (first, second)
            for first in self.leaving(start)
            if first.to_table != start
            for second in self._between.get((first.to_table, goal), ())
        ]

    def _compared(self) -> _Found:
        referring = [column for sides in self._sides.values() for column in sides.referring]
        targets = [column for sides in self._sides.values() for column in sides.targets]
        return _gathered(references(referring, targets))

    def _renewed(self, earlier: KeyGraph, changed: frozenset[str]) -> _Found:
        """The earlier pairs between tables that are the same, and those of and to the others."""
        found = {
            place: kept
            for place, pairs in earlier._found.items()
            if place[0] in self._sides
            and place[0] not in changed
            and (kept := tuple(to for to in pairs if to[0] in self._sides and to[0] not in changed))
        }
        fresh = [self._sides[name] for name in self._sides if name in changed]
        same = [sides for name, sides in self._sides.items() if name not in changed]
        own = [column for sides in fresh for column in sides.referring]
        targets = [column for sides in self._sides.values() for column in sides.targets]
        found.update(_gathered(references(own, targets)))
        others = [column for sides in same for column in sides.referring]
        reached = _gathered(references(others, [column for sides in fresh for column in sides.targets]))
        for place, pairs in reached.items():
            found[place] = (*found.get(place, ()), *pairs)
        return found

    def _all(self, catalogue: Catalogue) -> list[Edge]:
        """Every column's keys: those that its comment states, else those that were found."""
        tables = {table.name: table for table in reversed(catalogue.tables)}
        places = {name: place for place, name in enumerate(self._sides)}
        unique = {
            (target.table, target.column): place
            for sides in self._sides.values()
            for place, target in enumerate(sides.targets)
        }
        edges: list[Edge] = []
        for name, sides in self._sides.items():
            for column in sides.referring:
                pairs = column.stated_in(tables)
                if not pairs:
                    found = self._found.get((name, column.column), ())
                    pairs = tuple(sorted(found, key=lambda to: (places[to[0]], unique[to])))
                edges += [Edge(name, column.column, *pair) for pair in pairs]
        return edges


def _gathered(pairs: Sequence[tuple[Referring, Target]]) -> _Found:
    found: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for column, target in pairs:
        place = (column.table, column.column)
        found[place] = (*found.get(place, ()), (target.table, target.column))
    return found


def _one_target_each(edges: list[Edge]) -> list[Edge]:
    """One edge per column and target table: the first (comments come first, then catalogue order)."""
    kept: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        kept.setdefault((edge.table, edge.column, edge.to_table), edge)
    return list(kept.values())

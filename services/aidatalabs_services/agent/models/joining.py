"""Columns of a model's plan, found through the key graph: a join that could multiply rows does not exist."""

from __future__ import annotations

from collections.abc import Mapping

from aidatalabs_services.agent.models.misfit import Misfit
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.keys import Edge
from aidatalabs_services.agent.planner.plan import Join, QueryPlan, Source

CALENDAR = "@date"
"""The column name of a date that a table spreads over whole number columns."""


class Joining:
    """The tables of one plan, from its first one along many-to-one keys."""

    def __init__(self, index: CatalogueIndex, table: str) -> None:
        if table not in index.tables:
            raise Misfit(f"there is no table {table[:80]!r} in the catalogue")
        self.table = table
        self._index = index
        self._chosen: list[tuple[Edge, bool]] = []
        self._joins: dict[str, Join] = {}

    def through(self, left: str, right: str, *, unmatched: bool) -> None:
        """Prefers a key; raises Misfit where the catalogue has none there."""
        ends = (
            (edge, _of(edge.table, edge.column), _of(edge.to_table, edge.to_column))
            for edge in self._index.edges
        )
        edge = next((edge for edge, *both in ends if both == [left, right]), None)
        if edge is None:
            raise Misfit(
                f"{left[:80]!r} to {right[:80]!r} is none of the catalogue's keys; plans join along keys,"
                " all else is SQL"
            )
        self._chosen.append((edge, unmatched))

    def source(self, name: str) -> Source:
        """`table.column` as a source; its table is joined where it is another one."""
        table, column = self._split(name)
        alias = self._reach(table)
        if column == CALENDAR:
            calendar = self._index.calendars[table]
            if calendar is None:
                raise Misfit(f"{table} has no date that is spread over columns")
            return Source(alias, calendar=calendar.names)
        found = self._index.columns.get((table, column))
        if found is None:
            raise Misfit(f"{table} has no column {column[:80]!r}")
        return Source(alias, column, found.type, found.path_of is not None, declared=found.is_declared)

    def joins(self) -> tuple[Join, ...]:
        """The joins that were needed, each after the one it stands on; and those that drop rows."""
        for edge, unmatched in self._chosen:
            if not unmatched:
                self._reach(edge.to_table)
        return tuple(self._joins.values())

    def _split(self, name: str) -> tuple[str, str]:
        """The table is the longest one that the name begins with: a path of an object has points too."""
        tables = [table for table in self._index.tables if name.startswith(f"{table}.")]
        if not tables:
            raise Misfit(f"{name[:80]!r} is no `table.column` of the catalogue")
        table = max(tables, key=len)
        return table, name[len(table) + 1 :]

    def _reach(self, table: str) -> str:
        if table == self.table or table in self._joins:
            return table
        for edge in self._path(table):
            join = Join(
                edge.to_table, edge.to_table, edge.table, edge.column, edge.to_column, self._kind(edge)
            )
            if self._joins.setdefault(edge.to_table, join) != join:
                raise Misfit(f"{edge.to_table} would be joined in two ways; write SQL")
        return table

    def _kind(self, edge: Edge) -> str:
        return "left" if all(unmatched for chosen, unmatched in self._chosen if chosen == edge) else "inner"

    def _path(self, table: str) -> tuple[Edge, ...]:
        paths = self._index.paths(self.table, table)
        if not paths:
            raise Misfit(
                f"{self.table} has no key to {table}: start from the table that refers, or write SQL"
            )
        chosen = {edge for edge, _ in self._chosen}
        if len(paths) > 1:
            preferred = [path for path in paths if chosen & set(path)]
            paths = preferred or paths
        if len(paths) > 1:
            ways = "; ".join(" then ".join(_of(e.table, e.column) for e in path) for path in paths[:4])
            raise Misfit(f"{table} can be reached in several ways ({ways}): name the key in joins")
        return paths[0]


class InnerRows:
    """The columns of rows that another query makes, in the place of `Joining`: they are of no table."""

    def __init__(self, inner: QueryPlan, columns: Mapping[str, str]) -> None:
        self.table = inner.table
        self._columns = columns

    def through(self, left: str, right: str, *, unmatched: bool) -> None:
        """There is nothing to join to such rows."""
        raise Misfit("a plan with inner joins nothing; put the joins into the inner plan")

    def source(self, name: str) -> Source:
        """A column by its plain name."""
        if name not in self._columns:
            theirs = ", ".join(self._columns)
            raise Misfit(f"the inner rows have no column {name[:80]!r}; theirs are {theirs}")
        return Source("", name, self._columns[name])

    def joins(self) -> tuple[Join, ...]:
        """None."""
        return ()


def _of(table: str, column: str) -> str:
    return f"{table}.{column}"

"""Columns and tables of a draft bound to one base table through many-to-one joins."""

from __future__ import annotations

from dataclasses import dataclass

from .catalogue import Column
from .columntypes import column_type
from .draft import Ambiguous, Choice, Ref, Unread
from .index import CatalogueIndex
from .items import Candidate
from .keys import Edge
from .lexicon import DIRECTIONS
from .plan import Join, Source
from .vocabulary.durations import Duration
from .words import split_name


def direction_of(column: str) -> str:
    """from or to when a column's words say which end of a way it holds, else empty."""
    parts = set(split_name(column))
    ends = [end for end, words in DIRECTIONS.items() if parts & words]
    return ends[0] if len(ends) == 1 else ""


@dataclass
class _Joined:
    edge: Edge
    left: str
    alias: str
    inner: bool = False


class Binder:
    """Turns references into sources of one query over `base` and remembers the joins this takes."""

    def __init__(self, index: CatalogueIndex, base: str) -> None:
        self.index = index
        self.base = base
        self._joined: dict[tuple[Edge, ...], _Joined] = {}

    def source(self, ref: Ref, inner: bool = True) -> Source:
        """The source of a column or value reference; `inner` drops rows that find no match."""
        candidate = ref.candidate
        path = self._path(ref)
        if not path:
            self._check_direction(ref, candidate.column)
        if path and path[-1].to_column == candidate.column:
            last, path = path[-1], path[:-1]
            self._check_direction(ref, last.column)
            self._check_value(ref, last)
            return self.column(self._alias(path, inner), last.table, last.column)
        return self.column(self._alias(path, inner), candidate.table, candidate.column)

    def table_key(self, ref: Ref) -> tuple[Source, tuple[Edge, ...]]:
        """The source that tells a referenced table's rows apart, and the path to that table."""
        path = self._path(ref)
        if path:
            last = path[-1]
            return self.column(self._alias(path[:-1], False), last.table, last.column), path
        key = self.index.key_of(self.base)
        if key is None:
            raise Unread(ref.item, f"names {self.base}, whose rows have no key to tell them apart")
        return self.column(self.base, self.base, key.name), ()

    def label_sources(self, path: tuple[Edge, ...], table: str) -> list[Source]:
        """The readable names of a table at the end of `path`; rows without a match are kept."""
        columns = self.index.label(table)
        if not columns:
            return []
        alias = self._alias(path, False)
        return [self.column(alias, table, column.name) for column in columns]

    def require(self, alias: str) -> None:
        """Keep only rows that find their match in this joined table."""
        for joined in self._joined.values():
            if joined.alias == alias:
                joined.inner = True

    def column(self, alias: str, table: str, name: str) -> Source:
        """A column of a joined table as a source."""
        column = self.index.column(table, name)
        return source_of(alias, column)

    def joins(self, used: set[str] | None = None) -> tuple[Join, ...]:
        """The joins that were needed, each after the one it stands on; with `used`, only those it takes
        to read these aliases (inner joins always stay: they decide which rows count)."""
        kept = set(used) if used is not None else {j.alias for j in self._joined.values()}
        for joined in reversed(list(self._joined.values())):
            if joined.alias in kept or joined.inner:
                kept |= {joined.alias, joined.left}
        return tuple(
            Join(
                j.edge.to_table,
                j.alias,
                j.left,
                j.edge.column,
                j.edge.to_column,
                "inner" if j.inner else "left",
            )
            for j in self._joined.values()
            if j.alias in kept
        )

    def reaches(self, table: str) -> bool:
        """True when every base row has at most one row of that table."""
        return table == self.base or bool(self.index.paths(self.base, table))

    def _path(self, ref: Ref) -> tuple[Edge, ...]:
        candidate = ref.candidate
        paths = self.index.paths(self.base, candidate.table)
        if not paths:
            raise Unread(ref.item, f"belongs to {candidate.table}, which {self.base} has no key to")
        if ref.via:
            paths = [path for path in paths if path and ref.via in (path[0].column, path[-1].column)]
        if len(paths) > 1 and ref.direction:
            paths = [p for p in paths if direction_of(p[0].column) in (ref.direction, "")] or paths
        if len(paths) > 1 and candidate.kind == "value":
            paths = [path for path in paths if self._holds(path, candidate)] or paths
        if len(paths) > 1:
            raise self._which_path(ref, paths)
        if not paths:
            raise Unread(ref.item, f"cannot be reached through {ref.via}")
        return paths[0]

    def _holds(self, path: tuple[Edge, ...], candidate: Candidate) -> bool:
        """False when the key column is known in full and does not hold the value."""
        last = path[-1]
        column = self.index.column(last.table, last.column)
        if last.to_column != candidate.column or not column.values_complete:
            return True
        return any(value in column.values for value in candidate.values)

    def _check_value(self, ref: Ref, edge: Edge) -> None:
        if ref.candidate.kind == "value" and not self._holds((edge,), ref.candidate):
            raise Unread(ref.item, f"is not among the values of {edge.table}.{edge.column}")

    def _check_direction(self, ref: Ref, column: str) -> None:
        """`from` before a value of the destination column is a contradiction, not an answer."""
        said = direction_of(column)
        if ref.candidate.kind != "value" or not ref.direction or not said or said == ref.direction:
            return
        siblings = [direction_of(other.name) for other in self.index.tables[self.base].columns]
        if ref.direction in siblings:
            raise Unread(ref.item, f"appears only in {column}, which is not what '{ref.direction}' asks for")

    def _which_path(self, ref: Ref, paths: list[tuple[Edge, ...]]) -> Ambiguous:
        choices = [
            Choice(
                f"{ref.item.text} through {path[0].column}",
                f"`{path[0].table}.{path[0].column}` {ref.item.text}",
                ref.item.start,
                ref.item.end,
            )
            for path in paths
        ]
        return Ambiguous(f"'{ref.item.text}' can be reached in several ways: which one is meant?", choices)

    def _alias(self, path: tuple[Edge, ...], inner: bool) -> str:
        if not path:
            return self.base
        held = self._joined.get(path)
        if held is None:
            left = self._alias(path[:-1], inner)
            edge = path[-1]
            taken = {joined.alias for joined in self._joined.values()} | {self.base}
            alias = edge.to_table
            if alias in taken:
                alias = f"{edge.to_table}_by_{edge.column}"
            while alias in taken:
                alias += "_2"
            held = self._joined[path] = _Joined(edge, left, alias)
        if inner:
            for length in range(1, len(path) + 1):
                self._joined[path[:length]].inner = True
        return held.alias


def source_of(alias: str, column: Column) -> Source:
    """A column, or a length of time between two, as the source of a table called `alias`."""
    span = (column.start, column.end, column.unit) if isinstance(column, Duration) else ()
    path = column.path_of is not None
    return Source(alias, column.name, column.type, path, declared=column.is_declared, span=span)


def is_text(source: Source) -> bool:
    """True for sources that hold text."""
    return column_type(source.type).kind == "text"

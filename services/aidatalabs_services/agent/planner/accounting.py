"""The last check of a reading: all that the question said is in the plan, or it is not answered."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .comparisons import plain
from .index import CatalogueIndex
from .items import Candidate, Item
from .plan import Filter, QueryPlan, Source

_ORDERING = frozenset(("top", "most", "frequent", "extreme", "superlative", "first", "vague", "order"))
_COUNTED = frozenset(("count", "count_distinct", "share", "percent"))


class Account:
    """What one plan uses: its columns, tables, values, functions and numbers."""

    def __init__(self, plan: QueryPlan, index: CatalogueIndex) -> None:
        self._plan = plan
        self._index = index
        self._tables = plan.tables
        self._filters = [*plan.filters, *(f for m in plan.measures for f in m.conditions)]
        self._columns = self._used()
        self._functions = {f"{m.function}:{m.level}" if m.level else m.function for m in plan.measures}
        self._numbers = {value for f in self._filters for value in f.values}
        self._numbers |= {value for having in plan.having for value in having.values}

    def missing(
        self, items: Sequence[Item], chosen: dict[int, Candidate], elsewhere: Collection[Item]
    ) -> Item | None:
        """The first item that left no trace in the plan; those in `elsewhere` were accounted for by the
        reader."""
        for place, item in enumerate(items):
            if item in elsewhere:
                continue
            candidate = chosen.get(place)
            if candidate is not None:
                if not self._holds(candidate):
                    return item
            elif not self._says(item):
                return item
        windows = [item for item in items if item.kind == "window"]
        return windows[-1] if len(windows) > len(self._plan.windows) else None

    def _used(self) -> set[tuple[str, str]]:
        plan = self._plan
        sources: list[Source] = [d.source for d in plan.dimensions] + [f.source for f in self._filters]
        sources += [m.source for m in plan.measures if m.source is not None]
        sources += [window.source for window in plan.windows]
        used = {
            (self._tables.get(source.table, source.table), name)
            for source in sources
            for name in (source.column, *source.calendar)
            if name
        }
        for join in plan.joins:
            used |= {(self._tables[join.left], join.left_column), (join.table, join.right_column)}
        return self._index.keys.followed(used)

    def _holds(self, candidate: Candidate) -> bool:
        if candidate.kind == "table":
            return candidate.table in self._tables.values() or any(
                table == candidate.table for table, _ in self._columns
            )
        if candidate.kind == "value":
            return any(self._compares(condition, candidate) for condition in self._filters)
        held = (candidate.table, candidate.column)
        if held in self._columns:
            return True
        key = self._index.key_of(candidate.table)
        counts = bool(self._functions & _COUNTED)
        column = self._index.column(*held)
        rows = self._index.tables[candidate.table].row_count
        return counts and (key == column or column.distinct_count == rows)

    def _compares(self, condition: Filter, candidate: Candidate) -> bool:
        table = self._tables.get(condition.source.table, condition.source.table)
        keys = self._index.keys.of_column(table, condition.source.column)
        own = {(table, condition.source.column), *((edge.to_table, edge.to_column) for edge in keys)}
        return (candidate.table, candidate.column) in own and bool(
            set(candidate.values) & set(condition.values)
        )

    def _says(self, item: Item) -> bool:
        """True where an operator, a number or a step of time shows in the plan, or needs not to."""
        plan, kind = self._plan, item.kind
        if kind == "fn":
            return self._computes(item.payload)
        if kind in ("count", "how_much"):
            return bool(plan.measures)
        if kind == "distinct":
            return plan.distinct or bool(self._functions & {"count", "count_distinct"})
        if kind == "share":
            return bool(self._functions & {"share", "percent"})
        if kind == "number":
            return plain(item) in self._numbers or item.text in self._numbers or item.number == plan.limit
        if kind in ("neg", "missing", "known", "cmp", "or_cmp", "comparative"):
            return bool(self._filters or plan.having)
        if kind in ("grain", "part"):
            return any(d.grain or d.part for d in plan.dimensions)
        if kind in _ORDERING:
            return bool(plan.order) or bool(self._functions & {"min", "max"})
        return True

    def _computes(self, function: str) -> bool:
        if function == "sum":
            return bool(self._functions & {*_COUNTED, function}) or bool(self._plan.outer)
        return function in self._functions or function == self._plan.outer

"""Readings that fit the words and are hardly ever what was meant: they are refused with what would help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .draft import Barred
from .index import CatalogueIndex
from .items import Candidate, Item
from .plan import Measure, QueryPlan, Source
from .roles import is_unique
from .words import compact

_COMPUTED = frozenset(("sum", "avg", "min", "max", "median", "quantile", "stddev", "variance"))
_COMPARING = frozenset(("cmp", "number", "literal", "comparative", "missing", "known", "value"))

_FEW_ROWS = 20


def check_doubts(
    items: Sequence[Item], chosen: Mapping[int, Candidate], plan: QueryPlan, index: CatalogueIndex
) -> None:
    """Raises Barred for a plan that only looks like the question."""
    Doubts(items, chosen, plan, index).check()


class Doubts:
    """One plan beside the words it was made of."""

    def __init__(
        self,
        items: Sequence[Item],
        chosen: Mapping[int, Candidate],
        plan: QueryPlan,
        index: CatalogueIndex,
    ) -> None:
        self._items = items
        self._chosen = chosen
        self._plan = plan
        self._index = index
        self._tables = plan.tables

    def check(self) -> None:
        """Each doubt in turn."""
        for measure in self._plan.measures:
            self._check_measure(measure)
        for place, item in enumerate(self._items):
            if item.kind == "frequent":
                self._check_busy(item)
            elif item.kind == "where":
                self._check_bare(place)
                self._check_whose(place)
            elif item.kind == "neg":
                self._check_lack(place)
            elif item.kind == "which":
                self._check_whose(place)
                self._check_who(item)
            elif item.kind == "and":
                self._check_pair(place)
            elif item.kind == "first":
                self._check_age(place)

    def _check_measure(self, measure: Measure) -> None:
        functions = {item.kind for item in self._items}
        if measure.function == "count" and self._plan.outer == "avg" and "count" not in functions:
            raise Barred(self._named(measure), "is said of rows: say which of their numbers, or 'number of'")
        if measure.source is None or not measure.source.column:
            return
        kind = self._kind(measure.source)
        item = self._named(measure)
        if measure.function == "count_distinct" and kind == "flag" and "distinct" not in functions:
            raise Barred(item, "is yes or no: ask for the number of rows with it")
        said = item is not None and compact(item.text) == compact(measure.source.column)
        if measure.function in _COMPUTED and not said:
            if kind == "key" or self._numbers_rows(measure.source):
                raise Barred(item, "is a key, no number to compute with: say which number is meant")
            head = measure.source.column.casefold().rpartition("_")[2]
            headed = item is not None and head in item.text.casefold()
            if kind == "time" and functions & {"fn", "extreme"} and not headed:
                raise Barred(item, "asks for the highest of rows: say which of their numbers is meant")

    def _check_busy(self, item: Item) -> None:
        """`most active` is a way to say most rows, unless something here is called active."""
        word = item.text.casefold().split()[-1]
        for table in self._index.tables.values():
            for column in table.columns:
                flag = self._index.role(table.name, column.name).kind == "flag"
                if flag and word in column.name.casefold().split("_"):
                    raise Barred(item, f"may mean most rows, or those where {column.name} holds: say which")

    def _check_bare(self, place: int) -> None:
        """`with a fee` asks for rows that have one, not for its sum."""
        named = self._chosen.get(place + 1)
        if named is None or named.kind != "column" or any(item.kind == "fn" for item in self._items):
            return
        following = self._items[place + 2].kind if place + 2 < len(self._items) else ""
        computed = any(
            measure.source is not None and measure.source.column == named.column
            for measure in self._plan.measures
        )
        if computed and following not in _COMPARING:
            raise Barred(
                self._items[place + 1], "is not said to be more or less than any number: say how much"
            )

    def _check_whose(self, place: int) -> None:
        """`whose manager is Ada` speaks of a manager of theirs, not of those who are managers."""
        following = self._items[place + 1] if place + 1 < len(self._items) else None
        whose = self._items[place].text.casefold() == "whose"
        meant = self._chosen.get(place + 1)
        if whose and following is not None and meant is not None and meant.kind == "value":
            raise Barred(following, "is a value, and 'whose' asks for one of their columns")

    def _check_lack(self, place: int) -> None:
        """`who have no manager` lack one, whether or not they are called manager themselves."""
        meant = self._chosen.get(place + 1)
        if self._items[place].text.casefold() not in ("no", "without") or meant is None:
            return
        item = self._items[place + 1]
        if meant.kind == "value" and any(
            c.kind == "column" and c.table == meant.table for c in item.candidates
        ):
            raise Barred(item, f"is a value of {meant.column}, and 'no' asks for what is not there")

    def _check_who(self, item: Item) -> None:
        """`who reviewed the book` asks for people: rows that have no person's name are no answer."""
        if item.text.casefold() != "who":
            return
        first = item is self._items[0]
        unranked = self._plan.measures and not (self._plan.limit or self._plan.having)
        if first and (unranked or not self._plan.dimensions):
            raise Barred(item, "asks for people, not for their number alone")
        if self._plan.form != "list":
            return
        shown = [d.source for d in self._plan.dimensions if d.source.column]
        rows = any(self._kind(source) == "key" and self._numbers_rows(source) for source in shown)
        if rows and not self._index.label(self._plan.table):
            raise Barred(item, f"asks for people, and {self._plan.table} would only tell its own rows")

    def _check_pair(self, place: int) -> None:
        """`rows and a number per group` asks for two columns."""
        before, after = self._chosen.get(place - 1), self._chosen.get(place + 1)
        starts = place == 1 or (place == 2 and self._items[0].kind in ("count", "fn", "list"))
        named = before is not None and before.kind == "table"
        follows = after is not None or self._kind_at(place + 1) == "fn"
        if starts and named and follows and self._plan.measures and len(self._plan.measures) < 2:
            raise Barred(self._items[place - 1], "is one of two things asked for at once: ask for each alone")

    def _check_age(self, place: int) -> None:
        """`oldest` and `newest` speak of the things named, not of something else's time or age."""
        named = self._chosen.get(place + 1)
        source = self._ordered_by()
        if named is None or source is None:
            return
        table = self._tables.get(source.table, source.table)
        timed = self._kind(source) in ("time", "calendar")
        others = self._index.time_columns(table)
        other_table = named.kind == "table" and named.table != table
        other_table = other_table or bool(self._index.keys.of_column(named.table, named.column))
        if other_table or (
            not timed and (named.kind == "column" or others) and named.column != source.column
        ):
            raise Barred(self._items[place], "does not say by which date or age: name the column")

    def _numbers_rows(self, source: Source) -> bool:
        """A whole number that is another in every row, as a running number is."""
        table = self._index.tables[self._tables.get(source.table, source.table)]
        column = self._index.column(table.name, source.column)
        return "Int" in column.type and table.row_count > _FEW_ROWS and is_unique(column, table)

    def _ordered_by(self) -> Source | None:
        if not self._plan.order:
            return None
        alias = self._plan.order[0].alias
        found = [one.source for one in self._plan.dimensions if one.alias == alias]
        found += [one.source for one in self._plan.measures if one.alias == alias and one.source is not None]
        return found[0] if found else None

    def _kind_at(self, place: int) -> str:
        return self._items[place].kind if place < len(self._items) else ""

    def _kind(self, source: Source) -> str:
        if not source.column or source.path:
            return ""
        return self._index.role(self._tables.get(source.table, source.table), source.column).kind

    def _named(self, measure: Measure) -> Item | None:
        """The item that chose the measure's column."""
        column = measure.source.column if measure.source is not None else ""
        for place, candidate in self._chosen.items():
            if column and candidate.column == column:
                return self._items[place]
        return None

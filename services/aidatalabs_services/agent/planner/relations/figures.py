"""Counts and figures of populations: over all, for each of something, ranked by them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.measures import WORDS, rows_noun
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Dimension, Filter, Measure, Order, QueryPlan, Window
from aidatalabs_services.agent.planner.roles import is_unique

from .builder import Parts, Target
from .joins import Joins, aliased, turned
from .schema import Hop, Place, Unclear, numbers_rows
from .tree import Computed, Counted, Mention, Noun, Part, Shown

if TYPE_CHECKING:
    from .builder import Builder


def _same(part: Part, other: Part) -> bool:
    if isinstance(part, Computed) and isinstance(other, Computed):
        return part.function == other.function and part.attribute.candidates == other.attribute.candidates
    if isinstance(part, Counted) and isinstance(other, Counted):
        heads = (part.noun.head, other.noun.head)
        return all(heads) and heads[0].candidates == heads[1].candidates and part.noun.bare  # type: ignore[union-attr]
    return False


class Figures:
    """One plan with measures. `base` is the table whose rows are counted or computed with."""

    def __init__(self, builder: Builder, target: Target) -> None:
        self.b = builder
        self.schema = builder.schema
        self.index = builder.index
        self.asked = builder.asked
        self.target = target
        self.filters: list[Filter] = []
        self.windows: list[Window] = []
        self.parts = Parts()

    def plan(self) -> QueryPlan:
        """The plan; raises Unclear where the figures are of rows that cannot be told together."""
        asked = self.asked
        figures: list[Part] = [part for part in asked.parts if not isinstance(part, Shown)]
        if asked.groups and asked.noun is not None and asked.noun.extreme is not None:
            raise Unclear(asked.groups[0], "asks for the first of each group, which I cannot rank yet")
        rank = asked.noun.extreme if asked.noun is not None else None
        if rank is not None and rank.noun is not None:
            figures.append(Counted(rank.noun, rank.noun.different))
        elif rank is not None and rank.function and rank.attribute is not None:
            own = self.schema.column_at(rank.attribute, self.target.table)
            if not own.path and not self.target.column:
                raise Unclear(
                    rank.attribute, f"has one value for each of {self.target.table}: nothing adds up"
                )
            figures.append(Computed(rank.function, rank.attribute))
        elif rank is not None and rank.by is not None:
            figures = [part for part in figures if not _same(part, rank.by)] + [rank.by]
        elif rank is not None:
            raise self._unclear("is ranked, and a figure is asked for besides")
        if asked.order is not None and isinstance(asked.order.part, Counted | Computed):
            same = [part for part in figures if type(part) is type(asked.order.part)]
            if not same:
                figures.append(asked.order.part)
        whole = not asked.groups and not any(isinstance(part, Shown) for part in asked.parts) and rank is None
        if self.target.column and whole and any(isinstance(figure, Computed) for figure in figures):
            raise self._unclear(f"may be one figure of all, or of each {self.target.column}")
        path = self._path(figures)
        self.base = path[-1].to_table if path else self.target.table
        self.b.cost += 0.03 * len(path)
        self.joins = Joins(self.b.conditions, self.base)
        self.names = Names(self.index, self.base)
        self.back = tuple(turned(hop) for hop in reversed(path))
        self._conditions()
        grouped = self._groups(figures, rank is not None)
        for figure in figures:
            self._measure(figure, path)
        self._order(rank)
        return self._finished(grouped)

    def _unclear(self, why: str, mention: Mention | None = None) -> Unclear:
        return Unclear(mention, why)

    def _path(self, figures: list[Part]) -> tuple[Hop, ...]:
        """The way from the population to the rows that the figures are of."""
        found: set[tuple[Hop, ...]] = set()
        for figure in figures:
            if isinstance(figure, Counted):
                found.add(self._counted_path(figure.noun))
            elif isinstance(figure, Computed):
                place = self.schema.column_at(figure.attribute, self._figure_table(figure))
                start = self.schema.way(self.target.table, self._figure_table(figure), frozenset(), None)
                found.add(self._many((*start, *place.path)))
        if len(found) > 1:
            longest = max(found, key=len)
            if any(longest[: len(path)] != path for path in found) or any(not path for path in found):
                raise self._unclear("asks for figures of different rows at once")
            found = {longest}
        return next(iter(found), ())

    def _figure_table(self, figure: Computed) -> str:
        return self.target.table

    def _counted_path(self, noun: Noun) -> tuple[Hop, ...]:
        if noun is self.asked.noun or noun.head is None:
            return ()
        if self.asked.noun is None:
            if all(c.table != self.target.table for c in noun.head.candidates):
                raise Unclear(noun.head, "is counted beside other things: ask for each alone")
            return ()
        if any(c.table == self.target.table for c in noun.head.candidates):
            return ()
        failed: Unclear | None = None
        for candidate in noun.head.candidates:
            try:
                way = self.schema.way(self.target.table, candidate.table, frozenset(), noun.head)
            except Unclear as unclear:
                failed = failed or unclear
                continue
            return self._many(way)
        raise failed or Unclear(noun.head, "cannot be counted here")

    @staticmethod
    def _many(path: tuple[Hop, ...]) -> tuple[Hop, ...]:
        last = max((n for n, hop in enumerate(path) if not hop.to_one), default=-1)
        return path[: last + 1]

    def _conditions(self) -> None:
        noun = self.asked.noun
        if noun is None:
            return
        bound = self.b.conditions.where(noun, self.target.table, self.target.column)
        self.b.cost += bound.cost
        if self.base == self.target.table:
            self.filters += bound.filters
            self.windows += bound.windows
            return
        if bound.filters or bound.windows:
            alias = self.joins.alias(self.back)
            self.filters += [aliased(f, self.target.table, alias) for f in bound.filters]
            self.windows += [replace(w, source=replace(w.source, table=alias)) for w in bound.windows]

    # Groups

    def _groups(self, figures: list[Part], ranked: bool) -> bool:
        """The columns grouped by: those shown beside the figures, those after each and by, and the population
        itself where something is counted for each of it."""
        asked = self.asked
        for mention in asked.groups:
            self._group_by(mention)
        for part in asked.parts:
            if isinstance(part, Shown):
                self._show(part)
        shown = any(isinstance(part, Shown) for part in asked.parts)
        if (self.back and (shown or ranked)) or (ranked and not self.parts.dimensions) or self._each(figures):
            self._population()
        return bool(self.parts.dimensions)

    def _each(self, figures: list[Part]) -> bool:
        """Whether the population is a column whose values are listed with a figure each."""
        counted = any(isinstance(f, Counted) and f.noun is not self.asked.noun for f in figures)
        return bool(self.target.column) and self.asked.noun is not None and counted

    def _population(self) -> None:
        target = self.target
        if target.column:
            self._dimension(Place(target.table, target.column, self.back, 0.0))
            return
        key = self.schema.key(target.table)
        shown = list(self.parts.dimensions)
        unique = any(
            is_unique(self.index.column(target.table, d.source.column), self.index.tables[target.table])
            for d in shown
            if self._table_of(d) == target.table and d.source.column
        )
        if not shown:
            for place in self.b._labels(target.table, self.back):
                self._dimension(place)
        elif not unique and key:
            self._dimension(Place(target.table, key, self.back, 0.0))

    def _table_of(self, dimension: Dimension) -> str:
        return next((j.table for j in self.joins.all() if j.alias == dimension.source.table),
                    dimension.source.table)  # fmt: skip

    def _show(self, part: Shown) -> None:
        kinds = {self.index.role(c.table, c.column).kind for c in part.attribute.candidates[:1] if c.column}
        if kinds & {"measure", "other", "clock"}:
            raise Unclear(part.attribute, "is a number beside a figure: say what to compute of it")
        if part.noun is not None and part.noun.head is part.attribute:
            for place in self.b._label_places(part.attribute.candidates[0], self.target):
                self._dimension(self._seen(place))
            return
        self._dimension(self._seen(self.b._place(part.attribute, part.noun, self.target)))

    def _seen(self, place: Place) -> Place:
        """A column of the population, seen from the rows that are counted."""
        if not self.back:
            path = place.path
        else:
            back = tuple(turned(hop) for hop in reversed(self.back))
            same = 0
            while same < min(len(back), len(place.path)) and back[same] == place.path[same]:
                same += 1
            path = (*self.back[: len(self.back) - same], *place.path[same:])
        if not all(hop.to_one for hop in path):
            raise self._unclear(f"{place.table}.{place.column} has many values for each row that is counted")
        return replace(place, path=path)

    def _group_by(self, mention: Mention) -> None:
        failed: Unclear | None = None
        for candidate in mention.candidates:
            try:
                path = self.schema.way(self.base, candidate.table, frozenset(), mention)
                if not all(hop.to_one for hop in path):
                    raise Unclear(mention, f"is not one for each of {self.base}")
                if candidate.kind == "table":
                    if not path:
                        raise Unclear(mention, f"is what {self.base} itself is")
                    for place in self.b._labels(candidate.table, path):
                        self._dimension(place)
                else:
                    self._dimension(self.schema.column_at(mention, self.base))
                self.b.cost += candidate.cost
                return
            except Unclear as unclear:
                failed = failed or unclear
        raise failed or Unclear(mention, "cannot be grouped by here")

    def _dimension(self, place: Place) -> None:
        if not all(hop.to_one for hop in place.path):
            raise self._unclear(f"{place.table}.{place.column} is not one for each of {self.base}")
        kind = self.index.role(place.table, place.column).kind
        source = self.joins.source(place)
        if any(d.source == source for d in self.parts.dimensions):
            return
        if kind == "time":
            raise self._unclear("is a time: say by day, month or year")
        alias = self.names.source(source, self.joins.all())
        self.parts.dimensions.append(Dimension(source, alias, place.column))

    # Measures

    def _measure(self, figure: Part, path: tuple[Hop, ...]) -> None:
        self.last = ""
        if isinstance(figure, Counted):
            self._count(figure)
        elif isinstance(figure, Computed):
            self._compute(figure)

    def _compute(self, figure: Computed) -> None:
        place = self.schema.column_at(figure.attribute, self.target.table)
        place = self._seen(place) if self.back else place
        if place.path and not self._one_to_one(place.path):
            raise self._unclear(
                f"is told by {place.table}, whose rows would count several times", figure.attribute
            )
        column = self.index.column(place.table, place.column)
        role = self.index.role(place.table, place.column)
        kind = column_type(column.type)
        fits = kind.numeric or (kind.temporal and figure.function in ("min", "max"))
        unfit = role.kind in ("key", "label") or numbers_rows(column, self.index.tables[place.table])
        unfit = unfit or (role.kind in ("calendar", "clock") and figure.function not in ("min", "max"))
        if not fits or unfit:
            raise self._unclear(f"holds no numbers to take the {WORDS[figure.function]} of", figure.attribute)
        word = WORDS[figure.function]
        name = place.column.split(".")[-1]
        self.b.cost += place.cost
        source = self.joins.source(place)
        held = next(
            (m for m in self.parts.measures if (m.function, m.source) == (figure.function, source)), None
        )
        if held is not None:
            self.last = held.alias
            return
        self.last = alias = self.names.fresh(f"{word}_{name}")
        self.parts.measures.append(Measure(figure.function, source, alias, f"{word} {name}", role.unit))

    def _one_to_one(self, path: tuple[Hop, ...]) -> bool:
        """Whether each row at a path's end belongs to one row at its start."""
        return all(
            is_unique(self.index.column(hop.table, hop.column), self.index.tables[hop.table]) for hop in path
        )

    def _count(self, figure: Counted) -> None:
        noun = figure.noun
        head = noun.head
        if head is None:
            raise self._unclear("counts nothing that was named")
        own = noun is self.asked.noun or self.asked.noun is None
        candidate = next(
            (c for c in head.candidates if c.table in (self.base, self.target.table)), head.candidates[0]
        )
        if not own or self.asked.noun is None:
            self._narrow(noun, candidate.table)
        column = candidate.column if candidate.kind == "column" else ""
        title = f"number of {rows_noun(head.text.casefold())}"
        unique = column and is_unique(
            self.index.column(candidate.table, column), self.index.tables[candidate.table]
        )
        if candidate.table == self.base and (not column or unique):
            self.parts.measures.append(Measure("count", None, self.names.fresh(title), title))
            return
        if not column and candidate.table != self.base:
            back = self.schema.way(self.base, candidate.table, frozenset(), head)
            if len(back) != 1 or not back[0].to_one:
                raise Unclear(head, "is too far away to be counted here")
            pair = self.index.tables[self.base].row_count
            single = is_unique(self.index.column(self.base, back[0].column), self.index.tables[self.base])
            if figure.different or (self.back and pair and not single):
                source = self.b.conditions.source(self.base, back[0].column)
                self.parts.measures.append(Measure("count_distinct", source, self.names.fresh(title), title))
                return
            self.parts.measures.append(Measure("count", None, self.names.fresh(title), title))
            return
        place = Place(
            candidate.table, column, self.schema.way(self.base, candidate.table, frozenset(), head), 0.0
        )
        source = self.joins.source(place)
        role = self.index.role(candidate.table, column).kind
        if not figure.different and role not in ("key", "label", "dimension"):
            raise Unclear(head, "is a number, not something to count")
        if any(d.source == source for d in self.parts.dimensions) and not figure.different:
            raise Unclear(head, "is counted and grouped by at once")
        self.parts.measures.append(
            Measure(
                "count_distinct",
                source,
                self.names.fresh(f"number of different {head.text}"),
                f"number of different {head.text}",
            )
        )

    def _narrow(self, noun: Noun, table: str) -> None:
        """What is said of the things that are counted."""
        if noun.extreme is not None:
            raise Unclear(noun.head, "is ranked and counted at once")
        column = next((c.column for c in (noun.head.candidates if noun.head else ()) if c.table == table), "")
        bound = self.b.conditions.where(noun, table, column)
        self.b.cost += bound.cost
        if table == self.base:
            self.filters += bound.filters
            self.windows += bound.windows
            return
        if bound.filters or bound.windows:
            path = self.schema.way(self.base, table, frozenset(), noun.head)
            if not all(hop.to_one for hop in path):
                raise Unclear(noun.head, "is too far away to be counted here")
            self.filters.append(self.b.conditions.among(path, bound.filters, bound.windows, False))

    # Order

    def _order(self, rank: object) -> None:
        from .tree import Extreme

        parts, order = self.parts, self.asked.order
        keys = [Order(d.alias, False) for d in parts.dimensions]
        if isinstance(rank, Extreme):
            alias = self.last or parts.measures[-1].alias
            parts.order = [Order(alias, rank.descending), *keys]
            parts.limit = rank.limit or 1
            return
        if order is None:
            if parts.dimensions:
                parts.order = [Order(parts.measures[0].alias, True), *keys]
            return
        alias = parts.measures[0].alias
        if isinstance(order.part, Computed):
            alias = next((m.alias for m in parts.measures if m.function == order.part.function),
                         parts.measures[-1].alias)  # fmt: skip
        elif isinstance(order.part, Counted):
            alias = next((m.alias for m in parts.measures if m.function.startswith("count")), alias)
        elif isinstance(order.part, Shown):
            place = self._seen(self.b._place(order.part.attribute, None, self.target))
            source = self.joins.source(place)
            shown = next((d for d in parts.dimensions if d.source == source), None)
            if shown is None:
                raise self._unclear("is ordered by, but not shown", order.part.attribute)
            alias = shown.alias
        elif order.adjective == "alphabet" and parts.dimensions:
            alias = parts.dimensions[0].alias
        parts.order = [Order(alias, order.descending), *(key for key in keys if key.alias != alias)]

    def _finished(self, grouped: bool) -> QueryPlan:
        parts = self.parts
        form = "table" if grouped else "scalar"
        return QueryPlan(
            form, self.base, self.joins.all(), tuple(parts.measures), tuple(parts.dimensions),
            tuple(self.filters), tuple(self.windows), (), tuple(parts.order) if grouped else (), parts.limit,
            tied=parts.limit == 1 and grouped, timezone=self.b.timezone,
        )  # fmt: skip

"""A tree made into a query plan over one population: what is listed, computed, ranked and grouped."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.measures import WORDS, rows_noun
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Having,
    Measure,
    Order,
    QueryPlan,
    Source,
    Window,
)
from aidatalabs_services.agent.planner.roles import is_unique
from aidatalabs_services.agent.planner.rows import shows_ties
from aidatalabs_services.agent.planner.words import lemma, split_name

from .conditions import Conditions
from .joins import Joins, aliased, turned
from .schema import Hop, Place, Schema, Unclear
from .ties import Bound
from .tree import Asked, Computed, Counted, Extreme, Mention, Noun, Part, Shown, Sorted

_TIME = frozenset(("time", "calendar"))


@dataclass
class Target:
    """The population an attempt is made over: a table, or the values of one of its columns."""

    table: str
    column: str = ""


@dataclass
class Parts:
    """What is put together for one plan."""

    dimensions: list[Dimension] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    limit: int = 0
    having: list[Having] = field(default_factory=list)


class Builder:
    """Builds the plan of one question; `cost` tells how freely its words were read."""

    def __init__(
        self, schema: Schema, asked: Asked, now: datetime, timezone: str, hints: frozenset[str] = frozenset()
    ) -> None:
        self.schema = schema
        self.index = schema.index
        self.asked = asked
        self.conditions = Conditions(schema, now, timezone)
        self.timezone = timezone
        self.cost = 0.0
        self.hints = hints

    def _hinted(self, table: str) -> float:
        """What it costs to read a table that no word spoke of, where some word may speak of one."""
        parts = split_name(table)
        said = any(word_cost(word, part) is not None for word in self.hints for part in parts)
        return 0.0 if said or not self.hints else 0.1

    def build(self) -> QueryPlan:
        """The plan; raises Unclear where the words fit no population, or several alike."""
        found: list[tuple[float, QueryPlan]] = []
        failed: Unclear | None = None
        for target, cost in self._targets():
            self.cost = cost + self._hinted(target.table)
            try:
                plan = self._over(target)
            except Unclear as unclear:
                failed = failed or unclear
                continue
            if all(plan != other for _, other in found):
                found.append((self.cost, plan))
        if not found:
            raise failed or Unclear(None, "does not say which table it is about")
        found.sort(key=lambda pair: pair[0])
        if len(found) > 1 and found[1][0] <= found[0][0] + 0.02:
            raise Unclear(None, "can be answered from several tables")
        self.cost = found[0][0]
        return found[0][1]

    def _targets(self) -> list[tuple[Target, float]]:
        asked = self.asked
        noun = asked.noun or next((p.noun for p in asked.parts if isinstance(p, Counted)), None)
        if noun is not None and noun.head is not None:
            best = noun.head.candidates[0].cost
            return [
                (Target(c.table, c.column if c.kind == "column" else ""), c.cost)
                for c in noun.head.candidates
                if c.cost <= best + 0.12
            ]
        mentions = [p.attribute for p in asked.parts if not isinstance(p, Counted)]
        if not mentions:
            return []
        targets = []
        for table in self.index.tables:
            costs = [_nearest(mention, table) for mention in mentions]
            if max(costs) < 9:
                targets.append((Target(table), sum(costs)))
        return targets

    # One attempt

    def _over(self, target: Target) -> QueryPlan:
        asked = self.asked
        computed = [part for part in asked.parts if not isinstance(part, Shown)]
        extreme = asked.noun.extreme if asked.noun is not None else None
        by = extreme.by if extreme is not None else None
        ranked = extreme is not None and (
            extreme.noun is not None or bool(extreme.function) or isinstance(by, Counted | Computed)
        )
        if (
            computed
            or ranked
            or (asked.order is not None and isinstance(asked.order.part, Counted | Computed))
        ):
            return self._grouped(target)
        if asked.groups:
            raise Unclear(asked.groups[0], "is to be grouped by, but no number is asked for")
        return self._listed(target)

    def _root(self, target: Target) -> Bound:
        noun = self.asked.noun
        if noun is None:
            return Bound()
        bound = self.conditions.where(noun, target.table, target.column)
        self.cost += bound.cost
        return bound

    def _place(self, mention: Mention, noun: Noun | None, target: Target) -> Place:
        """A shown column: of the noun it was said of, else of the question's population."""
        if noun is not None and noun is not self.asked.noun and noun.head is not None:
            for candidate in noun.head.candidates:
                own = self.schema.column_at(mention, candidate.table)
                path = self.schema.way(target.table, candidate.table, frozenset(), mention)
                return replace(own, path=(*path, *own.path))
        place = self.schema.column_at(mention, target.table)
        self.cost += place.cost
        return place

    # Lists

    def _listed(self, target: Target) -> QueryPlan:
        asked = self.asked
        bound = self._root(target)
        places = self._shown_places(target)
        ordering = self._ordering_place(target)
        base, joins, moved = self._based(target, [*places, *([ordering[0]] if ordering else [])])
        names = Names(self.index, base)
        parts = Parts()
        for place in moved[: len(places)]:
            source = joins.source(place)
            alias = names.source(source, joins.all())
            if all(d.source != source for d in parts.dimensions):
                parts.dimensions.append(Dimension(source, alias, place.column))
        different = (
            asked.different or bool(target.column) or (asked.noun is not None and asked.noun.different)
        )
        if ordering is not None:
            self._sort_rows(joins.source(moved[-1]), ordering[1], parts, names, target, different)
        filters, windows = self._moved(bound, target, base, joins)
        return QueryPlan(
            "list", base, joins.all(), (), tuple(parts.dimensions), filters, windows, (),
            tuple(parts.order), parts.limit, different,
            tied=parts.limit == 1 and bool(parts.order) and not different, timezone=self.timezone,
        )  # fmt: skip

    def _tells_rows(self, place: Place) -> bool:
        """Whether a column is no value that many rows share: their name, their key, a measured number."""
        role = self.index.role(place.table, place.column).kind
        column = self.index.column(place.table, place.column)
        return role not in ("dimension", "flag") or is_unique(column, self.index.tables[place.table])

    def _shown_places(self, target: Target) -> list[Place]:
        shown = [part for part in self.asked.parts if isinstance(part, Shown)]
        places: list[Place] = []
        for part in shown:
            if part.noun is not None and part.noun.head is part.attribute:
                places.extend(self._label_places(part.attribute.candidates[0], target))
            elif self._full_name(part, target):
                places.extend(self._labels(target.table, ()))
            else:
                places.append(self._place(part.attribute, part.noun, target))
        noun = self.asked.noun
        numbers = noun is not None and noun.bare and all(self._measured(place, target) for place in places)
        if (self.asked.led or numbers) and places and not target.column:
            labels = self._labels(target.table, ())
            places = [*(p for p in labels if p.column not in {q.column for q in places}), *places]
        if target.column and not any(p.column == target.column and not p.path for p in places):
            places.insert(0, Place(target.table, target.column, (), 0.0))
        return places or self._labels(target.table, ())

    def _measured(self, place: Place, target: Target) -> bool:
        """`salary of each employee` is of no use without their names."""
        return not place.path and self.index.role(target.table, place.column).kind == "measure"

    def _full_name(self, part: Shown, target: Target) -> bool:
        """`names of members` where they have a first and a last name."""
        whole = part.noun is None or part.noun is self.asked.noun
        labels = self.index.label(target.table)
        return whole and lemma(part.attribute.text.casefold()) == "name" and len(labels) > 1

    def _label_places(self, candidate: Candidate, target: Target) -> list[Place]:
        path = self.schema.way(target.table, candidate.table, frozenset(), None)
        if candidate.column:
            return [Place(candidate.table, candidate.column, path, candidate.cost)]
        return self._labels(candidate.table, path)

    def _labels(self, table: str, path: tuple[Hop, ...]) -> list[Place]:
        """What a reader knows a row by: its name, and its key where names repeat."""
        labels = [column.name for column in self.index.label(table)]
        key = self.schema.key(table)
        entry = self.index.tables[table]
        unique = any(is_unique(self.index.column(table, name), entry) for name in labels)
        names = labels if unique else [*([key] if key else []), *[n for n in labels if n != key]]
        if not names:
            text = [
                c.name for c in entry.columns if self.index.role(table, c.name).kind in ("label", "dimension")
            ]
            if len(text) != 1:
                raise Unclear(None, f"does not say what to show of {table}")
            names = text
        return [Place(table, name, path, 0.0) for name in names]

    def _ordering_place(self, target: Target) -> tuple[Place, Extreme | Sorted] | None:
        noun, order = self.asked.noun, self.asked.order
        extreme = noun.extreme if noun is not None else None
        if extreme is not None:
            if order is not None and order.part is not None:
                return self.schema.column_at(order.part.attribute, target.table), extreme  # type: ignore[union-attr]
            return self._extreme_place(extreme, target), extreme
        if order is None:
            return None
        if isinstance(order.part, Shown):
            return self._place(order.part.attribute, None, target), order
        if order.part is None:
            return self._shown_places(target)[0], order
        raise Unclear(None, "orders rows by a figure of many rows")

    def _extreme_place(self, extreme: Extreme, target: Target) -> Place:
        if extreme.attribute is not None:
            place = self.schema.column_at(extreme.attribute, target.table)
            if target.column and not place.path:
                column = self.index.column(target.table, target.column)
                if not is_unique(column, self.index.tables[target.table]):
                    raise Unclear(
                        extreme.attribute, f"of one {target.column} may be added up, averaged, or of one row"
                    )
            self.cost += place.cost
            return place
        if isinstance(extreme.by, Shown):
            return self._place(extreme.by.attribute, None, target)
        if extreme.by_time:
            return self._time_place(target)
        if not extreme.adjective:
            raise Unclear(None, "does not say by what to rank")
        place = self.conditions.told(extreme.adjective, "", target.table)
        if target.column:
            raise Unclear(None, f"is said of {target.column}, which many rows share")
        return place

    def _time_place(self, target: Target) -> Place:
        times = self.index.time_columns(target.table)
        if len(times) != 1:
            raise Unclear(None, f"does not say by which date of {target.table}")
        return Place(target.table, times[0].name, (), 0.1)

    def _sort_rows(
        self,
        source: Source,
        way: Extreme | Sorted,
        parts: Parts,
        names: Names,
        target: Target,
        different: bool,
    ) -> None:
        descending = way.descending
        if source.column.startswith("-"):
            raise Unclear(None, "is ranked by a date in reverse: name the date")
        if isinstance(way, Extreme):
            ordered = self.asked.order is not None
            parts.limit = way.limit or (0 if ordered else 1)
        shown = next((d for d in parts.dimensions if d.source == source), None)
        if shown is None:
            shown = Dimension(source, names.source(source, ()), source.column)
            if different:
                raise Unclear(None, "orders different values by another column")
            parts.dimensions.append(shown)
        parts.order.append(Order(shown.alias, descending))
        if parts.limit == 1 and not different and shows_ties(self.index, target.table):
            return  # all that share the first place
        parts.order.extend(Order(d.alias, False) for d in parts.dimensions if d is not shown)

    def _based(self, target: Target, places: list[Place]) -> tuple[str, Joins, list[Place]]:
        """The table to read from, so that every column is one of each of its rows: the population's own, or
        that of the rows it has many of."""
        deepest: tuple[Hop, ...] = ()
        for place in places:
            last = max((n for n, hop in enumerate(place.path) if not hop.to_one), default=-1)
            many = place.path[: last + 1]
            if len(many) > len(deepest):
                deepest = many
        if not deepest:
            joins = Joins(self.conditions, target.table)
            return target.table, joins, places
        base = deepest[-1].to_table
        joins = Joins(self.conditions, base)
        return base, joins, [self._from(deepest, place) for place in places]

    def _from(self, moved: tuple[Hop, ...], place: Place) -> Place:
        """A place seen from the end of a path instead of from its start."""
        back = tuple(turned(hop) for hop in reversed(moved))
        same = 0
        while same < min(len(moved), len(place.path)) and moved[same] == place.path[same]:
            same += 1
        path = (*back[: len(back) - same], *place.path[same:])
        if not all(hop.to_one for hop in path):
            raise Unclear(None, f"{place.table}.{place.column} has many values for each row that is shown")
        return replace(place, path=path)

    def _moved(
        self, bound: Bound, target: Target, base: str, joins: Joins
    ) -> tuple[tuple[Filter, ...], tuple[Window, ...]]:
        """The population's conditions, where the query reads from other rows than its own."""
        if base == target.table:
            return tuple(bound.filters), tuple(bound.windows)
        if not bound.filters and not bound.windows:
            return (), ()
        path = self.schema.way(base, target.table, frozenset(), None)
        alias = joins.alias(path)
        filters = tuple(aliased(f, target.table, alias) for f in bound.filters)
        windows = tuple(replace(w, source=replace(w.source, table=alias)) for w in bound.windows)
        return filters, windows

    # Figures

    def _grouped(self, target: Target) -> QueryPlan:
        from .figures import Figures

        return Figures(self, target).plan()


def _nearest(mention: Mention, table: str) -> float:
    """What it costs to read words as a column of one table; a lot where they name none."""
    return min((c.cost for c in mention.candidates if c.kind == "column" and c.table == table), default=9.0)


def part_title(part: Part) -> str:
    """A figure in words."""
    if isinstance(part, Counted):
        return f"number of {rows_noun(part.noun.head.text if part.noun.head else 'rows')}"
    return (
        f"{WORDS[part.function]} {part.attribute.text}" if isinstance(part, Computed) else part.attribute.text
    )


__all__ = ["Builder", "Parts", "Target", "column_type", "part_title"]

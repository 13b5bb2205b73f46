"""Conditions of a tree bound to columns: filters, windows of time, and look-ups among related rows."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.flags import flag_values
from aidatalabs_services.agent.planner.measures import WORDS
from aidatalabs_services.agent.planner.plan import (
    Filter,
    Measure,
    QueryPlan,
    Source,
    Window,
)
from aidatalabs_services.agent.planner.roles import is_unique

from .schema import Hop, Place, Unclear
from .ties import Bound, Ties
from .tree import (
    Beyond,
    Choice,
    Compared,
    Condition,
    During,
    Flagged,
    Gap,
    Held,
    Noun,
    Related,
    Written,
)


class Conditions(Ties):
    """Binds the conditions of populations."""

    def where(self, noun: Noun, table: str, column: str = "") -> Bound:
        """Everything said of a population, over the rows of `table` (or the values of one column of it)."""
        bound = Bound()
        shared = bool(column) and not is_unique(self.index.column(table, column), self.index.tables[table])
        for condition in noun.conditions:
            if shared:
                self._check_shared(condition, column)
            self._bind(condition, table, column, bound)
        if shared:
            self._same_rows(table, column, bound)
        _check_contradiction(bound.filters)
        return bound

    @staticmethod
    def _same_rows(table: str, column: str, bound: Bound) -> None:
        """`mobile users who logged in`: one thing done is told by the rows that the other words speak of."""
        own = [
            f
            for f in bound.filters
            if f.query is not None
            and f.operator == "in_query"
            and (f.source.column, f.query.table) == (column, table)
            and not f.query.having
        ]
        others = [f for f in bound.filters if f.query is not None and f.query.having]
        if len(own) != 1 or own[0].query is None or others:
            return
        bound.filters = [f for f in bound.filters if f is not own[0]] + list(own[0].query.filters)
        bound.windows += own[0].query.windows

    @staticmethod
    def _check_shared(condition: Condition, column: str) -> None:
        """A number, or what is not so, said of a value that many rows have: of one row, of all, in total?"""
        if isinstance(condition, Compared | Beyond):
            raise Unclear(
                condition.attribute, f"may be that of one row or of all rows of one {column} together"
            )
        if isinstance(condition, Gap) or (
            isinstance(condition, Held | Written | Flagged) and condition.negated
        ):
            raise Unclear(
                None, f"leaves open whether no row of one {column} may be so, or only some other row is"
            )

    def _bind(self, condition: Condition, table: str, column: str, bound: Bound) -> None:
        if isinstance(condition, During):
            bound.windows.append(self._window(condition, table))
        elif isinstance(condition, Choice):
            bound.filters.append(self._choice(condition, table, column, bound))
        elif isinstance(condition, Related):
            if self._own_rows(condition, table, column):
                bound.cost += 0.03 * len(bound.filters)
            else:
                bound.filters.append(self._related(condition, table, column, bound))
        elif isinstance(condition, Beyond):
            bound.filters.append(self._beyond(condition, table, bound))
        elif isinstance(condition, Flagged):
            bound.filters.append(self._flagged(condition, table, bound))
        else:
            bound.filters.append(self._plain(condition, table, bound))

    @staticmethod
    def _own_rows(condition: Related, table: str, column: str) -> bool:
        """`cities with shops`, read from the shops: each of their cities has one."""
        head = condition.noun.head
        plain = condition.noun.bare and not condition.operator and not condition.negated
        return bool(column) and plain and head is not None and table in head.tables

    def _choice(self, condition: Choice, table: str, column: str, bound: Bound) -> Filter:
        options = []
        for option in condition.options:
            inner = Bound()
            self._bind(option, table, column, inner)
            if inner.windows:
                raise Unclear(None, "offers a time as one of several conditions, which I cannot join yet")
            bound.cost += inner.cost
            options.append(inner.filters[0])
        return Filter(options[0].source, "any", options=tuple(options))

    def _plain(self, condition: Compared | Held | Written | Gap, table: str, bound: Bound) -> Filter:
        if isinstance(condition, Held):
            return self._held(condition, table, bound)
        if isinstance(condition, Compared) and condition.attribute is None:
            place = self.told(condition.adjective, condition.unit, table)
        elif condition.attribute is not None:
            place = self.schema.column_at(condition.attribute, table)
        else:
            raise Unclear(None, "does not say which text is meant")
        bound.cost += place.cost
        source = self.source(place.table, place.column)
        if isinstance(condition, Compared):
            found = self._compared(condition, source, place)
        elif isinstance(condition, Written):
            found = self._written(condition, source)
        else:
            found = self._gap(condition, source)
        return self.wrapped(found, place.path)

    def told(self, adjective: str, unit: str, table: str) -> Place:
        """The column that an adjective or a unit tells: of the table, else of what its rows refer to."""
        for tables in self._around(table):
            found = []
            for path, other in tables:
                for column in self.index.tables[other].columns:
                    role = self.index.role(other, column.name)
                    if not adjective and role.kind == "measure" and unit and role.unit == unit:
                        found.append(Place(other, column.name, path, 0.1))
                if adjective:
                    found += [
                        Place(other, name, path, 0.05) for name in self.schema.by_adjective(adjective, other)
                    ]
            if len(found) == 1:
                return found[0]
            if found:
                break
        raise Unclear(None, f"does not say which number of {table} is compared")

    def _around(self, table: str) -> list[list[tuple[tuple[Hop, ...], str]]]:
        """The table itself, then what its rows refer to."""
        others = []
        for other in self.index.tables:
            for path in self.schema.paths(table, other):
                if path and all(hop.to_one for hop in path):
                    others.append((path, other))
        return [[((), table)], others]

    def _compared(self, condition: Compared, source: Source, place: Place) -> Filter:
        name = source.column
        if name.startswith("-"):
            raise Unclear(condition.attribute, "is told by a date, which is not compared with a number")
        column = self.index.column(place.table, place.column)
        kind = column_type(column.type)
        role = self.index.role(place.table, place.column)
        if kind.temporal:
            raise Unclear(condition.attribute, "is a date: say since, before or in")
        if not kind.numeric:
            if condition.operator in ("eq", "ne") and len(condition.values) == 1:
                return Filter(source, condition.operator, condition.values)
            raise Unclear(condition.attribute, "holds texts, which are no numbers to compare")
        if condition.unit and role.unit and condition.unit != role.unit:
            raise Unclear(condition.attribute, f"is stored in {role.unit}, not in {condition.unit}")
        operator = condition.operator
        if len(condition.values) > 1 and operator in ("eq", "ne"):
            operator = "in" if operator == "eq" else "not_in"
        return Filter(source, operator, condition.values, numeric=True)

    def _written(self, condition: Written, source: Source) -> Filter:
        if column_type(source.type).kind != "text":
            raise Unclear(condition.attribute, "holds no text")
        if condition.way == "is":
            return Filter(source, "ne" if condition.negated else "eq", (condition.text,))
        return Filter(source, f"{'not_' if condition.negated else ''}{condition.way}", (condition.text,))

    def _gap(self, condition: Gap, source: Source) -> Filter:
        kind = column_type(source.type)
        if kind.nullable or source.path:
            return Filter(source, "not_null" if condition.known else "is_null")
        if kind.kind == "text":
            return Filter(source, "ne" if condition.known else "eq", ("",))
        raise Unclear(condition.attribute, "is never empty")

    def _flagged(self, condition: Flagged, table: str, bound: Bound) -> Filter:
        place = self.schema.column_at(condition.attribute, table)
        if not place.single:
            raise Unclear(condition.attribute, f"is said of {place.table}, of which each may have several")
        bound.cost += place.cost
        source = self.source(place.table, place.column)
        if column_type(source.type).kind == "text":
            values = flag_values(self.index.column(place.table, place.column), not condition.negated)
            return self.wrapped(Filter(source, "eq" if len(values) == 1 else "in", values), place.path)
        return self.wrapped(Filter(source, "is_false" if condition.negated else "is_true"), place.path)

    def _held(self, condition: Held, table: str, bound: Bound) -> Filter:
        place = self.schema.value_at(condition.values[0], table, condition.attribute)
        bound.cost += place.cost
        values: list[str] = []
        for mention in condition.values:
            found = [c for c in mention.candidates if (c.table, c.column) == (place.table, place.column)]
            if not found:
                raise Unclear(mention, f"is no value of {place.column}")
            values.extend(found[0].values)
        several = len(set(values)) > 1
        operator = ("not_in" if several else "ne") if condition.negated else ("in" if several else "eq")
        chosen = tuple(dict.fromkeys(values))
        return self.wrapped(Filter(self.source(place.table, place.column), operator, chosen), place.path)

    def _one(self, bound: Bound, table: str) -> bool:
        """Whether the conditions leave one row of a table: its key, or the whole of its name."""
        held = {f.source.column for f in bound.filters if f.operator == "eq" and f.source.table == table}
        labels = {column.name for column in self.index.label(table)}
        entry = self.index.tables[table]
        unique = any(is_unique(self.index.column(table, name), entry) for name in held)
        return unique or (len(labels) > 1 and labels <= held)

    def _beyond(self, condition: Beyond, table: str, bound: Bound) -> Filter:
        """More or less than the average of the same column, over all rows or those of another population."""
        if condition.attribute is not None:
            place = self.schema.column_at(condition.attribute, table)
        else:
            place = self.told(condition.adjective, "", table)
        condition, place = _upright(condition, place)
        kind = column_type(self.index.column(place.table, place.column).type)
        ordered = kind.numeric or (kind.temporal and condition.function in ("min", "max"))
        if not ordered:
            raise Unclear(condition.attribute, "has no average to compare with")
        bound.cost += place.cost
        source = self.source(place.table, place.column)
        filters: tuple[Filter, ...] = ()
        windows: tuple[Window, ...] = ()
        if condition.noun is not None:
            inner = self.where(condition.noun, place.table)
            head = condition.noun.head
            if head is None or all(c.table not in (place.table, table) for c in head.candidates):
                raise Unclear(head, f"has no {place.column}")
            if condition.single and not self._one(inner, place.table):
                raise Unclear(head, f"may be several of {place.table}")
            filters, windows = tuple(inner.filters), tuple(inner.windows)
        word = WORDS[condition.function]
        measure = Measure(condition.function, source, f"{word}_{place.column}", f"{word} {place.column}")
        query = QueryPlan("scalar", place.table, measures=(measure,), filters=filters, windows=windows,
                          timezone=self.timezone)  # fmt: skip
        return self.wrapped(Filter(source, condition.operator, query=query), place.path)


def _upright(condition: Beyond, place: Place) -> tuple[Beyond, Place]:
    """Older is born earlier: a comparison told by a date in reverse, put the right way round."""
    if not place.column.startswith("-"):
        return condition, place
    operator = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}.get(condition.operator, condition.operator)
    function = {"min": "max", "max": "min"}.get(condition.function, condition.function)
    return replace(condition, operator=operator, function=function), replace(place, column=place.column[1:])


def _check_contradiction(filters: list[Filter]) -> None:
    """No row has two values in one column, or a value and none: something else was meant."""
    single: dict[Source, Filter] = {}
    for condition in filters:
        if condition.query is not None or condition.operator not in ("eq", "is_null", "in", "ne", "not_in"):
            continue
        held = single.setdefault(condition.source, condition)
        without = {held.operator, condition.operator} <= {"ne", "not_in"}  # neither the one nor the other
        if held != condition and not without:
            raise Unclear(None, f"asks for two things of {condition.source.column} that no row has together")

"""Conditions on what a thing is related to: some, none, a number of other things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.plan import (
    Filter,
    Window,
)
from aidatalabs_services.agent.planner.roles import is_unique
from aidatalabs_services.agent.planner.vocabulary.deeds import kin_cost
from aidatalabs_services.agent.planner.words import split_name

from .lookups import Lookups
from .schema import Hop, Unclear
from .tree import (
    During,
    Noun,
    Related,
)

_OPPOSITE = {"lt": "ge", "le": "gt"}


@dataclass
class Bound:
    """Conditions bound over the rows of one table; `cost` adds up how far the words were from the names."""

    filters: list[Filter] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    cost: float = 0.0


class Ties(Lookups):
    """Binds what was said of other things."""

    where: Callable[..., Bound]

    def _related(self, condition: Related, table: str, column: str, bound: Bound) -> Filter:
        noun = condition.noun
        if noun.head is None:
            raise Unclear(None, "does not say what it is related to")
        if noun.extreme is not None:
            raise Unclear(noun.head, "is ranked inside a condition, which I cannot do yet")
        failed: Unclear | None = None
        for candidate in noun.head.candidates:
            try:
                return self._related_to(condition, candidate.table, candidate.column, table, column, bound)
            except Unclear as unclear:
                failed = failed or unclear
        raise failed or Unclear(noun.head, "has nothing to do with it")

    def _related_to(
        self, condition: Related, other: str, named: str, table: str, column: str, bound: Bound
    ) -> Filter:
        noun = condition.noun
        said = frozenset((condition.verb,)) if condition.verb else frozenset[str]()
        path = self._shared_column(table, column, other) or self.schema.way(table, other, said, noun.head)
        noun, between = self._timed_between(noun, path, condition.verb)
        noun, here = self._timed_here(noun, path, table, condition.verb)
        inner = self.where(noun, other)
        bound.cost += inner.cost + 0.05 * len(path) + (noun.head.candidates[0].cost if noun.head else 0)
        operator, negated = condition.operator, condition.negated
        value = condition.values[0] if condition.values else ""
        having, negated = self._number(operator, value, negated, noun, bool(path) or not column)
        if not path:
            return self._itself(condition, noun, table, column, named, inner, having, negated)
        if having is not None and sum(not hop.to_one for hop in path) != 1:
            raise Unclear(noun.head, f"cannot be counted for each of {table}")
        counted = (
            named if noun.different or (named and having is not None and path[-1].to_one is False) else ""
        )
        if counted and is_unique(self.index.column(other, counted), self.index.tables[other]):
            counted = ""
        many = next((n for n, hop in enumerate(path) if not hop.to_one), -1)
        if having is not None and 0 <= many < len(path) - 1:
            counted = path[many + 1].column  # `doctors with more than 20 patients`: patients, not visits
        if named and not inner.filters and not inner.windows and having is None:
            raise Unclear(noun.head, "is a column: say which of its values, or more or less than what")
        shared = column and not is_unique(self.index.column(table, column), self.index.tables[table])
        if shared and having is not None:
            raise Unclear(noun.head, f"is counted for each {column}, which many rows of {table} share")
        found = self.among(
            path, inner.filters, inner.windows, negated and not shared, having, counted, between,
            self._done(condition.verb, path),
        )  # fmt: skip
        if not shared:
            bound.windows += here
            return found
        query = self._listed(table, column, [found], here)  # of a value, whichever of its rows
        return Filter(self.source(table, column), "not_in_query" if negated else "in_query", query=query)

    def _done(self, verb: str, path: tuple[Hop, ...]) -> dict[str, Filter]:
        """`who completed a workshop`: of the rows between, those with the time of what the verb tells, where
        some have none."""
        found = {}
        for hop in path:
            if hop.to_one or not verb:
                continue
            times = [
                (cost, column.name)
                for column in self.index.tables[hop.to_table].columns
                if column_type(column.type).temporal and column_type(column.type).nullable
                for part in split_name(column.name)
                if (cost := kin_cost(verb, part)) is not None
            ]
            if times:
                found[hop.to_table] = Filter(self.source(hop.to_table, min(times)[1]), "not_null")
        return found

    def _shared_column(self, table: str, column: str, other: str) -> tuple[Hop, ...]:
        """`countries with lakes`, where both tables name the country: by that, whatever keys there are."""
        if not column or table == other or self.index.tables[other].column(column) is None:
            return ()
        if self.index.role(other, column).kind not in ("key", "label", "dimension"):
            return ()
        return (Hop(table, column, other, column, to_one=False),)

    def _timed_between(self, noun: Noun, path: tuple[Hop, ...], verb: str) -> tuple[Noun, dict[str, Window]]:
        """`who treated women last week`: the time of what ties the two together, not of the women."""
        tables = [hop.to_table for hop in path[:-1] if self.index.time_columns(hop.to_table)]
        loose = self._loose(noun, path)
        if not tables or not loose:
            return noun, {}
        if len(tables) > 1 or len(loose) > 1:
            raise Unclear(noun.head, "leaves open whose time is meant")
        kept = replace(noun, conditions=[c for c in noun.conditions if c is not loose[0]])
        time = replace(
            loose[0], verb=loose[0].verb or verb
        )  # `completed a course in May`: when it was completed
        return kept, {tables[0]: self._window(time, tables[0])}

    def _timed_here(
        self, noun: Noun, path: tuple[Hop, ...], table: str, verb: str
    ) -> tuple[Noun, list[Window]]:
        """`who played jazz last week`: the time of what happened, not of the song it happened to."""
        loose = self._loose(noun, path)
        if not all(hop.to_one for hop in path) or not self.index.time_columns(table) or len(loose) != 1:
            return noun, []
        kept = replace(noun, conditions=[c for c in noun.conditions if c is not loose[0]])
        return kept, [self._window(replace(loose[0], verb=loose[0].verb or verb), table)]

    def _loose(self, noun: Noun, path: tuple[Hop, ...]) -> list[During]:
        """The times said of related things that no verb ties to a date of theirs, as `born in May` does."""
        if not path:
            return []
        own = {part for c in self.index.time_columns(path[-1].to_table) for part in split_name(c.name)}
        times = [c for c in noun.conditions if isinstance(c, During)]
        return [t for t in times if not any(word_cost(t.verb, part) is not None for part in own if t.verb)]

    @staticmethod
    def _number(
        operator: str, value: str, negated: bool, noun: Noun, related: bool
    ) -> tuple[tuple[str, str] | None, bool]:
        """The number of related rows asked for; at least one is the same as any, and exactly none the same as
        not any."""
        if not operator:
            return None, negated
        number = float(value)
        if (operator, number) in (("ge", 1.0), ("gt", 0.0)):
            return None, negated
        if (operator, number) in (("eq", 0.0), ("lt", 1.0), ("le", 0.0)):
            return None, not negated
        if operator in _OPPOSITE and related:
            raise Unclear(noun.head, "may be none at all, too: say 'at least 1 and' or 'none'")
        return (operator, value), negated

    def _itself(
        self,
        condition: Related,
        noun: Noun,
        table: str,
        column: str,
        named: str,
        inner: Bound,
        having: tuple[str, str] | None,
        negated: bool,
    ) -> Filter:
        """Rows of the same table: what holds for a value is looked up among its rows."""
        held = column or named
        if not held and having is None and inner.filters and not inner.windows and not negated:
            first = inner.filters[0]
            return first if len(inner.filters) == 1 else Filter(first.source, "all",
                                                                options=tuple(inner.filters))  # fmt: skip
        if not held:
            held = self.schema.key(table)
        if not held:
            raise Unclear(noun.head, f"cannot be told apart among the rows of {table}")
        query = self._listed(table, held, inner.filters, inner.windows)
        if having is not None:
            query = self._having(query, having, named if noun.different or (named and named != held) else "")
        elif not inner.filters and not inner.windows:
            raise Unclear(noun.head, f"is what {table} is about: nothing is said of it")
        return Filter(self.source(table, held), "not_in_query" if negated else "in_query", query=query)

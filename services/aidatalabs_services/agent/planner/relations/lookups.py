"""Rows looked up in another query: those that have, or have not, such rows at the end of a way."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from aidatalabs_services.agent.planner.binding import source_of
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.draft import Ambiguous, Unread
from aidatalabs_services.agent.planner.items import Item
from aidatalabs_services.agent.planner.names import word_cost
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Having,
    Measure,
    QueryPlan,
    Source,
    Window,
)
from aidatalabs_services.agent.planner.timing import TimeBinder, step_of
from aidatalabs_services.agent.planner.words import split_name

from .schema import Hop, Schema, Unclear
from .tree import (
    During,
    Mention,
)

_NEGATIVE = {"ne": "eq", "not_in": "in", "not_contains": "contains", "not_starts": "starts",
             "not_ends": "ends"}  # fmt: skip


class Lookups:
    """Makes filters over the key graph, and windows of time."""

    def __init__(self, schema: Schema, now: datetime, timezone: str) -> None:
        self.schema = schema
        self.index = schema.index
        self.now = now
        self.timezone = timezone

    def source(self, table: str, column: str) -> Source:
        """A column as the source of a query over its own table."""
        return source_of(table, self.index.column(table, column))

    def wrapped(self, inner: Filter, path: tuple[Hop, ...]) -> Filter:
        """A condition on the rows at the end of a path, for the rows at its start; what is left out there is
        left out as a whole."""
        if not path:
            return inner
        negated = inner.operator in _NEGATIVE
        kept = replace(inner, operator=_NEGATIVE[inner.operator]) if negated else inner
        return self.among(path, [kept], [], negated)

    def among(
        self,
        path: tuple[Hop, ...],
        filters: list[Filter],
        windows: list[Window],
        negated: bool,
        having: tuple[str, str] | None = None,
        counted: str = "",
        between: dict[str, Window] | None = None,
        done: dict[str, Filter] | None = None,
    ) -> Filter:
        """The rows at a path's start that have (or have not) such rows at its end, or a number of them at the
        first step that leads to many."""
        many = next((n for n, hop in enumerate(path) if not hop.to_one), -1)
        for place in range(len(path) - 1, -1, -1):
            hop = path[place]
            if between and hop.to_table in between:
                windows = [*windows, between[hop.to_table]]
            if done and hop.to_table in done:
                filters = [*filters, done[hop.to_table]]
            query = self._listed(hop.to_table, hop.to_column, filters, windows)
            if having is not None and place == many:
                query = self._having(query, having, counted)
            operator = "not_in_query" if negated and place == 0 else "in_query"
            filters = [Filter(self.source(hop.table, hop.column), operator, query=query)]
            windows = []
        first = filters[0]
        if negated and path[0].to_one and column_type(first.source.type).nullable:
            none = Filter(first.source, "is_null")  # what refers to nothing refers to no such row either
            return Filter(first.source, "any", options=(none, first))
        return first

    def _listed(self, table: str, column: str, filters: list[Filter], windows: list[Window]) -> QueryPlan:
        source = self.source(table, column)
        shown = Dimension(source, column, column)
        return QueryPlan("list", table, dimensions=(shown,), filters=tuple(filters), windows=tuple(windows),
                         timezone=self.timezone)  # fmt: skip

    def _having(self, query: QueryPlan, having: tuple[str, str], counted: str) -> QueryPlan:
        operator, value = having
        measure = Measure("count", None, "number_of_rows", "number of rows")
        if counted:
            source = self.source(query.table, counted)
            measure = Measure("count_distinct", source, "number_of_rows", f"number of different {counted}")
        return replace(
            query, form="table", measures=(measure,), having=(Having("number_of_rows", operator, (value,)),)
        )

    def _window(self, condition: During, table: str) -> Window:
        mention = condition.time
        item = Item("window", mention.mode, mention.start, mention.end, mention.words, time=mention)
        binder = TimeBinder(self.index, table, self.now, self.timezone)
        if condition.verb and self._done_elsewhere(condition.verb, table):
            raise Unclear(Mention((), mention.start, mention.end, mention.words), "is said of other rows")
        try:
            verbs = [condition.verb] if condition.verb else []
            source = binder.source(step_of(mention), item, verbs, frozenset(split_name(table)))
            return binder.window(mention, source, item, False)
        except (Unread, Ambiguous) as error:
            raise Unclear(Mention((), mention.start, mention.end, mention.words), str(error)) from error

    def _done_elsewhere(self, verb: str, table: str) -> bool:
        """`songs played last week`: what was done is named or dated by another table, and not by this."""

        def tells(name: str) -> bool:
            return any(word_cost(verb, part) is not None for part in self._dated_parts(name))

        return not tells(table) and any(tells(name) for name in self.index.tables)

    def _dated_parts(self, table: str) -> set[str]:
        columns = [column.name for column in self.index.time_columns(table)]
        return {part for name in (table, *columns) for part in split_name(name)}

"""Metrics in finished plans: the column that stood for one gives way to what the metric computes."""

from __future__ import annotations

import re
from dataclasses import replace

from .columntypes import column_type
from .definitions import MetricDefinition, MetricFilter
from .explain import condition_words
from .index import CatalogueIndex
from .measures import WORDS, rows_noun
from .plan import Filter, Measure, QueryPlan, Source

_ADDITIVE = frozenset(("count", "sum"))
_ZERO = frozenset(("count", "count_distinct", "sum"))
_ADDING_POSTS = frozenset(("cumulate", "moving_sum", "share"))


class MetricMisused(Exception):
    """The question asks of a metric what makes no sense of it; the text says what, and what would."""


class Substitution:
    """Puts the computations of the metrics that a question calls into its plan."""

    def __init__(self, index: CatalogueIndex, metrics: tuple[tuple[str, MetricDefinition], ...]) -> None:
        self._index = index
        self._metrics = {(table, metric.name): metric for table, metric in metrics}
        self.aliases: dict[str, str] = {}
        """The names that columns of the answer had and have."""

    def of(self, plan: QueryPlan) -> QueryPlan:
        """The plan with every metric computed. Raises MetricMisused."""
        if not self._metrics:
            return plan
        called = [m for m in plan.measures if any(self._called(plan, s) for s in m.sources)]
        self._check_places(plan, called)
        self._check_additive(plan, called)
        filters = tuple(self._inside(one) for one in plan.filters)
        alone = self._alone(plan, called)
        if alone is not None:  # it picks its rows for the whole query, like a condition that was said
            filters += tuple(f for f in self._conditions(plan.table, alone) if f not in filters)
        measures = [
            self._measure(plan, m, bare=alone is not None) if m in called else m for m in plan.measures
        ]
        made = self._renamed(replace(plan, filters=filters), tuple(measures))
        self._check_nothing_left(plan, made.to_dict())
        return made

    def _check_nothing_left(self, plan: QueryPlan, part: object) -> None:
        """No part of a finished plan may still name the column that stood for a metric."""
        if isinstance(part, dict):
            place = (plan.tables.get(str(part.get("table")), part.get("table")), part.get("column"))
            if place in self._metrics:
                raise MetricMisused(
                    f"'{place[1]}' is a metric, and this question uses it in a way that cannot be computed. "
                    f"Ask for it as a number, such as '{place[1]} by month'."
                )
            part = list(part.values())
        if isinstance(part, list | tuple):
            for inner in part:
                self._check_nothing_left(plan, inner)

    def _alone(self, plan: QueryPlan, called: list[Measure]) -> MetricDefinition | None:
        """The one metric that all numbers of a plan are of; None for a ratio, and where there are others."""
        if len(called) != len(plan.measures) or any(m.parts or m.conditions or m.windows for m in called):
            return None
        found = {self._called(plan, m.source) for m in called if m.function in ("sum", "share")}
        one = next(iter(found), None)
        return one if len(found) == 1 and one is not None and not one.is_ratio else None

    def retitled(self, text: str) -> str:
        """A text in which metrics are called by their names, not the total of them."""
        for (table, _), metric in self._metrics.items():
            for name in metric.names:
                for said in (f"`{table}.{name}`", f"{table}.{name}", name):
                    own = said.casefold()
                    text = text.replace(f"total {own}", metric.name)
                    text = text.replace(f"Total {own}", metric.name[:1].upper() + metric.name[1:])
        return text

    def words(self, metric: MetricDefinition) -> str:
        """What a metric computes, in words."""
        if metric.is_ratio:
            times = " in percent" if metric.percent else ""
            return f"{metric.numerator} divided by {metric.denominator}{times}"
        table = self._index.defined.definitions.metric_table(metric)
        if metric.aggregate == "count":
            text = f"the number of {rows_noun(table)}"
        elif metric.aggregate == "count_distinct":
            text = f"the number of different {metric.column} of {rows_noun(table)}"
        else:
            text = f"the {WORDS[metric.aggregate]} {metric.column} of {rows_noun(table)}"
        conditions = self._conditions(table, metric)
        told = " and ".join(f"{one.source.column} {condition_words(one)}" for one in conditions)
        return f"{text} where {told}" if told else text

    def _called(self, plan: QueryPlan, source: Source | None) -> MetricDefinition | None:
        """The metric that a source stands for, or None."""
        if source is None:
            return None
        return self._metrics.get((plan.tables.get(source.table, source.table), source.column))

    def _check_places(self, plan: QueryPlan, called: list[Measure]) -> None:
        """A metric is a number of a group, never something that a row has."""
        rows = [f.source for f in plan.filters if not f.options] + [d.source for d in plan.dimensions]
        rows += [w.source for w in plan.windows]
        rows += [o.source for f in plan.filters for o in f.options]
        for measure in called:
            rows += [f.source for f in measure.all_conditions] + ([measure.since] if measure.since else [])
        for source in rows:
            metric = self._called(plan, source)
            if metric is not None:
                raise MetricMisused(
                    f"'{metric.name}' is a metric, a number of many rows: no row of {plan.table} has one. "
                    f"Ask for it as a number, such as '{metric.name} by month'."
                )
        for table, name in self._metrics:
            if called and table != plan.table:
                raise MetricMisused(
                    f"The metric '{name}' is computed over {table}, and this question over {plan.table}."
                )
        if plan.cohort is not None:
            names = ", ".join(name for _, name in self._metrics)
            raise MetricMisused(f"Steps of subjects cannot be computed of a metric ({names}).")

    def _check_additive(self, plan: QueryPlan, called: list[Measure]) -> None:
        """What adds up the metric of several groups needs one that adds up."""
        aliases = {measure.alias for measure in called}
        adding = [p for p in plan.post if p.measure in aliases and p.function in _ADDING_POSTS]
        if not adding and plan.outer != "sum" and all(m.function != "share" for m in called):
            return
        for measure in called:
            for source in measure.sources:
                metric = self._called(plan, source)
                if metric is not None and metric.aggregate not in _ADDITIVE:
                    raise MetricMisused(
                        f"'{metric.name}' of several groups does not add up to that of all: ask for it in "
                        "each group, or for all rows."
                    )

    @property
    def is_zero_without_rows(self) -> bool:
        """Whether every metric is 0 where there are no rows; averages and ratios have no value there."""
        return all(metric.aggregate in _ZERO for metric in self._metrics.values())

    def _inside(self, condition: Filter) -> Filter:
        """A condition with the query in it and its options substituted."""
        query = self.of(condition.query) if condition.query is not None else None
        return replace(condition, query=query, options=tuple(map(self._inside, condition.options)))

    def _measure(self, plan: QueryPlan, measure: Measure, *, bare: bool = False) -> Measure:
        """A measure of a metric; `bare` leaves the metric's conditions to the query."""
        if measure.parts:
            parts = tuple(self._measure(plan, part) for part in measure.parts)
            return replace(measure, parts=parts, title=self.retitled(measure.title))
        metric = self._called(plan, measure.source)
        if metric is None:
            return measure
        if measure.function == "share" and bare:
            source = None if metric.aggregate == "count" else self._source(plan.table, metric.column)
            return replace(measure, source=source, title=self.retitled(measure.title))
        if measure.function != "sum" or measure.since is not None or measure.grain:
            raise MetricMisused(
                f"'{metric.name}' is a metric, a number of many rows already, and has no "
                f"{_said(measure.function)} over rows. Ask for it as it is, or for its average over groups, "
                f"such as 'average {metric.name} per month'."
            )
        made = self._computed(plan.table, metric, measure, () if bare else None)
        return replace(made, alias=measure.alias, title=self.retitled(measure.title))

    def _computed(
        self, table: str, metric: MetricDefinition, measure: Measure, conditions: tuple[Filter, ...] | None
    ) -> Measure:
        """What a metric computes over the rows that `measure` looks at."""
        if metric.is_ratio:
            parts = []
            for name in (metric.numerator, metric.denominator):
                part = self._index.defined.definitions.metric(name)
                if part is None:
                    raise MetricMisused(f"The metric '{metric.name}' needs '{name}', which there is not.")
                parts.append(self._computed(table, part, measure, None))
            function = "percentage" if metric.percent else "ratio"
            unit = metric.unit or ("percent" if metric.percent else "")
            return Measure(function, None, "", metric.name, unit, parts=tuple(parts))
        own = self._conditions(table, metric) if conditions is None else conditions
        source = self._source(table, metric.column) if metric.column else None
        counted = metric.aggregate.startswith("count")
        hidden = counted or (table, metric.column) not in self._index.roles
        unit = "" if hidden else self._index.role(table, metric.column).unit
        return Measure(
            metric.aggregate if source is not None else "count",
            source,
            "",
            metric.name,
            metric.unit or unit,
            conditions=(*measure.conditions, *own),
            skips_empty=metric.aggregate == "count_distinct" and self._holds_empty(table, metric.column),
            windows=measure.windows,
        )

    def _source(self, table: str, name: str) -> Source:
        column = self._index.defined.source(table, name)
        return Source(table, name, column.type, column.path_of is not None, declared=column.is_declared)

    def _holds_empty(self, table: str, name: str) -> bool:
        column = self._index.defined.source(table, name)
        return column_type(column.type).kind == "text" and "" in (column.minimum, *column.values)

    def _conditions(self, table: str, metric: MetricDefinition) -> tuple[Filter, ...]:
        return tuple(self._condition(table, one) for one in metric.filters)

    def _condition(self, table: str, said: MetricFilter) -> Filter:
        source = self._source(table, said.column)
        numeric = column_type(source.type).numeric
        return Filter(source, said.operator, said.values, numeric)

    def _renamed(self, plan: QueryPlan, measures: tuple[Measure, ...]) -> QueryPlan:
        """The plan with these measures in the place of its own, called by their titles."""
        taken = {name.casefold() for key, name in self._index.columns if (key, name) not in self._metrics}
        taken |= {name.casefold() for name in self._index.tables} | {d.alias for d in plan.dimensions}
        names: dict[str, str] = {}

        def called(alias: str, title: str, *, new: bool) -> str:
            names[alias] = _fresh(title, taken) if new else alias
            taken.add(names[alias])
            return names[alias]

        made = tuple(
            replace(new, alias=called(old.alias, new.title, new=new != old))
            for old, new in zip(plan.measures, measures, strict=True)
        )
        post = tuple(
            replace(
                one,
                measure=names.get(one.measure, one.measure),
                alias=called(one.alias, title, new=title != one.title),
                title=title,
            )
            for one in plan.post
            for title in (self.retitled(one.title),)
        )
        self.aliases |= names
        return replace(
            plan,
            measures=made,
            having=tuple(replace(h, measure=names.get(h.measure, h.measure)) for h in plan.having),
            order=tuple(replace(o, alias=names.get(o.alias, o.alias)) for o in plan.order),
            post=post,
        )


def _fresh(title: str, taken: set[str]) -> str:
    stem = re.sub(r"\W+", "_", title.casefold()).strip("_")[:60] or "value"
    stem = stem if stem[0].isalpha() else f"v_{stem}"
    alias, count = stem, 1
    while alias in taken:
        count += 1
        alias = f"{stem}_{count}"
    return alias


def _said(function: str) -> str:
    return WORDS.get(function, function.replace("_", " ").partition(":")[0])

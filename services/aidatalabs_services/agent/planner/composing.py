"""A draft made into a query plan: form, measures, conditions, and the check that nothing said was ignored."""

from __future__ import annotations

from datetime import datetime

from .composing_groups import Parts
from .composing_ranks import ComposingRanks
from .conditions import ConditionBinder
from .divisions import check_divided
from .draft import Aggregate, Ambiguous, Barred, Choice, Draft, Group, Ref, Unread
from .entities import check_entities
from .index import CatalogueIndex
from .items import Item
from .lexicon import TRADES
from .measures import MeasureMaker
from .plan import Filter, Having, Measure, Order, QueryPlan
from .roles import is_unique
from .rows import compose_rows
from .superlatives import check_grouped_extreme
from .words import split_name, value_words

__all__ = ["Composer", "Parts"]


class Composer(ComposingRanks):
    """Composes one draft over one base table; raises Unread or Ambiguous where that cannot be done."""

    def __init__(self, index: CatalogueIndex, draft: Draft, base: str, now: datetime, timezone: str) -> None:
        super().__init__(index, draft, base, now, timezone)
        self.measures = MeasureMaker(self)
        self.conditions = ConditionBinder(self)

    def compose(self) -> QueryPlan:
        """The plan of the draft, in whichever form its parts ask for."""
        self._settle_target()
        plan = compose_rows(self) if self._is_rows() else self._grouped()
        check_entities(self, plan)
        if self.draft.unsettled is not None:
            raise self.draft.unsettled
        self._check_leftovers()
        return plan

    def _settle_target(self) -> None:
        """`What are the names of …` lists names; a target is grouped by only where something ranks or
        limits it."""
        draft = self.draft
        target = draft.target
        if draft.having and target is None and not draft.groups and not draft.aggregates:
            self._settle_limited()
            return
        ranked = draft.rank is not None and draft.rank.item.kind != "order"
        if target is None or ranked or draft.having:
            return
        draft.target = None
        if target.ref is None:
            draft.groups.insert(0, target)
        elif target.ref.candidate.kind == "table":
            draft.subjects.insert(0, target.ref)
            draft.listing = draft.listing or not draft.aggregates
        else:
            draft.columns.insert(0, target.ref)
            draft.listing = draft.listing or not draft.aggregates

    def _settle_limited(self) -> None:
        """`members with more than 5 loans` are groups: what was named first is grouped by."""
        draft = self.draft
        counted = {a.ref.candidate.table for a, *_ in draft.having if a.ref is not None}
        named = [ref for ref in draft.subjects if ref.candidate.table not in counted] + draft.columns
        if not named:
            return
        first = min(named, key=lambda ref: ref.item.start)
        draft.subjects = [ref for ref in draft.subjects if ref is not first]
        draft.columns = [ref for ref in draft.columns if ref is not first]
        draft.target = Group(first, first.item)

    def _is_rows(self) -> bool:
        draft, rank = self.draft, self.draft.rank
        if draft.aggregates or draft.having or draft.groups or draft.share or draft.when:
            return False
        if rank is not None and (rank.by_count or (rank.by is not None and not rank.raw)):
            return False
        if (
            rank is not None
            and rank.raw
            and draft.target is None
            and not draft.listing
            and not draft.subjects
        ):
            return False
        if rank is not None and rank.raw and draft.target is not None and not self._row_each(draft.target):
            return False
        if rank is not None and (rank.by_time or rank.adjective):
            check_grouped_extreme(self, rank)
        if rank is not None and (rank.by_time or rank.adjective or rank.raw):
            return True
        if rank is not None and rank.vague:
            return False
        return bool(draft.listing and (draft.columns or draft.subjects or draft.bare))

    def _row_each(self, target: Group) -> bool:
        """True when the target stands for single rows of the base table."""
        if target.ref is None:
            return False
        candidate = target.ref.candidate
        if candidate.kind == "table":
            return candidate.table == self.base
        column = self.index.column(candidate.table, candidate.column)
        return candidate.table == self.base and column.distinct_count == self.table.row_count

    def _grouped(self) -> QueryPlan:
        draft, parts = self.draft, self.parts
        if draft.when:
            self._first_or_last()
        if draft.target is not None:
            self._add_group(draft.target)
        for group in draft.groups:
            self._add_group(group)
        check_divided(self)
        self._check_average_per()
        self._fold()
        self._implied_aggregates()
        for aggregate in draft.aggregates:
            made = self.measures.make(aggregate)
            same = [m for m in parts.measures if m.function == made.function == "count"]
            if not same or made.conditions != same[0].conditions:
                parts.measures.append(made)  # `how many …, sorted by number` counts once
        self._rank_groups()
        for aggregate, operator, values, _ in draft.having:
            alias = self._measure_alias(aggregate)
            parts.having.append(Having(alias, operator, values))
        if parts.outer or draft.having:
            self._known_only()
        filters = [*self.conditions.bind_all(), *self.known]
        self._check_limited()
        self._check_counted(filters)
        if draft.share is not None:
            filters = self.measures.shared(filters)
        self._columns_with_groups()
        if not parts.measures:
            raise Unread(None, "asks for no number")
        if parts.having and not parts.dimensions:
            raise Unread(draft.having[0][3], "limits groups, but nothing is grouped by")
        return self._finished(filters)

    def _check_counted(self, filters: list[Filter]) -> None:
        """The different values of a column that a condition holds at one value are no answer."""
        fixed = [f.source for f in filters if f.operator in ("eq", "in", "is_null")]
        limited = [f.source for f in filters if f.operator in ("ne", "not_in") and not f.known]
        counted = [a.ref for a in self.draft.aggregates if a.function == "count" and a.ref is not None]
        for measure in self.parts.measures:
            source = measure.source
            if measure.function != "count_distinct" or source is None or self.draft.different:
                continue
            ref = next((ref for ref in counted if ref.candidate.column == source.column), None)
            rows = ref is not None and set(split_name(self.base)) & set(value_words(ref.item.text))
            if ref is not None and rows and source in [*fixed, *limited]:
                raise self._rows_or_values(ref)
            if source in fixed:
                raise Unread(self.draft.aggregates[0].item if self.draft.aggregates else None,
                             f"counts the values of {source.column}, which the question fixes")  # fmt: skip

    def _rows_or_values(self, ref: Ref) -> Ambiguous:
        """`how many orders status not paid`: orders of such a status, or how many statuses."""
        item, name = ref.item, f"`{ref.candidate.table}.{ref.candidate.column}`"
        return Ambiguous(
            f"Are rows of {self.base} counted, or different values of {ref.candidate.column}?",
            [
                Choice(f"rows of {self.base}", f"`{self.base}` with {name}", item.start, item.end),
                Choice(f"different {ref.candidate.column}", f"different {name}", item.start, item.end),
            ],
        )

    def _check_limited(self) -> None:
        """A limit on how many different values a group has needs groups of several rows, and must say which
        groups it is for."""
        draft, parts = self.draft, self.parts
        single = any(
            d.source.table == self.base
            and is_unique(self.index.column(self.base, d.source.column), self.table)
            for d in parts.dimensions
            if d.source.column
        )
        for aggregate, _, _, item in draft.having:
            own = aggregate.ref is not None and aggregate.ref.candidate.table == self.base
            if single and aggregate.distinct and own:
                raise Barred(item, f"limits a number that every row of {self.base} has only one of")
            named = [a.ref for a in draft.aggregates if a.ref is not None and a.item != aggregate.item]
            close = any(0 <= item.start - ref.item.end <= 1 for ref in named)
            if close and draft.groups and any(g.item.start > item.start for g in draft.groups):
                raise Barred(item, "does not say whether it limits each of the groups")

    def _finished(self, filters: list[Filter]) -> QueryPlan:
        parts = self.parts
        series = any(dimension.grain for dimension in parts.dimensions)
        windows = self.windows(series)
        form = "series" if series else "table" if parts.dimensions else "scalar"
        if parts.outer:
            form = "scalar"
        order = parts.order or self._default_order(form)
        used = {d.source.table for d in parts.dimensions} | {f.source.table for f in filters}
        used |= {m.source.table for m in parts.measures if m.source is not None}
        used |= {f.source.table for m in parts.measures for f in m.conditions} | {
            w.source.table for w in windows
        }
        return QueryPlan(
            form=form,
            table=self.base,
            joins=self.binder.joins(used),
            measures=tuple(parts.measures),
            dimensions=tuple(parts.dimensions),
            filters=tuple(filters),
            windows=windows,
            having=tuple(parts.having),
            order=tuple(order) if form != "scalar" else (),
            limit=parts.limit,
            tied=parts.tied,
            outer=parts.outer,
            timezone=self.timezone,
        )

    def _default_order(self, form: str) -> list[Order]:
        parts = self.parts
        keys = [Order(d.alias, False) for d in parts.dimensions]
        natural = form == "series" or any(d.part for d in parts.dimensions)
        lowest = parts.measures[0].function == "min"
        return keys if natural else [Order(parts.measures[0].alias, not lowest), *keys]

    def _first_or_last(self) -> None:
        """`When was the first order`: the smallest or largest time."""
        draft, rank = self.draft, self.draft.rank
        if rank is None or not rank.by_time:
            raise Unread(None, "asks when, which I can answer for the first or the last of something")
        source = self.time("day", rank.item) if self.index.calendars[self.base] else self.moment(rank.item)
        function = "max" if rank.descending else "min"
        title = f"{'last' if rank.descending else 'first'} {'date' if source.calendar else 'time'}"
        self.parts.measures.append(Measure(function, source, self.names.fresh(f"{title}"), title))
        if draft.target is not None and draft.target.ref is not None:
            draft.subjects.append(draft.target.ref)
        draft.target, draft.rank = None, None

    def _check_average_per(self) -> None:
        """`average amount per day` may mean the average day or the average row of each day."""
        draft = self.draft
        if draft.fold or len(draft.aggregates) != 1 or len(draft.groups) != 1 or draft.target is not None:
            return
        aggregate, group = draft.aggregates[0], draft.groups[0]
        if (
            aggregate.function != "avg"
            or aggregate.ref is None
            or group.item.kind != "unit"
            or group.said != "per"
        ):
            return
        candidate, item = aggregate.ref.candidate, aggregate.item
        if item is None or not self.index.role(candidate.table, candidate.column).additive:
            return
        step, place = group.grain, group.item.start
        raise Ambiguous(
            f"Is the average {step} meant, or the average of each {step}?",
            [
                Choice(
                    f"one number: the average of the {step} totals", "average total", item.start, item.end
                ),
                Choice(f"the average {aggregate.ref.item.text} of each {step}", "by", place - 1, place),
            ],
        )

    def _fold(self) -> None:
        """`average number of loans per day`, `how many members have more than 100 loans`."""
        draft = self.draft
        loose = [function for function, _ in draft.loose_functions]
        if loose == ["avg"] and draft.subjects and not draft.aggregates and draft.groups:
            draft.fold, draft.loose_functions = "avg", []
            draft.aggregates.append(Aggregate("count", draft.subjects[0], item=draft.subjects[0].item))
        if draft.fold:
            if len(draft.groups) != 1 or draft.target is not None or draft.rank is not None or draft.having:
                raise Unread(
                    draft.loose_functions[0][1] if draft.loose_functions else None,
                    "needs exactly one thing to average over, such as per day",
                )
            self.parts.outer = "avg"
            self.parts.dimensions = [d for d in self.parts.dimensions if not d.label]
            return
        counted = draft.aggregates[0] if len(draft.aggregates) == 1 else None
        if draft.having and counted is not None and counted.function == "count" and not draft.groups:
            if counted.ref is None or draft.target is not None:
                return
            draft.aggregates.clear()
            group = Group(counted.ref, counted.ref.item)
            self._add_group(group)
            self.parts.dimensions = [d for d in self.parts.dimensions if not d.label]
            self.parts.outer = "count"
        if draft.loose_functions:
            raise Unread(draft.loose_functions[0][1], "is followed by nothing that it could be computed of")

    def _implied_aggregates(self) -> None:
        """`orders per month` counts; `amount by region` adds up; `height by region` is asked about."""
        draft, rank = self.draft, self.draft.rank
        if draft.bare and (draft.aggregates or self.parts.measures):
            raise Unread(draft.bare[0].item, "is named beside a number without saying what it is for")
        for ref in draft.bare:
            self._bare(ref)
        draft.bare = []
        ordering = rank is not None and rank.item.kind == "order" and (rank.by is None or rank.raw)
        ranked = rank is not None and not ordering and (rank.by is not None or rank.by_count)
        if draft.aggregates or self.parts.measures or ranked or draft.having:
            return
        if (
            rank is not None
            and not ordering
            and (rank.vague or (rank.by is None and draft.target is not None))
        ):
            raise self._by_what(rank)
        noun = draft.subjects[0] if draft.subjects else draft.nouns[0] if draft.nouns else None
        if (draft.groups or draft.share) and (noun is not None or draft.share):
            draft.aggregates.append(Aggregate("count", noun, item=noun.item if noun else draft.share))

    def _bare(self, ref: Ref) -> None:
        candidate = ref.candidate
        role = self.index.role(candidate.table, candidate.column)
        if role.kind == "measure" and role.additive:
            self.draft.aggregates.append(Aggregate("sum", ref, item=ref.item))
            return
        item = ref.item
        choices = [
            Choice(f"{word} {item.text}", f"{word} {item.text}", item.start, item.end)
            for word in ("average", "total", "highest")
        ]
        raise Ambiguous(
            f"Should '{item.text}' be averaged, added up, or is its highest value meant?",
            choices,
            listable=all(self._names_rows(group) for group in self.draft.groups),
        )

    def _names_rows(self, group: Group) -> bool:
        """`price of every product`: the group is each row of its own table."""
        return group.by is not None and group.ref is not None and self._row_each(group)

    def _check_leftovers(self) -> None:
        """Every table named must be in the query, every verb and unit must fit it."""
        draft = self.draft
        used = {self.base} | {join.table for join in self.binder.joins()}
        for ref in draft.subjects:
            table = ref.candidate.table
            nearby = {c.ref.candidate.table for c in draft.conditions if c.ref is not None}
            if table not in used and table not in nearby:
                raise Unread(ref.item, f"names {table}, which this reading does not use")
        for item in draft.verbs:
            self._check_verb(item)
        for item in draft.units:
            if item.payload not in {measure.unit for measure in self.parts.measures}:
                raise Unread(item, "is not the unit that the data is known to have")

    def _check_verb(self, item: Item) -> None:
        spoken = set(split_name(self.base))
        for ref in self.draft.nouns:
            spoken |= set(split_name(ref.candidate.column))  # `paid by card` where card is a payment_method
            for value in ref.candidate.values:
                spoken |= set(split_name(value))
        for window in self.draft.windows:
            if window[1] is not None:
                spoken |= set(split_name(window[1].candidate.column))
        times = {part for source in self.times_used for part in split_name(source.column)}
        if item.payload in TRADES and spoken & TRADES:
            return
        if item.payload not in spoken and not times & {item.payload, item.text.casefold()}:
            raise Unread(item, f"says something about the rows of {self.base} that I cannot check")

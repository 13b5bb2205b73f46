"""Groups and times of a plan: what is grouped by, with which readable names, over which time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from .binding import Binder, is_text
from .catalogue import Table
from .columntypes import column_type
from .draft import Draft, Group, Ref, Unread
from .index import CatalogueIndex
from .items import Candidate, Item
from .keys import Edge
from .lexicon import CLOSING_WORDS
from .naming import Names
from .plan import Dimension, Filter, Having, Measure, Order, Source, Window
from .timing import TimeBinder, grain_for, step_of
from .words import split_name

_PARTS = {
    "weekday": ("weekday_number", "weekday"),
    "weekend": ("weekday_or_weekend", "weekday or weekend"),
    "hour": ("hour_of_day", "hour of the day"),
    "day": ("day_of_month", "day of the month"),
    "week": ("week_of_year", "week of the year"),
    "month": ("month_of_year", "month"),
    "quarter": ("quarter_of_year", "quarter"),
}
"""The alias and the title of each repeating part of a date."""


def noun(ref: Ref) -> str:
    """The words a reference was named by, as a singular title."""
    return " ".join(split_name(ref.item.text.split(".")[-1])) or ref.item.text


@dataclass
class Parts:
    """What is being put together for one plan."""

    measures: list[Measure] = field(default_factory=list)
    dimensions: list[Dimension] = field(default_factory=list)
    having: list[Having] = field(default_factory=list)
    order: list[Order] = field(default_factory=list)
    limit: int = 0
    outer: str = ""
    tied: bool = False


class ComposingGroups:
    """The state of composing one draft over one base table, and its groups."""

    def __init__(self, index: CatalogueIndex, draft: Draft, base: str, now: datetime, timezone: str) -> None:
        self.index = index
        self.draft = draft
        self.base = base
        self.table: Table = index.tables[base]
        self.timezone = timezone
        self.binder = Binder(index, base)
        self.now = now
        self.times = TimeBinder(index, base, now, timezone)
        self.names = Names(index, base)
        self.parts = Parts()
        self.known: list[Filter] = []
        self.times_used: list[Source] = []
        self.time_named: Ref | None = None
        self.verbs = [item.payload for item in draft.verbs] + [item.text.casefold() for item in draft.verbs]

    def _add_group(self, group: Group) -> None:
        if group.ref is None:
            self._add_time_group(group)
            return
        candidate = group.ref.candidate
        if candidate.kind == "column" and self.index.role(candidate.table, candidate.column).kind == "time":
            source = self.binder.source(group.ref)
            self._dimension(Dimension(source, self.names.grain("day"), "day", grain="day"))
            return
        if candidate.kind == "table":
            self._add_table_group(group.ref, candidate)
            return
        source = self.binder.source(group.ref, inner=not self._text(candidate))
        alias = self.names.source(source, self.binder.joins())
        self._dimension(Dimension(source, alias, noun(group.ref)))
        self._add_labels_of(source, group.ref)

    def _text(self, candidate: Candidate) -> bool:
        column = self.index.column(candidate.table, candidate.column)
        return is_text(Source("", column.name, column.type))

    def _add_table_group(self, ref: Ref, candidate: Candidate) -> None:
        key, path = self.binder.table_key(ref)
        self._dimension(Dimension(key, self.names.key(key.column), noun(ref)))
        for label in self.binder.label_sources(path, candidate.table):
            if label != key and not (path and label.column == path[-1].to_column):
                alias = self.names.label(candidate.table, label.column)
                self._dimension(Dimension(label, alias, f"{noun(ref)} {label.column}", label=True))

    def _beside_key(self, edge: Edge) -> bool:
        """A column that happens to be unique beside its table's own key: the country of a supplier."""
        others = [e.to_column for e in self.index.edges if e.to_table == edge.to_table]
        keyed = [name for name in others if split_name(name)[-1] in CLOSING_WORDS]
        return bool(keyed) and edge.to_column not in keyed

    def _add_labels_of(self, source: Source, ref: Ref) -> None:
        """A key that another table explains is shown together with its readable name."""
        table = next((join.table for join in self.binder.joins() if join.alias == source.table), self.base)
        targets = self.index.keys.of_column(table, source.column)
        labelled = [e for e in targets if any(c.name != e.to_column for c in self.index.label(e.to_table))]
        labelled = [e for e in labelled if not self._beside_key(e)]
        if len(labelled) != 1 or source.table != self.base:
            return
        edge = labelled[0]
        for label in self.binder.label_sources((edge,), edge.to_table):
            if label.column == edge.to_column:
                continue
            alias = self.names.label(edge.to_table, label.column)
            self._dimension(Dimension(label, alias, f"{noun(ref)} {label.column}", label=True))

    def _add_time_group(self, group: Group) -> None:
        step = step_of(group.item.time) if group.item.time else group.grain
        source = self.time(step, group.item)
        if step == "hour" and source.column and column_type(source.type).kind == "date":
            raise Unread(group.item, f"asks for hours, and {source.column} tells only days")
        if group.part:
            alias, title = _PARTS[group.part]
            self._dimension(Dimension(source, self.names.fresh(alias), title, part=group.part))
            return
        if source.column and column_type(source.type).nullable:
            self.known.append(Filter(source, "not_null"))  # a step of time needs a time
        grain = grain_for(self.times.range(source)) if group.grain == "auto" else group.grain
        title = f"{grain} of {source.column}" if self._several_times(source) else grain
        self._dimension(Dimension(source, self.names.grain(grain), title, grain=grain))

    def _dimension(self, dimension: Dimension) -> None:
        same = [(d.source, d.grain, d.part) for d in self.parts.dimensions]
        if (dimension.source, dimension.grain, dimension.part) not in same:
            self.parts.dimensions.append(dimension)

    def _columns_with_groups(self) -> None:
        """Columns named beside an aggregate must be grouped by already; nothing named may be ignored."""
        unbound = any(ref is None for _, ref, _ in self.draft.windows)
        for ref in self.draft.columns:
            kind = self.index.role(ref.candidate.table, ref.candidate.column).kind
            if unbound and kind == "time" and len(self.draft.columns) == 1:
                continue  # the windows are read on it
            source = self.binder.source(ref, inner=False)
            if all(dimension.source != source for dimension in self.parts.dimensions):
                raise Unread(
                    ref.item, "is named beside a number without saying what it is for (say 'by' before it)"
                )

    def time(self, step: str, item: Item) -> Source:
        """The time of the base table for `step`: the column that was named, else the table's own."""
        bound = [ref for _, ref, _ in self.draft.windows if ref is not None]
        if bound:
            return self.binder.source(bound[0])
        named = [
            r
            for r in self.draft.columns
            if self.index.role(r.candidate.table, r.candidate.column).kind == "time"
        ]
        if len({ref.candidate.column for ref in named}) == 1:
            self.draft.columns = [ref for ref in self.draft.columns if ref not in named]
            self.time_named = named[0]
        if self.time_named is not None:
            return self.binder.source(self.time_named)
        parent = self._parent_time(step, item)
        if parent is not None:
            return parent
        return self.times.source(step, item, self.verbs, self._rows_called(), self._event_told())

    def _parent_time(self, step: str, item: Item) -> Source | None:
        """The lines of an order have its time: that of the one thing they refer to that has any."""
        if self.index.calendars[self.base] or self.index.time_columns(self.base):
            return None
        parents = {e.to_table for e in self.index.edges if e.table == self.base and e.to_table != self.base}
        timed = [name for name in sorted(parents) if self.index.time_columns(name)]
        if len(timed) != 1 or any(self.index.calendars[name] for name in parents):
            return None
        times = TimeBinder(self.index, timed[0], self.now, self.timezone)
        source = times.source(step, item, self.verbs, frozenset(split_name(timed[0])))
        if not source.column:
            return None
        return self.binder.source(Ref(Candidate("column", timed[0], source.column), item))

    def _rows_called(self) -> frozenset[str]:
        """The words the base's rows were called by; none where the question tells an event besides, which
        may have had another date (`orders returned in 2024`)."""
        draft = self.draft
        if self._event_told():
            return frozenset()
        made = [*draft.aggregates, *(aggregate for aggregate, *_ in draft.having)]
        made += [draft.rank.by] if draft.rank is not None and draft.rank.by is not None else []
        counted = [a.ref for a in made if a.function == "count" and a.ref is not None]
        own = [
            ref
            for ref in [*draft.subjects, *counted]
            if ref.candidate.table == self.base and ref.candidate.kind == "table"
        ]
        return frozenset(word for ref in own for word in split_name(ref.item.text.split(".")[-1]))

    def _event_told(self) -> bool:
        """True where the question tells an event besides its rows: `orders returned in 2024`."""
        draft = self.draft
        told = [c.item.text for c in draft.conditions if c.ref is not None] + [i.text for i in draft.verbs]
        return bool(draft.verbs) or any(text.casefold().endswith("ed") for text in told)

    def moment(self, item: Item) -> Source:
        """The column that tells first from last: the only point in time, else the table's time."""
        points = [c for c in self.index.time_columns(self.base) if column_type(c.type).kind == "datetime"]
        if len(points) == 1 and all(ref is None for _, ref, _ in self.draft.windows):
            return self.times.column_source(points[0])
        return self.time("day", item)

    def windows(self, series: bool) -> tuple[Window, ...]:
        """The draft's time windows on the base table; more than one is not understood yet."""
        if len(self.draft.windows) > 1:
            raise Unread(self.draft.windows[1][2], "is a second time window")
        made = []
        for mention, bound, item in self.draft.windows:
            source = self.binder.source(bound) if bound else self.time(step_of(mention), item)
            self.times_used.append(source)
            window = self.times.window(mention, source, item, series)
            if self._several_times(source):
                window = replace(window, words=f"{window.words}, by {source.column}")
            made.append(window)
        return tuple(made)

    def _several_times(self, source: Source) -> bool:
        """True where the answer has to say which of the table's dates it was read on."""
        times = [c for c in self.table.columns if column_type(c.type).temporal]
        return bool(source.column) and source.table == self.base and len(times) > 1

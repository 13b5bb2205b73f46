"""Who is followed over which rows, from when on, and what the rows around them are told apart by."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import (
    Cohort,
    Dimension,
    Filter,
    Join,
    Measure,
    Order,
    QueryPlan,
    Source,
    Step,
    Window,
)
from aidatalabs_services.agent.planner.words import split_name

from .events import stems
from .inner import Framed, Inner, refused
from .merging import joined
from .subjects import SubjectFrames, repeating

_BEGUN = frozenset(
    (
        *("create", "created", "sign", "signed", "signup", "join", "joined", "register", "registered"),
        *(
            "registration",
            "start",
            "started",
            "subscribe",
            "subscribed",
            "enrol",
            "enroll",
            "enrolled",
            "install",
        ),
        *("installed", "acquire", "acquired", "onboard", "onboarded", "opened", "added", "first"),
    )
)
"""Words of columns that tell when a subject came to be one."""

FLAG = "UInt8"


@dataclass(frozen=True)
class Followed:
    """Subjects: how they were called, the rows they have, their key there, and what orders the rows.

    `start` is the column of their own table that tells when they came, with the way there.
    """

    who: str
    plan: QueryPlan
    source: Source
    time: Source
    start: Source | None = None
    joins: tuple[Join, ...] = ()


@dataclass(frozen=True)
class Tail:
    """What stands behind a number: its conditions, times and groups, read of the rows of one table."""

    plan: QueryPlan
    steps: tuple[Dimension, ...]
    groups: tuple[Dimension, ...]


class Followers:
    """Finds who is followed, and puts numbers over what became of them."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self.index = index
        self.inner = inner
        self.subjects = SubjectFrames(index, inner)

    def found(self, who: str) -> Followed | None:
        """Who is called so; without words the one key that repeats in a table of events."""
        if who:
            subject = self.subjects.subject(who)
            if subject is None:
                return None
            plan, source = subject
        else:
            keys = repeating(self.index)
            if len(keys) != 1:
                return None
            table, column = keys[0]
            found = self.inner.tried(f"number of different `{table}.{column.name}`")
            if found is None:
                return None
            plan, source = found, Source(table, column.name, column.type)
            who = spoken(source)
        if plan.joins or plan.cohort is not None:
            return None
        return Followed(who, plan, source, self.subjects.time(plan))

    def begun(self, followed: Followed) -> Followed | None:
        """The same subjects with the column of their own table that tells when they came, if it has one."""
        edges = [
            edge
            for edge in self.index.edges
            if edge.table == followed.source.table and edge.column == followed.source.column
        ]
        if len(edges) != 1:
            return None
        column = began(self.index, edges[0].to_table)
        if column is None:
            return None
        home, events = edges[0].to_table, edges[0].table
        join = Join(events, events, home, edges[0].to_column, edges[0].column, "left")
        key = self.index.column(home, edges[0].to_column)
        return replace(
            followed,
            plan=replace(followed.plan, table=home, joins=(), filters=(), windows=()),
            source=Source(home, key.name, key.type),
            start=Source(home, column.name, column.type),
            joins=(join,),
        )

    def tail(self, followed: Followed, text: str) -> Tail:
        """What stands behind the number, read of the rows that are followed."""
        table = followed.time.table
        plan = self.inner.planned(f"number of rows of `{table}` {text}".strip(), lambda put: put)
        plain = plan.table == table and [m.function for m in plan.measures] == ["count"]
        if not plain or plan.having or plan.limit or plan.outer or plan.post or plan.cohort or plan.inner:
            raise refused(f"'{text}' cannot be said of {followed.who} here.")
        steps = tuple(d for d in plan.dimensions if d.grain)
        groups = tuple(d for d in plan.dimensions if not d.grain)
        if len(steps) > 1 or any(d.part for d in groups):
            raise refused(f"'{text}' cannot be said of {followed.who} here.")
        return Tail(plan, steps, groups)

    def rows(self, followed: Followed, tail: Tail, cohort: Cohort) -> QueryPlan:
        """The inner plan: the rows of a cohort under the conditions of the tail, without its times."""
        plan = followed.plan
        if followed.start is not None and (tail.plan.joins or tail.plan.filters or tail.groups):
            tail = self._at_home(followed, tail)
        joins = (*followed.joins, *joined(plan, tail.plan))
        return replace(
            plan,
            form="list",
            joins=joins,
            measures=(),
            dimensions=(),
            filters=(*plan.filters, *(f for f in tail.plan.filters if f not in plan.filters)),
            windows=(),
            order=(),
            limit=0,
            tied=False,
            cohort=replace(cohort, groups=tail.groups),
        )

    def _at_home(self, followed: Followed, tail: Tail) -> Tail:
        """Groups and conditions that lie in the subjects' own table, which is read there already."""
        home = followed.plan.table
        names = {join.alias for join in tail.plan.joins if join.table == home}
        used = [d.source for d in tail.groups] + [f.source for f in tail.plan.filters]
        if any(source.table not in names for source in used) or len(tail.plan.joins) != len(names):
            raise refused(f"This can be told by what {home} holds of {followed.who} alone.")
        groups = tuple(replace(d, source=replace(d.source, table=home)) for d in tail.groups)
        filters = tuple(replace(f, source=replace(f.source, table=home)) for f in tail.plan.filters)
        return Tail(replace(tail.plan, joins=(), filters=filters), tail.steps, groups)

    def over(
        self,
        rows: QueryPlan,
        tail: Tail,
        measures: tuple[Measure, ...],
        moment: Source,
        filters: tuple[Filter, ...] = (),
        windows: tuple[Window, ...] | None = None,
    ) -> QueryPlan:
        """The plan of numbers over such rows: groups of the tail, times read of `moment`."""
        names = Names(self.index, rows.table)
        dimensions = [
            Dimension(
                replace(d.source, table="", column=d.alias, path=False, declared=False),
                d.alias,
                d.title,
                label=d.label,
            )
            for d in tail.groups
        ]
        names.taken(*(d.alias for d in dimensions))
        dimensions += [replace(d, source=moment, alias=names.fresh(d.alias)) for d in tail.steps]
        named = tuple(replace(m, alias=names.fresh(m.alias or m.title)) for m in measures)
        keys = tuple(Order(d.alias, False) for d in dimensions)
        ranked = bool(keys) and not tail.steps
        if windows is None:
            windows = tuple(replace(w, source=moment) for w in tail.plan.windows)
        form = "series" if tail.steps else "table" if dimensions else "scalar"
        return QueryPlan(
            form=form,
            table=rows.table,
            measures=named,
            dimensions=tuple(dimensions),
            filters=filters,
            windows=windows,
            order=(Order(named[-1].alias, True), *keys) if ranked else keys,
            timezone=rows.timezone,
            inner=rows,
        )

    def framed(self, plan: QueryPlan, *lines: str) -> Framed:
        """The plan with what was read inside."""
        return Framed(plan, tuple(self.inner.read), tuple(lines), self.inner.confidence)


def began(index: CatalogueIndex, table: str) -> Column | None:
    """The column that tells when the subjects of a table came: the one date of their birth as such."""
    times = [c for c in index.tables[table].columns if column_type(c.type).temporal]
    named = [c for c in times if _BEGUN & set(split_name(c.name)) and not c.null_share]
    return named[0] if len(named) == 1 else None


def moment_of(time: Source, name: str) -> Source:
    """A time of a cohort's rows as a source of the plan around it."""
    return Source("", name, time.type if not time.path else "DateTime64(3)")


def flag(name: str) -> Filter:
    """That a column of a cohort's rows is true."""
    return Filter(Source("", name, FLAG), "is_true")


def anything() -> Step:
    """Any row whatever."""
    return Step("any row")


def spoken(source: Source) -> str:
    """The subjects of a key in words: user_id are users."""
    name = source.column.split(".")[-1].casefold()
    name = re.sub(r"[_ ]?(?:id|key|no|number|code)$", "", name) or name
    return name if name.endswith("s") else f"{name}s"


def begins(index: CatalogueIndex, table: str, verb: str) -> bool:
    """Whether a verb tells how subjects of a table came: `signed up` where there is signed_up_at."""
    column = began(index, table)
    words = {stem for word in verb.lower().split() for stem in stems(word)} | {"".join(verb.lower().split())}
    if column is None:
        return False
    parts = set(split_name(column.name))
    return bool(words & parts) or bool(_BEGUN & words and _BEGUN & parts)

"""One number for each of another: revenue per active user, orders per visit, shares within each step."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.outcomes import Clarification, ClarificationChoice, Planned
from aidatalabs_services.agent.planner.plan import Filter, Measure, Order, Post, QueryPlan, Source
from aidatalabs_services.agent.planner.words import split_name

from .agents import acted_by
from .followers import Followed, Followers
from .inner import Framed, Inner, Stopped, refused
from .subjects import PEOPLE
from .wording import Wording, tidy

_UNIT = r"hour|day|week|month|quarter|year"
_PER = re.compile(
    r"^(?:the\s+)?(?:(?P<mean>average|avg|mean)\s+)?(?P<what>(?:number\s+of\s+|total\s+)?[\w`\u0001 ]+?)\s+"
    r"(?:per|for\s+each|for\s+every)\s+"
    rf"(?!(?:{_UNIT})\b)(?:(?P<active>active)\s+|(?P<act>\w\w+ing)\s+)?(?P<who>[\w`\u0001]+)"
    r"(?P<rest>\s+(?:by|per|in|during|since|for|on|where|with|from|between|over|last|this|each|every)\b.+)?$"
)
_ARPU = re.compile(r"\barpu\b")
_SHARES = re.compile(
    rf"^(?:(?:what\s+is|show)\s+)?(?:the\s+)?(?P<adverb>hourly|daily|weekly|monthly|quarterly|yearly)?"
    rf"\s*(?:percentage|percent|share|proportion|%)\s+of\s+(?:all\s+|the\s+|total\s+)*"
    rf"(?P<what>[\w`\u0001 ]+?)\s+"
    rf"(?:by|per|for\s+each|from\s+each|of\s+each)\s+(?P<by>(?!(?:{_UNIT})\b)[\w`\u0001]+(?:"
    rf"\s+[\w`\u0001]+)?)\s*,?\s*"
    rf"(?:(?P<time>over\s+time)|(?:by|per|for\s+each|in\s+each|each|every|and)\s+(?P<unit>{_UNIT}))?"
    rf"(?P<rest>\s+(?:in|during|since|for|where|from|between|last|this)\b.+)?$"
)
_STICKY = re.compile(
    r"\b(?:stickiness(?:\s*\(?\s*dau\s*(?:/|to|over|by)\s*mau\s*\)?)?|dau\s*(?:/|to|over|divided\s+by)"
    r"\s*mau)(?:\s+ratio)?\b\)?"
)
_ADVERBS = {
    "hourly": "hour",
    "daily": "day",
    "weekly": "week",
    "monthly": "month",
    "quarterly": "quarter",
    "yearly": "year",
}

_ADDED = frozenset(("sum", "count", "count_distinct"))


class PerOneFrames:
    """Frames of one number for each of another; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner
        self._followers = Followers(index, inner)

    def per_one(self, wording: Wording) -> Framed | None:
        """`revenue per active user by month`, `average revenue per customer`, `orders per visit`."""
        arpu = wording.search(_ARPU)
        if arpu is not None:
            start, end = arpu.span()
            wording = Wording(f"{wording.text[:start]}average revenue per user{wording.text[end:]}")
        match = wording.search(_PER)
        if match is None:
            return None
        what, who, rest = (tidy(wording.group(match, name)) for name in ("what", "who", "rest"))
        kind = match["active"] or match["act"] or ""
        mean, things = match["mean"] is not None, self._uneventful(who)
        if not (kind or mean or things) or (mean and not kind and what.lower().startswith("number of")):
            return None
        top = self._top(f"{what} {rest}".strip())
        if top is None:
            return None
        if (
            len(top.measures) != 1
            or top.limit
            or top.having
            or top.outer
            or top.post
            or top.cohort
            or top.inner
        ):
            return None
        function = top.measures[0].function
        if function not in ("sum", "count", "count_distinct") or (mean and not kind and function != "sum"):
            return None
        if things and not kind:
            below = self._inner.tried(f"number of {who} {rest}".strip())
            if below is None or len(below.measures) != 1 or below.measures[0].function != "count":
                return None
            return self._across(top, below, what, who)
        followed = self._followers.found(who)
        if followed is None or not self._person(who, followed):
            return None
        if followed.time.table != top.table:
            raise refused(f"'{what}' is told in another table than what the {who}s did.")
        return self._same_rows(top, followed, what, who, kind)

    def _person(self, who: str, followed: Followed) -> bool:
        """Whether so are called people, by a key of their own: those are counted, not values."""
        if self._index.role(followed.source.table, followed.source.column).kind != "key":
            return False
        words = {who.lower().rstrip("s"), *split_name(followed.source.column)}
        return bool(words & PEOPLE)

    def _top(self, text: str) -> QueryPlan | None:
        """The plan of the number that is divided; None where it is not one that can be."""
        for attempt in (text, f"number of {text}"):
            plan = self._inner.tried(attempt)
            if plan is not None and len(plan.measures) == 1 and plan.measures[0].function in _ADDED:
                return plan
        return None

    def _uneventful(self, who: str) -> bool:
        """Whether so are called things that happen, of which nobody lists the bare keys: visits, orders."""
        low = who.lower().rstrip("s")
        if low in PEOPLE:
            return False
        for name in self._index.tables:
            parts = split_name(name)
            if parts and parts[-1].rstrip("s") == low:
                return not self._index.label(name) and bool(self._index.time_columns(name))
        return False

    def _same_rows(self, top: QueryPlan, followed: Followed, what: str, who: str, kind: str) -> Framed | None:
        """Both numbers of the rows of one table; `kind` says which subjects are counted, if not all."""
        held = top.measures[0]
        acting = kind.lower() not in ("", "active")
        value = acted_by(self._index, kind) if acting else None
        if acting and (value is None or value[0] != top.table):
            return None
        own = tuple(f for f in top.filters if f.source.table == top.table)
        partial = held.source is not None and (held.source.path or column_type(held.source.type).nullable)
        if not kind and (partial or own):
            raise self._doubted(what, who, top)
        if own and kind:
            held = replace(held, conditions=(*held.conditions, *own))
            top = replace(top, filters=tuple(f for f in top.filters if f not in own))
        those: tuple[Filter, ...] = ()
        line = f"Divides by the different {who}s that have rows in {top.table}."
        if value is not None:
            column = self._index.column(value[0], value[1])
            those = (Filter(Source(value[0], column.name, column.type), "eq", (value[2],)),)
            line = f"'{kind} {who}' was read as {who}s with a {value[2]}."
        counted = Measure(
            "count_distinct", followed.source, "", f"number of different {who}s", conditions=those
        )
        title = " ".join(f"{what} per {kind} {who}".split())
        names = Names(self._index, top.table)
        names.taken(*(d.alias for d in top.dimensions))
        ratio = Measure("ratio", None, names.fresh(title), title, held.unit, parts=(held, counted))
        made = replace(top, measures=(ratio,), order=_order(top, ratio.alias), tied=False)
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def _doubted(self, what: str, who: str, top: QueryPlan) -> Stopped:
        """Whether all subjects are divided by, or only those with such a number."""
        made = []
        for label, kind in ((f"per {who} with any row", "active"), (f"per {who} who paid", "paying")):
            text = f"{what} per {kind} {who}"
            outcome = self._inner.whole(text)
            if isinstance(outcome, Planned):
                made.append(ClarificationChoice(label, text, outcome.sql))
        message = f"Is {what} divided by all {who}s with rows in {top.table}, or by those with {what}?"
        if not made:
            return refused(f"{message} Say 'per active {who}' for the first.")
        return Stopped(Clarification(message, tuple(made)))

    def _across(self, top: QueryPlan, below: QueryPlan, what: str, who: str) -> Framed | None:
        """Numbers of two tables divided, for each group that both have."""
        if top.table == below.table or top.measures[0].function == "count_distinct":
            return None
        if below.having or below.limit or below.outer or below.post or below.cohort:
            return None
        keys = [[(d.grain, d.part, _kin(d.source, plan)) for d in plan.dimensions] for plan in (top, below)]
        if keys[0] != keys[1]:
            raise refused(f"The {what} and the {who}s cannot be told apart by the same thing.")
        names = Names(self._index, top.table)
        names.taken(*(d.alias for d in top.dimensions))
        title = f"{what} per {who}"
        alias = names.fresh(title)
        held = replace(top.measures[0], alias=alias, title=title)
        dimensions = tuple(
            replace(mine, alias=other.alias)
            for mine, other in zip(below.dimensions, top.dimensions, strict=True)
        )
        divisor = replace(below, dimensions=dimensions, order=(), tied=False)
        made = replace(top, measures=(held,), divisor=divisor, order=_order(top, alias), tied=False)
        lines = [f"Divides the {top.measures[0].title} by the {below.measures[0].title}, of {below.table}."]
        lines += [f"The {below.measures[0].title}: {window.words}." for window in below.windows]
        return Framed(made, tuple(self._inner.read), tuple(lines), self._inner.confidence)

    def shares(self, wording: Wording) -> Framed | None:
        """`share of visits by channel per month`: the parts of each month make up its whole."""
        match = wording.search(_SHARES)
        if match is None or not (match["adverb"] or match["unit"] or match["time"]):
            return None
        grain = match["unit"] or _ADVERBS.get(match["adverb"] or "", "")
        what, by, rest = (wording.group(match, name) for name in ("what", "by", "rest"))
        step = f"by {grain}" if grain else "over time"
        plan = self._inner.number(tidy(f"{what} by {by} {step} {rest}"), lambda text: text)
        steps = [d for d in plan.dimensions if d.grain]
        if len(steps) != 1 or len(plan.measures) != 1 or len(plan.dimensions) < 2:
            return None
        held = plan.measures[0]
        if held.function not in ("count", "sum") or plan.limit or plan.having or plan.post or plan.outer:
            return None
        names = Names(self._index, plan.table)
        names.taken(*(d.alias for d in plan.dimensions), held.alias)
        title = f"share of {held.title} in the {steps[0].grain}"
        post = Post(
            "share",
            held.alias,
            names.fresh(f"share of {held.title}"),
            title,
            "percent",
            per=(steps[0].alias,),
        )
        order = (
            Order(steps[0].alias, False),
            *(Order(d.alias, False) for d in plan.dimensions if d is not steps[0]),
        )
        made = replace(plan, form="series", post=(post,), order=order, tied=False)
        line = f"Each is the part of its own {steps[0].grain}, which together make 100 %."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def sticky(self, wording: Wording) -> Framed | None:
        """`stickiness by month`, `DAU/MAU in May`: subjects of a day on average, of those of the month."""
        match = wording.search(_STICKY)
        if match is None:
            return None
        rest = tidy(wording.without(match.span()))
        followed = self._followers.found("")
        if followed is None:
            raise refused("The question does not say who is active.")
        tail = self._followers.tail(followed, rest)
        if tail.groups or any(d.grain != "month" for d in tail.steps):
            raise refused("Stickiness is told by month, or for a time that is said.")
        stepped = bool(tail.steps) or not tail.plan.windows
        key = f"`{followed.source.table}.{followed.source.column}`"
        monthly = self._inner.planned(
            f"number of different {key} {'by month' if stepped else ''} {_bare(rest)}", _same
        )
        daily = self._inner.planned(f"number of different {key} by day {_bare(rest)}", _same)
        day = next(d for d in daily.dimensions if d.grain)
        mean = Measure(
            "avg",
            Source("", daily.measures[0].alias, "UInt64"),
            "stickiness_percent",
            "stickiness",
            "percent",
        )
        when = Source("", day.alias, "Date")
        dimensions = tuple(replace(d, source=when) for d in monthly.dimensions)
        form = "series" if stepped else "scalar"
        made = QueryPlan(
            form,
            daily.table,
            measures=(mean,),
            dimensions=dimensions,
            timezone=daily.timezone,
            order=tuple(Order(d.alias, False) for d in dimensions),
            inner=replace(daily, order=()),
            divisor=replace(monthly, order=()),
        )
        who = followed.who.replace("`", "")
        line = (
            f"Active {who} of a day on average (days without any are not counted), in percent of those of "
            f"the whole time."
        )
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)


def _bare(rest: str) -> str:
    return re.sub(r"\b(?:by|per|each|every)\s+month\b|\bmonthly\b", " ", rest, flags=re.I)


def _same(text: str) -> str:
    return text


def _kin(source: Source, plan: QueryPlan) -> tuple[str, str]:
    """What a group is of: the same column of the same table, however it is reached; times are alike."""
    if column_type(source.type).temporal or source.calendar:
        return "", ""
    return plan.tables.get(source.table, source.table), source.column


def _order(plan: QueryPlan, alias: str) -> tuple[Order, ...]:
    keys = tuple(Order(d.alias, False) for d in plan.dimensions)
    natural = any(d.grain or d.part for d in plan.dimensions)
    return keys if natural or not keys else (Order(alias, True), *keys)

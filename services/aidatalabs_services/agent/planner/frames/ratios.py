"""Two numbers divided by each other: ratios, parts in percent of another number, rates of one kind of row."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Filter, Measure, Order, QueryPlan
from aidatalabs_services.agent.planner.roles import is_unique

from .inner import Framed, Inner, refused
from .merging import joined, merged
from .wording import Wording, tidy

_RATIO = re.compile(
    r"\bratio\s+(?:of|between)\s+(?:the\s+)?(?P<a>.+?)\s+(?:to|and|versus|vs|over|per)\s+(?:the\s+)?"
    r"(?P<b>.+)$"
)
_TO_RATIO = re.compile(r"\b(?P<a>[\w`\u0001]+)[\s-]to[\s-](?P<b>[\w`\u0001]+)\s+ratio\b(?P<tail>.*)$")
_DIVIDED = re.compile(
    r"^(?P<a>.+?)\s+(?:(?P<by>divided\s+by|relative\s+to)|(?P<part>as\s+(?:a\s+)?(?:percent(?:age)?"
    r"|share|fraction"
    r"|proportion|part|%)\s+of|in\s+percent\s+of))\s+(?P<b>.+)$"
)
_RATE = re.compile(r"\b(?P<a>[\w`\u0001]+)\s+rate\b")
_PERCENT = re.compile(r"\s*,?\s*\b(?:in|as)\s+(?:a\s+)?(?:percent(?:age)?|%)(?=[^\w ]|$|\s(?!of\b))")
_SHARE = re.compile(
    r"^(?P<a>(?:(?:what|which)\s+)?(?:percentage|percent|share|fraction|proportion|%)\s+of\s+(?:all"
    r"\s+)?(?:the\s+)?"
    r"(?P<noun>[\w`\u0001]+)\s+(?:(?:that|which|who)\s+\w+|were|was|are|is|had|have|with|used)\s+.+?)\s+"
    r"(?P<by>(?:by|per|for\s+each|in\s+each|each)\s+.+)$"
)
_NO_RATES = frozenset(
    ("growth", "conversion", "retention", "hourly", "daily", "monthly", "exchange", "interest", "the", "a",
     "heart", "change", "increase", "decrease", "churn", "flat", "tax", "hour", "day", "average", "avg",
     "highest", "lowest", "what", "which", "bounce")
)  # fmt: skip
_TAIL = re.compile(
    r"\s+(?:by|per|for|in|on|at|during|since|last|this|over|between|from|with|where|each|every|within)\s.*$",
    re.I,
)


_NOUN = re.compile(r"(?:l?ation|ion|ment|al|s)$")
_PAST = re.compile(r"(?:l?ed|e?d)$")
_MOST_VALUES, _SHORTEST = 200, 4


class RatioFrames:
    """Frames of two numbers; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def ratio(self, wording: Wording) -> Framed | None:
        """`ratio of views to sales by country`, `views-to-sales ratio`, `sales as a percentage of views`."""
        percent = wording.search(_PERCENT)
        held = Wording(wording.without(percent.span())) if percent is not None else wording
        match = held.search(_RATIO) or held.search(_TO_RATIO) or held.search(_DIVIDED)
        if match is None:
            return None
        found = match.groupdict()
        first, second = tidy(held.group(match, "a")), tidy(held.group(match, "b"))
        if found.get("tail"):
            second = f"{second} {held.group(match, 'tail').strip()}"
        lead = held.text[: match.start()].strip()
        if tidy(f"{lead} x") != "x":
            raise refused(f"'{lead}' before a ratio is not something I can read.")
        function = "percentage" if percent is not None or found.get("part") else "ratio"
        single = self._of_single_rows(first, second)
        plans = single or (
            self._inner.number(first, lambda text: f"ratio of {text} to {second}"),
            self._inner.number(second, lambda text: f"ratio of {first} to {text}"),
        )
        return self._divided(plans, (spoken(first), spoken(second)), function, self._head(second, plans[1]))

    def _head(self, second: str, plan: QueryPlan) -> tuple[Filter, ...] | None:
        """The conditions that belong to the second number itself, not to what stands behind it."""
        words = spoken(second)
        if words == second.replace("`", ""):
            return None
        for text in (words, f"number of {words}", f"total {words}"):
            own = self._inner.tried(text)
            if own is not None and len(own.measures) == 1 and own.table == plan.table and not own.dimensions:
                return own.filters
        return None

    def _of_single_rows(self, first: str, second: str) -> tuple[QueryPlan, QueryPlan] | None:
        """`ratio of population to area for each state`: numbers that each group has only one of."""
        added = [self._inner.tried(f"total {text}") for text in (first, second)]
        one, other = added
        if one is None or other is None or any(len(p.measures) != 1 for p in (one, other)):
            return None
        if any(p.measures[0].function != "sum" for p in (one, other)) or one.table != other.table:
            return None
        table = self._index.tables[one.table]
        unique = {c.name for c in table.columns if is_unique(c, table)}
        grouped = bool(unique & {d.source.column for d in other.dimensions})
        fixed = all(unique & {f.source.column for f in p.filters if f.operator == "eq"} for p in (one, other))
        return (one, other) if grouped or fixed else None

    def rate(self, wording: Wording) -> Framed | None:
        """`error rate by browser`: the part of all rows that are errors."""
        match = wording.search(_RATE)
        if match is None or match["a"] in _NO_RATES:
            return None
        kind = wording.group(match, "a")
        rest = wording.without(match.span())
        whole = self._inner.tried(f"number of {kind}") or self._kindred(kind)
        filters = whole.filters if whole is not None else ()
        if whole is None or len(filters) != 1 or filters[0].operator != "eq" or whole.dimensions:
            return None
        if len(whole.measures) != 1 or whole.measures[0].function != "count":
            return None
        text = f"number of `{whole.table}` {rest}".strip()
        plan = self._inner.planned(text, lambda put: f"{kind} rate {put}")
        if [m.function for m in plan.measures] != ["count"] or plan.table != whole.table or plan.limit:
            raise refused(
                f"'{kind} rate' needs the rows of {whole.table} to be counted, and this asks for more."
            )
        counted = plan.measures[0]
        title = f"{kind} rate"
        part = Measure("count", None, counted.alias, f"number of {kind}", conditions=filters)
        rate = Measure("percentage", None, self._alias(plan, title), title, "percent", parts=(part, counted))
        made = replace(plan, measures=(rate,), order=_order(plan, rate), tied=False)
        held = f"{filters[0].source.column} is {filters[0].values[0]}"
        line = f"The {title} is the part of all rows of {plan.table} where {held}."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def _kindred(self, kind: str) -> QueryPlan | None:
        """The rows with the one value that a noun is made of: `cancellation` speaks of what is cancelled."""
        stem = _NOUN.sub("", kind.lower())
        found = [
            (table.name, column.name, value)
            for table in self._index.catalogue.tables
            for column in table.columns
            if self._index.role(table.name, column.name).kind == "dimension"
            and len(column.values) <= _MOST_VALUES
            for value in column.values
            if len(stem) >= _SHORTEST
            and _PAST.sub("", value.casefold()) in (stem, stem + stem[-1:], stem[:-1])
            and _PAST.search(value.casefold())
        ]
        if len(found) != 1:
            return None
        table, column, value = found[0]
        return self._inner.tried(f'number of rows of `{table}` where `{table}.{column}` is "{value}"')

    def share(self, wording: Wording) -> Framed | None:
        """`percentage of orders that were paid by month`: the part within each group."""
        match = wording.search(_SHARE)
        if match is None:
            return None
        text, groups = wording.group(match, "a"), wording.group(match, "by")
        noun = wording.group(match, "noun")
        part = self._inner.planned(text, lambda put: f"{put} {groups}")
        if [m.function for m in part.measures] != ["percent"] or part.dimensions:
            return None
        grouped = self._inner.planned(f"number of {noun} {groups}", lambda put: f"{text} {put}")
        plain = [m.function for m in grouped.measures] == ["count"] and not grouped.limit
        if not plain or grouped.table != part.table or grouped.filters or not grouped.dimensions:
            raise refused(f"The share of each group needs the {noun} to be counted by '{groups}'.")
        measure = part.measures[0]
        windows = (*part.windows, *(w for w in grouped.windows if w not in part.windows))
        made = replace(
            grouped, joins=joined(grouped, part), measures=(measure,), filters=part.filters,
            windows=windows, order=_order(grouped, measure), tied=False,
        )  # fmt: skip
        line = f"The share is of the {noun} of each group, not of all."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def _divided(
        self,
        plans: tuple[QueryPlan, QueryPlan],
        names: tuple[str, str],
        function: str,
        head: tuple[Filter, ...] | None,
    ) -> Framed:
        plan = merged(plans, names, self._index, head)
        first, second = plan.measures
        title = (
            f"{names[0]} in percent of {names[1]}"
            if function == "percentage"
            else f"ratio of {names[0]} to {names[1]}"
        )
        unit = "percent" if function == "percentage" else ""
        ratio = Measure(function, None, self._alias(plan, title), title, unit, parts=(first, second))
        made = replace(plan, measures=(ratio,), order=_order(plan, ratio))
        line = f"Divides {names[0]} by {names[1]}; without any {names[1]} there is no value."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def _alias(self, plan: QueryPlan, title: str) -> str:
        names = Names(self._index, plan.table)
        for dimension in plan.dimensions:
            names.taken(dimension.alias)
        return names.fresh(title)


def spoken(text: str) -> str:
    """The words of a number without what stands behind it: `sales in May by country` are sales."""
    short = _TAIL.sub("", f" {text}").strip()
    return short.replace("`", "") or text.replace("`", "")


def _order(plan: QueryPlan, measure: Measure) -> tuple[Order, ...]:
    keys = tuple(Order(d.alias, False) for d in plan.dimensions)
    natural = any(d.grain or d.part for d in plan.dimensions)
    return keys if natural or not keys else (Order(measure.alias, True), *keys)

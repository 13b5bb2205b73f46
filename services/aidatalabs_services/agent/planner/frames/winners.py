"""The first few of each group: `top category by sales in each region`, `latest order of each customer`."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Dimension, Filter, Measure, Order, QueryPlan, Source

from .inner import Framed, Inner, refused
from .merging import joined
from .wording import COUNT, Wording, tidy

_EACH = re.compile(
    r"^(?P<head>.+?)\s+(?:(?:of|for|in|from|within|on|at|by)\s+(?:each|every)|per)\s+(?:of\s+the\s+)?"
    r"(?P<group>[\w`\u0001 ]+?)"
    r"(?P<tail>\s+(?:in|during|since|last|this|where|with|between|on|before|after)\s+.+)?$"
)
_BEHIND = re.compile(
    r"^(?P<head>(?:the\s+)?(?:top|bottom)\s+.+?)\s+(?P<each>(?:per|for\s+each|in\s+each|for\s+every|of"
    r"\s+each)\s+[\w`]+)\s+(?P<by>(?:by|in\s+terms\s+of)\s+.+)$"
)
_EACH_TIME = re.compile(
    r"^(?P<head>.+?)\s+(?:each|every)\s+(?P<group>hour|day|week|month|quarter|year)(?P<tail>\s+(?:in"
    r"|during|since|last|this)\s+.+)?$"
)
_PARTS = {"decile": 10, "quartile": 25, "quintile": 20, "percentile": 1, "half": 50}
_UPPER = re.compile(
    r"^(?:(?:which|who\s+are)\s+)?(?:the\s+)?(?P<way>top|bottom)\s+(?:(?P<n>\d{1,2})\s*(?:%|percent)|"
    r"(?P<part>decile|quartile|quintile|percentile|half))\s+of\s+"
    r"(?:all\s+|the\s+)*(?P<who>[\w`\u0001]+)\s+(?:by|in\s+terms\s+of|ranked\s+by)\s+(?P<m>.+)$"
)
_LEAD = re.compile(r"^(?:for|in|per|of)\s+(?:each\s+|every\s+)?(?P<group>[\w`\u0001 ]+?)\s*,\s*(?P<head>.+)$")
_RANKING = re.compile(
    r"\b(?:top|bottom|most|least|highest|lowest|best|worst|latest|first|last|newest|oldest|earliest"
    r"|largest|biggest|smallest"
    r"|\w+est)\b"
)

_ONE = re.compile(
    rf"\b(?:top|bottom)\s+(?!{COUNT})(?:\w+\s+)?\w*(?:[^s\W]|ss)\s+(?:by|with|in|of|$)"
)  # `top shop by sales`

_SEVERAL = re.compile(r"^(?:which|what)\s+\w+s\s+(?:have|had|are|were|got|get)\b")  # of each group, or of all


class WinnerFrames:
    """Frames of groups with their own first rows; None where the cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def upper(self, wording: Wording) -> Framed | None:
        """`top 10 % of customers by sales`, `top decile`: the groups at or above that part of all of them."""
        match = wording.search(_UPPER)
        if match is None:
            return None
        percent = int(match["n"]) if match["n"] else _PARTS[match["part"]]
        who, metric = wording.group(match, "who"), wording.group(match, "m")
        if not 0 < percent < 100:
            return None
        plan = self._inner.number(tidy(f"{metric} by {who}"), lambda text: text)
        plain = len(plan.measures) == 1 and plan.dimensions and not (plan.limit or plan.having or plan.outer)
        if not plain or plan.post or plan.cohort or plan.inner or any(d.grain for d in plan.dimensions):
            raise refused("This needs one number for each of one thing, such as 'by sales'.")
        measure = plan.measures[0]
        rows = replace(plan, order=(), tied=False)
        top = match["way"] == "top"
        shown = Source("", measure.alias, "Nullable(Float64)")
        level = f"{(100 - percent if top else percent) / 100:g}"
        bound = Measure("quantile", shown, "bound", f"{level} quantile", level=level)
        query = QueryPlan("scalar", plan.table, measures=(bound,), timezone=plan.timezone, inner=rows)
        dimensions = tuple(
            replace(d, source=Source("", d.alias, d.source.type), grain="", part="") for d in plan.dimensions
        )
        made = QueryPlan(
            "list",
            plan.table,
            dimensions=(*dimensions, Dimension(shown, measure.alias, measure.title)),
            filters=(Filter(shown, "ge" if top else "le", query=query),),
            order=(Order(measure.alias, top), *(Order(d.alias, False) for d in dimensions)),
            timezone=plan.timezone,
            inner=rows,
        )
        line = (
            f"Keeps those {'at or above' if top else 'at or below'} the {level} quantile of {measure.title}."
        )
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def winners(self, wording: Wording) -> Framed | None:
        """Each group's own first: the ranking is planned as if for all, then limited for each group."""
        behind = wording.search(_BEHIND)
        if behind is not None:  # `top 2 users per month by amount` is `top 2 users by amount per month`
            parts = (wording.group(behind, name) for name in ("head", "by", "each"))
            wording = Wording(" ".join(parts))
        match = wording.search(_EACH) or wording.search(_LEAD) or wording.search(_EACH_TIME)
        if match is None or not _RANKING.search(match["head"]) or _SEVERAL.match(match["head"]):
            return None
        group = wording.group(match, "group")
        tail = wording.group(match, "tail").strip() if match.groupdict().get("tail") else ""
        head = tidy(f"{wording.group(match, 'head')} {tail}")
        plan = self._inner.tried(head)
        if plan is None or not plan.limit or not plan.order or plan.outer or plan.cohort or plan.limit_by:
            return None
        if plan.form not in ("list", "table") or plan.distinct or plan.post:
            return None
        grouped = self._inner.planned(f"number of rows of `{plan.table}` by {group}", lambda text: text)
        if grouped.table != plan.table or grouped.filters != tuple(f for f in grouped.filters if f.known):
            raise refused(f"'{group}' is not something that the rows of {plan.table} can be grouped by.")
        if not grouped.dimensions or grouped.limit:
            raise refused(f"'{group}' is not something to group by.")
        return self._framed(plan, grouped, head)

    def _framed(self, plan: QueryPlan, grouped: QueryPlan, head: str) -> Framed:
        names = Names(self._index, plan.table)
        for alias in [d.alias for d in plan.dimensions] + [m.alias for m in plan.measures]:
            names.taken(alias)
        held = {(d.source, d.grain, d.part): d for d in plan.dimensions}
        added: list[Dimension] = []
        keys: list[Dimension] = []
        for dimension in grouped.dimensions:
            same = held.get((dimension.source, dimension.grain, dimension.part))
            if same is None:
                same = replace(dimension, alias=names.fresh(dimension.alias))
                same = dimension if dimension.alias not in {d.alias for d in plan.dimensions} else same
                added.append(same)
            keys.append(same)
        if len(added) == 0 and plan.form == "table":
            raise refused("The groups are what is ranked: nothing is left to choose from in each.")
        by = tuple(key.alias for key in keys if not key.label)
        limit = 1 if plan.limit > 1 and _ONE.search(head.lower()) else plan.limit
        order = tuple(Order(alias, False) for alias in by) + tuple(o for o in plan.order if o.alias not in by)
        unknown = tuple(
            Filter(key.source, "not_null")
            for key in keys
            if not key.grain and not key.label and (key.source.path or column_type(key.source.type).nullable)
        )
        made = replace(
            plan,
            joins=joined(plan, grouped),
            dimensions=(*added, *plan.dimensions),
            filters=(*plan.filters, *(f for f in unknown if f not in plan.filters)),
            order=order,
            limit=limit,
            limit_by=by,
            tied=False,
        )
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

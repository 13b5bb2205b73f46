"""Numbers cut into ranges, steps of time without rows, and how many groups have how many rows."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Having,
    Measure,
    Order,
    QueryPlan,
    Source,
)
from aidatalabs_services.agent.planner.units import UNIT_WORDS, unit_class

from .inner import Framed, Inner, refused
from .wording import COUNT, Wording, number, tidy

_WIDTH = r"(?P<n>\d[\d,]*(?:\.\d+)?)"
_IN = (
    rf"(?:in(?:to)?\s+|by\s+|with\s+|using\s+)?(?:buckets?|bins?|ranges?|bands?|groups?|intervals?|steps?"
    rf"|brackets?|classes)\s+(?:of\s+|with\s+a\s+width\s+of\s+)?{_WIDTH}(?:\s+(?P<unit>[a-z]+))?"
)
_WIDE = (
    rf"(?:in(?:to)?\s+|by\s+){_WIDTH.replace('<n>', '<n2>')}[\s-](?:(?P<unit2>[a-z]+)[\s-])?(?:wide\s+)?"
    rf"(?:buckets?|bins?|ranges?|bands?|groups?|intervals?|steps?|brackets?)"
)
_BUCKETED = re.compile(
    rf"^(?P<head>.+?)\s+(?:by|per|for\s+each|across)\s+(?P<by>[\w`\u0001 ]+?)\s*,?\s*(?:{_IN}|{_WIDE})"
    rf"(?P<tail>\s+(?:in|during|since|for|where|with|from|between)\s+.+)?$"
)
_HISTOGRAM = re.compile(
    rf"^(?:(?:an?|the)\s+)?(?:histogram|distribution)\s+(?:of|over|for)\s+(?:the\s+)?(?P<by>[\w`\u0001 ]+?)"
    rf"(?:\s*,?\s*(?:{_IN}|{_WIDE}))?(?P<tail>\s+(?:in|during|since|where|from)\s+.+)?$"
    rf"|^(?P<by2>[\w`\u0001 ]+?)\s+(?:histogram|distribution)(?:\s*,?\s*"
    rf"(?:{_IN.replace('<n>', '<n3>').replace('<unit>', '<unit3>')}))?$"
)
_FILLED = re.compile(
    r"\s*,?\s*\b(?:(?:also\s+)?(?:including|include|showing|with|and\s+show|counting)\s+(?:the\s+)?(?:"
    r"(?:days|weeks|months|hours|quarters|years|ones|steps)\s+)?(?:with(?:out)?|that\s+have)\s+(?:any"
    r"|no|zero|none|\d+)?\s*[\w`\u0001]*"
    r"|(?:including|with|showing)\s+(?:(?:empty|missing)\s+(?:days|weeks|months|hours|steps)|zero\s+"
    r"(?:days|weeks|months|hours)|zeros|zeroes|gaps\s+filled(?:\s+with\s+(?:zeros?|0))?)"
    r"|(?:with\s+)?(?:missing|empty)\s+(?:days|weeks|months|hours)\s+(?:as\s+(?:zero|0)|filled(?:"
    r"\s+in)?(?:\s+with\s+(?:zero(?:e?s)?|0))?))$"
)
_UNIT = r"hour|day|week|month|quarter|year"
_OFTEN = (
    rf"(?P<op>at\s+least|more\s+than|over|fewer\s+than|less\s+than|under|exactly|at\s+most|no\s+more"
    rf"\s+than)\s+(?P<count>\d[\d,]*(?:\.\d+)?|{COUNT})\s+(?:in\s+)?(?P<what>.+)$"
)
_STEPS = re.compile(
    rf"^(?:(?P<many>how\s+many|number\s+of|count)|which|list(?:\s+the)?|show(?:\s+me)?(?:\s+the)?|on"
    rf"\s+which|on\s+how\s+(?P<many2>many))?\s*(?P<unit>{_UNIT})s\s+"
    rf"(?:(?:had|have|has|saw|with|were\s+there|did\s+we\s+have|there\s+were)\s+)+{_OFTEN}"
)
_FREQUENT = re.compile(
    r"^(?:(?:an?|the)\s+)?(?:distribution|histogram|frequency)\s+of\s+(?:the\s+)?(?:number\s+of\s+)?"
    r"(?P<what>[\w`\u0001 ]+?)\s+(?:per|by|for\s+each)\s+(?P<who>[\w`\u0001]+)(?P<rest>\s+.+)?$"
    r"|^(?:number\s+of|how\s+many)\s+(?P<who2>[\w`\u0001]+)\s+(?:by|per|for\s+each)\s+(?:their\s+)?number"
    r"\s+of\s+(?P<what2>[\w`\u0001 ]+?)$"
)
_SIGNS = {
    "at least": "ge",
    "more than": "gt",
    "over": "gt",
    "fewer than": "lt",
    "less than": "lt",
    "under": "lt",
    "exactly": "eq",
    "at most": "le",
    "no more than": "le",
}
_SECONDS = {"milliseconds": 0.001, "seconds": 1.0, "minutes": 60.0, "hours": 3_600.0, "days": 86_400.0}
_MOST_BUCKETS = 12


def _converted(width: str, unit: str, known: str) -> str:
    """The width of ranges in the unit of the data. Raises Stopped where the one said is another."""
    said = UNIT_WORDS.get(unit.rstrip("s"), UNIT_WORDS.get(unit, unit)) if unit else ""
    size = float(width)
    if said in _SECONDS and known in _SECONDS:
        size *= _SECONDS[said] / _SECONDS[known]
    elif (
        unit_class(said)
        and said != known
        and (known or unit_class(said) not in ("money",))
        and said != "years"
    ):
        raise refused(
            f"Ranges of {width} {unit} do not fit: the data {'is in ' + known if known else 'tells no unit'}."
        )
    return str(int(size)) if size.is_integer() else f"{size:g}"


class RangeFrames:
    """Frames of ranges and gaps; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def bucketed(self, wording: Wording) -> Framed | None:
        """`orders by price in ranges of 10`, `histogram of age`: groups of one width."""
        match = wording.search(_BUCKETED)
        drawn = wording.search(_HISTOGRAM) if match is None else None
        if match is None and drawn is None:
            return None
        found = (match or drawn).groupdict() if (match or drawn) is not None else {}  # type: ignore[union-attr]
        held = match or drawn
        assert held is not None  # noqa: S101 - one of the two was found
        by = wording.group(held, "by") or (wording.group(held, "by2") if drawn is not None else "")
        tail = wording.group(held, "tail") if found.get("tail") else ""
        head = wording.group(held, "head") if match is not None else ""
        measured = self._column(by, head)
        if measured is None:
            return None
        plan, source = measured
        if head:
            plan = self._inner.number(tidy(f"{head} {tail}"), lambda text: text)
            if plan.table != source.table and source.table not in {j.alias for j in plan.joins}:
                raise refused(f"'{by}' is not a number of the rows of {plan.table}.")
        elif tail:
            plan = self._inner.planned(f"number of rows of `{plan.table}` {tail}", lambda text: text)
        width = (found.get("n") or found.get("n2") or found.get("n3") or "").replace(",", "")
        unit = found.get("unit") or found.get("unit2") or found.get("unit3") or ""
        return self._ranged(plan, source, by, width, unit)

    def _ranged(self, plan: QueryPlan, source: Source, by: str, width: str, unit: str) -> Framed | None:
        if (
            plan.limit
            or plan.having
            or plan.outer
            or plan.post
            or plan.cohort
            or plan.inner
            or not plan.measures
        ):
            return None
        size = _converted(width, unit, self._unit(source, plan)) if width else self._fitting(source)
        if not size or float(size) <= 0:
            return None
        names = Names(self._index, plan.table)
        names.taken(*(d.alias for d in plan.dimensions), *(m.alias for m in plan.measures))
        title = f"{source.column.split('.')[-1]} from"
        range_ = Dimension(source, names.fresh(f"{source.column.split('.')[-1]}_from"), title, bucket=size)
        dimensions = (range_, *plan.dimensions)
        order = tuple(Order(d.alias, False) for d in dimensions)
        form = plan.form if any(d.grain for d in plan.dimensions) else "table"
        unknown: tuple[Filter, ...] = ()
        if source.path or column_type(source.type).nullable:
            unknown = (Filter(source, "not_null"),)
        filters = (*plan.filters, *(f for f in unknown if f not in plan.filters))
        made = replace(plan, form=form, dimensions=dimensions, order=order, tied=False, filters=filters)
        line = (
            f"Ranges are {size} wide: each begins with the number shown and ends before the next; empty "
            f"ones are left out."
        )
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def _unit(self, source: Source, plan: QueryPlan) -> str:
        """The unit of a column, as its name, its comment or its values tell."""
        table = plan.tables.get(source.table, source.table)
        return self._index.role(table, source.column).unit

    def _column(self, by: str, head: str) -> tuple[QueryPlan, Source] | None:
        """The one number of rows that some words name, with a plan that counts those rows."""
        words = re.sub(r"\s+(?:group|range|band|bucket|bracket|class|size)s?$", "", by.strip(), flags=re.I)
        tries = [f"total {words}", f"average {words}", f"highest {words}"]
        if head:
            bare = re.sub(
                r"^(?:how\s+many|(?:the\s+)?number\s+of|count\s+of)\s+", "", head.strip(), flags=re.I
            )
            tries += [f"average {bare} {words}", f"average {words} of {bare}"]
        for text in tries:
            plan = self._inner.tried(text)
            if plan is None or len(plan.measures) != 1 or plan.dimensions or plan.joins:
                continue
            source = plan.measures[0].source
            if source is None or plan.measures[0].function not in ("sum", "avg", "max"):
                continue
            if not column_type(source.type).numeric:
                continue
            counted = Measure(
                "count", None, Names(self._index, plan.table).fresh("number of rows"), "number of rows"
            )
            return replace(plan, measures=(counted,)), source
        return None

    def _fitting(self, source: Source) -> str:
        """A width of 1, 2 or 5 times a power of ten that gives about ten ranges; empty where unmeasured."""
        column = self._index.columns.get((source.table, source.column))
        try:
            low, high = float(column.minimum or ""), float(column.maximum or "")  # type: ignore[union-attr]
        except (ValueError, AttributeError):
            return ""
        if not high > low:
            return ""
        step = (high - low) / _MOST_BUCKETS
        power = 10.0 ** math.floor(math.log10(step))
        size = next(size for size in (power, 2 * power, 5 * power, 10 * power) if size >= step)
        return str(int(size)) if size >= 1 else f"{size:g}"

    def filled(self, wording: Wording) -> Framed | None:
        """`orders per day, including days without any`: the steps without rows are put in."""
        match = wording.search(_FILLED)
        if match is None:
            return None
        plan = self._inner.planned(
            tidy(wording.text[: match.start()]), lambda text: f"{text} including empty days"
        )
        steps = [d for d in plan.dimensions if d.grain]
        if (
            len(steps) != 1
            or plan.limit
            or plan.having
            or plan.outer
            or plan.cohort
            or plan.inner
            or plan.post
        ):
            return None
        others = [d for d in plan.dimensions if not d.grain]
        if any(m.function not in ("count", "sum", "count_distinct") for m in plan.measures) or any(
            d.label or d.part for d in others
        ):
            raise refused("Only counts and sums are 0 in a step without rows.")
        order = (*(Order(d.alias, False) for d in others), Order(steps[0].alias, False))
        made = replace(plan, filled=True, form="series", order=order, tied=False)
        ends = any(w.start and w.end for w in plan.windows)
        where = (
            "from one end of the time asked for to the other"
            if ends
            else "between the first and the last row"
        )
        line = f"A {steps[0].grain} without rows is shown with 0, {where}."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

    def steps(self, wording: Wording) -> Framed | None:
        """`how many days had more than 5 orders`, `which months had over 1000 in sales`."""
        match = wording.search(_STEPS)
        if match is None:
            return None
        many = bool(match["many"] or match["many2"])
        what, unit = wording.group(match, "what"), match["unit"]
        plan = self._inner.number(f"{what} by {unit}", lambda text: text)
        steps = [d for d in plan.dimensions if d.grain]
        measure = plan.measures[0]
        if (
            len(steps) != 1
            or len(plan.dimensions) != 1
            or len(plan.measures) != 1
            or plan.having
            or plan.post
        ):
            return None
        if measure.function not in ("count", "sum", "count_distinct"):
            return None
        operator = _SIGNS[" ".join(match["op"].split())]
        count = match["count"].replace(",", "")
        count = count if count[0].isdigit() else str(number(count))
        having = Having(measure.alias, operator, (count,))
        none = operator in ("lt", "le") or (operator == "eq" and float(count) == 0)
        if none:
            raise refused(f"A {unit} without rows is not in the data: ask for more than a number of them.")
        made = replace(plan, having=(having,), outer="count" if many else "")
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

    def frequent(self, wording: Wording) -> Framed | None:
        """`distribution of orders per customer`: how many customers have one, two, three …"""
        match = wording.search(_FREQUENT)
        if match is None:
            return None
        what = wording.group(match, "what") or wording.group(match, "what2")
        who = wording.group(match, "who") or wording.group(match, "who2")
        rest = wording.group(match, "rest")
        plan = self._inner.number(tidy(f"number of {what} per {who} {rest}"), lambda text: text)
        keys = [d for d in plan.dimensions if not d.label]
        if len(keys) != 1 or len(plan.measures) != 1 or plan.measures[0].function != "count":
            return None
        if plan.limit or plan.having or plan.outer or plan.post or plan.cohort or keys[0].grain:
            return None
        inner = replace(plan, dimensions=tuple(keys), order=(), tied=False)
        held = plan.measures[0]
        names = Names(self._index, plan.table)
        counted = Dimension(Source("", held.alias, "UInt64"), held.alias, held.title)
        names.taken(held.alias)
        title = f"number of {who}".replace("`", "")
        measure = Measure("count", None, names.fresh(title), title)
        made = QueryPlan(
            "table",
            plan.table,
            measures=(measure,),
            dimensions=(counted,),
            order=(Order(counted.alias, False),),
            timezone=plan.timezone,
            inner=inner,
        )
        line = f"Those without any row in {plan.table} are not counted."
        return Framed(made, tuple(self._inner.read), (line,), self._inner.confidence)

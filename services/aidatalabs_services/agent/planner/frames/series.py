"""Numbers over the steps of a series: running totals, moving averages, growth and the step before."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import (
    Dimension,
    Filter,
    Measure,
    Order,
    Post,
    QueryPlan,
    Source,
)

from .inner import Framed, Inner, refused
from .wording import COUNT, UNIT, Wording, number

_OF = r"(?:\s+(?:of|in|for|on))?"
_RUNNING = re.compile(
    r"\b(?:(?:cumulative|running|cumulated|accumulated)(?:\s+(?P<kind>total|sum|count|tally))?"
    + _OF
    + r")\b(?:\s+the\b)?"
    r"|\b(?:cumulatively|cumulated|accumulated over time)\b"
)
_MOVING = re.compile(
    rf"\b(?:(?P<n>{COUNT})[\s-]+(?:(?P<unit>{UNIT}|period|step)s?[\s-]+)?)?(?:moving|rolling|trailing)[\s-]+"
    rf"(?:(?P<n2>{COUNT})[\s-]+(?P<unit2>{UNIT}|period|step)s?[\s-]+)?"
    rf"(?P<kind>average|avg|mean|sum|total)" + _OF + r"\b(?:\s+the\b)?"
)
_OVER = re.compile(
    rf"\b(?:(?:over|with|using|of|across)\s+)?(?:a\s+)?(?:(?:window|span)\s+of\s+)?(?:the\s+)?(?:last"
    rf"\s+|past\s+)?"
    rf"(?P<n>{COUNT})[\s-]+(?P<unit>{UNIT}|period|step)s?(?:\s+window)?$"
)
_EACH = r"(?:month|week|day|quarter|year|hour)"
_OVER_UNIT = rf"(?P<u>{_EACH})(?:ly)?[\s-]+(?:over|on|to|by)[\s-]+(?P=u)(?:ly)?|(?P<abbr>mom|yoy|wow|qoq|dod)"
_RATE = r"(?:growth|change|increase|decrease|decline|difference|delta)"
_GROWTH = re.compile(
    rf"\b(?:(?:{_OVER_UNIT})(?P<mid>.*?)\s*\b(?P<pct>percent(?:age)?|%|relative)?\s*(?P<word>{_RATE})\b"
    rf"(?P<rate>\s+rates?)?"
    rf"(?:\s+(?:of|in|for)\b)?(?:\s+the\b)?)"
)
_GROWTH_BEHIND = re.compile(
    rf"\b(?P<pct>percent(?:age)?|%|relative)?\s*(?P<word>{_RATE})(?P<rate>\s+rates?)?(?P<mid>(?:\s+"
    rf"(?:of|in|for)\b)?.*?)"
    rf"\s*\b(?:{_OVER_UNIT})\b"
)
_GROWTH_STEP = re.compile(
    r"\b(?P<adverb>hourly|daily|weekly|monthly|quarterly|yearly|annual)\s+"
    r"(?:(?P<pct>percent(?:age)?|%|relative)\s+)?(?P<word>growth|change|increase|decrease)(?P<rate>"
    r"\s+rates?)?"
    r"(?:\s+(?:of|in|for)\b)?(?:\s+the\b)?"
)
_GROWTH_PLAIN = re.compile(
    r"\b(?:(?P<pct>percent(?:age)?|%|relative)\s+)?(?P<word>growth)(?P<rate>\s+rates?)?(?:\s+(?:of|in"
    r"|for)\b)?(?:\s+the\b)?"
)
_CHANGE_STEP = re.compile(
    r"\b(?:(?P<pct>percent(?:age)?|%|relative)\s+)?(?P<word>change|difference)(?P<rate>\s+rates?)?"
    r"(?:\s+(?:of|in|for)\b)?(?:\s+the\b)?(?=.*\b(?:by|per|from one|each|every)\s+(?:to\s+)?(?:the\s+)?"
    + _EACH
    + r"\b)"
)
_BEFORE = re.compile(
    rf"\s*,?\s*(?P<link>\b(?:compared\s+(?:to|with)|versus|vs|against|next\s+to|alongside|with|and|beside"
    r"|(?:with|and|,)\s+(?:the\s+|its\s+|their\s+)?(?:(?P<pct>percent(?:age)?|%)\s+)?(?P<word>change"
    r"|growth|difference)"
    r"\s+(?:on|from|over|against|versus|vs|to|compared\s+(?:to|with)))\b)\s+"
    rf"(?:(?:that|those|the\s+(?:one|value|number)s?)\s+(?:of|in|from)\s+)?(?:the\s+)?"
    rf"(?:(?:previous|prior|preceding)\s+(?P<unit>{_EACH}|period|step)|(?P<unit2>{_EACH}|period|step)"
    rf"\s+before)"
    rf"(?:'s)?(?:\s+(?:value|number|figure|one|total)s?)?\b"
)
_IN_PERCENT = re.compile(
    r"\s*,?\s*\b(?:in|as)\s+(?:a\s+)?(?:percent(?:age)?s?|%)(?=\W|$)|\s*\(\s*(?:in\s+)?%\s*\)"
)
_ABSOLUTE = re.compile(r"\s*,?\s*\bin\s+absolute\s+(?:terms|numbers|values)\b|\babsolute\s+(?=growth|change)")
_ADVERBS = {
    "hour": "hourly",
    "day": "daily",
    "week": "weekly",
    "month": "monthly",
    "quarter": "quarterly",
    "year": "yearly",
}
_UNITS = {adverb: unit for unit, adverb in _ADVERBS.items()} | {"annual": "year"}
_ABBREVIATED = {"mom": "month", "yoy": "year", "wow": "week", "qoq": "quarter", "dod": "day"}
_PER_YEAR = {"month": 12, "quarter": 4, "week": 52, "year": 1}
_ADDED = frozenset(("count", "sum"))


@dataclass(frozen=True)
class _Cut:
    """A series question without the words of its frame: the rest, the step it names, how to say it anew.

    `total` says that the frame asked for a sum.
    """

    rest: str
    unit: str
    again: Callable[[str], str]
    total: bool = False


class SeriesFrames:
    """Frames over a series; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def running(self, wording: Wording) -> Framed | None:
        """`cumulative orders by day`, `running total of amount per month`."""
        match = wording.search(_RUNNING)
        if match is None:
            return None
        rest = wording.without(match.span())
        total = match["kind"] in ("total", "sum")
        plan, step = self._series(_Cut(rest, "", lambda text: f"cumulative {text}", total))
        measure = plan.measures[0]
        if measure.function == "count_distinct":
            plan, step = self._firsts(plan, step)
            measure = plan.measures[0]
        if measure.function not in _ADDED:
            raise refused(
                f"The {measure.title} of each step cannot be added up: a running total needs a number of "
                "rows or a sum."
            )
        post = self._post(
            plan, step, "cumulate", f"running total of {measure.title}", measure.unit, zero=True
        )
        line = f"Adds up {measure.title} from step to step{self._within(plan, step)}."
        if plan.inner is not None:
            line = (
                "Each counts once, in the step of its first such row; what was before the time asked for "
                "is not known."
            )
        return self._framed(plan, (post,), (line,))

    def _firsts(self, plan: QueryPlan, step: Dimension) -> tuple[QueryPlan, Dimension]:
        """Different subjects run up as those that are there for the first time."""
        measure = plan.measures[0]
        others = [d for d in plan.dimensions if d is not step]
        if others or measure.source is None or measure.conditions or plan.joins or step.source.calendar:
            raise refused(f"The {measure.title} of groups cannot be run up yet.")
        known = () if not measure.skips_empty else (Filter(measure.source, "ne", ("",)),)
        first = Measure("min", step.source, "first_", "first time")
        inner = replace(
            plan,
            form="table",
            measures=(first,),
            order=(),
            post=(),
            tied=False,
            dimensions=(Dimension(measure.source, "subject_", measure.title),),
            filters=(*plan.filters, *known),
        )
        names = Names(self._index, plan.table)
        title = f"new {measure.title.removeprefix('number of different ')}"
        dimension = replace(
            step, source=Source("", "first_", step.source.type), alias=names.fresh(step.alias)
        )
        counted = Measure("count", None, names.fresh(title), title)
        missing = Filter(Source("", "subject_", "Nullable(String)"), "not_null")
        over = QueryPlan(
            "series",
            plan.table,
            measures=(counted,),
            dimensions=(dimension,),
            filters=(missing,),
            order=(Order(dimension.alias, False),),
            timezone=plan.timezone,
            inner=inner,
        )
        return over, dimension

    def moving(self, wording: Wording) -> Framed | None:
        """`7 day moving average of daily sales`, `moving average of sales over 3 months`."""
        match = wording.search(_MOVING)
        if match is None:
            return None
        spans = [match.span()]
        count, unit = match["n"] or match["n2"], match["unit"] or match["unit2"] or ""
        if not count:
            over = wording.search(_OVER)
            if over is None:
                raise refused(
                    "A moving average needs a length, such as 'over 7 days' or '3 month moving average'."
                )
            spans.append(over.span())
            count, unit = over["n"], over["unit"]
        size = number(count)
        unit = "" if unit in ("period", "step") else unit
        if size < 2:
            raise refused("A moving average needs at least two steps.")
        named, rest = f"{size} {unit or 'step'} moving {match['kind']} of", wording.without(*spans)
        summed = match["kind"] in ("sum", "total")
        plan, step = self._series(_Cut(rest, unit, lambda text: f"{named} {text}", summed))
        if unit and step.grain != unit:
            raise refused(
                f"The average runs over {unit}s, but the question asks for each {step.grain}: say one of "
                "them."
            )
        measure = plan.measures[0]
        if summed and measure.function not in _ADDED:
            raise refused(f"The {measure.title} of each step cannot be added up.")
        title = f"{size} {step.grain} moving {'total' if summed else 'average'} of {measure.title}"
        added = measure.function in _ADDED
        function = "moving_sum" if summed else "moving"
        post = self._post(plan, step, function, title, measure.unit, size=size, filled=added, zero=added)
        gaps = "; steps without rows count as 0" if added else "; steps without rows are not there"
        line = f"Each step is taken together with the {size - 1} before it (fewer at the start{gaps})."
        return self._framed(plan, (post,), (line,))

    def growth(self, wording: Wording) -> Framed | None:
        """`month over month growth of sales`, `monthly change in orders`, `growth rate of sales by year`."""
        percent, absolute = wording.search(_IN_PERCENT), wording.search(_ABSOLUTE)
        match = wording.search(_GROWTH) or wording.search(_GROWTH_BEHIND)
        match = (
            match
            or wording.search(_GROWTH_STEP)
            or wording.search(_GROWTH_PLAIN)
            or wording.search(_CHANGE_STEP)
        )
        if match is None:
            return None
        found = match.groupdict()
        unit = (
            found.get("u")
            or _ABBREVIATED.get(found.get("abbr") or "", "")
            or _UNITS.get(found.get("adverb") or "", "")
        )
        spans = [match.span()]
        if found.get("mid") is not None:
            start, end = match.span("mid")
            spans = [(match.start(), start), (end, match.end())]
        spans += [extra.span() for extra in (percent, absolute) if extra is not None]
        yearly = unit == "year"
        rest = wording.without(*spans)
        if yearly and re.search(
            r"\b(?:by|per|each|every)\s+(?:month|quarter|week)\b|\b(?:monthly|quarterly|weekly)\b",
            rest.lower(),
        ):
            unit = ""
        named = f"{found.get('u') or unit or 'step'}" if not yearly else "year"
        lead = f"{named} over {named} growth of" if named != "step" else "growth of"
        plan, step = self._series(_Cut(rest, unit, lambda text: f"{lead} {text}"))
        size = _PER_YEAR.get(step.grain, 1) if yearly else 1
        relative = bool(percent or found.get("pct") or found.get("rate"))
        kinds = ["growth"] if relative or match["word"] == "growth" else ["change", "growth"]
        kinds = ["change"] if absolute is not None else kinds
        return self._against(plan, step, kinds, size)

    def before(self, wording: Wording) -> Framed | None:
        """`monthly sales compared to the previous month`, `orders per week and the previous week's`."""
        match = wording.search(_BEFORE)
        if match is None:
            return None
        rest = wording.without(match.span())
        percent = bool(match["pct"]) or bool(match["word"] and _IN_PERCENT.search(rest))
        rest = _IN_PERCENT.sub("", rest) if percent else rest
        grain = _grain_said(rest)
        if not grain:
            return None
        said = match["unit"] or match["unit2"]
        if said not in ("period", "step", grain):
            raise refused(
                f"The question asks for each {grain} and compares it with the previous {said}: say one of "
                "them."
            )
        plan, step = self._series(_Cut(rest, "", lambda text: f"{text} compared to the previous {grain}"))
        compared = match["link"].split()[0] in ("compared", "versus", "vs", "against")
        kinds = ["lag", "change", "growth"] if compared else ["lag"]
        if match["word"]:
            kinds = ["growth"] if percent or match["word"] == "growth" else ["change"]
        return self._against(plan, step, kinds, 1)

    def _against(self, plan: QueryPlan, step: Dimension, kinds: list[str], size: int) -> Framed:
        measure = plan.measures[0]
        steps = f"{size} {step.grain}s" if size > 1 else step.grain
        titles = {
            "lag": f"{measure.title} {steps} before"
            if size > 1
            else f"{measure.title} of the {steps} before",
            "change": f"change of {measure.title}",
            "growth": f"growth of {measure.title}",
        }
        added = measure.function in _ADDED
        posts = tuple(
            self._post(plan, step, kind, titles[kind], "percent" if kind == "growth" else measure.unit,
                       size=size, filled=True, zero=added)
            for kind in kinds
        )  # fmt: skip
        held = "is 0 there" if added else "has no number"
        line = (
            f"Each {step.grain} is compared with {'the one' if size == 1 else 'that'} {size} {step.grain}"
            f"{'s' if size > 1 else ''} before{self._within(plan, step)}; a {step.grain} without rows {held}."
        )
        return self._framed(plan, posts, (line,))

    def _series(self, cut: _Cut) -> tuple[QueryPlan, Dimension]:
        """The plan of the rest as a series, by the step that is said, asked for by the frame, or fitting."""
        if not cut.rest:
            raise refused("The question does not say which number is meant.")
        text = cut.rest
        if not _grain_said(text):
            text = f"{_ADVERBS[cut.unit]} {text}" if cut.unit else f"{text} over time"
        added = self._inner.tried(f"total {text}") if cut.total else None
        plan = added if added is not None and added.measures else self._inner.number(text, cut.again)
        steps = [d for d in plan.dimensions if d.grain]
        if len(steps) != 1 or len(plan.measures) != 1 or plan.limit or plan.having:
            raise refused("This needs one number for each step of time, such as 'by month'.")
        return plan, steps[0]

    @staticmethod
    def _within(plan: QueryPlan, step: Dimension) -> str:
        others = [d.title for d in plan.dimensions if d is not step and not d.label]
        return f", for each {' and '.join(others)} by itself" if others else ""

    def _post(
        self, plan: QueryPlan, step: Dimension, function: str, title: str, unit: str, *, size: int = 1,
        filled: bool = False, zero: bool = False,
    ) -> Post:  # fmt: skip
        names = Names(self._index, plan.table)
        names.taken(*(d.alias for d in plan.dimensions), *(m.alias for m in plan.measures))
        per = tuple(d.alias for d in plan.dimensions if d is not step)
        measure: Measure = plan.measures[0]
        return Post(function, measure.alias, names.fresh(title), title, unit, size, per, filled, zero)

    def _framed(self, plan: QueryPlan, posts: tuple[Post, ...], lines: tuple[str, ...]) -> Framed:
        order = tuple(Order(d.alias, False) for d in sorted(plan.dimensions, key=lambda d: bool(d.grain)))
        made = replace(plan, form="series", post=(*plan.post, *posts), order=order, tied=False)
        return Framed(made, tuple(self._inner.read), lines, self._inner.confidence)


def _grain_said(text: str) -> str:
    """The step of time that a text names, `auto` for over time, empty where it names none."""
    low = text.lower()
    for adverb, unit in _UNITS.items():
        if re.search(rf"\b{adverb}\b", low):
            return unit
    stepped = re.search(rf"\b(?P<unit>{_EACH})\s+by\s+(?P=unit)\b", low)
    if stepped:
        return stepped["unit"]
    match = re.search(rf"\b(?:by|per|each|every|and|,)\s+(?:\w+\s+)?(?P<unit>{_EACH})\b(?!\s+of\b)", low)
    if match:
        return match["unit"]
    return "auto" if re.search(r"\bover time\b", low) else ""

"""Numbers as SQL: aggregates over some or all rows, pairs of them, and numbers over the answer's rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from .moments import floor, shift
from .plan import Dimension, Filter, Measure, Post, QueryPlan, Source, Window
from .sql_names import identifier, literal, select

AGGREGATES = {
    "count_distinct": ("uniqExact", ""),
    "sum": ("sumOrNull", ""),
    "avg": ("avgOrNull", ""),
    "min": ("minOrNull", ""),
    "max": ("maxOrNull", ""),
    "median": ("quantileExactInclusiveOrNull", "(0.5)"),
    "quantile": ("quantileExactInclusiveOrNull", "({})"),
    "stddev": ("stddevSampOrNull", ""),
    "variance": ("varSampOrNull", ""),
}
"""Functions of the plan as the engine's: those that give NULL where there are no rows, and their argument."""

FOLDS = {
    "avg": ("average", "avgOrNull"),
    "min": ("lowest", "minOrNull"),
    "max": ("highest", "maxOrNull"),
    "sum": ("total", "sumOrNull"),
    "median": ("median", "quantileExactInclusiveOrNull(0.5)"),
}
"""How groups are folded into one number: the word in its alias, and the function."""

PAIRS = frozenset(("ratio", "percentage", "difference", "growth"))
"""Functions of two parts."""

CLOCK_SECONDS = {"second": 1, "minute": 60, "hour": 3_600}
"""Units that are measured as elapsed time."""
LENGTH_SECONDS = {**CLOCK_SECONDS, "day": 86_400, "week": 604_800}
"""Units in which the time between two columns of a row is told."""

_STEPS = {"quarter": "INTERVAL 3 MONTH"}


class Expressions(Protocol):
    """What writes the parts of one plan."""

    def source(self, source: Source) -> str:
        """A source as an expression."""
        ...

    def moment(self, source: Source, grain: str = "") -> str:
        """A time as an expression, cut into steps where a grain is named."""
        ...

    def conditions(self, filters: tuple[Filter, ...], windows: tuple[Window, ...]) -> str:
        """Filters and windows as one condition."""
        ...

    def zone_of(self, source: Source) -> str:
        """The zone whose days a time is cut into; empty for dates."""
        ...

    def rows(self) -> str:
        """The tables that are read, joined."""
        ...

    def dimension(self, dimension: Dimension) -> str:
        """A dimension as an expression."""
        ...


def measure_sql(emitter: Expressions, measure: Measure) -> str:
    """A measure as an expression over the rows of a group."""
    if measure.function in PAIRS:
        return _pair(emitter, measure)
    if measure.function == "percent":
        return f"100 * countIf({emitter.conditions(measure.conditions, ())}) / nullIf(count(), 0)"
    if measure.function == "share":
        part = f"sum({emitter.source(measure.source)})" if measure.source else "count()"
        part = _float(part, measure)
        return f"100 * {part} / nullIf(sum({part}) OVER (), 0)"
    picked = emitter.conditions(measure.conditions, measure.windows)
    if measure.function == "count":
        return f"countIf({picked})" if picked else "count()"
    if measure.source is None:
        raise ValueError(f"{measure.function} needs a source")
    if measure.since is not None:
        start, end = emitter.source(measure.since), emitter.source(measure.source)
        text = between(start, end, measure.grain, emitter.zone_of(measure.source))
    else:
        text = emitter.moment(measure.source, measure.grain)
    text = f"nullIf({text}, '')" if measure.skips_empty else text
    name, argument = AGGREGATES[measure.function]
    condition = f", {picked}" if picked else ""
    return f"{name}{'If' if picked else ''}{argument.format(measure.level)}({text}{condition})"


def between(start: str, end: str, unit: str, zone: str = "") -> str:
    """The time from one moment to another: elapsed for units of the clock, whole steps of the calendar."""
    seconds = CLOCK_SECONDS.get(unit)
    if seconds:
        return f"dateDiff('second', {start}, {end}) / {seconds}"
    return f"dateDiff('{unit}', {start}, {end}{f', {literal(zone)}' if zone else ''})"


def length_of_time(start: str, end: str, unit: str) -> str:
    """The time from one moment to another in whole and broken steps of a unit."""
    return f"dateDiff('second', {start}, {end}) / {LENGTH_SECONDS[unit]}"


def _pair(emitter: Expressions, measure: Measure) -> str:
    first, second = (_float(measure_sql(emitter, part), part) for part in measure.parts)
    if measure.function in ("ratio", "percentage"):
        scale = "100 * " if measure.function == "percentage" else ""
        return f"{scale}{first} / nullIf({second}, 0)"
    if all(part.function == "sum" for part in measure.parts):
        first, second = f"ifNull({first}, 0)", f"ifNull({second}, 0)"
    change = f"{first} - {second}"
    return change if measure.function == "difference" else f"100 * ({change}) / nullIf({second}, 0)"


def _float(text: str, measure: Measure) -> str:
    """A decimal keeps its scale when it is divided: it is divided as a float."""
    decimal = measure.source is not None and "Decimal" in measure.source.type
    return f"toFloat64({text})" if decimal and measure.function in ("sum", "min", "max", "share") else text


def filling(plan: QueryPlan) -> list[str]:
    """The order that puts in the steps without rows, where numbers over the rows need every step."""
    step = next((d for d in plan.dimensions if d.grain), None)
    if step is None or not any(post.filled for post in plan.post):
        return []
    others = [identifier(d.alias) for d in plan.dimensions if d is not step and not d.label]
    others += [identifier(d.alias) for d in plan.dimensions if d.label]
    interval = _STEPS.get(step.grain, f"INTERVAL 1 {step.grain.upper()}")
    keys = ", ".join([*others, f"{identifier(step.alias)} WITH FILL STEP {interval}"])
    return [f"ORDER BY {keys}"]


def stepped(plan: QueryPlan, zone: Callable[[Source], str]) -> list[str]:
    """The order of a series whose steps without rows are put in, from one end of its window to the other."""
    step = next(d for d in plan.dimensions if d.grain)
    ends = next((w for w in plan.windows if w.source == step.source), None)
    bounds = ""
    if ends is not None and ends.start:
        bounds += f" FROM {_bound(floor(datetime.fromisoformat(ends.start), step.grain), step, zone)}"
    if ends is not None and ends.end:
        last = datetime.fromisoformat(ends.end)
        last = last if last == floor(last, "day") else shift(floor(last, "day"), "day", 1)
        bounds += f" TO {_bound(last, step, zone)}"
    interval = _STEPS.get(step.grain, f"INTERVAL 1 {step.grain.upper()}")
    others = [identifier(d.alias) for d in plan.dimensions if d is not step]
    return ["ORDER BY " + ", ".join([*others, f"{identifier(step.alias)} WITH FILL{bounds} STEP {interval}"])]


def _bound(moment: datetime, step: Dimension, zone: Callable[[Source], str]) -> str:
    if step.grain == "hour":
        return f"toDateTime({literal(f'{moment:%Y-%m-%d %H:%M:%S}')}, {literal(zone(step.source))})"
    wide = "Date32" in step.source.type or step.source.calendar
    return f"{'toDate32' if wide else 'toDate'}({literal(f'{moment:%Y-%m-%d}')})"


def divided(plan: QueryPlan, first: str, second: str) -> str:
    """The numbers of one query divided by those of another, for each group that either of them has."""
    keys = [identifier(d.alias) for d in plan.dimensions]
    measure = identifier(plan.measures[0].alias)
    below = identifier(plan.divisor.measures[0].alias) if plan.divisor is not None else ""
    tops = [*keys, f"toFloat64({measure}) AS top_", "toFloat64(0) AS bottom_"]
    bottoms = [*keys, "toFloat64(0) AS top_", f"toFloat64({below}) AS bottom_"]
    both = f"{select(', '.join(tops), f'({first})')} UNION ALL {select(', '.join(bottoms), f'({second})')}"
    scale = "100 * " if plan.measures[0].unit == "percent" else ""
    shown = [*keys, f"{scale}sum(top_) / nullIf(sum(bottom_), 0) AS {measure}"]
    order = [f"{identifier(o.alias)}{' DESC' if o.descending else ''}" for o in plan.order]
    return select(
        ", ".join(shown),
        f"({both})",
        f"GROUP BY {', '.join(keys)}" if keys else "",
        f"ORDER BY {', '.join(order)}" if order else "",
        f"LIMIT {plan.limit}" if plan.limit else "",
    )


def over_rows(plan: QueryPlan, inner: str) -> str:
    """The SELECT that computes numbers over the rows of `inner`."""
    columns = [identifier(d.alias) for d in plan.dimensions]
    columns += [identifier(m.alias) for m in plan.measures]
    columns += [f"{_over(plan, post)} AS {identifier(post.alias)}" for post in plan.post]
    keys = [f"{identifier(o.alias)}{' DESC' if o.descending else ''}" for o in plan.order]
    order = f"ORDER BY {', '.join(keys)}" if keys else ""
    return select(", ".join(columns), f"({inner})", order, f"LIMIT {plan.limit}" if plan.limit else "")


def _over(plan: QueryPlan, post: Post) -> str:
    measure = identifier(post.measure)
    made = next(m for m in plan.measures if m.alias == post.measure)
    measure = _float(measure, made)
    within = f"PARTITION BY {', '.join(identifier(alias) for alias in post.per)}" if post.per else ""
    if post.function == "share":
        return f"100 * {measure} / nullIf(sum({measure}) OVER ({within}), 0)"
    step = next((d.alias for d in plan.dimensions if d.grain or d.part), "")
    order = f"{within} ORDER BY {identifier(step)}".strip()
    if post.function == "cumulate":
        return f"sum({measure}) OVER ({order} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"
    if post.function in ("moving", "moving_sum"):
        function = "avg" if post.function == "moving" else "sum"
        return f"{function}({measure}) OVER ({order} ROWS BETWEEN {post.size - 1} PRECEDING AND CURRENT ROW)"
    whole = f"{order} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    before = f"lagInFrame(toNullable({measure}), {post.size}) OVER ({whole})"
    if post.function == "lag":
        return before
    change = f"{measure} - {before}"
    return change if post.function == "change" else f"100 * ({change}) / nullIf({before}, 0)"

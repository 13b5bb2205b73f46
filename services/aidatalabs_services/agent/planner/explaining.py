"""Numbers over rows, limits per group, and subjects followed over time, in plain sentences."""

from __future__ import annotations

from .plan import Cohort, Measure, Post, QueryPlan, Step

_DAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TIMES = {"ge": "at least", "gt": "more than", "eq": "exactly", "lt": "fewer than", "le": "at most"}
_FOLDED = {"avg": "Averages", "min": "Takes the lowest of", "max": "Takes the highest of",
           "sum": "Adds up", "median": "Takes the median of"}  # fmt: skip
_OVER = {
    "cumulate": "Runs up the total of {0} from step to step",
    "moving": "Averages {0} over {1} steps, the current one and those before it",
    "moving_sum": "Adds up {0} over {1} steps, the current one and those before it",
    "lag": "Shows {0} of {1} before beside it",
    "change": "Shows by how much {0} changed since {1} before",
    "growth": "Shows by how many percent {0} changed since {1} before",
    "share": "Shows the part of {0} in the total, in percent",
}


def weekdays(values: tuple[str, ...]) -> str:
    """Numbers of weekdays as their names."""
    return ", ".join(_DAYS[int(value)] for value in values)


def number_lines(plan: QueryPlan) -> list[str]:
    """Sentences on what the numbers of a plan are restricted to, folded by, limited and followed by."""
    lines = [line for measure in plan.measures for line in _restricted(measure)]
    if plan.outer in _FOLDED and plan.outer != "avg":
        lines.append(f"{_FOLDED[plan.outer]} this over the groups; groups without any row are not counted.")
    if plan.limit_by:
        groups = [d.title for d in plan.dimensions if d.alias in plan.limit_by]
        lines.append(f"Keeps the first {plan.limit} for each {' and '.join(groups) or 'group'}.")
    lines += [_over(plan, post) for post in plan.post]
    if plan.inner is not None:
        lines += [
            f"Only rows where {f.source.column} {f.operator} {' or '.join(f.values)}".rstrip() + "."
            for f in plan.inner.filters
        ]
        lines += number_lines(plan.inner)
    return [*lines, *(cohort_lines(plan.cohort) if plan.cohort is not None else [])]


def _restricted(measure: Measure) -> list[str]:
    if measure.function == "percent":
        return []
    if measure.parts:
        first, second = measure.parts
        how = {
            "ratio": f"{first.title} divided by {second.title}",
            "percentage": f"{first.title} in percent of {second.title}",
            "difference": f"{first.title} less {second.title}",
            "growth": f"{first.title} less {second.title}, in percent of {second.title}",
        }[measure.function]
        own = [line for part in measure.parts for line in _restricted(part)]
        return [f"{measure.title[0].upper()}{measure.title[1:]} is {how}.", *own]
    held = [f"{_where(f.source.column)} {' or '.join(f.values) or f.operator}" for f in measure.conditions]
    held += [f"from {w.start or 'the beginning'} up to {w.end or 'the end'}" for w in measure.windows]
    return [f"{measure.title[0].upper()}{measure.title[1:]}: only rows {', '.join(held)}."] if held else []


def _where(column: str) -> str:
    return f"where {column} is"


def _over(plan: QueryPlan, post: Post) -> str:
    title = next(m.title for m in plan.measures if m.alias == post.measure)
    step = next((d.grain or d.title for d in plan.dimensions if d.grain or d.part), "row")
    many = post.function.startswith("moving")
    size = str(post.size) if many else f"the {step}" if post.size == 1 else f"{post.size} {step}s"
    text = _OVER[post.function].format(title, size)
    gaps = f"; a {step} without rows counts as one" if post.filled else ""
    return f"{text}{gaps}."


def cohort_lines(cohort: Cohort) -> list[str]:
    """Who is followed, by which time, over which steps, and what is told of them."""
    who, when = cohort.subject.column, cohort.time.column
    lines = [f"Follows each {who} over its rows by {when}."]
    for place, step in enumerate(cohort.steps, 1):
        if step.filters or step.windows or step.operator != "ge" or step.times != 1:
            lines.append(f"Step {place}, {step.title}: {_step(step)}.")
    if cohort.kind == "session_list" and cohort.session is not None:
        return [*lines, f"A session is all rows of one {cohort.session.column}."]
    if cohort.kind == "session_list":
        lines.append(
            f"A session ends where nothing follows within {cohort.within_seconds // 60} minutes; say 'with a "
            "gap of 60 minutes' for another length."
        )
        return lines
    if cohort.kind in ("funnel", "members", "member_share") and len(cohort.steps) > 1:
        order = "in this order, each later than the one before" if cohort.ordered else "in any order"
        within = (
            f", all within {_length(cohort.within_seconds)} of the first" if cohort.within_seconds else ""
        )
        lines.append(
            f"The steps count {order}{within}" + ("." if cohort.ordered else "; say 'in this order' else.")
        )
    if cohort.kind == "retention":
        lines.append(f"A cohort is everybody whose first step lies in the same {cohort.grain}.")
    return lines


def _step(step: Step) -> str:
    held = [
        f"{f.source.column} {f.operator.replace('eq', 'is')} {' or '.join(f.values)}".strip()
        for f in step.filters
    ]
    held += [w.words for w in step.windows]
    times = f"{step.times} times" if step.times != 1 else "once"
    often = "never" if (step.operator, step.times) == ("eq", 0) else f"{_TIMES[step.operator]} {times}"
    often = f"on {_TIMES[step.operator]} {step.times} different {step.grain}s" if step.grain else often
    return f"{often} {'where ' + ' and '.join(held) if held else 'any row'}".strip()


def _length(seconds: int) -> str:
    for unit, size in (("week", 604_800), ("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} seconds"

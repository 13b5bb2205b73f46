"""The result of a plan in one sentence: the number first, its unit, how time was read, ties."""

from __future__ import annotations

from collections.abc import Sequence

from .explain import condition_words
from .outcomes import Planned
from .plan import OR_UNKNOWN, Dimension, Filter, Measure, QueryPlan

_WEEKDAYS = ("", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "",
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_LISTED = 3
FOLDED_WORDS = {"avg": "average", "min": "lowest", "max": "highest", "sum": "total", "median": "median"}
"""How a number folded over groups is called."""


def number_text(value: object) -> str:
    """A number for reading: thousands separators, at most two decimals where it is large, four where it
    is small."""
    if value is None:
        return "no value"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.lstrip("-").isdigit():
        return f"{int(value):,}"
    number = _number(value)
    if number is None:
        return str(value)
    if number != number or number in (float("inf"), float("-inf")):
        return "no value"
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    places = 2 if abs(number) >= 0.1 else 4
    return f"{number:,.{places}f}"


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value) if value.strip() and value.strip()[0] in "-0123456789" else None
        except ValueError:
            return None
    return None


def sentence(
    planned: Planned, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]], truncated: bool
) -> str:
    """One sentence on a result; `columns` are (name, ClickHouse type), `truncated` says that rows were
    cut off."""
    plan = planned.plan
    names = [name for name, _ in columns]
    time = _time(plan)
    if not rows:
        return f"No rows match{time}."
    if plan.form == "scalar":
        return _scalar(plan, rows[0], time)
    if plan.form == "list":
        return _list(plan, names, rows, time, truncated)
    return _groups(plan, names, rows, time, truncated)


def _time(plan: QueryPlan) -> str:
    notes = [_told(condition) for condition in plan.filters]
    notes += [_told(condition) for measure in plan.measures for condition in measure.conditions]
    notes += [window.words for window in plan.windows]
    notes += [f"by {d.title}" for d in plan.dimensions if d.grain and " of " in d.title]
    return f" ({'; '.join(notes)})" if notes else ""


def _told(condition: Filter) -> str:
    if condition.options:
        return (" or " if condition.operator == "any" else " and ").join(map(_told, condition.options))
    name = condition.source.column.split(".", 1)[-1]
    name = f"{condition.part} of {name or 'date'}" if condition.part not in ("", "weekday") else name
    unknown = " or is not known" if condition.operator.endswith(OR_UNKNOWN) else ""
    return f"{name} {condition_words(condition)}".removesuffix(".") + unknown


def _with_unit(value: object, measure: Measure) -> str:
    text = number_text(value)
    if text == "no value" or not measure.unit:
        return text
    return f"{text} %" if measure.unit == "percent" else f"{text} {measure.unit}"


def _scalar(plan: QueryPlan, row: Sequence[object], time: str) -> str:
    if plan.outer == "count":
        return f"{number_text(row[0])} groups fulfil the condition{time}."
    if plan.outer in FOLDED_WORDS:
        per = next((d.grain or d.title for d in plan.dimensions), "group")
        return (
            f"The {FOLDED_WORDS[plan.outer]} {plan.measures[0].title} per {per} is "
            f"{_with_unit(row[0], plan.measures[0])}{time}."
        )
    texts = []
    for measure, value in zip(plan.measures, row, strict=False):
        empty = value is None and measure.function not in ("count", "count_distinct")
        told = "has no value: no rows match" if empty else f"is {_with_unit(value, measure)}"
        texts.append(f"the {measure.title} {told}")
    text = " and ".join(texts)
    return f"{text[0].upper()}{text[1:]}{time}."


def _shown(value: object, dimension: Dimension) -> str:
    if value is None or value == "":
        return "(none)"
    if dimension.part in ("weekday", "month"):
        number = _number(value)
        names = _WEEKDAYS if dimension.part == "weekday" else _MONTHS
        return names[int(number)] if number is not None and 0 < number < len(names) else str(value)
    if dimension.part == "hour":
        return f"{int(_number(value) or 0):02d}:00"
    if dimension.grain in ("month", "year"):
        return str(value)[:7] if dimension.grain == "month" else str(value)[:4]
    return str(value)


def _keys(plan: QueryPlan, names: Sequence[str], row: Sequence[object]) -> str:
    """The group a row stands for: labels first, keys behind them in brackets."""
    texts: list[str] = []
    labels: list[list[str]] = []
    for dimension in plan.dimensions:
        text = _shown(row[names.index(dimension.alias)], dimension)
        if dimension.label and texts:
            if text != "(none)":
                labels[-1].append(text)
        else:
            texts.append(text)
            labels.append([])
    named = [f"{' '.join(label)} ({key})" if label else key for key, label in zip(texts, labels, strict=True)]
    return ", ".join(named)


def _groups(
    plan: QueryPlan, names: Sequence[str], rows: Sequence[Sequence[object]], time: str, truncated: bool
) -> str:
    ordered = plan.order[0].alias if plan.order else ""
    if plan.cohort is not None and plan.cohort.kind in ("funnel", "retention") and not plan.cohort.groups:
        return _followed(plan, names, rows, time)
    shown = plan.numbers[-1] if plan.post else plan.measures[0]
    measure = next((m for m in plan.numbers if m.alias == ordered), shown)
    place = names.index(measure.alias)
    if plan.limit == 1 or len(rows) == 1:
        value = _with_unit(rows[0][place], measure)
        text = f"{_keys(plan, names, rows[0])} has {_extreme(plan, measure)}{measure.title}: {value}"
        return f"{text}{_tied(names, rows[0])}{time}."
    if (
        len(plan.measures) > 1
        and not plan.limit
        and plan.outer == ""
        and all(m.function in ("min", "max") for m in plan.measures)
    ):
        return f"{len(rows):,} groups: {_side_by_side(plan, names, rows)}{time}."
    low = measure.function == "min"
    known = [row for row in rows if _number(row[place]) is not None] or rows
    best = (
        min(known, key=lambda row: _sortable(row[place]))
        if low
        else max(rows, key=lambda row: _sortable(row[place]))
    )
    lead = rows[0] if ordered == measure.alias else best
    more = " (more were cut off)" if truncated else ""
    down = plan.order[0].descending if ordered == measure.alias else not low
    extreme = "highest" if down else "lowest"
    text = f"{len(rows):,} groups{more}: {measure.title} is {extreme} for {_keys(plan, names, lead)}"
    text += f" with {_with_unit(lead[place], measure)}"
    if ordered == measure.alias:
        others = [
            f"{_keys(plan, names, row)} with {_with_unit(row[place], measure)}" for row in rows[1:_LISTED]
        ]
        text += ", then " + ", ".join(others)
    return f"{text}{time}."


def _followed(plan: QueryPlan, names: Sequence[str], rows: Sequence[Sequence[object]], time: str) -> str:
    """A funnel from its first step to its last, or how many came back of how many cohorts."""
    if plan.cohort is not None and plan.cohort.kind == "retention":
        cohorts = len({str(row[0]) for row in rows})
        return f"{cohorts:,} cohorts, {len(rows):,} rows: how many of each came in each later step{time}."
    step, count = names.index(plan.dimensions[1].alias), names.index(plan.measures[0].alias)
    first, last = rows[0], rows[-1]
    share = _with_unit(last[names.index(plan.measures[1].alias)], plan.measures[1])
    return (
        f"{number_text(first[count])} at {first[step]}, {number_text(last[count])} of them at {last[step]} "
        f"({share}){time}."
    )


def _side_by_side(plan: QueryPlan, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The first groups with each of their measures: `north has minimum age 3 and maximum age 90`."""
    texts = []
    for row in rows[:_LISTED]:
        told = [f"{m.title} {_with_unit(row[names.index(m.alias)], m)}" for m in plan.measures]
        texts.append(f"{_keys(plan, names, row)} has {' and '.join(told)}")
    return ", ".join(texts)


def _extreme(plan: QueryPlan, measure: Measure) -> str:
    if plan.limit != 1 or not plan.order or plan.order[0].alias != measure.alias:
        return ""
    return "the highest " if plan.order[0].descending else "the lowest "


def _sortable(value: object) -> float:
    number = _number(value)
    return float("-inf") if number is None or number != number else number


def _tied(names: Sequence[str], row: Sequence[object]) -> str:
    if "tied_rows" not in names:
        return ""
    count = _number(row[names.index("tied_rows")])
    if count is None or count <= 1:
        return ""
    return f"; {number_text(count - 1)} more share this value"


def _list(
    plan: QueryPlan, names: Sequence[str], rows: Sequence[Sequence[object]], time: str, truncated: bool
) -> str:
    if len(rows) == 1:
        shown = [d for d in plan.dimensions if d.alias in names]
        facts = ", ".join(f"{d.title} {_cell(rows[0][names.index(d.alias)], d)}" for d in shown)
        return f"{facts[0].upper()}{facts[1:].removesuffix('.')}{_tied(names, rows[0])}{time}."
    more = ", more were cut off" if truncated else ""
    if plan.tied and plan.limit == 1:
        first = next(d for d in plan.dimensions if d.alias == plan.order[0].alias)
        place = names.index(first.alias)
        way = "highest" if plan.order[0].descending else "lowest"
        return f"{len(rows):,} share the {way} {first.title}, {_cell(rows[0][place], first)}{more}{time}."
    return f"{len(rows):,} rows{more}{time}."


def _cell(value: object, dimension: Dimension) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool) and "year" not in dimension.title:
        return number_text(value)
    return _shown(value, dimension)

"""Which chart a result gets, or why its table says it better.

The rules look at the plan and at the shape of the result alone, so that the same answer always gets the same
picture. What is left out of a picture is said in its notes; what a picture would distort stays a table.
"""

from __future__ import annotations

from collections.abc import Sequence

from aidatalabs_services.agent.planner.answers import number_text
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.plan import QueryPlan

from .intents import Axis, ChartIntent, Choice, Point, TableBetter
from .listed import listed
from .parted import grid, parted
from .shapes import Figure, Key, Row, distinct_texts, figures_of, keys_of
from .times import MOST_STEPS, missing, steps_of, written

MOST_BARS = 25
_MOST_SIDE_BY_SIDE = 12
_LEAST_POINTS = 4
_FLAT_BELOW = 0.5


def choose(
    planned: Planned, columns: Sequence[tuple[str, str]], rows: Sequence[Row], *, truncated: bool = False
) -> Choice:
    """The chart of a result; `columns` are (name, ClickHouse type), `truncated` says that there were more."""
    plan = planned.plan
    if not rows:
        return TableBetter("There are no rows to draw.")
    if plan.form == "list" or not plan.measures:
        return listed(plan, columns, rows)
    figures = figures_of(plan, columns)
    if plan.form == "scalar":
        return _number(plan, columns, rows, figures)
    keys = keys_of(plan, columns)
    cohort = getattr(plan, "cohort", None)
    if cohort is not None and getattr(cohort, "kind", "") == "funnel":
        return _funnel(keys, figures, rows)
    figure = _drawn_figure(plan, figures)
    if figure is None or not keys:
        return TableBetter("The result has no number by a group.")
    refusal = _misleading(figure, rows)
    if refusal is not None:
        return refusal
    if len(keys) == 1:
        return _one_key(plan, keys[0], figure, figures, rows, truncated)
    if len(keys) == 2:
        return parted(keys, figure, rows, zone=plan.timezone, truncated=truncated)
    return TableBetter("The groups are of more than two kinds, which one picture cannot tell apart.")


def _drawn_figure(plan: QueryPlan, figures: Sequence[Figure]) -> Figure | None:
    """The number that the answer is about: the one it is ordered by, or made over its rows, or the first."""
    ordered = plan.order[0].alias if plan.order else ""
    shown = figures[-1:] if getattr(plan, "post", ()) else figures[:1]
    return next((f for f in figures if f.measure.alias == ordered), shown[0] if shown else None)


def _misleading(figure: Figure, rows: Sequence[Row]) -> TableBetter | None:
    """Parts of a whole need every part, and none below zero; any other number may miss in places."""
    values = [figure.value(row) for row in rows]
    if all(value is None for value in values):
        return TableBetter("The result holds no number that can be drawn.")
    if figure.share and any(value is None or value < 0 for value in values):
        return TableBetter("Shares with missing or negative parts do not add up in a picture.")
    return None


def _number(
    plan: QueryPlan, columns: Sequence[tuple[str, str]], rows: Sequence[Row], figures: Sequence[Figure]
) -> Choice:
    if len(rows) != 1 or len(columns) != 1 or not figures:
        return TableBetter("One row with several columns reads best as a table.")
    measure = figures[0].measure
    value = figures[0].value(rows[0])
    if value is None:
        return TableBetter("The result is no number.")
    title = columns[0][0].replace("_", " ") if plan.outer else measure.title
    notes = tuple(dict.fromkeys(window.words for window in plan.windows if window.words))
    return _big(title, "" if plan.outer == "count" else measure.unit, rows[0][figures[0].place], notes)


def _big(title: str, unit: str, value: object, notes: tuple[str, ...]) -> ChartIntent:
    text = number_text(value)
    text = f"{text} %" if unit == "percent" else f"{text} {unit}".strip()
    nothing = Axis("", "number")
    return ChartIntent("number", _capital(title), nothing, nothing, (), notes=notes, text=text)


def _funnel(keys: Sequence[Key], figures: Sequence[Figure], rows: Sequence[Row]) -> Choice:
    """Each step of a funnel as a bar, in the order of the steps."""
    if not keys or not figures or _misleading(figures[0], rows):
        return TableBetter("The steps have no numbers to draw.")
    texts = distinct_texts([keys[-1].text(row) for row in rows])
    values = [figures[0].value(row) for row in rows]
    return _bars(keys[-1], figures[0], list(zip(texts, values, strict=True)), ())


def _one_key(
    plan: QueryPlan, key: Key, figure: Figure, figures: Sequence[Figure], rows: Sequence[Row], truncated: bool
) -> Choice:
    asked = bool(plan.order) and plan.order[0].alias == figure.measure.alias
    if len(rows) == 1 and len(figures) == 1 and not key.stepped:
        title = f"{figure.measure.title}: {key.text(rows[0])}"
        return _big(title, figure.measure.unit, rows[0][figure.place], ())
    if len(rows) == 1:
        return TableBetter("One row with several columns reads best as a table.")
    alike = [f for f in figures if f.of == figures[0].of and f.of != ("", "") and not f.share]
    together = len(figures) > 1 and len(alike) == len(figures) and not getattr(plan, "post", ())
    if key.stepped:
        return _line(plan, key, alike if together else [figure], figures, rows, truncated)
    if len(figures) > 1 and not asked:
        if together and len(rows) <= _MOST_SIDE_BY_SIDE:
            return grid(key, figures, rows)
        if len(figures) == 2 and len(rows) >= _LEAST_POINTS:
            return _scatter(key, figures, rows, truncated)
        return TableBetter("The numbers are of different kinds, which one axis would mix up.")
    return _categories(plan, key, figure, rows, asked, truncated)


def _categories(
    plan: QueryPlan, key: Key, figure: Figure, rows: Sequence[Row], asked: bool, truncated: bool
) -> Choice:
    """Bars: calendar parts and numbers in their own order where all fit, everything else by its figure."""
    down = not asked or plan.order[0].descending
    pairs = list(
        zip(distinct_texts([key.text(row) for row in rows]), (figure.value(r) for r in rows), strict=True)
    )
    own = key.counted and not plan.limit and len(rows) <= MOST_BARS and not truncated
    if own:
        order = sorted(range(len(rows)), key=lambda place: key.rank(rows[place]))
        return _bars(key, figure, [pairs[place] for place in order], ())
    if truncated and not asked:
        return TableBetter(
            "There are more groups than rows were asked for, so that a top list would be wrong."
        )
    if not asked:
        pairs.sort(key=lambda pair: (pair[1] is None, -(pair[1] or 0.0), pair[0]))
    if len(pairs) <= MOST_BARS:
        return _bars(key, figure, pairs, ())
    among = f"{len(pairs):,}{' or more' if truncated else ''}"
    note = f"The {MOST_BARS} {'highest' if down else 'lowest'} of {among}."
    return _bars(key, figure, pairs[:MOST_BARS], (note,))


def _bars(
    key: Key, figure: Figure, pairs: Sequence[tuple[str, float | None]], notes: tuple[str, ...]
) -> ChartIntent:
    value = Axis(figure.measure.title, "number", figure.measure.unit)
    points = tuple(Point(text, number) for text, number in pairs)
    empty = sum(number is None for _, number in pairs)
    told = (f"No value for {empty:,} of them.",) if empty else ()
    title = _title(value, key.title)
    return ChartIntent("bars", title, Axis(key.title, "category"), value, points, notes=(*notes, *told))


def _line(
    plan: QueryPlan,
    key: Key,
    drawn: Sequence[Figure],
    figures: Sequence[Figure],
    rows: Sequence[Row],
    truncated: bool,
) -> Choice:
    steps = steps_of([row[key.place] for row in rows], plan.timezone)
    if steps is None:
        return TableBetter("Some steps have no time, which a line over time cannot show.")
    asked = bool(plan.order) and plan.order[0].alias == drawn[0].measure.alias
    if len(figures) > 1 and len(drawn) == 1 and not getattr(plan, "post", ()) and not asked:
        return TableBetter("The numbers are of different kinds, which one axis would mix up.")
    if len(rows) * len(drawn) > MOST_STEPS:
        return TableBetter(f"There are more than {MOST_STEPS:,} points; ask for a longer step.")
    many = len(drawn) > 1
    gaps = missing(steps.moments, key.dimension.grain)
    points = [
        Point(written(moment), figure.value(row), figure.measure.title if many else "")
        for figure in drawn
        for moment, row in zip(steps.moments, rows, strict=True)
    ]
    points += [Point(written(gap), None, f.measure.title if many else "") for f in drawn for gap in gaps]
    points.sort(key=lambda point: (point.series, str(point.key)))
    zone = f" ({steps.zone})" if steps.zone and key.dimension.grain == "hour" else ""
    values = [point.value for point in points if point.value is not None]
    first = drawn[0].measure
    value = Axis(
        first.title if not many else " and ".join(f.measure.title for f in drawn),
        "number",
        first.unit,
        from_zero=from_zero(drawn[0], values),
    )
    notes = line_notes(len(gaps), value.from_zero, truncated)
    names = tuple(f.measure.title for f in drawn) if many else ()
    time = Axis(f"{key.title}{zone}", "time", grain=key.dimension.grain)
    return ChartIntent("line", _title(value, key.title), time, value, tuple(points), "", names, notes)


def from_zero(figure: Figure, values: Sequence[float]) -> bool:
    """Whether the axis begins at 0: amounts do; averages far from it may not, or nothing would be seen."""
    if figure.additive or figure.share or figure.measure.function in ("count_distinct", "percent"):
        return True
    low, high = min(values, default=0.0), max(values, default=0.0)
    return not (low > 0 and low > high * _FLAT_BELOW)


def line_notes(gaps: int, zero: bool, truncated: bool) -> tuple[str, ...]:
    """What a reader of lines must know."""
    notes = []
    if gaps:
        notes.append(f"No rows in {gaps:,} {'step' if gaps == 1 else 'steps'} in between.")
    if not zero:
        notes.append("The axis does not begin at 0.")
    if truncated:
        notes.append("More rows were cut off.")
    return tuple(notes)


def _scatter(key: Key, figures: Sequence[Figure], rows: Sequence[Row], truncated: bool) -> Choice:
    across, up = figures
    pairs = [(across.value(row), up.value(row), key.text(row)) for row in rows]
    points = tuple(Point(x, y, label=text) for x, y, text in pairs if x is not None and y is not None)
    if len(points) < _LEAST_POINTS:
        return TableBetter("Too few groups have both numbers.")
    left = len(pairs) - len(points)
    notes = [f"{left:,} without both numbers are left out."] if left else []
    notes += ["More groups were cut off."] if truncated else []
    x, y = (
        Axis(
            f.measure.title, "number", f.measure.unit, from_zero=from_zero(f, [f.value(r) or 0 for r in rows])
        )
        for f in figures
    )
    title = f"{_capital(y.words)} and {x.words} by {key.title}"
    return ChartIntent("scatter", title, x, y, points, key.title, notes=tuple(notes))


def _title(value: Axis, key: str) -> str:
    return f"{_capital(value.words)} by {key}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"

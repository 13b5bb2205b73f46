"""Results by two keys: lines per group, parts of a whole, or a grid of colours; and figures side by side."""

from __future__ import annotations

from collections.abc import Sequence

from .intents import Axis, ChartIntent, Choice, Point, TableBetter
from .shapes import Figure, Key, Row
from .times import MOST_STEPS, Steps, missing, steps_of, written

MOST_SERIES = 8
_MOST_CELLS = 40
_MOST_STACKS = 20
_OTHER = "all others"
_WHOLE = 100.0
_ROUNDED = 0.5

Cells = dict[tuple[str, str], float | None]


def parted(keys: Sequence[Key], figure: Figure, rows: Sequence[Row], *, zone: str, truncated: bool) -> Choice:
    """The chart of a figure by two keys; `zone` is that of the question's times."""
    if truncated:
        return TableBetter("There are more groups than rows were asked for, so that parts would be missing.")
    timed = [key for key in keys if key.stepped]
    if len(timed) == 2:
        return TableBetter("Two times side by side read best as a table.")
    if timed:
        other = keys[1] if keys[0].stepped else keys[0]
        return _over_time(timed[0], other, figure, rows, zone)
    return _categories(keys[0], keys[1], figure, rows)


def grid(key: Key, figures: Sequence[Figure], rows: Sequence[Row]) -> Choice:
    """Figures of the same thing side by side for each group."""
    points = tuple(
        Point(key.text(row), figure.value(row), figure.measure.title) for row in rows for figure in figures
    )
    names = tuple(figure.measure.title for figure in figures)
    value = Axis(" and ".join(names), "number", figures[0].measure.unit)
    title = f"{_capital(value.words)} by {key.title}"
    return ChartIntent("grouped", title, Axis(key.title, "category"), value, points, "", names)


def _over_time(time: Key, other: Key, figure: Figure, rows: Sequence[Row], zone: str) -> Choice:
    steps = steps_of([row[time.place] for row in rows], zone)
    if steps is None or len(set(steps.moments)) < 2:
        return TableBetter("There are too few steps of time for a line.")
    names = [other.text(row) for row in rows]
    cells = {
        (written(moment), name): figure.value(row)
        for moment, name, row in zip(steps.moments, names, rows, strict=True)
    }
    if len(cells) < len(rows):
        return TableBetter("Some groups look the same in a picture.")
    moments = sorted({written(moment) for moment in steps.moments})
    gaps = [written(gap) for gap in missing(steps.moments, time.dimension.grain)]
    whole = figure.share and _adds_up(cells, moments)
    chosen, notes = _largest(names, cells, figure, folds=whole)
    if len(chosen) * (len(moments) + len(gaps)) > MOST_STEPS:
        return TableBetter(f"There are more than {MOST_STEPS:,} points; ask for a longer step.")
    if whole:
        folded = _folded(cells, moments, chosen)
        points = tuple(Point(moment, folded[moment, name], name) for name in chosen for moment in moments)
    else:
        points = tuple(
            Point(moment, cells.get((moment, name)), name)
            for name in chosen
            for moment in sorted([*moments, *gaps])
        )
    return _timed(time, other, figure, points, tuple(chosen), notes, steps, whole)


def _timed(
    time: Key,
    other: Key,
    figure: Figure,
    points: tuple[Point, ...],
    chosen: tuple[str, ...],
    notes: tuple[str, ...],
    steps: Steps,
    whole: bool,
) -> ChartIntent:
    zone = f" ({steps.zone})" if steps.zone and time.dimension.grain == "hour" else ""
    value = Axis(figure.measure.title, "number", figure.measure.unit)
    title = f"{_capital(value.words)} by {time.title} and {other.title}"
    axis = Axis(f"{time.title}{zone}", "time", grain=time.dimension.grain)
    return ChartIntent("area" if whole else "line", title, axis, value, points, other.title, chosen, notes)


def _categories(first: Key, second: Key, figure: Figure, rows: Sequence[Row]) -> Choice:
    across, along = [first.text(row) for row in rows], [second.text(row) for row in rows]
    cells: Cells = {(a, b): figure.value(row) for a, b, row in zip(across, along, rows, strict=True)}
    if len(cells) < len(rows):
        return TableBetter("Some groups look the same in a picture.")
    if len(set(along)) > len(set(across)) and not first.counted:
        first, second, across, along = second, first, along, across
        cells = {(b, a): value for (a, b), value in cells.items()}
    adds = (figure.additive or figure.share) and all(v is not None and v >= 0 for v in cells.values())
    if adds and not (first.counted and second.counted):
        return _stacked(first, second, figure, rows, cells)
    return _heat(first, second, figure, rows, cells)


def _stacked(first: Key, second: Key, figure: Figure, rows: Sequence[Row], cells: Cells) -> Choice:
    heads = _ordered(first, rows, cells, 0)
    notes: tuple[str, ...] = ()
    if len(heads) > _MOST_STACKS:
        notes = (f"The {_MOST_STACKS} highest of {len(heads):,}.",)
        heads = heads[:_MOST_STACKS]
    chosen, more = _largest([second.text(row) for row in rows], cells, figure, folds=True)
    folded = _folded(cells, heads, chosen)
    points = tuple(Point(head, folded[head, name], name) for head in heads for name in chosen)
    value = Axis(figure.measure.title, "number", figure.measure.unit)
    title = f"{_capital(value.words)} by {first.title} and {second.title}"
    key = Axis(first.title, "category")
    return ChartIntent("stacked", title, key, value, points, second.title, tuple(chosen), (*notes, *more))


def _heat(first: Key, second: Key, figure: Figure, rows: Sequence[Row], cells: Cells) -> Choice:
    heads, names = _ordered(first, rows, cells, 0), _ordered(second, rows, cells, 1)
    if len(heads) > _MOST_CELLS or len(names) > _MOST_CELLS:
        return TableBetter("There are more groups than a picture can show side by side.")
    if len(heads) < len(names):  # the longer side across, where there is more room
        return _heat(second, first, figure, rows, {(b, a): value for (a, b), value in cells.items()})
    points = tuple(
        Point(head, cells[head, name], name) for head in heads for name in names if (head, name) in cells
    )
    value = Axis(figure.measure.title, "number", figure.measure.unit)
    title = f"{_capital(value.words)} by {first.title} and {second.title}"
    key = Axis(first.title, "category")
    return ChartIntent("heat", title, key, value, points, second.title, tuple(names))


def _ordered(key: Key, rows: Sequence[Row], cells: Cells, side: int) -> list[str]:
    """The texts of a key: in their own order where they have one, else the largest total first."""
    if key.counted:
        ranks = {key.text(row): key.rank(row) for row in rows}
        return sorted(ranks, key=lambda text: (ranks[text], text))
    totals: dict[str, float] = {}
    for pair, value in cells.items():
        totals[pair[side]] = totals.get(pair[side], 0.0) + (value or 0.0)
    return sorted(totals, key=lambda text: (-totals[text], text))


def _largest(
    names: Sequence[str], cells: Cells, figure: Figure, *, folds: bool
) -> tuple[list[str], tuple[str, ...]]:
    """The series to draw, and what is said of the others: added up where `folds`, else left out."""
    totals: dict[str, float] = dict.fromkeys(names, 0.0)
    counts: dict[str, int] = dict.fromkeys(names, 0)
    for (_, name), value in cells.items():
        totals[name] += value or 0.0
        counts[name] += value is not None
    if not (figure.additive or figure.share):
        totals = {name: total / (counts[name] or 1) for name, total in totals.items()}
    chosen = sorted(totals, key=lambda name: (-totals[name], name))
    if len(chosen) <= MOST_SERIES:
        return chosen, ()
    if folds:
        kept = chosen[: MOST_SERIES - 1]
        return [*kept, _OTHER], (f"The {len(kept)} largest of {len(chosen):,}; the rest added up.",)
    return chosen[:MOST_SERIES], (f"The {MOST_SERIES} highest of {len(chosen):,}.",)


def _folded(cells: Cells, heads: Sequence[str], chosen: Sequence[str]) -> dict[tuple[str, str], float]:
    """A value for every place: 0 where there was none, the sum of the rest under the last name."""
    folded = {(head, name): 0.0 for head in heads for name in chosen}
    for (head, name), value in cells.items():
        where = (head, name if name in chosen else _OTHER)
        if where in folded:
            folded[where] += value or 0.0
    return folded


def _adds_up(cells: Cells, heads: Sequence[str]) -> bool:
    totals = dict.fromkeys(heads, 0.0)
    for (head, _), value in cells.items():
        totals[head] += value or 0.0
    return all(abs(total - _WHOLE) <= _ROUNDED for total in totals.values())


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"

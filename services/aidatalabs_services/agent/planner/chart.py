"""A Vega-Lite chart of a result: bars for categories, a line over time, one big number for one number."""

from __future__ import annotations

from collections.abc import Sequence

from .answers import number_text
from .outcomes import Planned
from .plan import Dimension, Measure, QueryPlan

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_HUE = "#3366a8"
_MOST_ROWS = 5_000
_MOST_BARS = 50


def chart(
    planned: Planned, columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[object]]
) -> dict[str, object] | None:
    """A Vega-Lite 6 specification with its data inlined, or None where a table says it better.

    Rows are those of the result, in its order; at most 5,000 (50 for bars) are drawn.
    """
    plan = planned.plan
    if not rows or plan.form == "list" or not plan.measures:
        return None
    names = [name for name, _ in columns]
    if plan.form == "scalar":
        return _big_number(plan, names, rows[0])
    keys = [dimension for dimension in plan.dimensions if not dimension.label]
    if plan.cohort is not None and plan.cohort.kind == "funnel":
        keys = keys[1:]
    if len(keys) != 1 or _measure(plan).alias not in names:
        return None
    if keys[0].grain:
        return _line(plan, keys[0], names, rows)
    return _bars(plan, keys[0], names, rows)


def _measure(plan: QueryPlan) -> Measure:
    ordered = plan.order[0].alias if plan.order else ""
    shown = plan.numbers[-1] if plan.post else plan.measures[0]
    return next((m for m in plan.numbers if m.alias == ordered), shown)


def _title(measure: Measure) -> str:
    return f"{measure.title} ({measure.unit})" if measure.unit else measure.title


def _base(title: str, values: list[dict[str, object]]) -> dict[str, object]:
    return {"$schema": _SCHEMA, "title": title, "data": {"values": values}}


def _number(value: object) -> object:
    """Numbers as numbers; large integers and decimals arrive as text, NaN and infinity cannot be drawn."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _big_number(plan: QueryPlan, names: list[str], row: Sequence[object]) -> dict[str, object] | None:
    if len(row) != 1 or _number(row[0]) is None:
        return None
    measure = plan.measures[0]
    title = names[0].replace("_", " ") if plan.outer else _title(measure)
    spec = _base(title, [{"text": number_text(row[0])}])
    spec["mark"] = {"type": "text", "fontSize": 48, "color": _HUE}
    spec["encoding"] = {"text": {"field": "text", "type": "nominal"}}
    return spec


def _values(
    plan: QueryPlan, key: Dimension, names: list[str], rows: Sequence[Sequence[object]], most: int
) -> list[dict[str, object]]:
    measure = _measure(plan)
    label = next((d for d in plan.dimensions if d.label), None)
    values: list[dict[str, object]] = []
    for row in rows[:most]:
        text = row[names.index(key.alias)]
        shown: object = "(none)" if text is None or text == "" else str(text)
        if label is not None and row[names.index(label.alias)]:
            shown = f"{row[names.index(label.alias)]} ({shown})"
        values.append({"key": shown, "value": _number(row[names.index(measure.alias)])})
    return values


def _line(
    plan: QueryPlan, key: Dimension, names: list[str], rows: Sequence[Sequence[object]]
) -> dict[str, object]:
    measure = _measure(plan)
    values = _values(plan, key, names, rows, _MOST_ROWS)
    spec = _base(f"{_title(measure)} by {key.title}", values)
    spec["width"] = "container"
    spec["mark"] = {"type": "line", "point": len(values) <= 100, "color": _HUE}
    spec["encoding"] = {
        "x": {"field": "key", "type": "temporal", "title": key.title},
        "y": {"field": "value", "type": "quantitative", "title": _title(measure), "scale": {"zero": True}},
        "tooltip": [{"field": "key", "type": "temporal"}, {"field": "value", "type": "quantitative"}],
    }
    return spec


def _bars(
    plan: QueryPlan, key: Dimension, names: list[str], rows: Sequence[Sequence[object]]
) -> dict[str, object]:
    measure = _measure(plan)
    values = _values(plan, key, names, rows, _MOST_BARS)
    title = f"{_title(measure)} by {key.title}"
    spec = _base(title if len(rows) <= _MOST_BARS else f"{title} (first {_MOST_BARS} of {len(rows)})", values)
    spec["mark"] = {"type": "bar", "color": _HUE}
    spec["encoding"] = {
        "y": {"field": "key", "type": "nominal", "title": key.title, "sort": None},
        "x": {"field": "value", "type": "quantitative", "title": _title(measure), "scale": {"zero": True}},
        "tooltip": [{"field": "key", "type": "nominal"}, {"field": "value", "type": "quantitative"}],
    }
    return spec

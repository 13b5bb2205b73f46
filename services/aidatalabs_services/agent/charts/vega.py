"""A chart intent as a Vega-Lite 6 spec: data inlined, own field names, no expression made of data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from .intents import Axis, ChartIntent, Point
from .times import labelled

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_HUE = "#3366a8"
_PALETTE = ("#3366a8", "#e07b39", "#3f9c6e", "#b8456b", "#7a5ea8", "#9a7b2f", "#2f9aa8", "#8a8a8a")
_TIME_LABELS = 8
_LONGEST_LABEL_PIXELS = 260
_TIME_FORMATS = {
    "year": "%Y",
    "quarter": "Q%q %Y",
    "month": "%b %Y",
    "week": "%-d %b %Y",
    "day": "%-d %b %Y",
    "hour": "%-d %b %H:%M",
}
_SIZES = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"))
_CONFIG: dict[str, object] = {
    "font": "Helvetica, Arial, sans-serif",
    "view": {"stroke": None},
    "axis": {"gridColor": "#e6e6e6", "domainColor": "#999999", "tickColor": "#999999", "titlePadding": 8},
    "title": {
        "anchor": "start",
        "fontSize": 15,
        "subtitleColor": "#666666",
        "subtitleFontSize": 12,
        "offset": 12,
    },
}

Spec = dict[str, Any]


def spec_of(intent: ChartIntent) -> Spec:
    """The spec of a chart; the same intent always gives the same one."""
    title: object = {"text": intent.title, "subtitle": list(intent.notes)} if intent.notes else intent.title
    spec: Spec = {"$schema": SCHEMA, "title": title, "config": _CONFIG, "data": {"values": _values(intent)}}
    drawing = {
        "number": _number,
        "bars": _bars,
        "grouped": _grouped,
        "stacked": _stacked,
        "line": _line,
        "area": _area,
        "heat": _heat,
        "scatter": _scatter,
    }[intent.kind]
    return spec | drawing(intent)


def _values(intent: ChartIntent) -> list[Spec]:
    if intent.kind == "number":
        return [{"text": intent.text}]
    rows = [_row(point, bool(intent.series)) for point in intent.points]
    if intent.kind in ("stacked", "area"):  # the order of the parts, which would go by their names otherwise
        places = {name: place for place, name in enumerate(intent.series)}
        return [row | {"place": places[row["series"]]} for row in rows]
    return rows


def _row(point: Point, in_series: bool) -> Spec:
    row: Spec = {"key": point.key, "value": point.value}
    if in_series:
        row["series"] = point.series
    return row | {"label": point.label} if point.label else row


def _number(intent: ChartIntent) -> Spec:
    mark = {"type": "text", "fontSize": 48, "color": _HUE, "align": "center", "baseline": "middle"}
    return {
        "width": max(320, 30 * len(intent.text)),
        "height": 90,
        "mark": mark,
        "encoding": {"text": {"field": "text", "type": "nominal"}},
    }


def _bars(intent: ChartIntent) -> Spec:
    return {
        "width": "container",
        "height": {"step": 24},
        "mark": {"type": "bar", "color": _HUE, "tooltip": True},
        "encoding": {
            # The chart's title names the key; a title beside long labels would be written over them.
            "y": _category(intent.key) | {"sort": None, "title": None},
            "x": _figure(intent.value, intent.points),
            "tooltip": _tooltip(intent),
        },
    }


def _grouped(intent: ChartIntent) -> Spec:
    spec = _bars(intent)
    spec["mark"] = {"type": "bar"}
    spec["height"] = {"step": 14}
    spec["encoding"] |= {
        "yOffset": {"field": "series", "type": "nominal", "sort": list(intent.series)},
        "color": _colour(intent),
    }
    return spec


def _stacked(intent: ChartIntent) -> Spec:
    spec = _bars(intent)
    totals: dict[str, float] = {}
    for point in intent.points:
        totals[str(point.key)] = totals.get(str(point.key), 0.0) + (point.value or 0.0)
    spec["mark"] = {"type": "bar"}
    spec["encoding"] |= {
        "x": _figure(intent.value, [Point("", total) for total in totals.values()]) | {"stack": "zero"},
        "color": _colour(intent),
        "order": {"field": "place", "type": "quantitative"},
    }
    return spec


def _line(intent: ChartIntent) -> Spec:
    spec: Spec = {
        "width": "container",
        "height": 300,
        "mark": {"type": "line", "point": len(intent.points) <= 120, "color": _HUE, "strokeWidth": 2},
        "encoding": {
            "x": _time(intent.key, intent.points),
            "y": _figure(intent.value, intent.points),
            "tooltip": _tooltip(intent),
        },
    }
    if intent.series:
        spec["encoding"]["color"] = _colour(intent)
        del spec["mark"]["color"]
    return spec


def _area(intent: ChartIntent) -> Spec:
    spec = _line(intent)
    spec["mark"] = {"type": "area"}
    spec["encoding"]["y"] = _figure(intent.value, [Point("", 100.0)]) | {"stack": "normalize"}
    spec["encoding"]["y"]["axis"] = {"format": "%"}
    spec["encoding"]["order"] = {"field": "place", "type": "quantitative"}
    return spec


def _heat(intent: ChartIntent) -> Spec:
    number = {"format": _number_format(intent.value), "titleLimit": 200}
    return {
        "width": {"step": 26},
        "height": {"step": 24},
        "mark": {"type": "rect"},
        "encoding": {
            "x": _category(intent.key)
            | {"sort": _in_order(p.key for p in intent.points), "axis": {"labelAngle": -45}},
            "y": {
                "field": "series",
                "type": "nominal",
                "title": intent.series_title,
                "sort": list(intent.series),
            },
            "color": {
                "field": "value",
                "type": "quantitative",
                "title": intent.value.words,
                "scale": {"scheme": "blues"},
                "legend": number,
            },
            "tooltip": _tooltip(intent),
        },
    }


def _scatter(intent: ChartIntent) -> Spec:
    keys = [Point("", float(point.key)) for point in intent.points]
    tooltip = (
        [{"field": "label", "type": "nominal", "title": intent.series_title}] if intent.series_title else []
    )
    across = _figure(intent.key, keys) | {"field": "key"}
    return {
        "width": "container",
        "height": 360,
        "mark": {"type": "point", "filled": True, "size": 60, "opacity": 0.7, "color": _HUE},
        "encoding": {
            "x": across,
            "y": _figure(intent.value, intent.points),
            "tooltip": [
                *tooltip,
                {"field": "key", "type": "quantitative", "title": intent.key.words, "format": ",.4~f"},
                {"field": "value", "type": "quantitative", "title": intent.value.words, "format": ",.4~f"},
            ],
        },
    }


def _category(axis: Axis) -> Spec:
    return {
        "field": "key",
        "type": "nominal",
        "title": axis.title,
        "axis": {"labelLimit": _LONGEST_LABEL_PIXELS},
    }


def _time(axis: Axis, points: Sequence[Point]) -> Spec:
    """Times in UTC, labelled at steps that have rows: a label between two steps would be a lie."""
    moments = [datetime.fromisoformat(str(point.key)) for point in points]
    ticks = [int(moment.timestamp() * 1000) for moment in labelled(moments, _TIME_LABELS)]
    return {
        "field": "key",
        "type": "temporal",
        "title": axis.title,
        "scale": {"type": "utc"},
        "axis": {"format": _TIME_FORMATS.get(axis.grain, "%Y-%m-%d %H:%M"), "values": ticks, "grid": False},
    }


def _figure(axis: Axis, points: Sequence[Point]) -> Spec:
    most = max((abs(point.value) for point in points if point.value is not None), default=0.0)
    labels: Spec = {"format": _number_format(axis)}
    spread: Spec = {"tickCount": 6, "labelOverlap": True}
    for size, name in _SIZES:
        if most >= size:
            labels = {
                "labelExpr": f"datum.value ? format(datum.value / {size:.0f}, ',.3~f') + ' {name}' : '0'"
            }
            break
    else:
        if axis.unit == "percent":
            labels = {"labelExpr": "format(datum.value, ',.3~f') + ' %'"}
    if most <= 5 and axis.unit != "percent" and all(_whole(point.value) for point in points):
        labels |= {"tickMinStep": 1}
    return {
        "field": "value",
        "type": "quantitative",
        "title": axis.words,
        "scale": {"zero": axis.from_zero},
        "axis": spread | labels,
    }


def _number_format(axis: Axis) -> str:
    return ",.2~f" if axis.unit == "percent" else ",.4~f"


def _whole(value: float | None) -> bool:
    return value is None or value == int(value)


def _colour(intent: ChartIntent) -> Spec:
    domain = list(intent.series)
    title: str | None = intent.series_title or None
    return {
        "field": "series",
        "type": "nominal",
        "title": title,
        "scale": {"domain": domain, "range": list(_PALETTE[: len(domain)])},
        "legend": {"labelLimit": 200, "orient": "right"},
    }


def _tooltip(intent: ChartIntent) -> list[Mapping[str, Any]]:
    key: Spec = {"field": "key", "type": "nominal", "title": intent.key.title}
    if intent.key.scale == "time":
        key |= {
            "type": "temporal",
            "timeUnit": "utcyearmonthdatehoursminutes",
            "format": _TIME_FORMATS.get(intent.key.grain, "%Y-%m-%d %H:%M"),
        }
    value = {"field": "value", "type": "quantitative", "title": intent.value.words, "format": ",.4~f"}
    series = (
        [{"field": "series", "type": "nominal", "title": intent.series_title or "of"}]
        if intent.series
        else []
    )
    return [key, *series, value]


def _in_order(keys: Any) -> list[str]:
    return list(dict.fromkeys(str(key) for key in keys))

"""Small pictures made of text, drawn from a chart's Vega-Lite spec: bars, or a line over time.

    UA ████████████████████ 58,665         58,665 ┤      ▃█
    B6 ██████████████████▋  54,635                │▂▁ ▂▅███▂
    EV ██████████████████▌  54,173              0 ┤█████████
                                                   2013-01 … 2013-12

No line is wider than asked. Where the terminal lacks block characters, `#` and `.` stand for them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from aidatalabs_services.cli.forms import shown

INK = "blue"
MOST_BARS = 30
LINE_ROWS = 8
_WIDEST_LABEL = 32
_WIDEST_STEP = 8
_BLOCKS = (" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█")
_BARS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█")
_ASCII_BLOCKS = (" ", ".", "#")
_MIDNIGHT = ("T00:00:00Z", "T00:00:00.000Z", " 00:00:00", " 00:00:00.000")


@dataclass(frozen=True)
class Point:
    """One mark: what it is called and how much it is; None is drawn as a gap."""

    label: str
    value: float | None


def draw(spec: Mapping[str, Any], width: int, *, blocks: bool = True) -> list[Text]:
    """The lines of a picture at most `width` columns wide; none where text cannot show this chart.

    `blocks` says whether the terminal has block characters.
    """
    mark = spec.get("mark")
    kind = mark.get("type") if isinstance(mark, Mapping) else mark
    points = _points(spec)
    if kind not in ("bar", "line", "area") or len(points) < 2 or width < 1:
        return []
    drawn = _bars(points, width, blocks) if kind == "bar" else _columns(points, width, blocks)
    return [*(Text(_fitted(shown(line), width), "dim") for line in _title(spec.get("title"))), *drawn]


def _title(title: object) -> list[str]:
    """The lines of a title: a text, or a text with notes below it."""
    if isinstance(title, str):
        return [title]
    if not isinstance(title, Mapping):
        return []
    notes = title.get("subtitle") or []
    lines = [title.get("text"), *([notes] if isinstance(notes, str) else notes)]
    return [line for line in lines if isinstance(line, str)]


def _points(spec: Mapping[str, Any]) -> list[Point]:
    """The marks, in the order of the data; none where the spec has several series or no single figure."""
    encoding = spec.get("encoding") or {}
    if any(channel in encoding for channel in ("color", "row", "column", "facet", "xOffset")):
        return []
    axes = [encoding.get("x") or {}, encoding.get("y") or {}]
    figures = [axis["field"] for axis in axes if axis.get("type") == "quantitative" and "field" in axis]
    keys = [axis["field"] for axis in axes if axis.get("type") != "quantitative" and "field" in axis]
    values = (spec.get("data") or {}).get("values") or []
    if len(figures) != 1 or len(keys) != 1:
        return []
    points = [Point(_text(row.get(keys[0])), _number(row.get(figures[0]))) for row in values]
    return points if any(point.value is not None for point in points) else []


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _text(value: object) -> str:
    text = shown("" if value is None else str(value))
    for ending in _MIDNIGHT:
        text = text.removesuffix(ending)
    return text


def figure_text(value: float | None) -> str:
    """A figure beside its bar."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-3:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value == int(value) or size >= 1000 else f"{value:.4g}"


def _bars(points: Sequence[Point], width: int, blocks: bool) -> list[Text]:
    shown_points, rest = points[:MOST_BARS], points[MOST_BARS:]
    figures = [figure_text(point.value) for point in shown_points]
    figure_width = max(map(len, figures))
    longest = max(cell_len(point.label) for point in shown_points)
    label_width = min(longest, _WIDEST_LABEL, max(1, width // 3))
    room = max(1, width - label_width - figure_width - 2)
    values = [point.value or 0.0 for point in shown_points]
    scale = BarScale.of(values, room)
    lines = []
    for point, figure in zip(shown_points, figures, strict=True):
        label = _fitted(point.label, label_width)
        line = Text(" " * (label_width - cell_len(label)) + label + " ")
        line.append(scale.bar(point.value or 0.0, blocks=blocks), INK)
        line.append(f" {figure}")
        line.truncate(width)
        lines.append(line)
    if rest:
        lines.append(Text(_fitted(f"({len(rest)} more)", width), "dim"))
    return lines


@dataclass(frozen=True)
class BarScale:
    """How long bars are: `cells` columns hold `least` (0, or the lowest figure) to `most`."""

    least: float
    most: float
    cells: int

    @classmethod
    def of(cls, values: Sequence[float], cells: int) -> BarScale:
        """The scale on which the largest and the smallest of these fit."""
        return cls(min(0.0, *values), max(0.0, *values), cells)

    @property
    def zero(self) -> int:
        """The column at which bars begin: to the right for what is above zero, to the left for the rest."""
        span = self.most - self.least
        return round(-self.least / span * self.cells) if span else 0

    def bar(self, value: float, *, blocks: bool) -> str:
        """The bar of a figure with the space before it; something, however little, where it is not 0."""
        if not value:
            return " " * self.zero
        if value < 0:
            count = max(1, round(value / self.least * self.zero)) if self.zero else 0
            return " " * (self.zero - count) + ("█" if blocks else "#") * count
        room = self.cells - self.zero
        if not room:
            return " " * self.zero
        if not blocks:
            return " " * self.zero + "#" * max(1, round(value / self.most * room))
        whole, eighths = divmod(max(1, round(value / self.most * room * 8)), 8)
        return " " * self.zero + "█" * whole + _BARS[eighths]


def _columns(points: Sequence[Point], width: int, blocks: bool) -> list[Text]:
    """A filled line: one column a step of time, its height in eighths (or halves) of a row."""
    values = [point.value for point in points if point.value is not None]
    low, high = min(0.0, *values), max(0.0, *values)
    labels = [figure_text(high), figure_text(low)]
    axis = min(max(map(len, labels)), max(1, width // 3))
    room = max(1, width - axis - 2)
    heights = [_share(value, low, high) for value in _spread(points, room)]
    signs = _BLOCKS if blocks else _ASCII_BLOCKS
    lines = []
    for row in range(LINE_ROWS - 1, -1, -1):
        label = {LINE_ROWS - 1: labels[0], 0: labels[1]}.get(row, "")
        tick = ("┤" if label else "│") if blocks else "|"
        line = Text(f"{_fitted(label, axis):>{axis}} {tick}")
        line.append("".join(_sign(height, row, signs) for height in heights), INK)
        line.truncate(width)
        lines.append(line)
    return [*lines, *_foot(points, axis + 2, len(heights), width)]


def _spread(points: Sequence[Point], room: int) -> list[float | None]:
    """One figure a column: each point several columns wide, or several points as their mean in one."""
    count = len(points)
    if count <= room:
        step = min(room // count, _WIDEST_STEP)
        return [point.value for point in points for _ in range(step)]
    found: list[float | None] = []
    for column in range(room):
        part = points[column * count // room : (column + 1) * count // room]
        known = [point.value for point in part if point.value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found


def _share(value: float | None, low: float, high: float) -> float | None:
    """Where a figure lies between low and high, 0 to 1."""
    if value is None:
        return None
    return (value - low) / (high - low) if high > low else 0.0


def _sign(height: float | None, row: int, signs: Sequence[str]) -> str:
    """What a column of this height shows in a row, counted from the bottom."""
    if height is None:
        return " "
    full = len(signs) - 1
    units = round(height * LINE_ROWS * full)
    if height > 0:
        units = max(1, units)
    return signs[min(max(units - row * full, 0), full)]


def _foot(points: Sequence[Point], indent: int, columns: int, width: int) -> list[Text]:
    """The first and the last step below the ends of the line, and what one column stands for."""
    first, last = points[0].label, points[-1].label
    gap = columns - cell_len(first) - cell_len(last)
    both = indent + cell_len(first) + max(1, gap) + cell_len(last) <= width
    ends = first + " " * max(1, gap) + last if both else first
    lines = [Text(_fitted(" " * indent + ends, width), "dim")]
    if len(points) > columns:
        told = f"a column: the mean of {len(points) / columns:.1f} steps"
        lines.append(Text(_fitted(" " * indent + told, width), "dim"))
    return lines


def _fitted(text: str, width: int) -> str:
    """The text cut to at most so many columns; wide signs count two."""
    return text if cell_len(text) <= width else set_cell_size(text, width)

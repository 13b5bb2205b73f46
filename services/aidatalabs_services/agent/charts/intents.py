"""What a chart is to show, before it is Vega-Lite: kind, axes, points, and what the reader must be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChartKind = Literal["number", "bars", "grouped", "stacked", "line", "area", "heat", "scatter"]
"""A big number · bars of one series · bars side by side · bars on top of each other · lines over time ·
shares over time that fill the height · a grid of two categories coloured by the figure · points."""

Scale = Literal["category", "time", "number"]


@dataclass(frozen=True)
class Axis:
    """One axis: `title` for people without its unit; `grain` is the step of a time."""

    title: str
    scale: Scale
    unit: str = ""
    grain: str = ""
    from_zero: bool = True

    @property
    def words(self) -> str:
        """The title with the unit behind it."""
        unit = "%" if self.unit == "percent" else self.unit
        return f"{self.title} ({unit})" if unit and unit not in self.title else self.title


@dataclass(frozen=True)
class Point:
    """One mark. `key` is the text of a category, a moment as ISO text in UTC, or a number; None is a gap.

    `series` names the line, colour or row of a grid it belongs to; `label` what a point stands for.
    """

    key: str | float
    value: float | None
    series: str = ""
    label: str = ""


@dataclass(frozen=True)
class ChartIntent:
    """A chart, decided. `keys` and `series` are in the order of drawing; `notes` stand under the title."""

    kind: ChartKind
    title: str
    key: Axis
    value: Axis
    points: tuple[Point, ...]
    series_title: str = ""
    series: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    text: str = ""


@dataclass(frozen=True)
class TableBetter:
    """A picture would say less than the rows, or something else; `why` is a sentence for people."""

    why: str


Choice = ChartIntent | TableBetter

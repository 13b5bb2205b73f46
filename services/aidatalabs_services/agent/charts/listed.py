"""Lists of rows as stored: two numbers make a scatter, everything else stays a table."""

from __future__ import annotations

import re
from collections.abc import Sequence

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.plan import Dimension, QueryPlan

from .intents import Axis, ChartIntent, Choice, Point, TableBetter
from .shapes import Row, number_of

_LEAST_ROWS = 8
_MOST_ROWS = 5_000
_NAMES_NOT_AMOUNTS = re.compile(r"(^|_)(id|key|code|no|number|nr|zip|year|month|day|hour)$", re.I)


def listed(plan: QueryPlan, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> Choice:
    """A point for each row where two amounts were asked for, and nothing more."""
    places = [place for place, (name, kind) in enumerate(columns) if _amount(name, kind)]
    if len(columns) != 2 or len(places) != 2 or len(rows) < _LEAST_ROWS:
        return TableBetter("Rows as they are stored read best as a table.")
    pairs = [(number_of(row[0]), number_of(row[1])) for row in rows[:_MOST_ROWS]]
    points = tuple(Point(x, y) for x, y in pairs if x is not None and y is not None)
    if len(points) < _LEAST_ROWS:
        return TableBetter("Too few rows have both numbers.")
    titles = {dimension.alias: dimension for dimension in plan.dimensions}
    x, y = (Axis(_title(titles.get(name), name), "number") for name, _ in columns)
    left = len(rows) - len(points)
    notes = (f"{left:,} rows are not drawn.",) if left else ()
    title = f"{y.title[:1].upper()}{y.title[1:]} and {x.title} of {len(points):,} rows"
    return ChartIntent("scatter", title, x, y, points, notes=notes)


def _amount(name: str, kind: str) -> bool:
    return column_type(kind).numeric and not _NAMES_NOT_AMOUNTS.search(name)


def _title(dimension: Dimension | None, name: str) -> str:
    return dimension.title if dimension is not None and dimension.title else name.replace("_", " ")

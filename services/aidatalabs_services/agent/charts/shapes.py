"""A result read as columns to draw: the keys with their texts and the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.plan import Dimension, Measure, QueryPlan

Row = Sequence[object]

NONE_TEXT, EMPTY_TEXT = "(none)", "(empty)"
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_IN_CALENDAR_ORDER = ("hour", "weekday", "weekend", "day", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class Key:
    """A column that is grouped by: its place in the rows, and that of the name shown for it (or None)."""

    dimension: Dimension
    place: int
    label_place: int | None
    type: str

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.dimension.title

    @property
    def stepped(self) -> bool:
        """True for a time that is cut into steps."""
        return bool(self.dimension.grain)

    @property
    def counted(self) -> bool:
        """True where the values have an order of their own: parts of times, and numbers."""
        return self.dimension.part in _IN_CALENDAR_ORDER or (
            self.label_place is None and column_type(self.type).numeric
        )

    def text(self, row: Row) -> str:
        """The value of a row for readers: the name with the key behind it, weekdays and months by name."""
        value = row[self.place]
        name = None if self.label_place is None else row[self.label_place]
        shown = _key_text(value, self.dimension.part)
        return f"{name} ({shown})" if name not in (None, "") else shown

    def rank(self, row: Row) -> float:
        """Where a value stands in its own order; what is not known comes last."""
        number = number_of(row[self.place])
        return float("inf") if number is None else number


@dataclass(frozen=True)
class Figure:
    """A column of numbers."""

    measure: Measure
    place: int

    @property
    def additive(self) -> bool:
        """True where the values of groups may be added up: counts and sums, not averages."""
        return self.measure.function in ("count", "sum")

    @property
    def share(self) -> bool:
        """True for parts of a whole in percent."""
        return self.measure.function == "share"

    @property
    def of(self) -> tuple[str, str]:
        """What is measured: figures of the same thing may share an axis."""
        source = self.measure.source
        return (self.measure.unit, "") if self.measure.unit else ("", source.column if source else "")

    def value(self, row: Row) -> float | None:
        """The number of a row, or None where there is none that can be drawn."""
        return number_of(row[self.place])


def keys_of(plan: QueryPlan, columns: Sequence[tuple[str, str]]) -> list[Key]:
    """The grouping columns of a result in the plan's order."""
    names = [name for name, _ in columns]
    keys: list[Key] = []
    for dimension in plan.dimensions:
        if dimension.alias not in names:
            continue
        place = names.index(dimension.alias)
        if not dimension.label:
            keys.append(Key(dimension, place, None, columns[place][1]))
        elif keys and keys[-1].label_place is None:
            keys[-1] = Key(keys[-1].dimension, keys[-1].place, place, keys[-1].type)
    return keys


def figures_of(plan: QueryPlan, columns: Sequence[tuple[str, str]]) -> list[Figure]:
    """The columns of numbers of a result in the plan's order, those over its rows last."""
    names = [name for name, _ in columns]
    measures = cast("tuple[Measure, ...]", getattr(plan, "numbers", plan.measures))
    return [Figure(measure, names.index(measure.alias)) for measure in measures if measure.alias in names]


def number_of(value: object) -> float | None:
    """A number that can be drawn; large integers and decimals arrive as text, NaN and infinity are none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if number == int(number) and abs(number) < 2**53 else number


def distinct_texts(texts: Sequence[str]) -> list[str]:
    """The same texts with a number behind those that came before: two groups never share a bar."""
    seen: dict[str, int] = {}
    distinct = []
    for text in texts:
        seen[text] = seen.get(text, 0) + 1
        distinct.append(text if seen[text] == 1 else f"{text} [{seen[text]}]")
    return distinct


def _key_text(value: object, part: str) -> str:
    if value is None:
        return NONE_TEXT
    if value == "":
        return EMPTY_TEXT
    number = number_of(value)
    if part and number is not None:
        if part == "weekday" and 1 <= number <= 7:
            return _WEEKDAYS[int(number) - 1]
        if part == "month" and 1 <= number <= 12:
            return _MONTHS[int(number) - 1]
        if part == "hour":
            return f"{int(number):02d}:00"
        if part == "quarter":
            return f"Q{int(number)}"
    if isinstance(value, float) and number is not None:
        return f"{number}"
    return str(value)

"""When two values of a result count as the same."""

from __future__ import annotations

import json
import math
import re
from enum import Enum
from typing import Any

RELATIVE_TOLERANCE = 1e-3
_WRAPPER = re.compile(r"(?:Nullable|LowCardinality)\((.*)\)")


class Kind(Enum):
    """How a column of the right answer is compared."""

    INTEGER = "integer"
    NUMBER = "number"
    MOMENT = "moment"
    TEXT = "text"


class Missing:
    """NULL, NaN and inf: one value."""


Cell = int | float | str | type[Missing]


def kind_of(type_name: str) -> Kind:
    """The kind of a ClickHouse type."""
    while wrapped := _WRAPPER.fullmatch(type_name):
        type_name = wrapped[1]
    if type_name.startswith(("Int", "UInt", "Bool")):
        return Kind.INTEGER
    if type_name.startswith(("Float", "Decimal")):
        return Kind.NUMBER
    return Kind.MOMENT if type_name.startswith("Date") else Kind.TEXT


def cell(value: Any, kind: Kind) -> Cell:
    """A value as JSON has it, read as a column of that kind reads."""
    if value is None:
        return Missing
    if kind in (Kind.INTEGER, Kind.NUMBER):
        return _number(value)
    return _moment(value) if kind is Kind.MOMENT else _text(value)


def _number(value: Any) -> Cell:
    """Texts of numbers are numbers, with a percent sign or without; other texts are no number."""
    if isinstance(value, str):
        try:
            value = float(value.strip().removesuffix("%").replace(",", ""))
        except ValueError:
            return f"text {value.strip()}"
    if isinstance(value, list | dict):
        return f"text {json.dumps(value, sort_keys=True)}"
    number = float(value)
    if not math.isfinite(number):
        return Missing
    nearest = round(number)
    if isinstance(value, int):
        return int(value)
    return nearest if abs(number - nearest) < 1e-6 * max(1.0, abs(number)) else number


def _moment(value: Any) -> Cell:
    """A day, its midnight, and a month or year that begins with it are one value."""
    text = str(int(value) if isinstance(value, float) else value).strip().replace("T", " ").removesuffix("Z")
    if re.fullmatch(r"\d{4}|\d{6}|\d{8}", text):
        text = "-".join(filter(None, (text[:4], text[4:6], text[6:])))
    if re.fullmatch(r"\d{4}(-\d\d)?", text):
        text = f"{text}-01-01"[:10]
    if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", text):
        text += ":00"
    return re.sub(r"\.0+$", "", text).removesuffix(" 00:00:00")


def _text(value: Any) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    return str(value).strip()


def is_close(right: Cell, given: Cell, tolerance: float) -> bool:
    """Whether a number is the right one within a relative tolerance, or is it rounded to be shown."""
    if right == given:
        return True
    if not isinstance(right, int | float) or not isinstance(given, int | float):
        return False
    if abs(right - given) <= max(tolerance * abs(right), 1e-9):
        return True
    places = (1, 2, 3, 4) if abs(right) >= 10 else (2, 3, 4) if abs(right) >= 0.1 else ()
    return any(abs(given - round(right, count)) < 1e-9 for count in places)

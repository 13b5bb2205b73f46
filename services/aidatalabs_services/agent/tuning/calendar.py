"""Comparisons of a part of a time with a value, read as the span of time they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from sqlglot import exp

_FORMATS = {"%Y-%m-%d": "day", "%F": "day", "%Y-%m": "month", "%Y": "year", "%Y%m": "month", "%Y%m%d": "day"}
_YEARS = range(1971, 2149)  # what a DateTime can hold, whole years only
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z")


@dataclass(frozen=True)
class Span:
    """The days from `first` to before `after`, ISO text, in the column's own zone."""

    column: exp.Column
    first: str
    after: str


def span_of(comparison: exp.EQ) -> Span | None:
    """The span that `part(column) = value` means; None for every other comparison."""
    for part, value in (
        (comparison.this, comparison.expression),
        (comparison.expression, comparison.this),
    ):
        if isinstance(value, exp.Literal):
            found = _read(part, str(value.this), value.is_string)
            if found is not None:
                return found
    return None


def _read(part: exp.Expr, value: str, is_text: bool) -> Span | None:
    name, arguments = _call(part)
    if not arguments or not isinstance(arguments[0], exp.Column):
        return None
    column = arguments[0]
    if name in ("toyear", "year") and len(arguments) == 1 and not is_text:
        return _span(column, value, "year")
    if name in ("toyyyymm", "toyyyymmdd") and len(arguments) == 1 and not is_text:
        grain = "month" if name == "toyyyymm" else "day"
        return _span(column, value, grain) if len(value) == (6 if grain == "month" else 8) else None
    if name in ("todate", "date") and len(arguments) == 1 and is_text and _DAY.match(value):
        return _span(column, value, "day")
    if name == "formatdatetime" and len(arguments) == 2 and is_text and isinstance(arguments[1], exp.Literal):
        grain = _FORMATS.get(str(arguments[1].this), "")
        shown = value if grain else ""
        dashed = "-" in str(arguments[1].this) or str(arguments[1].this) == "%F"
        wanted = {"day": r"\d{4}-\d\d-\d\d" if dashed else r"\d{8}", "year": r"\d{4}"}
        wanted["month"] = r"\d{4}-\d\d" if dashed else r"\d{6}"
        if grain and re.fullmatch(wanted[grain], shown):
            return _span(column, shown, grain)
    return None


def _call(part: exp.Expr) -> tuple[str, list[exp.Expr]]:
    """A function's name and arguments as the text has them, whatever the parser made of it."""
    if isinstance(part, exp.Anonymous):
        return part.name.lower(), list(part.expressions)
    text = part.sql(dialect="clickhouse")
    called = re.match(r"([A-Za-z]+)\(", text)
    if not isinstance(part, exp.Func) or called is None:
        return "", []
    inner: list[exp.Expr] = []
    inner += [each for each in part.iter_expressions() if isinstance(each, exp.Column | exp.Literal)]
    return called[1].lower(), inner


def _span(column: exp.Column, value: str, grain: str) -> Span | None:
    digits = value.replace("-", "")
    try:
        year = int(digits[:4])
        month = int(digits[4:6]) if grain != "year" else 1
        first = date(year, month, int(digits[6:8]) if grain == "day" else 1)
    except ValueError:
        return None
    if year not in _YEARS:
        return None
    after = first + timedelta(days=1)
    if grain == "month":
        after = date(year + month // 12, month % 12 + 1, 1)
    elif grain == "year":
        after = date(year + 1, 1, 1)
    return Span(column, first.isoformat(), after.isoformat())

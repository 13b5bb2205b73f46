"""Calendar arithmetic: units of time, points such as `July 4` without a year, and the windows they span."""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import datetime, timedelta

MONTHS = tuple(name.casefold() for name in calendar.month_name)
UNITS = ("hour", "day", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class Point:
    """A calendar unit named in words; a missing year is open. Examples: 2013, July, Q2 2024, July 4."""

    year: int | None = None
    quarter: int | None = None
    month: int | None = None
    day: int | None = None

    def interval(self, year: int) -> tuple[datetime, datetime] | None:
        """Half-open bounds of this unit in `year` (its own year wins); None for dates such as February 30."""
        at = self.year or year
        try:
            if self.quarter:
                start = datetime(at, 3 * self.quarter - 2, 1)
                return start, shift_months(start, 3)
            if self.month is None:
                return datetime(at, 1, 1), datetime(at + 1, 1, 1)
            if self.day is None:
                start = datetime(at, self.month, 1)
                return start, shift_months(start, 1)
            start = datetime(at, self.month, self.day)
        except ValueError:
            return None
        return start, start + timedelta(days=1)

    @property
    def name(self) -> str:
        """The unit in words, as far as it was named."""
        year = f" {self.year}" if self.year else ""
        if self.quarter:
            return f"Q{self.quarter}{year}"
        if self.month is None:
            return str(self.year)
        month = MONTHS[self.month].capitalize()
        return f"{month} {self.day},{year}".rstrip(",") if self.day else f"{month}{year}"


def follows(first: Point, last: Point) -> bool:
    """True where one unit is the next of the same kind: March and April, 2014 and 2015."""
    if (first.day, last.day) != (None, None):
        return False
    if first.quarter and last.quarter:
        return first.quarter + 1 == last.quarter and first.year in (None, last.year)
    if first.month and last.month:
        return first.month + 1 == last.month and first.year in (None, last.year)
    years = first.year is not None and last.year is not None
    return years and not (first.month or last.month or first.quarter or last.quarter) and (
        (first.year or 0) + 1 == last.year
    )  # fmt: skip


def shift_months(moment: datetime, months: int) -> datetime:
    """The same day and clock so many months on; the end of a shorter month is kept inside it."""
    total = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(total, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def shift(moment: datetime, unit: str, count: int) -> datetime:
    """`moment` moved by `count` units."""
    if unit == "hour":
        return moment + timedelta(hours=count)
    if unit in ("day", "week"):
        return moment + timedelta(days=count * (7 if unit == "week" else 1))
    return shift_months(moment, count * {"month": 1, "quarter": 3, "year": 12}[unit])


def floor(moment: datetime, unit: str) -> datetime:
    """The start of the unit `moment` lies in; weeks start on Monday."""
    if unit == "hour":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "month":
        return day.replace(day=1)
    if unit == "quarter":
        return day.replace(month=3 * ((day.month - 1) // 3) + 1, day=1)
    return day.replace(month=1, day=1) if unit == "year" else day


def iso(moment: datetime) -> str:
    """`2013-07-01` at midnight, `2013-07-01T14:30:00` otherwise."""
    text = moment.replace(microsecond=0).isoformat()
    return text[:10] if text.endswith("T00:00:00") else text

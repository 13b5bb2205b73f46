"""Times named by the calendar: weekdays, ISO weeks, halves, decades, full units, units ago, joined units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from .moments import UNITS, floor, shift, shift_months
from .words import Token

_WEEKDAYS = {name: place for place, name in enumerate(
    ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"))}  # fmt: skip
_LEADS = frozenset(("in", "during", "over", "within", "for", "of", "the", "on", "from", "throughout"))
_FULL = frozenset(("full", "complete", "completed", "whole", "entire", "calendar", "iso"))
_HALVES = {"first": 0, "1st": 0, "second": 1, "2nd": 1}
_FISCAL = re.compile(r"fy(\d{2}|\d{4})")
_DECADE = re.compile(r"((?:19|20)\d0)s")


@dataclass(frozen=True)
class Span:
    """A time read on the clock: tokens [start, end), half-open bounds, an empty one being open."""

    start: int
    end: int
    low: datetime | None
    high: datetime | None


class CalendarReader:
    """Reads times of the calendar at a token; `now` is the local clock."""

    def __init__(self, tokens: Sequence[Token], now: datetime) -> None:
        self._tokens = tokens
        self._now = now

    def at(self, index: int) -> Span | None:
        """The time named from `index` on, with the words before it that introduce a time."""
        mode, begin = "", index
        if self._word(begin) in ("since", "after", "before", "until", "till", "starting"):
            mode, begin = self._word(begin), begin + 1
        led = begin
        while self._word(begin) in _LEADS and begin < led + 3:
            begin += 1
        found = (
            self._weekday(begin) or self._week(begin) or self._half(begin) or self._named(begin)
            or self._full(begin) or self._ago(begin) or self._first_of(begin)
        )  # fmt: skip
        if found is None:
            return None
        end, low, high = found
        if mode in ("since", "starting"):
            return Span(index, end, low, None)
        if mode == "after":
            return Span(index, end, high, None)
        if mode == "before":
            return Span(index, end, None, low)
        return Span(index, end, None if mode else low, high)

    def _word(self, index: int) -> str:
        return self._tokens[index].word if 0 <= index < len(self._tokens) else ""

    def _lemma(self, index: int) -> str:
        return self._tokens[index].lemma if 0 <= index < len(self._tokens) else ""

    def _number(self, index: int) -> int:
        token = self._tokens[index] if 0 <= index < len(self._tokens) else None
        whole = token is not None and token.number is not None and token.number == int(token.number)
        return int(token.number or 0) if token is not None and whole else 0

    def _year(self, index: int) -> tuple[int, int]:
        """A year at `index`, `of` before it left out, and the index behind it; 0 where there is none."""
        at = index + 1 if self._word(index) in ("of", "in", ",") else index
        year = self._number(at)
        return (year, at + 1) if 1900 <= year < 2100 and len(self._tokens[at].raw) == 4 else (0, index)

    def _weekday(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`last Friday` lies strictly before today; `since Monday` may be today's."""
        said = self._word(index)
        today = floor(self._now, "day")
        if said in ("last", "previous", "past") and self._word(index + 1) in _WEEKDAYS:
            back = (today.weekday() - _WEEKDAYS[self._word(index + 1)] - 1) % 7 + 1
            day = shift(today, "day", -back)
            return index + 2, day, shift(day, "day", 1)
        if said in _WEEKDAYS and self._word(index - 1) == "since":
            day = shift(today, "day", -((today.weekday() - _WEEKDAYS[said]) % 7))
            return index + 1, day, shift(day, "day", 1)
        if said == "day" and self._word(index + 1) == "before" and self._word(index + 2) == "yesterday":
            return index + 3, shift(today, "day", -2), shift(today, "day", -1)
        return None

    def _week(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`week 23`, `calendar week 5 of 2024`: ISO weeks; without a year the latest that has begun."""
        begin = index + 1 if self._word(index) in ("calendar", "iso") else index
        number = self._number(begin + 1)
        if self._word(begin) not in ("week", "cw", "kw") or not 1 <= number <= 53:
            return None
        year, end = self._year(begin + 2)
        at = year or self._now.year
        try:
            low = datetime.fromisocalendar(at, number, 1)
            if not year and low > self._now:
                low = datetime.fromisocalendar(at - 1, number, 1)
        except ValueError:
            return None
        return (end if year else begin + 2), low, shift(low, "week", 1)

    def _half(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`H1 2024`, `first half of 2023`; without a year the latest that has begun."""
        word = self._word(index)
        half, end = {"h1": 0, "h2": 1}.get(word, -1), index + 1
        if word in _HALVES and self._word(index + 1) == "half":
            half, end = _HALVES[word], index + 2
        if half < 0:
            return None
        year, after = self._year(end)
        if not year and self._word(end) in ("of", "in"):
            return None
        low = datetime(year or self._now.year, 1 + 6 * half, 1)
        if not year and low > self._now:
            low = datetime(self._now.year - 1, 1 + 6 * half, 1)
        return (after if year else end), low, shift_months(low, 6)

    def _named(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`FY2023`, `fiscal year 2023` (the calendar year), `the 1990s`."""
        word = self._word(index)
        fiscal, decade = _FISCAL.fullmatch(word), _DECADE.fullmatch(word)
        if fiscal is not None:
            year = int(fiscal[1]) + (2000 if len(fiscal[1]) == 2 else 0)
            return index + 1, datetime(year, 1, 1), datetime(year + 1, 1, 1)
        if word == "fiscal" and self._word(index + 1) == "year":
            year, end = self._year(index + 2)
            return (end, datetime(year, 1, 1), datetime(year + 1, 1, 1)) if year else None
        if decade is not None:
            return index + 1, datetime(int(decade[1]), 1, 1), datetime(int(decade[1]) + 10, 1, 1)
        return None

    def _full(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`last full month`, `previous calendar week`, `last 3 complete months`; `trailing 12 months`."""
        if self._word(index) == "trailing" and self._number(index + 1) and self._lemma(index + 2) in UNITS:
            low = shift(self._now, self._lemma(index + 2), -self._number(index + 1))
            return index + 3, low, self._now
        if self._word(index) not in ("last", "previous", "past", "latest"):
            return None
        at, count = index + 1, 1
        if self._number(at):
            at, count = at + 1, self._number(at)
        if self._word(at) not in _FULL or self._lemma(at + 1) not in UNITS:
            return None
        unit = self._lemma(at + 1)
        high = floor(self._now, unit)
        return at + 2, shift(high, unit, -count), high

    def _ago(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`a week ago`, `one year ago`: that day."""
        one = self._word(index) in ("a", "an")
        if not one or self._word(index + 1) not in UNITS or self._word(index + 2) != "ago":
            return None
        unit = self._word(index + 1)
        step = "hour" if unit == "hour" else "day"
        low = floor(shift(self._now, unit, -1), step)
        return index + 3, low, shift(low, step, 1)

    def _first_of(self, index: int) -> tuple[int, datetime, datetime] | None:
        """`first 3 months of 2024`, `last 2 weeks of 2023`."""
        way, count, unit = self._word(index), self._number(index + 1), self._lemma(index + 2)
        if way not in ("first", "last") or not 1 <= count <= 366 or unit not in UNITS[1:]:
            return None
        year, end = self._year(index + 3)
        if not year or self._word(index + 3) not in ("of", "in"):
            return None
        low, high = datetime(year, 1, 1), datetime(year + 1, 1, 1)
        if way == "first":
            return end, low, shift(low, unit, count)
        return end, shift(high, unit, -count), high

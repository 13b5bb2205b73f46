"""Words about time found in a question: windows, steps of a series, repeating parts of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from .calendar_words import CalendarReader
from .moments import MONTHS, UNITS, Point, floor, follows, shift
from .words import Token

_MONTH_NUMBERS = {name: number for number, name in enumerate(MONTHS) if name}
_MONTH_NUMBERS |= {name[:3]: number for name, number in list(_MONTH_NUMBERS.items())} | {"sept": 9}
_ADVERBS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "quarterly": "quarter",
            "yearly": "year", "annual": "year", "annually": "year"}  # fmt: skip
_ORDINAL_QUARTERS = {"first": 1, "1st": 1, "second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4}
_AFTER_CUES = {"in", "during", "of", "since", "before", "after", "until", "till", "for", "from", "to",
"through",
               "throughout", "on", "within", "year", "and", "between"}  # fmt: skip
_MODES = {"since": "since", "starting": "since", "after": "after", "before": "before", "until": "until",
          "till": "until", "through": "until", "prior": "before", "following": "after"}  # fmt: skip
_PARTS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("weekday", "or", "weekend"), "weekend"),
    (("weekend", "or", "weekday"), "weekend"),
    (("day", "of", "the", "week"), "weekday"),
    (("day", "of", "week"), "weekday"),
    (("weekday",), "weekday"),
    (("hour", "of", "the", "day"), "hour"),
    (("hour", "of", "day"), "hour"),
    (("time", "of", "day"), "hour"),
    (("month", "of", "the", "year"), "month"),
    (("calendar", "month"), "month"),
    (("day", "of", "the", "month"), "day"),
    (("day", "of", "month"), "day"),
    (("week", "of", "the", "year"), "week"),
    (("week", "of", "year"), "week"),
    (("quarter", "of", "the", "year"), "quarter"),
)


@dataclass(frozen=True)
class TimeMention:
    """One expression of time over the tokens [start, end).

    `kind` is window, grain, part or unit (a bare word such as month that only its neighbours can
    explain). Windows hold either points (`mode` in, between, since, after, before, until, from) or, when
    `mode` is clock, bounds already read on the clock. `days` is N for `last N days`, so that whole days can
    be shown instead.
    """

    kind: str
    start: int
    end: int
    unit: str = ""
    mode: str = ""
    first: Point | None = None
    last: Point | None = None
    low: datetime | None = None
    high: datetime | None = None
    days: int = 0
    words: str = ""


class TimeReader:
    """Finds expressions of time in tokens; `now` is the local clock in the zone the question is asked in."""

    def __init__(self, tokens: Sequence[Token], now: datetime) -> None:
        self._tokens = tokens
        self._now = now

    def _word(self, index: int) -> str:
        return self._tokens[index].word if 0 <= index < len(self._tokens) else ""

    def _lemma(self, index: int) -> str:
        return self._tokens[index].lemma if 0 <= index < len(self._tokens) else ""

    def read(self) -> list[TimeMention]:
        """All mentions from left to right, none overlapping."""
        found: list[TimeMention] = []
        index = 0
        while index < len(self._tokens):
            mention = (
                self._ranged(index)
                or self._calendar(index)
                or self._relative(index)
                or self._joined(index)
                or self._anchored(index)
                or self._step(index)
            )
            if mention is None:
                index += 1
                continue
            found.append(mention)
            index = mention.end
        return found

    def _point(self, index: int, cue: bool) -> tuple[Point, int] | None:
        """A point at `index` and the index behind it; `cue` says that a word before it promises a time."""
        if index >= len(self._tokens):
            return None
        token = self._tokens[index]
        if token.kind == "date":
            year, month, day = (int(part) for part in token.word.split("-"))
            return (Point(year, None, month, day), index + 1) if 1 <= month <= 12 and day else None
        if token.kind == "yearmonth":
            year, month = (int(part) for part in token.word.split("-"))
            return (Point(year, None, month), index + 1) if 1 <= month <= 12 else None
        if self._is_month(index, cue):
            return self._month_point(index)
        day_first = token.number is not None and token.number == int(token.number) and 1 <= token.number <= 31
        if day_first:
            behind = index + 2 if self._word(index + 1) == "of" else index + 1
            if self._is_month(behind, True):
                year_end = self._year(behind + 1)
                month = _MONTH_NUMBERS[self._word(behind)]
                return Point(year_end[0], None, month, int(token.number or 0)), year_end[1]
        quarter = self._quarter(index)
        if quarter:
            return quarter
        if cue or self._compared(index - 1):
            year_number, end = self._year(index)
            if year_number:
                return Point(year_number), end
        return None

    def _compared(self, index: int) -> bool:
        """A comparing word at `index`: `in 2024 versus 2023`, `compare … in 2024 with 2023`."""
        word = self._word(index)
        if word in ("versus", "vs", "against"):
            return True
        words = {token.word for token in self._tokens[: max(index, 0)]}
        return word in ("with", "to") and bool(words & {"compare", "compared", "comparing", "comparison"})

    def _is_month(self, index: int, cue: bool) -> bool:
        word = self._word(index)
        if word not in _MONTH_NUMBERS:
            return False
        if word in ("may", "march", "mar", "dec", "sep", "jan", "jun"):
            return cue or (self._tokens[index].raw[0].isupper() and index > 0)
        return True

    def _month_point(self, index: int) -> tuple[Point, int]:
        month = _MONTH_NUMBERS[self._word(index)]
        token = self._tokens[index + 1] if index + 1 < len(self._tokens) else None
        if (
            token
            and token.number is not None
            and 1 <= token.number <= 31
            and token.number == int(token.number)
        ):
            year, end = self._year(index + 2)
            return Point(year, None, month, int(token.number)), end
        behind = index + 2 if self._word(index + 1) == "of" else index + 1
        year, end = self._year(behind)
        return Point(year, None, month), end if year else index + 1

    def _year(self, index: int) -> tuple[int | None, int]:
        """A year number at `index` (a comma before it is fine) and the index behind it."""
        clock = index + 1 if self._word(index) == "of" else index
        if self._word(clock) in ("this", "last") and self._word(clock + 1) == "year" and index > 0:
            return self._now.year - (self._word(clock) == "last"), clock + 2
        begin = index + 1 if self._word(index) in (",", "year") else index
        token = self._tokens[begin] if begin < len(self._tokens) else None
        if token and token.kind == "number" and len(token.raw) == 4 and 1900 <= (token.number or 0) < 2100:
            return int(token.number or 0), begin + 1
        return None, index

    def _quarter(self, index: int) -> tuple[Point, int] | None:
        word = self._word(index)
        number, end = 0, index + 1
        if len(word) == 2 and word[0] == "q" and word[1] in "1234":
            number = int(word[1])
        elif word in _ORDINAL_QUARTERS and self._word(index + 1) == "quarter":
            number, end = _ORDINAL_QUARTERS[word], index + 2
        if not number:
            return None
        behind = end + 1 if self._word(end) == "of" else end
        year, after = self._year(behind)
        return Point(year, number), after if year else end

    def _span(self, start: int, end: int) -> str:
        return " ".join(token.raw for token in self._tokens[start:end])

    def _ranged(self, index: int) -> TimeMention | None:
        """between A and B, from A to B, A to B, A through B."""
        cue = self._word(index) in ("between", "from")
        begin = index + 1 if cue else index
        first = self._point(begin, cue or self._word(index - 1) in _AFTER_CUES)
        if first is None:
            return None
        joiners: tuple[str, ...] = (
            ("and", "to", "until", "till", "through") if cue else ("to", "through", "until", "till")
        )
        if self._word(index) == "from":
            joiners = joiners[1:]
        if self._word(first[1]) not in joiners:
            return None
        last = self._point(first[1] + 1, True)
        if last is None:
            return None
        return self._window(index, last[1], "between", first[0], last[0])

    def _window(
        self, start: int, end: int, mode: str, first: Point, last: Point | None = None
    ) -> TimeMention:
        return TimeMention("window", start, end, "", mode, first, last, words=self._span(start, end))

    def _anchored(self, index: int) -> TimeMention | None:
        """A point, alone or after in, since, after, before, until …"""
        begin, mode = index, "in"
        word = self._word(index)
        if word in _MODES or (word in ("up", "as") and self._word(index + 1) in ("to", "of")):
            mode = _MODES.get(word, "until")
            begin = index + 1
            if self._word(begin) in ("from", "to", "in", "on", "of", "with"):
                begin += 1
            if self._word(begin) == "the" and self._word(begin + 1) in ("start", "beginning", "end"):
                mode = "after" if self._word(begin + 1) == "end" and mode == "since" else mode
                begin += 3 if self._word(begin + 2) == "of" else 2
        elif word in ("in", "during", "on", "throughout", "within", "for", "of"):
            begin = index + 1
            begin += 1 if self._word(begin) == "the" else 0
        elif word == "from":
            begin, mode = index + 1, "from"
        if self._word(begin) in ("year", "month") and begin + 1 < len(self._tokens):
            begin += 1
        cue = begin > index or self._word(index - 1) in _AFTER_CUES
        point = self._point(begin, cue)
        if point is None:
            return None
        end = point[1]
        if word == "from" and begin == index + 1 and self._word(end) in ("on", "onward", "onwards"):
            return self._window(index, end + 1, "since", point[0])
        return self._window(index, end, mode, point[0])

    def _calendar(self, index: int) -> TimeMention | None:
        """Weekdays, weeks, halves and the like, which only the clock can place."""
        span = CalendarReader(self._tokens, self._now).at(index)
        if span is None:
            return None
        return TimeMention("window", index, span.end, mode="clock", low=span.low, high=span.high,
                           words=self._span(index, span.end))  # fmt: skip

    def _joined(self, index: int) -> TimeMention | None:
        """`in March and April 2024`, `2014 or 2015`: units that follow one another are one time."""
        first = self._anchored(index)
        if first is None or first.mode != "in" or first.first is None:
            return None
        if self._word(first.end) not in ("and", "or"):
            return None
        last = self._point(first.end + 1, True)
        if last is None or not follows(first.first, last[0]):
            return None
        one = first.first
        if one.year is None and last[0].year is not None:
            one = replace(one, year=last[0].year)
        return self._window(index, last[1], "between", one, last[0])

    def _relative(self, index: int) -> TimeMention | None:
        """today, yesterday, this month, last week, last 7 days, 3 days ago, year to date."""
        start = index
        while self._word(index) in (
            "in",
            "during",
            "over",
            "within",
            "for",
            "of",
            "the",
            "on",
            "from",
            "since",
        ):
            index += 1
        if index > start + 2 or index >= len(self._tokens):
            return None
        found = self._relative_at(index)
        if found is None:
            return None
        end, low, high, days = found
        if any(self._word(place) == "since" for place in range(start, index)):
            high = self._now
        return TimeMention("window", start, end, mode="clock", low=low, high=high, days=days,
                           words=self._span(start, end))  # fmt: skip

    def _relative_at(self, index: int) -> tuple[int, datetime, datetime, int] | None:
        word, following = self._word(index), self._lemma(index + 1)
        behind = index + (3 if self._lemma(index + 2) in UNITS else 2)
        if word == "last" and self._word(behind) == "of":
            return None  # `the last day of each month`
        today = floor(self._now, "day")
        if word == "today":
            return index + 1, today, shift(today, "day", 1), 0
        if word == "yesterday":
            return index + 1, shift(today, "day", -1), today, 0
        if word in ("this", "current") and following in UNITS:
            low = floor(self._now, following)
            return index + 2, low, shift(low, following, 1), 0
        if following == "to" and self._word(index + 2) == "date" and word in UNITS:
            return index + 3, floor(self._now, word), self._now, 0
        if word in ("last", "previous", "past") and following in UNITS:
            if following == "hour" or (word == "past" and following != "hour"):
                low = (
                    shift(self._now, "day", -365) if following == "year" else shift(self._now, following, -1)
                )
                return index + 2, low, self._now, 0
            high = floor(self._now, following)
            return index + 2, shift(high, following, -1), high, 0
        token = self._tokens[index + 1] if index + 1 < len(self._tokens) else None
        unit = self._lemma(index + 2)
        count = int(token.number) if token and token.number is not None and token.number >= 1 else 0
        if word in ("last", "past", "previous") and count and unit in UNITS and count < 10_000:
            days = count * (7 if unit == "week" else 1) if unit in ("day", "week") else 0
            return index + 3, shift(self._now, unit, -count), self._now, days
        number = self._tokens[index].number
        if number and following in UNITS and self._word(index + 2) == "ago" and number < 10_000:
            low = floor(shift(self._now, following, -int(number)), following)
            return index + 3, low, shift(low, following, 1), 0
        return None

    def _step(self, index: int) -> TimeMention | None:
        """daily, per month, day of the week; a bare unit word is left for its neighbours to explain."""
        for words, part in _PARTS:
            if words == ("weekday",) and self._word(index - 1) in ("on", "during", "at"):
                continue  # `orders on weekdays` are some of them
            if tuple(self._lemma(index + offset) for offset in range(len(words))) == words:
                return TimeMention("part", index, index + len(words), unit=part, words=part)
        word = self._word(index)
        stepped = word in UNITS and self._word(index + 1) == "by" and self._word(index + 2) == word
        if stepped:  # `month by month`
            return TimeMention("grain", index, index + 3, unit=word, words=self._span(index, index + 3))
        if word == "single" and self._lemma(index + 1) == "hour":
            return TimeMention("unit", index, index + 2, unit="hour", words="single hour")
        if word in _ADVERBS:
            return TimeMention("grain", index, index + 1, unit=_ADVERBS[word], words=word)
        if word == "over" and self._word(index + 1) == "time":
            return TimeMention("grain", index, index + 2, unit="auto", words="over time")
        if self._lemma(index) in UNITS:
            return TimeMention("unit", index, index + 1, unit=self._lemma(index), words=word)
        return None

"""Rows of some days of the week or hours of the day, and weekdays beside weekends."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.outcomes import Clarification, ClarificationChoice, Planned
from aidatalabs_services.agent.planner.plan import Filter, QueryPlan, Source

from .inner import Framed, Inner, Stopped, refused
from .wording import Wording, tidy

_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DAY = rf"(?:{'|'.join(_NAMES)})"
_DAYS = re.compile(
    rf"\s*\b(?:only\s+)?(?:on|during)\s+(?P<days>{_DAY}s(?:\s*(?:,|and|or|,\s*and)\s*(?:on\s+)?{_DAY}s)*)\b"
    rf"|\s*\b(?:on\s+)?every\s+(?P<each>{_DAY})\b"
)
_ENDS = re.compile(
    r"\s*\b(?:only\s+)?(?:on|during|at)\s+(?:the\s+)?(?P<many>weekends|weekdays|working\s+days"
    r"|business\s+days)\b"
    r"|(?<!by )(?<!per )(?<!each )(?<!every )\b(?P<one>weekend|weekday)(?=\s+(?!or\b|and\b|vs\b|versus\b)\w)"
)
_CLOCK = r"(?P<{0}>\d{{1,2}})(?::00)?\s*(?P<{0}u>am|pm|a\.m\.|p\.m\.|h|o'clock|hours|uhr)?"
_HOURS = re.compile(
    rf"\s*\b(?:between|from)\s+{_CLOCK.format('a')}\s+(?:and|to|until)\s+{_CLOCK.format('b')}(?!\w)"
)
_SIDE = re.compile(
    rf"\s*\b(?P<side>before|after|since|until|from|at)\s+(?:(?P<noon>noon)\b|{_CLOCK.format('a')}(?!\w))"
)
_HALVES = re.compile(
    r"\s*\b(?:on\s+)?(?:the\s+)?(?P<a>weekdays?|weekends?)\s*,?\s*(?:or|vs|versus|and|with|to|against"
    r"|compared\s+(?:to|with)|than)\s+"
    r"(?:on\s+)?(?:the\s+)?(?P<b>weekdays?|weekends?)\b"
)
_HALF_WORDS = re.compile(  # what only carries the comparison
    r"^(?:did|do|does|were|was|are|is|compare|have|has)\s+(?:there\s+)?(?:more\s+|fewer\s+|less\s+)?"
    r"|\s*\b(?:happen(?:ed)?|occur(?:red)?|made|placed)?\s*\bmore(?:\s+often)?\b|\s*[,.?]?\s*\bcount\s+both\b"
    r"|\s*\b(?:happen|occur)(?:ed)?\b|\bby\s*$",
    re.I,
)
_VAGUE = re.compile(r"\b(?:recently|lately|these\s+days|nowadays)\b")
_CHOICES = ("in the last 7 days", "in the last 30 days", "in the last 90 days")


class PartedFrames:
    """Frames of repeating parts of a time; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner, again: Inner) -> None:
        self._index = index
        self._inner = inner
        self._again = again

    def vague(self, wording: Wording) -> Framed | None:
        """`recently` says no time: some are offered."""
        match = wording.search(_VAGUE)
        if match is None:
            return None
        made = []
        for words in _CHOICES:
            text = " ".join(f"{wording.text[: match.start()]} {words} {wording.text[match.end() :]}".split())
            outcome = self._again.whole(text)
            if isinstance(outcome, Planned):
                made.append(ClarificationChoice(words, text, outcome.sql))
        if not made:
            raise refused(f"'{match.group()}' says no time: say one, such as 'in the last 30 days'.")
        raise Stopped(Clarification(f"Since when is '{match.group()}'?", tuple(made)))

    def halves(self, wording: Wording) -> Framed | None:
        """`more sales on weekdays or on weekends`: the number of each."""
        match = wording.search(_HALVES)
        if match is None or match["a"].rstrip("s") == match["b"].rstrip("s"):
            return None
        rest = wording.without(match.span())
        before = ""
        while before != rest:
            before, rest = rest, tidy(_HALF_WORDS.sub(" ", rest, count=1))
        plan = self._inner.number(f"{rest} by weekday or weekend", lambda text: text)
        return Framed(plan, tuple(self._inner.read), (), self._inner.confidence)

    def days(self, wording: Wording) -> Framed | None:
        """`orders on Mondays`, `weekend sales`: only rows of these days."""
        match, ends = wording.search(_DAYS), wording.search(_ENDS)
        if match is None and ends is None:
            return None
        if match is not None:
            said = match["days"] or match["each"]
            numbers = tuple(str(_NAMES.index(name) + 1) for name in re.findall(_DAY, said))
            span = match.span()
        else:
            assert ends is not None  # noqa: S101 - one of the two was found
            weekend = (ends["many"] or ends["one"]).startswith("weekend")
            numbers, span = (("6", "7") if weekend else ("1", "2", "3", "4", "5")), ends.span()
        plan, time = self._planned(wording, span)
        condition = Filter(time, "in", numbers, numeric=True, part="weekday")
        return self._limited(plan, (condition,))

    def hours(self, wording: Wording) -> Framed | None:
        """`trips between 9 and 17h`, `orders after 6 pm`: only rows of these hours of any day."""
        match = wording.search(_HOURS)
        if match is not None and match["bu"]:
            low, high = _hour(match["a"], match["au"] or match["bu"]), _hour(match["b"], match["bu"])
            if low > high and match["au"] is None:
                low = _hour(match["a"], None)
            if not 0 <= low < high <= 24:
                raise refused("The hours have to lie in one day, the earlier one first.")
            bounds: tuple[tuple[str, int], ...] = (("ge", low), ("lt", high))
            span = match.span()
        else:
            side = wording.search(_SIDE)
            if side is None or not (side["noon"] or side["au"]):
                return None
            at = 12 if side["noon"] else _hour(side["a"], side["au"])
            if side["side"] == "at" and side["noon"]:
                return None
            late = side["side"] in ("after", "since", "from")
            bounds = (("ge" if late else "lt", at),) if side["side"] != "at" else (("eq", at),)
            span = side.span()
        plan, time = self._planned(wording, span)
        if column_type(time.type).kind != "datetime" and not (time.calendar and time.calendar[3]):
            raise refused(f"{time.column or 'The date'} tells no hours.")
        conditions = tuple(Filter(time, op, (str(at),), numeric=True, part="hour") for op, at in bounds)
        return self._limited(plan, conditions)

    def _planned(self, wording: Wording, span: tuple[int, int]) -> tuple[QueryPlan, Source]:
        """The plan without these words, and the time that they are said of."""
        cut = wording.text[span[0] : span[1]]
        rest = " ".join(f"{wording.text[: span[0]]} {wording.text[span[1] :]}".split())
        plan = self._inner.planned(rest, lambda text: f"{text} {cut}")
        shared = {"percent", "share", "percentage", "ratio"} & {m.function for m in plan.measures}
        if plan.cohort is not None or plan.post or shared:
            raise refused(f"'{cut.strip()}' cannot be said of this number yet.")
        sources = [window.source for window in plan.windows] + [
            d.source for d in plan.dimensions if d.grain or d.part
        ]
        if not sources:
            stepped = self._inner.planned(f"number of rows of `{plan.table}` by day", lambda text: text)
            sources = [d.source for d in stepped.dimensions if d.grain]
        if len(set(sources)) != 1:
            raise refused(f"'{cut.strip()}' does not say which time is meant.")
        return plan, sources[0]

    def _limited(self, plan: QueryPlan, conditions: tuple[Filter, ...]) -> Framed:
        made = replace(plan, filters=(*plan.filters, *conditions))
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)


def _hour(digits: str, unit: str | None) -> int:
    hour = int(digits)
    if unit and unit.startswith("p"):
        return hour + 12 if hour < 12 else 12
    if unit and unit.startswith("a"):
        return 0 if hour == 12 else hour
    return hour

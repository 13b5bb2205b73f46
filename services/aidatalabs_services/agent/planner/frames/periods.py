"""One number at two times, or for two values, side by side: `orders this month versus last month`."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from datetime import datetime

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.items import Item
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Measure, Order, QueryPlan, Window

from .inner import Framed, Inner, refused
from .merging import merged
from .shifting import alike, before, until_now, year_before
from .wording import Wording, tidy

_LINK = (
    r"(?:versus|vs|against|compared?\s+(?:to|with|against)|(?:in\s+)?compari(?:son|ng)\s+(?:to|with)|than"
    r"|relative\s+to)"
)
_LINKS = re.compile(rf"\s*[,.]?\s*\b{_LINK}\b")
_SOFT = re.compile(r"\s*[,.]?\s*\b(?:to|with|and|versus|vs|against|compared?\s+(?:to|with)|than)\b")
_AGAIN = re.compile(
    r"\s*(?:(?:that|those|the\s+(?:one|ones|number|value|figure)s?)(?:\s+(?:of|in|from|for|during))?)?\s*$"
)
_COMPARE = re.compile(
    r"^(?:compare|compared|comparing|comparison\s+of|a\s+comparison\s+of|how\s+(?:do|does|did|is|are)"
    r"|(?:were|was|are|is|did|do|have|had)\s+(?:we\s+)?(?:there\s+|have\s+|get\s+)?(?:more|fewer"
    r"|less))\s+(?:the\s+)?"
)
_COMPARES = re.compile(r"\s+compares?d?$")
_CHANGED = re.compile(
    r"\bhow\s+(?:much\s+)?(?:did|has|have)\s+(?:the\s+)?(?P<m>.+?)\s+(?P<verb>grow|grown|change"
    r"|changed|increase|increased|"
    r"decrease|decreased|drop|dropped|fall|fallen|rise|risen|decline|declined)\b"
)
_CHANGE = re.compile(
    r"\b(?:absolute\s+)?(?:(?P<pct>percent(?:age)?|%|relative)\s+)?(?P<word>change|growth|difference"
    r"|increase|decrease|gain|drop"
    r"|decline|rise)s?(?P<rate>\s+rate)?\s+(?:in|of)\s+(?:the\s+)?"
)
_PERCENT = re.compile(
    r"\s*,?\s*\b(?:in|as|by\s+what)\s+(?:a\s+)?(?:percent(?:age)?s?|%)(?=\W|$)|\bby\s+how\s+many\s+percent\b"
)
_ABSOLUTE = re.compile(r"\s*,?\s*\bin\s+absolute\s+(?:terms|numbers|values)\b")
_PREVIOUS = re.compile(
    rf"\s*[,.]?\s*\b{_LINK}\s+(?:(?:that|those|the\s+one)\s+(?:of|in|from)\s+)?(?:the\s+)?(?:"
    r"(?:(?:previous|prior|preceding)\s+(?P<unit>hour|day|week|month|quarter|year|period|one))"
    r"|(?P<unit2>hour|day|week|month|quarter|year|period)\s+before(?:\s+that)?"
    r"|(?P<yoy>same\s+(?:day|week|month|quarter|period|time|dates?)\s+(?:of\s+|in\s+)?(?:the\s+)?"
    r"(?:last|previous|prior|preceding)\s+year"
    r"|(?:a|one)\s+year\s+(?:ago|before|earlier)))\b"
)
_GAINED = re.compile(
    r"^(?:which|what)\s+(?P<x>[\w` ]+?)\s+(?:(?P<verb>gained|added|lost)\s+(?:the\s+)?"
    r"(?P<most>most|least)\s+(?P<m>.+)"
    r"|(?:has|have|had|shows?|showed|saw|with)\s+the\s+(?P<way>biggest|largest|highest|strongest"
    r"|greatest|smallest|lowest)\s+"
    r"(?P<what>(?:(?:percent(?:age)?|relative|absolute)\s+)?(?:increase|growth|gain|rise|decrease|drop"
    r"|decline|fall|loss|change))"
    r"\s+(?:in|of)\s+(?P<m2>.+))$"
)
_DOWN = frozenset(("lost", "decrease", "drop", "decline", "fall", "loss"))
_WAY_DOWN = frozenset(("smallest", "lowest", "least"))


@dataclass(frozen=True)
class _Pair:
    """The two questions of a comparison, with what tells them apart in words."""

    first: str
    second: str
    names: tuple[str, str]
    timed: bool = True


class PeriodFrames:
    """Frames of two times or values; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner, linked: Linked, now: datetime) -> None:
        self._now = now
        self._index = index
        self._inner = inner
        self._linked = linked
        self._text = linked.question

    def compared(self, _: Wording) -> Framed | None:
        """Two times, or two values of one column, said in so many words."""
        percent, absolute = _PERCENT.search(self._text.lower()), _ABSOLUTE.search(self._text.lower())
        kinds = _kinds(self._text.lower(), percent is not None, absolute is not None)
        pair = self._previous_words() or self._two(kinds) or self._range(kinds)
        if pair is None:
            return None
        plans = (
            self._inner.number(pair.first, lambda text: text),
            self._inner.number(pair.second, lambda text: text),
        )
        return self._beside(plans, pair, kinds or ("both",))

    def shifted(self, _: Wording) -> Framed | None:
        """`orders in May versus the previous month`, `… than in the same period last year`."""
        found = _PREVIOUS.search(self._text.lower())
        if found is None:
            return None
        start, end = found.span()
        windows = [item for item in self._windows() if self._span(item)[0] < start]
        if len(windows) != 1:
            return None
        rest = _plain(self._text[:start] + self._text[end:])
        plan = self._inner.number(rest, lambda text: f"{text} {self._text[start:end]}")
        if len(plan.windows) != 1 or not (plan.windows[0].start and plan.windows[0].end):
            raise refused(
                "A comparison with the time before needs a time that begins and ends, such as 'in May'."
            )
        window = until_now(plan.windows[0], self._now) if found["yoy"] else plan.windows[0]
        plan = replace(plan, windows=(window,))
        said = found["unit"] or found["unit2"] or ""
        earlier = year_before(window) if found["yoy"] else before(window, said)
        if earlier is None:
            raise refused(f"'{said}' does not fit the time that is compared: say both times.")
        other = replace(plan, windows=(earlier,))
        names = (_words(windows[0]), "a year before" if found["yoy"] else "before")
        kinds = _kinds(self._text.lower(), bool(_PERCENT.search(self._text.lower())), absolute=False)
        return self._beside((plan, other), _Pair(rest, rest, names), kinds or ("both",))

    def gained(self, wording: Wording) -> Framed | None:
        """`which region gained the most sales from April to May`: groups in the order of their change."""
        absolute, percent = wording.search(_ABSOLUTE), wording.search(_PERCENT)
        spans = [found.span() for found in (absolute, percent) if found is not None]
        held = Wording(wording.without(*spans)) if spans else wording
        match = held.search(_GAINED)
        if match is None:
            return None
        metric = held.group(match, "m") or held.group(match, "m2")
        what = match["what"] or match["verb"]
        relative = percent is not None or what.startswith(("percent", "relative")) or (
            what.endswith("growth") and absolute is None and not what.startswith("absolute")
        )  # fmt: skip
        word = "percentage change" if relative else "absolute difference"
        thing = held.group(match, "x")
        plan = self._inner.tried(f"{word} in {metric} by {thing}")
        if (
            plan is None
            or len(plan.measures) != 1
            or plan.measures[0].function not in ("difference", "growth")
        ):
            return None
        down = what.split()[-1] in _DOWN
        descending = (match["way"] or match["most"]) not in _WAY_DOWN
        order = (
            Order(plan.measures[0].alias, descending != down),
            *(Order(d.alias, False) for d in plan.dimensions),
        )
        made = replace(plan, order=order, limit=1)
        way = "highest" if descending != down else "lowest"
        return Framed(
            made, tuple(self._inner.read), (f"Keeps the one with the {way} change.",), self._inner.confidence
        )

    def _windows(self) -> list[Item]:
        return [item for item in self._linked.items if item.kind == "window"]

    def _span(self, item: Item) -> tuple[int, int]:
        tokens = self._linked.tokens
        return tokens[item.start].start, tokens[item.end - 1].end

    def _two(self, kinds: tuple[str, ...]) -> _Pair | None:
        """Two times or two values with a comparing word between them."""
        lead = bool(_COMPARE.match(self._text.lower().strip())) or bool(kinds)
        values = [item for item in self._linked.items if item.kind == "value"]
        windows = self._windows()
        pairs = [*(itertools.pairwise(windows) if len(windows) == 2 else ()), *itertools.pairwise(values)]
        for first, second in pairs:
            (a, b), (c, d) = self._span(first), self._span(second)
            between = self._text[b:c]
            timed = first.kind == "window"
            link = _LINKS.search(between.lower()) or (_SOFT.search(between.lower()) if lead else None)
            noun = between[: link.start()].strip(" ,").lower() if link is not None else ""
            if link is None or (noun and not self._text[d:].lower().strip().startswith(noun)):
                continue
            if not self._repeats(between[link.end() :], self._text[:a]):
                continue
            if not timed and between.strip(" ,").lower() == "and":
                continue  # groups by the two values
            if not timed and not self._same_column(first, second):
                continue
            one, two = self._text[a:b], self._text[c:d]
            if timed:
                one, two = self._dated(first, one, second, two)
            head, tail = self._text[:a], self._text[d:]
            return _Pair(
                _plain(head + one + tail), _plain(head + two + tail), (_bare(one), _bare(two)), timed
            )
        return None

    def _same_column(self, first: Item, second: Item) -> bool:
        columns = [{(c.table, c.column) for c in item.candidates} for item in (first, second)]
        return bool(columns[0] & columns[1])

    @staticmethod
    def _repeats(between: str, head: str) -> bool:
        """Only words that were said before, or that stand for them, may come between: `vs orders in`."""
        left = _AGAIN.sub("", between.lower()).split()
        said = set(head.lower().split()) | {
            "in",
            "on",
            "for",
            "the",
            "of",
            "during",
            "from",
            "by",
            "at",
            "with",
        }
        return all(word.strip(",") in said for word in left)

    @staticmethod
    def _dated(first: Item, one: str, second: Item, two: str) -> tuple[str, str]:
        """`May vs June 2024`: both are of that year; a point without its preposition gets one."""
        a, b = (item.time.first if item.time else None for item in (first, second))
        if a is not None and b is not None and a.year is None and b.year is not None and a.month == a.month:
            one = f"{one} {b.year}"
        two = (
            two
            if b is None or re.match(r"(?:in|on|during|for|of|throughout)\b", two.lower())
            else f"in {two}"
        )
        one = (
            one
            if a is None or re.match(r"(?:in|on|during|for|of|throughout)\b", one.lower())
            else f"in {one}"
        )
        return one, two

    def _range(self, kinds: tuple[str, ...]) -> _Pair | None:
        """`change in sales from April to May`: the two ends of one span of time."""
        windows = self._windows()
        lead = bool(kinds) or bool(_COMPARE.match(self._text.lower().strip()))
        if not lead or len(windows) != 1 or windows[0].time is None or windows[0].time.mode != "between":
            return None
        mention = windows[0].time
        if mention.first is None or mention.last is None:
            return None
        a, b = self._span(windows[0])
        first = mention.first
        if first.year is None and mention.last.year is not None:
            first = replace(first, year=mention.last.year)
        head, tail = self._text[:a], self._text[b:]
        if {"year"} == {_unit(first), _unit(mention.last)} or _unit(first) == _unit(mention.last):
            ends = (first.name, mention.last.name)
            return _Pair(_plain(f"{head}in {ends[0]}{tail}"), _plain(f"{head}in {ends[1]}{tail}"), ends)
        return None

    def _previous_words(self) -> _Pair | None:
        """`orders versus last month`: this month is what is compared."""
        windows = self._windows()
        if len(windows) != 1:
            return None
        a, b = self._span(windows[0])
        words = self._text[a:b].lower()
        link = re.search(rf"\s*[,.]?\s*{_LINK}\s*$", self._text[:a].lower())
        unit = re.fullmatch(
            r"(?:the\s+)?(?:last|previous)\s+(hour|day|week|month|quarter|year)|yesterday", words
        )
        if link is None or unit is None:
            return None
        this = f"this {unit[1]}" if unit[1] else "today"
        head, tail = self._text[: link.start()], self._text[b:]
        return _Pair(_plain(f"{head} {this}{tail}"), _plain(f"{head} {words}{tail}"), (this, words))

    def _beside(self, plans: tuple[QueryPlan, QueryPlan], pair: _Pair, kinds: tuple[str, ...]) -> Framed:
        base = plans[0].measures[0].title
        names = (f"{base} ({pair.names[0]})", f"{base} ({pair.names[1]})")
        if pair.timed and not alike(*(window for plan in plans for window in plan.windows)):
            raise refused(
                f"'{pair.names[0]}' and '{pair.names[1]}' are not equally long: say two times of one length."
            )
        plan = merged(plans, names, self._index)
        early = list(plan.measures)
        if (
            pair.timed
            and plans[0].windows
            and plans[1].windows
            and plans[1].windows[0].start < plans[0].windows[0].start
        ):
            early.reverse()
        before_, after = early
        measures = list(plan.measures) if "both" in kinds else []
        free = Names(self._index, plan.table)
        free.taken(*(d.alias for d in plan.dimensions), *(m.alias for m in plan.measures))
        if "change" in kinds or ("both" in kinds and pair.timed):
            title = f"change of {base}"
            measures.append(
                Measure("difference", None, free.fresh(title), title, before_.unit, parts=(after, before_))
            )
        if "growth" in kinds or ("both" in kinds and pair.timed):
            title = f"change of {base} in percent"
            measures.append(
                Measure("growth", None, free.fresh(title), title, "percent", parts=(after, before_))
            )
        keys = tuple(Order(d.alias, False) for d in plan.dimensions)
        natural = any(d.grain or d.part for d in plan.dimensions)
        order = (
            keys
            if natural or not keys
            else (Order(measures[-1 if len(measures) == 1 else 0].alias, True), *keys)
        )
        made = replace(plan, measures=tuple(measures), order=order)
        lines = tuple(
            f"{name[0].upper()}{name[1:]}: {window.words}."
            for name, each in zip(pair.names, plans, strict=True)
            for window in each.windows
            if pair.timed
        )
        return Framed(made, tuple(self._inner.read), lines, self._inner.confidence)


def _hull(plans: tuple[QueryPlan, QueryPlan]) -> tuple[Window, ...]:
    """The time from the first bound to the last: no other rows are looked at."""
    windows = [window for plan in plans for window in plan.windows]
    same = len(windows) == 2 and windows[0].source == windows[1].source
    if not same or not all(window.start and window.end for window in windows):
        return ()
    start, end = min(w.start for w in windows), max(w.end for w in windows)
    return (
        replace(windows[0], start=start, end=end, words=f"both lie from {start} up to {end} (not included)"),
    )


def _unit(point: object) -> str:
    names = ("day", "month", "quarter")
    return next((name for name in names if getattr(point, name)), "year")


def _kinds(text: str, percent: bool, absolute: bool) -> tuple[str, ...]:
    """Which numbers a word of change asks for; empty where the question has none."""
    changed, change = _CHANGED.search(text), _CHANGE.search(text)
    if changed is None and change is None:
        return ()
    if absolute or "absolute " in text:
        return ("change",)
    found = change.groupdict() if change is not None else {}
    if percent or found.get("pct") or found.get("rate") or found.get("word") == "growth":
        return ("growth",)
    return ("change",) if found.get("word") in ("difference", "gain") else ("change", "growth")


def _plain(text: str) -> str:
    """The question without its comparing words."""
    low = text.lower()
    for pattern in (_PERCENT, _ABSOLUTE):
        text = pattern.sub(" ", text) if pattern.search(low) else text
        low = text.lower()
    changed = _CHANGED.search(low)
    if changed is not None:
        start, end = changed.span("m")
        text = f"{text[: changed.start()]} {text[start:end]} {text[changed.end() :]}"
    text = " ".join(text.split())
    match = _COMPARE.match(text.lower())
    text = text[match.end() :] if match else text
    text = tidy(text)
    match = _CHANGE.match(text.lower())
    text = text[match.end() :] if match else text
    return tidy(_COMPARES.sub("", text))


def _words(item: Item) -> str:
    return _bare(item.text)


def _bare(text: str) -> str:
    return re.sub(r"^(?:in|on|during|for|of|the|throughout)\s+", "", text.strip(), flags=re.I)

"""How long it takes from one event to another, or from one date of a row to another."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Cohort, Filter, Measure

from .followers import Followed, Followers, moment_of, spoken
from .inner import Framed
from .paths import FIRST, PathFrames
from .wording import Wording

_SPAN = re.compile(
    r"^(?:(?:what\s+is|what's|show|give\s+me)\s+)?(?:the\s+)?(?:(?P<fold>average|avg|mean|median"
    r"|minimum|shortest|maximum|longest|typical)\s+)?"
    r"(?:number\s+of\s+)?(?P<unit>seconds?|minutes?|hours?|days?|weeks?|months?|time)\s+(?:it\s+takes?"
    r"\s+)?(?:between|from|passes?\s+between|elapsed\s+between)\s+"
    r"(?P<a>.+?)\s+(?:and|to|until|till)\s+(?P<b>.+)$"
)
_HOW_LONG = re.compile(
    r"^how\s+(?:long|many\s+(?P<unit>seconds|minutes|hours|days|weeks|months))\s+(?:(?:does|did|do)"
    r"\s+it\s+take|is\s+it|pass(?:es)?|(?:is|are)\s+there)?\s*"
    r"(?P<mean>on\s+average)?\s*(?:for\s+\w+\s+)?(?:to\s+get\s+|to\s+go\s+)?(?:between|from)\s+"
    r"(?P<a>.+?)\s+(?:and|to|until|till)\s+(?P<b>.+?)(?P<mean2>\s+on\s+average)?$"
)
_FOLDS = {"average": "avg", "avg": "avg", "mean": "avg", "typical": "median", "median": "median",
          "minimum": "min", "shortest": "min", "maximum": "max", "longest": "max"}  # fmt: skip


class SpanFrames(PathFrames):
    """Frames of spans of time; each returns None where its cue is not in the question."""

    def span(self, wording: Wording) -> Framed | None:
        """`average days between sign up and first order`: from the first of one to the next of the other."""
        match = wording.search(_SPAN) or wording.search(_HOW_LONG)
        if match is None:
            return None
        found = match.groupdict()
        first, second = (FIRST.sub("", wording.group(match, name)) for name in ("a", "b"))
        rows = self._between_columns(wording, match, first, second)
        if rows is not None:
            return rows
        unit = (found.get("unit") or "day").rstrip("s")
        unit = "day" if unit == "time" else unit
        second, by = self._parted(second)
        fold = _FOLDS.get(found.get("fold") or "average", "avg")
        followers = Followers(self._index, self._inner)
        plan, source, steps = self._path([first, second], "")
        followed = Followed(spoken(source), plan, source, self._subjects.time(plan))
        tail = followers.tail(followed, f"by {by}" if by else "")
        cohort = Cohort("follow_list", source, followed.time, steps, True)
        ways = replace(followers.rows(followed, tail, cohort), windows=plan.windows)
        title = f"{found.get('fold') or 'average'} {unit}s from {steps[0].title} to {steps[1].title}"
        counted = "whole calendar steps" if unit in ("day", "week", "month") else "elapsed time"
        line = (
            f"For each of the {spoken(source)}: from the first {steps[0].title} to the next "
            f"{steps[1].title}, in {unit}s ({counted}); who never got there is left out."
        )
        start, end = (moment_of(followed.time, name) for name in ("start_", "end_"))
        measure = Measure(fold, end, "", title, f"{unit}s", since=start, grain=unit)
        known = Filter(replace(end, type=f"Nullable({end.type})"), "not_null")
        over = followers.over(ways, tail, (measure,), start, (known,))
        return followers.framed(over, line)

    def _between_columns(
        self, wording: Wording, match: re.Match[str], first: str, second: str
    ) -> Framed | None:
        """`average days between order date and ship date`: two dates of one row."""
        tail = re.search(r"\s+(?:by|per|for|in|where|with|of)\s.*$", second.lower())
        behind = second[tail.start() :] if tail else ""
        second = second[: tail.start()] if tail else second
        plans = [self._inner.tried(f"latest {words.strip()}") for words in (first, second)]
        sources = [
            p.measures[0].source for p in plans if p is not None and len(p.measures) == 1 and not p.filters
        ]
        held = [s for s in sources if s is not None and column_type(s.type).temporal]
        if len(held) != 2 or held[0].table != held[1].table or held[0] == held[1]:
            return None
        found = match.groupdict()
        if any(p is None or p.joins or p.dimensions or p.measures[0].function != "max" for p in plans):
            return None
        base = self._inner.planned(f"number of rows of `{held[0].table}`{behind}", lambda text: text)
        unit = (found.get("unit") or "day").rstrip("s")
        unit = "day" if unit == "time" else unit
        fold = _FOLDS.get(found.get("fold") or "average", "avg")
        title = f"{found.get('fold') or 'average'} {unit}s from {held[0].column} to {held[1].column}"
        names = Names(self._index, base.table)
        for dimension in base.dimensions:
            names.taken(dimension.alias)
        measure = Measure(fold, held[1], names.fresh(title), title, f"{unit}s", since=held[0], grain=unit)
        order = tuple(
            replace(o, alias=measure.alias) if o.alias == base.measures[0].alias else o for o in base.order
        )
        made = replace(base, measures=(measure,), order=order)
        return Framed(made, tuple(self._inner.read), (), self._inner.confidence)

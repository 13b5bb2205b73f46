"""When something happened first or last: both at once, or of one subject."""

from __future__ import annotations

import re
from dataclasses import replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.naming import Names
from aidatalabs_services.agent.planner.plan import Measure

from .events import acted_out
from .inner import Framed, Inner, refused
from .merging import merged
from .wording import Wording

_BOTH = re.compile(
    r"^(?:when\s+(?:did|was|were|is|are)|(?:what\s+(?:is|was|are|were)\s+)?(?:the\s+)?(?:dates?"
    r"|times?)\s+of)\s+(?:the\s+)?"
    r"(?P<a>first|earliest|oldest)\s+and\s+(?:the\s+)?(?P<b>last|latest|newest|most\s+recent)\s+(?P<x>.+?)"
    r"(?:\s+(?:happen|happened|occur|occurred|take\s+place|made|recorded|placed))?$"
)
_SEEN = re.compile(
    r"^when\s+(?:was|were|did|has|had)\s+(?P<who>.+?)\s+(?P<way>first|last|most\s+recently)\s+"
    r"(?:(?P<seen>seen|active|here|around)|(?P<did>\w.+))$"
)


class MomentFrames:
    """Frames of first and last times; each returns None where its cue is not in the question."""

    def __init__(self, index: CatalogueIndex, inner: Inner) -> None:
        self._index = index
        self._inner = inner

    def ends(self, wording: Wording) -> Framed | None:
        """`when did the first and the last order happen`: both times."""
        match = wording.search(_BOTH)
        if match is None:
            return None
        what = wording.group(match, "x")
        plans = tuple(
            self._inner.planned(f"when was the {way} {what}", lambda text: text) for way in ("first", "last")
        )
        first, last = plans
        if any(len(plan.measures) != 1 or plan.measures[0].function not in ("min", "max") for plan in plans):
            raise refused(f"'{what}' has no first and last time.")
        plan = merged((first, last), (first.measures[0].title, last.measures[0].title), self._index)
        return Framed(plan, tuple(self._inner.read), (), self._inner.confidence)

    def seen(self, wording: Wording) -> Framed | None:
        """`when was member 12 last seen`: the last of all rows of one subject, or of those that are it."""
        match = wording.search(_SEEN)
        if match is None:
            return None
        who, did = wording.group(match, "who"), wording.group(match, "did")
        found = []
        for table in self._index.catalogue.tables:
            spoken = f" {acted_out(self._index, table.name, did)}" if did else ""
            plan = self._inner.tried(f"number of rows of `{table.name}` of {who}{spoken}")
            counted = plan is not None and [m.function for m in plan.measures] == ["count"]
            if (
                plan is not None
                and counted
                and plan.table == table.name
                and plan.filters
                and not plan.dimensions
            ):
                found.append(plan)
        if len(found) != 1:
            return None
        plan = found[0]
        stepped = self._inner.planned(f"number of rows of `{plan.table}` by day", lambda text: text)
        sources = [d.source for d in stepped.dimensions if d.grain]
        if len(sources) != 1 or sources[0].calendar:
            raise refused(f"{plan.table} has no one time that tells first from last.")
        function = "min" if match["way"] == "first" else "max"
        title = f"{'first' if function == 'min' else 'last'} time"
        measure = Measure(function, sources[0], Names(self._index, plan.table).fresh(title), title)
        return Framed(replace(plan, measures=(measure,)), tuple(self._inner.read), (), self._inner.confidence)

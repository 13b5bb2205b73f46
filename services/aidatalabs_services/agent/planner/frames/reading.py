"""Which frame a question stands in, if any."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome
from aidatalabs_services.agent.planner.plan import Filter, Order

from .folds import FoldFrames
from .inner import Framed, Inner, Stopped, refused
from .intervals import IntervalFrames
from .moments_of import MomentFrames
from .newcomers import NewcomerFrames
from .parted import PartedFrames
from .per_one import PerOneFrames
from .periods import PeriodFrames
from .ranges import RangeFrames
from .ratios import RatioFrames
from .returning import ReturnFrames
from .rewording import Rewordings
from .series import SeriesFrames
from .sessions import SessionFrames
from .spans import SpanFrames
from .subjects import SubjectFrames
from .winners import WinnerFrames
from .wording import COUNT, Wording, number, tidy

_CUES = frozenset(
    [
        "growth",
        "change",
        "difference",
        "cumulative",
        "running",
        "moving",
        "rolling",
        "funnel",
        "retention",
        "session",
        "ratio",
        "rate",
        "conversion",
        "share",
        "increase",
        "decrease",
        "retained",
        "returning",
        "active",
        "compare",
    ]
)
_WEAK = frozenset(
    (
        *("members", "share", "compared", "winners", "active", "steps", "folded", "ends", "seen", "both"),
        *("newcomers", "first_deeds", "repeated", "returned", "reworded", "filled", "frequent"),
        *("agents", "people", "per_one", "shares", "gaps", "nth", "since", "dates", "active_days"),
    )
)
"""Frames of ordinary words: where they cannot answer, the question is read as it stands."""
_ASKS = frozenset(("newcomers", "per_one"))
"""Frames of ordinary words whose questions back are asked nevertheless."""

_NAMED = 0.05
_EXTREMES = {"highest": True, "largest": True, "biggest": True, "greatest": True, "best": True,
             "strongest": True,
             "lowest": False, "smallest": False, "worst": False, "weakest": False}  # fmt: skip
_WHICH = re.compile(
    rf"^(?:which|what)\s+(?:(?P<n>{COUNT})\s+)?(?P<x>[\w`\u0001 ]+?)\s+"
    r"(?:has|have|had|shows?|showed|saw|with)\s+the\s+"
    rf"(?P<way>{'|'.join(_EXTREMES)})\s+(?P<m>.+)$"
)
_TOP = re.compile(
    rf"^(?:the\s+)?(?P<way>top|bottom)\s+(?P<n>{COUNT})\s+(?P<x>[\w`\u0001 ]+?)\s+by\s+(?P<m>.+)$"
)


class Frames:
    """Reads the frames of one question.

    `ask` plans the text inside, which may be framed again; `plain` without frames; `whole` plans another
    wording of the whole question.
    """

    def __init__(
        self,
        index: CatalogueIndex,
        ask: Callable[[str], Outcome],
        plain: Callable[[str], Outcome],
        whole: Callable[[str], Outcome],
        now: datetime,
    ) -> None:
        self._now = now
        self._index = index
        self._ask = ask
        self._plain = plain
        self._whole = whole

    def read(self, linked: Linked) -> Framed | None:
        """What the question's frame makes of it, or None where it has no frame.

        Raises Stopped where the frame was understood and the words in it cannot be answered.
        """
        wording = Wording(linked.question, _hidden(linked))
        stopped: Stopped | None = None
        for frame in self._frames(linked):
            try:
                framed = frame(wording)
            except Stopped as error:
                weak = getattr(frame, "__name__", "") in _WEAK
                asks = isinstance(error.outcome, Clarification) and getattr(frame, "__name__", "") in _ASKS
                if asks:
                    raise
                if getattr(frame, "__name__", "") == "shifted":
                    raise
                stopped = stopped or (None if weak else error)
                continue
            if framed is not None:
                return framed
        if stopped is not None:
            raise stopped
        return None

    def _frames(self, linked: Linked) -> Iterator[Callable[[Wording], Framed | None]]:
        """The frames in the order they are tried, each with a fresh record of what is asked inside."""
        for name in ("people", "reworded"):
            yield getattr(Rewordings(self._index, self._inner()), name)
        for name in ("sticky", "per_one", "shares"):
            yield getattr(PerOneFrames(self._index, self._inner()), name)
        for name in ("bucketed", "filled", "frequent"):
            yield getattr(RangeFrames(self._index, self._inner()), name)
        for name in ("vague", "halves", "days", "hours"):
            yield getattr(PartedFrames(self._index, self._inner(), self._inner()), name)
        for name in ("ends", "seen"):
            yield getattr(MomentFrames(self._index, self._inner(plain=True)), name)
        for name in ("active", "steps", "folded"):
            yield getattr(FoldFrames(self._index, self._inner()), name)
        yield SeriesFrames(self._index, self._inner()).before
        for name in ("gained", "shifted", "compared"):
            yield getattr(PeriodFrames(self._index, self._inner(), linked, self._now), name)
        for name in ("both", "newcomers", "first_deeds", "repeated"):
            yield getattr(NewcomerFrames(self._index, self._inner(plain=True)), name)
        for name in ("gaps", "nth", "since", "dates", "active_days"):
            yield getattr(IntervalFrames(self._index, self._inner(plain=True)), name)
        yield WinnerFrames(self._index, self._inner()).upper
        yield WinnerFrames(self._index, self._inner(plain=True)).winners
        yield self.ranked
        for name in ("running", "moving", "growth"):
            yield getattr(SeriesFrames(self._index, self._inner()), name)
        for name in ("kept", "returned"):
            yield getattr(ReturnFrames(self._index, self._inner(plain=True)), name)
        yield SessionFrames(self._index, self._inner(plain=True)).sessions
        for name in ("funnel", "conversion", "span", "retention"):
            yield getattr(SpanFrames(self._index, self._inner(plain=True)), name)
        yield SubjectFrames(self._index, self._inner(plain=True)).members
        yield RangeFrames(self._index, self._inner()).steps
        yield Rewordings(self._index, self._inner()).agents
        for name in ("ratio", "rate", "share"):
            yield getattr(RatioFrames(self._index, self._inner()), name)

    def _inner(self, *, plain: bool = False) -> Inner:
        return Inner(self._plain if plain else self._ask, self._whole)

    def ranked(self, wording: Wording) -> Framed | None:
        """`which country has the highest ratio of A to B`, `top 3 shops by growth of sales`: a framed number
        of groups, put in order."""
        match = wording.search(_WHICH) or wording.search(_TOP)
        if match is None:
            return None
        thing, metric = wording.group(match, "x"), wording.group(match, "m")
        if not any(re.search(rf"\b{cue}\b", metric.lower()) for cue in _CUES | {"divided", "percentage"}):
            return None
        way = match["way"]
        descending = way == "top" or _EXTREMES.get(way, False)
        limit = number(match["n"]) if match["n"] else 1
        inner = self._inner()
        plan = inner.planned(tidy(f"{metric} by {thing}"), lambda text: text)
        followed = plan.cohort is not None and not plan.cohort.groups
        if len(plan.measures) != 1 or not plan.dimensions or plan.limit or followed:
            raise refused("This asks for a winner among groups, which this number cannot be ranked for.")
        by = plan.numbers[-1].alias
        unknown = tuple(
            Filter(d.source, "not_null")
            for d in plan.dimensions
            if not d.grain and plan.cohort is None and (d.source.path or column_type(d.source.type).nullable)
        )
        order = (Order(by, descending), *(Order(d.alias, False) for d in plan.dimensions))
        filters = (*plan.filters, *(f for f in unknown if f not in plan.filters))
        made = replace(plan, order=order, limit=limit, filters=filters)
        line = f"Keeps the {limit} with the {'highest' if descending else 'lowest'} {plan.numbers[-1].title}."
        return Framed(made, tuple(inner.read), (line,), inner.confidence)


def _hidden(linked: Linked) -> list[str]:
    """Names and values of the data that have a cue word in them: they are no cues here."""
    return [
        item.text
        for item in linked.items
        if item.kind in ("name", "value")
        and item.candidates
        and item.candidates[0].cost <= _NAMED
        and any(token.lemma in _CUES for token in linked.tokens[item.start : item.end])
    ]

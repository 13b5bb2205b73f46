"""What becomes of a refused question in other words: an answer, a question back, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import (
    Clarification,
    ClarificationChoice,
    Outcome,
    Planned,
    Refusal,
)
from aidatalabs_services.agent.planner.plan import Filter, QueryPlan

from .acts import acts, commanded
from .lasting import unended, unmeasured
from .readings import Reading, Spoken
from .rewording import Rewording, rewordings

_EXPECTING = re.compile(
    r"\b(currently|at\s+the\s+moment|right\s+now|at\s+present|as\s+of\s+now|as\s+we\s+speak|presently|still|longest|shortest"
    r"|slowest|fastest|quickest)\b",
    re.I,
)
"""Words that an answer may not have left out."""
_MARGIN = 0.03
"""Readings that cost no more than this are as good as one another."""
_MOST_CHOICES = 4


@dataclass(frozen=True)
class _Tried:
    reworded: Rewording
    outcome: Planned | Clarification


def insisted(
    index: CatalogueIndex, linked: Linked, ask: Callable[[str], Outcome], outcome: Outcome
) -> Outcome:
    """The outcome, unless it leaves out that only what goes on now is asked for (`currently on loan`), that a
    length of time is (`longest loan`), or takes a whole deed (`accounts were created`) for half of one."""
    spoken = Spoken(index, linked)
    if isinstance(outcome, Clarification):
        whole = [r for r in acts(spoken, known=True) if r.cost <= 2 * _MARGIN]
        found = answered(index, linked, ask, whole) if whole else None
        return found if isinstance(found, Planned) else outcome
    if not isinstance(outcome, Planned) or not _EXPECTING.search(linked.question):
        return outcome
    now = [] if any(f.operator == "is_null" for f in _filters(outcome.plan)) else unended(spoken)
    if now:
        said = spoken.text(*(now[0].also[0] if now[0].also else (now[0].start, now[0].end)))
        refused = Refusal(
            "not_answerable", f"'{said}' asks for what has not ended, which I cannot read here."
        )
        return answered(index, linked, ask, now) or refused
    lasting = unmeasured(spoken)
    own = {m.table for m in outcome.wordings if m.kind == "column" and m.column}
    if lasting and not own:
        return answered(index, linked, ask, lasting) or outcome
    return outcome


def _filters(plan: QueryPlan) -> list[Filter]:
    """All conditions of a plan and of the queries inside it."""
    found = [*plan.filters, *(f for m in plan.measures for f in m.all_conditions)]
    for condition in list(found):
        found += condition.options
        if condition.query is not None:
            found += _filters(condition.query)
    return found


def answered(
    index: CatalogueIndex, linked: Linked, ask: Callable[[str], Outcome], needed: Sequence[Reading] = ()
) -> Outcome | None:
    """The outcome of the question in the words of the data, told with every word that was read freely; None
    where no such words lead anywhere. `ask` plans one text; one of the readings `needed` is taken."""
    if commanded(Spoken(index, linked)):
        return None
    tried: list[_Tried] = []
    for reworded in rewordings(index, linked, needed):
        best = min((t.reworded.cost for t in tried if isinstance(t.outcome, Planned)), default=9.0)
        if reworded.cost > best + _MARGIN:
            break
        if any(set(t.reworded.readings) < set(reworded.readings) for t in tried):
            continue  # it was understood with less
        outcome = ask(reworded.question)
        if isinstance(outcome, Planned | Clarification):
            tried.append(_Tried(reworded, outcome))
    planned = [t for t in tried if isinstance(t.outcome, Planned)]
    asked = [t for t in tried if isinstance(t.outcome, Clarification)]
    if asked and (not planned or asked[0].reworded.cost < planned[0].reworded.cost - _MARGIN):
        return asked[0].outcome
    return _decided(planned) if planned else None


def _decided(planned: Sequence[_Tried]) -> Outcome:
    """The one answer, or a question back where equally good readings differ."""
    first = planned[0]
    several: dict[str, tuple[_Tried, Planned]] = {}
    for tried in planned:
        alike = tried.reworded.cost <= first.reworded.cost + _MARGIN
        variant = tuple(r.told for r in tried.reworded.readings) == tuple(
            r.told for r in first.reworded.readings
        )
        if alike and isinstance(tried.outcome, Planned) and (tried is first or not variant):
            several.setdefault(tried.outcome.sql, (tried, tried.outcome))
    if len(several) == 1:
        tried, outcome = next(iter(several.values()))
        sure = round(min(outcome.confidence, max(0.5, 1 - tried.reworded.cost / 2)), 3)
        return replace(outcome, explanation=(*outcome.explanation, *tried.reworded.told), confidence=sure)
    choices = tuple(
        ClarificationChoice(" ".join(tried.reworded.told).rstrip("."), tried.reworded.question, sql)
        for sql, (tried, _) in several.items()
    )
    return Clarification("This can be read in several ways. Which one is meant?", choices[:_MOST_CHOICES])

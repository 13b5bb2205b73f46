"""What becomes of a refused question that can be put into other words: an answer, a question back, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import (
    Clarification,
    ClarificationChoice,
    Outcome,
    Planned,
)

from .rewording import Rewording, rewordings

_MARGIN = 0.03
"""Readings that cost no more than this are as good as one another."""
_MOST_CHOICES = 4


@dataclass(frozen=True)
class _Tried:
    reworded: Rewording
    outcome: Planned | Clarification


def answered(index: CatalogueIndex, linked: Linked, ask: Callable[[str], Outcome]) -> Outcome | None:
    """The outcome of the question in the words of the data, told with every word that was read freely; None
    where no such words lead anywhere. `ask` plans one text."""
    tried: list[_Tried] = []
    for reworded in rewordings(index, linked):
        best = min((t.reworded.cost for t in tried if isinstance(t.outcome, Planned)), default=9.0)
        if reworded.cost > best + _MARGIN:
            break
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

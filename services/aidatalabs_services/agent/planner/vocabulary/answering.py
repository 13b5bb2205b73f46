"""What becomes of a refused question in other words: an answer, a question back, or nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aidatalabs_services.agent.planner import guards
from aidatalabs_services.agent.planner.earnings import put_in_names
from aidatalabs_services.agent.planner.frames.month_parts import days_of_month
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked, Linker
from aidatalabs_services.agent.planner.metrics import settled
from aidatalabs_services.agent.planner.outcomes import (
    Clarification,
    ClarificationChoice,
    Outcome,
    Planned,
    Refusal,
)
from aidatalabs_services.agent.planner.plan import Filter, QueryPlan

from .acts import acts, commanded, stored_sessions
from .fillers import plainly
from .lasting import unended, unmeasured
from .logged import logged
from .readings import Reading, Spoken
from .rewording import Rewording, rewordings
from .turns import by_owner

_EXPECTING = re.compile(
    r"\b(sessions?|currently|at\s+the\s+moment|right\s+now|at\s+present|as\s+of\s+now|as\s+we\s+speak|presently|still"
    r"|longest|shortest|slowest|fastest|quickest)\b",
    re.I,
)
"""Words that an answer may not have left out."""
_LENGTHS = re.compile(r"\b(gap|length|long|longest|shortest|duration|lasts?)\b", re.I)
"""Words of sessions that their beginnings alone do not tell."""
_MARGIN = 0.03
"""Readings that cost no more than this are as good as one another."""
_MOST_CHOICES = 4
_LONGEST, _MOST_TOKENS = 300, 60
"""Longer questions are not looked at again."""


@dataclass(frozen=True)
class _Tried:
    reworded: Rewording
    outcome: Planned | Clarification


def put_plainly(question: str, index: CatalogueIndex) -> tuple[str, tuple[str, ...]]:
    """The question with turns of speech and the words for business figures put into plain ones, and what was
    read as what."""
    plain, put_as = plainly(days_of_month(question))
    owned, owned_as = by_owner(plain, index)
    named, named_as = put_in_names(owned, index)
    asked, read_as = settled(named, index)
    return asked, tuple(text for text in (put_as, owned_as, named_as or read_as) if text)


def looked_again(
    index: CatalogueIndex, question: str, clock: datetime, ask: Callable[[str], Outcome]
) -> Outcome:
    """What `ask` makes of a question, or of its ordinary words where it is refused, is asked about, or has a
    word that the answer may have left out."""
    outcome = ask(question)
    sure = isinstance(outcome, Planned) and not _EXPECTING.search(question)
    if sure or guards.empty(question) or len(question) > _LONGEST:
        return outcome
    linked = Linker(index, clock).link(question)
    if len(linked.tokens) > _MOST_TOKENS or guards.barred(question, linked):
        return outcome
    return _reconsidered(index, linked, ask, outcome)


def _reconsidered(
    index: CatalogueIndex, linked: Linked, ask: Callable[[str], Outcome], outcome: Outcome
) -> Outcome:
    """An answer to what was refused or asked about, and no answer that leaves out that only what goes on now
    is asked for (`currently on loan`), that a length of time is (`longest loan`), or that an event tells of
    sessions. `ask` plans one text."""
    spoken = Spoken(index, linked)
    if isinstance(outcome, Refusal):
        again = answered(index, linked, ask) or outcome
        return _insisted(spoken, ask, again) if isinstance(again, Planned) else again
    if isinstance(outcome, Clarification):
        whole = [r for r in acts(spoken, known=True) if r.cost <= 2 * _MARGIN] + list(logged(spoken))
        other = answered(index, linked, ask, whole) if whole else None
        return other if isinstance(other, Planned) else outcome
    return _insisted(spoken, ask, outcome)


def _insisted(spoken: Spoken, ask: Callable[[str], Outcome], outcome: Planned) -> Outcome:
    index, linked = spoken.index, spoken.linked
    stored = stored_sessions(index, outcome.plan.table) if _by_gaps(outcome.plan) else ""
    if stored and not _LENGTHS.search(linked.question):
        return Refusal(
            "not_answerable",
            f"Sessions are told by the event '{stored}' here, and would be guessed from gaps between rows: "
            f"ask for the event, or say the gap that ends a session.",
            (f'Try: "number of "{stored}" per day"',),
        )
    now = [] if any(f.operator == "is_null" for f in _filters(outcome.plan)) else unended(spoken)
    if now:
        said = spoken.text(*(now[0].also[0] if now[0].also else (now[0].start, now[0].end)))
        refused = Refusal(
            "not_answerable", f"'{said}' asks for what has not ended, which I cannot read here."
        )
        return answered(index, linked, ask, now) or refused
    lasting = unmeasured(spoken)
    if lasting and not any(wording.kind == "column" and wording.column for wording in outcome.wordings):
        return answered(index, linked, ask, lasting) or outcome
    return outcome


def _by_gaps(plan: QueryPlan) -> bool:
    """Whether a plan, or one inside it, makes sessions of rows that follow one another."""
    cohort = plan.cohort
    if cohort is not None and cohort.kind in ("sessions", "session_list") and cohort.session is None:
        return True
    return plan.inner is not None and _by_gaps(plan.inner)


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

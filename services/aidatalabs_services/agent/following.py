"""A follow-up in the form that every planned question has, with what is told of where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.conversations import Earlier
from aidatalabs_services.agent.followups import Followed, follow
from aidatalabs_services.agent.models.verdicts import refused_unasked
from aidatalabs_services.agent.openings import opening_of
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Clarification, Planned, Refusal
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.planner import index_of, plan
from aidatalabs_services.agent.provenance import Part, parts_of


@dataclass(frozen=True)
class Answer:
    """A planned question, where each part of its plan came from, and what is told before how it was read.

    `why` asks how the answer before came about: its sentence then says so.
    """

    planned: Planned
    parts: tuple[Part, ...]
    note: tuple[str, ...] = ()
    why: bool = False
    followed: bool = False

    def sentence(self, said: str) -> str:
        """The sentence of the answer."""
        if not self.why:
            return said
        return f"{said} It was computed so: {' '.join(self.planned.explanation)} The data holds no causes."


def answer_to(
    text: str, earlier: Earlier, catalogue: Catalogue, now: datetime
) -> Answer | Clarification | Refusal | None:
    """What a text asks after an earlier question; None for a question of its own."""
    refused = refused_unasked(text)
    if refused is not None:
        return refused
    if earlier.plan is None:
        if not opening_of(text).continues:
            return None
        return Refusal(
            "not_answerable", "The answer before has no plan to change. Ask it as a whole question."
        )
    gone = _gone(earlier.plan, catalogue)
    if gone:
        return Refusal("not_answerable", f"The answer before was about {gone}, which is not there any more.")
    found = follow(text, earlier.plan, lambda words: plan(words, catalogue, now=now))
    if not isinstance(found, Followed):
        return found
    lines = explain(found.plan, index_of(catalogue), Linked("", [], []), {})
    planned = Planned(found.plan, found.sql, tuple(lines), found.confidence, found.wordings)
    note = "" if found.why else f"Changes the answer to '{earlier.question}'."
    parts = parts_of(found.plan, found.wordings, earlier.plan)
    return Answer(planned, parts, (note,) if note else (), why=found.why, followed=True)


def _gone(earlier: QueryPlan, catalogue: Catalogue) -> str:
    """A table of the plan that is not there any more."""
    return next((name for name in earlier.tables.values() if catalogue.table(name) is None), "")

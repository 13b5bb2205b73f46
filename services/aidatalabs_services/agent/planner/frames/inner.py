"""The questions inside a frame: planned like any other, their doubts put back into the whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aidatalabs_services.agent.planner.outcomes import (
    Clarification,
    ClarificationChoice,
    Outcome,
    Planned,
    Refusal,
)
from aidatalabs_services.agent.planner.plan import QueryPlan


def once(plan: Callable[[str], Outcome]) -> Callable[[str], Outcome]:
    """The same planning that keeps what it found: frames ask for the same text again."""
    kept: dict[str, Outcome] = {}

    def asked(text: str) -> Outcome:
        if text not in kept:
            kept[text] = plan(text)
        return kept[text]

    return asked


class Stopped(Exception):
    """A frame's words cannot be answered as they stand; `outcome` is what to say instead."""

    def __init__(self, outcome: Clarification | Refusal) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def refused(message: str, *suggestions: str) -> Stopped:
    """A refusal with its reason."""
    return Stopped(Refusal("not_answerable", message, suggestions))


@dataclass(frozen=True)
class Framed:
    """What a frame made of a question: its plan, what was read freely inside, and its own lines."""

    plan: QueryPlan
    read: tuple[str, ...]
    lines: tuple[str, ...]
    confidence: float


class Inner:
    """Plans the questions inside of one frame; `ask` plans a text, `whole` replans a reworded question."""

    def __init__(self, ask: Callable[[str], Outcome], whole: Callable[[str], Outcome]) -> None:
        self._ask = ask
        self._whole = whole
        self.read: list[str] = []
        self.confidence = 1.0

    def whole(self, text: str) -> Outcome:
        """The outcome of another wording of the whole question."""
        return self._whole(text)

    def planned(self, text: str, put: Callable[[str], str]) -> QueryPlan:
        """The plan of a text; `put` words the whole question around it when it has to be asked about."""
        outcome = self._ask(text)
        if isinstance(outcome, Refusal):
            raise Stopped(outcome)
        if isinstance(outcome, Clarification):
            raise self._asked(outcome, put)
        self._note(outcome)
        return outcome.plan

    def tried(self, text: str) -> QueryPlan | None:
        """The plan of a text, or None where it has to be asked about or refused."""
        outcome = self._ask(text)
        if not isinstance(outcome, Planned):
            return None
        self._note(outcome)
        return outcome.plan

    def number(self, text: str, put: Callable[[str], str]) -> QueryPlan:
        """The plan of words for one number, which may be rows to be counted: `revenue`, `sign ups`."""
        first = self._ask(text)
        if isinstance(first, Planned) and _one_number(first.plan):
            self._note(first)
            return first.plan
        second = self._ask(f"number of {text}")
        if isinstance(second, Planned) and _one_number(second.plan):
            self._note(second)
            return second.plan
        if isinstance(first, Clarification):
            raise self._asked(first, put)
        if isinstance(second, Clarification):
            raise self._asked(second, put)
        if isinstance(first, Planned):
            raise refused(f"'{text}' is not one number: say which number is meant.")
        raise Stopped(first)

    def _note(self, planned: Planned) -> None:
        self.confidence = min(self.confidence, planned.confidence)
        for line in planned.explanation:
            if line.startswith(("'", "Of ")) and line not in self.read:
                self.read.append(line)

    def _asked(self, outcome: Clarification, put: Callable[[str], str]) -> Stopped:
        made: list[ClarificationChoice] = []
        for one in outcome.choices:
            text = put(one.question)
            whole = self._whole(text)
            if isinstance(whole, Planned):
                made.append(ClarificationChoice(one.label, text, whole.sql))
        if made:
            return Stopped(Clarification(outcome.question, tuple(made)))
        return Stopped(Refusal("not_answerable", outcome.question))


def _one_number(plan: QueryPlan) -> bool:
    single = len(plan.numbers) == 1 or (len(plan.measures) == 1 and bool(plan.post))
    return single and not plan.outer and plan.cohort is None

"""What planning a question ends in: a plan, a question back, or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from .items import Candidate
from .plan import QueryPlan


@dataclass(frozen=True)
class Wording:
    """Words of a question and what they were read as: the kind of item, and the table, column or stored
    values that they name, empty where they name none."""

    words: str
    kind: str
    table: str = ""
    column: str = ""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Planned:
    """A question understood: its plan, its SQL, how it was read in plain sentences, how surely (0 to 1), and
    what its words were read as."""

    plan: QueryPlan
    sql: str
    explanation: tuple[str, ...]
    confidence: float
    wordings: tuple[Wording, ...] = ()


@dataclass(frozen=True)
class ClarificationChoice:
    """One reading: a label, the question put so that only this reading is left, and that question's SQL."""

    label: str
    question: str
    sql: str


@dataclass(frozen=True)
class Clarification:
    """The question has several readings; `choices` holds one to four, each of which can be asked again."""

    question: str
    choices: tuple[ClarificationChoice, ...]


@dataclass(frozen=True)
class Refusal:
    """No answer: `kind` is not_answerable or not_read_only; `suggestions` are names or questions that
    would help."""

    kind: str
    message: str
    suggestions: tuple[str, ...] = ()


Outcome = Planned | Clarification | Refusal


def shows_row(outcome: Outcome, key: Candidate) -> TypeGuard[Planned]:
    """True for a list of the one row that has this key, in the key's own table."""
    if not isinstance(outcome, Planned) or outcome.plan.table != key.table:
        return False
    return any(
        f.operator == "eq"
        and (f.source.table, f.source.column, f.values) == (key.table, key.column, key.values)
        for f in outcome.plan.filters
    )

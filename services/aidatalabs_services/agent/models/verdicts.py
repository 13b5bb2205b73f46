"""What a model came to, in the words and forms that every answer has."""

from __future__ import annotations

from dataclasses import dataclass

from aidatalabs_services.agent.errors import QuestionNotAnswerable
from aidatalabs_services.agent.models.session import ModelChoices, ModelDecline, ModelQuery
from aidatalabs_services.agent.planner import guards
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.explain import explain
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.outcomes import Clarification, ClarificationChoice, Planned, Refusal
from aidatalabs_services.agent.planner.plan import Dimension, Measure, QueryPlan, Source
from aidatalabs_services.agent.ports import Rows

_NOT_KNOWN = 0.0
"""How sure a model is, is not known: what it says of itself is no measure."""


@dataclass(frozen=True)
class ModelUse:
    """What became of the model that was asked; its fields are those of the contract's message."""

    alias: str
    model: str
    answered: bool = False
    problem: str = ""
    note: str = ""
    steps: int = 0
    repairs: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0


def refused_unasked(question: str) -> Refusal | None:
    """The refusal of a text that no model is asked about: it orders a change, or is no question at all."""
    if guards.empty(question):
        return Refusal("not_answerable", "There are no words to read. Ask a question about the data.")
    written = guards.write_asked(question, None)
    if written:
        return Refusal("not_read_only", f"'{written}' asks to change data; questions can only read it.")
    instructed = guards.instruction_given(question)
    if instructed:
        return Refusal("not_answerable", f"'{instructed}' is an instruction, not a question about the data.")
    return None


def asked_back(verdict: ModelChoices) -> Clarification:
    """A model's question back."""
    choices = tuple(ClarificationChoice(label, text, "") for label, text in verdict.choices)
    return Clarification(verdict.question, choices)


def declined(use: ModelUse, verdict: ModelDecline) -> QuestionNotAnswerable:
    """The refusal of a question that the model found no answer to in the catalogue."""
    return QuestionNotAnswerable(
        f"{use.alias} finds no answer in this platform's tables: {verdict.reason.rstrip('.')}. "
        "Name the tables or columns that you mean, or ask the planner with model 'offline'.",
        metadata={"model": use.alias},
    )


def planned_of(verdict: ModelQuery, use: ModelUse, index: CatalogueIndex) -> Planned:
    """A model's query in the form of a planned one, for sentence and chart."""
    quoted = [f'{use.alias} says: "{line}"' for line in verdict.reading]
    if verdict.plan is not None:
        lines = [f"{use.alias} ({use.model}) read the question; its plan was checked and written as SQL."]
        lines += explain(verdict.plan, index, Linked("", [], []), {})
        plan = verdict.plan
    else:
        lines = [f"{use.alias} ({use.model}) wrote this SQL itself: a reading, not a checked plan."]
        lines += [f"Reads {', '.join(verdict.explanation.tables)}."] if verdict.explanation.tables else []
        plan = shape_of(verdict.rows)
    return Planned(plan, verdict.sql, (*lines, *quoted), _NOT_KNOWN)


def shape_of(rows: Rows) -> QueryPlan:
    """A plan that a result of this shape could have: enough to say and to draw it, no claim about its SQL."""
    kinds = [column_type(kind) for _, kind in rows.columns]
    numbers = [place for place, kind in enumerate(kinds) if kind.numeric]
    others = [place for place in range(len(kinds)) if place not in numbers]
    if numbers and not others and len(rows.rows) == 1:
        return QueryPlan("scalar", "", measures=tuple(_measure(rows, place) for place in numbers))
    if len(others) == 1 and numbers:
        timed = kinds[others[0]].temporal
        key = _dimension(rows, others[0], "day" if timed else "")
        measures = tuple(_measure(rows, place) for place in numbers)
        return QueryPlan("series" if timed else "table", "", measures=measures, dimensions=(key,))
    dimensions = tuple(_dimension(rows, place, "") for place in range(len(kinds)))
    return QueryPlan("list", "", dimensions=dimensions)


def _dimension(rows: Rows, place: int, grain: str) -> Dimension:
    name, kind = rows.columns[place]
    return Dimension(Source("", name, kind), name, name.replace("_", " "), grain)


def _measure(rows: Rows, place: int) -> Measure:
    name, kind = rows.columns[place]
    return Measure("max", Source("", name, kind), name, name.replace("_", " "))


def makers(produced_by: str, *, planned: bool, drawn: bool) -> tuple[tuple[str, str], ...]:
    """Each part of an answer with what made it."""
    query = (("plan", produced_by), ("sql", "rules")) if planned else (("sql", produced_by),)
    shown = (("answer", "rules"), ("chart", "rules")) if drawn else (("answer", "rules"),)
    return (*query, ("text", "door"), ("rows", "engine"), *shown)

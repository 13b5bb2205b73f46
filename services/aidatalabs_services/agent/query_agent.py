"""The query agent: a question becomes a plan, SQL, rows, a sentence, a chart and a proof.

It never touches an engine: every query passes the data service's SQL door with the caller's own authority.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.conversations import Earlier
from aidatalabs_services.agent.doors import Door
from aidatalabs_services.agent.errors import QuestionNotAnswerable, QuestionNotReadOnly
from aidatalabs_services.agent.following import Answer, answer_to
from aidatalabs_services.agent.lessons import Lessons
from aidatalabs_services.agent.models.models import NO_MODELS, Models
from aidatalabs_services.agent.models.requests import ConfiguredModel
from aidatalabs_services.agent.models.session import ModelChoices, ModelDecline, Verdict
from aidatalabs_services.agent.models.teaching import NOTHING, Teaching
from aidatalabs_services.agent.models.verdicts import (
    ModelUse,
    asked_back,
    declined,
    makers,
    planned_of,
    refused_unasked,
)
from aidatalabs_services.agent.planner import answers, chart
from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.planner import Clarification, Planned, Refusal, index_of, plan
from aidatalabs_services.agent.ports import Explanation, PlatformData, Rows
from aidatalabs_services.agent.proofs import Proof, result_sha256, types_of
from aidatalabs_services.agent.provenance import parts_by, parts_of, shown_to
from aidatalabs_services.agent.recalling import Recalled, recalled
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

PRODUCED_BY = "planner"


@dataclass(frozen=True)
class Question:
    """What somebody asks about a platform; `max_rows` 0 leaves the number of rows to the data service.

    `model` is the alias of a model, `offline` for the planner, or empty for what the operator has chosen.
    `earlier` is what the question may follow.
    """

    platform: str
    platform_uid: str
    text: str
    max_rows: int = 0
    model: str = ""
    earlier: Earlier | None = None


@dataclass(frozen=True)
class Understood:
    """How the question was read, one plain sentence each."""

    explanation: tuple[str, ...]


@dataclass(frozen=True)
class Written:
    """The SQL as the door will run it."""

    sql: str


@dataclass(frozen=True)
class Running:
    """The query is with the engine."""


@dataclass(frozen=True)
class Found:
    """The rows."""

    rows: Rows


@dataclass(frozen=True)
class Drawn:
    """A Vega-Lite spec; this step is left out where a picture adds nothing."""

    spec: dict[str, object]


@dataclass(frozen=True)
class Said:
    """One sentence with the number in it."""

    sentence: str


@dataclass(frozen=True)
class Proven:
    """What to check the answer with."""

    proof: Proof


Step = ModelUse | Understood | Written | Running | Found | Drawn | Said | Proven | Clarification
"""A part of an answer, in the order they come; a clarification comes alone, but for ModelUse before it.

Where a model is asked, ModelUse comes first and again with what became of it; its query has run by then, so
that there is no Running.
"""


class QueryAgent:
    """Answers questions, asks back where one has several readings, refuses where the data cannot answer."""

    kind = "query"

    def __init__(
        self,
        data: PlatformData,
        *,
        clock: Callable[[], datetime],
        models: Models = NO_MODELS,
        catalogues: Catalogues | None = None,
        lessons: Lessons | None = None,
    ) -> None:
        self._data = data
        self._clock = clock
        self._models = models
        self._lessons = lessons
        self._catalogues = catalogues or Catalogues(data)

    async def work(self, question: Question) -> AsyncGenerator[Step, None]:
        """Answers one question, part by part as they are known.

        Raises QuestionNotAnswerable, QuestionNotReadOnly, ModelNotConfigured and the data's refusals.
        """
        if not question.text.strip():
            blank = FieldViolation("question", "is blank; ask something about the platform's data")
            raise InvalidRequest("The question is blank.", violations=[blank])
        model = self._models.named(question.model)
        catalogue = await self._catalogues.of(question.platform, question.platform_uid)
        followed = await self._followed(question, catalogue)
        if isinstance(followed, Clarification):
            yield followed
            return
        if followed is not None:
            async for step in self._answered(question, catalogue, followed):
                yield step
            return
        remembered = await self._remembered(question, catalogue)
        if remembered is not None:
            for step in self._recalled(question, catalogue, remembered):
                yield step
            return
        use: ModelUse | None = None
        if model is not None:
            yield ModelUse(model.alias, model.name)
            taught = await self._taught(question)
            use, verdict = await self._asked(model, question, catalogue, taught)
            yield use
            if verdict is not None:
                async for step in self._told(question, catalogue, use, verdict, taught):
                    yield step
                return
        async for step in self._planned(question, catalogue, use):
            yield step

    async def _planned(
        self, question: Question, catalogue: Catalogue, use: ModelUse | None
    ) -> AsyncIterator[Step]:
        """The planner's answer; `use` tells of a model that failed before."""
        # Reading a question is arithmetic; a thread keeps it off the loop that serves the others.
        outcome = await asyncio.to_thread(plan, question.text, catalogue, now=self._clock())
        if isinstance(outcome, Refusal):
            raise _refused(outcome, use)
        if isinstance(outcome, Clarification):
            yield outcome
            return
        note = (f"{use.note} The planner, which needs no model, answered instead.",) if use else ()
        answer = Answer(outcome, parts_of(outcome.plan, outcome.wordings), note)
        async for step in self._answered(question, catalogue, answer):
            yield step

    async def _followed(self, question: Question, catalogue: Catalogue) -> Answer | Clarification | None:
        """What a follow-up asks; None for a question of its own. Raises QuestionNotAnswerable."""
        if question.earlier is None:
            return None
        now = self._clock()
        found = await asyncio.to_thread(answer_to, question.text, question.earlier, catalogue, now)
        if isinstance(found, Refusal):
            raise _refused(found, None)
        return found

    async def _remembered(self, question: Question, catalogue: Catalogue) -> Recalled | None:
        """What a lesson of the platform answers; None without one that fits."""
        lesson = None
        if self._lessons is not None:
            lesson = await self._lessons.of(question.platform_uid, question.text)
        if lesson is None:
            return None
        return await recalled(lesson, Door(self._data, question.platform, question.max_rows), catalogue)

    def _recalled(self, question: Question, catalogue: Catalogue, found: Recalled) -> Iterator[Step]:
        """A lesson's answer as steps; its query has run by then."""
        planned = found.planned
        yield Understood(planned.explanation)
        yield Written(found.explanation.sql)
        parts = _parts(planned, found.rows)
        yield from parts
        made = makers(found.maker, planned=found.plan is not None, drawn=_drawn(parts))
        proof = self._proof(question, found.plan, catalogue, found.explanation, found.rows, made, planned)
        yield Proven(replace(proof, parts=found.parts))

    async def _answered(
        self, question: Question, catalogue: Catalogue, answer: Answer
    ) -> AsyncIterator[Step]:
        """A plan's rows, and all that is said of them."""
        outcome = answer.planned
        yield Understood((*answer.note, *outcome.explanation))
        door = Door(self._data, question.platform, question.max_rows)
        explanation = await door.explain(outcome.sql)
        yield Written(explanation.sql)
        yield Running()
        explanation, rows = await door.rows(outcome.sql, explanation)
        parts = _parts(outcome, rows)
        for step in parts:
            yield Said(answer.sentence(step.sentence)) if isinstance(step, Said) else step
        made = makers(PRODUCED_BY, planned=True, drawn=_drawn(parts))
        proof = self._proof(question, outcome.plan, catalogue, explanation, rows, made, outcome)
        yield Proven(replace(proof, parts=answer.parts, followed=answer.followed))

    async def _taught(self, question: Question) -> Teaching:
        """What a model is shown of what the platform was taught."""
        if self._lessons is None or not self._models.most_examples:
            return NOTHING
        examples = await self._lessons.examples(question.platform_uid)
        return await asyncio.to_thread(self._models.taught, question.text, examples)

    async def _asked(
        self, model: ConfiguredModel, question: Question, catalogue: Catalogue, taught: Teaching
    ) -> tuple[ModelUse, Verdict | None]:
        """What a model makes of the question; None where it failed."""
        guarded = refused_unasked(question.text)
        if guarded is not None:
            raise _refused(guarded, None)
        index = await asyncio.to_thread(index_of, catalogue)
        door = Door(self._data, question.platform, question.max_rows)
        uid, now = question.platform_uid, self._clock()
        return await self._models.ask(model, question.text, uid, index, door, now, taught)

    async def _told(
        self, question: Question, catalogue: Catalogue, use: ModelUse, verdict: Verdict, taught: Teaching
    ) -> AsyncIterator[Step]:
        """A model's answer as steps. Raises QuestionNotAnswerable where it declined."""
        if isinstance(verdict, ModelDecline):
            raise declined(use, verdict)
        if isinstance(verdict, ModelChoices):
            yield asked_back(verdict)
            return
        index = await asyncio.to_thread(index_of, catalogue)
        planned = planned_of(verdict, use, index)
        yield Understood(planned.explanation)
        yield Written(verdict.explanation.sql)
        parts = _parts(planned, verdict.rows)
        for step in parts:
            yield step
        made = makers(use.alias, planned=verdict.plan is not None, drawn=_drawn(parts))
        lessons = tuple(f"lesson {one.lesson}" for one in taught.examples)
        provenance = (*parts_by(f"model {use.alias}", verdict.plan), *shown_to(use.alias, lessons))
        proof = self._proof(
            question, verdict.plan, catalogue, verdict.explanation, verdict.rows, made, planned
        )
        yield Proven(replace(proof, parts=provenance))

    def _proof(
        self,
        question: Question,
        query_plan: QueryPlan | None,
        catalogue: Catalogue,
        explanation: Explanation,
        rows: Rows,
        made: tuple[tuple[str, str], ...],
        planned: Planned,
    ) -> Proof:
        """What holds of every answer; `query_plan` is None where SQL was written without one."""
        return Proof(
            explanation=explanation,
            plan=query_plan,
            catalogue_version=catalogue.version,
            definitions_version=catalogue.definitions_version,
            read_rows=rows.read_rows,
            read_bytes=rows.read_bytes,
            result_sha256=result_sha256(rows, ordered=explanation.ordered),
            produced_by=made[0][1],
            produced_time=self._clock(),
            makers=made,
            question=question.text,
            types=types_of(catalogue, explanation.columns),
            rollup=rows.rollup,
            rollup_reason=rows.rollup_reason,
            max_rows=question.max_rows,
            truncated=rows.truncated,
            steps=planned.explanation,
            confidence=planned.confidence,
        )


def _parts(planned: Planned, rows: Rows) -> list[Step]:
    """The rows, a chart where one says more, and the sentence."""
    columns, values = list(rows.columns), [list(row) for row in rows.rows]
    spec = chart.chart(planned, columns, values, rows.truncated)
    said = Said(answers.sentence(planned, columns, values, rows.truncated))
    return [Found(rows), said] if spec is None else [Found(rows), Drawn(spec), said]


def _drawn(parts: list[Step]) -> bool:
    return any(isinstance(part, Drawn) for part in parts)


def _refused(refusal: Refusal, use: ModelUse | None) -> QuestionNotAnswerable | QuestionNotReadOnly:
    told = [refusal.message, *refusal.suggestions]
    facts = {}
    if use is not None:
        told.append(f"{use.note} So the planner was asked, which needs no model.")
        facts = {"model": use.alias, "model_problem": use.problem}
    kind = QuestionNotReadOnly if refusal.kind == "not_read_only" else QuestionNotAnswerable
    return kind(" ".join(told), metadata=facts)

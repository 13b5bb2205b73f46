"""The query agent: a question becomes a plan, SQL, rows, a sentence, a chart and a proof.

It never touches an engine: every query passes the data service's SQL door with the caller's own authority.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.errors import QuestionNotAnswerable, QuestionNotReadOnly
from aidatalabs_services.agent.planner import answers, chart
from aidatalabs_services.agent.planner.planner import Clarification, Planned, Refusal, plan
from aidatalabs_services.agent.ports import Explanation, PlatformData, Rows
from aidatalabs_services.agent.proofs import Proof, result_sha256
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

PRODUCED_BY = "planner"
_MOST_READS = 3


@dataclass(frozen=True)
class Question:
    """What somebody asks about a platform; `max_rows` 0 leaves the number of rows to the data service."""

    platform: str
    platform_uid: str
    text: str
    max_rows: int = 0


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


Step = Understood | Written | Running | Found | Drawn | Said | Proven | Clarification
"""A part of an answer, in the order they come; a clarification is the only step of its question."""


class QueryAgent:
    """Answers questions, asks back where one has several readings, refuses where the data cannot answer."""

    kind = "query"

    def __init__(self, data: PlatformData, *, clock: Callable[[], datetime]) -> None:
        self._data = data
        self._clock = clock
        self._catalogues = Catalogues(data)

    async def work(self, question: Question) -> AsyncIterator[Step]:
        """Answers one question, part by part as they are known.

        Raises QuestionNotAnswerable, QuestionNotReadOnly and the data's refusals.
        """
        if not question.text.strip():
            blank = FieldViolation("question", "is blank; ask something about the platform's data")
            raise InvalidRequest("The question is blank.", violations=[blank])
        catalogue = await self._catalogues.of(question.platform, question.platform_uid)
        # Reading a question is arithmetic; a thread keeps it off the loop that serves the others.
        outcome = await asyncio.to_thread(plan, question.text, catalogue, now=self._clock())
        if isinstance(outcome, Refusal):
            raise _refused(outcome)
        if isinstance(outcome, Clarification):
            yield outcome
            return
        yield Understood(tuple(outcome.explanation))
        explanation = await self._data.explain(question.platform, outcome.sql)
        yield Written(explanation.sql)
        yield Running()
        explanation, rows = await self._rows(question, outcome.sql, explanation)
        yield Found(rows)
        columns, values = list(rows.columns), [list(row) for row in rows.rows]
        spec = chart.chart(outcome, columns, values)
        if spec is not None:
            yield Drawn(spec)
        yield Said(answers.sentence(outcome, columns, values, rows.truncated))
        yield Proven(self._proof(outcome, catalogue.version, explanation, rows))

    async def _rows(self, question: Question, sql: str, explanation: Explanation) -> tuple[Explanation, Rows]:
        """The rows, and the explanation with the version that they were read from.

        A query that rows came into has no version and is read again, so often; while they keep coming the
        version stays empty.
        """
        for _ in range(_MOST_READS):
            rows = await self._data.query(question.platform, sql, question.max_rows)
            if rows.data_version:
                break
        return replace(explanation, data_version=rows.data_version), rows

    def _proof(self, planned: Planned, catalogue_version: str, explanation: Explanation, rows: Rows) -> Proof:
        return Proof(
            explanation=explanation,
            plan=planned.plan,
            catalogue_version=catalogue_version,
            read_rows=rows.read_rows,
            read_bytes=rows.read_bytes,
            result_sha256=result_sha256(rows, ordered=explanation.ordered),
            produced_by=PRODUCED_BY,
            produced_time=self._clock(),
        )


def _refused(refusal: Refusal) -> QuestionNotAnswerable | QuestionNotReadOnly:
    message = " ".join([refusal.message, *refusal.suggestions])
    kind = QuestionNotReadOnly if refusal.kind == "not_read_only" else QuestionNotAnswerable
    return kind(message)

"""The agents with each piece of work counted and timed: `ai_agent_…`, by agent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import TypeVar

from aidatalabs_services.agent.conversations import Conversations, Owner
from aidatalabs_services.agent.lessons import Lessons
from aidatalabs_services.agent.models.verdicts import ModelUse
from aidatalabs_services.agent.orchestrator import Orchestrator, TurnKept
from aidatalabs_services.agent.query_agent import QueryAgent, Question, Step
from aidatalabs_services.agent.verification import Verifier
from aidatalabs_services.runtime.errors import ServiceError
from aidatalabs_services.runtime.metrics import Metrics

_S = TypeVar("_S", bound=Step | TurnKept)


class MeasuredOrchestrator(Orchestrator):
    """The orchestrator; a question counts however it is asked, once for Query and once for StreamAnswer."""

    def __init__(
        self,
        query_agent: QueryAgent,
        verifier: Verifier,
        conversations: Conversations,
        lessons: Lessons,
        metrics: Metrics,
    ) -> None:
        super().__init__(query_agent, verifier, conversations, lessons)
        self._requests = metrics.counter("ai_agent_requests_total", "Pieces of work begun.", ("agent",))
        self._seconds = metrics.seconds(
            "ai_agent_duration_seconds", "From the request to the last part of its answer.", ("agent",)
        )
        self._models = metrics.counter(
            "aidatalabs_model_questions_total",
            "Questions put to models, by what became of them.",
            ("model", "outcome"),
        )
        self._tokens = metrics.counter(
            "aidatalabs_model_tokens_total", "Tokens that providers of models counted.", ("model", "kind")
        )
        self._errors = metrics.counter(
            "ai_agent_errors_total",
            "Work that ended without an answer, by the reason the caller got.",
            ("agent", "reason"),
        )

    def ask(self, question: Question, owner: Owner, conversation: str = "") -> AsyncIterator[Step | TurnKept]:
        """See Orchestrator."""
        return self._measured("query", super().ask(question, owner, conversation))

    def once(self, question: Question, owner: Owner, conversation: str = "") -> AsyncIterator[Step]:
        """See Orchestrator."""
        return self._measured("query", super().once(question, owner, conversation))

    async def _measured(self, agent: str, steps: AsyncIterator[_S]) -> AsyncIterator[_S]:
        begun = time.monotonic()
        self._requests.labels(agent).inc()
        try:
            async for step in steps:
                if isinstance(step, ModelUse):
                    self._count(step)
                yield step
        except asyncio.CancelledError:  # the caller went away, or the time was over
            self._errors.labels(agent, "CANCELLED").inc()
            raise
        except Exception as error:
            reason = error.reason if isinstance(error, ServiceError) else "INTERNAL"
            self._errors.labels(agent, reason).inc()
            raise
        finally:
            self._seconds.labels(agent).observe(time.monotonic() - begun)

    def _count(self, use: ModelUse) -> None:
        """Counts a model once it is known what became of it; before, the step only names it."""
        if use.answered or use.problem:
            self._models.labels(use.alias, use.problem or "ANSWERED").inc()
            self._tokens.labels(use.alias, "input").inc(use.input_tokens)
            self._tokens.labels(use.alias, "output").inc(use.output_tokens)

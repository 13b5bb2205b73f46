"""The models that the operator has configured, asked about one question at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.doors import Door
from aidatalabs_services.agent.errors import model_not_configured
from aidatalabs_services.agent.models.breaker import Breaker
from aidatalabs_services.agent.models.conversation import ModelFailed, Problem
from aidatalabs_services.agent.models.prompts import View
from aidatalabs_services.agent.models.requests import ConfiguredModel, Requests, Tally
from aidatalabs_services.agent.models.session import Bounds, ModelSession, Verdict
from aidatalabs_services.agent.models.spending import MemoryStore, ModelBudget
from aidatalabs_services.agent.models.teaching import NOTHING, Example, Teaching, nearest
from aidatalabs_services.agent.models.verdicts import ModelUse
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.runtime.caller import optional_call

OFFLINE = "offline"
"""The alias of the planner, which is no model."""

# What of a call's time a model may take, so that the planner can still answer where it fails.
_SHARE_OF_CALL = 0.7


@dataclass(frozen=True)
class Times:
    """How long models are waited for: one request, all of a question; how often a request is made, and the
    first pause between; and after how many failures a model is left alone, for how long.
    """

    request_seconds: float
    question_seconds: float
    attempts: int
    backoff_seconds: float
    most_failures: int
    pause_seconds: float


class Models:
    """The configured models by alias, their common bounds and the budget of each platform."""

    def __init__(
        self,
        configured: Mapping[str, ConfiguredModel],
        budget: ModelBudget,
        bounds: Bounds,
        times: Times,
        *,
        most_running: int = 1,
        default: str = OFFLINE,
    ) -> None:
        self._configured = configured
        self._budget = budget
        self._bounds = bounds
        self._times = times
        self._default = default
        self._most_running = most_running
        self._running = 0
        self._breakers = {alias: Breaker(times.most_failures, times.pause_seconds) for alias in configured}

    def named(self, alias: str) -> ConfiguredModel | None:
        """The model of an alias; None for the planner. Raises ModelNotConfigured."""
        alias = alias or self._default
        if alias == OFFLINE:
            return None
        model = self._configured.get(alias)
        if model is None:
            raise model_not_configured(alias, self._configured)
        return model

    async def ask(
        self,
        model: ConfiguredModel,
        question: str,
        platform_uid: str,
        index: CatalogueIndex,
        door: Door,
        now: datetime,
        taught: Teaching = NOTHING,
    ) -> tuple[ModelUse, Verdict | None]:
        """What a model makes of a question; None where it failed, the use says why.

        Raises the data's refusals that no query can avoid.
        """
        if self._running >= self._most_running:
            # Waiting would hold a place that questions to the planner need.
            return _use(model, Tally(), Problem.BUSY), None
        seconds = self._seconds()
        breaker = self._breakers[model.alias]
        if not breaker.lets_through():
            return _use(model, Tally(), Problem.PAUSED), None
        self._running += 1
        try:
            tally, problem, verdict = await self._session(
                model, question, platform_uid, index, door, now, seconds, taught
            )
        finally:
            self._running -= 1
        if problem is not Problem.TIMEOUT or seconds >= self._times.request_seconds:
            breaker.ended(problem)  # a caller in a hurry does not speak against the provider
        return _use(model, tally, problem), verdict

    @property
    def most_examples(self) -> int:
        """How many lessons a model is shown; 0 too where it may see no values, for queries hold some."""
        return self._bounds.view.most_examples if self._bounds.view.most_values else 0

    def taught(self, question: str, examples: Sequence[Example]) -> Teaching:
        """What a model is shown of what a platform was taught."""
        return Teaching(nearest(question, examples, self.most_examples))

    def _seconds(self) -> float:
        """The time that a model may have of the call being served."""
        call = optional_call()
        left = _SHARE_OF_CALL * call.seconds_left() if call is not None else self._times.question_seconds
        return min(left, self._times.question_seconds)

    async def _session(
        self,
        model: ConfiguredModel,
        question: str,
        platform_uid: str,
        index: CatalogueIndex,
        door: Door,
        now: datetime,
        seconds: float,
        taught: Teaching,
    ) -> tuple[Tally, Problem | None, Verdict | None]:
        tally = Tally()
        requests = Requests(
            model,
            self._budget,
            platform_uid,
            tally,
            attempts=self._times.attempts,
            backoff_seconds=self._times.backoff_seconds,
            request_seconds=self._times.request_seconds,
            until=time.monotonic() + seconds,
        )
        try:
            session = ModelSession(requests, tally, door, index, self._bounds)
            verdict = await session.verdict(question, now, taught)
        except ModelFailed as failure:
            return tally, failure.problem, None
        return tally, None, verdict

    async def close(self) -> None:
        """Gives up the connections to all providers."""
        await asyncio.gather(*(model.provider.close() for model in self._configured.values()))


def _use(model: ConfiguredModel, tally: Tally, problem: Problem | None) -> ModelUse:
    return ModelUse(
        alias=model.alias,
        model=model.name,
        answered=problem is None,
        problem=problem.name if problem else "",
        note=f"{model.alias} gave no answer: {problem.value}." if problem else "",
        steps=tally.steps,
        repairs=tally.repairs,
        input_tokens=tally.usage.input_tokens,
        output_tokens=tally.usage.output_tokens,
        cost_microusd=tally.microusd,
    )


def no_models() -> Models:
    """What there is where the operator has configured none: every question is the planner's."""
    budget = ModelBudget(MemoryStore(), tokens_a_day=0, usd_a_day=0, clock=datetime.now)
    return Models({}, budget, Bounds(0, 0, 0, View(0, 0)), Times(0, 0, 0, 0, 1, 0))


NO_MODELS = no_models()

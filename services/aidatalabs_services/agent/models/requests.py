"""One request to a model: inside the budget and the time that is left, repeated where that may help."""

from __future__ import annotations

import asyncio
import json
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from aidatalabs_services.agent.models.conversation import (
    Asked,
    Entry,
    ModelFailed,
    ModelProvider,
    Problem,
    Reply,
    Results,
    Tool,
    Usage,
)
from aidatalabs_services.agent.models.spending import BudgetUsedUp, Held, ModelBudget, Prices, Spent

_LONGEST_BACKOFF_SECONDS = 8.0
# Two bytes a token: about half again as many as tokenizers make of JSON and English. The count comes after.
_TOKENS_PER_BYTE = 0.5
# More than so many for a token of the most that was asked for is no reply of a model.
_TOKEN_CHARACTERS = 16


@dataclass(frozen=True)
class ConfiguredModel:
    """A model that the operator has configured under an alias."""

    alias: str
    name: str
    provider: ModelProvider
    prices: Prices
    most_output_tokens: int


@dataclass
class Tally:
    """What the requests for one question came to."""

    steps: int = 0
    repairs: int = 0
    usage: Usage = field(default_factory=Usage)
    microusd: int = 0

    def add(self, usage: Usage, spent: Spent) -> None:
        """Counts one request."""
        self.usage = Usage(
            self.usage.input_tokens + usage.input_tokens, self.usage.output_tokens + usage.output_tokens
        )
        self.microusd += spent.microusd


class Requests:
    """The requests for one question to one model."""

    def __init__(
        self,
        model: ConfiguredModel,
        budget: ModelBudget,
        platform_uid: str,
        tally: Tally,
        *,
        attempts: int,
        backoff_seconds: float,
        request_seconds: float,
        until: float,
    ) -> None:
        """`until` (monotonic seconds) ends all of them, `request_seconds` each one."""
        self._model = model
        self._budget = budget
        self._uid = platform_uid
        self._tally = tally
        self._attempts = attempts
        self._backoff_seconds = backoff_seconds
        self._request_seconds = request_seconds
        self._until = until

    async def reply(self, system: str, entries: Sequence[Entry], tools: Sequence[Tool]) -> Reply:
        """The next reply of the model. Raises ModelFailed once nothing more can be tried."""
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(system, entries, tools)
            except ModelFailed as failure:
                pause = self._pause(failure, attempt)
                if pause is None:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _pause(self, failure: ModelFailed, attempt: int) -> float | None:
        """Seconds until the next attempt; None where there is none, or its time would not come in time."""
        if not failure.passing or attempt == self._attempts:
            return None
        backoff = min(_LONGEST_BACKOFF_SECONDS, self._backoff_seconds * 2 ** (attempt - 1))
        pause = backoff * random.uniform(0.75, 1.25)  # noqa: S311 - spreads repeats, guards nothing
        if failure.retry_after_seconds is not None:
            pause = max(pause, failure.retry_after_seconds)
        return pause if time.monotonic() + pause < self._until else None

    async def _once(self, system: str, entries: Sequence[Entry], tools: Sequence[Tool]) -> Reply:
        seconds = min(self._request_seconds, self._until - time.monotonic())
        if seconds <= 0:
            raise ModelFailed(Problem.TIMEOUT, charged=False)
        most = Usage(_most_input(system, entries, tools), self._model.most_output_tokens)
        held = await self._hold(self._model.prices.of(most))
        usage = most
        try:
            async with asyncio.timeout(seconds):
                reply = await self._model.provider.reply(system, entries, tools, seconds=seconds)
            if not _well_formed(reply, self._model.most_output_tokens):
                raise ModelFailed(Problem.GARBLED)
            # A provider that counts nothing is taken to have used what was held.
            usage = reply.usage if reply.usage.input_tokens else most
            return reply
        except TimeoutError:
            raise ModelFailed(Problem.TIMEOUT) from None
        except ModelFailed as failure:
            usage = most if failure.charged else Usage()
            raise
        finally:
            spent = self._model.prices.of(usage)
            self._tally.add(usage, spent)
            # Shielded: a caller that goes away must not leave more held than it has to.
            await asyncio.shield(self._budget.settle(held, spent))

    async def _hold(self, most: Spent) -> Held:
        try:
            return await self._budget.hold(self._uid, most)
        except BudgetUsedUp:
            raise ModelFailed(Problem.BUDGET_EXCEEDED, charged=False) from None
        except OSError:
            raise ModelFailed(Problem.BUDGET_NOT_KEPT, charged=False) from None


def _well_formed(reply: Reply, most_output_tokens: int) -> bool:
    """Whether a reply is what its type says: SDKs pass on what providers send, whatever its kind."""
    texts = [text for call in reply.calls for text in (call.id, call.name, call.arguments)]
    counts = (reply.usage.input_tokens, reply.usage.output_tokens)
    if not all(isinstance(text, str) for text in texts) or not all(type(count) is int for count in counts):
        return False
    # All of it is sent back with the next request.
    characters = len(json.dumps(reply.wire, default=str))
    return min(counts) >= 0 and characters <= most_output_tokens * _TOKEN_CHARACTERS


def _most_input(system: str, entries: Sequence[Entry], tools: Sequence[Tool]) -> int:
    """The most tokens that a request's text can be."""
    parts = [system]
    for entry in entries:
        match entry:
            case Asked(text):
                parts.append(text)
            case Results(results):
                parts.extend(result.text for result in results)
            case Reply():
                parts.append(json.dumps(entry.wire, default=str))
    parts.extend(tool.description + json.dumps(tool.parameters) for tool in tools)
    return math.ceil(sum(len(part.encode()) for part in parts) * _TOKENS_PER_BYTE)

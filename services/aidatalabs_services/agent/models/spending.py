"""What models may cost a platform in a day: held before a request, counted after it, kept across restarts.

A request holds the most that it can cost. What its provider then counted takes that place; where no count
came back although the provider may have worked, the held sum stays. So no number of requests at the same time
spends more than the day's budget, as far as a request costs no more than it was held for.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from aidatalabs_services.agent.models.conversation import Usage


@dataclass(frozen=True)
class Spent:
    """Tokens and millionths of a US dollar."""

    tokens: int = 0
    microusd: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(self.tokens + other.tokens, self.microusd + other.microusd)

    def __sub__(self, other: Spent) -> Spent:
        return Spent(self.tokens - other.tokens, self.microusd - other.microusd)


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens, which are millionths of a dollar for one."""

    input_usd: float
    output_usd: float

    def of(self, usage: Usage) -> Spent:
        """What these tokens cost, rounded up."""
        cost = usage.input_tokens * self.input_usd + usage.output_tokens * self.output_usd
        return Spent(usage.input_tokens + usage.output_tokens, math.ceil(cost))


class SpendingStore(Protocol):
    """Where the sums of one day are kept, by platform uid."""

    async def load(self, day: str) -> Mapping[str, Spent]:
        """The sums of a day (`2026-11-23`); none where nothing was spent."""

    async def save(self, day: str, spent: Mapping[str, Spent]) -> None:
        """Keeps them; when it returns, they survive the process. Days before are forgotten."""


class MemoryStore:
    """Sums that end with the process."""

    async def load(self, day: str) -> Mapping[str, Spent]:
        """See SpendingStore."""
        return {}

    async def save(self, day: str, spent: Mapping[str, Spent]) -> None:
        """See SpendingStore; keeps nothing beyond the process."""


class BudgetUsedUp(Exception):
    """The request could cost more than the platform has left today."""


@dataclass(frozen=True)
class Held:
    """What one request holds of a platform's budget."""

    platform_uid: str
    day: str
    most: Spent


class ModelBudget:
    """The budget of every platform, the same for each; 0 means no limit."""

    def __init__(
        self,
        store: SpendingStore,
        *,
        tokens_a_day: int,
        usd_a_day: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._tokens = tokens_a_day
        self._microusd = math.floor(usd_a_day * 1_000_000)
        self._clock = clock
        self._lock = asyncio.Lock()
        self._day = ""
        self._spent: dict[str, Spent] = {}

    async def hold(self, platform_uid: str, most: Spent) -> Held:
        """Takes the most that a request can cost. Raises BudgetUsedUp; OSError where it cannot be kept."""
        async with self._lock:
            await self._turn_day()
            before = self._spent.get(platform_uid, Spent())
            after = before + most
            if (self._tokens and after.tokens > self._tokens) or (
                self._microusd and after.microusd > self._microusd
            ):
                raise BudgetUsedUp
            await self._put(platform_uid, after)
            return Held(platform_uid, self._day, most)

    async def settle(self, held: Held, spent: Spent) -> None:
        """Puts what a request cost in place of what it held; a day that is over stays as it was.

        What cannot be written down stays held.
        """
        with contextlib.suppress(OSError):
            async with self._lock:
                await self._turn_day()
                if held.day == self._day:
                    await self._put(held.platform_uid, self._spent[held.platform_uid] - held.most + spent)

    async def spent(self, platform_uid: str) -> Spent:
        """What a platform has spent today, with what its requests hold."""
        async with self._lock:
            await self._turn_day()
            return self._spent.get(platform_uid, Spent())

    async def _put(self, platform_uid: str, spent: Spent) -> None:
        kept = {**self._spent, platform_uid: spent}
        await self._store.save(self._day, kept)
        self._spent = kept

    async def _turn_day(self) -> None:
        day = self._clock().date().isoformat()
        if day != self._day:
            self._spent = dict(await self._store.load(day))
            self._day = day

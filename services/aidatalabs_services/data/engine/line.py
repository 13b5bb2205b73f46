"""The line of platforms that wait for an engine while every place on the machine is taken."""

from __future__ import annotations

import asyncio
import time

# A platform that was refused keeps its claim this long: what runs cannot renew itself between its tries.
_CLAIM_SECONDS = 10.0
# Nobody tells when a query of an address without a lease ends: those who wait look again by themselves.
_LOOK_SECONDS = 0.25


class WaitingLine:
    """Who waits, and the sign that something moved. Moments are of `time.monotonic`."""

    def __init__(self) -> None:
        self._claims: dict[str, float] = {}
        self._moved = asyncio.Event()

    def join(self, platform_uid: str, until: float) -> None:
        """Takes the platform into the line: its claim holds until a while after `until`."""
        self._claims[platform_uid] = until + _CLAIM_SECONDS

    def leave(self, platform_uid: str) -> None:
        """Takes the platform out, because it has an engine or wants none any more."""
        if self._claims.pop(platform_uid, None) is not None:
            self.move()

    def claims(self) -> int:
        """How many platforms wait, those included that were refused a moment ago."""
        if self._claims:
            now = time.monotonic()
            self._claims = {uid: end for uid, end in self._claims.items() if end > now}
        return len(self._claims)

    def move(self) -> None:
        """Wakes everybody who waits: an engine ended or became free, or the line is shorter."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def wait(self, until: float) -> bool:
        """Waits for the next sign, a short while at most; False once `until` has passed."""
        left = until - time.monotonic()
        if left <= 0:
            return False
        try:
            async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                await self._moved.wait()
        except TimeoutError:
            pass
        return True

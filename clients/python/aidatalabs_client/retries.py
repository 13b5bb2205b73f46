"""When a failed call is made again, and after how long."""

from __future__ import annotations

import asyncio
import random
import time

from aidatalabs_client.api_error import ApiError

_ATTEMPTS = 5
_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 2.0
_SHORTEST_PAUSE_SECONDS = 0.05
_SPREAD = 0.2


class Attempts:
    """The attempts of one call: five, and more within `patience_seconds` while the mesh will be back."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._begun = time.monotonic()
        self._number = 0

    async def wait_or_raise(self, error: ApiError, *, repeatable: bool) -> None:
        """Waits until the call may be made again; raises the error where it should not be."""
        self._number += 1
        waits = error.code == "UNAVAILABLE" or error.retry_after_seconds is not None
        # Without a reason nobody of the mesh answered, and nothing says that it will.
        patient = bool(error.reason) and time.monotonic() - self._begun < self._patience_seconds
        if (error.retry_after_seconds or 0.0) > max(self._patience_seconds, _LONGEST_PAUSE_SECONDS):
            raise error  # nobody waits that long inside a call
        if not repeatable or not waits or (self._number >= _ATTEMPTS and not patient):
            raise error
        pause = min(_PAUSE_SECONDS * 2.0 ** min(self._number - 1, 8), _LONGEST_PAUSE_SECONDS)
        named = max(error.retry_after_seconds or pause, _SHORTEST_PAUSE_SECONDS)
        # Up to a fifth more, so that clients which were refused together do not come back together.
        await asyncio.sleep(named * (1.0 + _SPREAD * random.random()))  # noqa: S311 - nothing secret

"""The end of readers who take nothing: what they hold is needed by others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aidatalabs_services.runtime.errors import DeadlineExceeded


@asynccontextmanager
async def taken_within(seconds: float, *, advice: str) -> AsyncIterator[None]:
    """Around a `yield`: interrupts a reader who does not come back in time. Raises DeadlineExceeded.

    The reader waits for its own client then. The interruption closes the generator, and what the generator
    raises while it is closed is what the reader's task ends with. `advice` is what to do instead.
    """
    scope = asyncio.timeout(seconds)
    try:
        async with scope:
            yield
    finally:
        if scope.expired():
            raise DeadlineExceeded(
                f"Nothing of this answer was taken for {seconds:g} seconds, so it was ended. {advice}",
                metadata={"stall_seconds": f"{seconds:g}"},
            )

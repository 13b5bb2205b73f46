"""What the agents keep of a platform goes with the platform: at once, or when its grace is over."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from aidatalabs_services.runtime.errors import platform_not_found


class PurgeStore(Protocol):
    """Where it is noted what is to go. Every method raises ServiceUnavailable or DeadlineExceeded."""

    async def remove(self, platform_uid: str) -> None:
        """Removes all that is kept of a platform, for good. What was noted is finished by itself."""

    async def schedule(self, platform_uid: str, due: datetime) -> None:
        """Notes when it is to be removed; a later call moves that."""

    async def keep(self, platform_uid: str) -> bool:
        """Takes a note back; False where the platform's time is over."""


class Purges:
    """Removes what is kept of platforms; without a store nothing is kept and nothing is to be removed."""

    def __init__(self, store: PurgeStore | None) -> None:
        self._store = store

    async def purge(self, platform_uid: str, due: datetime | None) -> None:
        """Has all that is kept of a platform removed: now, or at `due` unless it is kept before."""
        if self._store is None:
            return
        if due is None:
            await self._store.remove(platform_uid)
        else:
            await self._store.schedule(platform_uid, due)

    async def keep(self, platform: str, platform_uid: str) -> None:
        """Takes a purge back that has not come yet. Raises PlatformNotFound for one that has."""
        if self._store is not None and not await self._store.keep(platform_uid):
            raise platform_not_found(platform)

"""Creating a platform exactly once: a row here, a database at the data service, never half for good.

The row is written first, in PROVISIONING and with a time limit for the attempt; then the database is made;
then the row becomes ACTIVE and the answer is noted with the request id. Whatever breaks in between, the same
call sent again takes it up: making the database is idempotent, and an attempt whose time is over is nobody's.
An id whose platform was deleted may be used again after a short rest, for which the call waits.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from uuid import UUID

from aidatalabs_services.platform.errors import already_exists, is_deleted, other_content
from aidatalabs_services.platform.platforms import Draft, Platform, State, new_platform_id, platform_name
from aidatalabs_services.platform.ports import (
    Attempted,
    PlatformChanges,
    PlatformDatabases,
    PlatformStore,
    RequestKey,
)
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import ServiceError, platform_not_found

_METHOD = "CreatePlatform"
_LOOK_AGAIN_SECONDS = 0.1
# Other services remember for up to 5 seconds which platform an id means.
REST_SECONDS = 6.0


@dataclass(frozen=True)
class _Attempt:
    """This call's own attempt at making the database."""

    platform: Platform
    id: UUID


class _NotNow(Exception):
    """Look again after so many seconds: the same call is being served elsewhere, or the id still rests."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


class PlatformCreation:
    """Creates platforms for callers whom the gate has let through."""

    def __init__(
        self, store: PlatformStore, databases: PlatformDatabases, *, rest_seconds: float = REST_SECONDS
    ) -> None:
        self._store = store
        self._databases = databases
        self._rest_seconds = rest_seconds

    async def create(self, owner: str, draft: Draft, request_id: str) -> Platform:
        """The new platform, ACTIVE, owned by `users/{id}`; for a repeated call the first answer.

        Raises InvalidRequest (config), PlatformAlreadyExists, IdempotencyMismatch, and the data service's
        refusals, after which the platform is FAILED until the same call is sent again.
        """
        draft.check()
        key = RequestKey(owner, _METHOD, request_id, draft.fingerprint()) if request_id else None
        while True:
            try:
                async with self._store.transaction() as changes:
                    begun = await self._begin(changes, owner, draft, key)
                break
            except _NotNow as later:
                await asyncio.sleep(later.seconds)  # the call's deadline ends this wait
        if isinstance(begun, Platform):
            return begun
        await self._make_database(begun)
        return await self._finish(begun, key)

    async def _begin(
        self, changes: PlatformChanges, owner: str, draft: Draft, key: RequestKey | None
    ) -> Platform | _Attempt:
        """The answer where there is one, else an attempt for this call to carry out."""
        earlier = await changes.remember(key) if key else None
        if earlier is not None and key is not None:
            if earlier.fingerprint != key.fingerprint:
                raise other_content(key.request_id)
            if earlier.answer is not None:
                return earlier.answer
            begun = await changes.by_uid(earlier.platform_uid) if earlier.platform_uid else None
            if begun is not None:
                return await self._take_up_again(changes, begun, key)
        return await self._insert_or_take_up(changes, owner, draft, key)

    async def _take_up_again(
        self, changes: PlatformChanges, begun: Attempted, key: RequestKey
    ) -> Platform | _Attempt:
        """For a repeated call whose first run left no answer."""
        if begun.running:
            raise _NotNow(_LOOK_AGAIN_SECONDS)
        if begun.platform.state in (State.PROVISIONING, State.FAILED):
            return await self._attempt(changes, begun.platform)
        await changes.answer(key, begun.platform)
        return begun.platform

    async def _insert_or_take_up(
        self, changes: PlatformChanges, owner: str, draft: Draft, key: RequestKey | None
    ) -> _Attempt:
        wanted = Draft(draft.id or new_platform_id(), draft.display_name, draft.config)
        platform = await changes.insert(wanted, owner)
        if platform is None:
            platform = await self._unfinished(changes, owner, wanted)
        else:
            # Asked after the insertion, which waits for a removal of the id that is being committed.
            rest = await changes.seconds_to_rest(wanted.id, self._rest_seconds)
            if rest > 0:
                raise _NotNow(rest)
            details = {"platform": platform.name, "display_name": platform.display_name}
            await changes.record(platform.uid, owner, _METHOD, details)
        if key:
            await changes.link(key, platform)
        return await self._attempt(changes, platform)

    async def _unfinished(self, changes: PlatformChanges, owner: str, wanted: Draft) -> Platform:
        """The platform that holds the id, if it is the same one, of the same owner, never finished."""
        taken = await changes.by_id(wanted.id)
        if taken is not None and taken.platform.purge_time is not None:
            raise is_deleted(platform_name(wanted.id), taken.platform.purge_time)
        if (
            taken is None
            or taken.running
            or taken.platform.owner != owner
            or taken.platform.state not in (State.PROVISIONING, State.FAILED)
            or not wanted.describes(taken.platform)
        ):
            raise already_exists(platform_name(wanted.id))
        return taken.platform

    async def _attempt(self, changes: PlatformChanges, platform: Platform) -> _Attempt:
        seconds = current_call().seconds_left()
        return _Attempt(platform, await changes.begin_attempt(platform.uid, seconds))

    async def _make_database(self, attempt: _Attempt) -> None:
        try:
            await self._databases.provision(attempt.platform.name)
        except ServiceError:
            await self._store.fail_attempt(attempt.platform.uid, attempt.id)
            raise

    async def _finish(self, attempt: _Attempt, key: RequestKey | None) -> Platform:
        async with self._store.transaction() as changes:
            if key:  # locked before the platform, as in `_begin`: two orders would be a deadlock
                await changes.remember(key)
            platform = await changes.activate(attempt.platform.uid)
            if platform is None:
                raise platform_not_found(attempt.platform.name)
            if key:
                await changes.answer(key, platform)
            return platform

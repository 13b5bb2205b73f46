"""Changing a platform's content: once per request id, and on the version that the caller read."""

from __future__ import annotations

from uuid import UUID

from aidatalabs_services.platform.errors import etag_mismatch, not_active, other_content
from aidatalabs_services.platform.platforms import Change, Platform, State
from aidatalabs_services.platform.ports import PlatformChanges, PlatformStore, RequestKey
from aidatalabs_services.runtime.caller import Caller
from aidatalabs_services.runtime.errors import ServiceError, platform_not_found

_METHOD = "UpdatePlatform"


class PlatformUpdates:
    """Changes platforms for callers whom the gate has let through as admins of them."""

    def __init__(self, store: PlatformStore) -> None:
        self._store = store

    async def update(self, caller: Caller, change: Change, request_id: str) -> Platform:
        """The platform as it is then; for a repeated call the first answer.

        The same request id on another platform, also one that took over the id, is refused.
        The change, its audit line and its answer are one transaction. Without an etag the last write wins.
        Raises InvalidRequest (config), PlatformNotFound, PlatformNotActive (DELETING), EtagMismatch,
        IdempotencyMismatch.
        """
        change.check()
        uid = UUID(caller.platform_uid)
        content = change.fingerprint(uid)
        key = RequestKey(caller.user, _METHOD, request_id, content) if request_id else None
        async with self._store.transaction() as changes:
            earlier = await changes.remember(key) if key else None
            if earlier is not None and earlier.fingerprint != content:
                raise other_content(request_id)
            if earlier is not None and earlier.answer is not None:
                return earlier.answer
            platform = await changes.rewrite(uid, change)
            if platform is None:
                raise await _why_not(changes, caller)
            details = {"platform": platform.name, "fields": ",".join(change.parts), "etag": platform.etag}
            await changes.record(uid, caller.user, _METHOD, details)
            if key:
                await changes.answer(key, platform)
        return platform


async def _why_not(changes: PlatformChanges, caller: Caller) -> ServiceError:
    """Why nothing was changed; the row is locked from here on, so the answer stays true."""
    found = await changes.by_uid(UUID(caller.platform_uid))
    if found is None:
        return platform_not_found(caller.platform)
    if found.platform.state is State.DELETING:
        return not_active(caller.platform, State.DELETING.name)
    return etag_mismatch(caller.platform)

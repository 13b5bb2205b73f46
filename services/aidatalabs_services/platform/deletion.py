"""Deleting a platform: recorded here, then its conversations go at the agent service, its data at the data
service, then its row.

With a grace the record is the state DELETED: the platform is out of sight, and both services are told when to
remove what they hold, which they then do by themselves. What follows is about both.

The record (state DELETING) is what was authorised; from then on the platform takes no data and no questions.
Removing the data needs a caller, because the data service asks for the role of an admin: first the one who
deletes, then, when that failed or was cut off, the same caller in the background for as long as the token
lasts, and after a restart the next admin who deletes, reads or lists the platform. One attempt runs at a time
and has a time limit: an attempt that outlived the row could meet a new platform under the old id.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import structlog

from aidatalabs_services.platform.errors import etag_mismatch, not_active, other_content
from aidatalabs_services.platform.platforms import Platform, State
from aidatalabs_services.platform.ports import (
    NoRecords,
    PlatformChanges,
    PlatformDatabases,
    PlatformRecords,
    PlatformStore,
    RequestKey,
)
from aidatalabs_services.runtime.caller import Call, Caller, current_call, current_caller, set_current_call
from aidatalabs_services.runtime.errors import ServiceError, StatusCode, platform_not_found

METHOD = "DeletePlatform"
ATTEMPT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_PERSIST_SECONDS = 900.0  # as long as an ordinary token
_MOST_IN_BACKGROUND = 100
_WORTH_REPEATING = (
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.CANCELLED,
    StatusCode.INTERNAL,
)

_LOG = structlog.get_logger()


class PlatformDeletion:
    """Deletes platforms for callers whom the gate has let through as admins of them."""

    def __init__(
        self,
        store: PlatformStore,
        databases: PlatformDatabases,
        records: PlatformRecords | None = None,
        *,
        grace_seconds: float = 0.0,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._store = store
        self._databases = databases
        self._records = records or NoRecords()
        self._background: dict[UUID, asyncio.Task[None]] = {}
        self._attempts: set[asyncio.Task[None]] = set()
        self._closed = False

    async def delete(self, caller: Caller, etag: str, request_id: str, *, purge: bool = False) -> None:
        """Returns when the platform is out of sight and the services that hold something of it know when to
        remove that; with `purge`, or without a grace, when it is gone. A repeated call goes on where the
        first one stopped.

        Raises PlatformNotFound, EtagMismatch, PlatformNotActive (it is being made at this moment),
        IdempotencyMismatch, and those services' refusals, after which it goes on in the background.
        """
        text = f"{caller.platform}\n{etag}" + ("\npurge" if purge else "")
        content = hashlib.sha256(text.encode()).digest()
        key = RequestKey(caller.user, METHOD, request_id, content) if request_id else None
        async with self._store.transaction() as changes:
            platform = await self._record(changes, caller, etag, key, purge=purge)
        if platform is None:
            return
        try:
            await self._remove(platform)
        except BaseException:  # also where the caller has gone: that ends the call, not the deletion
            self.take_up(platform)
            raise

    def take_up(self, platform: Platform) -> None:
        """Goes on with a deletion in the background, as the caller of this call, an admin of the platform.

        Nothing happens where that is being done, or where there is nothing to be done.
        """
        if not _is_unfinished(platform) or self._closed or platform.uid in self._background:
            return
        if len(self._background) >= _MOST_IN_BACKGROUND:
            return  # the next look at it comes here again
        task = asyncio.create_task(self._persist(current_call(), platform))
        self._background[platform.uid] = task
        task.add_done_callback(self._ended(platform.uid))

    async def close(self) -> None:
        """Ends what runs in the background; the deletions stay recorded."""
        self._closed = True
        tasks = [*self._background.values(), *self._attempts]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _record(
        self,
        changes: PlatformChanges,
        caller: Caller,
        etag: str,
        key: RequestKey | None,
        *,
        purge: bool,
    ) -> Platform | None:
        """The platform in DELETING or DELETED, None where a repeated call finds it gone."""
        earlier = await changes.remember(key) if key else None
        if earlier is not None and key is not None and earlier.platform_uid is not None:
            if earlier.fingerprint != key.fingerprint:
                raise other_content(key.request_id)
            begun = await changes.by_uid(earlier.platform_uid)
            if begun is not None:
                return begun.platform
            # Gone, as it was answered; but whoever means the one that took over the id must not hear that.
            if await changes.by_uid(UUID(caller.platform_uid)) is not None:
                raise other_content(key.request_id)
            return None
        found = await changes.by_uid(UUID(caller.platform_uid))
        if found is None:
            raise platform_not_found(caller.platform)
        platform = found.platform
        if etag and etag != platform.etag:
            raise etag_mismatch(platform.name)
        if platform.state is State.DELETED and not purge:
            raise platform_not_found(caller.platform)
        if platform.state is not State.DELETING:
            if found.running:
                raise not_active(platform.name, platform.state.name)
            details = {
                "platform": platform.name,
                "display_name": platform.display_name,
                "etag": platform.etag,
            }
            if self._grace_seconds > 0 and platform.state is State.ACTIVE and not purge:
                platform = await changes.mark_deleted(platform.uid, self._grace_seconds)
            else:
                platform = await changes.mark_deleting(platform.uid)
            await changes.record(platform.uid, caller.user, METHOD, details)
        if key:
            await changes.link(key, platform)
        return platform

    async def _remove(self, platform: Platform) -> None:
        """Returns when nothing of its deletion is left to do now, whoever did it."""
        while True:
            async with self._store.transaction() as changes:
                found = await changes.by_uid(platform.uid)
                if found is None or not _is_unfinished(found.platform):
                    return
                platform = found.platform
                attempt = None
                if not found.running:
                    attempt = await changes.begin_removal(
                        platform.uid, current_caller().user, ATTEMPT_SECONDS
                    )
            if attempt is None:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # the call's deadline ends this wait
            else:
                await self._attempt(platform, attempt)

    async def _attempt(self, platform: Platform, attempt: UUID) -> None:
        """Carries an attempt out, within its own time: a caller who goes away does not cut it off."""
        task = asyncio.create_task(self._carry_out(platform, attempt))
        self._attempts.add(task)
        task.add_done_callback(self._attempts.discard)
        await asyncio.shield(task)

    async def _carry_out(self, platform: Platform, attempt: UUID) -> None:
        set_current_call(replace(current_call(), deadline=time.monotonic() + ATTEMPT_SECONDS))
        try:
            await self._records.remove(platform.name, platform.purge_time)
            await self._databases.deprovision(platform.name, platform.purge_time)
        except ServiceError as error:
            if error.code is not StatusCode.DEADLINE_EXCEEDED:  # that one may still be at work for a moment
                await self._store.fail_attempt(platform.uid, attempt)
            raise
        async with self._store.transaction() as changes:
            if platform.state is State.DELETED:
                await changes.note_purge(platform.uid, attempt)
            elif await changes.remove(platform.uid, attempt):
                details = {"platform": platform.name}
                await changes.record(platform.uid, current_caller().user, "RemovePlatform", details)

    async def _persist(self, call: Call, platform: Platform) -> None:
        """Tries again and again, as the caller, until the platform is gone or the caller may not any more."""
        until = time.monotonic() + _PERSIST_SECONDS
        pause = _FIRST_PAUSE_SECONDS
        while time.monotonic() < until:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            seconds = 2 * ATTEMPT_SECONDS  # another's attempt may have to end first
            set_current_call(replace(call, deadline=time.monotonic() + seconds))
            try:
                async with asyncio.timeout(seconds):
                    await self._remove(platform)
                return
            except TimeoutError:
                continue
            except ServiceError as error:
                _LOG.warning("deletion goes on later", platform=platform.name, reason=error.reason)
                if error.code not in _WORTH_REPEATING:
                    return

    def _ended(self, uid: UUID) -> Callable[[asyncio.Task[None]], None]:
        def note(task: asyncio.Task[None]) -> None:
            self._background.pop(uid, None)
            if not task.cancelled() and task.exception() is not None:
                _LOG.error("deletion stopped", platform_uid=str(uid), exc_info=task.exception())

        return note


def _is_unfinished(platform: Platform) -> bool:
    """Whether agent and data service have yet to be told what to do with what they hold of the platform."""
    told = platform.state is State.DELETED and platform.purge_noted
    return platform.state in (State.DELETING, State.DELETED) and not told

"""Bringing a deleted platform back, and what happens when nobody does.

First the data service and the agent service forget the moment at which they would remove what they hold, then
the row is ACTIVE again: cut off in between, the platform is still deleted, and the next look of an admin has
that moment noted anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from uuid import UUID

import structlog

from aidatalabs_services.platform.errors import not_active
from aidatalabs_services.platform.platforms import Platform, State
from aidatalabs_services.platform.ports import NoRecords, PlatformDatabases, PlatformRecords, PlatformStore
from aidatalabs_services.runtime.caller import Caller, current_call, set_current_call
from aidatalabs_services.runtime.errors import ServiceError, StatusCode, platform_not_found

METHOD = "UndeletePlatform"
_ATTEMPT_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1
_PURGE_SECONDS = 60.0

_LOG = structlog.get_logger()


class PlatformUndeletion:
    """Brings platforms back for callers whom the gate has let through as admins of them."""

    def __init__(
        self, store: PlatformStore, databases: PlatformDatabases, records: PlatformRecords | None = None
    ) -> None:
        self._store = store
        self._databases = databases
        self._records = records or NoRecords()
        self._attempts: set[asyncio.Task[Platform]] = set()

    async def undelete(self, caller: Caller) -> Platform:
        """The platform, ACTIVE, with its members and rows; one that is ACTIVE already is returned as it is.

        Raises PlatformNotFound where it is gone or its grace is over, PlatformNotActive where it is being
        made or removed, and those services' refusals, after which it is still deleted.
        """
        uid = UUID(caller.platform_uid)
        while True:
            async with self._store.transaction() as changes:
                found = await changes.by_uid(uid)
                if found is None:
                    raise platform_not_found(caller.platform)
                platform = found.platform
                if platform.state is State.ACTIVE:
                    return platform
                if platform.state is not State.DELETED:
                    raise not_active(platform.name, platform.state.name)
                attempt = None
                if not found.running:
                    attempt = await changes.begin_undeletion(uid, caller.user, _ATTEMPT_SECONDS)
                    if attempt is None:
                        raise platform_not_found(caller.platform)
            if attempt is None:
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)  # the call's deadline ends this wait
                continue
            # Within its own time: a caller who goes away does not cut it off.
            task = asyncio.create_task(self._carry_out(caller, platform, attempt))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)
            return await asyncio.shield(task)

    async def _carry_out(self, caller: Caller, platform: Platform, attempt: UUID) -> Platform:
        set_current_call(replace(current_call(), deadline=time.monotonic() + _ATTEMPT_SECONDS))
        try:
            await self._databases.provision(platform.name)
            await self._records.keep(platform.name)
        except ServiceError as error:
            if error.code is not StatusCode.DEADLINE_EXCEEDED:  # that one may still be at work for a moment
                await self._store.fail_attempt(platform.uid, attempt)
            raise
        async with self._store.transaction() as changes:
            back = await changes.undelete(platform.uid, attempt)
            if back is None:
                raise platform_not_found(platform.name)
            await changes.record(platform.uid, caller.user, METHOD, {"platform": platform.name})
        return back


class PlatformPurges:
    """Removes the rows of platforms that nobody brought back; what others hold of them goes there."""

    def __init__(self, store: PlatformStore, *, seconds: float = _PURGE_SECONDS) -> None:
        self._store = store
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look for platforms whose time is over."""
        self._task = asyncio.create_task(self._purge_forever())

    async def close(self) -> None:
        """Stops looking; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _purge_forever(self) -> None:
        while True:
            try:
                for platform in await self._store.purge_due():
                    _LOG.info("a deleted platform is removed for good", platform=platform.name)
            except Exception as error:  # noqa: BLE001 - the database may be away for a while
                _LOG.warning("deleted platforms are removed later", error=type(error).__name__)
            await asyncio.sleep(self._seconds)

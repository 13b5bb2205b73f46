"""Platforms that were deleted and can be brought back: their data is removed when their time is over.

    DIRECTORY/<platform uid>        the moment in milliseconds since 1970, then `removing`, then `removed`

The platform service deletes and brings back; this only keeps the moment, because nobody's token is there when
it comes. What is `removed` is never made anew: the uid is never used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aidatalabs_services.data.durable_files import durable_file
from aidatalabs_services.runtime.errors import ServiceError, platform_not_found

_LOG = logging.getLogger(__name__)
_UID = re.compile(r"[0-9a-f-]{36}\Z")
_REMOVING, _REMOVED = "removing", "removed"
_LONGEST_WAIT_SECONDS = 60.0
_PAUSE_SECONDS = 30.0


class PlatformGrace:
    """Notes when platforms' data is to go, and removes it then; `start` once, `close` at the end.

    `remove` removes a platform's data for good. `margin_seconds` are waited beyond the moment: whoever was
    still in time to bring a platform back has done so, whichever clock they go by.
    """

    def __init__(
        self, remove: Callable[[str], Awaitable[None]], directory: Path, *, margin_seconds: float = 60.0
    ) -> None:
        self._remove = remove
        self._directory = directory
        self._margin_seconds = margin_seconds
        self._due: dict[str, float] = {}
        self._gone: set[str] = set()
        self._begun: dict[str, float] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Takes up what was noted before."""
        await asyncio.to_thread(self._read)
        self._task = asyncio.create_task(self._remove_forever(), context=contextvars.Context())

    async def close(self) -> None:
        """Stops; the next start goes on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def schedule(self, uid: str, due_seconds: float) -> None:
        """Notes durably that the data goes at this moment (Unix seconds); a later call moves it."""
        if uid in self._gone:
            return
        await asyncio.to_thread(self._write, uid, str(int(due_seconds * 1000)))
        self._due[uid] = due_seconds
        self._news.set()

    async def cancel(self, uid: str, platform: str) -> None:
        """Forgets the moment. Raises PlatformNotFound where it has come."""
        if uid in self._gone:
            raise platform_not_found(platform)
        if self._due.pop(uid, None) is not None:
            await asyncio.to_thread((self._directory / uid).unlink, missing_ok=True)

    async def remove(self, uid: str) -> None:
        """Removes the data now."""
        if uid in self._due:
            await self._begin(uid)
        await self._finish(uid)

    async def _begin(self, uid: str) -> None:
        """From here on nothing brings the platform back. Raises OSError, and then it still can be."""
        self._gone.add(uid)
        due = self._due.pop(uid, None)
        try:
            await asyncio.to_thread(self._write, uid, _REMOVING)
        except OSError:
            self._gone.discard(uid)
            if due is not None:
                self._due[uid] = due
            raise
        self._begun[uid] = 0.0

    async def _finish(self, uid: str) -> None:
        await self._remove(uid)
        if self._begun.pop(uid, None) is not None:
            await asyncio.to_thread(self._write, uid, _REMOVED)

    async def _remove_forever(self) -> None:
        # What a process that ended had begun to remove is removed to its end.
        while True:
            self._news.clear()
            now = time.time()
            for uid in [uid for uid, due in self._due.items() if due + self._margin_seconds <= now]:
                try:
                    await self._begin(uid)
                except OSError as error:
                    _LOG.warning("a deleted platform's data is removed later: %s", type(error).__name__)
                    self._due[uid] = now + _PAUSE_SECONDS - self._margin_seconds
            for uid in [uid for uid, since in self._begun.items() if since <= now]:
                try:
                    await self._finish(uid)
                except (ServiceError, TimeoutError, OSError) as error:
                    _LOG.warning("a deleted platform's data is removed later: %s", type(error).__name__)
                    self._begun[uid] = now + _PAUSE_SECONDS
                except Exception:  # noqa: BLE001 - one platform's fault must not stop the others' removal
                    _LOG.exception("a deleted platform's data could not be removed; tried again later")
                    self._begun[uid] = now + 10 * _PAUSE_SECONDS
            moments = [due + self._margin_seconds for due in self._due.values()]
            ahead = min((*moments, *self._begun.values(), now + _LONGEST_WAIT_SECONDS)) - time.time()
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: it forgets a cancellation that comes with the event, and the end would wait.
                async with asyncio.timeout(max(ahead, 0.05)):
                    await self._news.wait()

    def _write(self, uid: str, text: str) -> None:
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_file(self._directory / uid, text.encode())

    def _read(self) -> None:
        for path in self._directory.iterdir() if self._directory.is_dir() else ():
            if _UID.match(path.name):
                text = path.read_text()
                if text.isdigit():
                    self._due[path.name] = int(text) / 1000
                else:
                    self._gone.add(path.name)
                    if text == _REMOVING:
                        self._begun[path.name] = 0.0

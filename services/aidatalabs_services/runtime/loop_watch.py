"""Notices when something blocks the event loop, and says where.

While the loop is blocked no call moves: no answer, no deadline, no health check. That is always a fault of
ours (work that belongs in a thread or in another process), so it is logged with the place it happens at.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
import traceback
from types import FrameType

import structlog

_BEAT_SECONDS = 0.1
_LIMIT_SECONDS = 0.5
_FRAMES = 3


class LoopWatch:
    """Watches the running loop from a thread, from `start` to `stop`; one log line for each blockage.

    The line `event loop blocked` comes while it lasts, with the innermost places in `where`; `event loop
    free` follows with the whole time in `seconds`.
    """

    def __init__(self, limit_seconds: float = _LIMIT_SECONDS) -> None:
        self._limit_seconds = limit_seconds
        self._beat_at = 0.0
        self._blocked = False
        self._ended = threading.Event()
        self._thread_id = 0
        self._timer: asyncio.TimerHandle | None = None
        self._log = structlog.get_logger()

    def start(self) -> None:
        """Begins to watch the loop that runs in this thread."""
        self._thread_id = threading.get_ident()
        self._beat_at = time.monotonic()
        self._beat(asyncio.get_running_loop())
        threading.Thread(target=self._watch, name="loop-watch", daemon=True).start()

    def stop(self) -> None:
        """Ends the watch."""
        self._ended.set()
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        late = time.monotonic() - self._beat_at - _BEAT_SECONDS
        self._beat_at = time.monotonic()
        if self._blocked:
            self._blocked = False
            self._log.warning("event loop free", seconds=round(late, 3))
        self._timer = loop.call_later(_BEAT_SECONDS, self._beat, loop)

    def _watch(self) -> None:
        while not self._ended.wait(self._limit_seconds / 2):
            late = time.monotonic() - self._beat_at - _BEAT_SECONDS
            if late > self._limit_seconds and not self._blocked:
                self._blocked = True
                frame = sys._current_frames().get(self._thread_id)
                self._log.error("event loop blocked", seconds=round(late, 3), where=_where(frame))


def _where(frame: FrameType | None) -> str:
    """The innermost places, as `function (file:line)`, the innermost first."""
    found = traceback.extract_stack(frame)[-_FRAMES:] if frame is not None else []
    return " < ".join(f"{place.name} ({place.filename}:{place.lineno})" for place in reversed(found))

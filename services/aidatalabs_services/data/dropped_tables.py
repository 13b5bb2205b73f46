"""Dropped tables that can be brought back: renamed out of sight, removed for good when their time has come.

The new name holds all there is to know, so the drop is one atomic step of the engine:

    _dropped_<dropped at>_<removed at>_<name>       both in milliseconds since 1970

Which platforms have such tables is kept in files beside the engines (written before the rename), so that the
removal needs no engine that has nothing to remove.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aidatalabs_services.data.durable_files import durable_file
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
DROPPED_PREFIX = "_dropped_"
_NAME = re.compile(DROPPED_PREFIX + r"(\d+)_(\d+)_(.+)", re.DOTALL)
_UID = re.compile(r"[0-9a-f-]{36}\Z")
_LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Dropped:
    """What the name of a dropped table says; times in milliseconds since 1970."""

    name: str
    drop_ms: int
    purge_ms: int

    @property
    def hidden(self) -> str:
        """The name it has in the engine."""
        return f"{DROPPED_PREFIX}{self.drop_ms}_{self.purge_ms}_{self.name}"


def dropped_of(hidden: str) -> Dropped | None:
    """What a name in the engine says; None where it is not that of a dropped table."""
    found = _NAME.fullmatch(hidden)
    return Dropped(found[3], int(found[1]), int(found[2])) if found else None


class DroppedTables:
    """Removes dropped tables of every platform when their time has come; `start` once, `close` at the end.

    `grace_seconds` is how long a table can be brought back.
    """

    def __init__(
        self, warehouse: Warehouse, holds: TableHolds, directory: Path, *, grace_seconds: float
    ) -> None:
        self._warehouse = warehouse
        self._holds = holds
        self._directory = directory
        self._grace_ms = int(grace_seconds * 1000)
        self._due: dict[str, int] = {}
        self._dropping: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._purging: asyncio.Task[None] | None = None

    @property
    def has_grace(self) -> bool:
        """Whether dropped tables can be brought back at all."""
        return self._grace_ms > 0

    async def start(self) -> None:
        """Takes up what was noted before and begins to remove what is due."""
        self._due = await asyncio.to_thread(self._read)
        self._purging = asyncio.create_task(self._purge_forever(), context=contextvars.Context())

    async def close(self) -> None:
        """Stops removing; the next start goes on."""
        if self._purging is not None:
            self._purging.cancel()
            await asyncio.gather(self._purging, return_exceptions=True)

    @asynccontextmanager
    async def dropping(self, uid: str, name: str) -> AsyncIterator[Dropped]:
        """Notes durably that this platform is about to have another dropped table; the block renames it."""
        now = int(time.time() * 1000)
        dropped = Dropped(name, now, now + self._grace_ms)
        self._dropping[uid] += 1
        try:
            if dropped.purge_ms < self._due.get(uid, dropped.purge_ms + 1):
                await self._note(uid, dropped.purge_ms)
                self._news.set()
            yield dropped
        finally:
            self._dropping[uid] -= 1
            self._drops[uid] += 1

    async def forget(self, uid: str) -> None:
        """Drops what is noted about a platform that is removed."""
        self._due.pop(uid, None)
        await asyncio.to_thread((self._directory / uid).unlink, missing_ok=True)

    async def purge(self, uid: str) -> None:
        """Removes the platform's dropped tables that are due, and notes when the next one is."""
        now = time.time() * 1000
        drops = self._drops[uid]
        later = []
        for hidden in await self._warehouse.dropped_tables(uid):
            dropped = dropped_of(hidden)
            if dropped is None or dropped.purge_ms > now:
                later += [dropped.purge_ms] if dropped else []
            elif self._holds.is_deleting(uid, dropped.name):
                later.append(int(now) + 1000)
            else:
                await self._warehouse.execute(
                    uid, f"DROP TABLE IF EXISTS {quoted(hidden)} SYNC", table=hidden
                )
        if self._dropping[uid] or self._drops[uid] != drops:
            later.append(int(now) + 1000)  # one more may have come since they were listed
        if later:
            await self._note(uid, min(later))
        else:
            await self.forget(uid)

    async def _purge_forever(self) -> None:
        while True:
            self._news.clear()
            now = time.time() * 1000
            for uid in [uid for uid, due in self._due.items() if due <= now]:
                try:
                    await self.purge(uid)
                except (ServiceError, TimeoutError, OSError) as error:
                    _LOG.warning("dropped tables are removed later: %s", type(error).__name__)
                    self._due[uid] = int(now) + 30_000
                except Exception:  # noqa: BLE001 - one platform's fault must not stop the others' removal
                    _LOG.exception("dropped tables could not be removed; tried again later")
                    self._due[uid] = int(now) + 300_000
            ahead = (min(self._due.values(), default=0) - time.time() * 1000) / 1000
            wait = min(max(ahead, 0.05), _LONGEST_WAIT_SECONDS) if self._due else _LONGEST_WAIT_SECONDS
            with contextlib.suppress(TimeoutError):
                # Not `wait_for`: it forgets a cancellation that comes with the event, and the end would wait.
                async with asyncio.timeout(wait):
                    await self._news.wait()

    async def _note(self, uid: str, due_ms: int) -> None:
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        self._due[uid] = due_ms
        await asyncio.to_thread(self._write, uid, due_ms)

    def _write(self, uid: str, due_ms: int) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_file(self._directory / uid, str(due_ms).encode())

    def _read(self) -> dict[str, int]:
        if not self._directory.is_dir():
            return {}
        found = {}
        for path in self._directory.iterdir():
            if _UID.match(path.name):
                text = path.read_text()
                found[path.name] = int(text) if text.isdigit() else 0
        return found

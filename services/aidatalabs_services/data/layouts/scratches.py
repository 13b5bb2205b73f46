"""Where copies live: hidden tables of the platform's own database that are gone when the call is.

Their names begin with `_scratch_`: such names are reserved, the SQL door knows none of them, lists, profiles
and backups leave them out. That a platform may have some is noted in a file before the first is made, so that
whatever a crash leaves behind is dropped when the service begins again.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import re
import secrets
import shutil
from pathlib import Path

from aidatalabs_services.data.durable_files import durable_file
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
PREFIX = "_scratch_"
_UID = re.compile(r"[0-9a-f-]{36}\Z")
_OWN = QueryLimits(20.0, 100_000, 16 * 1024**2, 64 * 1024**2, 10**9, 10**12)
_FOUND = """
SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '_scratch_')
"""
_PAUSES_SECONDS = (0.2, 1.0, 5.0, 15.0, 60.0)


class Scratches:
    """Notes which platforms may have copies, and drops them; `start` once, `close` at the end.

    `directory` holds the notes.
    """

    def __init__(self, warehouse: Warehouse, directory: Path) -> None:
        self._warehouse = warehouse
        self._directory = directory
        self._clearing: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Begins to drop what an earlier process has left."""
        for uid in await asyncio.to_thread(self._noted):
            self.clear_soon(uid)

    async def close(self) -> None:
        """Stops dropping; the next start goes on."""
        for task in self._clearing.values():
            task.cancel()
        await asyncio.gather(*self._clearing.values(), return_exceptions=True)

    def free_bytes(self) -> int:
        """Room on the disk that the notes are on, which is that of the embedded engines."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return shutil.disk_usage(self._directory).free

    async def prepare(self, uid: str) -> str:
        """Notes durably that the platform is about to have copies, and drops older ones.

        Returns what the names of the new ones begin with.
        """
        if not _UID.match(uid):
            raise ValueError("not the uid of a platform")
        await self._not_clearing(uid)  # it would drop what is made from here on
        await asyncio.to_thread(self._note, uid)
        await self._drop(uid)
        return f"{PREFIX}{secrets.token_hex(4)}_"

    async def clear(self, uid: str) -> None:
        """Drops every copy of the platform. Raises ServiceError or TimeoutError where it cannot now."""
        await self._drop(uid)
        await asyncio.to_thread(self._forget, uid)

    def clear_soon(self, uid: str) -> asyncio.Task[None]:
        """The same in the background, again until it is done. The task ends when it is."""
        task = self._clearing.get(uid)
        if task is None or task.done():
            # Of its own context: the deadline of the call that ends must not be that of the clearing.
            task = asyncio.create_task(self._clear_at_last(uid), context=contextvars.Context())
            self._clearing[uid] = task
        return task

    async def forget(self, uid: str) -> None:
        """Drops what is noted about a platform that is removed."""
        await self._not_clearing(uid)
        await asyncio.to_thread(self._forget, uid)

    async def _not_clearing(self, uid: str) -> None:
        task = self._clearing.pop(uid, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _clear_at_last(self, uid: str) -> None:
        for pause in (*_PAUSES_SECONDS, 0.0):
            try:
                await self.clear(uid)
                return
            except (ServiceError, TimeoutError, OSError) as error:
                _LOG.warning("copies of a table are dropped a little later: %s", type(error).__name__)
            await asyncio.sleep(pause)
        _LOG.error("copies of a table stay hidden until the next start, or the next measuring")

    async def _drop(self, uid: str) -> None:
        found = await self._warehouse.query(uid, _FOUND, limits=_OWN, query_id=new_query_id())
        for (name,) in found.rows:
            await self._warehouse.execute(
                uid, f"DROP TABLE IF EXISTS {quoted(str(name))} SYNC", table=str(name)
            )

    def _note(self, uid: str) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable_file(self._directory / uid, b"")

    def _forget(self, uid: str) -> None:
        (self._directory / uid).unlink(missing_ok=True)

    def _noted(self) -> list[str]:
        if not self._directory.is_dir():
            return []
        for half_written in self._directory.glob("*.tmp"):
            half_written.unlink(missing_ok=True)
        return [path.name for path in self._directory.iterdir() if _UID.match(path.name)]

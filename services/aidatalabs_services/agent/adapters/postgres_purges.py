"""Purges of platforms in PostgreSQL.

What is to go is not listed: it is every table of the schema with a column `platform_uid`, so that a new table
cannot be forgotten here; other tables follow by their foreign keys. It is noted before it is done, and what
is noted is done again and again for a day: a call that had begun before may still write something.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceUnavailable
from aidatalabs_services.runtime.postgres import Database

_TABLES = (
    "SELECT quote_ident(table_name) FROM information_schema.columns WHERE table_schema = current_schema() "
    "AND column_name = 'platform_uid' AND table_name <> 'purges' ORDER BY 1"
)
_REMOVE = (
    "INSERT INTO purges (platform_uid, due_at, removed) VALUES ($1, now(), true) "
    "ON CONFLICT (platform_uid) DO UPDATE SET removed = true, due_at = now()"
)
_SCHEDULE = (
    "INSERT INTO purges (platform_uid, due_at) VALUES ($1, $2) "
    "ON CONFLICT (platform_uid) DO UPDATE SET due_at = excluded.due_at WHERE NOT purges.removed"
)
# A minute beyond the moment, whoever was still in time to bring a platform back has done so.
_DUE = (
    "UPDATE purges SET removed = true, due_at = now() "
    "WHERE NOT removed AND due_at < now() - interval '1 minute'"
)
_AT_ONCE = 500
_EVERY_SECONDS = 60.0


class PostgresPurges:
    """`PurgeStore` over one pool. `open` comes before all else."""

    def __init__(self) -> None:
        self._opened: Database | None = None
        self._sweeping: asyncio.Task[None] | None = None

    def open(self, database: Database) -> None:
        """Takes the pool, and begins to remove what is due; call it inside the loop that serves."""
        self._opened = database
        self._sweeping = asyncio.create_task(self._sweep_forever())

    async def close(self) -> None:
        """Stops; the next start goes on."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.gather(self._sweeping, return_exceptions=True)

    @property
    def _database(self) -> Database:
        if self._opened is None:
            raise RuntimeError("the store of purges was not opened")
        return self._opened

    async def remove(self, platform_uid: str) -> None:
        """See PurgeStore."""
        async with self._database.connection() as run:
            await run.execute(_REMOVE, platform_uid)
        await self._remove([platform_uid])

    async def schedule(self, platform_uid: str, due: datetime) -> None:
        """See PurgeStore."""
        async with self._database.connection() as run:
            await run.execute(_SCHEDULE, platform_uid, due)

    async def keep(self, platform_uid: str) -> bool:
        """See PurgeStore."""
        async with self._database.connection() as run:
            await run.execute("DELETE FROM purges WHERE platform_uid = $1 AND NOT removed", platform_uid)
            return not await run.fetchval(
                "SELECT EXISTS (SELECT FROM purges WHERE platform_uid = $1)", platform_uid
            )

    async def sweep(self) -> None:
        """Removes what is due, and once more what went in the last day."""
        async with self._database.connection() as run:
            await run.execute(_DUE)
            await run.execute("DELETE FROM purges WHERE removed AND due_at < now() - interval '1 day'")
            rows = await run.fetch("SELECT platform_uid FROM purges WHERE removed")
        if rows:
            await self._remove([row["platform_uid"] for row in rows])

    async def _remove(self, platform_uids: list[str]) -> None:
        """Removes in small pieces, so that no statement takes long; cut off anywhere, the next goes on."""
        async with self._database.connection() as run:
            tables = [row[0] for row in await run.fetch(_TABLES)]
            for table in tables:
                told = f"DELETE {_AT_ONCE}"
                while told == f"DELETE {_AT_ONCE}":
                    told = await run.execute(
                        f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} "  # noqa: S608 - quoted
                        f"WHERE platform_uid = ANY($1::text[]) LIMIT {_AT_ONCE})",
                        platform_uids,
                    )

    async def _sweep_forever(self) -> None:
        while True:
            try:
                await self.sweep()
            except (ServiceUnavailable, DeadlineExceeded) as error:
                structlog.get_logger().warning("purges of platforms go on later", reason=error.reason)
            await asyncio.sleep(_EVERY_SECONDS)

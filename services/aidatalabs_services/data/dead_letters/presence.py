"""The table of rejected rows on every platform, also on those that were made before there was one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, EVENTS
from aidatalabs_services.data.table_ddl import create_table
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
# Blocks of letters of every table go into this one: many may pass while one of them is in doubt.
_DEDUPLICATION_WINDOW = 10_000


class LettersTable:
    """Makes the table where it is missing; rows in it are kept for `days`."""

    def __init__(self, warehouse: Warehouse, *, days: int, fsync: bool) -> None:
        self._warehouse = warehouse
        table = replace(DEAD_LETTERS, ttl=f"rejected_at + INTERVAL {days} DAY")
        ddl = create_table(table, fsync=fsync, deduplication_window=_DEDUPLICATION_WINDOW)
        self._ddl = ddl.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1)

    async def schema(self, uid: str) -> Schema:
        """The platform's tables, this one among them. A table of that name that is there already stays."""
        found = await self._warehouse.schema(uid)
        if not _is_missing(found):
            return found
        try:
            await self.make(uid)
        except ServiceError as error:
            _LOG.warning("the table of rejected rows could not be made: %s", error.reason)
            return found
        return await self._warehouse.schema(uid)

    async def make(self, uid: str) -> None:
        """Makes the table where none has its name. Idempotent."""
        await self._warehouse.execute(uid, self._ddl, table=DEAD_LETTERS.name)


def _is_missing(tables: Mapping[str, object]) -> bool:
    # Without `events` the platform is not made yet, or goes away.
    return EVENTS.name in tables and DEAD_LETTERS.name not in tables

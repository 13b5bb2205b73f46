"""One insert of an acknowledged block into the table that its rows were sent to, wherever that is by now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from aidatalabs_services.data.blocks import NATIVE
from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.journal_records import GroupRecord
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, is_dead_letters
from aidatalabs_services.runtime.errors import ServiceUnavailable

_LOG = logging.getLogger(__name__)
_UNKNOWN_TABLE = 60  # ClickHouse's number


class BlockInserts:
    """Inserts under the holds of deletions; `insert_seconds` until the outcome of one counts as not known."""

    def __init__(
        self,
        warehouse: Warehouse,
        schema: Callable[[str], Awaitable[Schema]],
        holds: TableHolds,
        insert_seconds: float,
    ) -> None:
        self._warehouse = warehouse
        self._schema = schema
        self._holds = holds
        self._insert_seconds = insert_seconds

    async def insert(
        self,
        uid: str,
        record: GroupRecord,
        payload: bytes,
        *,
        letters: bool,
        token: str,
        places: asyncio.Semaphore,
        begun: Callable[[], None] = lambda: None,
    ) -> bool:
        """Stores a block of a group, of its rows or its `letters`; False where the table is gone for good.

        `begun` is called when nobody holds the table any more.

        Raises InsertRefused where the engine will never take it, ServiceUnavailable and TimeoutError where it
        is not known whether it did.
        """
        into = DEAD_LETTERS.name if letters else record.table
        # The hold first: a table that is held must not take a place from the others.
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._holds.inserting(uid, into))
            begun()
            await held.enter_async_context(places)
            await held.enter_async_context(asyncio.timeout(self._insert_seconds))
            table = await (self._letters_table(uid) if letters else self._table_now(uid, record))
            if table is None:
                _LOG.warning("table %s was dropped: an acknowledged block goes with it", into)
                return False
            try:
                await self._warehouse.insert_block(
                    uid,
                    table,
                    record.letter_columns if letters else record.columns,
                    payload,
                    format_name=NATIVE if letters else record.format_name,
                    token=token,
                )
            except InsertRefused as error:
                if error.engine_code == _UNKNOWN_TABLE:
                    # Renamed or removed by another process since it was looked up: looked up anew.
                    raise ServiceUnavailable("The table is not where it was.") from error
                raise
            return True

    async def _table_now(self, uid: str, record: GroupRecord) -> str | None:
        """The name that the rows' table has now: another one where it was dropped and can be brought back.

        None where it is gone, also where another table has its name.
        """
        table = (await self._schema(uid)).get(record.table)
        if table is not None and table.identity == record.identity:
            return record.table
        dropped = await self._warehouse.dropped_tables(uid)
        return next((name for name, table in dropped.items() if table.identity == record.identity), None)

    async def _letters_table(self, uid: str) -> str | None:
        """The table of rejected rows, None where it is not one of ours or gone for good."""
        table = (await self._schema(uid)).get(DEAD_LETTERS.name)
        return table.name if table is not None and is_dead_letters(table) else None

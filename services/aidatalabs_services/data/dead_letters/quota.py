"""How many bytes of rejected rows one platform may still leave today: nobody fills the disk with them."""

from __future__ import annotations

import asyncio
import logging
import time

from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.standard_tables import DEAD_LETTERS
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.runtime.errors import ServiceError

_LOG = logging.getLogger(__name__)
_SECONDS_PER_DAY = 86_400
_PATIENCE_SECONDS = 1.0
LETTER_BYTES = 300
"""What a letter takes beside its row."""
_SPENT = (
    f"SELECT sum(length(row_json)) + {LETTER_BYTES} * count() FROM {quoted(DEAD_LETTERS.name)} "  # noqa: S608
    "WHERE rejected_at >= toStartOfDay(now('UTC'), 'UTC')"
)
_LIMITS = QueryLimits(
    max_seconds=5.0,
    max_rows=10,
    max_result_bytes=1024 * 1024,
    max_memory_bytes=64 * 1024 * 1024,
    max_rows_to_read=10**12,
    max_bytes_to_read=10**15,
)


class DayQuota:
    """Bytes spent by platform and day (UTC); after a restart the table itself says what today has."""

    def __init__(self, warehouse: Warehouse, day_bytes: int) -> None:
        self._warehouse = warehouse
        self._day_bytes = day_bytes
        self._spent: dict[str, tuple[int, int]] = {}

    async def left(self, uid: str) -> int:
        """Bytes that may still be kept today, at least 0."""
        today = int(time.time()) // _SECONDS_PER_DAY
        day, spent = self._spent.get(uid, (-1, 0))
        if day != today:
            read = await self._read(uid)
            if read is None:
                return self._day_bytes  # not noted, so asked again
            # Another call may have been faster, and have spent some since.
            day, spent = self._spent.get(uid, (-1, 0))
            spent = spent if day == today else read
            self._spent[uid] = (today, spent)
        return max(0, self._day_bytes - spent)

    def spend(self, uid: str, size: int) -> None:
        """Counts bytes that are kept."""
        today = int(time.time()) // _SECONDS_PER_DAY
        day, spent = self._spent.get(uid, (today, 0))
        if day == today and uid in self._spent:
            self._spent[uid] = (today, spent + size)

    def forget(self, uid: str) -> None:
        """Drops the count of a platform that is gone."""
        self._spent.pop(uid, None)

    async def _read(self, uid: str) -> int | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):  # an engine that is away must not hold up ingest
                outcome = await self._warehouse.query(uid, _SPENT, limits=_LIMITS, query_id=new_query_id())
        except (ServiceError, TimeoutError) as error:
            _LOG.warning("today's rejected rows could not be counted: %s", type(error).__name__)
            return None
        return int(outcome.rows[0][0])

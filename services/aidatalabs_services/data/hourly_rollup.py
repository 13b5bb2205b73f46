"""The hourly roll-up of `events`, put right when events are deleted.

The engine adds every insert to `events_hourly` but takes nothing away. So the months with deleted events are
computed anew into a table aside while the rows are still there (as they will be without them), and replace
those of the roll-up in one atomic step each when the rows are gone: no reader ever sees a month half done.

Where the roll-up counts more than there are events, events have gone by a time to live: their sums are kept
on purpose, so what is deleted is taken from the roll-up's own figures there instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from aidatalabs_services.data.ports import Json, QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.standard_tables import EVENTS, EVENTS_HOURLY
from aidatalabs_services.data.table_ddl import quoted

_ASIDE_PREFIX = "_corrected_"
_LEFT = (
    "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, '_corrected_')"
)
_MONTHS = "SELECT DISTINCT toYYYYMM(timestamp) AS month FROM {events} WHERE ({condition}) ORDER BY month"
_CORRECTED = """
INSERT INTO {aside}
SELECT hour, event_type,
    if(sum(summed) > sum(there), sum(summed) - sum(gone), sum(there) - sum(gone)) AS events_left,
    if(sum(summed) > sum(there), sum(summed_value) - sum(gone_value), sum(value_left)) AS total_left
FROM (
    SELECT hour, event_type, events AS summed, total_value AS summed_value,
        toUInt64(0) AS there, toUInt64(0) AS gone, 0. AS gone_value, 0. AS value_left
    FROM {hourly} WHERE toYYYYMM(hour) = {month}
    UNION ALL
    SELECT toStartOfHour(timestamp) AS hour, event_type, toUInt64(0), 0.,
        count(), countIf(goes), sumIf(value, goes), sumIf(value, NOT goes)
    FROM (SELECT timestamp, event_type, value, if(({condition}), true, false) AS goes
        FROM {events} WHERE toYYYYMM(timestamp) = {month})
    GROUP BY hour, event_type
)
GROUP BY hour, event_type
HAVING events_left > 0
"""


class HourlyRollup:
    """See `ports.DerivedTables`; what is noted are the months, with commas between."""

    def __init__(self, warehouse: Warehouse, limits: QueryLimits) -> None:
        self._warehouse = warehouse
        self._limits = limits

    def derive_from(self, table: str) -> bool:
        """See DerivedTables."""
        return table == EVENTS.name

    async def prepare(self, uid: str, table: str, condition: str, *, key: str) -> str:
        """See DerivedTables."""
        await self.release(uid, table)
        names = {"events": quoted(table), "hourly": quoted(EVENTS_HOURLY.name), "condition": condition}
        months = [int(row[0]) for row in await self._rows(uid, _MONTHS.format(**names))]
        aside = quoted(_aside(key))
        await self._run(uid, f"CREATE TABLE {aside} AS {quoted(EVENTS_HOURLY.name)}")
        for month in months:
            await self._run(uid, _CORRECTED.format(**names, aside=aside, month=month))
        return ",".join(map(str, months))

    async def correct(self, uid: str, table: str, noted: str, *, key: str) -> None:
        """See DerivedTables."""
        aside, hourly = _aside(key), quoted(EVENTS_HOURLY.name)
        for month in filter(None, noted.split(",")):
            count = f"SELECT count() FROM {quoted(aside)} WHERE toYYYYMM(hour) = {int(month)}"  # noqa: S608
            if (await self._rows(uid, count))[0][0]:
                await self._run(
                    uid, f"ALTER TABLE {hourly} REPLACE PARTITION {int(month)} FROM {quoted(aside)}"
                )
            else:
                await self._run(uid, f"ALTER TABLE {hourly} DROP PARTITION {int(month)}")

    async def release(self, uid: str, table: str) -> None:
        """See DerivedTables."""
        found = await self._rows(
            uid,
            _LEFT,
        )
        for (name,) in found:
            await self._run(uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC")

    async def _run(self, uid: str, sql: str) -> None:
        await self._warehouse.execute(uid, sql, table=EVENTS_HOURLY.name)

    async def _rows(self, uid: str, sql: str) -> Sequence[Sequence[Json]]:
        outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        return outcome.rows


def _aside(key: str) -> str:
    return f"{_ASIDE_PREFIX}{key}"

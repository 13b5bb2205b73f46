"""Everything about data that goes: deletions, dropped tables, who may write meanwhile; one start, one end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aidatalabs_services.data.deletion_records import DeletionRecords
from aidatalabs_services.data.deletion_works import DeletionWorks, Forget
from aidatalabs_services.data.deletions import Deletions
from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.dropped_tables import DroppedTables
from aidatalabs_services.data.erasure import Erasure
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.hourly_rollup import HourlyRollup
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ports import DerivedTables, QueryLimits, Warehouse
from aidatalabs_services.data.schema import SchemaCache

_COUNT_SECONDS = 60.0
_UNBOUNDED = 10**15


class Retention:
    """Built once over the ingestor, whose `holds` and `doubts` it shares; `derived` are put right beside the
    hourly sums.

    `start` begins ingest too: tables in the middle of a deletion are held before the first journalled row
    goes on, and deletions go on after.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        ingestor: Ingestor,
        holds: TableHolds,
        directory: Path,
        limits: QueryLimits,
        *,
        drop_grace_hours: float,
        forget_results: Forget,
        derived: Sequence[DerivedTables] = (),
        doubts: Doubts | None = None,
    ) -> None:
        own = replace(
            limits,
            max_seconds=_COUNT_SECONDS,
            max_rows=100_000,
            max_rows_to_read=_UNBOUNDED,
            max_bytes_to_read=_UNBOUNDED,
        )
        records = DeletionRecords(directory / "deletions")
        erasure = Erasure(warehouse, own, [HourlyRollup(warehouse, own), *derived])
        self._ingestor = ingestor
        self._works = DeletionWorks(
            records,
            erasure,
            holds,
            doubts or Doubts(),
            drain=ingestor.drained,
            forget_stored=ingestor.stored_rows_forgotten,
            forget_results=forget_results,
        )
        self.deletions = Deletions(warehouse, schemas, records, self._works)
        self.dropped = DroppedTables(
            warehouse, holds, directory / "dropped", grace_seconds=drop_grace_hours * 3600
        )

    async def start(self) -> None:
        """Goes on with whatever was under way, ingest included."""
        await self._works.hold_unfinished()
        await self._ingestor.start()
        await self._works.resume()
        await self.dropped.start()

    async def close(self) -> None:
        """Stops; ingest is closed by whoever made it."""
        await self.dropped.close()
        await self._works.close()

    async def remove(self, uid: str) -> None:
        """Ends everything here about a platform that is removed."""
        await self.deletions.remove(uid)
        await self.dropped.forget(uid)

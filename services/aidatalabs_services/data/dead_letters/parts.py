"""What a service has for rejected rows: the table, the writing of letters, and their replay."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.data.dead_letters.letters import LetterKeeping, LetterLimits
from aidatalabs_services.data.dead_letters.presence import LettersTable
from aidatalabs_services.data.dead_letters.quota import DayQuota
from aidatalabs_services.data.dead_letters.replays import Replays
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ingest import Ingestor
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.schema import SchemaCache

_RESULT_BYTES = 64 * 1024 * 1024


class DeadLetters:
    """`table` and `keeping` are None where rejected rows are not kept; those that are there can go again."""

    def __init__(
        self, warehouse: Warehouse, limits: LetterLimits, *, is_on: bool, days: int, fsync: bool
    ) -> None:
        self._warehouse = warehouse
        self.table = LettersTable(warehouse, days=days, fsync=fsync) if is_on else None
        self.keeping = LetterKeeping(limits, DayQuota(warehouse, limits.day_bytes)) if is_on else None
        self.read_schema = self.table.schema if self.table else warehouse.schema

    def replays(
        self, schemas: SchemaCache, ingestor: Ingestor, holds: TableHolds, limits: QueryLimits
    ) -> Replays:
        """Replay within `limits`, but for those that are not meant for it: letters are read page by page."""
        own = replace(
            limits, max_result_bytes=_RESULT_BYTES, max_rows_to_read=10**12, max_bytes_to_read=10**15
        )
        return Replays(self._warehouse, schemas, ingestor, holds, own)

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform that is gone."""
        if self.keeping is not None:
            self.keeping.forget(uid)

"""The records of asynchronous roll-ups as their workers see and change them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.epochs import Epochs
from aidatalabs_services.data.rollups.platforms import Platform
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.schema import SchemaCache, TableSchema


class FollowedRollups:
    """See `followers.Followed`; `platform` gives what is known of one, None where nothing is."""

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        epochs: Epochs,
        platform: Callable[[str], Platform | None],
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._epochs = epochs
        self._platform = platform

    def following(self, uid: str) -> Sequence[Record]:
        """See Followed."""
        platform = self._platform(uid)
        return platform.followed() if platform else []

    async def table(self, uid: str, record: Record) -> TableSchema | None:
        """See Followed."""
        table = (await self._schemas.get(uid)).get(record.declaration.table)
        return table if table is not None and table.identity == record.identity else None

    async def publish(self, uid: str, record: Record, progress: Progress) -> bool:
        """See Followed. From its return on queries read the new states; a kill before it leaves the old."""
        platform = self._platform(uid)
        if platform is None:
            return False
        async with platform.changing:
            held = self._in_use(platform, record)
            # Rows may have been deleted since the piece was begun, or a record was read that tells otherwise.
            if held is None or held.progress != record.progress:
                return False
            await records.put(self._warehouse, uid, replace(held, progress=progress))
            platform.found[record.declaration.name] = replace(held, progress=progress)
        return True

    async def sweep(self, uid: str, record: Record) -> bool:
        """See Followed. What the engine's own record lists stays too: one may have been written unheard."""
        platform = self._platform(uid)
        if platform is None:
            return True
        async with platform.changing:
            held = self._in_use(platform, record)
            if held is None or held.progress is None:
                return True
            counted = set(held.progress.numbers)
            for each in (await records.find(self._warehouse, uid)).records:
                if each.target == held.target:
                    counted |= each.progress.numbers if each.progress else set()
            leased = platform.leased(held.target)
            left = {each.number for each in await self._epochs.stored(uid, held.target)} - counted
            for number in left - leased:
                await self._epochs.drop(uid, held.target, number)
        return not left & leased

    @staticmethod
    def _in_use(platform: Platform, record: Record) -> Record | None:
        held = platform.found.get(record.declaration.name)
        is_same = held is not None and held.target == record.target and held.state == READY
        return held if is_same and record.declaration.name not in platform.fenced else None

"""Roll-ups while rows of their table are deleted: out of use before, made anew after."""

from __future__ import annotations

from aidatalabs_services.data.rollups.rollups import Rollups


class DerivedRollups:
    """See `ports.DerivedTables`. Nothing is noted: the records in the engine say what is out of use."""

    def __init__(self, rollups: Rollups) -> None:
        self._rollups = rollups

    def derive_from(self, table: str) -> bool:
        """See DerivedTables. Any table may have roll-ups; for one without, the calls do nothing."""
        return True

    async def prepare(self, uid: str, table: str, condition: str, *, key: str) -> str:
        """See DerivedTables. From here on queries read the rows."""
        await self._rollups.fence(uid, table)
        return ""

    async def correct(self, uid: str, table: str, noted: str, *, key: str) -> None:
        """See DerivedTables. When it returns no state of a deleted row is left."""
        # Once more: after a crash nobody here knows what `prepare` has taken out of use.
        await self._rollups.fence(uid, table)
        await self._rollups.rebuild(uid, table)

    async def release(self, uid: str, table: str) -> None:
        """See DerivedTables. After a deletion that failed the roll-ups are made of the rows that are left."""
        await self._rollups.rebuild(uid, table, wait=False)

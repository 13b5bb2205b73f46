"""The world of roll-ups with asynchronous ones: some blocks are in epochs, the others in the table alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from aidatalabs_services.data.rollups.declarations import Maintenance
from aidatalabs_services.data.rollups.epochs import Epochs
from aidatalabs_services.data.rollups.layout import create_target, layout_of
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.records import READY, Record, target_name
from tests.unit.data_rollups.world import World


class _Warehouse:
    """The two methods of a warehouse that epochs need."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def query(self, _uid: str, sql: str, **_more: Any) -> Any:
        """See Warehouse."""
        return SimpleNamespace(rows=self._world.rows(sql)[1])

    async def execute(self, _uid: str, sql: str, *, table: str) -> None:
        """See Warehouse."""
        self._world.execute(sql)


class FollowedWorld(World):
    """`made_of` says after which blocks of `refill` an epoch is made, the same for both roll-ups."""

    def __init__(self, made_of: Sequence[int]) -> None:
        self.made_of = made_of
        self.epochs = Epochs(_Warehouse(self), piece_rows=15)  # type: ignore[arg-type]
        super().__init__()

    def _make_rollups(self) -> None:
        self.layouts = [
            layout_of(replace(each.declaration, maintenance=Maintenance.ASYNCHRONOUS), self.table)
            for each in self.layouts
        ]
        for count, layout in enumerate(self.layouts):
            target = target_name(layout.declaration.name, 1)
            self.execute(create_target(layout, target, comment="", fsync=False))
            none = Progress(0, (), 0.0)
            self.found.append(
                Record(layout.declaration, READY, "here", 1, target, row_count=count, progress=none)
            )
        asyncio.run(self.epochs.keep_blocks("", "events"))

    def refilled(self, block: int) -> None:
        """After a block of rows: perhaps an epoch, perhaps one of all, or a merge of the table."""
        if block in self.made_of:
            self.found = [asyncio.run(self._advanced(each)) for each in self.found]
        if block % 5 == 4:
            self.execute("OPTIMIZE TABLE events FINAL")

    async def _advanced(self, record: Record) -> Record:
        assert record.progress is not None
        layout = next(each for each in self.layouts if each.declaration == record.declaration)
        before = record.progress
        blocks = await self.epochs.next_blocks("", "events", before.watermark, piece_rows=10**9)
        made = await self.epochs.make("", layout, record.target, blocks, piece_rows=15)
        after = Progress(blocks.upto, before.epochs + ((made,) if made else ()), 0.0)
        old = after.folded()
        if old:
            after = after.with_folded(old, await self.epochs.fold("", layout, record.target, old))
        return replace(record, progress=after)

"""A warehouse in memory that recognises tokens as the real one does; it can be down, slow or refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from aidatalabs_services.data.errors import InsertRefused
from aidatalabs_services.data.schema import ColumnSchema, Schema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS, EVENTS_HOURLY
from aidatalabs_services.runtime.errors import ServiceUnavailable

TRIPS = TableSchema(
    "trips", (ColumnSchema("id", "UInt64"), ColumnSchema("note", "Nullable(String)")), identity="trips-1"
)


@dataclass
class MemoryWarehouse:
    """Blocks by token; `down` answers nothing, `after` is how many times it stores and loses the answer."""

    tables: dict[str, TableSchema] = field(
        default_factory=lambda: {table.name: table for table in (EVENTS, EVENTS_HOURLY, TRIPS)}
    )
    blocks: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    dropped: dict[str, TableSchema] = field(default_factory=dict)
    inserts: list[str] = field(default_factory=list)
    down: bool = False
    after: int = 0
    refuse: bool = False
    gate: asyncio.Event | None = None

    async def schema(self, uid: str) -> Schema:
        """The tables there are."""
        return dict(self.tables)

    async def dropped_tables(self, uid: str) -> Schema:
        """Those put aside."""
        return dict(self.dropped)

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """Stores a block once per token."""
        assert format_name == "ArrowStream"
        if self.gate is not None:
            await self.gate.wait()
        if self.down:
            raise ServiceUnavailable("down")
        if self.refuse:
            raise InsertRefused(53)
        self.inserts.append(token)
        known = self.blocks.setdefault(token, (table, payload))
        assert known == (table, payload), "one token, two blocks"
        if self.after > 0:
            self.after -= 1
            raise ServiceUnavailable("the answer was lost")

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        found: list[dict[str, Any]] = []
        for name, payload in self.blocks.values():
            if name == table:
                found += pa.ipc.open_stream(payload).read_all().to_pylist()
        return found

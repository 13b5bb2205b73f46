"""The schema cache: one read for many callers, and no stale answer after a change."""

from __future__ import annotations

import asyncio

from aidatalabs_services.data.schema import ColumnSchema, Schema, SchemaCache, TableSchema, schema_version

T = TableSchema("t", (ColumnSchema("a", "Int8"),))


class Reads:
    def __init__(self) -> None:
        self.count = 0
        self.answer: Schema = {}
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, uid: str) -> Schema:
        self.count += 1
        answer = self.answer
        await self.gate.wait()
        return answer


async def test_callers_at_the_same_time_share_one_read() -> None:
    reads = Reads()
    cache = SchemaCache(reads, ttl_seconds=60)
    await asyncio.gather(*(cache.get("u") for _ in range(10)))
    assert reads.count == 1
    await cache.get("other")
    assert reads.count == 2


async def test_a_table_made_while_the_schema_is_read_is_seen_by_the_next_caller() -> None:
    reads = Reads()
    cache = SchemaCache(reads, ttl_seconds=60)
    reads.gate.clear()
    first = asyncio.create_task(cache.get("u"))
    while not reads.count:
        await asyncio.sleep(0)
    reads.answer = {"t": T}
    cache.forget("u")
    reads.gate.set()
    assert await first == {}
    assert await cache.get("u") == {"t": T}


async def test_a_patient_caller_gets_the_last_schema_while_the_engine_hangs() -> None:
    reads = Reads()
    reads.answer = {"t": T}
    cache = SchemaCache(reads, ttl_seconds=0.01)
    await cache.get("u")
    await asyncio.sleep(0.02)
    reads.gate.clear()
    assert await cache.get("u", patience_seconds=0.01) == {"t": T}
    reads.gate.set()
    await cache.get("u")
    assert reads.count == 2, "the read that was given up on is the one the next caller waits for"


async def test_an_entry_ends_with_its_time() -> None:
    reads = Reads()
    cache = SchemaCache(reads, ttl_seconds=0.01)
    await cache.get("u")
    await asyncio.sleep(0.02)
    await cache.get("u")
    assert reads.count == 2


def test_the_version_changes_with_every_part_of_a_table() -> None:
    changed = [
        TableSchema("t", (ColumnSchema("a", "Int16"),)),
        TableSchema("t", (ColumnSchema("a", "Int8", "comment"),)),
        TableSchema("t", T.columns, order_by=("a",)),
        TableSchema("t", T.columns, identity="made anew"),
    ]
    versions = {schema_version({"t": table}) for table in (T, *changed)}
    assert len(versions) == 5
    assert schema_version({"t": T}) == schema_version({"t": TableSchema("t", T.columns)})

"""The planner's view of each platform, kept as long as the data is the same."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from aidatalabs_services.agent.planner.catalogue import Catalogue, Table
from aidatalabs_services.agent.planner.planner import forget, index_of
from aidatalabs_services.agent.ports import PlatformData, SchemaSnapshot

_KEPT_PLATFORMS = 64
_MEBIBYTE = 1024 * 1024
_KEPT_BYTES = 1024 * _MEBIBYTE
_BUILDING = 2
"""How many indexes are made at once: their threads are taken from those that plan questions."""
_LARGE_BYTES = 8 * _MEBIBYTE
_VALUE_BYTES, _LETTER_BYTES, _COLUMN_BYTES = 300, 3, 1_500


def estimated_bytes(tables: Sequence[Table]) -> int:
    """About what a catalogue takes in memory together with all that the planner derives from it.

    Measured over catalogues of 10 to 1,000 tables; most are the listed values of text columns.
    """
    columns = [column for table in tables for column in table.columns]
    values = sum(len(column.values) for column in columns)
    letters = sum(sum(map(len, column.values)) for column in columns)
    return _VALUE_BYTES * values + _LETTER_BYTES * letters + _COLUMN_BYTES * len(columns)


@dataclass(frozen=True)
class _Held:
    """A platform's catalogue at a version of its data; `earlier` is the one that some may still plan over."""

    data_version: str
    catalogue: Catalogue
    size_bytes: int
    earlier: Catalogue | None = None


class Catalogues:
    """Catalogues by platform uid, `most_bytes` of them with their indexes; the least recently used go first.

    The data service is asked each time, with the caller's authority, but sends the schema only when it
    changed. Then one caller makes the index, of the earlier one, and the platform's others wait for it.
    """

    def __init__(self, data: PlatformData, *, most_bytes: int = _KEPT_BYTES) -> None:
        self._data = data
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Held] = OrderedDict()
        self._first: dict[str, asyncio.Lock] = {}
        self._making: dict[tuple[str, str], asyncio.Task[Catalogue]] = {}
        self._places = asyncio.Semaphore(_BUILDING)

    async def of(self, platform: str, platform_uid: str) -> Catalogue:
        """The current catalogue of a platform. Raises what the data service refuses with."""
        if platform_uid not in self._kept:
            # Nobody knows it yet: one fetches the whole schema, the others then ask whether it has changed.
            lock = self._first.setdefault(platform_uid, asyncio.Lock())
            async with lock:
                if platform_uid not in self._kept:
                    try:
                        return await self._current(platform, platform_uid)
                    finally:
                        self._first.pop(platform_uid, None)
        return await self._current(platform, platform_uid)

    async def _current(self, platform: str, uid: str) -> Catalogue:
        held = self._kept.get(uid)
        snapshot = await self._data.describe(platform, held.data_version if held is not None else "")
        if snapshot is None:
            if held is None:
                raise RuntimeError("the data service sent no schema although none was known")
            # Put back, not only moved: other platforms may have pushed it out while we asked.
            self._keep(uid, held)
            return held.catalogue
        return await self._made(uid, snapshot)

    async def _made(self, uid: str, snapshot: SchemaSnapshot) -> Catalogue:
        """The catalogue of a snapshot: kept by now, being made for somebody else, or made now."""
        held = self._kept.get(uid)
        if held is not None and held.data_version == snapshot.data_version:
            return held.catalogue
        key = (uid, snapshot.data_version)
        task = self._making.get(key)
        if task is None:
            # A task of its own: a caller who goes away must not stop it for the others who wait.
            task = self._making[key] = asyncio.create_task(self._make(uid, snapshot, held))
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def _make(self, uid: str, snapshot: SchemaSnapshot, earlier: _Held | None) -> Catalogue:
        async with self._places:
            made = await asyncio.to_thread(_indexed, snapshot, earlier.catalogue if earlier else None)
        self._keep(uid, made)
        return made.catalogue

    def _keep(self, uid: str, held: _Held) -> None:
        before = self._kept.get(uid)
        if before is not None and before.catalogue is not held.catalogue:
            held = replace(held, earlier=before.catalogue)
            _forget(before.earlier)
        self._kept[uid] = held
        self._kept.move_to_end(uid)
        spent = sum(each.size_bytes for each in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > _KEPT_PLATFORMS or spent > self._most_bytes):
            _, pushed_out = self._kept.popitem(last=False)
            spent -= pushed_out.size_bytes
            _forget(pushed_out.catalogue)
            _forget(pushed_out.earlier)

    def _ended(self, key: tuple[str, str], task: asyncio.Task[Catalogue]) -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            task.exception()  # read it: nobody may be waiting any more


def _forget(catalogue: Catalogue | None) -> None:
    if catalogue is not None:
        forget(catalogue)


def _indexed(snapshot: SchemaSnapshot, earlier: Catalogue | None) -> _Held:
    """The catalogue with its index made; tables that are as they were are the earlier objects."""
    known = {table.name: table for table in earlier.tables} if earlier is not None else {}
    tables = tuple(
        known[table.name] if known.get(table.name) == table else table for table in snapshot.tables
    )
    versions = f"{snapshot.schema_version} {snapshot.data_version}"
    version = hashlib.sha256(versions.encode()).hexdigest()[:16]
    catalogue = Catalogue(tables=tables, version=version)
    size = estimated_bytes(tables)
    with _without_collector() if size > _LARGE_BYTES else nullcontext():
        index_of(catalogue, earlier)
    return _Held(snapshot.data_version, catalogue, size)


@contextmanager
def _without_collector() -> Iterator[None]:
    """What is made in the block is never walked through by the collector: all questions would wait for it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

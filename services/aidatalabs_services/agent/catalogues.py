"""The planner's view of each platform, kept as long as the data and what is said of it are the same."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

import structlog

from aidatalabs_services.agent.definition_versions import DefinitionVersions, Said
from aidatalabs_services.agent.planner.catalogue import Catalogue, Table
from aidatalabs_services.agent.planner.definition_fit import Problem, fitted
from aidatalabs_services.agent.planner.planner import forget, index_of
from aidatalabs_services.agent.ports import PlatformData, SchemaSnapshot
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceUnavailable

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
class Known:
    """What is known of a platform: its catalogue, what was said, and what of that does not fit."""

    snapshot: SchemaSnapshot
    said: Said
    catalogue: Catalogue
    stale: tuple[Problem, ...]

    def is_of(self, snapshot: SchemaSnapshot, said: Said) -> bool:
        """Whether it was made of these."""
        return self.snapshot.data_version == snapshot.data_version and self.said.version == said.version


@dataclass(frozen=True)
class _Held:
    """What is kept of a platform; `earlier` is the catalogue that some may still plan over."""

    known: Known
    size_bytes: int
    earlier: Catalogue | None = None


class Catalogues:
    """Catalogues by platform uid, `most_bytes` of them with their indexes; the least recently used go first.

    The data service is asked each time, with the caller's authority, but sends the schema only when it
    changed; so is the store of definitions, for one number. Where either changed one caller makes the index,
    of the earlier one, and the platform's others wait for it.
    """

    def __init__(
        self,
        data: PlatformData,
        definitions: DefinitionVersions | None = None,
        *,
        most_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._data = data
        self._definitions = definitions or DefinitionVersions(None)
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Held] = OrderedDict()
        self._first: dict[str, asyncio.Lock] = {}
        self._making: dict[tuple[str, str, int], asyncio.Task[Known]] = {}
        self._places = asyncio.Semaphore(_BUILDING)

    async def of(self, platform: str, platform_uid: str) -> Catalogue:
        """The current catalogue of a platform. Raises what the data service refuses with."""
        return (await self.known(platform, platform_uid)).catalogue

    async def known(self, platform: str, platform_uid: str) -> Known:
        """The current catalogue of a platform with what was said of it. Raises as `of` does."""
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

    async def _current(self, platform: str, uid: str) -> Known:
        held = self._kept.get(uid)
        known = held.known if held is not None else None
        snapshot = await self._data.describe(platform, known.snapshot.data_version if known else "")
        said = await self._said(uid, known)
        if known is None:
            if snapshot is None:
                raise RuntimeError("the data service sent no schema although none was known")
            return await self._made(uid, snapshot, said or Said())
        if snapshot is not None or said is not None:
            return await self._made(uid, snapshot or known.snapshot, said or known.said)
        if held is not None:
            # Put back where other platforms pushed it out while we asked; a newer one stays.
            self._keep(uid, self._kept.get(uid, held))
        return known

    async def _said(self, platform_uid: str, known: Known | None) -> Said | None:
        """The definitions where they are others than those held.

        While the store cannot be asked those that are held count on, which the log tells. Where none are
        held, the question has to wait: without them its words may mean something else.
        """
        try:
            return await self._definitions.current(platform_uid, known.said.version if known else -1)
        except (ServiceUnavailable, DeadlineExceeded) as error:
            if known is None:
                raise
            structlog.get_logger().warning("definitions not asked", reason=error.reason)
            return None

    async def _made(self, uid: str, snapshot: SchemaSnapshot, said: Said) -> Known:
        """The catalogue of a snapshot: kept by now, being made for somebody else, or made now."""
        held = self._kept.get(uid)
        if held is not None and held.known.is_of(snapshot, said):
            return held.known
        key = (uid, snapshot.data_version, said.version)
        task = self._making.get(key)
        if task is None:
            # A task of its own: a caller who goes away must not stop it for the others who wait.
            task = self._making[key] = asyncio.create_task(self._make(uid, snapshot, said, held))
            task.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(task)

    async def _make(self, uid: str, snapshot: SchemaSnapshot, said: Said, held: _Held | None) -> Known:
        async with self._places:
            made = await asyncio.to_thread(_indexed, snapshot, said, held.known.catalogue if held else None)
        self._keep(uid, made)
        return made.known

    def _keep(self, uid: str, held: _Held) -> None:
        before = self._kept.get(uid)
        if before is not None and before.known is not held.known:
            held = replace(held, earlier=before.known.catalogue)
            _forget(before.earlier)
        self._kept[uid] = held
        self._kept.move_to_end(uid)
        spent = sum(each.size_bytes for each in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > _KEPT_PLATFORMS or spent > self._most_bytes):
            _, pushed_out = self._kept.popitem(last=False)
            spent -= pushed_out.size_bytes
            _forget(pushed_out.known.catalogue)
            _forget(pushed_out.earlier)

    def _ended(self, key: tuple[str, str, int], task: asyncio.Task[Known]) -> None:
        self._making.pop(key, None)
        if not task.cancelled():
            task.exception()  # read it: nobody may be waiting any more


def _forget(catalogue: Catalogue | None) -> None:
    if catalogue is not None:
        forget(catalogue)


def _indexed(snapshot: SchemaSnapshot, said: Said, earlier: Catalogue | None) -> _Held:
    """The catalogue with its index made; tables that are as they were are the earlier objects."""
    before = {table.name: table for table in earlier.tables} if earlier is not None else {}
    tables = tuple(
        before[table.name] if before.get(table.name) == table else table for table in snapshot.tables
    )
    fit = fitted(said.definitions, Catalogue(tables))
    versions = f"{snapshot.schema_version} {snapshot.data_version}"
    versions += f" {said.version}" if said.version else ""
    version = hashlib.sha256(versions.encode()).hexdigest()[:16]
    catalogue = Catalogue(tables, version, fit.definitions, said.version)
    size = estimated_bytes(tables)
    with _without_collector() if size > _LARGE_BYTES else nullcontext():
        index_of(catalogue, earlier)
    return _Held(Known(replace(snapshot, tables=tables), said, catalogue, fit.problems), size)


@contextmanager
def _without_collector() -> Iterator[None]:
    """What is made in the block is never walked through by the collector: all questions would wait for it."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

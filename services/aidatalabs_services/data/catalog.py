"""What a platform's data looks like: every table with its columns profiled, measured when it changed."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data import profiles
from aidatalabs_services.data.errors import (
    QueryFailed,
    QueryMemoryExceeded,
    QueryReadsTooMuch,
    QueryTimeout,
    ResultTooLarge,
)
from aidatalabs_services.data.ports import Json, QueryLimits, TableSize, Warehouse
from aidatalabs_services.data.profiles import Measure, Measured, Profile
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import ColumnSchema, Schema, SchemaCache, TableSchema, schema_version
from aidatalabs_services.data.standard_tables import is_dead_letters
from aidatalabs_services.data.table_ddl import quoted
from aidatalabs_services.data.versions import DataVersions, data_version

_LOG = logging.getLogger(__name__)
_PATHS = 200
_PATH_SAMPLE_ROWS = 200_000
_GRANULE = 8192
_KEPT_TABLES = 2000
_KEPT_PLATFORMS = 200
_AT_ONCE = 2
# Listed values of one table; a schema's description has to stay a small message.
_VALUE_BYTES = 2 * 1024 * 1024
_FEW_VALUES = 20


@dataclass(frozen=True)
class TableProfile:
    """One table with the profiles of its columns, JSON paths after the column they lie in."""

    schema: TableSchema
    row_count: int
    columns: Sequence[Profile]


@dataclass(frozen=True)
class SchemaDescription:
    """All tables by name, with the versions that they were described at."""

    tables: Sequence[TableProfile]
    schema_version: str
    data_version: str


@dataclass(frozen=True)
class _Told:
    """What a caller was told who knew the version of this schema with these fingerprints."""

    of: Schema
    fingerprints: Mapping[str, str]
    description: SchemaDescription


class Catalogue:
    """Describes every platform's schema; a table is measured again only when its rows or columns changed.

    `sample_rows` is how many rows of a large table are looked at; `seconds` is the time one statement of a
    profile may take. What cannot be measured in it is described without figures.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        versions: DataVersions,
        limits: QueryLimits,
        *,
        sample_rows: int,
        seconds: float,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._versions = versions
        self._limits = replace(limits, max_rows=1000, max_seconds=seconds)
        self._sample_rows = sample_rows
        self._kept: OrderedDict[tuple[str, str], tuple[str, TableProfile]] = OrderedDict()
        self._measuring: dict[tuple[str, str, str], asyncio.Task[TableProfile]] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._told: OrderedDict[str, _Told] = OrderedDict()

    def forget(self, uid: str) -> None:
        """Drops the profiles of a platform's tables."""
        self._told.pop(uid, None)
        for key in [key for key in self._kept if key[0] == uid]:
            del self._kept[key]

    async def describe(self, uid: str, *, known_data_version: str = "") -> SchemaDescription:
        """Every table but that of rejected rows, in order of its name.

        None where the caller has this version, which is not looked for again while nothing was written: that
        rows have expired may be told a minute later.
        """
        whole = await self._schemas.get(uid)
        fingerprints = self._versions.latest(uid, seconds=0.0) if known_data_version else None
        if fingerprints is None:
            fingerprints = await self._versions.now(uid)
        told = self._told.get(uid)
        # Hashing hundreds of tables takes longer than all else of a call that finds them as they were.
        same = told is not None and told.of is whole and told.fingerprints is fingerprints
        if told is not None and same and told.description.data_version == known_data_version:
            return told.description
        # What was rejected answers no question about the data, and each rejection would change the version.
        schema = {name: table for name, table in whole.items() if not is_dead_letters(table)}
        version = data_version(schema, fingerprints, schema)
        nothing = SchemaDescription((), schema_version(whole), version)
        self._told[uid] = _Told(whole, fingerprints, nothing)
        self._told.move_to_end(uid)
        while len(self._told) > _KEPT_PLATFORMS:
            self._told.popitem(last=False)
        if version == known_data_version:
            return nothing
        sizes = await self._warehouse.sizes(uid)
        tables = await asyncio.gather(
            *(self._profile(uid, schema, name, sizes, fingerprints) for name in sorted(schema))
        )
        return SchemaDescription(tables, schema_version(whole), version)

    async def _profile(
        self,
        uid: str,
        schema: Schema,
        name: str,
        sizes: Mapping[str, TableSize],
        fingerprints: Mapping[str, str],
    ) -> TableProfile:
        """The table's profile at this version: kept, being measured by somebody else, or measured now."""
        version = data_version(schema, fingerprints, [name]) + schema_version({name: schema[name]})
        kept = self._kept.get((uid, name))
        if kept is not None and kept[0] == version:
            self._kept.move_to_end((uid, name))
            return kept[1]
        key = (uid, name, version)
        task = self._measuring.get(key)
        if task is None:
            # A task of its own: a caller who goes away must not stop it for the others who wait.
            rows = sizes[name].row_count if name in sizes else 0
            task = asyncio.create_task(self._measure_and_keep(uid, schema[name], rows, version))
            self._measuring[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(task)

    def _forget(self, key: tuple[str, str, str], task: asyncio.Task[TableProfile]) -> None:
        self._measuring.pop(key, None)
        if not task.cancelled():
            task.exception()  # read it: nobody may be waiting any more

    async def _measure_and_keep(self, uid: str, table: TableSchema, rows: int, version: str) -> TableProfile:
        async with self._places:
            profile = TableProfile(table, rows, _bounded(await self._measure(uid, table, rows)))
        self._kept[uid, table.name] = (version, profile)
        self._kept.move_to_end((uid, table.name))
        while len(self._kept) > _KEPT_TABLES:
            self._kept.popitem(last=False)
        return profile

    async def _measure(self, uid: str, table: TableSchema, rows: int) -> list[Profile]:
        if not rows:
            return [_unmeasured(column) for column in table.columns]
        source = _source(table.name, rows, self._sample_rows)
        paths = await self._paths(uid, table, rows)
        measures = [
            measure
            for column in table.columns
            if (measure := profiles.column_measure(column.name, column.type, column.comment)) is not None
        ]
        for column, found in paths.items():
            measures += profiles.path_measures(column, table.types[column], found, most=_PATHS)
        measured = await self._figures(uid, measures, source)
        if rows > self._sample_rows:
            measured = await self._with_whole_ranges(uid, table, measured)
        return _in_order(table, measured)

    async def _paths(self, uid: str, table: TableSchema, rows: int) -> dict[str, Mapping[str, Sequence[str]]]:
        """The paths of each JSON column with the types found in them, over a smaller sample."""
        columns = [column.name for column in table.columns if column.type.startswith("JSON")]
        if not columns:
            return {}
        asked = ", ".join(f"distinctJSONPathsAndTypes({quoted(name)})" for name in columns)
        source = _source(table.name, rows, min(self._sample_rows, _PATH_SAMPLE_ROWS))
        row = await self._row(uid, f"SELECT {asked} FROM {source}")  # noqa: S608 - quoted names only
        return dict(zip(columns, row, strict=True)) if row else {}

    async def _figures(self, uid: str, measures: Sequence[Measure], source: str) -> list[Measured]:
        measured: list[Measured] = []
        for start in range(0, len(measures), profiles.MEASURES_AT_ONCE):
            some = measures[start : start + profiles.MEASURES_AT_ONCE]
            row = await self._row(uid, profiles.select(some, source, exact=True))
            if row is None:
                row = await self._row(uid, profiles.select(some, source, exact=False))
            if row is not None:
                measured += profiles.read(some, row)
        return measured

    async def _with_whole_ranges(
        self, uid: str, table: TableSchema, measured: Sequence[Measured]
    ) -> list[Measured]:
        """Ranges of time over all rows: "the last month" must not depend on a sample."""
        times = [
            index
            for index, each in enumerate(measured)
            if not each.measure.path_of and each.measure.kind is not None and each.measure.kind.base.is_time
        ]
        if not times:
            return list(measured)
        asked = ", ".join(
            f"min({measured[index].measure.expression}), max({measured[index].measure.expression})"
            for index in times
        )
        row = await self._row(uid, f"SELECT {asked} FROM {quoted(table.name)}")  # noqa: S608
        whole = list(measured)
        for place, index in enumerate(times if row else ()):
            low, high = (row or ())[2 * place], (row or ())[2 * place + 1]
            if low is not None:
                profile = replace(whole[index].profile, minimum=str(low), maximum=str(high))
                whole[index] = replace(whole[index], profile=profile)
        return whole

    async def _row(self, uid: str, sql: str) -> Sequence[Json] | None:
        """The single row of a profile's statement; None where it needs more than it may use, or fails."""
        try:
            outcome = await self._warehouse.query(uid, sql, limits=self._limits, query_id=new_query_id())
        except (QueryMemoryExceeded, QueryTimeout, QueryReadsTooMuch, QueryFailed, ResultTooLarge) as error:
            _LOG.warning("a column profile could not be measured: %s %s", error.reason, dict(error.metadata))
            return None
        return outcome.rows[0]


def _source(table: str, rows: int, sample_rows: int) -> str:
    """What stands after FROM: the whole table, or granules picked evenly so that the rest is not read."""
    if rows <= sample_rows:
        return quoted(table)
    share = -(-rows // sample_rows)
    return f"{quoted(table)} PREWHERE cityHash64(_part, intDiv(_part_offset, {_GRANULE})) % {share} = 0"


def _unmeasured(column: ColumnSchema) -> Profile:
    return Profile(column.name, column.type, column.comment)


def _in_order(table: TableSchema, measured: Sequence[Measured]) -> list[Profile]:
    """Profiles in the table's order; of a JSON path's types the one that most of its values have."""
    plain: dict[str, Profile] = {}
    by_path: dict[str, list[Measured]] = {}
    for each in measured:
        if each.measure.path_of:
            by_path.setdefault(each.measure.name, []).append(each)
        else:
            plain[each.measure.name] = each.profile
    ordered = []
    for column in table.columns:
        ordered.append(plain.get(column.name, _unmeasured(column)))
        for name in sorted(by_path):
            if by_path[name][0].measure.path_of == column.name:
                ordered.append(_most_common(by_path[name]))
    return ordered


def _most_common(types: Sequence[Measured]) -> Profile:
    best = max(types, key=lambda each: (each.count, each.measure.type))
    if best.profile.null_share is None:
        return best.profile
    missing = 1.0 - sum(1.0 - (each.profile.null_share or 0.0) for each in types)
    complete = best.profile.values_complete and all(each is best or not each.count for each in types)
    return replace(best.profile, null_share=max(0.0, missing), values_complete=complete)


def _bounded(found: Sequence[Profile]) -> list[Profile]:
    """The same profiles with few values each once the table's listed values have become too many bytes."""
    bounded, spent = [], 0
    for profile in found:
        size = sum(len(value.encode()) for value in profile.values)
        if spent + size > _VALUE_BYTES and len(profile.values) > _FEW_VALUES:
            few = profile.values[:_FEW_VALUES]
            profile = replace(profile, values=few, values_complete=False)
            size = sum(len(value.encode()) for value in few)
        spent += size
        bounded.append(profile)
    return bounded

"""The roll-ups of every platform: declared, built, served from, rebuilt after a deletion, dropped."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from aidatalabs_services.data.errors import (
    RollupAlreadyExists,
    RollupLimitReached,
    RollupNotFound,
    RollupProtected,
    table_not_found,
)
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups import records
from aidatalabs_services.data.rollups.builds import Builder, latest
from aidatalabs_services.data.rollups.declarations import (
    BASES,
    STANDARD,
    STANDARD_NAMES,
    Declaration,
    checked,
)
from aidatalabs_services.data.rollups.followed import FollowedRollups
from aidatalabs_services.data.rollups.followers import Followers
from aidatalabs_services.data.rollups.platforms import Platform
from aidatalabs_services.data.rollups.records import FENCED, READY, Record
from aidatalabs_services.data.rollups.serving import Columns, RollupUse, Route, Serving
from aidatalabs_services.data.schema import Schema, SchemaCache, TableSchema
from aidatalabs_services.data.statements import Statement
from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import ServiceError, ServiceUnavailable

_LOG = logging.getLogger(__name__)
MAX_ROLLUPS = 32
_REFRESH_SECONDS = 30.0
_SOON_SECONDS = 2.0


class Rollups:
    """Roll-ups by the platform's uid. `fsync` as for tables; `most` is how many a platform may have.

    `standard` says whether the standard ones are kept, `is_held` of which (uid, table) rows are being
    deleted: there nothing is begun that nobody asked for. Where `may_follow`, workers look every
    `follow_seconds` whether `writes` (see DataVersions) tells of something new for asynchronous ones.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        holds: TableHolds,
        *,
        fsync: bool,
        most: int = MAX_ROLLUPS,
        builder: Builder | None = None,
        standard: bool = True,
        is_held: Callable[[str, str], bool] = lambda uid, table: False,
        writes: Callable[[str], int] | None = None,
        may_follow: bool = True,
        follow_seconds: float = 1.0,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._most = most
        self._standard = STANDARD if standard else ()
        self._unwanted = frozenset() if standard else STANDARD_NAMES
        self._is_held = is_held
        self._builder = builder or Builder(warehouse, holds, fsync=fsync)
        self._platforms: dict[str, Platform] = {}
        self._may_follow = may_follow
        followed = FollowedRollups(warehouse, schemas, self._builder.epochs, self._platforms.get)
        self.followers = Followers(self._builder.epochs, followed, writes=writes, seconds=follow_seconds)

    async def provision(self, uid: str) -> None:
        """Makes the standard roll-ups where they are missing, and waits for them. Idempotent."""
        platform = await self._platform(uid)
        await asyncio.gather(*(asyncio.shield(task) for task in list(platform.building.values())))

    async def create(self, uid: str, declaration: Declaration) -> Record:
        """Begins a roll-up; a small one is READY in the answer. The very same again returns it.

        Raises TableNotFound, RollupInvalid, RollupAlreadyExists and RollupLimitReached.
        """
        table = (await self._schemas.get(uid)).get(declaration.table)
        if table is None:
            raise table_not_found(declaration.table)
        checked(declaration, table, reserved=self._unwanted, may_follow=self._may_follow)
        platform = await self._platform(uid)
        held = platform.found.get(declaration.name)
        if held is not None and held.declaration != declaration:
            raise RollupAlreadyExists(
                f"A roll-up {declaration.name!r} exists with another declaration. Choose another name.",
                metadata={"rollup": declaration.name},
            )
        if held is None:
            if len(platform.found) >= self._most:
                raise RollupLimitReached(
                    f"The platform has {self._most} roll-ups, as many as it may. Drop one first.",
                    metadata={"limit": str(self._most)},
                )
            self._build(uid, platform, declaration, table)
        task = platform.building.get(declaration.name)
        if task is not None:
            await asyncio.wait([task], timeout=_SOON_SECONDS)
        if declaration.name in platform.failed:
            raise platform.failed.pop(declaration.name)
        return await self.get(uid, declaration.name)

    async def get(self, uid: str, name: str) -> Record:
        """One roll-up with its rows, bytes and lag. Raises RollupNotFound."""
        platform = await self._platform(uid, fresh=True)
        if name not in platform.found:
            raise RollupNotFound(
                f"The platform has no roll-up {name!r}. List the roll-ups to see which there are.",
                metadata={"rollup": name[:64]},
            )
        return await self._with_lag(uid, platform.found[name])

    async def list(self, uid: str) -> Sequence[Record]:
        """Every roll-up, in order of their names."""
        platform = await self._platform(uid, fresh=True)
        found = [platform.found[name] for name in sorted(platform.found)]
        return [await self._with_lag(uid, each) for each in found]

    async def _with_lag(self, uid: str, record: Record) -> Record:
        """The record of an asynchronous roll-up with how far it is behind now."""
        progress = record.progress
        if progress is None or record.state != READY:
            return record
        rows = await self._builder.epochs.behind(uid, record.declaration.table, progress)
        return replace(record, behind_rows=rows, lag_seconds=self._lag(uid, record) if rows else 0.0)

    def _lag(self, uid: str, record: Record) -> float:
        """Seconds; after a start by the clock, until somebody has looked."""
        known = self.followers.lag_seconds(uid, record)
        since = record.progress.as_of if record.progress else time.time()
        return max(0.0, time.time() - since) if known is None else known

    async def drop(self, uid: str, name: str) -> None:
        """Drops a roll-up; queries read the rows again. Raises RollupNotFound or RollupProtected."""
        if name in STANDARD_NAMES:
            raise RollupProtected(
                f"{name!r} is a standard roll-up of the platform and stays.", metadata={"rollup": name}
            )
        await self.get(uid, name)
        await self._remove(uid, [name])

    async def drop_of_table(self, uid: str, table: str) -> None:
        """Drops every roll-up over a table that is about to go."""
        platform = await self._platform(uid)
        await self._remove(
            uid, [name for name, each in platform.found.items() if each.declaration.table == table]
        )

    async def _remove(self, uid: str, names: Sequence[str]) -> None:
        platform = await self._platform(uid)
        for name in names:
            task = platform.building.pop(name, None)
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        async with platform.changing:
            for record in (await records.find(self._warehouse, uid)).records:
                if record.declaration.name in names:
                    platform.found.pop(record.declaration.name, None)
                    await records.remove(self._warehouse, uid, record.target)
            for name in names:
                platform.found.pop(name, None)

    async def fence(self, uid: str, table: str) -> None:
        """Takes the roll-ups over `table` out of use before its rows are changed otherwise than by inserts.

        Durable: after a crash they are rebuilt. Call `rebuild` when the change is complete in the engine.
        """
        platform = await self._platform(uid, fresh=True)
        async with platform.changing:
            over = [each for each in platform.found.values() if each.declaration.table == table]
            platform.fenced |= {each.declaration.name: each.declaration for each in over}
            # A build under way has read rows that are about to change.
            builds = [task for name, task in platform.building.items() if name in platform.fenced]
            for task in builds:
                task.cancel()
            await asyncio.gather(*builds, return_exceptions=True)
            for record in over:
                if record.state == READY:
                    # Out of sight first: no query may begin on it once the rows change.
                    platform.found[record.declaration.name] = replace(record, state=FENCED, progress=None)
                    await records.put(self._warehouse, uid, replace(record, state=FENCED, progress=None))

    async def rebuild(self, uid: str, table: str, *, wait: bool = True) -> None:
        """Builds anew what `fence` took out of use; the old states go when the new ones are ready.

        Raises what a build raised, where it waits; then fence and rebuild again.
        """
        platform = await self._platform(uid)
        schema = await self._schemas.get(uid)
        tasks = {}
        for name, declaration in list(platform.fenced.items()):
            if declaration.table == table and table in schema:
                del platform.fenced[name]
                self._build(uid, platform, declaration, schema[table])
                tasks[name] = platform.building[name]
        if not wait or not tasks:
            return
        await asyncio.wait(tasks.values())
        for name, task in tasks.items():
            if not task.cancelled():
                task.result()
            if name in platform.failed:
                raise platform.failed.pop(name)

    async def served(self, uid: str, statement: Statement, schema: Schema, use: RollupUse) -> Route:
        """The SQL that an admitted statement runs as. Never raises for the sake of a roll-up."""
        try:
            platform = await self._platform(uid)
            lease = platform.lease()
            route = await platform.serving.served(
                statement.sql,
                statement.tables,
                schema,
                list(platform.found.values()),
                use,
                partial(self._describe, uid),
                by_time=statement.by_time,
                lag=partial(self.followers.lag_seconds, uid),
            )
            return route if lease.epochs.keys().isdisjoint(route.targets) else replace(route, lease=lease)
        except ServiceError as error:
            _LOG.info("a query is read from the rows: %s", error.reason)
            return Route(statement.sql, reason="Read from the rows: the roll-ups cannot be read now.")

    def retyped(self, uid: str) -> None:
        """Drops what was remembered of a platform's queries: columns of a table have other types now."""
        platform = self._platforms.get(uid)
        if platform is not None:
            platform.serving.forget()

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform that is gone; builds end."""
        self.followers.forget(uid)
        platform = self._platforms.pop(uid, None)
        for task in list(platform.building.values()) if platform else ():
            task.cancel()

    async def close(self) -> None:
        """Ends builds and workers; what was not ready is begun anew after the next start."""
        await self.followers.close()
        tasks = [task for each in self._platforms.values() for task in each.building.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _describe(self, uid: str, sql: str) -> Columns:
        call = optional_call()
        left = max(0.1, call.seconds_left()) if call is not None else records.OWN.max_seconds
        limits = replace(records.OWN, max_seconds=min(records.OWN.max_seconds, left))
        return await self._warehouse.result_columns(uid, sql, limits=limits, query_id=new_query_id())

    async def _platform(self, uid: str, *, fresh: bool = False) -> Platform:
        """What is known, read anew when it is old; the standard roll-ups are begun where they are missing."""
        platform = self._platforms.get(uid)
        if platform is None:
            platform = self._platforms[uid] = Platform(Serving(self._warehouse.database_of(uid)))
        if fresh or time.monotonic() >= platform.until:
            async with platform.changing:
                if fresh or time.monotonic() >= platform.until:
                    await self._read(uid, platform)
        return platform

    async def _read(self, uid: str, platform: Platform) -> None:
        found = await records.find(self._warehouse, uid)
        schema = await self._warehouse.schema(uid)  # an older one could make a roll-up look like nobody's
        newest = latest(found.records)
        # What is being built may have no record yet.
        begun = {name: platform.found[name] for name in platform.building if name in platform.found}
        platform.found = begun | {
            name: record
            for name, record in newest.items()
            if name in platform.building or self._is_of(record, schema)
        }
        for declaration in self._standard:
            table = schema.get(declaration.table)
            is_missing = declaration.name not in newest and self._is_free(uid, platform, declaration)
            if is_missing and table is not None:
                self._build(uid, platform, declaration, table)
        for name, record in newest.items():
            if name in platform.building:
                continue
            table = schema.get(record.declaration.table)
            if not self._is_of(record, schema):
                await records.remove(self._warehouse, uid, record.target)
            elif (
                table is not None
                and self._is_free(uid, platform, record.declaration)
                and not self._is_fed(record, newest)
            ):
                # Nobody is building it: a crash came in between.
                self._build(uid, platform, record.declaration, table)
        platform.until = time.monotonic() + _REFRESH_SECONDS
        if platform.followed():
            self.followers.watch(uid)

    def _is_free(self, uid: str, platform: Platform, declaration: Declaration) -> bool:
        """Whether a build may begin that nobody asked for."""
        return declaration.name not in platform.fenced and not self._is_held(uid, declaration.table)

    @staticmethod
    def _is_fed(record: Record, newest: Mapping[str, Record]) -> bool:
        """Whether a roll-up is ready, and so is the one that feeds it."""
        base = newest.get(BASES.get(record.declaration.name, ""))
        fed = base is None or (base.state == READY and base.target == record.over)
        return record.state == READY and fed

    def _is_of(self, record: Record, schema: Schema) -> bool:
        table = schema.get(record.declaration.table)
        wanted = record.declaration.name not in self._unwanted
        return wanted and table is not None and table.identity == record.identity

    def _build(self, uid: str, platform: Platform, declaration: Declaration, table: TableSchema) -> None:
        if declaration.name in platform.building:
            return
        work = self._built(uid, platform, declaration, table)
        platform.failed.pop(declaration.name, None)
        task = asyncio.create_task(
            _noted(work, declaration.name, platform.failed), context=contextvars.Context()
        )
        platform.building[declaration.name] = task
        platform.found.setdefault(
            declaration.name,
            Record(declaration, records.BUILDING, table.identity, 0, ""),
        )
        task.add_done_callback(lambda done: self._ended(uid, platform, declaration.name, done))

    def _ended(self, uid: str, platform: Platform, name: str, task: asyncio.Task[None]) -> None:
        platform.ended(name, task)
        if platform.followed() and self._platforms.get(uid) is platform:
            self.followers.watch(uid)

    async def _base(self, platform: Platform, declaration: Declaration) -> Record | None:
        """The roll-up whose states this one is made of, once it is ready. Raises ServiceUnavailable."""
        name = BASES.get(declaration.name)
        if name is None:
            return None
        task = platform.building.get(name)
        if task is not None:
            await asyncio.wait([task])
        base = platform.found.get(name)
        if base is None or base.state != READY:
            raise ServiceUnavailable(
                "The roll-up that this one is made of is not ready yet. Try again shortly.",
                metadata={"service": "engine"},
                retry_after_seconds=5.0,
            )
        return base

    async def _built(
        self, uid: str, platform: Platform, declaration: Declaration, table: TableSchema
    ) -> None:
        base = await self._base(platform, declaration)
        before = [
            each
            for each in (await records.find(self._warehouse, uid)).records
            if each.declaration.name == declaration.name
        ]
        generation = 1 + max((each.generation for each in before), default=0)
        record = await self._builder.build(uid, declaration, table, generation, base)
        platform.found[declaration.name] = record
        platform.serving.forget()
        for old in before:
            await records.remove(self._warehouse, uid, old.target)


async def _noted(work: Awaitable[None], name: str, failed: dict[str, ServiceError]) -> None:
    try:
        await work
    except ServiceError as error:
        failed[name] = error
        _LOG.warning("roll-up %s could not be built yet: %s", name, error.reason)

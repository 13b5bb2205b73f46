"""An asynchronous roll-up on a real engine, and what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aidatalabs_services.data import statements
from aidatalabs_services.data.adapters.clickhouse import ClickHouseWarehouse
from aidatalabs_services.data.adapters.measured_warehouse import MeasuredWarehouse
from aidatalabs_services.data.adapters.servers import EmbeddedServers
from aidatalabs_services.data.bootstrap import engine_pool
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.rollups.declarations import Declaration, Grain, Kind, Maintenance, Measure
from aidatalabs_services.data.rollups.progress import Progress
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.rollups.serving import RollupUse, Route
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.runtime.metrics import Metrics
from tests.rpc.data.conftest import settings_in
from tests.rpc.data_rollups.test_rollups_builds import (
    Place,
)

USERS = Declaration(
    "users_by_day",
    "events",
    "timestamp",
    Grain.DAY,
    ("event_type",),
    (Measure("user_id", Kind.UNIQ_EXACT), Measure("user_id", Kind.SUM), Measure("value", Kind.MAX)),
    Maintenance.ASYNCHRONOUS,
)
ASKED = (
    "SELECT event_type, count(), uniqExact(user_id), sum(user_id), max(value) FROM events "
    "GROUP BY event_type ORDER BY event_type"
)
CUT = (
    "SELECT toDate(timestamp) AS d, count(), sum(user_id) FROM events "
    "WHERE timestamp >= '2026-01-05 07:30:00' AND timestamp < '2026-02-20 13:00:01' GROUP BY d ORDER BY d"
)


@asynccontextmanager
async def place_in(directory: Path) -> AsyncIterator[Place]:
    """An engine pool with its state in `directory`."""
    pool = engine_pool(settings_in(directory))
    warehouse = MeasuredWarehouse(ClickHouseWarehouse(EmbeddedServers(pool)), Metrics())
    yield Place(warehouse, SchemaCache(warehouse.schema, ttl_seconds=5.0), TableHolds(), pool)
    await warehouse.close()


def followed_in(place: Place, *, seconds: float = 0.02, **more: Any) -> Rollups:
    """As a data service has them that looks often; no standard ones, which would serve first."""
    return place.rollups(standard=False, writes=place.warehouse.writes, follow_seconds=seconds, **more)


async def served(place: Place, uid: str, rollups: Rollups, sql: str, use: RollupUse = RollupUse()) -> Route:  # noqa: B008
    """What a query runs as."""
    schema = await place.schemas.get(uid)
    tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
    statement = statements.admit(sql, tables, database=place.warehouse.database_of(uid))
    return await rollups.served(uid, statement, schema, use)


class WrongAnswerError(Exception):
    """The roll-up gives something else than the rows."""


async def check(place: Place, uid: str, rollups: Rollups) -> Route:
    """Asserts that the roll-up gives what the rows give, of whole days and of cut ones."""
    for sql in (ASKED, CUT):
        route = await served(place, uid, rollups, sql)
        assert route.rollup == "users_by_day", route
        found, wanted = await place.rows(uid, route.sql), await place.rows(uid, sql)
        if found != wanted:
            raise WrongAnswerError(f"{route}: {found}, not {wanted}")
    return route


async def caught_up(place: Place, uid: str, rollups: Rollups) -> None:
    """Returns when the states lack no row."""
    async with asyncio.timeout(20):
        while (await rollups.get(uid, "users_by_day")).behind_rows:
            await asyncio.sleep(0.02)


async def held_by(rollups: Rollups, uid: str) -> Progress:
    """How far the roll-up is."""
    progress = (await rollups.get(uid, "users_by_day")).progress
    assert progress is not None
    return progress

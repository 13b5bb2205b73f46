"""The rows of a query: kept ones while its tables have not changed, or those of one run for all who wait.

    kept and young enough for this caller (max_staleness)   -> given at once, the engine is not asked
    version of the tables = that of the kept rows           -> given
    a run for the same rows of the same version             -> waited for
    else                                                    -> run, with the version read before and after it

What depends on the time is kept only for callers who accept an age, what depends on chance never.
"""

from __future__ import annotations

import contextvars
import hashlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.estimates import Estimates
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import (
    Json,
    QueryLimits,
    QueryOutcome,
    ResultCache,
    StoredResult,
    Warehouse,
)
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.rollups.serving import FROM_ROWS, Route
from aidatalabs_services.data.schema import SchemaCache
from aidatalabs_services.data.shared_runs import SharedRuns
from aidatalabs_services.data.spending import Spending
from aidatalabs_services.data.values import convert_rows
from aidatalabs_services.data.versions import DataVersions, Fingerprints, data_version
from aidatalabs_services.runtime.caller import current_call, current_user, set_current_call
from aidatalabs_services.runtime.errors import Overloaded

# How old a version may be that is only compared with the one after the query: whatever came in between shows.
_BEFORE_SECONDS = 0.25
# A run that is shared has the server's time, and this for the version after it and its rows.
_AFTER_SECONDS = 5.0

Render = Callable[[Sequence[tuple[str, str]], Sequence[Sequence[Json]], bool], Awaitable[bytes]]
"""Columns (name, type), rows and whether there are more, as the bytes that the service sends."""


@dataclass(frozen=True)
class Served:
    """A result as one call gets it.

    `source` is `run`, `shared` (another call's run) or `kept`; `age_seconds` is how long ago it was last
    known to be what the tables hold. `route` is where the rows come from.
    """

    stored: StoredResult
    source: str
    age_seconds: float = 0.0
    route: Route = FROM_ROWS

    @property
    def cost_rows(self) -> int:
        """Rows that were read for this call."""
        return self.stored.read_rows if self.source == "run" else 0


class Results:
    """Answers admitted queries. `render` makes the bytes that are kept and sent."""

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        versions: DataVersions,
        cache: ResultCache,
        spending: Spending,
        estimates: Estimates,
        places: PlatformPlaces,
        *,
        render: Render,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._versions = versions
        self._cache = cache
        self._spending = spending
        self._estimates = estimates
        self._places = places
        self._render = render
        self._runs: SharedRuns[StoredResult] = SharedRuns()
        self.served: Counter[str] = Counter()
        """Answers by their source; `aged` are those given without asking the engine."""

    async def of(self, query: Admitted, *, max_staleness_seconds: float) -> Served:
        """The rows of a query. A run has the time of `query.limits`, whoever goes away before it ends.

        Raises the engine's refusals (`Warehouse.query`), Overloaded and QueryBudgetExceeded.
        """
        served = await self._served(query, max_staleness_seconds)
        self.served["aged" if served.source == "kept" and served.age_seconds else served.source] += 1
        lacking = time.time() - query.route.as_of if query.route.is_stale else 0.0
        age = max(served.age_seconds, lacking)
        return replace(served, route=query.route, age_seconds=age)

    async def _served(self, query: Admitted, max_staleness_seconds: float) -> Served:
        statement = query.statement
        if statement.by_chance or (statement.by_time and not max_staleness_seconds):
            return Served(await self._run(query, "", None), "run")
        key = _key(query)
        kept = await self._cache.get(query.uid, key)
        if kept is not None and max_staleness_seconds and _age(kept) <= max_staleness_seconds:
            return Served(kept, "kept", _age(kept))
        if statement.by_time:
            served = await self._shared(query, key, None)
            if served.age_seconds <= max_staleness_seconds:
                return served
            return Served(await self._run(query, key, None), "run")
        version = await self._version_before(query)
        if kept is not None or not version or _run_key(query, key, version) in self._runs:
            moment = time.time()
            version = await self._current_version(query)
            if kept is None or kept.data_version != version:
                kept = await self._cache.get(query.uid, key)  # a run may have ended meanwhile
            if kept is not None and kept.data_version == version:
                kept = replace(kept, read_time=moment)
                await self._cache.confirm(query.uid, key, kept)
                return Served(kept, "kept")
        # Whoever joins has just read the version: the run began when the tables were no older than that.
        return replace(await self._shared(query, key, version), age_seconds=0.0)

    async def forget(self, uid: str) -> None:
        """Drops every result of a platform that was read before this call."""
        await self._cache.forget(uid)

    async def close(self) -> None:
        """Stops what runs."""
        await self._runs.close()
        await self._cache.close()

    async def _shared(self, query: Admitted, key: str, version: str | None) -> Served:
        """The run for the same rows that is under way, or one begun here."""
        shared = _run_key(query, key, version)
        joins = shared in self._runs
        try:
            stored = await self._runs.of(
                shared, lambda: self._run(query, key, version), context=_own_context(query.limits)
            )
        except Overloaded:
            if not joins:
                raise
            # It was the other caller who may not run more: this one may.
            return Served(await self._run(query, key, None), "run")
        return Served(stored, "shared", _age(stored)) if joins else Served(stored, "run")

    async def _run(self, query: Admitted, key: str, version: str | None) -> StoredResult:
        """Runs a query in one of its platform's places and keeps the result, where `key` is given.

        `version` is what the tables had before, None where it has to be read; the result has it where it is
        the same afterwards.
        """
        async with self._places.place(query.uid, current_user()):
            if version is None:
                version = await self._version_before(query) or await self._current_version(query)
            moment = time.time()
            outcome = await self._read(query)
        self._estimates.learn(query.uid, query.statement, outcome, from_rows=not query.route.targets)
        # States that lack rows are what the tables held some time before, and of no version.
        is_same = version == await self._current_version(query) and not query.route.is_stale
        rows = convert_rows([kind for _, kind in outcome.columns], outcome.rows)
        stored = StoredResult(
            payload=await self._render(outcome.columns, rows, outcome.truncated),
            row_count=len(rows),
            data_version=version if is_same else "",
            read_time=min(moment, query.route.as_of) if query.route.is_stale else moment,
            elapsed_seconds=outcome.elapsed_seconds,
            read_rows=outcome.read_rows,
            read_bytes=outcome.read_bytes,
        )
        if key:
            await self._cache.put(query.uid, key, stored)
        return stored

    async def _read(self, query: Admitted) -> QueryOutcome:
        """The rows from the engine, inside the platform's budget."""
        async with self._spending.of(query) as (reservation, limits):
            outcome = await self._warehouse.query(
                query.uid, query.sql, limits=limits, query_id=new_query_id()
            )
            reservation.settle(outcome.read_rows)
        return outcome

    async def _version_before(self, query: Admitted) -> str:
        """A version for a run to begin with, only good if it is the same after; empty where none is known."""
        return await self._version(query, self._versions.latest(query.uid, seconds=_BEFORE_SECONDS))

    async def _current_version(self, query: Admitted) -> str:
        return await self._version(query, await self._versions.now(query.uid))

    async def _version(self, query: Admitted, fingerprints: Fingerprints | None) -> str:
        """The version of the tables that a query reads, by the schema of now: one may have been made anew."""
        if fingerprints is None:
            return ""
        schema = await self._schemas.get(query.uid)
        version = data_version(schema, fingerprints, query.statement.tables)
        if not query.route.targets:
            return version
        # The engine puts rows first into a table, then into its roll-ups: between the two the table has its
        # new version, and a roll-up is not there yet.
        return f"{version}+{data_version({}, fingerprints, query.route.targets)}"


def _key(query: Admitted) -> str:
    """What the rows depend on beside the rows of the tables; limits that only refuse are not part of it.

    That is the SQL that runs: over roll-ups or not, within the error that was allowed. Where the time is part
    of it, the roll-ups stand for it, as the moment is another one each time.
    """
    route = query.route
    by_time = (route.targets, route.max_relative_error, route.is_stale)
    runs = by_time if query.statement.by_time else query.sql
    parts = (query.statement.sha256, query.tables_version, query.limits.max_rows, runs)
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _run_key(query: Admitted, key: str, version: str | None) -> tuple[str, str, str | None]:
    """Whose run it is, for which rows of which version. Two platforms may have tables of one identity, where
    one was restored from the other's backup, and a query without tables has the same key everywhere.
    """
    return (query.uid, key, version)


def _age(stored: StoredResult) -> float:
    """Seconds since the rows were known to be current; a clock set back makes them as old as can be."""
    age = time.time() - stored.read_time
    return max(age, 0.0) if age > -1.0 else float("inf")


def _own_context(limits: QueryLimits) -> contextvars.Context:
    """A context whose call does not end with that of the caller who came first."""
    call = current_call()
    deadline = time.monotonic() + limits.max_seconds + _AFTER_SECONDS
    context = contextvars.copy_context()
    context.run(set_current_call, replace(call, deadline=deadline))
    return context

"""One SELECT: through the door, inside the server's limits, to rows that JSON can carry, or as a stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aidatalabs_services.data.admission import Admission, Admitted, seconds_to_answer, within_call
from aidatalabs_services.data.arrow_results import FORMAT_NAME, ArrowReader, check_carried
from aidatalabs_services.data.errors import ColumnNotKnown, QueryFailed, TableNotKnown, query_timeout
from aidatalabs_services.data.estimates import Cost, Estimates
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import QueryLimits, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.results import Results, Served
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.rollups.serving import EXACT, RollupUse, Route
from aidatalabs_services.data.schema import schema_version
from aidatalabs_services.data.spending import Spending
from aidatalabs_services.data.stalls import taken_within
from aidatalabs_services.data.statements import Statement
from aidatalabs_services.data.versions import DataVersions, data_version
from aidatalabs_services.runtime.caller import current_user

DEFAULT_ROWS = 1000
# What the engine says where a roll-up went between the rewriting and the reading.
ROLLUP_FAULTS = (QueryFailed, TableNotKnown, ColumnNotKnown)
# Pieces of a stream: large enough for throughput, small enough for every client's message limit.
PIECE_BYTES = 1024 * 1024
_ADVICE = "Read a stream as it comes, or export its result as a file."
# The engine's own limit speaks first: what was waited for before it ran is not counted there.
_ENGINE_FIRST_SECONDS = 1.0


@dataclass(frozen=True)
class QueryOptions:
    """What a caller wants of a query; it can only lower the server's limits.

    `max_rows` and `max_seconds` 0 mean the server's; `max_staleness_seconds` is how old rows may be, `use`
    what roll-ups may do.
    """

    max_rows: int = 0
    max_seconds: float = 0.0
    max_staleness_seconds: float = 0.0
    use: RollupUse = EXACT


@dataclass(frozen=True)
class Explanation:
    """What the door and the engine make of a query without running it."""

    statement: Statement
    cost: Cost
    schema_version: str
    data_version: str
    route: Route


class Queries:
    """Runs and explains queries of every platform, by the platform's uid.

    `limits` are the server's for results in JSON, `stream_limits` for results that are streamed or made into
    files. `places` bound what one platform and one user run; a stream whose reader takes nothing for
    `stall_seconds` is ended. `rollups` serve what they can of results in JSON.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        admission: Admission,
        results: Results,
        versions: DataVersions,
        spending: Spending,
        estimates: Estimates,
        limits: QueryLimits,
        *,
        stream_limits: QueryLimits,
        places: PlatformPlaces,
        stall_seconds: float,
        rollups: Rollups | None = None,
    ) -> None:
        self._warehouse = warehouse
        self._admission = admission
        self._results = results
        self._versions = versions
        self._spending = spending
        self._estimates = estimates
        self._limits = limits
        self._stream_limits = stream_limits
        self._places = places
        self._stall_seconds = stall_seconds
        self._rollups = rollups

    async def run(self, uid: str, sql: str, options: QueryOptions) -> Served:
        """Runs one SELECT, or serves the rows that are known to be the same.

        Raises the refusals of the door (`statements.admit`), of the engine (`Warehouse.query`) and of the
        budget.
        """
        rows = min(options.max_rows or DEFAULT_ROWS, self._limits.max_rows)
        query = await self._admission.admit(uid, sql, replace(self._limits, max_rows=rows))
        seconds = within_call(self._limits, options.max_seconds).max_seconds
        # A run has the server's time, as others may wait for it; whoever has less leaves it earlier.
        patience = seconds if seconds < self._limits.max_seconds else seconds + _ENGINE_FIRST_SECONDS
        try:
            async with asyncio.timeout(min(patience, seconds_to_answer())):
                return await self._answered(query, options)
        except TimeoutError:
            raise query_timeout(seconds) from None

    async def _answered(self, query: Admitted, options: QueryOptions) -> Served:
        """The rows by way of roll-ups where they serve; of the tables where one went meanwhile."""
        age = options.max_staleness_seconds
        routed = await self._routed(query, replace(options.use, max_staleness_seconds=age))
        try:
            return await self._results.of(routed, max_staleness_seconds=age)
        except ROLLUP_FAULTS:
            if not routed.route.rollup:
                raise
            route = Route(query.sql, reason="Read from the rows: the roll-up was just replaced.")
            return await self._results.of(replace(query, route=route), max_staleness_seconds=age)

    async def _routed(self, query: Admitted, use: RollupUse) -> Admitted:
        """The query with what it runs as: over roll-ups, where they give the same."""
        if self._rollups is None:
            return query
        route = await self._rollups.served(query.uid, query.statement, query.schema, use)
        return replace(query, route=route)

    async def forget(self, uid: str) -> None:
        """Drops everything kept of a platform: rows of it are gone, or all of it is."""
        for kept in (self._admission, self._versions, self._estimates):
            kept.forget(uid)
        await self._results.forget(uid)

    async def close(self) -> None:
        """Stops what runs."""
        await self._results.close()

    def budget_left(self, uid: str) -> int | None:
        """Rows that the platform's queries may still read today; None where there is no budget."""
        return self._spending.budget.left(uid)

    @asynccontextmanager
    async def admitted(self, uid: str, sql: str, *, max_seconds: float = 0.0) -> AsyncIterator[Admitted]:
        """The query behind the door, for results of any size; holds a place while the block runs.

        Nothing tells how many rows a stream has read: it counts as estimated. Raises the refusals of the door
        and of the budget, and Overloaded.
        """
        query = await self._admission.admit(uid, sql, self._stream_limits)
        async with self._places.place(uid, current_user()):
            query = replace(query, limits=within_call(query.limits, max_seconds))
            async with self._spending.of(query) as (_, limits):
                yield replace(query, limits=limits)

    async def columns(self, query: Admitted) -> Sequence[tuple[str, str]]:
        """(name, ClickHouse type) of each column of the result. Raises as `Warehouse.query` does."""
        return await self._warehouse.result_columns(
            query.uid, query.statement.sql, limits=query.limits, query_id=new_query_id()
        )

    async def stream(self, uid: str, sql: str, *, max_seconds: float = 0.0) -> AsyncGenerator[bytes, None]:
        """One Arrow IPC stream in pieces of at most 1 MiB, each made when the one before was taken.

        A failure in between is raised there, and the end mark does not come. Closing the generator stops the
        query. Raises as `run` does, TypeNotAllowed for a column that Arrow cannot carry, and DeadlineExceeded
        when a piece was not taken in time.
        """
        async with self.admitted(uid, sql, max_seconds=max_seconds) as query:
            columns = await self.columns(query)
            check_carried(columns)
            reader = ArrowReader(columns)
            async with self._warehouse.stream(
                uid,
                query.statement.sql,
                limits=query.limits,
                query_id=new_query_id(),
                format_name=FORMAT_NAME,
            ) as received:
                async for data in received:
                    reader.feed(data)
                    if reader.is_ready:
                        for message in await asyncio.to_thread(reader.messages):
                            for piece in _cut(message):
                                async with taken_within(self._stall_seconds, advice=_ADVICE):
                                    yield piece
            yield reader.end()

    async def explain(self, uid: str, sql: str, *, use: RollupUse | None = None) -> Explanation:
        """Checks one SELECT and asks the engine for its plan. Raises as `run` does."""
        query = await self._admission.admit(uid, sql, self._limits)
        async with self._places.place(uid, current_user()):
            query = await self._routed(query, use or EXACT)
            limits = within_call(query.limits, 0.0)
            async with self._spending.asked(query):
                reads, fingerprints = await asyncio.gather(
                    self._warehouse.estimate(uid, query.sql, limits=limits, query_id=new_query_id()),
                    self._versions.now(uid),
                )
        return Explanation(
            query.statement,
            await self._estimates.cost(uid, query.statement, query.schema, reads),
            schema_version(query.schema),
            data_version(query.schema, fingerprints, query.statement.tables),
            query.route,
        )


def _cut(message: bytes) -> Iterator[bytes]:
    """The message in pieces of at most 1 MiB."""
    for start in range(0, len(message), PIECE_BYTES):
        yield message[start : start + PIECE_BYTES]

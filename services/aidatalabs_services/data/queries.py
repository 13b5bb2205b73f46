"""One SELECT: through the door, inside the server's limits, to rows that JSON can carry."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from aidatalabs_services.data import statements
from aidatalabs_services.data.arrow_results import FORMAT_NAME, ArrowReader, check_carried
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import Json, QueryLimits, QueryOutcome, Warehouse
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.schema import Schema, SchemaCache, schema_version
from aidatalabs_services.data.stalls import taken_within
from aidatalabs_services.data.values import convert_rows
from aidatalabs_services.runtime.caller import current_call, current_user
from aidatalabs_services.runtime.errors import DeadlineExceeded

# Time kept back to turn the engine's answer into ours before the call's own deadline.
_MARGIN_SECONDS = 0.1
_LEAST_SECONDS = 0.05
DEFAULT_ROWS = 1000
# Pieces of a stream: large enough for throughput, small enough for every client's message limit.
PIECE_BYTES = 1024 * 1024
_ADVICE = "Read a stream as it comes, or export its result as a file."


@dataclass(frozen=True)
class QueryResult:
    """Rows of one query as JSON values, with what they cost."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Json]]
    truncated: bool
    outcome: QueryOutcome


@dataclass(frozen=True)
class Explanation:
    """What the door and the engine make of a query without running it."""

    statement: statements.Statement
    estimated_rows: int
    schema_version: str
    data_version: str


@dataclass(frozen=True)
class Admitted:
    """A query that passed the door and holds one of its platform's places."""

    uid: str
    statement: statements.Statement
    limits: QueryLimits


class Queries:
    """Runs and explains queries of every platform, by the platform's uid.

    `limits` are the server's for results in JSON, `stream_limits` for results that are streamed or made into
    files; a call can only lower them, by its deadline and `max_rows`. `places` bound what one platform and
    one user run; a stream whose reader takes nothing for `stall_seconds` is ended.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        limits: QueryLimits,
        *,
        stream_limits: QueryLimits,
        places: PlatformPlaces,
        stall_seconds: float,
    ) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._limits = limits
        self._stream_limits = stream_limits
        self._places = places
        self._stall_seconds = stall_seconds

    async def run(self, uid: str, sql: str, *, max_rows: int = 0) -> QueryResult:
        """Runs one SELECT; `max_rows` 0 means 1,000, at most the server's limit.

        Raises the refusals of the door (`statements.admit`) and of the engine (`Warehouse.query`).
        """
        statement = self._admit(uid, sql, await self._schemas.get(uid))
        rows = min(max_rows or DEFAULT_ROWS, self._limits.max_rows)
        async with self._places.place(uid, current_user()):
            limits = replace(self._limits, max_rows=rows, max_seconds=_seconds(self._limits))
            outcome = await self._warehouse.query(uid, statement.sql, limits=limits, query_id=new_query_id())
        types = [kind for _, kind in outcome.columns]
        return QueryResult(outcome.columns, convert_rows(types, outcome.rows), outcome.truncated, outcome)

    @asynccontextmanager
    async def admitted(self, uid: str, sql: str) -> AsyncIterator[Admitted]:
        """The query behind the door, for results of any size; holds a place while the block runs.

        Raises the refusals of the door, and Overloaded.
        """
        statement = self._admit(uid, sql, await self._schemas.get(uid))
        async with self._places.place(uid, current_user()):
            limits = replace(self._stream_limits, max_seconds=_seconds(self._stream_limits))
            yield Admitted(uid, statement, limits)

    async def columns(self, query: Admitted) -> Sequence[tuple[str, str]]:
        """(name, ClickHouse type) of each column of the result. Raises as `Warehouse.query` does."""
        return await self._warehouse.result_columns(
            query.uid, query.statement.sql, limits=query.limits, query_id=new_query_id()
        )

    async def stream(self, uid: str, sql: str) -> AsyncGenerator[bytes, None]:
        """One Arrow IPC stream in pieces of at most 1 MiB, each made when the one before was taken.

        A failure in between is raised there, and the end mark does not come. Closing the generator stops the
        query. Raises as `run` does, TypeNotAllowed for a column that Arrow cannot carry, and DeadlineExceeded
        when a piece was not taken in time.
        """
        async with self.admitted(uid, sql) as query:
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

    async def explain(self, uid: str, sql: str) -> Explanation:
        """Checks one SELECT and asks the engine for its plan. Raises as `run` does."""
        schema = await self._schemas.get(uid)
        statement = self._admit(uid, sql, schema)
        async with self._places.place(uid, current_user()):
            limits = replace(self._limits, max_seconds=_seconds(self._limits))
            estimated, fingerprints = await asyncio.gather(
                self._warehouse.estimate_rows(uid, statement.sql, limits=limits, query_id=new_query_id()),
                self._warehouse.fingerprints(uid),
            )
        return Explanation(
            statement,
            estimated,
            schema_version(schema),
            data_version(schema, fingerprints, statement.tables),
        )

    def _admit(self, uid: str, sql: str, schema: Schema) -> statements.Statement:
        tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
        return statements.admit(sql, tables, database=self._warehouse.database_of(uid))


def _seconds(limits: QueryLimits) -> float:
    """What the query may take: the server's limit or what is left of the call, the smaller."""
    left = current_call().seconds_left() - _MARGIN_SECONDS
    if left < _LEAST_SECONDS:
        raise DeadlineExceeded("The time of this call was over before its query could run.")
    return min(limits.max_seconds, left)


def _cut(message: bytes) -> Iterator[bytes]:
    """The message in pieces of at most 1 MiB."""
    for start in range(0, len(message), PIECE_BYTES):
        yield message[start : start + PIECE_BYTES]


def data_version(schema: Schema, fingerprints: Mapping[str, str], tables: Iterable[str]) -> str:
    """A short hash that changes whenever rows of `tables` change, or one is dropped and made anew."""
    digest = hashlib.sha256()
    for name in sorted(set(tables)):
        identity = schema[name].identity if name in schema else ""
        digest.update(repr((name, identity, fingerprints.get(name, ""))).encode())
    return digest.hexdigest()[:16]

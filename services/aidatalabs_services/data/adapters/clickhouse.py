"""The warehouse over ClickHouse's HTTP interface: the same client for an embedded engine and for a cluster.

One client per server is kept, because its handshake costs more than a query. Every statement carries its
settings with it (limits, read-only, UTC): nothing is left behind in a session.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError

from aidatalabs_services.data.adapters.clickhouse_answers import (
    FINGERPRINTS,
    WIDTHS,
    fingerprints_of,
    outcome_of,
    widths_of,
)
from aidatalabs_services.data.adapters.clickhouse_errors import ddl_errors, insert_errors, query_errors
from aidatalabs_services.data.adapters.clickhouse_settings import (
    INSERT,
    SESSION,
    read_settings,
    stream_settings,
)
from aidatalabs_services.data.adapters.clickhouse_streams import body_of, open_stream
from aidatalabs_services.data.adapters.servers import Server, Servers, connect
from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.dropped_tables import DROPPED_PREFIX
from aidatalabs_services.data.errors import InsertRefused, QueryTimeout
from aidatalabs_services.data.ports import QueryLimits, QueryOutcome, StoredWidths, TableRead, TableSize
from aidatalabs_services.data.schema import ColumnSchema, Schema, TableSchema
from aidatalabs_services.data.table_ddl import quoted, ttl_of_engine
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import ServiceUnavailable
from aidatalabs_services.runtime.telemetry import trace_headers

_GIB = 1024**3
# Without a call (the sink, a start-up step) a statement may take this long.
_BACKGROUND_SECONDS = 120.0
# Our own reading of system tables: small, but never unbounded.
_OWN = QueryLimits(20.0, 1_000_000, 64 * 1024**2, 64 * 1024**2, 100_000_000, 16 * _GIB)

# Each setting takes the engine a while to read; a statement before and after every query has few.
_BRIEF = {"readonly": 1, "max_execution_time": _OWN.max_seconds}

_CANNOT_INSERT_NULL = 349

_TABLES = """
SELECT name, engine_full, sorting_key, partition_key, comment, toString(uuid)
FROM system.tables
WHERE database = currentDatabase() AND engine LIKE '%MergeTree' AND """
_SHOWN = "NOT startsWith(name, '_') AND NOT startsWith(name, '.')"
_DROPPED = f"startsWith(name, '{DROPPED_PREFIX}')"
_COLUMNS = """
SELECT table, name, type, comment
FROM system.columns
WHERE database = currentDatabase() AND default_kind != 'ALIAS'
ORDER BY table, position
"""
_SIZES = "SELECT name, total_rows, total_bytes FROM system.tables WHERE database = currentDatabase()"


class ClickHouseWarehouse:
    """See `ports.Warehouse`; `servers` says where each platform's ClickHouse is."""

    def __init__(self, servers: Servers) -> None:
        self._servers = servers
        self._clients: dict[tuple[Server, str], AsyncClient] = {}
        self._by_platform: dict[str, tuple[Server, str]] = {}
        self._opening = asyncio.Lock()

    def database_of(self, uid: str) -> str:
        """See Warehouse."""
        return self._servers.database_of(uid)

    async def create_database(self, uid: str) -> None:
        """See Warehouse."""
        database = self.database_of(uid)
        async with self._servers.lease(uid) as server:
            with ddl_errors(""):
                async with asyncio.timeout(_seconds_left()):
                    client = await self._open(server, "default")
                    await client.command(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")

    async def drop_database(self, uid: str) -> None:
        """See Warehouse."""
        if not await self._servers.remove(uid):
            await self._drop_shared(uid)
        # Last: closing a client waits for its requests, and those of a hung engine end only with it.
        key = self._by_platform.pop(uid, None)
        if key is not None and key not in self._by_platform.values():
            await self._discard(key)

    async def _drop_shared(self, uid: str) -> None:
        """Drops the platform's database on a server that others use too."""
        database = self.database_of(uid)
        async with self._servers.lease(uid) as server:
            with ddl_errors(""):
                async with asyncio.timeout(_seconds_left()):
                    client = await self._open(server, "default")
                    # Tables stay as long as a query reads them.
                    await client.command(f"KILL QUERY WHERE current_database = {quote_text(database)} ASYNC")
                    await client.command(f"DROP DATABASE IF EXISTS {quoted(database)} SYNC")

    async def execute(self, uid: str, sql: str, *, table: str) -> None:
        """See Warehouse."""
        with ddl_errors(table):
            async with asyncio.timeout(_seconds_left()), self._client(uid) as client:
                await client.command(sql, settings=dict(SESSION))

    async def query(self, uid: str, sql: str, *, limits: QueryLimits, query_id: str) -> QueryOutcome:
        """See Warehouse."""
        with query_errors(limits):
            # The engine stops the query itself; this is for an engine that does not answer at all.
            async with asyncio.timeout(limits.max_seconds + 1.0), self._leased(uid) as (server, client):
                settings = {**read_settings(limits), **_role(server, limits), "query_id": query_id}
                headers = dict(trace_headers())
                answer = await client.raw_query(
                    sql, settings=settings, fmt="JSONCompact", transport_settings=headers
                )
        return outcome_of(answer, limits.max_rows)

    @asynccontextmanager
    async def stream(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str, format_name: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See Warehouse."""
        with query_errors(limits):
            async with (
                self._servers.lease(uid) as server,
                open_stream(
                    server,
                    self.database_of(uid),
                    f"{sql}\nFORMAT {format_name}",
                    {**stream_settings(limits), **_role(server, limits), "query_id": query_id},
                    patience_seconds=limits.max_seconds + 1.0,
                ) as pieces,
                aclosing(_translated(pieces, limits)) as translated,
            ):
                yield translated

    async def result_columns(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[tuple[str, str]]:
        """See Warehouse."""
        wide = replace(limits, max_rows=_OWN.max_rows)
        outcome = await self.query(uid, f"DESCRIBE TABLE ({sql})", limits=wide, query_id=query_id)
        return [(str(row[0]), str(row[1])) for row in outcome.rows]

    async def insert_columns(
        self,
        uid: str,
        table: str,
        columns: Sequence[str],
        types: Sequence[str],
        data: Sequence[Sequence[Any]],
        *,
        token: str,
    ) -> int:
        """See Warehouse."""
        for declared, values in zip(types, data, strict=True):
            # The Native format cannot carry NULL for such a column: the driver would write a default.
            if "Nullable(" not in declared and not declared.startswith("JSON") and None in values:
                raise InsertRefused(_CANNOT_INSERT_NULL)
        rows = len(data[0]) if data else 0
        if not rows:
            return 0
        with insert_errors(encodes=True):
            async with asyncio.timeout(_seconds_left()), self._client(uid) as client:
                try:
                    await client.insert(
                        quoted(table),
                        data,
                        column_names=list(columns),
                        column_type_names=list(types),
                        column_oriented=True,
                        settings={**INSERT, "insert_deduplication_token": token},
                    )
                except (TypeError, ValueError, AttributeError, ArithmeticError, LookupError) as error:
                    raise InsertRefused(0) from error  # a value that its column's type cannot hold
        return rows

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """See Warehouse."""
        with insert_errors(encodes=False):
            async with asyncio.timeout(_seconds_left()), self._client(uid) as client:
                await client.raw_insert(
                    quoted(table),
                    list(columns),
                    body_of(payload),
                    settings={**INSERT, "insert_deduplication_token": token},
                    fmt=format_name,
                )

    async def schema(self, uid: str) -> Schema:
        """See Warehouse."""
        return await self._described(uid, _SHOWN)

    async def dropped_tables(self, uid: str) -> Schema:
        """See Warehouse."""
        return await self._described(uid, _DROPPED)

    async def _described(self, uid: str, which: str) -> Schema:
        """The tables with names such as `which` says."""
        tables, columns = await asyncio.gather(self._rows(uid, _TABLES + which), self._rows(uid, _COLUMNS))
        by_table: dict[str, list[ColumnSchema]] = {}
        for table, name, kind, comment in columns:
            by_table.setdefault(table, []).append(ColumnSchema(name, kind, comment))
        return {
            name: TableSchema(
                name,
                tuple(by_table[name]),
                tuple(part.strip(" `()") for part in sorting.split(",") if part.strip()),
                partition.replace("`", ""),
                ttl_of_engine(engine_full),
                comment,
                identity,
            )
            for name, engine_full, sorting, partition, comment, identity in tables
            if name in by_table  # made by somebody else between the two statements: seen the next time
        }

    async def sizes(self, uid: str) -> Mapping[str, TableSize]:
        """See Warehouse."""
        rows = await self._rows(uid, _SIZES)
        return {name: TableSize(int(count or 0), int(size or 0)) for name, count, size in rows}

    async def fingerprints(self, uid: str) -> Mapping[str, str]:
        """See Warehouse."""
        return fingerprints_of(await self._rows(uid, FINGERPRINTS, settings=_BRIEF))

    async def widths(self, uid: str) -> Mapping[str, StoredWidths]:
        """See Warehouse."""
        return widths_of(await self._rows(uid, WIDTHS))

    async def estimate(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[TableRead]:
        """See Warehouse."""
        wide = replace(limits, max_rows=_OWN.max_rows)
        outcome = await self.query(uid, f"EXPLAIN ESTIMATE {sql}", limits=wide, query_id=query_id)
        return [
            TableRead(table, int(parts), int(rows), int(marks))
            for _, table, parts, rows, marks in outcome.rows
        ]

    async def close(self) -> None:
        """See Warehouse."""
        for key in list(self._clients):
            await self._discard(key)
        await self._servers.close()

    async def _rows(
        self, uid: str, sql: str, *, settings: Mapping[str, Any] | None = None
    ) -> Sequence[Sequence[Any]]:
        """Rows of a statement of our own over the engine's system tables."""
        seconds = min(_OWN.max_seconds, _seconds_left())
        try:
            with query_errors(_OWN):
                async with asyncio.timeout(seconds), self._client(uid) as client:
                    asked = dict(settings or read_settings(_OWN))
                    answer = await client.raw_query(sql, settings=asked, fmt="JSONCompact")
        except QueryTimeout:
            # Small statements of ours: it is the engine that hangs, not a query that is too large.
            raise ServiceUnavailable(
                "The engine does not answer at the moment. Try again shortly.",
                metadata={"service": "engine"},
                retry_after_seconds=1.0,
            ) from None
        rows: Sequence[Sequence[Any]] = json.loads(answer)["data"]
        return rows

    @asynccontextmanager
    async def _client(self, uid: str) -> AsyncIterator[AsyncClient]:
        """The platform's client; its server keeps running while the block runs."""
        async with self._leased(uid) as (_, client):
            yield client

    @asynccontextmanager
    async def _leased(self, uid: str) -> AsyncIterator[tuple[Server, AsyncClient]]:
        """The same with the server that it is of."""
        async with self._servers.lease(uid) as server:
            key = (server, self.database_of(uid))
            before = self._by_platform.get(uid)
            if before != key:
                self._by_platform[uid] = key
                if before is not None and before not in self._by_platform.values():
                    await self._discard(before)  # the engine was started anew, elsewhere
            yield server, await self._open(*key)

    async def _open(self, server: Server, database: str) -> AsyncClient:
        client = self._clients.get((server, database))
        if client is not None:
            return client
        async with self._opening:
            client = self._clients.get((server, database))
            if client is None:
                client = await connect(server, database)
                self._clients[server, database] = client
        return client

    async def _discard(self, key: tuple[Server, str]) -> None:
        client = self._clients.pop(key, None)
        if client is not None:
            try:
                await client.close()
            except (ClickHouseError, OSError):
                return  # its server is gone, and so are its connections


def _seconds_left() -> float:
    """What is left of the current call; outside a call a fixed time."""
    try:
        return current_call().seconds_left()
    except LookupError:
        return _BACKGROUND_SECONDS


def _role(server: Server, limits: QueryLimits) -> dict[str, str]:
    """A person's query runs as the server's reader, where it has one."""
    return {"role": server.reader_role} if limits.as_reader and server.reader_role else {}


async def _translated(pieces: AsyncIterator[bytes], limits: QueryLimits) -> AsyncGenerator[bytes, None]:
    """The same pieces; a failure of the engine between them is raised as what it stands for."""
    with query_errors(limits):
        async for piece in pieces:
            yield piece

"""PostgreSQL for a service: one pool, one schema, and failures in the service's own words.

Each service keeps its tables in a schema of its own (the pool's `search_path`), so that services share a
server without sharing tables. Within a call the interceptors' deadline cancels a statement in the server;
the pool's own limits hold outside of calls and as a second fence.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeAlias

import asyncpg
import structlog

from aidatalabs_services.runtime.caller import optional_call
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceUnavailable
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.telemetry import past_span, tracing_is_on

Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"

_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")
_CONNECT_SECONDS = 5.0
_ACQUIRE_SECONDS = 5.0
_CLOSE_SECONDS = 5.0
_STATEMENT_SECONDS = 60.0
_IDLE_SECONDS = 300.0
_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)


def quoted_schema(schema: str) -> str:
    """The schema's name as SQL. Raises ValueError unless it is a plain lower-case word."""
    if not _SCHEMA.fullmatch(schema):
        raise ValueError(f"{schema!r} is no schema name: use lower-case letters, digits and _")
    return f'"{schema}"'


class Database:
    """A pool of connections whose `search_path` is one schema. Made by `open_database`."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lends a connection. Raises ServiceUnavailable (no server, none free) or DeadlineExceeded."""
        with database_errors():
            call = optional_call()
            seconds = _ACQUIRE_SECONDS if call is None else min(call.seconds_left(), _ACQUIRE_SECONDS)
            try:
                held = await self._pool.acquire(timeout=seconds)
            except TimeoutError as error:
                raise _unavailable() from error
            try:
                yield held
            except asyncpg.InternalClientError as error:
                # So asyncpg says that the server's last words had come before they were waited for, and that
                # what it has kept of types or of the protocol is wrong: another connection has neither.
                held.terminate()
                raise _lost(error) from error
            finally:
                await self._pool.release(held, timeout=_ACQUIRE_SECONDS)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """Lends a connection in a transaction: committed at the end of the block, undone on an error."""
        async with self.connection() as held, held.transaction():
            yield held

    def measure(self, metrics: Metrics) -> None:
        """Tells the pool's connections: those in use, those idle, and the most there may be."""

        def states() -> dict[str, float]:
            idle = self._pool.get_idle_size()
            return {"idle": idle, "used": self._pool.get_size() - idle}

        metrics.reading("aidatalabs_postgres_connections", "Connections of the pool.", states, "state")
        metrics.reading(
            "aidatalabs_postgres_connections_most", "Most connections of the pool.", self._pool.get_max_size
        )

    async def close(self) -> None:
        """Waits for lent connections for a moment, then closes all."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _reset(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Hands a connection back as it is: our statements leave no session state, so a round trip is saved."""
    if connection.is_in_transaction():
        await connection.reset()


async def _trace(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Has each statement of a new connection told as a span: the kind of statement, never its text."""
    connection.add_query_logger(_statement_span)


def _statement_span(record: asyncpg.connection.LoggedQuery) -> None:
    operation = record.query.split(None, 1)[0].rstrip(";").upper()
    past_span(
        f"postgres {operation}",
        record.elapsed,
        {"db.system": "postgresql", "db.operation.name": operation},
    )


async def open_database(
    url: str, schema: str, *, most_connections: int = 10, statement_seconds: float = _STATEMENT_SECONDS
) -> Database:
    """Opens the pool; connections are made when needed, so it succeeds while the server is still starting.

    `url` is a DSN (`postgresql://…`). `statement_seconds` bounds every statement in the server.
    """
    milliseconds = str(int(statement_seconds * 1000))
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=most_connections,
        timeout=_CONNECT_SECONDS,
        command_timeout=statement_seconds + 1.0,
        max_inactive_connection_lifetime=_IDLE_SECONDS,
        reset=_reset,
        init=_trace if tracing_is_on() else None,
        server_settings={
            "application_name": f"aidatalabs_{schema}",
            "search_path": quoted_schema(schema),
            "statement_timeout": milliseconds,
            "idle_in_transaction_session_timeout": milliseconds,
            "timezone": "UTC",
        },
    )
    return Database(pool)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turns a lost or missing server into ServiceUnavailable, a stopped statement into DeadlineExceeded.

    Everything else (a constraint, a fault in a statement) passes: it is the adapter's to understand.
    """
    try:
        yield
    except asyncpg.QueryCanceledError as error:
        raise DeadlineExceeded("The database did not finish in time. Try again, or ask for less.") from error
    except _GONE as error:
        raise _lost(error) from error
    except asyncpg.InterfaceError as error:
        if "clos" not in str(error):  # "connection is closed", "pool is closing"; others are faults of ours
            raise
        raise _lost(error) from error


def _lost(error: Exception) -> ServiceUnavailable:
    """The refusal for a connection or server that is gone, whose kind of failure the log has."""
    structlog.get_logger().warning("database unavailable", error_type=type(error).__name__)
    return _unavailable()


def _unavailable() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The metadata database cannot be reached at the moment. Try again shortly.",
        metadata={"service": "postgres"},
        retry_after_seconds=1.0,
    )

"""Any warehouse, with each statement counted, timed and told as a span of the call it belongs to.

The id of a query begins with its trace's id (`queries.query_id`), so that the engine's own list and log of
queries lead to the trace and to the lines of the logs, with a collector or without one.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from opentelemetry.trace import Span

from aidatalabs_services.data.doubts import Doubts
from aidatalabs_services.data.ports import (
    QueryLimits,
    QueryOutcome,
    StoredWidths,
    TableRead,
    TableSize,
    Warehouse,
)
from aidatalabs_services.data.schema import Schema
from aidatalabs_services.runtime.metrics import Metrics
from aidatalabs_services.runtime.telemetry import begin_span, fail_span, span, tracing_is_on

Attributes = dict[str, str | int | float | bool]


class MeasuredWarehouse:
    """See `ports.Warehouse`; `inner` does the work. `doubts` are told of inserts."""

    def __init__(self, inner: Warehouse, metrics: Metrics, doubts: Doubts | None = None) -> None:
        self._inner = inner
        self._doubts = doubts or Doubts()
        self._writes: Counter[str] = Counter()
        self._seconds = metrics.seconds(
            "clickhouse_query_duration_seconds", "Statements of callers, as the data service waits for them."
        )
        self._failed = metrics.counter(
            "aidatalabs_clickhouse_queries_failed_total", "Statements of callers that ended with an error."
        )
        self._read = metrics.total(
            "clickhouse_rows_read", "Rows that statements of callers have read; of streams and exports none."
        )

    def database_of(self, uid: str) -> str:
        """See Warehouse."""
        return self._inner.database_of(uid)

    def writes(self, uid: str) -> int:
        """Changes whenever something that may change the platform's rows begins or ends here."""
        return self._writes[uid]

    @contextmanager
    def _writing(self, uid: str) -> Iterator[None]:
        self._writes[uid] += 1
        try:
            yield
        finally:
            self._writes[uid] += 1

    async def create_database(self, uid: str) -> None:
        """See Warehouse."""
        with span("clickhouse CREATE DATABASE", _about("CREATE DATABASE")):
            await self._inner.create_database(uid)

    async def drop_database(self, uid: str) -> None:
        """See Warehouse."""
        with span("clickhouse DROP DATABASE", _about("DROP DATABASE")):
            await self._inner.drop_database(uid)

    async def execute(self, uid: str, sql: str, *, table: str) -> None:
        """See Warehouse."""
        with span("clickhouse DDL", _about("DDL")), self._writing(uid):
            await self._inner.execute(uid, sql, table=table)

    async def query(self, uid: str, sql: str, *, limits: QueryLimits, query_id: str) -> QueryOutcome:
        """See Warehouse."""
        with self._timed(), span("clickhouse SELECT", _about("SELECT", query_id, sql)) as made:
            outcome = await self._inner.query(uid, sql, limits=limits, query_id=query_id)
            self._read.add(outcome.read_rows)
            if made.is_recording():
                made.set_attributes(
                    {
                        "db.response.returned_rows": len(outcome.rows),
                        "aidatalabs.read_rows": outcome.read_rows,
                        "aidatalabs.read_bytes": outcome.read_bytes,
                        "aidatalabs.engine_seconds": outcome.elapsed_seconds,
                    }
                )
        return outcome

    @asynccontextmanager
    async def stream(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str, format_name: str
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """See Warehouse. The rows it read are not counted: nothing of a stream tells them."""
        # Not made current: who closes a stream may be another task than who opened it.
        made = begin_span("clickhouse SELECT", _about("SELECT", query_id, sql))
        with self._timed(), _ended(made):
            async with self._inner.stream(
                uid, sql, limits=limits, query_id=query_id, format_name=format_name
            ) as pieces:
                yield pieces

    async def result_columns(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[tuple[str, str]]:
        """See Warehouse."""
        with span("clickhouse DESCRIBE", _about("DESCRIBE", query_id, sql)):
            return await self._inner.result_columns(uid, sql, limits=limits, query_id=query_id)

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
        noted = self._doubts.inserting(uid, table, token)
        with span("clickhouse INSERT", _about("INSERT")), self._writing(uid), noted:
            return await self._inner.insert_columns(uid, table, columns, types, data, token=token)

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """See Warehouse. A block is inserted for the calls of a group: no trace is the one it belongs to."""
        with self._writing(uid), self._doubts.inserting(uid, table, token):
            await self._inner.insert_block(uid, table, columns, payload, format_name=format_name, token=token)

    async def schema(self, uid: str) -> Schema:
        """See Warehouse."""
        with span("clickhouse schema", _about("SELECT")):
            return await self._inner.schema(uid)

    async def dropped_tables(self, uid: str) -> Schema:
        """See Warehouse."""
        with span("clickhouse schema", _about("SELECT")):
            return await self._inner.dropped_tables(uid)

    async def sizes(self, uid: str) -> Mapping[str, TableSize]:
        """See Warehouse."""
        with span("clickhouse sizes", _about("SELECT")):
            return await self._inner.sizes(uid)

    async def fingerprints(self, uid: str) -> Mapping[str, str]:
        """See Warehouse."""
        with span("clickhouse fingerprints", _about("SELECT")):
            return await self._inner.fingerprints(uid)

    async def widths(self, uid: str) -> Mapping[str, StoredWidths]:
        """See Warehouse."""
        with span("clickhouse widths", _about("SELECT")):
            return await self._inner.widths(uid)

    async def estimate(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[TableRead]:
        """See Warehouse."""
        with span("clickhouse EXPLAIN", _about("EXPLAIN", query_id, sql)):
            return await self._inner.estimate(uid, sql, limits=limits, query_id=query_id)

    async def close(self) -> None:
        """See Warehouse."""
        await self._inner.close()

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begun = time.monotonic()
        try:
            yield
        except Exception:
            self._failed.inc()
            raise
        finally:
            self._seconds.observe(time.monotonic() - begun)


def _about(operation: str, query_id: str = "", sql: str = "") -> Attributes:
    """What a span says of a statement: its kind, its id in the engine, the hash of its text; not the text."""
    if not tracing_is_on():
        return {}
    about: Attributes = {"db.system": "clickhouse", "db.operation.name": operation}
    if query_id:
        about["db.clickhouse.query_id"] = query_id
        about["aidatalabs.sql_sha256"] = hashlib.sha256(sql.encode()).hexdigest()
    return about


@contextmanager
def _ended(made: Span) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if not isinstance(error, GeneratorExit):
            fail_span(made, error)
        raise
    finally:
        made.end()

"""One SELECT: through the door, inside the server's limits, to rows that JSON can carry."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data import statements
from aidatalabs_services.data.ports import Json, QueryLimits, QueryOutcome, Warehouse
from aidatalabs_services.data.schema import Schema, SchemaCache, schema_version
from aidatalabs_services.data.values import convert_rows
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import DeadlineExceeded

# Time kept back to turn the engine's answer into ours before the call's own deadline.
_MARGIN_SECONDS = 0.1
_LEAST_SECONDS = 0.05
DEFAULT_ROWS = 1000


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


class Queries:
    """Runs and explains queries of every platform, by the platform's uid.

    `limits` are the server's; a call can only lower them, by its deadline and `max_rows`.
    """

    def __init__(self, warehouse: Warehouse, schemas: SchemaCache, limits: QueryLimits) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._limits = limits

    async def run(self, uid: str, sql: str, *, max_rows: int = 0) -> QueryResult:
        """Runs one SELECT; `max_rows` 0 means 1,000, at most the server's limit.

        Raises the refusals of the door (`statements.admit`) and of the engine (`Warehouse.query`).
        """
        statement = self._admit(uid, sql, await self._schemas.get(uid))
        rows = min(max_rows or DEFAULT_ROWS, self._limits.max_rows)
        limits = replace(self._limits, max_rows=rows, max_seconds=self._seconds())
        outcome = await self._warehouse.query(uid, statement.sql, limits=limits, query_id=uuid.uuid4().hex)
        types = [kind for _, kind in outcome.columns]
        return QueryResult(outcome.columns, convert_rows(types, outcome.rows), outcome.truncated, outcome)

    async def explain(self, uid: str, sql: str) -> Explanation:
        """Checks one SELECT and asks the engine for its plan. Raises as `run` does."""
        schema = await self._schemas.get(uid)
        statement = self._admit(uid, sql, schema)
        limits = replace(self._limits, max_seconds=self._seconds())
        estimated, fingerprints = await asyncio.gather(
            self._warehouse.estimate_rows(uid, statement.sql, limits=limits, query_id=uuid.uuid4().hex),
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

    def _seconds(self) -> float:
        """What the query may take: the server's limit or what is left of the call, the smaller."""
        left = current_call().seconds_left() - _MARGIN_SECONDS
        if left < _LEAST_SECONDS:
            raise DeadlineExceeded("The time of this call was over before its query could run.")
        return min(self._limits.max_seconds, left)


def data_version(schema: Schema, fingerprints: Mapping[str, str], tables: Iterable[str]) -> str:
    """A short hash that changes whenever rows of `tables` change, or one is dropped and made anew."""
    digest = hashlib.sha256()
    for name in sorted(set(tables)):
        identity = schema[name].identity if name in schema else ""
        digest.update(repr((name, identity, fingerprints.get(name, ""))).encode())
    return digest.hexdigest()[:16]

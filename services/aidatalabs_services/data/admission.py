"""A query on its way to the engine: through the door, with the limits and the time that it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from aidatalabs_services.data import statements
from aidatalabs_services.data.ports import QueryLimits
from aidatalabs_services.data.rollups.serving import FROM_ROWS, Route
from aidatalabs_services.data.schema import Schema, SchemaCache, schema_version
from aidatalabs_services.runtime.caller import current_call
from aidatalabs_services.runtime.errors import DeadlineExceeded

# Time kept back to turn the engine's answer into ours before the call's own deadline.
_MARGIN_SECONDS = 0.1
_LEAST_SECONDS = 0.05


@dataclass(frozen=True)
class Admitted:
    """A query that passed the door; `route` says where its rows come from, without one from its tables."""

    uid: str
    statement: statements.Statement
    schema: Schema
    limits: QueryLimits
    route: Route = FROM_ROWS

    @property
    def sql(self) -> str:
        """What the engine runs."""
        return self.route.sql or self.statement.sql

    @property
    def tables_version(self) -> str:
        """Changes whenever one of the tables that it reads gets another description."""
        return schema_version({name: self.schema[name] for name in self.statement.tables})


class Admission:
    """The door over the tables of every platform, by the platform's uid.

    `database_of` names the platform's database in the engine.
    """

    def __init__(self, schemas: SchemaCache, database_of: Callable[[str], str]) -> None:
        self._schemas = schemas
        self._database_of = database_of
        self._tables: dict[str, tuple[Schema, Mapping[str, statements.TableSchema]]] = {}

    async def admit(self, uid: str, sql: str, limits: QueryLimits) -> Admitted:
        """The query behind the door. Raises the refusals of the door (`statements.admit`)."""
        schema = await self._schemas.get(uid)
        known = self._tables.get(uid)
        if known is None or known[0] is not schema:
            tables = {name: statements.TableSchema(name, table.types) for name, table in schema.items()}
            known = self._tables[uid] = (schema, tables)
        statement = statements.admit(sql, known[1], database=self._database_of(uid))
        return Admitted(uid, statement, schema, replace(limits, as_reader=True))

    def forget(self, uid: str) -> None:
        """Drops what is known of a platform."""
        self._tables.pop(uid, None)


def seconds_to_answer() -> float:
    """What is left of the call, but for the time that our own answer takes."""
    return current_call().seconds_left() - _MARGIN_SECONDS


def within_call(limits: QueryLimits, max_seconds: float) -> QueryLimits:
    """The same limits with the time of this call: the server's, what the caller allows (0: as much as the
    server), or what is left of the call, the smallest of them. Raises DeadlineExceeded.
    """
    left = seconds_to_answer()
    if left < _LEAST_SECONDS:
        raise DeadlineExceeded("The time of this call was over before its query could run.")
    return replace(limits, max_seconds=min(limits.max_seconds, max_seconds or limits.max_seconds, left))

"""A platform's tables: made from typed descriptions, listed, and dropped; the standard ones stay."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data import standard_tables
from aidatalabs_services.data.column_types import same_types
from aidatalabs_services.data.errors import (
    TableAlreadyExists,
    TableNotFound,
    TableProtected,
)
from aidatalabs_services.data.ports import TableSize, Warehouse
from aidatalabs_services.data.schema import ColumnSchema, SchemaCache, TableSchema
from aidatalabs_services.data.table_ddl import (
    add_column,
    checked,
    checked_column,
    column_taken,
    create_table,
    quoted,
)

_NO_SIZE = TableSize(0, 0)


@dataclass(frozen=True)
class TableView:
    """A table with its rows and bytes at this moment."""

    schema: TableSchema
    size: TableSize


@dataclass(frozen=True)
class TablePage:
    """Some tables in order of their names; `more` says that others follow."""

    tables: Sequence[TableView]
    more: bool


class Tables:
    """The tables of every platform, by the platform's uid.

    `fsync` makes inserts into the tables made here survive power loss.
    """

    def __init__(self, warehouse: Warehouse, schemas: SchemaCache, *, fsync: bool) -> None:
        self._warehouse = warehouse
        self._schemas = schemas
        self._fsync = fsync

    async def provision(self, uid: str) -> None:
        """Makes the platform's database and standard tables where they are missing. Idempotent."""
        await self._warehouse.create_database(uid)
        existing = await self._warehouse.schema(uid)
        if standard_tables.EVENTS.name not in existing:
            await self._create_standard(uid, standard_tables.EVENTS, "MergeTree")
        if standard_tables.EVENTS_HOURLY.name not in existing:
            await self._create_standard(
                uid, standard_tables.EVENTS_HOURLY, standard_tables.EVENTS_HOURLY_ENGINE
            )
        await self._warehouse.execute(
            uid, standard_tables.EVENTS_HOURLY_VIEW, table=standard_tables.EVENTS_HOURLY.name
        )
        self._schemas.forget(uid)

    async def _create_standard(self, uid: str, table: TableSchema, engine: str) -> None:
        ddl = create_table(table, fsync=self._fsync, engine=engine)
        ddl = ddl.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1)
        await self._warehouse.execute(uid, ddl, table=table.name)

    async def create(self, uid: str, wanted: TableSchema) -> TableView:
        """Makes a table; the very same table again is returned as it is.

        Raises TableInvalid, TypeNotAllowed, or TableAlreadyExists where the name has another description.
        """
        table = checked(wanted)
        existing = (await self._warehouse.schema(uid)).get(table.name)
        if existing is None:
            ddl = create_table(table, fsync=self._fsync)
            try:
                await self._warehouse.execute(uid, ddl, table=table.name)
            except TableAlreadyExists:
                pass  # somebody else was faster: what they made is compared below
            finally:
                self._schemas.forget(uid)
            existing = (await self._warehouse.schema(uid)).get(table.name)
        if existing is None or not _same(existing, table):
            raise TableAlreadyExists(
                f"A table {table.name!r} exists with another description. Choose another name or drop it.",
                metadata={"table": table.name},
            )
        return await self._with_size(uid, existing)

    async def get(self, uid: str, name: str) -> TableView:
        """One table. Raises TableNotFound."""
        return await self._with_size(uid, await self._find(uid, name))

    async def drop(self, uid: str, name: str) -> None:
        """Drops a table with its rows. Raises TableNotFound or TableProtected."""
        if name in standard_tables.PROTECTED:
            raise TableProtected(
                f"{name!r} is a standard table of the platform and stays.", metadata={"table": name}
            )
        await self._find(uid, name)
        try:
            await self._warehouse.execute(uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC", table=name)
        finally:
            self._schemas.forget(uid)

    async def add_column(self, uid: str, name: str, wanted: ColumnSchema) -> TableView:
        """Adds a column at the end of a table; a column that is there already as described changes nothing.

        Rows that are there read the type's default (NULL, 0, empty). Raises TableNotFound, TableProtected,
        TypeNotAllowed, or TableInvalid, also where a column of that name is another one.
        """
        if name in standard_tables.PROTECTED:
            raise TableProtected(
                f"{name!r} is a standard table of the platform; its columns stay as they are.",
                metadata={"table": name},
            )
        table = await self._described(uid, name)
        column = checked_column(table, wanted)
        existing = table.column(column.name)
        if existing is None:
            try:
                await self._warehouse.execute(uid, add_column(name, column), table=name)
            finally:
                self._schemas.forget(uid)
            # Somebody else may have been faster, with another type: what counts is what is there now.
            existing = (await self._described(uid, name)).column(column.name)
        if existing is None or not _same_column(existing, column):
            raise column_taken(name, column.name)
        return await self.get(uid, name)

    async def _described(self, uid: str, name: str) -> TableSchema:
        """The table as the engine has it at this moment."""
        self._schemas.forget(uid)
        return await self._find(uid, name)

    async def list(
        self,
        uid: str,
        *,
        count: int,
        after: str | None = None,
        descending: bool = False,
        wanted: Callable[[TableSchema], bool] | None = None,
    ) -> TablePage:
        """At most `count` tables in order of their names, those behind the name `after` that are `wanted`."""
        schema = await self._schemas.get(uid)
        names = sorted(
            (name for name, table in schema.items() if wanted is None or wanted(table)), reverse=descending
        )
        if after is not None:
            names = [name for name in names if (name < after if descending else name > after)]
        sizes = await self._warehouse.sizes(uid)
        return TablePage([_view(schema[name], sizes) for name in names[:count]], len(names) > count)

    async def _find(self, uid: str, name: str) -> TableSchema:
        found = (await self._schemas.get(uid)).get(name)
        if found is None:
            raise TableNotFound(
                f"The platform has no table {name!r}. List the tables to see which there are.",
                metadata={"table": name},
            )
        return found

    async def _with_size(self, uid: str, table: TableSchema) -> TableView:
        return _view(table, await self._warehouse.sizes(uid))


def _view(table: TableSchema, sizes: Mapping[str, TableSize]) -> TableView:
    return TableView(table, sizes.get(table.name, _NO_SIZE))


def _same_column(existing: ColumnSchema, wanted: ColumnSchema) -> bool:
    return same_types([existing.type], [wanted.type]) and existing.comment == wanted.comment


def _same(existing: TableSchema, wanted: TableSchema) -> bool:
    """Whether both describe one table; types compare by meaning, everything else word for word."""
    types = [column.type for column in existing.columns], [column.type for column in wanted.columns]

    def rest(table: TableSchema) -> TableSchema:
        columns = tuple(replace(column, type="") for column in table.columns)
        return replace(table, columns=columns, identity="")

    return same_types(*types) and rest(existing) == rest(wanted)

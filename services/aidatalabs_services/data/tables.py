"""A platform's tables: made from typed descriptions, listed, changed, dropped and brought back; the standard
ones stay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from aidatalabs_services.data import standard_tables
from aidatalabs_services.data.dead_letters.presence import LettersTable
from aidatalabs_services.data.dropped_tables import Dropped, DroppedTables, dropped_of
from aidatalabs_services.data.errors import (
    TableAlreadyExists,
    TableBusy,
    TableNotFound,
    TableProtected,
    table_not_found,
)
from aidatalabs_services.data.holds import TableHolds
from aidatalabs_services.data.native.json_type import same_types
from aidatalabs_services.data.ports import TableSize, Warehouse
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.schema import ColumnSchema, SchemaCache, TableSchema
from aidatalabs_services.data.table_ddl import (
    add_column,
    checked,
    checked_column,
    checked_ttl,
    column_taken,
    create_table,
    modify_comment,
    modify_ttl,
    quoted,
)

_NO_SIZE = TableSize(0, 0)


@dataclass(frozen=True)
class TableView:
    """A table with its rows and bytes at this moment; `dropped` where it is one that can be brought back."""

    schema: TableSchema
    size: TableSize
    dropped: Dropped | None = None

    @property
    def place(self) -> str:
        """What lists are sorted by: the name, a dropped table behind a live one of its name."""
        return f"{self.schema.name}\0{self.dropped.drop_ms}" if self.dropped else self.schema.name


@dataclass(frozen=True)
class TablePage:
    """Some tables in order of their names; `more` says that others follow."""

    tables: Sequence[TableView]
    more: bool


class Tables:
    """The tables of every platform, by the platform's uid.

    `fsync` makes inserts into the tables made here survive power loss. `dropped` keeps dropped tables for a
    while; without it they are gone at once. `rollups` go with their tables. `letters` makes the table of
    rejected rows.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        schemas: SchemaCache,
        *,
        fsync: bool,
        holds: TableHolds | None = None,
        dropped: DroppedTables | None = None,
        rollups: Rollups | None = None,
        letters: LettersTable | None = None,
    ) -> None:
        self._rollups = rollups
        self._letters = letters
        self._warehouse = warehouse
        self._schemas = schemas
        self._fsync = fsync
        self._holds = holds or TableHolds()
        self._dropped = dropped if dropped is not None and dropped.has_grace else None

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
        if self._letters is not None and standard_tables.DEAD_LETTERS.name not in existing:
            await self._letters.make(uid)
        self._schemas.forget(uid)
        if self._rollups is not None:
            await self._rollups.provision(uid)

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
        """Puts a table with its rows out of sight, until its grace is over.

        Rows that are journalled go where the table is, and come back with it. Raises TableNotFound,
        TableProtected or TableBusy.
        """
        protected = name in standard_tables.PROTECTED
        if protected or standard_tables.is_dead_letters(await self._find(uid, name)):
            raise TableProtected(
                f"{name!r} is a standard table of the platform and stays.", metadata={"table": name}
            )
        if self._holds.is_deleting(uid, name):
            raise TableBusy(
                f"Rows of {name!r} are being deleted. Drop it when that is done.",
                metadata={"table": name},
                retry_after_seconds=1.0,
            )
        try:
            # No insert meets the table between its old name and its new one.
            async with self._holds.alone(uid, name):
                await self._described(uid, name)
                if self._rollups is not None:
                    await self._rollups.drop_of_table(uid, name)
                await self._put_aside(uid, name)
        finally:
            self._schemas.forget(uid)

    async def _put_aside(self, uid: str, name: str) -> None:
        if self._dropped is None:
            await self._warehouse.execute(uid, f"DROP TABLE IF EXISTS {quoted(name)} SYNC", table=name)
            return
        async with self._dropped.dropping(uid, name) as dropped:
            await self._warehouse.execute(
                uid, f"RENAME TABLE {quoted(name)} TO {quoted(dropped.hidden)}", table=name
            )

    async def undrop(self, uid: str, name: str) -> TableView:
        """Brings back the table of this name that was dropped last.

        Raises TableNotFound where there is none, TableAlreadyExists where another table has its name.
        """
        try:
            async with self._holds.alone(uid, name):
                if name in await self._warehouse.schema(uid):
                    raise TableAlreadyExists(
                        f"A table {name!r} is there. Drop it first, or keep it.", metadata={"table": name}
                    )
                found = [each for each in await self._hidden(uid) if each.name == name]
                if not found:
                    raise TableNotFound(
                        f"No dropped table {name!r} can be brought back. List the tables with show_dropped.",
                        metadata={"table": name},
                    )
                hidden = max(found, key=lambda each: each.drop_ms).hidden
                await self._warehouse.execute(
                    uid, f"RENAME TABLE {quoted(hidden)} TO {quoted(name)}", table=name
                )
        finally:
            self._schemas.forget(uid)
        return await self.get(uid, name)

    async def _hidden(self, uid: str) -> Sequence[Dropped]:
        names = await self._warehouse.dropped_tables(uid)
        return [dropped for name in names if (dropped := dropped_of(name)) is not None]

    async def update(
        self, uid: str, name: str, *, ttl: str | None = None, comment: str | None = None
    ) -> TableView:
        """Changes what is not None: how long rows are kept (empty: for good), what is said about the table.

        Raises TableNotFound, TableInvalid, or TableProtected: of `events` and `dead_letters` the time to live
        alone can change.
        """
        if name in standard_tables.PROTECTED - {standard_tables.EVENTS.name}:
            raise _stays(name)
        table = await self._described(uid, name)
        if standard_tables.is_protected(table) and comment is not None:
            raise _stays(name)
        changes = []
        if ttl is not None and (kept := checked_ttl(table, ttl)) != table.ttl:
            changes.append(modify_ttl(name, kept))
        if comment is not None and comment != table.comment:
            changes.append(modify_comment(table, comment))
        # Rows that went by a shorter time than the new one are still counted in roll-ups.
        stale = self._rollups if table.ttl and ttl is not None and kept != table.ttl else None
        if stale is not None:
            await stale.fence(uid, name)
        try:
            async with self._holds.altering(uid, name):
                for change in changes:
                    await self._warehouse.execute(uid, change, table=name)
        finally:
            self._schemas.forget(uid)
            if stale is not None and not self._holds.is_deleting(uid, name):  # else the deletion does it
                await stale.rebuild(uid, name, wait=False)
        return await self.get(uid, name)

    async def add_column(self, uid: str, name: str, wanted: ColumnSchema) -> TableView:
        """Adds a column at the end of a table; a column that is there already as described changes nothing.

        Rows that are there read the type's default (NULL, 0, empty). Raises TableNotFound, TableProtected,
        TypeNotAllowed, or TableInvalid, also where a column of that name is another one.
        """
        protected = name in standard_tables.PROTECTED
        if protected or standard_tables.is_dead_letters(table := await self._described(uid, name)):
            raise TableProtected(
                f"{name!r} is a standard table of the platform; its columns stay as they are.",
                metadata={"table": name},
            )
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
        show_dropped: bool = False,
    ) -> TablePage:
        """At most `count` tables in order of their names, those behind `after` that are `wanted`."""
        sizes = await self._warehouse.sizes(uid)
        views = [_view(table, sizes) for table in (await self._schemas.get(uid)).values()]
        if show_dropped:
            hidden = await self._warehouse.dropped_tables(uid)
            views += [
                TableView(replace(table, name=dropped.name), sizes.get(name, _NO_SIZE), dropped)
                for name, table in hidden.items()
                if (dropped := dropped_of(name)) is not None
            ]
        views = [view for view in views if wanted is None or wanted(view.schema)]
        views.sort(key=lambda view: view.place, reverse=descending)
        if after is not None:
            views = [view for view in views if (view.place < after if descending else view.place > after)]
        return TablePage(views[:count], len(views) > count)

    async def _find(self, uid: str, name: str) -> TableSchema:
        found = (await self._schemas.get(uid)).get(name)
        if found is None:
            raise table_not_found(name)
        return found

    async def _with_size(self, uid: str, table: TableSchema) -> TableView:
        return _view(table, await self._warehouse.sizes(uid))


def _view(table: TableSchema, sizes: Mapping[str, TableSize]) -> TableView:
    return TableView(table, sizes.get(table.name, _NO_SIZE))


def _stays(name: str) -> TableProtected:
    return TableProtected(
        f"{name!r} is a standard table of the platform; of these only the ttl of 'events' and of "
        "'dead_letters' can be changed.",
        metadata={"table": name},
    )


def _same_column(existing: ColumnSchema, wanted: ColumnSchema) -> bool:
    return same_types([existing.type], [wanted.type]) and existing.comment == wanted.comment


def _same(existing: TableSchema, wanted: TableSchema) -> bool:
    """Whether both describe one table; types compare by meaning, everything else word for word."""
    types = [column.type for column in existing.columns], [column.type for column in wanted.columns]

    def rest(table: TableSchema) -> TableSchema:
        columns = tuple(replace(column, type="") for column in table.columns)
        return replace(table, columns=columns, identity="")

    return same_types(*types) and rest(existing) == rest(wanted)

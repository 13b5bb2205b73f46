"""What the data service needs from outside: a warehouse for the tables of every platform."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from aidatalabs_services.data.schema import Schema

# A value as the engine writes it in JSON: text, number, bool, None, list or dict of them. Timestamps are
# RFC 3339, decimals and non-finite numbers are text, whole numbers are exact Python integers.
Json = Any


@dataclass(frozen=True)
class QueryLimits:
    """What one query may use; every figure is set by the server, the engine enforces them.

    `max_rows` cuts the result off without an error (the outcome then says `truncated`); all other limits
    stop the query with the error of their name. `as_reader` is set where a person wrote the query: the engine
    then runs it as a role that may do nothing but read the platform's tables, where it has one. `is_measured`
    runs it on one thread and without what the engine remembers of earlier ones.
    """

    max_seconds: float
    max_rows: int
    max_result_bytes: int
    max_memory_bytes: int
    max_rows_to_read: int
    max_bytes_to_read: int
    as_reader: bool = False
    is_measured: bool = False


@dataclass(frozen=True)
class QueryOutcome:
    """The rows of one query and what they cost.

    `columns` are (name, ClickHouse type); `rows` hold JSON values in that order. `elapsed_seconds` is time
    in the engine, `read_bytes` uncompressed.
    """

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Json]]
    elapsed_seconds: float
    read_rows: int
    read_bytes: int
    truncated: bool = False


@dataclass(frozen=True)
class TableRead:
    """What a query is expected to read of one table."""

    table: str
    parts: int
    rows: int
    marks: int


@dataclass(frozen=True)
class StoredWidths:
    """Bytes of a table as stored, uncompressed.

    `row_bytes` is an average row; `column_bytes` an average value of each column, 0 where the engine does not
    know it (small parts keep their columns in one file).
    """

    row_bytes: float
    column_bytes: Mapping[str, float]


@dataclass(frozen=True)
class StoredResult:
    """A finished result.

    `payload` is its rows as the service sends them. `data_version` is that of the tables it was read from,
    with `+` and that of the roll-ups where they were read too, empty where they changed meanwhile;
    `read_time` (Unix seconds) the last moment at which it was what they held. The other figures are what the
    engine spent on it.
    """

    payload: bytes
    row_count: int
    data_version: str
    read_time: float
    elapsed_seconds: float
    read_rows: int
    read_bytes: int

    @property
    def tables_version(self) -> str:
        """The version of the tables that the query names, whatever else was read for it."""
        return self.data_version.partition("+")[0]


class ResultCache(Protocol):
    """Finished results by platform and key, the newest of each. What cannot be kept or found is a miss."""

    async def get(self, uid: str, key: str) -> StoredResult | None:
        """What is kept under this key, or None."""
        ...

    async def put(self, uid: str, key: str, result: StoredResult) -> None:
        """Keeps a result, within the bounds of the cache, in place of what was there."""
        ...

    async def confirm(self, uid: str, key: str, result: StoredResult) -> None:
        """Says that what is kept under this key still holds at `result.read_time`."""
        ...

    async def forget(self, uid: str) -> None:
        """Drops all results of a platform that were read before this call, also those that come after it."""
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...


@dataclass(frozen=True)
class TableSize:
    """Rows of a table at this moment and their compressed size on disk in bytes."""

    row_count: int
    size_bytes: int


class Warehouse(Protocol):
    """Every platform's own ClickHouse database, named by the platform's uid.

    All methods keep to the time that is left of the current call and raise `ServiceUnavailable` (with
    RetryInfo) when the engine cannot be reached. Cancelling the awaiting task stops the work in the engine.
    """

    def database_of(self, uid: str) -> str:
        """Name of the platform's database in the engine."""
        ...

    async def create_database(self, uid: str) -> None:
        """Makes the platform's database where it is missing. Idempotent."""
        ...

    async def drop_database(self, uid: str) -> None:
        """Drops the platform's database with all its rows. Idempotent."""
        ...

    async def execute(self, uid: str, sql: str, *, table: str) -> None:
        """Runs one statement that this service built itself (DDL over `table`); never text of a caller.

        Raises TableAlreadyExists or TableInvalid where the engine refuses it.
        """
        ...

    async def query(self, uid: str, sql: str, *, limits: QueryLimits, query_id: str) -> QueryOutcome:
        """Runs one admitted SELECT, read-only and inside `limits`.

        Raises TableNotKnown, ColumnNotKnown, QueryFailed, QueryTimeout, QueryMemoryExceeded,
        QueryReadsTooMuch or ResultTooLarge.
        """
        ...

    def stream(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str, format_name: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The result of one admitted SELECT in ClickHouse's format `format_name`, in pieces of any size.

        The engine waits for a reader that is slow; leaving the block stops the query in the engine. Unlike in
        `query`, more rows than `limits` has are an error. Raises as `query` does, on entering or while the
        pieces are read; only pieces read to their end are the whole result.
        """
        ...

    async def result_columns(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[tuple[str, str]]:
        """(name, ClickHouse type) of each column that one admitted SELECT gives, without running it."""
        ...

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
        """Inserts Python values by column (`data[i]` are the values of `columns[i]`); returns the rows sent.

        `types` are the ClickHouse types of `columns` (from the table's schema). Columns that are not named
        get the table's default; NULL in a column that is not Nullable is an error, never a default. Of a
        JSON column the values are dicts or JSON text.

        `token` names the block: calling again with the same token and the same block stores nothing twice,
        in the table and in the targets of its materialised views, also after a crash in between. The same
        token with other rows silently drops them: it must stand for exactly one block. Returning means that
        the rows are in the table and survive the death of the engine's process; where the tables were made
        with `fsync_engine` (a property of the table, not of one insert) also power loss.

        Raises InsertRefused where the engine will never take this block (repeating is useless), and
        ServiceUnavailable where the outcome is not known (repeat with the same token).
        """
        ...

    async def insert_block(
        self, uid: str, table: str, columns: Sequence[str], payload: bytes, *, format_name: str, token: str
    ) -> None:
        """Inserts an encoded block as it is: `format_name` is Native, ArrowStream, Parquet or JSONEachRow.

        The same promises and errors as `insert_columns`; `payload` must be the same bytes on repetition.
        """
        ...

    async def schema(self, uid: str) -> Schema:
        """The tables people may see, by name, read anew; without views and names that start with `_`."""
        ...

    async def dropped_tables(self, uid: str) -> Schema:
        """The tables that were dropped and can be brought back, by the name they have meanwhile
        (`dropped_tables.dropped_name`), read anew.
        """
        ...

    async def sizes(self, uid: str) -> Mapping[str, TableSize]:
        """Rows and bytes of every table, by name."""
        ...

    async def fingerprints(self, uid: str) -> Mapping[str, str]:
        """A text per table that changes whenever its rows change, and stays when parts are only merged."""
        ...

    async def widths(self, uid: str) -> Mapping[str, StoredWidths]:
        """How wide the rows and columns of every table are, by the table's name."""
        ...

    async def estimate(
        self, uid: str, sql: str, *, limits: QueryLimits, query_id: str
    ) -> Sequence[TableRead]:
        """What the engine expects to read for one admitted SELECT, by table. Raises as `query` does.

        Inside `limits`, because planning may run a subquery whose rows choose what is read.
        """
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...


class DerivedTables(Protocol):
    """Tables that hold figures about another one's rows, to be put right when rows of it are deleted.

    Between `prepare` and the end of `correct` nothing else writes into the source. What `prepare` returns is
    kept with the deletion and given to `correct`, which may be called again after a crash: both must be safe
    to repeat. `key` is the deletion's own word, letters and digits.
    """

    def derive_from(self, table: str) -> bool:
        """Whether figures about this table are kept here."""
        ...

    async def prepare(self, uid: str, table: str, condition: str, *, key: str) -> str:
        """Called while the rows are still there that `condition`, SQL over the source's columns, is for."""
        ...

    async def correct(self, uid: str, table: str, noted: str, *, key: str) -> None:
        """Called when they are gone: from here on the figures are those of the rows that are left."""
        ...

    async def release(self, uid: str, table: str) -> None:
        """Called when a deletion is over, also where it failed: what was prepared for it may go."""
        ...

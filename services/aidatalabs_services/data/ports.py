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
    stop the query with the error of their name.
    """

    max_seconds: float
    max_rows: int
    max_result_bytes: int
    max_memory_bytes: int
    max_rows_to_read: int
    max_bytes_to_read: int


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

    async def sizes(self, uid: str) -> Mapping[str, TableSize]:
        """Rows and bytes of every table, by name."""
        ...

    async def fingerprints(self, uid: str) -> Mapping[str, str]:
        """A text per table that changes whenever its rows change, and stays when parts are only merged."""
        ...

    async def estimate_rows(self, uid: str, sql: str, *, limits: QueryLimits, query_id: str) -> int:
        """Rows that the engine expects to read for one admitted SELECT. Raises as `query` does.

        Inside `limits`, because planning may run a subquery whose rows choose what is read.
        """
        ...

    async def close(self) -> None:
        """Ends every connection."""
        ...

"""One SELECT as a file: completed in the spool before its first byte is sent, or refused as a whole.

CSV and JSON lines are the engine's own text. Arrow and Parquet are made of the same record batches, so both
have the same types. Values are never altered: a CSV field that begins with `=` stays as it is (only quoting
is added), because a file that is read by programs must give back what was stored.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa
import pyarrow.parquet as pq

from aidatalabs_services.data.admission import Admitted
from aidatalabs_services.data.arrow_results import FORMAT_NAME, ArrowReader, check_carried
from aidatalabs_services.data.errors import TypeNotAllowed
from aidatalabs_services.data.places import PlatformPlaces
from aidatalabs_services.data.ports import Warehouse
from aidatalabs_services.data.queries import PIECE_BYTES, Queries
from aidatalabs_services.data.query_ids import new_query_id
from aidatalabs_services.data.spool import Spool, SpoolFile
from aidatalabs_services.data.stalls import taken_within
from aidatalabs_services.runtime.caller import current_user
from aidatalabs_services.runtime.errors import DeadlineExceeded

_ROW_GROUP_BYTES = 32 * 1024 * 1024
# The engine's own limit speaks first: it knows the query.
_ENGINE_FIRST_SECONDS = 1.0
_ADVICE = "Read the file as it comes, or export in parts."


class FileFormat(Enum):
    """The formats of files: (ending, content type)."""

    CSV = ("csv", "text/csv; charset=utf-8")
    JSONL = ("jsonl", "application/x-ndjson")
    PARQUET = ("parquet", "application/vnd.apache.parquet")
    ARROW = ("arrows", "application/vnd.apache.arrow.stream")


_ENGINE_FORMATS = {FileFormat.CSV: "CSVWithNames", FileFormat.JSONL: "JSONEachRow"}


@dataclass(frozen=True)
class Export:
    """A finished file. `name` is `export-<UTC>.<ending>`."""

    name: str
    content_type: str
    file: SpoolFile
    stall_seconds: float

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.file.size

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The file's bytes in pieces of at most 1 MiB; one empty piece where it is empty.

        Raises DeadlineExceeded when a piece was not taken in time.
        """
        async with aclosing(self.file.pieces(PIECE_BYTES)) as pieces:
            async for piece in pieces:
                async with taken_within(self.stall_seconds, advice=_ADVICE):
                    yield piece


class Exports:
    """Makes files of queries of every platform, by the platform's uid.

    Sending a file may take long, so a whole export holds none of the server's places but one of `places`.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        queries: Queries,
        spool: Spool,
        places: PlatformPlaces,
        *,
        stall_seconds: float,
    ) -> None:
        self._warehouse = warehouse
        self._queries = queries
        self._spool = spool
        self._places = places
        self._stall_seconds = stall_seconds

    @asynccontextmanager
    async def export(
        self, uid: str, sql: str, format_: FileFormat, *, max_seconds: float = 0.0
    ) -> AsyncIterator[Export]:
        """The finished file, there while the block runs; `max_seconds` is as in `Queries.admitted`.

        Raises as a query does, TypeNotAllowed for a column that Arrow and Parquet cannot carry,
        ResultTooLarge for a file beyond the spool's bound, and Overloaded while the spool, the platform or
        the user has no room for another. The query and its file have the time of a query; how long the block
        then takes to send it is the call's matter.
        """
        user = current_user()
        async with self._places.place(uid, user):
            with self._spool.file(user) as file:
                yield await self._made(uid, sql, format_, file, max_seconds)

    async def _made(
        self, uid: str, sql: str, format_: FileFormat, file: SpoolFile, max_seconds: float
    ) -> Export:
        async with (
            self._queries.admitted(uid, sql, max_seconds=max_seconds) as query,
            _in_time(query.limits.max_seconds),
        ):
            if format_ is FileFormat.ARROW:
                await self._arrow(query, file)
            elif format_ is FileFormat.PARQUET:
                await self._parquet(query, file)
            else:
                await self._text(query, _ENGINE_FORMATS[format_], file)
        ending, content_type = format_.value
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        return Export(f"export-{stamp}.{ending}", content_type, file, self._stall_seconds)

    async def _text(self, query: Admitted, engine_format: str, file: SpoolFile) -> None:
        """The engine's bytes as they come, gathered so that the disk sees few writes."""
        held = bytearray()
        async with self._stream(query, engine_format) as pieces:
            async for piece in pieces:
                held += piece
                if len(held) >= PIECE_BYTES:
                    await asyncio.to_thread(file.write, bytes(held))
                    held.clear()
        await asyncio.to_thread(file.write, bytes(held))

    async def _arrow(self, query: Admitted, file: SpoolFile) -> None:
        reader = await self._reader(query)
        async with self._stream(query, FORMAT_NAME) as pieces:
            async for piece in pieces:
                reader.feed(piece)
                if reader.is_ready:
                    await asyncio.to_thread(lambda: file.write(b"".join(reader.messages())))
        await asyncio.to_thread(lambda: file.write(reader.end()))

    async def _parquet(self, query: Admitted, file: SpoolFile) -> None:
        reader = await self._reader(query)
        writer = _ParquetFile(file)
        async with self._stream(query, FORMAT_NAME) as pieces:
            async for piece in pieces:
                reader.feed(piece)
                if reader.is_ready:
                    await asyncio.to_thread(lambda: writer.add(reader.batches()))
        await asyncio.to_thread(lambda: writer.end(reader.whole_schema()))

    async def _reader(self, query: Admitted) -> ArrowReader:
        columns = await self._queries.columns(query)
        check_carried(columns)
        return ArrowReader(columns)

    def _stream(
        self, query: Admitted, engine_format: str
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._warehouse.stream(
            query.uid,
            query.statement.sql,
            limits=query.limits,
            query_id=new_query_id(),
            format_name=engine_format,
        )


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    """Ends the block when a query of `seconds` must have ended. Raises DeadlineExceeded."""
    scope = asyncio.timeout(seconds + _ENGINE_FIRST_SECONDS)
    try:
        async with scope:
            yield
    except TimeoutError:
        if not scope.expired():
            raise
        raise DeadlineExceeded(
            "The file was not complete in the time of a query. Ask for less, or export in parts.",
            metadata={"seconds": f"{seconds:.3f}"},
        ) from None


class _ParquetFile:
    """Record batches as one Parquet file with row groups of about 32 MiB."""

    def __init__(self, file: SpoolFile) -> None:
        self._file = file
        self._writer: pq.ParquetWriter | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0

    def add(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Takes batches; writes a row group when enough wait."""
        for batch in batches:
            self._waiting.append(batch)
            self._waiting_bytes += batch.nbytes
            if self._waiting_bytes >= _ROW_GROUP_BYTES:
                self._write(batch.schema)

    def end(self, schema: pa.Schema) -> None:
        """Writes what waits and the footer; `schema` is for a result without rows."""
        self._write(schema)
        if self._writer is not None:
            self._writer.close()

    def _write(self, schema: pa.Schema) -> None:
        if self._writer is None:
            self._writer = _parquet_writer(self._file, schema)
        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, schema))
        self._waiting, self._waiting_bytes = [], 0


def _parquet_writer(file: SpoolFile, schema: pa.Schema) -> pq.ParquetWriter:
    try:
        return pq.ParquetWriter(file, schema, compression="zstd")
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        raise TypeNotAllowed(
            "The result has a column whose type Parquet cannot carry. Cast it, for example with toString(x),"
            " or ask for another format."
        ) from None

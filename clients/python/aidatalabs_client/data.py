"""Calls about a platform's data: queries, tables, rows."""
# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import asyncio
import datetime
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.struct_pb2 import Struct

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2
from aidatalabs_client.answers import QueryResult
from aidatalabs_client.connection import Connection
from aidatalabs_client.errors import TableNotFound
from aidatalabs_client.ingested import Ingested
from aidatalabs_client.row_messages import event_message, row_message, timestamp_message

if TYPE_CHECKING:
    import pyarrow as pa

    from aidatalabs_client.files import DataFile

_BATCH_BYTES = 4 * 1024 * 1024

Progress = Callable[[int, int], None]
"""Called after each request with the number of rows sent and of all rows."""


class DataCalls(Connection):
    """What can be done with the data of a platform."""

    async def query(
        self,
        platform: str,
        sql: str,
        *,
        max_rows: int = 0,
        max_seconds: float = 0.0,
        max_staleness: float = 0.0,
        max_relative_error: float = 0.0,
        exclude_rollups: bool = False,
    ) -> QueryResult:
        """Runs one SELECT and returns at most `max_rows` rows (0: the service's 1,000; at most 10,000).

        It is stopped after `max_seconds` (0: the service's limit). Rows read up to `max_staleness` seconds
        ago are taken too, though the tables may have changed since; `statistics` says how old they are.
        A roll-up may serve it where the result is the same, or within `max_relative_error` (1e-6 for sums of
        fractions, 0.01 for quantiles); `exclude_rollups` reads the rows.
        """
        request = pb.QueryRequest(
            platform=platform,
            sql=sql,
            max_rows=max_rows,
            max_seconds=max_seconds,
            max_relative_error=max_relative_error,
            exclude_rollups=exclude_rollups,
        )
        if max_staleness:
            request.max_staleness.FromNanoseconds(round(max_staleness * 1e9))
        return QueryResult(await self._call(self._data.Query, request))

    async def query_arrow(self, platform: str, sql: str, *, max_seconds: float = 0.0) -> pa.Table:
        """Runs one SELECT and returns all its rows as a pyarrow Table with their real types, nothing lost."""
        import pyarrow.ipc  # slow to import, and only this needs it

        pieces = [piece async for piece in self.stream_query(platform, sql, max_seconds=max_seconds)]
        return pyarrow.ipc.open_stream(b"".join(pieces)).read_all()

    async def stream_query(
        self, platform: str, sql: str, *, max_seconds: float = 0.0
    ) -> AsyncIterator[bytes]:
        """Runs one SELECT and yields pieces of one Arrow IPC stream, in order; joined they are the whole.

        The query is stopped after `max_seconds` (0: the service's limit).
        """
        request = pb.StreamQueryRequest(platform=platform, sql=sql, max_seconds=max_seconds)
        async for piece in self._stream(self._data.StreamQuery, request):
            yield piece.arrow_ipc

    async def export(
        self, platform: str, sql: str, form: str, *, max_seconds: float = 0.0
    ) -> AsyncIterator[bytes]:
        """Runs one SELECT and yields its rows as a file, piece by piece.

        `form` is CSV, JSONL, PARQUET or ARROW. A query that fails, or is not done after `max_seconds` (0: the
        service's limit), does so before the first piece.
        """
        request = pb.ExportRequest(
            platform=platform,
            sql=sql,
            format=pb.ExportRequest.Format.Value(form),
            max_seconds=max_seconds,
        )
        async for piece in self._stream(self._data.Export, request):
            yield piece.data

    async def explain_query(
        self, platform: str, sql: str, *, max_relative_error: float = 0.0, exclude_rollups: bool = False
    ) -> pb.ExplainQueryResponse:
        """Checks one SELECT without running it: its text, tables, columns, roll-up, and what it will take."""
        request = pb.ExplainQueryRequest(
            platform=platform,
            sql=sql,
            max_relative_error=max_relative_error,
            exclude_rollups=exclude_rollups,
        )
        return await self._call(self._data.ExplainQuery, request)

    async def describe_schema(
        self, platform: str, *, known_data_version: str = ""
    ) -> pb.DescribeSchemaResponse:
        """Returns tables, columns and what their values look like; no tables where the version is known."""
        request = pb.DescribeSchemaRequest(platform=platform, known_data_version=known_data_version)
        return await self._call(self._data.DescribeSchema, request)

    async def ingest_rows(
        self,
        platform: str,
        table: str,
        rows: Iterable[Mapping[str, object] | Struct],
        *,
        request_id: str = "",
    ) -> ingest_pb2.Receipt:
        """Stores rows, at most 10,000; repeating a call with its request id stores nothing twice.

        A row is a mapping of column to value: numbers, texts, None, datetime (UTC where it names no zone),
        date, Decimal, UUID, lists and dicts. Whole numbers keep every digit they have; NaN is NULL.
        """
        messages = [row if isinstance(row, Struct) else row_message(row) for row in rows]
        request = pb.IngestRequest(
            platform=platform, table=table, request_id=request_id or str(uuid.uuid4()), rows=messages
        )
        return await self.ingest(request)

    async def ingest_events(
        self,
        platform: str,
        events: Iterable[Mapping[str, Any] | ingest_pb2.Event],
        *,
        request_id: str = "",
    ) -> ingest_pb2.Receipt:
        """Stores events in the standard table `events`, at most 10,000, as `ingest_rows` does with rows.

        An event is a mapping with `timestamp`, `event_type` and, as wanted, `user_id`, `properties`, `value`.
        """
        messages = [one if isinstance(one, ingest_pb2.Event) else event_message(one) for one in events]
        request = pb.IngestRequest(
            platform=platform, request_id=request_id or str(uuid.uuid4()), events=messages
        )
        return await self.ingest(request)

    async def ingest(self, request: pb.IngestRequest) -> ingest_pb2.Receipt:
        """Sends an ingest request as it is; it needs a request id to be repeated safely."""
        answer = await self._call(self._data.Ingest, request, repeatable=bool(request.request_id))
        return answer.receipt

    async def ingest_frame(
        self,
        platform: str,
        table: str,
        frame: object,
        *,
        create: bool = False,
        request_id: str = "",
        progress: Progress | None = None,
    ) -> Ingested:
        """Stores all rows of a polars or pandas DataFrame or a pyarrow Table, in as many calls as it takes.

        `create` makes the table of the frame's columns first, where there is none. Headers become column
        names as in `ingest_file`. Repeating a call with its `request_id` and frame stores nothing twice.
        """
        from aidatalabs_client.files import frame_content

        content = await asyncio.to_thread(frame_content, frame)
        key = request_id or str(uuid.uuid4())
        return await self._ingest_content(platform, table, content, create, key, progress)

    async def ingest_arrow(
        self,
        platform: str,
        table: str,
        batches: Any,
        *,
        request_id: str = "",
        window: int = 8,
        progress: Progress | None = None,
    ) -> Ingested:
        """Stores Arrow columns over a stream, the fastest way in: millions of rows a second at best.

        `batches` is a pyarrow Table, a RecordBatch, or an iterable of RecordBatches of any length; `table` is
        there already, `events` or another. JSON columns take structs, maps or JSON text. `window` batches are
        under way at once. Repeating a call with its `request_id` and rows stores nothing twice. `progress`
        gets the rows stored and 0, as their number is not known before the end.
        """
        from aidatalabs_client.streamed_ingest import StreamedIngest, arrow_batches

        source = arrow_batches(batches, request_id or str(uuid.uuid4()), _BATCH_BYTES)
        stream = StreamedIngest(platform, table, source, window=window)
        ingested = Ingested(table)
        opened, renewed = self._resumable(self._data.IngestStream)
        received = stream.receipts(opened, renewed, self._patience_seconds)
        async with aclosing(received) as receipts:
            async for receipt, batch in receipts:
                ingested.add(receipt, batch.row_count, first_row=batch.first_row)
                if progress is not None:
                    progress(ingested.row_count, 0)
        return ingested

    async def get_receipt(self, platform: str, request_id: str, *, table: str = "") -> ingest_pb2.Receipt:
        """Returns the receipt of a call or batch of the last 24 hours, as it is now."""
        request = pb.GetReceiptRequest(platform=platform, table=table, request_id=request_id)
        return await self._call(self._data.GetReceipt, request)

    async def replay_dead_letters(
        self,
        platform: str,
        *,
        table: str = "",
        reason: str = "",
        start_time: datetime.datetime | None = None,
        end_time: datetime.datetime | None = None,
        ids: Sequence[str] = (),
        page_size: int = 0,
        page_token: str = "",
    ) -> pb.ReplayDeadLettersResponse:
        """Sends rejected rows, kept in the table `dead_letters`, again; each is stored at most once.

        Of those for `table`, rejected for `reason` and between these times, or with these `ids`. One call
        takes `page_size` rows (0: 100; at most 1,000): go on with its `next_page_token`.
        """
        request = pb.ReplayDeadLettersRequest(
            platform=platform,
            table=table,
            reason=reason,
            start_time=None if start_time is None else timestamp_message(start_time),
            end_time=None if end_time is None else timestamp_message(end_time),
            ids=ids,
            page_size=page_size,
            page_token=page_token,
        )
        return await self._call(self._data.ReplayDeadLetters, request)

    async def ingest_file(
        self,
        platform: str,
        path: str | Path,
        *,
        table: str = "",
        create: bool = False,
        again: bool = False,
        progress: Progress | None = None,
    ) -> Ingested:
        """Stores all rows of a .csv, .csv.zip, .csv.gz, .tsv, .jsonl or .parquet file, the same file once.

        `table` is named after the file where it is empty. `create` makes it of the file's columns first,
        where there is none; a header like `Total (EUR)` is the column `total_eur`. Of a file that has grown
        at its end, within a day, only the new rows are stored. Raises FileUnreadable, and RowsDiffer where
        the file begins with rows that are stored but differs from them later; `again` stores all of it then.
        """
        from aidatalabs_client.files import content_key, read_file, table_name

        file = Path(path)
        name = table or table_name(file)
        try:
            known = await self._known_table(platform, name, create)
        except TableNotFound:
            await asyncio.to_thread(read_file, file)  # what is wrong with the file is told first
            raise
        columns = None if known is None else [(column.name, column.type) for column in known.columns]
        content = await asyncio.to_thread(read_file, file, columns)
        if columns is not None:
            content = content.as_stored(columns)
        key = await asyncio.to_thread(content_key, file) if again else ""
        return await self._ingest_content(platform, name, content, known is None, key, progress)

    async def _ingest_content(
        self,
        platform: str,
        table: str,
        content: DataFile,
        create: bool,
        key: str,
        progress: Progress | None,
    ) -> Ingested:
        if create:
            columns = [table_pb2.Column(name=name, type=kind) for name, kind in content.columns()]
            await self.create_table(platform, table_pb2.Table(name=table, columns=columns))
        from aidatalabs_client.batches import store_batches

        ingested = Ingested(table)

        def send(rows: list[Struct], name: str) -> Awaitable[ingest_pb2.Receipt]:
            return self.ingest_rows(platform, table, rows, request_id=name)

        async for batch in store_batches(content, send, key=key):
            ingested.add(batch.receipt, batch.row_count)
            if progress is not None:
                progress(ingested.row_count, content.row_count)
        return ingested

    async def _known_table(self, platform: str, table: str, create: bool) -> table_pb2.Table | None:
        """The table that a file goes into; None where it is missing and to be made."""
        try:
            return await self.get_table(platform, table)
        except TableNotFound:
            if not create:
                raise
            return None

    async def create_table(self, platform: str, table: table_pb2.Table) -> table_pb2.Table:
        """Creates a table, or returns it when the very same one exists."""
        request = pb.CreateTableRequest(platform=platform, table=table)
        return await self._call(self._data.CreateTable, request)

    async def add_column(self, platform: str, table: str, column: table_pb2.Column) -> table_pb2.Table:
        """Adds a column at the end of a table, or returns the table that has it."""
        request = pb.AddColumnRequest(platform=platform, table=table, column=column)
        return await self._call(self._data.AddColumn, request)

    async def get_table(self, platform: str, table: str) -> table_pb2.Table:
        """Returns one table with its columns and row count."""
        return await self._call(self._data.GetTable, pb.GetTableRequest(platform=platform, table=table))

    async def tables(
        self,
        platform: str,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 1000,
        show_dropped: bool = False,
    ) -> AsyncIterator[table_pb2.Table]:
        """Yields the platform's tables page by page; `filter='name : "ord"'`, `order_by="name desc"`.

        With `show_dropped` also those that can be brought back; they have a drop_time.
        """

        def page_of(page_token: str) -> Any:
            request = pb.ListTablesRequest(
                platform=platform,
                page_size=page_size,
                page_token=page_token,
                order_by=order_by,
                filter=filter,
                show_dropped=show_dropped,
            )
            return self._call(self._data.ListTables, request)

        async for page in self._pages(page_of):
            for table in page.tables:
                yield table

    async def list_tables(
        self, platform: str, *, filter: str = "", order_by: str = "", show_dropped: bool = False
    ) -> Sequence[table_pb2.Table]:
        """Returns every table of the platform, or those that `filter` finds, as `tables` yields them."""
        found = self.tables(platform, filter=filter, order_by=order_by, show_dropped=show_dropped)
        return [table async for table in found]

    async def drop_table(self, platform: str, table: str) -> None:
        """Drops a table with all its rows; `undrop_table` brings it back within the grace period."""
        await self._call(self._data.DropTable, pb.DropTableRequest(platform=platform, table=table))

    async def create_rollup(self, platform: str, rollup: rollup_pb2.Rollup) -> rollup_pb2.Rollup:
        """Declares a roll-up, which is built in the background, or returns the very same one."""
        request = pb.CreateRollupRequest(platform=platform, rollup=rollup)
        return await self._call(self._data.CreateRollup, request)

    async def get_rollup(self, platform: str, rollup: str) -> rollup_pb2.Rollup:
        """Returns one roll-up with its state, rows and bytes."""
        return await self._call(self._data.GetRollup, pb.GetRollupRequest(platform=platform, rollup=rollup))

    async def rollups(self, platform: str) -> list[rollup_pb2.Rollup]:
        """Returns the platform's roll-ups in order of their names."""
        answer = await self._call(self._data.ListRollups, pb.ListRollupsRequest(platform=platform))
        return list(answer.rollups)

    async def drop_rollup(self, platform: str, rollup: str) -> None:
        """Drops a roll-up; queries read the rows again."""
        await self._call(self._data.DropRollup, pb.DropRollupRequest(platform=platform, rollup=rollup))

"""The data service's methods: message in, domain call, message out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Protocol

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.empty_pb2 import Empty

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import ingest_pb2, rollup_pb2, table_pb2, typed_path_pb2
from aidatalabs_services.data.backup_servicer import BackupServicer
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.catalog import Catalogue
from aidatalabs_services.data.deletion_servicer import DeletionServicer
from aidatalabs_services.data.deletions import Deletions
from aidatalabs_services.data.errors import result_too_large
from aidatalabs_services.data.exports import Exports, FileFormat
from aidatalabs_services.data.layout_servicer import LayoutServicer
from aidatalabs_services.data.layouts.layouts import Layouts
from aidatalabs_services.data.messages import (
    checked_paths,
    column_schema,
    declaration_of,
    explanation_message,
    plan_message,
    query_message,
    rollup_message,
    rollup_use,
    schema_message,
    suggestions_message,
    table_message,
    table_schema,
)
from aidatalabs_services.data.platform_grace import PlatformGrace
from aidatalabs_services.data.queries import Queries, QueryOptions
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.data.rollups.rollups import Rollups
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.data.typed_paths.changes import TypedPaths
from aidatalabs_services.runtime.caller import current_caller
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest
from aidatalabs_services.runtime.filters import FieldKind, parse_filter, parse_order, render_filter
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]
FILE_LENGTH_KEY = "x-aidatalabs-content-length"
"""Initial metadata of a file: its bytes. The edge makes it the `content-length` of the REST answer."""

_FORMATS = {
    pb.ExportRequest.CSV: FileFormat.CSV,
    pb.ExportRequest.JSONL: FileFormat.JSONL,
    pb.ExportRequest.PARQUET: FileFormat.PARQUET,
    pb.ExportRequest.ARROW: FileFormat.ARROW,
}
_TABLE_FIELDS = {"name": FieldKind.TEXT, "comment": FieldKind.TEXT}
_MOST_STALENESS_SECONDS = 86_400.0


class IngestCalls(Protocol):
    """Ingest by the platform's uid."""

    async def ingest(self, uid: str, request: pb.IngestRequest) -> pb.IngestResponse:
        """One call of events or rows."""
        ...

    def stream(
        self,
        uid: str,
        requests: AsyncIterator[pb.IngestStreamRequest],
        check: Callable[[pb.IngestStreamRequest], object],
    ) -> AsyncGenerator[pb.IngestStreamResponse, None]:
        """One stream of batches; `check` refuses a message whose platform is going away."""
        ...

    async def receipt(self, uid: str, request: pb.GetReceiptRequest) -> ingest_pb2.Receipt:
        """One receipt that is remembered."""
        ...

    async def replay(self, uid: str, request: pb.ReplayDeadLettersRequest) -> pb.ReplayDeadLettersResponse:
        """Sends rejected rows again."""
        ...


class OnPlatform(Protocol):
    """A request that names its platform."""

    @property
    def platform(self) -> str:
        """`platforms/{id}`."""
        ...


class DataServicer(BackupServicer, DeletionServicer, LayoutServicer):
    """See `data_service.proto`; `answer_bytes` is the largest answer of Query."""

    def __init__(
        self,
        tables: Tables,
        queries: Queries,
        exports: Exports,
        catalogue: Catalogue,
        rollups: Rollups,
        ingest: IngestCalls,
        deletions: Deletions,
        recovery: Recovery,
        removal: PlatformRemoval,
        grace: PlatformGrace,
        typed_paths: TypedPaths,
        layouts: Layouts,
        *,
        answer_bytes: int,
    ) -> None:
        self._tables = tables
        self._rollups = rollups
        self._queries = queries
        self._exports = exports
        self._catalogue = catalogue
        self._ingest = ingest
        self._deletions = deletions
        self._recovery = recovery
        self._removal = removal
        self._grace = grace
        self._typed_paths = typed_paths
        self._layouts = layouts
        self._answer_bytes = answer_bytes

    async def ProvisionPlatform(self, request: pb.ProvisionPlatformRequest, context: Context) -> Empty:
        """Makes the database and the standard tables of the platform."""
        uid = self._uid(request)
        await self._grace.cancel(uid, request.platform)
        await self._tables.provision(uid)
        return Empty()

    async def DeprovisionPlatform(self, request: pb.DeprovisionPlatformRequest, context: Context) -> Empty:
        """Removes all data of the platform, now or at the moment that is named."""
        uid = current_caller().platform_uid
        if request.HasField("purge_time"):
            await self._grace.schedule(uid, request.purge_time.ToMilliseconds() / 1000)
        else:
            await self._grace.remove(uid)
        return Empty()

    async def CreateTable(self, request: pb.CreateTableRequest, context: Context) -> table_pb2.Table:
        """Makes a table, or returns the very same one."""
        return table_message(await self._tables.create(self._whole(request), table_schema(request.table)))

    async def ListTables(self, request: pb.ListTablesRequest, context: Context) -> pb.ListTablesResponse:
        """One page of tables."""
        conditions = parse_filter(request.filter, _TABLE_FIELDS)
        order = parse_order(request.order_by, ("name",), "name")
        parameters = {
            "method": "ListTables",
            "platform": request.platform,
            "filter": render_filter(conditions),
            "order_by": f"{order.field} {order.descending}",
            "show_dropped": str(request.show_dropped),
        }
        position = page_position(request.page_token, parameters)
        page = await self._tables.list(
            self._uid(request),
            count=page_size(request.page_size),
            after=str(position[0]) if position else None,
            descending=order.descending,
            wanted=lambda table: all(
                each.holds(table.name if each.field == "name" else table.comment) for each in conditions
            ),
            show_dropped=request.show_dropped,
        )
        token = page_token((page.tables[-1].place,), parameters) if page.more else ""
        return pb.ListTablesResponse(
            tables=[table_message(view) for view in page.tables], next_page_token=token
        )

    async def GetTable(self, request: pb.GetTableRequest, context: Context) -> table_pb2.Table:
        """One table."""
        return table_message(await self._tables.get(self._uid(request), request.table))

    async def DropTable(self, request: pb.DropTableRequest, context: Context) -> Empty:
        """Drops a table with its rows."""
        await self._tables.drop(self._whole(request), request.table)
        return Empty()

    async def UndropTable(self, request: pb.UndropTableRequest, context: Context) -> table_pb2.Table:
        """Brings a dropped table back."""
        return table_message(await self._tables.undrop(self._whole(request), request.table))

    async def UpdateTable(self, request: pb.UpdateTableRequest, context: Context) -> table_pb2.Table:
        """Changes a table's ttl and comment."""
        paths = checked_paths(request.update_mask.paths, ("ttl", "comment"))
        view = await self._tables.update(
            self._whole(request),
            request.table,
            ttl=request.ttl if "ttl" in paths else None,
            comment=request.comment if "comment" in paths else None,
        )
        return table_message(view)

    async def AddColumn(self, request: pb.AddColumnRequest, context: Context) -> table_pb2.Table:
        """Adds a column, or returns the table that has it."""
        column = column_schema(request.column)
        return table_message(await self._tables.add_column(self._whole(request), request.table, column))

    async def SuggestPaths(
        self, request: typed_path_pb2.SuggestPathsRequest, context: Context
    ) -> typed_path_pb2.SuggestPathsResponse:
        """The paths of a JSON column, with types to declare."""
        found = await self._typed_paths.suggest(self._whole(request), request.table, request.column)
        return suggestions_message(found)

    async def TypePaths(
        self, request: typed_path_pb2.TypePathsRequest, context: Context
    ) -> typed_path_pb2.TypePathsResponse:
        """Declares paths with a type, or takes that back."""
        uid = self._whole(request)
        plan = await self._typed_paths.change(
            uid,
            request.table,
            request.column,
            [(each.path, each.type) for each in request.paths],
            request.untyped_paths,
            validate_only=request.validate_only,
            allow_retyping=request.allow_retyping,
        )
        return plan_message(plan, await self._tables.get(uid, request.table))

    async def CreateRollup(self, request: pb.CreateRollupRequest, context: Context) -> rollup_pb2.Rollup:
        """Declares a roll-up, or returns the same one."""
        declared = declaration_of(request.rollup)
        return rollup_message(await self._rollups.create(self._whole(request), declared))

    async def ListRollups(self, request: pb.ListRollupsRequest, context: Context) -> pb.ListRollupsResponse:
        """Every roll-up of the platform."""
        found = await self._rollups.list(self._uid(request))
        return pb.ListRollupsResponse(rollups=[rollup_message(record) for record in found])

    async def GetRollup(self, request: pb.GetRollupRequest, context: Context) -> rollup_pb2.Rollup:
        """One roll-up."""
        return rollup_message(await self._rollups.get(self._uid(request), request.rollup))

    async def DropRollup(self, request: pb.DropRollupRequest, context: Context) -> Empty:
        """Drops a roll-up."""
        await self._rollups.drop(self._whole(request), request.rollup)
        return Empty()

    async def Ingest(self, request: pb.IngestRequest, context: Context) -> pb.IngestResponse:
        """Takes events or rows."""
        return await self._ingest.ingest(self._whole(request), request)

    async def IngestStream(
        self, request_iterator: AsyncIterator[pb.IngestStreamRequest], context: Context
    ) -> AsyncIterator[pb.IngestStreamResponse]:
        """Takes batches of columns, one answer each."""
        uid = current_caller().platform_uid
        async with aclosing(self._ingest.stream(uid, request_iterator, self._whole)) as answers:
            async for answer in answers:
                yield answer

    async def GetReceipt(self, request: pb.GetReceiptRequest, context: Context) -> ingest_pb2.Receipt:
        """One receipt."""
        return await self._ingest.receipt(self._uid(request), request)

    async def ReplayDeadLetters(
        self, request: pb.ReplayDeadLettersRequest, context: Context
    ) -> pb.ReplayDeadLettersResponse:
        """Sends rejected rows again."""
        return await self._ingest.replay(self._whole(request), request)

    async def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:
        """Runs one SELECT."""
        uid = self._whole(request)
        options = QueryOptions(
            request.max_rows, request.max_seconds, _staleness_seconds(request), rollup_use(request)
        )
        served = await self._queries.run(uid, request.sql, options)
        return self._sized(query_message(served, self._queries.budget_left(uid)))

    async def StreamQuery(
        self, request: pb.StreamQueryRequest, context: Context
    ) -> AsyncIterator[pb.StreamQueryResponse]:
        """Runs one SELECT and streams its rows as Arrow IPC."""
        async with aclosing(
            self._queries.stream(self._whole(request), request.sql, max_seconds=request.max_seconds)
        ) as pieces:
            async for piece in pieces:
                yield pb.StreamQueryResponse(arrow_ipc=piece)

    async def Export(self, request: pb.ExportRequest, context: Context) -> AsyncIterator[HttpBody]:
        """Runs one SELECT and sends its rows as a file, once the file is complete.

        Its length goes ahead, so that whoever gets less knows that the transfer was cut.
        """
        async with self._exports.export(
            self._whole(request), request.sql, _FORMATS[request.format], max_seconds=request.max_seconds
        ) as export:
            await context.send_initial_metadata(
                (
                    ("content-disposition", f'attachment; filename="{export.name}"'),
                    (FILE_LENGTH_KEY, str(export.size)),
                )
            )
            async with aclosing(export.pieces()) as pieces:
                async for piece in pieces:
                    yield HttpBody(content_type=export.content_type, data=piece)

    async def ExplainQuery(
        self, request: pb.ExplainQueryRequest, context: Context
    ) -> pb.ExplainQueryResponse:
        """Checks one SELECT without running it."""
        uid = self._whole(request)
        explanation = await self._queries.explain(uid, request.sql, use=rollup_use(request))
        return explanation_message(explanation, self._queries.budget_left(uid))

    async def DescribeSchema(
        self, request: pb.DescribeSchemaRequest, context: Context
    ) -> pb.DescribeSchemaResponse:
        """Every table with the profiles of its columns."""
        known = request.known_data_version
        return schema_message(await self._catalogue.describe(self._whole(request), known_data_version=known))

    def _uid(self, request: OnPlatform) -> str:
        """The platform that the access check let this call to: its uid, never its name."""
        uid = current_caller().platform_uid
        self._removal.check(uid, request.platform)
        return uid

    def _whole(self, request: OnPlatform) -> str:
        """The same, of a platform that is not in the middle of a restore. Raises BackupBusy."""
        uid = self._uid(request)
        self._recovery.check_whole(uid)
        return uid

    def _sized(self, answer: pb.QueryResponse) -> pb.QueryResponse:
        """The answer, if it is one message's size. Raises ResultTooLarge."""
        if answer.ByteSize() > self._answer_bytes:
            raise result_too_large(self._answer_bytes)
        return answer


def _staleness_seconds(request: pb.QueryRequest) -> float:
    """How old rows may be. Raises InvalidRequest."""
    duration = request.max_staleness
    seconds = duration.seconds + duration.nanos / 1e9
    if not 0.0 <= seconds <= _MOST_STALENESS_SECONDS:
        wrong = FieldViolation("max_staleness", "is not between 0 and 86400 seconds")
        raise InvalidRequest("The age that is accepted cannot be taken.", violations=[wrong])
    return seconds

"""The data service's methods: message in, domain call, message out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import table_pb2
from aidatalabs_services.data.catalog import Catalogue
from aidatalabs_services.data.errors import result_too_large
from aidatalabs_services.data.messages import (
    explanation_message,
    query_message,
    schema_message,
    table_message,
    table_schema,
)
from aidatalabs_services.data.queries import Queries
from aidatalabs_services.data.tables import Tables
from aidatalabs_services.runtime.caller import current_call, current_caller
from aidatalabs_services.runtime.errors import not_built_yet
from aidatalabs_services.runtime.paging import page_position, page_size, page_token

Context = grpc.aio.ServicerContext[Any, Any]
IngestCall = Callable[[str, pb.IngestRequest], Awaitable[pb.IngestResponse]]


def _uid() -> str:
    """The platform that the access check let this call to: its uid, never its name."""
    return current_caller().platform_uid


class DataServicer(pb_grpc.DataServiceServicer):
    """See `data_service.proto`; `answer_bytes` is the largest answer of Query.

    `ingest` takes the platform's uid and the request.
    """

    def __init__(
        self, tables: Tables, queries: Queries, catalogue: Catalogue, ingest: IngestCall, *, answer_bytes: int
    ) -> None:
        self._tables = tables
        self._queries = queries
        self._catalogue = catalogue
        self._ingest = ingest
        self._answer_bytes = answer_bytes

    async def ProvisionPlatform(self, request: pb.ProvisionPlatformRequest, context: Context) -> Empty:
        """Makes the database and the standard tables of the platform."""
        await self._tables.provision(_uid())
        return Empty()

    async def DeprovisionPlatform(self, request: pb.DeprovisionPlatformRequest, context: Context) -> Empty:
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def CreateTable(self, request: pb.CreateTableRequest, context: Context) -> table_pb2.Table:
        """Makes a table, or returns the very same one."""
        return table_message(await self._tables.create(_uid(), table_schema(request.table)))

    async def ListTables(self, request: pb.ListTablesRequest, context: Context) -> pb.ListTablesResponse:
        """One page of tables by name."""
        parameters = {"method": "ListTables", "platform": request.platform}
        position = page_position(request.page_token, parameters)
        after = str(position[0]) if position else ""
        page = await self._tables.list(_uid(), count=page_size(request.page_size), after=after)
        token = page_token((page.tables[-1].schema.name,), parameters) if page.more else ""
        return pb.ListTablesResponse(
            tables=[table_message(view) for view in page.tables], next_page_token=token
        )

    async def GetTable(self, request: pb.GetTableRequest, context: Context) -> table_pb2.Table:
        """One table."""
        return table_message(await self._tables.get(_uid(), request.table))

    async def DropTable(self, request: pb.DropTableRequest, context: Context) -> Empty:
        """Drops a table with its rows."""
        await self._tables.drop(_uid(), request.table)
        return Empty()

    async def AddColumn(self, request: pb.AddColumnRequest, context: Context) -> table_pb2.Table:
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def Ingest(self, request: pb.IngestRequest, context: Context) -> pb.IngestResponse:
        """Takes events or rows."""
        return await self._ingest(_uid(), request)

    async def Query(self, request: pb.QueryRequest, context: Context) -> pb.QueryResponse:
        """Runs one SELECT."""
        result = await self._queries.run(_uid(), request.sql, max_rows=request.max_rows)
        return self._sized(await query_message(result))

    async def StreamQuery(self, request: pb.StreamQueryRequest, context: Context) -> NoReturn:  # type: ignore[override]
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def Export(self, request: pb.ExportRequest, context: Context) -> NoReturn:  # type: ignore[override]
        """Not built yet."""
        raise not_built_yet(current_call().method)

    async def ExplainQuery(
        self, request: pb.ExplainQueryRequest, context: Context
    ) -> pb.ExplainQueryResponse:
        """Checks one SELECT without running it."""
        return explanation_message(await self._queries.explain(_uid(), request.sql))

    async def DescribeSchema(
        self, request: pb.DescribeSchemaRequest, context: Context
    ) -> pb.DescribeSchemaResponse:
        """Every table with the profiles of its columns."""
        description = await self._catalogue.describe(_uid())
        return schema_message(description, known_data_version=request.known_data_version)

    def _sized(self, answer: pb.QueryResponse) -> pb.QueryResponse:
        """The answer, if it is one message's size. Raises ResultTooLarge."""
        if answer.ByteSize() > self._answer_bytes:
            raise result_too_large(self._answer_bytes)
        return answer

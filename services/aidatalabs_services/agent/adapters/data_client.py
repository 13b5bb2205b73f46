"""The data service as the agents see it, called with the caller's own token and the time that is left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import grpc
from google.protobuf import struct_pb2

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import query_pb2, table_pb2
from aidatalabs_services.agent.adapters.layout_messages import change_message, sample_of, trial_of
from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.ports import (
    Cell,
    Explanation,
    Layout,
    LayoutSample,
    LayoutTrial,
    Measured,
    Rows,
    SchemaSnapshot,
)
from aidatalabs_services.runtime.channels import call_metadata, call_timeout, peer_errors

PEER = "data"
READS = tuple(
    f"/aidatalabs.data.v1.DataService/{name}" for name in ("DescribeSchema", "ExplainQuery", "Query")
)
"""Methods that gRPC may repeat by itself."""

_INTEGER = re.compile(r"(?:Nullable\(|LowCardinality\()*U?Int(?:8|16|32|64|128|256)\b")


class DataClient:
    """`MeasuringData` over the data service's stub."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.DataServiceStub(channel)

    async def describe(self, platform: str, known_data_version: str) -> SchemaSnapshot | None:
        """See PlatformData."""
        request = pb.DescribeSchemaRequest(platform=platform, known_data_version=known_data_version)
        with peer_errors(PEER):
            schema = await self._stub.DescribeSchema(
                request, metadata=call_metadata(), timeout=call_timeout()
            )
        if known_data_version and schema.data_version == known_data_version:
            return None
        # Of hundreds of tables this is long enough to keep other calls waiting.
        tables = await asyncio.to_thread(lambda: tuple(table_of(table) for table in schema.tables))
        return SchemaSnapshot(tables, schema.schema_version, schema.data_version)

    async def explain(self, platform: str, sql: str) -> Explanation:
        """See PlatformData."""
        request = pb.ExplainQueryRequest(platform=platform, sql=sql)
        with peer_errors(PEER):
            found = await self._stub.ExplainQuery(request, metadata=call_metadata(), timeout=call_timeout())
        return Explanation(
            sql=found.sql,
            sql_sha256=found.sql_sha256,
            tables=tuple(found.tables),
            columns=tuple((one.table, one.column) for one in found.columns),
            ordered=found.ordered,
            schema_version=found.schema_version,
            data_version=found.data_version,
            estimated_rows=found.estimated_rows,
            budget_left_rows=found.budget_left_rows if found.HasField("budget_left_rows") else None,
            estimated_bytes=found.estimated_bytes,
        )

    async def query(self, platform: str, sql: str, max_rows: int) -> Rows:
        """See PlatformData."""
        return _found(await self._query(pb.QueryRequest(platform=platform, sql=sql, max_rows=max_rows)))

    async def measure(self, platform: str, sql: str, max_rows: int, *, rollups: bool) -> Measured:
        """See MeasuringData."""
        answer = await self._query(
            pb.QueryRequest(platform=platform, sql=sql, max_rows=max_rows, exclude_rollups=not rollups)
        )
        cost = answer.statistics
        return Measured(
            _found(answer), cost.elapsed_seconds, cost.cost_rows, cost.rollup, cost.max_relative_error
        )

    async def measure_layouts(
        self, platform: str, sql: str, table: str, layouts: Sequence[Layout]
    ) -> tuple[LayoutSample, tuple[LayoutTrial, ...]]:
        """See MeasuringData."""
        request = pb.MeasureLayoutsRequest(
            platform=platform, sql=sql, table=table, changes=[change_message(each) for each in layouts]
        )
        with peer_errors(PEER):
            found = await self._stub.MeasureLayouts(request, metadata=call_metadata(), timeout=call_timeout())
        return sample_of(found.sample), tuple(trial_of(each) for each in found.trials)

    async def _query(self, request: pb.QueryRequest) -> pb.QueryResponse:
        with peer_errors(PEER):
            return await self._stub.Query(request, metadata=call_metadata(), timeout=call_timeout())


def _found(answer: pb.QueryResponse) -> Rows:
    result = answer.result
    return Rows(
        columns=tuple((column.name, column.type) for column in result.columns),
        rows=tuple(_rows(result)),
        truncated=result.truncated,
        read_rows=answer.statistics.read_rows,
        read_bytes=answer.statistics.read_bytes,
        data_version=answer.data_version,
        rollup=answer.statistics.rollup,
        rollup_reason=answer.statistics.rollup_reason,
    )


def _rows(result: query_pb2.Result) -> list[tuple[Cell, ...]]:
    # JSON has one kind of number; the column's type tells which were whole.
    whole = [bool(_INTEGER.match(column.type)) for column in result.columns]
    return [
        tuple(_cell(value, is_whole) for value, is_whole in zip(row.values, whole, strict=True))
        for row in result.rows
    ]


def _cell(value: struct_pb2.Value, whole: bool) -> Cell:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        return int(value.number_value) if whole else value.number_value
    if kind == "list_value":
        return [_cell(item, whole) for item in value.list_value.values]
    if kind == "struct_value":
        return {name: _cell(item, False) for name, item in value.struct_value.fields.items()}
    if kind in (None, "null_value"):
        return None
    return value.string_value if kind == "string_value" else value.bool_value


def table_of(table: table_pb2.TableProfile) -> Table:
    """A described table as the planner has it."""
    return Table(
        name=table.name,
        columns=tuple(_column(column) for column in table.columns),
        row_count=table.row_count,
        comment=table.comment,
        order_by=tuple(table.order_by),
    )


def _column(column: table_pb2.ColumnProfile) -> Column:
    return Column(
        name=column.name,
        type=column.type,
        comment=column.comment,
        distinct_count=column.distinct_count if column.HasField("distinct_count") else None,
        null_share=column.null_share if column.HasField("null_share") else None,
        minimum=column.minimum if column.HasField("minimum") else None,
        maximum=column.maximum if column.HasField("maximum") else None,
        values=tuple(column.values),
        values_complete=column.values_complete,
        path_of=column.path_of or None,
        is_declared=column.is_declared,
    )

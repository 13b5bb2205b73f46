"""The data service's method about layouts: message in, domain call, message out."""

from __future__ import annotations

from typing import Any

import grpc

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import data_service_pb2_grpc as pb_grpc
from aidatalabs.data.v1 import layout_pb2, query_pb2
from aidatalabs_services.data.backups.recovery import Recovery
from aidatalabs_services.data.layouts.changes import (
    Change,
    Figure,
    IndexChange,
    IndexKind,
    Key,
    OrderChange,
    ProjectionChange,
    RollupChange,
    TypeChange,
)
from aidatalabs_services.data.layouts.comparisons import Side
from aidatalabs_services.data.layouts.copies import Sample
from aidatalabs_services.data.layouts.layouts import Layouts
from aidatalabs_services.data.layouts.trials import Trial
from aidatalabs_services.data.messages import declaration_of
from aidatalabs_services.data.removal import PlatformRemoval
from aidatalabs_services.runtime.caller import current_caller

Context = grpc.aio.ServicerContext[Any, Any]
_KINDS = {number: IndexKind[name] for name, number in layout_pb2.SkipIndex.Kind.items() if number}


class LayoutServicer(pb_grpc.DataServiceServicer):
    """See `data_service.proto`; `DataServicer` is one of these."""

    _layouts: Layouts
    _recovery: Recovery
    _removal: PlatformRemoval

    async def MeasureLayouts(
        self, request: pb.MeasureLayoutsRequest, context: Context
    ) -> pb.MeasureLayoutsResponse:
        """Runs a query over copies of rows with other layouts."""
        uid = current_caller().platform_uid
        self._removal.check(uid, request.platform)
        self._recovery.check_whole(uid)
        changes = [change_of(each) for each in request.changes]
        found = await self._layouts.measure(uid, request.sql, request.table, changes)
        return pb.MeasureLayoutsResponse(
            sample=_sample(found.sample), trials=[_trial(each) for each in found.trials]
        )


def change_of(message: layout_pb2.LayoutChange) -> Change:
    """The change that a caller sent."""
    match message.WhichOneof("change"):
        case "order_by":
            return OrderChange(tuple(message.order_by.columns))
        case "projection":
            wanted = message.projection
            return ProjectionChange(
                tuple(wanted.columns),
                tuple(wanted.order_by),
                tuple(Key(each.column, each.function) for each in wanted.group_by),
                tuple(Figure(each.function, each.column) for each in wanted.figures),
            )
        case "skip_index":
            return IndexChange(message.skip_index.column, _KINDS[message.skip_index.kind])
        case "column_type":
            return TypeChange(message.column_type.column, message.column_type.type)
        case _:
            return RollupChange(declaration_of(message.rollup))


def _sample(sample: Sample) -> layout_pb2.LayoutSample:
    return layout_pb2.LayoutSample(
        row_count=sample.row_count,
        table_row_count=sample.table_row_count,
        size_bytes=sample.size_bytes,
        table_size_bytes=sample.table_size_bytes,
        column_count=sample.column_count,
        table_column_count=sample.table_column_count,
        granule_step=sample.granule_step,
    )


def _trial(trial: Trial) -> layout_pb2.LayoutTrial:
    found = trial.comparison
    if found is None:
        return layout_pb2.LayoutTrial(statement=trial.statement, refusal=trial.refusal)
    return layout_pb2.LayoutTrial(
        statement=trial.statement,
        before=_statistics(found.before),
        after=_statistics(found.after),
        before_seconds=found.before.seconds,
        after_seconds=found.after.seconds,
        same_result=found.same_result,
        same_but_rounding=found.same_but_rounding,
        before_sha256=found.before.sha256,
        after_sha256=found.after.sha256,
        before_bytes=trial.before_bytes,
        after_bytes=trial.after_bytes,
        before_insert_seconds=trial.before_seconds,
        after_insert_seconds=trial.after_seconds,
    )


def _statistics(side: Side) -> query_pb2.QueryStatistics:
    return query_pb2.QueryStatistics(
        elapsed_seconds=side.median_seconds,
        read_rows=side.read_rows,
        read_bytes=side.read_bytes,
        result_rows=side.result_rows,
    )

"""Layouts and their trials as the data service's messages have them."""

from __future__ import annotations

from aidatalabs.data.v1 import layout_pb2, query_pb2, rollup_pb2
from aidatalabs_services.agent.ports import (
    GroupFigures,
    Layout,
    LayoutSample,
    LayoutSide,
    LayoutTrial,
    NewRollup,
    OrderBy,
    OtherType,
    SkipIndex,
    SortedRows,
)


def change_message(layout: Layout) -> layout_pb2.LayoutChange:
    """A layout to be tried."""
    match layout:
        case OrderBy(columns):
            return layout_pb2.LayoutChange(order_by=layout_pb2.SortingKey(columns=columns))
        case SortedRows(order_by, columns):
            wanted = layout_pb2.Projection(columns=columns, order_by=order_by)
            return layout_pb2.LayoutChange(projection=wanted)
        case GroupFigures(keys, figures):
            return layout_pb2.LayoutChange(
                projection=layout_pb2.Projection(
                    group_by=[
                        layout_pb2.ProjectionKey(column=column, function=function)
                        for column, function in keys
                    ],
                    figures=[
                        layout_pb2.ProjectionFigure(function=function, column=column)
                        for function, column in figures
                    ],
                )
            )
        case SkipIndex(column, kind):
            number = layout_pb2.SkipIndex.Kind.Value(kind)
            return layout_pb2.LayoutChange(skip_index=layout_pb2.SkipIndex(column=column, kind=number))
        case OtherType(column, kind_text):
            return layout_pb2.LayoutChange(column_type=layout_pb2.TypeChange(column=column, type=kind_text))
        case NewRollup():
            return layout_pb2.LayoutChange(rollup=_rollup(layout))


def _rollup(wanted: NewRollup) -> rollup_pb2.Rollup:
    kinds = rollup_pb2.RollupMeasure.Kind
    return rollup_pb2.Rollup(
        name=wanted.name,
        table=wanted.table,
        time_column=wanted.time_column,
        grain=rollup_pb2.Rollup.Grain.Value(wanted.grain),
        dimensions=wanted.dimensions,
        measures=[
            rollup_pb2.RollupMeasure(column=column, kind=kinds.Value(kind))
            for column, kind in wanted.measures
        ],
    )


def sample_of(message: layout_pb2.LayoutSample) -> LayoutSample:
    """What was measured on."""
    return LayoutSample(
        message.row_count,
        message.table_row_count,
        message.size_bytes,
        message.table_size_bytes,
        message.column_count,
        message.table_column_count,
        message.granule_step,
    )


def trial_of(message: layout_pb2.LayoutTrial) -> LayoutTrial:
    """A layout as it was measured."""
    if not message.HasField("before"):
        return LayoutTrial(message.statement, refusal=message.refusal)
    before = _side(
        message.before,
        tuple(message.before_seconds),
        message.before_sha256,
        message.before_bytes,
        message.before_insert_seconds,
    )
    after = _side(
        message.after,
        tuple(message.after_seconds),
        message.after_sha256,
        message.after_bytes,
        message.after_insert_seconds,
    )
    return LayoutTrial(message.statement, before, after, message.same_result, message.same_but_rounding)


def _side(
    cost: query_pb2.QueryStatistics, seconds: tuple[float, ...], sha256: str, size: int, insert: float
) -> LayoutSide:
    return LayoutSide(seconds, cost.read_rows, cost.read_bytes, cost.result_rows, sha256, size, insert)

"""Between the domain and the contract's messages: tables, results, profiles, deletions, typed paths."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from google.protobuf.struct_pb2 import NULL_VALUE, ListValue, Value
from google.protobuf.timestamp_pb2 import Timestamp

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import deletion_pb2, query_pb2, rollup_pb2, table_pb2, typed_path_pb2
from aidatalabs_services.data.catalog import SchemaDescription
from aidatalabs_services.data.deletion_records import Deletion, TableDeletion
from aidatalabs_services.data.native.json_type import type_text
from aidatalabs_services.data.ports import Json
from aidatalabs_services.data.profiles import Profile
from aidatalabs_services.data.queries import Explanation
from aidatalabs_services.data.results import Served
from aidatalabs_services.data.rollups.declarations import (
    STANDARD_NAMES,
    Declaration,
    Grain,
    Kind,
    Maintenance,
    Measure,
)
from aidatalabs_services.data.rollups.records import READY, Record
from aidatalabs_services.data.rollups.serving import RollupUse
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.tables import TableView
from aidatalabs_services.data.typed_paths.changes import Plan
from aidatalabs_services.data.typed_paths.suggestions import Suggestions
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest

_ROWS_A_TURN = 500
_GRAINS = {rollup_pb2.Rollup.HOUR: Grain.HOUR, rollup_pb2.Rollup.DAY: Grain.DAY}
_MAINTENANCE = {number: Maintenance[name] for name, number in rollup_pb2.Rollup.Maintenance.items() if number}
_KINDS = {number: Kind[name] for name, number in rollup_pb2.RollupMeasure.Kind.items() if number}


def table_schema(message: table_pb2.Table) -> TableSchema:
    """The description that a caller sent; figures set by the server are ignored."""
    return TableSchema(
        name=message.name,
        columns=tuple(column_schema(column) for column in message.columns),
        order_by=tuple(message.order_by),
        partition_by=message.partition_by,
        ttl=message.ttl,
        comment=message.comment,
    )


def column_schema(message: table_pb2.Column) -> ColumnSchema:
    """The description of one column that a caller sent."""
    return ColumnSchema(message.name, message.type, message.comment)


def checked_paths(paths: Sequence[str], allowed: Sequence[str]) -> frozenset[str]:
    """The fields that an update mask names. Raises InvalidRequest where it names another or none."""
    violations = [
        FieldViolation("update_mask", f"names no field that can be changed: {path[:100]!r}")
        for path in paths
        if path not in allowed
    ] or ([] if paths else [FieldViolation("update_mask", "names nothing to change")])
    if violations:
        raise InvalidRequest(
            f"The update_mask may name {' and '.join(allowed)}, at least one.", violations=violations[:10]
        )
    return frozenset(paths)


def table_message(view: TableView) -> table_pb2.Table:
    """A table with its rows and bytes."""
    table = view.schema
    return table_pb2.Table(
        name=table.name,
        columns=[
            table_pb2.Column(name=column.name, type=column.type, comment=column.comment)
            for column in table.columns
        ],
        order_by=table.order_by,
        partition_by=table.partition_by,
        ttl=table.ttl,
        comment=table.comment,
        row_count=view.size.row_count,
        size_bytes=view.size.size_bytes,
        drop_time=_moment(view.dropped.drop_ms) if view.dropped else None,
        purge_time=_moment(view.dropped.purge_ms) if view.dropped else None,
    )


def _moment(milliseconds: int) -> Timestamp:
    moment = Timestamp()
    moment.FromMilliseconds(milliseconds)
    return moment


async def result_payload(
    columns: Sequence[tuple[str, str]], rows: Sequence[Sequence[Json]], truncated: bool
) -> bytes:
    """The rows of a query as an encoded `Result`. Many are filled in turns, so that other calls get on."""
    result = query_pb2.Result(
        columns=[table_pb2.Column(name=name, type=kind) for name, kind in columns],
        row_count=len(rows),
        truncated=truncated,
    )
    add_row = result.rows.add
    for number, row in enumerate(rows):
        _fill_list(add_row(), row)
        if number % _ROWS_A_TURN == _ROWS_A_TURN - 1:
            await asyncio.sleep(0)
    return result.SerializeToString()


def query_message(served: Served, budget_left: int | None) -> pb.QueryResponse:
    """A result as one call gets it, and what it cost."""
    stored = served.stored
    answer = pb.QueryResponse(
        statistics=query_pb2.QueryStatistics(
            elapsed_seconds=stored.elapsed_seconds,
            read_rows=stored.read_rows,
            read_bytes=stored.read_bytes,
            cached=served.source != "run",
            age_seconds=served.age_seconds,
            result_rows=stored.row_count,
            result_bytes=len(stored.payload),
            cost_rows=served.cost_rows,
            budget_left_rows=budget_left,
            rollup=served.route.rollup,
            rollup_reason=served.route.reason,
            max_relative_error=served.route.max_relative_error,
            rollup_lag_seconds=served.route.lag_seconds,
        ),
        data_version=stored.tables_version,
    )
    answer.result.ParseFromString(stored.payload)
    return answer


# Messages are filled where they stand: building them apart and copying them in takes three times as long.
def _fill_list(message: ListValue, values: Sequence[Json]) -> None:
    add = message.values.add
    for value in values:
        _fill(add(), value)


def _fill(message: Value, value: Json) -> None:
    # In the order in which kinds are met most; bool before numbers, because it is one in Python.
    if isinstance(value, str):
        message.string_value = value
    elif value is None:
        message.null_value = NULL_VALUE
    elif isinstance(value, bool):
        message.bool_value = value
    elif isinstance(value, int | float):
        message.number_value = value
    elif isinstance(value, list):
        message.list_value.SetInParent()
        _fill_list(message.list_value, value)
    else:
        message.struct_value.SetInParent()
        fields = message.struct_value.fields
        for key, each in value.items():
            _fill(fields[key], each)


def explanation_message(explanation: Explanation, budget_left: int | None) -> pb.ExplainQueryResponse:
    """What the door and the engine make of a query."""
    statement, cost = explanation.statement, explanation.cost
    return pb.ExplainQueryResponse(
        sql=statement.canonical_sql,
        sql_sha256=statement.sha256,
        tables=statement.tables,
        columns=[
            query_pb2.ColumnReference(table=table, column=column) for table, column in statement.columns
        ],
        ordered=statement.ordered,
        estimated_rows=cost.rows,
        schema_version=explanation.schema_version,
        data_version=explanation.data_version,
        estimated_bytes=cost.bytes,
        estimated_seconds=cost.seconds,
        estimated_parts=cost.parts,
        estimated_marks=cost.marks,
        budget_left_rows=budget_left,
        rollup=explanation.route.rollup,
        rollup_reason=explanation.route.reason,
        max_relative_error=explanation.route.max_relative_error,
        rollup_lag_seconds=explanation.route.lag_seconds,
    )


def schema_message(description: SchemaDescription) -> pb.DescribeSchemaResponse:
    """Every table with the profiles of its columns."""
    return pb.DescribeSchemaResponse(
        tables=[
            table_pb2.TableProfile(
                name=table.schema.name,
                comment=table.schema.comment,
                row_count=table.row_count,
                columns=[_profile(profile) for profile in table.columns],
                order_by=table.schema.order_by,
            )
            for table in description.tables
        ],
        schema_version=description.schema_version,
        data_version=description.data_version,
    )


def _profile(profile: Profile) -> table_pb2.ColumnProfile:
    return table_pb2.ColumnProfile(
        name=profile.name,
        type=profile.type,
        comment=profile.comment,
        distinct_count=profile.distinct_count,
        null_share=profile.null_share,
        minimum=profile.minimum,
        maximum=profile.maximum,
        values=profile.values,
        values_complete=profile.values_complete,
        path_of=profile.path_of,
        is_declared=profile.is_declared,
    )


def rollup_use(request: pb.QueryRequest | pb.ExplainQueryRequest) -> RollupUse:
    """What a caller allows."""
    return RollupUse(request.max_relative_error, request.exclude_rollups)


def declaration_of(message: rollup_pb2.Rollup) -> Declaration:
    """The roll-up that a caller declares; figures set by the server are ignored."""
    return Declaration(
        message.name,
        message.table,
        message.time_column,
        _GRAINS[message.grain],
        tuple(message.dimensions),
        tuple(Measure(each.column, _KINDS[each.kind]) for each in message.measures),
        _MAINTENANCE.get(message.maintenance, Maintenance.SYNCHRONOUS),
    )


def rollup_message(record: Record) -> rollup_pb2.Rollup:
    """A roll-up with its state, rows and bytes."""
    declared = record.declaration
    return rollup_pb2.Rollup(
        name=declared.name,
        table=declared.table,
        time_column=declared.time_column,
        grain=next(number for number, grain in _GRAINS.items() if grain is declared.grain),
        dimensions=declared.dimensions,
        measures=[
            rollup_pb2.RollupMeasure(
                column=each.column, kind=rollup_pb2.RollupMeasure.Kind.Value(each.kind.name)
            )
            for each in declared.measures
        ],
        state=rollup_pb2.Rollup.READY if record.state == READY else rollup_pb2.Rollup.BUILDING,
        row_count=record.row_count,
        size_bytes=record.size_bytes,
        standard=declared.name in STANDARD_NAMES,
        maintenance=rollup_pb2.Rollup.Maintenance.Value(declared.maintenance.name),
        behind_rows=record.behind_rows,
        lag_seconds=record.lag_seconds,
    )


def deletion_message(deletion: Deletion) -> deletion_pb2.Deletion:
    """A deletion with its evidence."""
    return deletion_pb2.Deletion(
        name=deletion.name,
        state=deletion_pb2.Deletion.State.Value(deletion.state.value),
        user=deletion.user,
        user_id=deletion.user_id,
        tables=[_table_deletion(table) for table in deletion.tables],
        create_time=_moment_of(deletion.create_seconds),
        end_time=_moment_of(deletion.end_seconds),
        dry_run=deletion.dry_run,
    )


def _table_deletion(table: TableDeletion) -> deletion_pb2.TableDeletion:
    return deletion_pb2.TableDeletion(
        table=table.table,
        dropped=table.dropped,
        filter=table.filter,
        filter_sha256=table.sha256,
        state=deletion_pb2.TableDeletion.State.Value(table.state.value),
        matched_count=table.matched_count,
        deleted_count=table.deleted_count,
        remaining_count=table.remaining_count if table.remaining_count >= 0 else None,
        data_version_before=table.version_before,
        data_version_after=table.version_after,
        start_time=_moment_of(table.start_seconds),
        end_time=_moment_of(table.end_seconds),
        physically_removed=table.physically_removed,
        progress=table.progress,
        message=table.message,
    )


def _moment_of(seconds: float) -> Timestamp | None:
    """None where it has not come yet: the field stays unset."""
    return _moment(round(seconds * 1000)) if seconds else None


def suggestions_message(found: Suggestions) -> typed_path_pb2.SuggestPathsResponse:
    """The paths of a column."""
    return typed_path_pb2.SuggestPathsResponse(
        type=found.type,
        paths=[
            typed_path_pb2.PathSuggestion(
                path=each.path,
                share=each.share,
                seen=[typed_path_pb2.SeenType(type=kind, row_count=rows) for kind, rows in each.seen],
                declared_type=each.declared,
                suggested_type=each.suggested,
                explanation=each.explanation,
            )
            for each in found.paths
        ],
        row_count=found.row_count,
        sampled=found.sampled,
        unlisted_count=found.unlisted_count,
    )


def plan_message(plan: Plan, table: TableView) -> typed_path_pb2.TypePathsResponse:
    """What a call changed, or would."""
    return typed_path_pb2.TypePathsResponse(
        table=table_message(table),
        type_before=plan.type_before,
        type_after=plan.type_after,
        changed=plan.changed,
        row_count=plan.look.row_count,
        changes=[
            typed_path_pb2.PathChange(path=path, type_before=before, type_after=after, row_count=rows)
            for path, before, after, rows in plan.changes
        ],
        retyped=[
            typed_path_pb2.RetypedPath(
                path=each.path, type=each.type, row_count=each.row_count, example=each.example
            )
            for each in plan.look.retyped
        ],
        misfits=[
            typed_path_pb2.PathMisfit(
                path=each.path,
                type=type_text(plan.after[each.path]) if each.path in plan.after else "",
                row_count=each.row_count,
                example=f"{each.type}: {each.example}",
            )
            for each in plan.look.misfits
        ],
    )

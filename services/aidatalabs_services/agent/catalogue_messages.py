"""Definitions and catalogues as messages of the contract."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.agent.v1 import catalogue_pb2
from aidatalabs_services.agent.definition_versions import Changed, Version, etag_of
from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.planner.definition_fit import Problem
from aidatalabs_services.agent.planner.definitions import (
    ROLES,
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    KeyDefinition,
    MetricDefinition,
    MetricFilter,
    TableDefinition,
    ValueDefinition,
)
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.roles import calendar_of, role_of

_Role = catalogue_pb2.ColumnDefinition.Role
_Aggregate = catalogue_pb2.MetricDefinition.Aggregate
_Operator = catalogue_pb2.MetricFilter.Operator
_Grain = catalogue_pb2.DimensionDefinition.Grain
_Origin = catalogue_pb2.CatalogueTable.Origin
_ROLES = {planner: name.upper() for name, planner in ROLES.items()} | {
    "time": "TIME",
    "calendar": "CALENDAR",
    "clock": "CLOCK",
}


def definitions_of(message: catalogue_pb2.Definitions) -> Definitions:
    """Definitions as they came; a choice that is none of the contract's has no name."""
    return Definitions(
        tables=tuple(_table_of(one) for one in message.tables),
        keys=tuple(
            KeyDefinition(one.table, one.column, one.to_table, one.to_column, one.denied)
            for one in message.keys
        ),
        metrics=tuple(_metric_of(one) for one in message.metrics),
        dimensions=tuple(
            DimensionDefinition(
                one.name,
                one.table,
                one.column,
                one.description,
                tuple(one.synonyms),
                _chosen(_Grain, one.grain),
            )
            for one in message.dimensions
        ),
    )


def _chosen(kind: type, number: int) -> str:
    """The name of a choice in small letters; empty for none, `?` for one that nobody knows."""
    if not number:
        return ""
    return str(kind.Name(number)).lower() if number in kind.values() else "?"  # type: ignore[attr-defined]


def _number(kind: type, name: str) -> int:
    return int(kind.Value(name.upper())) if name else 0  # type: ignore[attr-defined]


def _table_of(message: catalogue_pb2.TableDefinition) -> TableDefinition:
    return TableDefinition(
        table=message.table,
        description=message.description,
        synonyms=tuple(message.synonyms),
        hidden=message.hidden,
        default_time=message.default_time_column,
        default_measure=message.default_measure_column,
        columns=tuple(
            ColumnDefinition(
                column=one.column,
                description=one.description,
                synonyms=tuple(one.synonyms),
                role=_chosen(_Role, one.role),
                unit=one.unit,
                hidden=one.hidden,
                values=tuple(ValueDefinition(value.value, tuple(value.synonyms)) for value in one.values),
            )
            for one in message.columns
        ),
    )


def _metric_of(message: catalogue_pb2.MetricDefinition) -> MetricDefinition:
    return MetricDefinition(
        name=message.name,
        description=message.description,
        synonyms=tuple(message.synonyms),
        unit=message.unit,
        table=message.table,
        aggregate=_chosen(_Aggregate, message.aggregate),
        column=message.column,
        filters=tuple(
            MetricFilter(one.column, _chosen(_Operator, one.operator), tuple(one.values))
            for one in message.filters
        ),
        numerator=message.numerator,
        denominator=message.denominator,
        percent=message.percent,
    )


def definitions_message(said: Definitions) -> catalogue_pb2.Definitions:
    """Definitions as the contract has them."""
    message = catalogue_pb2.Definitions()
    for table in said.tables:
        made = message.tables.add(
            table=table.table,
            description=table.description,
            synonyms=table.synonyms,
            hidden=table.hidden,
            default_time_column=table.default_time,
            default_measure_column=table.default_measure,
        )
        for column in table.columns:
            inner = made.columns.add(
                column=column.column,
                description=column.description,
                synonyms=column.synonyms,
                role=_number(_Role, column.role),
                unit=column.unit,
                hidden=column.hidden,
            )
            for value in column.values:
                inner.values.add(value=value.value, synonyms=value.synonyms)
    for key in said.keys:
        message.keys.add(
            table=key.table,
            column=key.column,
            to_table=key.to_table,
            to_column=key.to_column,
            denied=key.denied,
        )
    for metric in said.metrics:
        _add_metric(message, metric)
    for dimension in said.dimensions:
        message.dimensions.add(
            name=dimension.name,
            description=dimension.description,
            synonyms=dimension.synonyms,
            table=dimension.table,
            column=dimension.column,
            grain=_number(_Grain, dimension.grain),
        )
    return message


def _add_metric(message: catalogue_pb2.Definitions, metric: MetricDefinition) -> None:
    made = message.metrics.add(
        name=metric.name,
        description=metric.description,
        synonyms=metric.synonyms,
        unit=metric.unit,
        table=metric.table,
        aggregate=_number(_Aggregate, metric.aggregate),
        column=metric.column,
        numerator=metric.numerator,
        denominator=metric.denominator,
        percent=metric.percent,
    )
    for one in metric.filters:
        made.filters.add(
            column=one.column,
            operator=_number(_Operator, one.operator),
            values=one.values,
        )


def changed_message(changed: Changed, platform_uid: str) -> pb.UpdateCatalogueResponse:
    """What came of a change."""
    return pb.UpdateCatalogueResponse(
        definitions=definitions_message(changed.said.definitions),
        definitions_version=changed.said.version,
        etag=etag_of(platform_uid, changed.said.version),
        changes=changed.changes,
        stale=stale_messages(changed.stale),
    )


def stale_messages(problems: Iterable[Problem]) -> list[catalogue_pb2.StaleDefinition]:
    """The definitions that do not fit."""
    return [catalogue_pb2.StaleDefinition(field=one.field, message=one.message) for one in problems]


def versions_message(found: Sequence[Version], next_page_token: str) -> pb.ListCatalogueVersionsResponse:
    """One page of versions."""
    answer = pb.ListCatalogueVersionsResponse(next_page_token=next_page_token)
    for one in found:
        message = answer.versions.add(
            version=one.version,
            changed_by=one.changed_by,
            changes=one.changes,
            restored_version=one.restored_version or 0,
        )
        message.change_time.FromDatetime(one.changed_at)
    return answer


def table_message(table: Table, index: CatalogueIndex, *, columns: bool) -> catalogue_pb2.CatalogueTable:
    """A table as questions see it; what is hidden from them is said to be."""
    said = index.defined.definitions.table(table.name)
    hidden = table.name not in index.tables
    message = catalogue_pb2.CatalogueTable(
        name=table.name,
        description=(said.description if said else "") or table.comment,
        synonyms=said.synonyms if said else (),
        row_count=table.row_count,
        hidden=hidden,
        default_measure_column=said.default_measure if said else "",
    )
    if not hidden:
        key = index.key_of(table.name)
        message.key_column = key.name if key is not None else ""
        message.label_columns.extend(column.name for column in index.label(table.name))
        _add_times(message, table, index)
        _add_keys(message, table, index)
    if columns:
        message.columns.extend(_column_message(column, table, index) for column in table.columns)
    return message


def _add_times(message: catalogue_pb2.CatalogueTable, table: Table, index: CatalogueIndex) -> None:
    default = index.defined.default_time(table.name)
    times = index.time_columns(table.name)
    if default is not None:
        message.default_time_column, message.default_time_origin = default.name, _Origin.DEFINED
    elif len(times) == 1:
        message.default_time_column, message.default_time_origin = times[0].name, _Origin.DERIVED


def _add_keys(message: catalogue_pb2.CatalogueTable, table: Table, index: CatalogueIndex) -> None:
    said = {
        (key.table, key.column, key.to_table, key.to_column)
        for key in index.defined.definitions.keys
        if not key.denied
    }
    for edge in index.edges:
        if edge.table == table.name:
            defined = (edge.table, edge.column, edge.to_table, edge.to_column) in said
            message.keys.add(
                column=edge.column,
                to_table=edge.to_table,
                to_column=edge.to_column,
                origin=_Origin.DEFINED if defined else _Origin.DERIVED,
            )


def _column_message(column: Column, table: Table, index: CatalogueIndex) -> catalogue_pb2.CatalogueColumn:
    said = index.defined.definitions.column(table.name, column.name)
    role = index.roles.get((table.name, column.name))
    hidden = role is None
    role = role or role_of(column, table, calendar_of(table))
    message = catalogue_pb2.CatalogueColumn(
        name=column.name,
        type=column.type,
        description=(said.description if said else "") or column.comment,
        synonyms=[*(said.synonyms if said else ()), *_dimension_names(table.name, column.name, index)],
        hidden=hidden,
        path_of=column.path_of or "",
        distinct_count=column.distinct_count,
        null_share=column.null_share,
        value_count=len(column.values),
        unit=role.unit,
    )
    if role.kind in _ROLES and not (role.kind == "other" and not (said and said.role)):
        message.role = _Role.Value(_ROLES[role.kind])
        message.role_origin = _Origin.DEFINED if said and said.role else _Origin.DERIVED
    if role.unit:
        message.unit_origin = _Origin.DEFINED if said and said.unit else _Origin.DERIVED
    return message


def _dimension_names(table: str, column: str, index: CatalogueIndex) -> list[str]:
    return [
        name
        for one in index.defined.definitions.dimensions
        if (one.table, one.column, one.grain) == (table, column, "")
        for name in one.names
    ]

"""What every platform has from its first moment: the `events` table and its hourly roll-up."""

from __future__ import annotations

from aidatalabs_services.data.schema import ColumnSchema, TableSchema

EVENTS = TableSchema(
    name="events",
    columns=(
        ColumnSchema("timestamp", "DateTime64(3)", "When it happened, UTC."),
        ColumnSchema("event_type", "LowCardinality(String)", "What happened."),
        ColumnSchema("user_id", "UInt64", "Whose it is; 0 where unknown."),
        ColumnSchema("properties", "JSON", "Anything else that was sent with it."),
        ColumnSchema("value", "Float64", "A number that came with it; 0 where there was none."),
    ),
    order_by=("timestamp", "event_type"),
    partition_by="toYYYYMM(timestamp)",
    comment="One row per event.",
)

EVENTS_HOURLY = TableSchema(
    name="events_hourly",
    columns=(
        ColumnSchema("hour", "DateTime", "Start of the hour, UTC."),
        ColumnSchema("event_type", "LowCardinality(String)", "What happened."),
        ColumnSchema("events", "UInt64", "Events of this type in this hour; add them up."),
        ColumnSchema("total_value", "Float64", "Sum of their values; add them up."),
    ),
    order_by=("hour", "event_type"),
    partition_by="toYYYYMM(hour)",
    comment="The events of each hour by type, kept up to date by the engine; an hour may stand in several "
    "rows, so always sum.",
)

# Built TO the table: a view with a table of its own would leave events_hourly empty.
EVENTS_HOURLY_ENGINE = "SummingMergeTree((events, total_value))"
EVENTS_HOURLY_VIEW = (
    "CREATE MATERIALIZED VIEW IF NOT EXISTS events_hourly_mv TO events_hourly AS "
    "SELECT toStartOfHour(timestamp) AS hour, event_type, count() AS events, sum(value) AS total_value "
    "FROM events GROUP BY hour, event_type"
)

PROTECTED = frozenset({EVENTS.name, EVENTS_HOURLY.name, "events_hourly_mv"})

"""What every platform has from its first moment: the `events` table, its hourly sums, and rejected rows."""

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

DEAD_LETTERS = TableSchema(
    name="dead_letters",
    columns=(
        ColumnSchema("id", "String", "Names the row towards ReplayDeadLetters; ascending with time."),
        ColumnSchema("rejected_at", "DateTime64(3)", "When it was rejected, UTC."),
        ColumnSchema("table_name", "LowCardinality(String)", "Table that it was sent to."),
        ColumnSchema("source", "LowCardinality(String)", "How it came: events, rows, stream or kafka."),
        ColumnSchema("request_id", "String", "Id of the call or batch that brought it; empty without one."),
        ColumnSchema("row_index", "UInt32", "Its place in the call or batch, from 0."),
        ColumnSchema("reason", "LowCardinality(String)", "Why it was rejected, as in the receipt."),
        ColumnSchema("message", "String", "What is wrong with it."),
        ColumnSchema("column_name", "String", "Column that the message is about."),
        ColumnSchema("user_id", "String", "Its user_id as text, empty without one."),
        ColumnSchema("row_json", "String", "The row as JSON, as far as it is kept."),
        ColumnSchema("row_bytes", "UInt32", "Bytes of the whole row as JSON."),
        ColumnSchema("is_cut", "Bool", "Whether only its beginning is kept; then it cannot be replayed."),
        ColumnSchema("replayed_at", "Nullable(DateTime64(3))", "When it was replayed and taken."),
    ),
    order_by=("rejected_at", "id"),
    partition_by="toDate(rejected_at)",
    comment="Rows that ingest rejected, with the reason; ReplayDeadLetters sends them again.",
)

PROTECTED = frozenset({EVENTS.name, EVENTS_HOURLY.name, "events_hourly_mv"})


def is_dead_letters(table: TableSchema) -> bool:
    """Whether this is the standard table: a platform made before it was one may have its own of that name."""
    return table.name == DEAD_LETTERS.name and table.types == DEAD_LETTERS.types


def is_protected(table: TableSchema) -> bool:
    """Whether the table stays as it is, whoever asks."""
    return table.name in PROTECTED or is_dead_letters(table)

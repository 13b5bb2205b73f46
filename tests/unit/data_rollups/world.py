"""A real engine in this process with one table, roll-ups kept by their views, and the way of a query."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import chdb

from aidatalabs_services.data.column_types import quote_text
from aidatalabs_services.data.rollups.declarations import Declaration, Grain, Kind, Measure
from aidatalabs_services.data.rollups.layout import create_target, create_view, layout_of, select_states
from aidatalabs_services.data.rollups.records import READY, Record, target_name
from aidatalabs_services.data.rollups.serving import Columns, Lag, RollupUse, Route, Serving
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.statements import TableSchema as DoorTable
from aidatalabs_services.data.statements import admit

DATABASE = "p_roll"
NOW = datetime(2026, 1, 12, 10, 23, 45, tzinfo=UTC)
COLUMNS = {
    "timestamp": "DateTime64(3)",
    "event_type": "LowCardinality(String)",
    "user_id": "UInt64",
    "properties": "JSON",
    "value": "Float64",
    "amount": "Int32",
    "price": "Decimal(18, 2)",
    "score": "Nullable(Int16)",
    "country": "Nullable(String)",
}
_MEASURES = (
    *(Measure("value", kind) for kind in (Kind.SUM, Kind.MIN, Kind.MAX, Kind.QUANTILES)),
    *(Measure("user_id", kind) for kind in (Kind.UNIQ, Kind.UNIQ_EXACT, Kind.UNIQ_COMBINED64, Kind.MAX)),
    *(Measure("amount", kind) for kind in (Kind.SUM, Kind.MIN, Kind.MAX)),
    *(Measure("price", kind) for kind in (Kind.SUM, Kind.MAX)),
    *(Measure("score", kind) for kind in (Kind.COUNT, Kind.SUM, Kind.MIN)),
    Measure("country", Kind.MAX),
)
_SETTINGS = """SET session_timezone = 'UTC', output_format_json_quote_64bit_integers = 0,
    output_format_json_quote_denormals = 1, output_format_json_quote_decimals = 1,
    deduplicate_blocks_in_dependent_materialized_views = 1"""


class World:
    """`rows` are JSON objects by column; the roll-ups are an hourly and a daily one with every dimension."""

    def __init__(
        self,
        dimensions: Sequence[str] = ("event_type", "country", "properties.page"),
        *,
        time_type: str = COLUMNS["timestamp"],
    ) -> None:
        self.columns = COLUMNS | {"timestamp": time_type}
        self._directory = tempfile.TemporaryDirectory(prefix="aidatalabs-rollups-")
        self._anchor = chdb.connect(self._directory.name)
        self.table = TableSchema(
            "events", tuple(ColumnSchema(*each) for each in self.columns.items()), identity="here"
        )
        self.layouts = [
            layout_of(
                Declaration(f"by_{grain.value}", "events", "timestamp", grain, tuple(dimensions), _MEASURES),
                self.table,
            )
            for grain in (Grain.DAY, Grain.HOUR)
        ]
        self.found: list[Record] = []
        self.serving = Serving(DATABASE)
        self.execute(f"CREATE DATABASE {DATABASE}")
        self._make()

    def _make(self) -> None:
        columns = ", ".join(f"`{name}` {kind}" for name, kind in self.columns.items())
        self.execute(
            f"CREATE TABLE events ({columns}) ENGINE = MergeTree ORDER BY (timestamp, event_type) "
            "PARTITION BY toYYYYMM(timestamp) SETTINGS non_replicated_deduplication_window = 1000, "
            "index_granularity = 64"
        )
        self._make_rollups()

    def _make_rollups(self) -> None:
        for count, layout in enumerate(self.layouts):
            target = target_name(layout.declaration.name, 1)
            self.execute(create_target(layout, target, comment="", fsync=False))
            self.execute(create_view(f"{target}_mv", target, select_states(layout, "events")))
            self.found.append(Record(layout.declaration, READY, "here", 1, target, row_count=count))

    def refill(self, rows: Sequence[dict[str, Any]]) -> None:
        """Empties everything and inserts `rows`, in blocks."""
        for name in ("events", *(record.target for record in self.found)):
            self.execute(f"TRUNCATE TABLE {name}")
        for start in range(0, len(rows), 40):
            lines = "\n".join(map(json.dumps, rows[start : start + 40]))
            self.execute(f"INSERT INTO events FORMAT JSONEachRow\n{lines}")
            self.refilled(start // 40)

    def refilled(self, block: int) -> None:
        """Called after each block of rows; where the roll-ups follow, they may do so now."""

    def close(self) -> None:
        """Stops the engine."""
        self._anchor.close()
        self._directory.cleanup()

    def execute(self, sql: str) -> None:
        """One statement without an answer."""
        self._run(sql, "Null")

    def rows(self, sql: str) -> tuple[list[tuple[str, str]], list[list[Any]]]:
        """((name, type) of each column, rows) of a SELECT."""
        answer = json.loads(self._run(sql, "JSONCompact"))
        return [(each["name"], each["type"]) for each in answer["meta"]], answer["data"]

    def served(
        self, sql: str, use: RollupUse | None = None, *, lag: Lag = lambda _record: None
    ) -> tuple[str, Route]:
        """(the admitted SQL, what it runs as) of a caller's text."""
        door = {"events": DoorTable("events", dict(self.columns))}
        statement = admit(sql, door, database=DATABASE)
        served = asyncio.run(
            self.serving.served(
                statement.sql,
                statement.tables,
                {"events": self.table},
                self.found,
                use or RollupUse(),
                self._describe,
                clock=NOW,
                by_time=statement.by_time,
                lag=lag,
            )
        )
        return statement.sql, served

    async def _describe(self, sql: str) -> Columns:
        _, found = self.rows(f"DESCRIBE TABLE ({sql})")
        return [(row[0], row[1]) for row in found]

    def _run(self, sql: str, form: str) -> str:
        connection = chdb.connect(self._directory.name)
        try:
            connection.query(f"USE {DATABASE}" if sql != f"CREATE DATABASE {DATABASE}" else "SELECT 1")
            connection.query(_SETTINGS)
            return str(connection.query(sql, form))
        finally:
            connection.close()


def text(value: str) -> str:
    """A SQL literal."""
    return quote_text(value)

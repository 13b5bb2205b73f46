"""The small platform that the SQL tests run against: real ClickHouse, five events, five flights, a neighbour.

`p_demo` is the platform's database. `tenant_b` stands in the same engine with a word in it that no admitted
query may ever bring to light, so a hole in the door shows as that word in a result.
"""

from __future__ import annotations

import json
import tempfile
from typing import Any

import chdb

from aidatalabs_services.data.statements import TableSchema

DATABASE = "p_demo"
CANARY = "canary-of-tenant-b"

TABLES: dict[str, TableSchema] = {
    "events": TableSchema(
        "events",
        {
            "timestamp": "DateTime64(3, 'UTC')",
            "event_type": "LowCardinality(String)",
            "user_id": "UInt64",
            "properties": "JSON",
            "value": "Float64",
        },
    ),
    "flights": TableSchema(
        "flights",
        {
            "month": "UInt8",
            "day": "UInt8",
            "carrier": "String",
            "origin": "String",
            "dest": "String",
            "dep_delay": "Nullable(Int32)",
            "arr_delay": "Nullable(Int32)",
            "stops": "Array(String)",
            "time_hour": "DateTime('UTC')",
            "größe": "UInt8",
        },
    ),
    "airlines": TableSchema("airlines", {"carrier": "String", "name": "String"}),
    "events_hourly": TableSchema(
        "events_hourly",
        {
            "hour": "DateTime('UTC')",
            "event_type": "String",
            "events": "SimpleAggregateFunction(sum, UInt64)",
            "users": "AggregateFunction(uniq, UInt64)",
        },
    ),
}

_LIMITS = """SET output_format_json_quote_64bit_integers = 0, max_execution_time = 10, max_threads = 1,
    max_memory_usage = 200000000, max_result_rows = 20000, result_overflow_mode = 'throw'"""
_MAKE = [
    f"CREATE DATABASE {DATABASE}",
    "CREATE DATABASE tenant_b",
    f"""CREATE TABLE {DATABASE}.events (timestamp DateTime64(3, 'UTC'), event_type LowCardinality(String),
        user_id UInt64, properties JSON, value Float64)
        ENGINE = ReplacingMergeTree ORDER BY (timestamp, user_id)""",
    f"""INSERT INTO {DATABASE}.events VALUES
        ('2026-01-02 03:00:00.100', 'click', 1, '{{"page": "/a", "n": 1, "tags": ["x", "y"]}}', 1.5),
        ('2026-01-02 03:30:00.200', 'click', 2, '{{"page": "/b", "n": 2, "geo": {{"city": "Bonn"}}}}', 2.5),
        ('2026-01-02 04:00:00.300', 'buy', 1, '{{"page": "/c", "n": 3}}', 30),
        ('2026-01-03 05:00:00.400', 'view', 3, '{{"page": "/a"}}', 0),
        ('2026-01-04 06:00:00.500', 'buy', 2, '{{"page": "/b", "n": 7}}', -4)""",
    f"""CREATE TABLE {DATABASE}.flights (month UInt8, day UInt8, carrier String, origin String, dest String,
        dep_delay Nullable(Int32), arr_delay Nullable(Int32), stops Array(String), time_hour DateTime('UTC'),
        `größe` UInt8) ENGINE = MergeTree ORDER BY (month, day)""",
    f"""INSERT INTO {DATABASE}.flights VALUES
        (1, 1, 'UA', 'EWR', 'IAH', 2, 11, ['ORD'], '2013-01-01 10:00:00', 1),
        (1, 2, 'AA', 'JFK', 'MIA', 30, 33, [], '2013-01-02 11:00:00', 2),
        (7, 4, 'UA', 'LGA', 'ORD', -3, -10, ['CLE', 'DTW'], '2013-07-04 12:00:00', 3),
        (7, 5, 'DL', 'JFK', 'ATL', NULL, NULL, [], '2013-07-05 13:00:00', 4),
        (12, 31, 'B6', 'JFK', 'BQN', 0, 5, ['MCO'], '2013-12-31 23:00:00', 5)""",
    f"CREATE TABLE {DATABASE}.airlines (carrier String, name String) ENGINE = MergeTree ORDER BY carrier",
    f"""INSERT INTO {DATABASE}.airlines VALUES ('UA', 'United'), ('AA', 'American'), ('DL', 'Delta'),
        ('ZZ', 'Nobody')""",
    f"""CREATE TABLE {DATABASE}.events_hourly (hour DateTime('UTC'), event_type String,
        events SimpleAggregateFunction(sum, UInt64), users AggregateFunction(uniq, UInt64))
        ENGINE = AggregatingMergeTree ORDER BY (hour, event_type)""",
    f"""INSERT INTO {DATABASE}.events_hourly SELECT toStartOfHour(timestamp), event_type, count(),
        uniqState(user_id) FROM {DATABASE}.events GROUP BY 1, 2""",
    "CREATE TABLE tenant_b.events (word String) ENGINE = MergeTree ORDER BY word",
    f"INSERT INTO tenant_b.events VALUES ('{CANARY}')",
]


def making(database: str) -> list[str]:
    """The statements that make the world with the platform's tables in `database`."""
    return [statement.replace(DATABASE, database) for statement in _MAKE]


class Engine:
    """A chdb engine on a directory of its own; every query gets a connection of its own."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="aidatalabs-door-")
        self._anchor = chdb.connect(self._directory.name)  # keeps the engine up between queries
        for statement in _MAKE:
            self._anchor.query(statement)

    def close(self) -> None:
        """Stop the engine and remove its directory."""
        self._anchor.close()
        self._directory.cleanup()

    def rows(self, sql: str, *, database: str | None = None) -> list[list[Any]]:
        """The rows of `sql`, numbers of 64 bits as numbers; raises RuntimeError with the engine's words."""
        answer = self._run(sql, "JSONCompact", database)
        return list(json.loads(answer)["data"]) if answer else []

    def formatted(self, sql: str) -> str:
        """`sql` as the engine's own formatter writes it: two texts of one tree give one text."""
        literal = sql.replace("\\", "\\\\").replace("'", "\\'")
        return self._run(f"SELECT formatQuery('{literal}')", "RawBLOB", None)

    def _run(self, sql: str, form: str, database: str | None) -> str:
        connection = chdb.connect(self._directory.name)
        try:
            connection.query(f"USE {database or 'default'}")
            connection.query(_LIMITS)
            return str(connection.query(sql, form))
        finally:
            connection.close()

"""A result's rows as tables, CSV, and the small picture that two columns give."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from aidatalabs_services.cli.screen import NULL_MARK, console, print_csv, print_table

if TYPE_CHECKING:
    from aidatalabs.data.v1 import query_pb2

SHOWN_ROWS = 20
_EXACT = 1e15
_TIME_TYPES = ("Date", "DateTime")


def plain_rows(result: query_pb2.Result) -> list[list[Any]]:
    """The rows as plain values: None, bool, int or float, str, list, dict."""
    from google.protobuf import json_format

    return [[_plain(json_format.MessageToDict(value)) for value in row.values] for row in result.rows]


def print_result(result: query_pb2.Result, shown_rows: int = SHOWN_ROWS) -> None:
    """Prints a result's first rows and says how many more there are."""
    cells = [[cell_text(value) for value in row] for row in plain_rows(result)[:shown_rows]]
    print_table([column.name for column in result.columns], cells)
    hidden = result.row_count - len(cells)
    if hidden > 0 or result.truncated:
        more = " and more" if result.truncated else ""
        console.print(f"[dim]… {hidden:,} more rows returned{more}[/]")


def print_result_csv(result: query_pb2.Result) -> None:
    """Prints every row as CSV; NULL is an empty field."""
    rows = [[_csv_text(value) for value in row] for row in plain_rows(result)]
    print_csv([column.name for column in result.columns], rows)


def spec_of(result: query_pb2.Result) -> dict[str, object] | None:
    """A Vega-Lite spec for a result of a key and one number, None for any other or for a single row."""
    rows = plain_rows(result)
    if len(result.columns) != 2 or len(rows) < 2:
        return None
    key, figure = result.columns
    if isinstance(rows[0][0], float | list | dict) or not all(_is_number(row[1]) for row in rows):
        return None
    values = [{"key": cell_text(row[0]), "value": row[1]} for row in rows]
    bare = key.type.removeprefix("LowCardinality(").removeprefix("Nullable(")
    over_time = bare.startswith(_TIME_TYPES)
    along = {"field": "key", "title": key.name, "type": "temporal" if over_time else "nominal"}
    up = {"field": "value", "title": figure.name, "type": "quantitative"}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": f"{figure.name} by {key.name}",
        "data": {"values": values},
        "mark": {"type": "line" if over_time else "bar"},
        "encoding": {"x": along, "y": up} if over_time else {"y": along | {"sort": None}, "x": up},
    }


def cell_text(value: object) -> str:
    """A value as a table shows it."""
    if value is None:
        return NULL_MARK
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _csv_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Whole numbers as int, also inside lists and objects."""
    if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))

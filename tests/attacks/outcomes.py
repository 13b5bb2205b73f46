"""Holds a door against the list: what each input must lead to, and what it led to instead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from aidatalabs_services.data.statements import Statement, TableSchema
from aidatalabs_services.runtime.errors import ServiceError
from tests.attacks.world import CANARY, DATABASE, TABLES, Engine

Row = dict[str, Any]
Door = Callable[..., Statement]

_HERE = Path(__file__).parent
_HTTP = {"INVALID_ARGUMENT": 400, "RESOURCE_EXHAUSTED": 429, "UNAUTHENTICATED": 401}
GENERATORS: dict[str, str] = {
    "nested_brackets": "SELECT " + "(" * 400 + "1" + ")" * 400,
    "nested_not": "SELECT " + "NOT " * 1000 + "1",
    "many_columns": "SELECT " + ",".join("user_id" for _ in range(5000)) + " FROM events",
}


def read(name: str) -> list[Row]:
    """The rows of one list beside this file."""
    rows: list[Row] = json.loads((_HERE / name).read_text(encoding="utf-8"))
    return rows


def text_of(row: Row) -> str:
    """The SQL of a row; long ones are made, not written down."""
    return GENERATORS[row["generator"]] if "generator" in row else str(row["input"])


def mismatch(row: Row, door: Door, engine: Engine, tables: Mapping[str, TableSchema] = TABLES) -> str | None:
    """None when `door` gives the row's one outcome; else what happened instead, in a sentence."""
    wanted = row["outcome"]
    try:
        statement = door(text_of(row), tables, database=DATABASE)
    except ServiceError as error:
        got = {"http": _HTTP[error.code.name], "grpc": error.code.name, "reason": error.reason}
        return None if got == wanted else f"{row['id']}: refused with {got}, wanted {wanted}"
    if "reason" in wanted:  # never run: behind a broken door it could reach a file, a network or all memory
        return f"{row['id']}: admitted, wanted {wanted}"
    try:
        rows = engine.rows(statement.sql)
    except RuntimeError:
        return f"{row['id']}: admitted, and the engine refused it"
    if CANARY in json.dumps(rows):
        return f"{row['id']}: another tenant's word came out"
    if "row_count" in wanted:
        return None if len(rows) == wanted["row_count"] else f"{row['id']}: {len(rows)} rows, wanted {wanted}"
    return None if rows == wanted["rows"] else f"{row['id']}: rows {rows}, wanted {wanted}"


def mismatches(rows: Iterable[Row], door: Door, engine: Engine) -> list[str]:
    """Every mismatch of a list; empty for a door that does what is pinned."""
    found = (mismatch(row, door, engine) for row in rows)
    return [text for text in found if text is not None]

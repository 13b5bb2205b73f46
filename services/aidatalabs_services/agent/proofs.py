"""What an answer can be checked with later: the SQL, what it read, and a hash of its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.ports import Cell, Explanation, Rows
from aidatalabs_services.agent.provenance import Part


@dataclass(frozen=True)
class Proof:
    """An answer's proof; its fields are those of the contract's message of this name.

    `plan` is None where a model wrote SQL. `makers` says of each part of the answer what made it, `parts` of
    each part of the plan. `types` are those of the explanation's columns, in their order. `followed` says
    that the question was read as a follow-up.
    """

    explanation: Explanation
    plan: QueryPlan | None
    catalogue_version: str
    read_rows: int
    read_bytes: int
    result_sha256: str
    produced_by: str
    produced_time: datetime
    makers: tuple[tuple[str, str], ...] = ()
    question: str = ""
    steps: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rollup: str = ""
    rollup_reason: str = ""
    parts: tuple[Part, ...] = ()
    confidence: float = 0.0
    max_rows: int = 0
    truncated: bool = False
    followed: bool = False
    definitions_version: int = 0


def type_of(catalogue: Catalogue, table: str, column: str) -> str:
    """The ClickHouse type of a column, or of a path in a JSON column; empty where there is none."""
    held = catalogue.table(table)
    found = held.column(column) if held is not None else None
    return found.type if found is not None else ""


def types_of(catalogue: Catalogue, columns: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """`type_of` for each (table, column)."""
    return tuple(type_of(catalogue, table, column) for table, column in columns)


def result_sha256(rows: Rows, *, ordered: bool) -> str:
    """The hash of a result, in hexadecimal, over UTF-8 text: one JSON array a line.

    The first line holds [name, type] of each column; the others the rows, sorted as text unless `ordered`.
    Numbers are written as JSON answers carry them: a whole one has no fraction, whatever its column's type,
    so that the hash can be made again from the answer alone.
    """
    lines = [_line([_plain(cell) for cell in row]) for row in rows.rows]
    if not ordered:
        lines.sort()
    head = _line([list(column) for column in rows.columns])
    return hashlib.sha256("\n".join([head, *lines]).encode()).hexdigest()


def _plain(cell: Cell) -> Cell:
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    if isinstance(cell, list):
        return [_plain(item) for item in cell]
    if isinstance(cell, dict):
        return {name: _plain(item) for name, item in cell.items()}
    return cell


def _line(values: object) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"), sort_keys=True)

"""What an answer can be checked with later: the SQL, what it read, and a hash of its rows."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.ports import Cell, Explanation, Rows


@dataclass(frozen=True)
class Proof:
    """An answer's proof; its fields are those of the contract's message of this name.

    `plan` is None where a model wrote SQL. `makers` says of each part of the answer what made it.
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

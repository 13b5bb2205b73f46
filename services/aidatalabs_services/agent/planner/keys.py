"""The key graph: which column of one table finds its one row in another."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass

from .catalogue import Catalogue, Column, Table
from .columntypes import column_type
from .roles import calendar_of, is_unique, whole
from .words import split_name

_REFERENCE = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)")
_LEAST_SHARED_VALUES = 3
_LEAST_CONTAINMENT = 0.9
_LEAST_SAMPLE_OVERLAP = 0.2
_MOST_HOPS = 2


@dataclass(frozen=True)
class Edge:
    """A many-to-one key: `table`.`column` holds values of the unique `to_table`.`to_column`."""

    table: str
    column: str
    to_table: str
    to_column: str


def edges_of(catalogue: Catalogue) -> tuple[Edge, ...]:
    """All single-column keys, in catalogue order: stated in comments, or shown by names, ranges and
    values.

    A pair counts by name when both are called the same or as `customer_id` and `customers.id`, and by
    values when at least nine tenths of the left values (three or more) appear in a complete, unique text
    column.
    """
    found: list[Edge] = []
    for table in catalogue.tables:
        calendar = calendar_of(table)
        for column in table.columns:
            if column.path_of is not None or (calendar and column.name in calendar.names):
                continue
            stated = _stated(column, table, catalogue)
            found.extend(stated)
            if not stated:
                found.extend(
                    Edge(table.name, column.name, other.name, target.name)
                    for other in catalogue.tables
                    if other.name != table.name
                    for target in other.columns
                    if target.path_of is None and _refers(column, table, target, other)
                )
    return tuple(_one_target_each(found))


def _stated(column: Column, table: Table, catalogue: Catalogue) -> list[Edge]:
    edges = []
    for match in _REFERENCE.finditer(column.comment):
        other = catalogue.table(match.group(1))
        target = other.column(match.group(2)) if other else None
        if (
            other
            and target
            and (other.name, target.name) != (table.name, column.name)
            and _unique(target, other)
        ):
            edges.append(Edge(table.name, column.name, other.name, target.name))
    return edges


def _unique(column: Column, table: Table) -> bool:
    return is_unique(column, table) or column.distinct_count is None


def _refers(column: Column, table: Table, target: Column, other: Table) -> bool:
    if not is_unique(target, other) or other.row_count < 2:
        return False
    left, right = column_type(column.type), column_type(target.type)
    if left.kind != right.kind or left.kind not in ("integer", "text"):
        return False
    if is_unique(column, table) and table.row_count > other.row_count:
        return False
    if _named_alike(column, target, other):
        return _ranges_fit(column, target) and _values_meet(column, target)
    return left.kind == "text" and _contained(column, target)


def _named_alike(column: Column, target: Column, other: Table) -> bool:
    left, right = split_name(column.name), split_name(target.name)
    owner = split_name(other.name)
    if left == right:
        return left not in (("id",), ("name",), ("code",), ("key",), ("title",))
    return left == owner + right and right[-1] in ("id", "code", "key", "no", "number", "name")


def _ranges_fit(column: Column, target: Column) -> bool:
    if column_type(column.type).kind != "integer":
        return True
    numbers = [whole(text) for text in (column.minimum, column.maximum, target.minimum, target.maximum)]
    low, high, target_low, target_high = numbers
    if low is None or high is None or target_low is None or target_high is None:
        return True
    return low >= min(target_low, 0) and high <= target_high


def _values_meet(column: Column, target: Column) -> bool:
    if column_type(column.type).kind != "text" or not column.values or not target.values:
        return True
    shared = len(set(column.values) & set(target.values))
    least = 0.5 if target.values_complete else _LEAST_SAMPLE_OVERLAP
    return shared >= least * min(len(column.values), len(target.values))


def _contained(column: Column, target: Column) -> bool:
    if not target.values_complete or not column.values or any(" " in value for value in target.values[:50]):
        return False
    held = set(target.values)
    values = [value for value in column.values if value]
    shared = sum(value in held for value in values)
    return shared >= _LEAST_SHARED_VALUES and shared >= _LEAST_CONTAINMENT * len(values)


def _one_target_each(edges: list[Edge]) -> list[Edge]:
    """One edge per column and target table: the first (comments come first, then catalogue order)."""
    kept: dict[tuple[str, str, str], Edge] = {}
    for edge in edges:
        kept.setdefault((edge.table, edge.column, edge.to_table), edge)
    return list(kept.values())


def paths_between(edges: tuple[Edge, ...], start: str, goal: str) -> list[tuple[Edge, ...]]:
    """All shortest many-to-one paths of at most two hops from `start` to `goal`; an empty path to itself."""
    if start == goal:
        return [()]
    found: list[tuple[Edge, ...]] = []
    queue: deque[tuple[str, tuple[Edge, ...]]] = deque([(start, ())])
    while queue:
        place, path = queue.popleft()
        if found and len(path) >= len(found[0]):
            break
        if len(path) == _MOST_HOPS:
            continue
        for edge in edges:
            if (
                edge.table != place
                or edge.to_table == start
                or any(edge.to_table == step.table for step in path)
            ):
                continue
            if edge.to_table == goal:
                found.append((*path, edge))
            else:
                queue.append((edge.to_table, (*path, edge)))
    return found

"""How long a row took: the time between two of its own time columns, as columns that are stored nowhere."""

from __future__ import annotations

from dataclasses import dataclass

from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.words import split_name

from .forms import base_forms, noun_bases
from .states import BEGUN, ENDED, PLANNED, SOFT_ENDS

UNITS = ("second", "minute", "hour", "day", "week")
_MOST_TIMES = 6
_BOOKKEEPING = frozenset(("updated", "modified", "inserted", "ingested", "synced", "loaded"))


@dataclass(frozen=True)
class Duration(Column):
    """The time from column `start` to column `end` of a row, in whole or broken steps of `unit`."""

    start: str = ""
    end: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Pair:
    """Two time columns of one table, the first of which comes before the second."""

    table: str
    start: Column
    end: Column

    def named(self, unit: str) -> str:
        """The name of the column that holds this length of time."""
        return f"{unit}s from {self.start.name} to {self.end.name}"

    @property
    def dated(self) -> bool:
        """Whether both are days without a time."""
        return all(column_type(c.type).kind == "date" for c in (self.start, self.end))


def verbs_of(column: Column) -> frozenset[str]:
    """The verbs in a time column's name: deliver of `delivered_at`, depart of `departure_time`."""
    parts = split_name(column.name)
    joined = "".join(parts[:2])
    found = {base for part in parts for base in base_forms(part) | noun_bases(part)}
    return frozenset(found | {joined})


def ends_something(column: Column) -> bool:
    """Whether a time column tells that something was over."""
    verbs = verbs_of(column)
    out = {"out", "until", "to", "checkout"} & set(split_name(column.name))
    return bool(verbs & ENDED or out) and not set(split_name(column.name)) & PLANNED


def breaks_off(column: Column) -> bool:
    """Whether a time column tells of something in between, such as an answer, or of a cancellation."""
    verbs = verbs_of(column)
    return bool(verbs & SOFT_ENDS) and not verbs & (ENDED - SOFT_ENDS) and not begins_something(column)


def begins_something(column: Column) -> bool:
    """Whether a time column tells that something began."""
    parts = set(split_name(column.name))
    return bool(verbs_of(column) & BEGUN or parts & {"in", "since"}) and not parts & PLANNED


def times_of(table: Table) -> list[Column]:
    """The times at which something happened to a row; none where there are too many to tell apart."""
    found = [
        c
        for c in table.columns
        if column_type(c.type).temporal and not set(split_name(c.name)) & (PLANNED | _BOOKKEEPING)
    ]
    return found if len(found) <= _MOST_TIMES else []


def pairs_of(table: Table) -> list[Pair]:
    """All pairs of a begin and an end among the times of a table, in the order of its columns."""
    times = times_of(table)
    if len(times) < 2:
        return []
    found = []
    for end in times:
        if not ends_something(end):
            continue
        for start in times:
            same_kind = column_type(start.type).kind == column_type(end.type).kind
            if start is end or not same_kind or (start.minimum or "") > (end.minimum or "~"):
                continue
            if times.index(start) < times.index(end) or not ends_something(start):
                found.append(Pair(table.name, start, end))
    return found


def duration_columns(table: Table) -> list[Duration]:
    """The lengths of time a row has, one for each unit of each pair."""
    found = []
    for pair in pairs_of(table):
        for unit in UNITS:
            if pair.dated and unit in ("second", "minute", "hour"):
                continue
            nullable = "Nullable" in pair.start.type or "Nullable" in pair.end.type
            kind = "Nullable(Float64)" if nullable else "Float64"
            found.append(
                Duration(pair.named(unit), kind, start=pair.start.name, end=pair.end.name, unit=unit)
            )
    return found


def open_ends(table: Table, ends: frozenset[str]) -> list[Column]:
    """The columns whose missing value says that a row has not come to that end yet; any end where none is
    given. A year of death counts as a time."""
    found = []
    for column in table.columns:
        kind = column_type(column.type)
        if not (kind.nullable and (column.null_share is None or 0 < column.null_share < 1)):
            continue
        if not (kind.temporal or (ends & {"die"} and kind.numeric)):
            continue
        verbs = verbs_of(column)
        if set(split_name(column.name)) & PLANNED:
            continue
        if verbs & ends if ends else ends_something(column) and not breaks_off(column):
            found.append(column)
    return found

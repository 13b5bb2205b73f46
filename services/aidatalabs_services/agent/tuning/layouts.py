"""Layouts that could make a query faster, out of what it asks for and what is known of the columns.

They are guesses in an order; the engine says which hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from math import prod

from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.ports import (
    GroupFigures,
    Layout,
    NewRollup,
    OrderBy,
    OtherType,
    SkipIndex,
    SortedRows,
)
from aidatalabs_services.agent.tuning.reads import Reads

MOST_LAYOUTS = 6
# Tables that every platform has: their key and types stay, and no other table can take their place.
_STANDARD = frozenset(("events", "events_hourly", "dead_letters"))
_KEY_COLUMNS = 4
_MOST_COLUMNS = 64
_FEW_VALUES = 100
_MOST_WORDS = 10_000
_SMALL = 1000
# Groups that are worth keeping are far fewer than rows.
_ROWS_PER_GROUP = 10
_DAY_WORDS = """toDate toStartOfDay toStartOfWeek toMonday toStartOfMonth toStartOfQuarter toStartOfYear
toYear toMonth toYYYYMM toDayOfWeek"""
_DAY_PARTS = frozenset(_DAY_WORDS.split())
_HOUR_PARTS = frozenset(("toStartOfHour", "toHour"))
_MEASURES = {
    "count": "COUNT",
    "sum": "SUM",
    "avg": "SUM",
    "min": "MIN",
    "max": "MAX",
    "uniq": "UNIQ",
    "uniqExact": "UNIQ_EXACT",
}
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]{0,62}")
_WHOLE = re.compile(r"(Nullable\()?(U?)Int(16|32|64)(\))?")
_TEXTS = {"String": "LowCardinality(String)", "Nullable(String)": "LowCardinality(Nullable(String))"}


def layouts_of(reads: Reads) -> list[Layout]:
    """At most six layouts, the most promising first."""
    plain = [each for each in reads.table.columns if not each.path_of]
    if not all(_NAME.fullmatch(each.name) for each in plain):
        return []  # made by other hands: no layout could be asked for by its columns' names
    found = [*_of_groups(reads), *_of_conditions(reads), *_of_types(reads)]
    if reads.table.name in _STANDARD:
        found = [each for each in found if not isinstance(each, OrderBy | OtherType)]
    return list(dict.fromkeys(found))[:MOST_LAYOUTS]


def _of_groups(reads: Reads) -> Iterator[Layout]:
    """States or figures of the groups that the query makes, where these are far fewer than rows."""
    if not reads.is_summed:
        return
    summed = {column for _, column in reads.figures}
    asked = {column.name: column for column, _ in reads.keys} | {
        each.name: each for each in _conditioned(reads)
    }
    told = {name.removesuffix(".:String") for name, column in asked.items() if column.path_of}
    if not told.issuperset(reads.paths):
        return  # it reads more of a JSON column than texts that it groups by or asks for
    within = {column.path_of for column in asked.values()}
    asked |= {each.name: each for each in reads.used if each.name not in summed | within}
    parts = {column.name: part for column, part in reads.keys if part}
    keys = [(column, part) for column, part in reads.keys]
    keys += [(column, "") for name, column in asked.items() if name not in {each.name for each, _ in keys}]
    if not all(map(_is_key, (column for column, _ in keys))):
        return
    rollup = _rollup(reads, parts, [column for column, _ in keys])
    if rollup is not None:
        yield rollup
    plain = [column for column, part in keys if not part]
    few = prod(column.distinct_count or reads.table.row_count for column in plain)
    # A condition on a moment cannot be told from figures of its hour or day.
    apart = not any(column.name in parts for column in _conditioned(reads))
    plain_keys = apart and not any(column.path_of for column, _ in keys)
    if plain_keys and len(keys) <= 2 * _KEY_COLUMNS and few * _ROWS_PER_GROUP <= reads.table.row_count:
        yield GroupFigures(tuple((column.name, part) for column, part in keys), reads.figures)


def _conditioned(reads: Reads) -> Iterator[Column]:
    """Columns that conditions are about."""
    yield from (column for column, _ in reads.equal)
    yield from reads.ranges
    yield from reads.pieces


def _rollup(reads: Reads, parts: dict[str, str], columns: list[Column]) -> NewRollup | None:
    """The roll-up whose states give the query's figures; None without one column of time."""
    times = [column for column in reads.table.columns if _is_time(column)]
    named = [column for column in columns if column in times]
    time = named[0] if named else next((each for each in times if each.name in reads.table.order_by), None)
    if time is None or len({each.name for each in named}) > 1:
        return None
    part = parts.get(time.name, "")
    if part and part not in _DAY_PARTS | _HOUR_PARTS:
        return None
    dimensions = tuple(column.name for column in columns if column is not time)
    kept = [(column, _MEASURES[function]) for function, column in reads.figures if column]
    groups = prod(each.distinct_count or reads.table.row_count for each in columns if each is not time)
    if groups * _ROWS_PER_GROUP > reads.table.row_count:
        return None
    hourly = part in _HOUR_PARTS and column_type(time.type).kind == "datetime"
    return NewRollup(
        _name(reads.table.name, dimensions, hourly=hourly),
        reads.table.name,
        time.name,
        "HOUR" if hourly else "DAY",
        dimensions,
        tuple(dict.fromkeys(kept)),
    )


def _name(table: str, dimensions: tuple[str, ...], *, hourly: bool) -> str:
    named = "_".join((table, *(each.removesuffix(".:String") for each in dimensions)))
    words = re.sub(r"[^a-z0-9_]", "_", named.lower()).strip("_")
    return f"{(words[:32] or 'rows').rstrip('_')}_figures_{'hourly' if hourly else 'daily'}"


def _of_conditions(reads: Reads) -> Iterator[Layout]:
    """Keys and indexes for what the query looks for."""
    reads = replace(reads, equal=tuple(each for each in reads.equal if not each[0].path_of))
    key = _key(reads)
    if key:
        rest = tuple(each for each in reads.table.order_by if each not in key)
        yield OrderBy((*key, *rest)[: 2 * _KEY_COLUMNS])
    first = reads.table.order_by[0] if reads.table.order_by else ""
    for column in reads.pieces:
        if column_type(column.type).kind == "text":
            yield SkipIndex(column.name, "NGRAM")
    for column, _ in sorted(reads.equal, key=lambda each: -(each[0].distinct_count or 0)):
        if column.name != first:
            few = column.distinct_count is not None and column.distinct_count <= _FEW_VALUES
            yield SkipIndex(column.name, "SET" if few else "BLOOM_FILTER")
    for column in reads.ranges:
        if column.name != first:
            yield SkipIndex(column.name, "MINMAX")
    if key:
        used = tuple(dict.fromkeys((*key, *(each.name for each in reads.used)))) if reads.used else ()
        yield SortedRows(key, used if len(used) <= _MOST_COLUMNS else ())


def _key(reads: Reads) -> tuple[str, ...]:
    """Columns that rows should be sorted by: of few values first, then those of ranges, or of the order asked
    for; empty where the table is sorted so already.
    """
    equal = sorted((column for column, _ in reads.equal), key=lambda each: each.distinct_count or 0)
    after = reads.order_by or reads.ranges[:1]
    wanted = dict.fromkeys(each.name for each in (*equal, *after) if _sortable(each))
    key = tuple(wanted)[:_KEY_COLUMNS]
    now = reads.table.order_by[: len(key)]
    return () if set(now) == set(key) else key


def _of_types(reads: Reads) -> Iterator[Layout]:
    """Smaller types for columns that the query reads, where all that is known of them fits."""
    rows = reads.table.row_count
    for column in reads.used:
        count = column.distinct_count
        if column.type in _TEXTS and count is not None and count <= min(_MOST_WORDS, rows // 10):
            yield OtherType(column.name, _TEXTS[column.type])
    for column in reads.used:
        smaller = _smaller(column)
        if smaller:
            yield OtherType(column.name, smaller)


def _smaller(column: Column) -> str:
    """The smallest type of whole numbers with room to grow; empty where there is none.

    Small numbers are often codes or hours: twice as far is enough. Large ones are often counted on.
    """
    found = _WHOLE.fullmatch(column.type)
    if found is None or column.minimum is None or column.maximum is None:
        return ""
    try:
        low, high = int(column.minimum), int(column.maximum)
    except ValueError:
        return ""
    room = 2 if max(-low, high) <= _SMALL else 1000
    low, high = low * room, high * room
    for bits in (8, 16, 32):
        if bits >= int(found[3]):
            break
        least, most = (0, 2**bits - 1) if found[2] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if least <= low and high <= most:
            inner = f"{found[2]}Int{bits}"
            return f"Nullable({inner})" if found[1] else inner
    return ""


def _is_time(column: Column) -> bool:
    kind = column_type(column.type)
    return kind.temporal and not kind.nullable and kind.zone in ("", "UTC")


def _is_key(column: Column) -> bool:
    """Whether groups by it can be kept: fractions and JSON are no keys."""
    return column_type(column.type).kind not in ("number", "json", "other", "bool")


def _sortable(column: Column) -> bool:
    kind = column_type(column.type)
    return not kind.nullable and kind.kind not in ("json", "other")

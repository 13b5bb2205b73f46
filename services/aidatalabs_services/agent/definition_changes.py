"""Definitions put together with others, and what changed between two of them in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import TypeVar

from aidatalabs_services.agent.planner.definitions import (
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    KeyDefinition,
    MetricDefinition,
    TableDefinition,
)

_T = TypeVar("_T")
_WORDS = {
    "default_time": "default time column",
    "default_measure": "default measure column",
    "is_ratio": "ratio",
    "values": "words for values",
    "percent": "percent",
}


def merged_with(held: Definitions, given: Definitions) -> Definitions:
    """The definitions that are there with `given` in their place; what says only a name takes away."""
    return Definitions(
        tables=_merged(held.tables, given.tables, lambda one: one.table, _table, _bare_table),
        keys=_merged(held.keys, given.keys, _key, lambda _, new: new, lambda _: False),
        metrics=_merged(
            held.metrics,
            given.metrics,
            lambda one: one.name.casefold(),
            lambda _, new: new,
            lambda one: one == MetricDefinition(one.name),
        ),
        dimensions=_merged(
            held.dimensions,
            given.dimensions,
            lambda one: one.name.casefold(),
            lambda _, new: new,
            lambda one: one == DimensionDefinition(one.name, "", ""),
        ),
    )


def _merged(
    held: Sequence[_T],
    given: Sequence[_T],
    name: Callable[[_T], object],
    put: Callable[[_T, _T], _T],
    bare: Callable[[_T], bool],
) -> tuple[_T, ...]:
    found = {name(one): one for one in held}
    for one in given:
        if bare(one):
            found.pop(name(one), None)
        else:
            found[name(one)] = put(found[name(one)], one) if name(one) in found else one
    return tuple(found.values())


def _bare_table(table: TableDefinition) -> bool:
    return table == TableDefinition(table.table)


def _table(held: TableDefinition, given: TableDefinition) -> TableDefinition:
    columns = _merged(
        held.columns,
        given.columns,
        lambda one: one.column,
        lambda _, new: new,
        lambda one: one == ColumnDefinition(one.column),
    )
    own = _bare_table(replace(given, columns=()))
    return replace(held if own else given, columns=columns)


def _key(key: KeyDefinition) -> tuple[str, str, str, str]:
    return (key.table, key.column, key.to_table, key.to_column)


def told_changes(before: Definitions, after: Definitions) -> tuple[str, ...]:
    """What changed, a sentence each; nothing where nothing did."""
    return tuple(_told(before, after))


def _told(before: Definitions, after: Definitions) -> Iterator[str]:
    yield from _tables(before, after)
    yield from _pairs(before.keys, after.keys, _key, lambda k: f"{'no ' if k.denied else ''}key {_arrow(k)}")
    yield from _pairs(
        before.metrics, after.metrics, lambda m: m.name.casefold(), lambda m: f"metric '{m.name}'"
    )
    yield from _pairs(
        before.dimensions, after.dimensions, lambda d: d.name.casefold(), lambda d: f"dimension '{d.name}'"
    )


def _arrow(key: KeyDefinition) -> str:
    return f"{key.table}.{key.column} -> {key.to_table}.{key.to_column}"


def _pairs(
    before: Sequence[_T], after: Sequence[_T], name: Callable[[_T], object], say: Callable[[_T], str]
) -> Iterator[str]:
    old = {name(one): one for one in before}
    new = {name(one): one for one in after}
    for key, one in old.items():
        if key not in new:
            yield f"Removes the {say(one)}."
    for key, one in new.items():
        if key not in old:
            yield f"Adds the {say(one)}."
        elif one != old[key]:
            yield f"Changes the {say(one)}: {_fields(old[key], one)}."


def _tables(before: Definitions, after: Definitions) -> Iterator[str]:
    old = {table.table: table for table in before.tables}
    new = {table.table: table for table in after.tables}
    for name in dict.fromkeys((*old, *new)):
        was, now = old.get(name, TableDefinition(name)), new.get(name, TableDefinition(name))
        yield from _own(f"table {name}", replace(was, columns=()), replace(now, columns=()))
        columns = dict.fromkeys(one.column for one in (*was.columns, *now.columns))
        for column in columns:
            said = was.column(column) or ColumnDefinition(column)
            yield from _own(f"column {name}.{column}", said, now.column(column) or ColumnDefinition(column))


def _own(what: str, was: object, now: object) -> Iterator[str]:
    if was != now:
        yield f"Changes what is said of the {what}: {_fields(was, now)}."


def _fields(was: object, now: object) -> str:
    """The fields that differ, each with what it is now."""
    old, new = asdict(was), asdict(now)  # type: ignore[call-overload]
    told = []
    for field, value in new.items():
        if old[field] != value:
            told.append(f"{_WORDS.get(field, field).replace('_', ' ')} {_value(field, value)}")
    return ", ".join(told)


def _value(field: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        if not value:
            return "none"
        if field in ("values", "filters"):
            return f"({len(value)})" if field == "values" else " and ".join(map(_filter, value))
        return ", ".join(f"'{one}'" for one in value[:5]) + (" …" if len(value) > 5 else "")
    text = str(value)
    return f"'{text[:80]}{'…' if len(text) > 80 else ''}'" if text else "none"


def _filter(one: dict[str, object]) -> str:
    values = one["values"]
    listed = ", ".join(map(str, values[:5])) if isinstance(values, tuple | list) else ""
    return f"{one['column']} {one['operator']} {listed}".strip()

"""Which columns refer to a unique column of another table, by their names, ranges and values.

A pair counts by name when both are called the same or as `customer_id` and `customers.id`, and by values when
at least nine tenths of the left values (three or more) appear in a complete, unique text column. Not every
pair is looked at: names lead to names, and of two lists that share nine tenths one of the first few values of
the one is in the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .catalogue import Column, Table
from .columntypes import column_type
from .roles import calendar_of, is_unique, whole
from .words import split_name

_REFERENCE = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)")
_LEAST_SHARED_VALUES = 3
_LEAST_CONTAINMENT = 0.9
_LEAST_SAMPLE_OVERLAP = 0.2
_PLAIN = frozenset((word,) for word in ("id", "name", "code", "key", "title"))
_KEYS = frozenset(("id", "code", "key", "no", "number", "name"))
_FEW_TARGETS = 8


@dataclass(frozen=True, eq=False, slots=True)
class Referring:
    """A column that may refer to another.

    `stated` are the `table.column` mentions of its comment, `rows` how many its table has, `values` what is
    listed of it but for the empty text, `probes` how many of them are enough to tell that it shares too few.
    """

    table: str
    column: str
    kind: str
    words: tuple[str, ...]
    stated: tuple[tuple[str, str], ...]
    is_unique: bool
    rows: int
    profile: Column
    values: tuple[str, ...]
    probes: int

    def stated_in(self, tables: Mapping[str, Table]) -> tuple[tuple[str, str], ...]:
        """The columns its comment names that tell rows apart, as far as was counted."""
        found = []
        for name, column in self.stated:
            table = tables.get(name)
            target = table.column(column) if table is not None else None
            itself = (name, column) == (self.table, self.column)
            if table is None or target is None or itself:
                continue
            if is_unique(target, table) or target.distinct_count is None:
                found.append((name, column))
        return tuple(found)


@dataclass(frozen=True, eq=False, slots=True)
class Target:
    """A unique column that others may refer to.

    `owned` is what a column that holds its values would be called after the table, empty where none would;
    `lists` says that all its values are known and are codes, lying between `least` and `most`.
    """

    table: str
    column: str
    kind: str
    words: tuple[str, ...]
    owned: tuple[str, ...]
    rows: int
    profile: Column
    lists: bool
    least: str
    most: str


def referring_columns(table: Table) -> tuple[Referring, ...]:
    """The columns of a table that may refer to others: no paths, no parts of its calendar."""
    calendar = calendar_of(table)
    found = []
    for column in table.columns:
        if column.path_of is not None or (calendar and column.name in calendar.names):
            continue
        values = tuple(value for value in column.values if value) if "" in column.values else column.values
        found.append(
            Referring(
                table.name,
                column.name,
                column_type(column.type).kind,
                split_name(column.name),
                tuple(_REFERENCE.findall(column.comment)),
                is_unique(column, table),
                table.row_count,
                column,
                values,
                _probes(len(values)),
            )
        )
    return tuple(found)


def _probes(count: int) -> int:
    """As many values as cannot all be missing where enough are shared; 0 where there are too few."""
    least = max(_LEAST_SHARED_VALUES, int(_LEAST_CONTAINMENT * count))
    return max(0, count - least + 1)


def target_columns(table: Table) -> tuple[Target, ...]:
    """The columns of a table that tell its rows apart, where it has two or more."""
    if table.row_count < 2:
        return ()
    owner = split_name(table.name)
    found = []
    for column in table.columns:
        kind = column_type(column.type).kind
        if column.path_of is not None or kind not in ("integer", "text") or not is_unique(column, table):
            continue
        words = split_name(column.name)
        spaced = any(" " in value for value in column.values[:50])
        lists = kind == "text" and column.values_complete and bool(column.values) and not spaced
        found.append(
            Target(
                table.name,
                column.name,
                kind,
                words,
                owner + words if owner and words[-1:] and words[-1] in _KEYS else (),
                table.row_count,
                column,
                lists,
                min(column.values) if lists else "",
                max(column.values) if lists else "",
            )
        )
    return tuple(found)


def references(
    referring: Sequence[Referring], targets: Sequence[Target]
) -> Sequence[tuple[Referring, Target]]:
    """The pairs of which the first refers to the second, in no order that means anything."""
    return [*_by_name(referring, targets), *_by_values(referring, targets)]


def _by_name(referring: Sequence[Referring], targets: Sequence[Target]) -> Iterator[tuple[Referring, Target]]:
    called: dict[tuple[str, ...], list[Target]] = defaultdict(list)
    for target in targets:
        if target.words not in _PLAIN:
            called[target.words].append(target)
        if target.owned:
            called[target.owned].append(target)
    for column in referring:
        for target in called.get(column.words, ()):
            fits = _may_refer(column, target) and _ranges_fit(column.profile, target.profile)
            if fits and _values_meet(column.profile, target.profile):
                yield column, target


def _by_values(
    referring: Sequence[Referring], targets: Sequence[Target]
) -> Iterator[tuple[Referring, Target]]:
    """Each list is made a set once, and let go: all of them at once would be large."""
    asking = [column for column in referring if column.kind == "text" and column.probes]
    lists = [target for target in targets if target.lists]
    if not asking or not lists:
        return
    probes: dict[str, list[Referring]] = defaultdict(list)
    if len(lists) > _FEW_TARGETS:
        for column in asking:
            for value in column.values[: column.probes]:
                probes[value].append(column)
    for target in lists:
        few = 0 < len(probes) < len(target.profile.values)
        if few and not any(target.least <= value <= target.most for value in probes):
            continue
        held = frozenset(target.profile.values)
        likely = _asked(held, probes) if probes else _meeting(held, asking)
        for column in likely:
            if _may_refer(column, target) and not _named_alike(column, target) and _contained(column, held):
                yield column, target


def _asked(held: frozenset[str], probes: Mapping[str, Sequence[Referring]]) -> Sequence[Referring]:
    return list(dict.fromkeys(column for value in held & probes.keys() for column in probes[value]))


def _meeting(held: frozenset[str], asking: Sequence[Referring]) -> Sequence[Referring]:
    return [column for column in asking if not held.isdisjoint(column.values[: column.probes])]


def _may_refer(column: Referring, target: Target) -> bool:
    if column.table == target.table or column.kind != target.kind:
        return False
    return not (column.is_unique and column.rows > target.rows)


def _named_alike(column: Referring, target: Target) -> bool:
    if column.words == target.words:
        return column.words not in _PLAIN
    return bool(target.owned) and column.words == target.owned


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
    shared = len(set(target.values).intersection(column.values))
    least = 0.5 if target.values_complete else _LEAST_SAMPLE_OVERLAP
    return shared >= least * min(len(column.values), len(target.values))


def _contained(column: Referring, held: frozenset[str]) -> bool:
    shared = sum(value in held for value in column.values)
    return shared >= _LEAST_SHARED_VALUES and shared >= _LEAST_CONTAINMENT * len(column.values)

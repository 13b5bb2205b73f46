"""Numbers compared of what has many rows: a single row or all of them together, the rows or the groups."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .draft import Aggregate, Ambiguous, Choice, Ref, Unread
from .items import Candidate, Item
from .lexicon import MONEY_WORDS
from .measures import WORDS
from .roles import is_unique
from .units import unit_class
from .words import split_name

if TYPE_CHECKING:
    from .reading_conditions import ReadingConditions

SAID = {"gt": "over", "ge": "at least", "lt": "under", "le": "at most", "eq": "exactly", "ne": "!=",
        "between": "between"}  # fmt: skip
"""A comparison in words that can be read again."""

_SPENT = frozenset(("spent", "cost", "costs", "expense", "expenses"))
_PASSED = frozenset(("prep", "where", "value", "and", "or", "window", "verb", "acting", "neg"))
_GROUPING = frozenset(("by", "grain", "part"))
_YEAR = re.compile(r"(19|20)\d\d")
_ABOUT = frozenset(("over", "above", "under", "below", "beyond"))
_NEVER_ADDED = frozenset(("heat", "speed"))
_CURRENCIES = frozenset(("US dollars", "euros", "pounds sterling"))


def totalled(
    reader: ReadingConditions, item: Item, ref: Ref, operator: str, values: tuple[str, ...], unit: str
) -> bool:
    """`models that have cost more than 500 euros`: what adds up is compared in total, once for each thing
    that has many such rows."""
    thing = thing_before(reader, reader.items.index(item), ref.candidate.table)
    role = reader.index.role(ref.candidate.table, ref.candidate.column)
    parts = set(split_name(ref.candidate.column.split(".")[-1]))
    if thing is None or not role.additive or not parts & (MONEY_WORDS | _SPENT):
        return False
    if any(group.item is thing for group in reader.draft.groups) or reader.negated is not None:
        return False
    if unit and role.unit and unit != role.unit:
        return False
    reader.draft.having.append((Aggregate("sum", ref, False, item), operator, values, item))
    return True


def check_thing(
    reader: ReadingConditions, item: Item, ref: Ref, operator: str, values: tuple[str, ...], unit: str
) -> None:
    """`ports with more than 300 crew`: one row of a port, or all its rows together, only the asker knows."""
    place = reader.items.index(item)
    thing = thing_before(reader, place, ref.candidate.table)
    measured = reader.index.role(ref.candidate.table, ref.candidate.column).unit
    if thing is None or unit_class(measured) in _NEVER_ADDED or measured == "percent":
        return
    if any(group.item is thing for group in reader.draft.groups):
        return  # `average fare by vessel with more than 5 crew` is asked of rows
    before = reader.items[place - 1]
    start, end = (before if before.kind == "neg" else item).start, reader.items[reader.at - 1].end
    name = f"`{ref.candidate.table}.{ref.candidate.column}`"
    said = f"{name} {_said(operator, values, unit)}"
    raise Ambiguous(
        f"Is the {ref.candidate.column} of a single row of {ref.candidate.table} meant, or of all such rows "
        f"of one of the {thing.text} together?",
        [
            Choice("in a single row", said, start, end),
            Choice("in total", f"total {said}", start, end),
        ],
    )


def totalled_in(
    reader: ReadingConditions, item: Item, operator: str, values: tuple[str, ...], unit: str
) -> bool:
    """`customers with more than 1000 euros`: the number is told by its unit, and is one of other rows; True
    where their total was compared."""
    fitting = [
        Ref(Candidate("column", table, column), reader.items[reader.at - 1])
        for (table, column), role in reader.index.roles.items()
        if role.kind == "measure" and role.unit == unit
    ]
    place = reader.items.index(item)
    if not fitting or any(thing_before(reader, place, ref.candidate.table) is None for ref in fitting):
        return False
    if len(fitting) == 1 and totalled(reader, item, fitting[0], operator, values, unit):
        return True
    check_thing(reader, item, fitting[0], operator, values, unit)
    return False


def thing_before(
    reader: ReadingConditions, place: int, table: str, aggregates: Sequence[Aggregate] | None = None
) -> Item | None:
    """What is named before `place` where it has many rows in `table`; none where rows of it are asked for."""
    asked = reader.draft.aggregates if aggregates is None else aggregates
    counted = [a.ref for a in asked if a.function == "count" and a.ref is not None]
    if any(
        ref.candidate.kind == "table" and ref.candidate.table == table
        for ref in [*counted, *reader.draft.subjects]
    ):
        return None
    place -= 1
    while place > 0 and (reader.items[place].kind in _PASSED or _measured(reader, place, table)):
        place -= 1
    named = reader.chosen.get(place)
    if named is None or named.kind == "value":
        return None
    if named.kind == "table":
        return reader.items[place] if named.table != table else None
    if reader.role(named) not in ("key", "label", "dimension"):
        return None
    single = is_unique(reader.index.column(named.table, named.column), reader.index.tables[named.table])
    return None if single and named.table == table else reader.items[place]


def _measured(reader: ReadingConditions, place: int, table: str) -> bool:
    """The number that is compared stands between the thing and the comparison: `models that cost over 5`."""
    named = reader.chosen.get(place)
    return named is not None and named.kind == "column" and named.table == table and reader.measurable(named)


def counts_of_thing(reader: ReadingConditions, counted: Aggregate) -> bool:
    """True for the rows of what was named before: `how many ports have a number of sailings below 25`."""
    if counted.item not in reader.items or counted.ref is None:
        return False
    others = [aggregate for aggregate in reader.draft.aggregates if aggregate is not counted]
    thing = thing_before(reader, reader.items.index(counted.item), counted.ref.candidate.table, others)
    return thing is not None


def limits_groups(reader: ReadingConditions, aggregate: Aggregate) -> bool:
    """True for the number of a group: `ports with total crew over 300`, or one that was asked for before."""
    if aggregate.function == "count" or aggregate.item not in reader.items or aggregate.ref is None:
        return False
    twice = any(
        other is not aggregate and other.function == aggregate.function and other.ref is not None
        and other.ref.candidate.column == aggregate.ref.candidate.column
        for other in reader.draft.aggregates
    )  # fmt: skip
    place = reader.items.index(aggregate.item)
    return twice or thing_before(reader, place, aggregate.ref.candidate.table) is not None


def check_groups(
    reader: ReadingConditions,
    item: Item,
    aggregate: Aggregate,
    operator: str,
    values: tuple[str, ...],
    unit: str,
) -> None:
    """`average fare over 1500 by vessel`: which rows are averaged, or which of the averages are shown; over
    2023 may be a year besides."""
    ref = aggregate.ref
    if ref is None or aggregate.function not in WORDS:
        return
    year = _may_be_year(item, values)
    grouped = bool(reader.draft.groups) or any(i.kind in _GROUPING for i in reader.items[reader.at :])
    if not (year or grouped):
        return
    column, end = ref.candidate.column, reader.items[reader.at - 1].end
    compared, word = _said(operator, values, unit), WORDS[aggregate.function]
    said = f"`{ref.candidate.table}.{column}` {compared}"
    choices = [
        Choice(f"{'rows with ' if grouped else ''}{column} {compared}", f"where {said}", item.start, end)
    ]
    if year:
        choices.insert(0, Choice(f"in the year {values[0]}", f"in {values[0]}", item.start, item.end + 1))
    if grouped:
        choices.append(
            Choice(f"groups with {word} {column} {compared}", f"with {word} {said}", item.start, end)
        )
    said_of = ["a year"] * year + ["the rows"] + [f"each group's {word} {column}"] * grouped
    raise Ambiguous(f"Is '{item.text} {' and '.join(values)}' said of {' or of '.join(said_of)}?", choices)


def check_year(item: Item, ref: Ref, operator: str, values: tuple[str, ...]) -> None:
    """`which port had a total fare over 2023`: more than that, or during that year."""
    if not _may_be_year(item, values):
        return
    than = f"{'less' if operator in ('lt', 'le') else 'more'} than {values[0]}"
    raise Ambiguous(
        f"Is {values[0]} a year here, or a number?",
        [
            Choice(f"in the year {values[0]}", f"in {values[0]}", item.start, item.end + 1),
            Choice(f"{ref.candidate.column} {item.text} {values[0]}", than, item.start, item.end + 1),
        ],
    )


def _may_be_year(item: Item, values: tuple[str, ...]) -> bool:
    return item.text.casefold() in _ABOUT and all(_YEAR.fullmatch(value) for value in values)


def check_group_unit(reader: ReadingConditions, item: Item, ref: Ref, unit: str) -> None:
    """A group's number is compared as it is stored: in another unit it would be another number."""
    known = reader.index.role(ref.candidate.table, ref.candidate.column).unit
    if unit and unit != known and (known or unit not in _CURRENCIES):
        stored = f"the data is in {known}" if known else "the data does not say its unit"
        raise Unread(item, f"is compared in {unit}, but {stored}")


def _said(operator: str, values: tuple[str, ...], unit: str) -> str:
    return f"{SAID[operator]} {' and '.join(values)} {unit}".rstrip()

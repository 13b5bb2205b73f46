"""Comparisons with numbers: where the number is, what it is compared with, rows or groups."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from .adjectives import ADJECTIVES
from .columntypes import column_type
from .draft import Aggregate, Ambiguous, Choice, Condition, Group, Ref, Unread
from .items import Candidate, Item
from .moments import UNITS
from .totals import (
    SAID,
    check_group_unit,
    check_groups,
    check_thing,
    check_year,
    counts_of_thing,
    limits_groups,
    totalled,
    totalled_in,
)

if TYPE_CHECKING:
    from .reading_conditions import ReadingConditions

_RANK_KINDS = frozenset(("superlative", "most", "first", "extreme", "frequent", "top", "vague"))
_FLIPPED = {"gt": "le", "ge": "lt", "lt": "ge", "le": "gt", "eq": "ne", "between": ""}


_WHOLE = re.compile(r"-?\d+")


def plain(item: Item) -> str:
    """A number as SQL and people write it: every digit of a whole one, no fraction where there is none."""
    if _WHOLE.fullmatch(item.text):
        return str(int(item.text))
    number = item.number or 0.0
    return str(int(number)) if number == int(number) else repr(number)


def _as_stored(item: Item, *, numeric: bool) -> str:
    """The number for a column: in a text column digits are a code, and a zero before them counts."""
    return plain(item) if numeric else item.text


def _take_number(reader: ReadingConditions, item: Item) -> str:
    following = reader.peek()
    if following is None or following.kind != "number" or following.number is None:
        raise Unread(item, "is followed by no number")
    reader.at += 1
    return plain(following)


def _take_unit(reader: ReadingConditions) -> str:
    following = reader.peek()
    if following is not None and following.kind in ("unitword", "measured"):
        reader.at += 1
        return following.payload
    if following is not None and following.kind == "unit" and following.payload in UNITS:
        reader.at += 1
        return following.payload + "s"
    return ""


def read_comparison(reader: ReadingConditions, item: Item) -> None:
    """`more than 60`, `between 3 and 5`, `at least 3 rooms`, `more than 100 orders`."""
    before = reader.at - 2
    told = before > 0 and reader.items[before] is reader.negated
    before -= 1 if told else 0  # `amount is not at least 5`
    operator = item.payload
    values = [_take_number(reader, item)]
    if operator == "between":
        first = _take_unit(reader)
        joiner = reader.peek()
        if joiner is None or joiner.kind != "and" or joiner.text in (",", ";"):
            raise Unread(item, "needs two numbers joined by and")
        reader.at += 1
        values.append(_take_number(reader, item))
        _check_same_unit(reader, item, first)
        if float(values[0]) > float(values[1]):
            values.reverse()
    elif operator == "eq" and _postfix(reader):
        operator = _postfix_taken(reader)
    turned = reader.negated is not None
    if turned:
        operator, reader.negated = _FLIPPED.get(operator, ""), None
        if not operator:
            raise Unread(item, "cannot be turned round here")
        if told:
            _check_known(reader, item, operator, values)
    held = len(reader.draft.conditions)
    _apply(reader, item, before, operator, tuple(values))
    if turned:
        conditions = reader.draft.conditions
        conditions[held:] = [replace(made, unknown=True) for made in conditions[held:]]


def _check_known(reader: ReadingConditions, item: Item, turned: str, values: list[str]) -> None:
    """`the tip is not at least 5`: whether an unknown tip is meant, too, only the asker knows."""
    left = reader.last[1] if reader.last is not None else None
    column = None if left is None else reader.index.columns.get((left.candidate.table, left.candidate.column))
    if left is None or column is None or turned == "ne" or not column.null_share:
        return
    name, joined = f"`{left.candidate.table}.{column.name}`", " and ".join(values)
    start, end = left.item.start, item.end + 2 * len(values) - 1
    raise Ambiguous(
        f"Do rows without a {column.name} count as well?",
        [
            Choice(f"{column.name} {SAID[turned]} {joined}", f"{name} {SAID[turned]} {joined}", start, end),
            Choice(
                f"all but {column.name} {item.text} {joined}", f"not {name} {item.text} {joined}", start, end
            ),
        ],
    )


def _check_same_unit(reader: ReadingConditions, item: Item, first: str) -> None:
    """`between $5 and $9`: both numbers are in one unit."""
    following = reader.peek()
    last = following.payload if following is not None and following.kind in ("unitword", "measured") else ""
    if first and first != last:
        raise Unread(item, "compares with numbers in two units")


def _postfix(reader: ReadingConditions) -> bool:
    following = reader.peek()
    return following is not None and following.kind == "or_cmp"


def _postfix_taken(reader: ReadingConditions) -> str:
    following = reader.peek()
    reader.at += 1
    return following.payload if following is not None else "eq"


def _apply(
    reader: ReadingConditions,
    item: Item,
    before: int,
    operator: str,
    values: tuple[str, ...],
    unit: str = "",
) -> None:
    unit = unit or _take_unit(reader)
    left = reader.last[1] if reader.last is not None and reader.last[0] == before else None
    if left is not None and left.candidate.kind == "column" and _comparable(reader, left.candidate, item):
        _compare_left(reader, item, left, operator, values, unit)
        return
    if left is not None and _counted_before(reader, left):
        aggregate = reader.draft.aggregates.pop()
        reader.draft.having.append((aggregate, operator, values, item))
        return
    following = reader.peek()
    if following is not None and following.kind == "prep" and following.payload == "of":
        reader.at += 1
        following = reader.peek()
    different = following is not None and following.kind == "distinct"
    if different:
        reader.at += 1
        following = reader.peek()
    if following is not None and following.kind in ("name", "value"):
        place, reader.at = reader.at, reader.at + 1
        if not different:
            _check_counted_right(reader, item, reader.chosen[place], operator, values)
        _compare_right(reader, item, reader.ref(place), operator, values, unit)
        return
    if unit:
        if totalled_in(reader, item, operator, values, unit):
            return
        reader.draft.conditions.append(Condition(None, operator, values, item, True, unit=unit))
        return
    if (following is not None and following.kind in ("unknown", "literal")) or operator in ("eq", "ne"):
        raise Unread(item, "compares with nothing I know")
    reader.draft.conditions.append(Condition(None, operator, values, item, True))


def _comparable(reader: ReadingConditions, candidate: Candidate, item: Item) -> bool:
    """True for columns a number can be held against; keys only with a sign such as >."""
    role = reader.role(candidate)
    if role in ("key", "time"):
        return item.text in (">", "<", ">=", "<=", "=", "!=", "<>")
    kind = column_type(reader.index.column(candidate.table, candidate.column).type)
    return role not in ("label", "flag") and kind.numeric


def _counted_before(reader: ReadingConditions, left: Ref) -> bool:
    draft, counted = reader.draft, reader.draft.aggregates[-1:]
    if not counted or counted[0].function != "count" or counted[0].ref is not left:
        return False
    return bool(draft.target or draft.groups or counts_of_thing(reader, counted[0]))


def _compare_left(
    reader: ReadingConditions, item: Item, left: Ref, operator: str, values: tuple[str, ...], unit: str
) -> None:
    draft = reader.draft
    aggregate = next((a for a in reversed(draft.aggregates) if a.ref is left), None)
    grouped = aggregate is not None and limits_groups(reader, aggregate)
    alone = (draft.target is not None or draft.columns) and len(draft.aggregates) == 1
    if aggregate is not None and (alone or grouped):
        if _computed(reader, aggregate):
            check_year(item, left, operator, values)
        check_group_unit(reader, item, left, unit)
        draft.aggregates.remove(aggregate)
        if draft.target is None and alone:
            first = draft.columns.pop(0)
            draft.target = Group(first, first.item)
        draft.having.append((aggregate, operator, values, item))
        return
    if aggregate is not None and _computed(reader, aggregate):
        check_groups(reader, item, aggregate, operator, values, unit)
    if draft.rank is not None and draft.rank.by is not None and draft.rank.by.ref is left:
        raise Unread(item, "compares what is being ranked")
    if aggregate is None and totalled(reader, item, left, operator, values, unit):
        reader.withdraw(left)
        return
    draft.bare = [kept for kept in draft.bare if kept is not left]
    draft.columns = [kept for kept in draft.columns if kept is not left]
    draft.conditions.append(Condition(left, operator, values, item, True, unit=unit))


def _computed(reader: ReadingConditions, aggregate: Aggregate | None) -> bool:
    """True for the number that is asked for; `with total cost over 2000` only limits."""
    if aggregate is None or aggregate.item not in reader.items:
        return False
    place = reader.items.index(aggregate.item)
    return place == 0 or reader.items[place - 1].kind not in ("where", "prep")


def _compare_right(
    reader: ReadingConditions, item: Item, right: Ref, operator: str, values: tuple[str, ...], unit: str
) -> None:
    candidate = right.candidate
    if candidate.kind == "column" and reader.role(candidate) == "measure":
        if totalled(reader, item, right, operator, values, unit):
            return
        check_thing(reader, item, right, operator, values, unit)
        reader.draft.conditions.append(Condition(right, operator, values, item, True, unit=unit))
        return
    if candidate.kind == "value":
        reader.noun_filter(right)
    distinct = candidate.kind == "column"
    reader.draft.having.append((Aggregate("count", right, distinct, item), operator, values, item))


def _check_counted_right(
    reader: ReadingConditions, item: Item, candidate: Candidate, operator: str, values: tuple[str, ...]
) -> None:
    """`less than 5 days`: the number that a row holds, or how many different ones there are, is asked."""
    if candidate.kind != "column" or reader.role(candidate) not in (
        "dimension",
        "calendar",
        "clock",
        "other",
    ):
        return
    if not column_type(reader.index.column(candidate.table, candidate.column).type).numeric:
        return
    name, end = f"`{candidate.table}.{candidate.column}`", reader.items[reader.at - 1].end
    said = f"{SAID[operator]} {' and '.join(values)}"
    raise Ambiguous(
        f"Is {candidate.column} compared, or how many different ones there are?",
        [
            Choice(f"{candidate.column} {said}", f"{name} {said}", item.start, end),
            Choice(f"{said} different {candidate.column}", f"{said} different {name}", item.start, end, True),
        ],
    )


def read_comparative(reader: ReadingConditions, item: Item) -> None:
    """`longer than 3 hours`, `cheaper than 20`: the adjective chooses the column unless one stands before
    it."""
    before = reader.at - 2
    following = reader.peek()
    if following is None or following.text.casefold() != "than":
        raise Unread(item, "compares with nothing I know")
    reader.at += 1
    value = _take_number(reader, item)
    unit = _take_unit(reader)
    natural = ADJECTIVES[item.payload][0]
    operator = "gt" if natural == "desc" else "lt"
    if reader.negated is not None:
        operator, reader.negated = _FLIPPED[operator], None
    left = reader.last[1] if reader.last is not None and reader.last[0] == before else None
    if left is not None and left.candidate.kind == "column" and reader.measurable(left.candidate):
        _check_said_of(reader, item, left, item.payload)
        _compare_left(reader, item, left, operator, (value,), unit)
        return
    reader.draft.conditions.append(
        Condition(None, operator, (value,), item, True, adjective=item.payload, unit=unit)
    )


def _check_said_of(reader: ReadingConditions, item: Item, left: Ref, adjective: str) -> None:
    """`older than` is never said of an amount, whatever stands before it."""
    column = left.candidate.column
    fits, flipped = reader.said_of(adjective, left.candidate)
    if not fits:
        raise Unread(item, f"cannot be said of {column}")
    if flipped:
        raise Unread(item, f"compares {column}, where less is more of it: say above or below")


def read_adjective(reader: ReadingConditions, item: Item) -> None:
    """`delayed by more than 2 hours`: an adjective that a comparison follows."""
    following = reader.peek()
    if following is not None and following.kind == "by":
        reader.at += 1
        following = reader.peek()
    if following is None or following.kind != "cmp" or ADJECTIVES[item.payload][0] != "desc":
        raise Unread(item, "does not say how much")
    before = reader.last is not None and reader.last[0] == reader.items.index(item) - 1
    reader.at += 1
    if before and reader.last is not None and reader.measurable(reader.last[1].candidate):
        _check_said_of(reader, item, reader.last[1], item.payload)
        value = _take_number(reader, following)
        _compare_left(reader, following, reader.last[1], following.payload, (value,), _take_unit(reader))
        return
    value = _take_number(reader, following)
    reader.draft.conditions.append(
        Condition(
            None, following.payload, (value,), item, True, adjective=item.payload, unit=_take_unit(reader)
        )
    )


def read_number(reader: ReadingConditions, item: Item) -> None:
    """A bare number: a limit, a `N or more` comparison, or the key right behind its column's name."""
    if item.number is None:
        raise Unread(item, "is no number I can use")
    following = reader.peek()
    before = reader.at - 2
    if following is not None and following.kind == "or_cmp":
        reader.at += 1
        _apply(reader, item, before, following.payload, (plain(item),))
        return
    behind, measured = reader.peek(1), following is not None and following.kind in ("unitword", "measured")
    if measured and following is not None and behind is not None and behind.kind == "or_cmp":
        reader.at += 2  # `$50 or more`
        _apply(reader, item, before, behind.payload, (plain(item),), following.payload)
        return
    if following is not None and following.kind in _RANK_KINDS and item.number >= 1:
        reader.limit = int(item.number)
        return
    if item.payload == "had" and _had(reader, item, following):
        return
    if reader.last is not None and reader.last[0] == before and not reader.functions:
        candidate = _numbered(reader, reader.last[1].candidate)
        if candidate is not None:
            reader.withdraw(reader.last[1])
            ref = Ref(candidate, reader.last[1].item, reader.last[1].direction)
            operator = "ne" if reader.negated else "eq"
            reader.negated = None
            is_number = column_type(reader.index.column(candidate.table, candidate.column).type).numeric
            reader.draft.conditions.append(
                Condition(ref, operator, (_as_stored(item, numeric=is_number),), item, is_number)
            )
            return
    ranked = any(later.kind in _RANK_KINDS for later in reader.items[reader.at :])
    opens = not reader.draft.aggregates and not reader.draft.subjects and (reader.draft.listing or ranked)
    if opens and following is not None and following.kind == "name" and item.number >= 1:
        reader.limit = int(item.number)
        return
    raise Unread(item, "is a number with nothing to compare it with")


def _had(reader: ReadingConditions, item: Item, following: Item | None) -> bool:
    """`had 0 faults`, `with 3 rooms`: the number of the measure behind it."""
    if following is None or following.kind != "name" or reader.role(reader.chosen[reader.at]) != "measure":
        return False
    reader.at += 1
    ref = reader.ref(reader.at - 1)
    check_thing(reader, item, ref, "eq", (plain(item),), "")
    reader.draft.conditions.append(Condition(ref, "eq", (plain(item),), item, True))
    return True


def _numbered(reader: ReadingConditions, candidate: Candidate) -> Candidate | None:
    """The key or whole-number column a number behind this name speaks of: `member 42`, `order 1545`."""
    if candidate.kind == "column":
        fits = reader.role(candidate) in ("key", "dimension", "calendar")
        return candidate if fits else None
    return None

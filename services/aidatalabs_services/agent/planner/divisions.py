"""Numbers per something that would have to be divided: grouping by it answers another question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .columntypes import column_type
from .draft import Ambiguous, Barred, Choice, Group
from .measures import rows_noun
from .roles import is_unique
from .words import lemma

if TYPE_CHECKING:
    from .composing import Composer


def check_divided(composer: Composer) -> None:
    """`cost per member` is a ratio, `cost per day` one where the days are counted, and `the average cost per
    trip` of a table of trips is one number: behind per or each they are asked about."""
    draft = composer.draft
    made = [*draft.aggregates, *(aggregate for aggregate, *_ in draft.having)]
    if draft.rank is not None and draft.rank.by is not None:
        made.append(draft.rank.by)
    computed = bool(draft.bare) or any(aggregate.function != "count" for aggregate in made)
    for group in draft.groups:
        if group.by is None:
            continue
        divisor = _divisor(composer, group, computed)
        if divisor:
            raise _ratio(group, divisor)
        _check_rows(composer, group)


def _divisor(composer: Composer, group: Group, computed: bool) -> str:
    """The column of numbers that `per` may divide by, or an empty text.

    Rows may well be counted for each age or rating; only what is itself a count of things divides them.
    """
    if group.ref is None:
        return _lasting(composer, group.grain) if computed else ""
    candidate = group.ref.candidate
    if candidate.kind != "column" or composer.index.role(candidate.table, candidate.column).kind != "measure":
        return ""
    last = candidate.column.casefold().rpartition("_")[2]
    return candidate.column if computed or lemma(last) != last else ""


def _lasting(composer: Composer, step: str) -> str:
    """The base's column that counts these steps of time: `days`, `stay_days`."""
    for column in composer.table.columns:
        last = column.name.casefold().rpartition("_")[2]
        if column_type(column.type).numeric and last == f"{step}s":
            return column.name
        if step and composer.index.role(composer.base, column.name).unit == f"{step}s":
            return column.name
    return ""


def _ratio(group: Group, divisor: str) -> Ambiguous | Barred:
    by = group.by
    if by is None:
        return Barred(group.item, f"may divide by {divisor}, which I cannot compute yet")
    each = f"each {group.grain}" if group.ref is None else f"each value of {divisor}"
    return Ambiguous(
        f"Does '{by.text} {group.item.text}' divide by {divisor}? That I cannot compute yet; I can only tell "
        f"the number for {each}. Is that meant?",
        [Choice(f"for {each}", "by", by.start, by.end)],
    )


def _check_rows(composer: Composer, group: Group) -> None:
    """A number per row of its own table is the average over all rows, or a list."""
    draft, by = composer.draft, group.by
    bare, made = draft.bare, draft.aggregates
    plain = not (draft.fold or draft.having or draft.rank or draft.target)
    if by is None or not plain or len(bare) + len(made) != 1 or not _each_row(composer, group):
        return
    function = made[0].function if made else ""
    ref, item = (made[0].ref, made[0].item) if made else (bare[0], bare[0].item)
    if function not in ("", "avg") or ref is None or ref.candidate.table != composer.base:
        return
    start = item.start if item is not None else ref.item.start
    name = f"`{ref.candidate.table}.{ref.candidate.column}`"
    each = Choice(f"the {ref.item.text} of each", f"total {name}", start, ref.item.end)
    rows = rows_noun(composer.base)
    label = f"one number: the average over all {rows}"
    named = group.ref is not None and group.ref.candidate.kind == "table"  # `per paid order`, of paid orders
    last, of = (by.end, "of") if named else (group.item.end, "")
    if not named and by.end != group.item.start:
        raise Barred(by, f"stands before what every row of {composer.base} is: ask for the average of all")
    if function == "avg":
        one = Choice(label, of, by.start, last)
    elif ref.item.end == by.start:
        one = Choice(label, f"average {name} {of}".rstrip(), start, last)
    else:
        raise Barred(by, f"stands before what every row of {composer.base} is: ask for the average of all")
    choices = [one, each] if by.end == group.item.start else [one]  # `per paid order` may group by paid
    raise Ambiguous(
        f"Is one average over all {rows} meant, or the number of each?", choices, listable=not function
    )


def _each_row(composer: Composer, group: Group) -> bool:
    """True where every row of the base is a group of its own."""
    if group.ref is None or group.ref.candidate.table != composer.base:
        return False
    candidate = group.ref.candidate
    if candidate.kind == "table":
        return True
    return is_unique(composer.index.column(candidate.table, candidate.column), composer.table)

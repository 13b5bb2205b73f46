"""Names of tables that a reading takes for something else: what was named must be what is answered about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .draft import Ambiguous, Barred, Choice, Draft, Unread
from .index import CatalogueIndex
from .items import Candidate, Item
from .words import split_name

_PLAINLY = 0.05


def check_base(
    index: CatalogueIndex,
    items: Sequence[Item],
    chosen: Mapping[int, Candidate],
    draft: Draft,
    base: str,
) -> None:
    """`invoices over 100 euros` are no refunds, although a refund tells its invoice: a table that was
    neither named nor acted out by a verb does not answer for one that was.

    Raises Unread for the base whose column took a table's name, and Ambiguous where a value of the base
    describes rows of another table (`late invoices`, late being why something was refunded).
    """
    named = any(candidate.kind == "table" and candidate.table == base for candidate in chosen.values())
    if named or any(item.payload in split_name(base) for item in draft.verbs):
        return
    counted = [a.ref.item for a in draft.aggregates if a.function == "count" and a.ref is not None]
    for place, candidate in chosen.items():
        item = items[place]
        others = _tables(item) - {base}
        if not others or item.payload == "exact":
            continue
        for near in (place - 1, place + 1):
            value = chosen.get(near)
            first, last = sorted((near, place))
            if value is None or value.kind != "value" or value.table != base:
                continue
            if items[first].end == items[last].start:
                raise _described(items[near], value, item, min(others))
        keyed = {edge.to_table for edge in index.keys.of_column(candidate.table, candidate.column)}
        if others & keyed and _computed(draft, base) and item not in counted:
            continue  # `clients with a total cost over 50`: the cost is that of the visits, by client
        if candidate.kind == "column" and (candidate.cost > _PLAINLY or others & keyed):
            raise Unread(item, "names a table of its own")


def _computed(draft: Draft, base: str) -> bool:
    """True where a number of the base itself is computed, by its own column."""
    made = [*draft.aggregates, *(aggregate for aggregate, *_ in draft.having)]
    return any(
        a.function != "count"
        and a.ref is not None
        and a.ref.candidate.table == base
        and a.ref.candidate.column
        for a in made
    )


def _described(value: Item, meant: Candidate, noun: Item, table: str) -> Ambiguous:
    said = meant.values[0] if meant.values else value.text
    label = f"{table} with {meant.table} whose {meant.column} is {said}"
    text = f'`{table}` with `{meant.table}` where `{meant.table}.{meant.column}` is "{said}"'
    return Ambiguous(
        f"'{value.text}' is a {meant.column} of {meant.table}. Are {label} meant?",
        [Choice(label, text, min(value.start, noun.start), max(value.end, noun.end))],
    )


def check_counts(draft: Draft, base: str) -> None:
    """`how many stays and how many kennels`: rows of another table are not counted beside those of this one,
    where only the things that have any would count. Asked for as different ones, they may."""
    if len(draft.aggregates) < 2 or draft.different:
        return
    for aggregate in draft.aggregates:
        if aggregate.function != "count" or aggregate.ref is None or aggregate.ref.item.payload == "exact":
            continue
        tables, held = _tables(aggregate.ref.item), aggregate.ref.candidate
        away = held.kind == "column" and held.table != base
        if away or (tables and base not in tables):
            raise Barred(
                aggregate.ref.item, "is counted beside numbers of another table: ask for each of them alone"
            )


def _tables(item: Item) -> set[str]:
    """The tables that an item names plainly."""
    return {c.table for c in item.candidates if c.kind == "table" and c.cost <= _PLAINLY}

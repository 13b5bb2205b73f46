"""Numbers that were to be added to each other, which two totals beside each other do not do."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from .draft import Barred
from .items import Candidate, Item
from .lexicon import MONEY_WORDS
from .linking import Linked
from .plan import Measure, QueryPlan
from .words import split_name

_TOGETHER = frozenset(("together", "altogether", "combined"))
_ADDING = frozenset(("sum", "sum of", "sum total of", "summed", "sum up", "add up", "combined"))
_ADDED = frozenset(("sum", "avg", "median"))
_MONEY = MONEY_WORDS | {"discount", "tip", "fine", "bonus", "rebate", "interest"}


def check_added(linked: Linked, chosen: Mapping[int, Candidate], plan: QueryPlan) -> None:
    """`the sum of price and tax`, `price and tax together`: each total alone is another answer, and so it is
    where nothing says how two numbers belong together (`price to tax`).

    Raises Barred where numbers of two columns would stand beside each other.
    """
    made = [m for m in plan.measures if m.function in _ADDED and m.source is not None]
    numbers = {m.source for m in made}
    if len(numbers) < 2:
        return
    several = len([item for item in linked.items if item.kind == "fn"]) >= len(numbers)
    for item in linked.items:
        word = item.text.casefold()
        behind = linked.tokens[item.end].word if item.end < len(linked.tokens) else ""
        adds = item.kind == "fn" and (word in _ADDING or (word == "total" and behind == "of"))
        adds = adds and (word == "combined" or _alike(made))
        joins = item.kind == "and" and word == "together with"
        if (adds or joins) and not several:
            raise _barred(item)
    used = {place for item in linked.items for place in range(item.start, item.end)}
    for place, token in enumerate(linked.tokens):
        whole = token.word in ("total", "all") and place > 0 and linked.tokens[place - 1].word == "in"
        if place not in used and (whole or token.word in _TOGETHER):
            raise _barred(Item("filler", "", place, place + 1, token.raw))
    _check_joined(linked.items, chosen, {source.column for source in numbers if source is not None})


def _alike(made: Sequence[Measure]) -> bool:
    """True for numbers of one sort, such as two sums of money; nobody adds a quantity to an amount."""
    names = [set(split_name(m.source.column)) for m in made if m.source is not None]
    units = {m.unit for m in made}
    return (
        bool(set.intersection(*names))
        or all(n & _MONEY for n in names)
        or (len(units) == 1 and "" not in units)
    )


def _check_joined(items: Sequence[Item], chosen: Mapping[int, Candidate], columns: set[str]) -> None:
    named = [place for place in sorted(chosen) if chosen[place].column in columns]
    for first, second in itertools.pairwise(named):
        between = items[first + 1 : second]
        same = chosen[first].column == chosen[second].column
        if not same and all(item.kind == "prep" for item in between):
            raise Barred(items[second], "follows another number without saying how they belong together")


def _barred(item: Item) -> Barred:
    return Barred(
        item,
        "may add one number to the other, which I cannot compute: ask for the total of each, joined by and",
    )

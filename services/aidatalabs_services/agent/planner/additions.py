"""Numbers that were to be added to each other, which two totals beside each other do not do."""

from __future__ import annotations

from .draft import Barred
from .items import Item
from .linking import Linked
from .plan import QueryPlan

_TOGETHER = frozenset(("together", "altogether", "combined"))
_ADDING = frozenset(("sum", "sum of", "sum total of", "summed", "sum up", "add up", "combined"))
_ADDED = frozenset(("sum", "avg", "median"))


def check_added(linked: Linked, plan: QueryPlan) -> None:
    """`the sum of price and tax`, `price and tax together`: each total alone is another answer.

    Raises Barred where numbers of two columns stand beside each other and a word says together.
    """
    numbers = {m.source for m in plan.measures if m.function in _ADDED and m.source is not None}
    if len(numbers) < 2:
        return
    functions = [item for item in linked.items if item.kind == "fn"]
    for item in linked.items:
        word = item.text.casefold()
        behind = linked.tokens[item.end].word if item.end < len(linked.tokens) else ""
        adds = item.kind == "fn" and (word in _ADDING or (word == "total" and behind == "of"))
        joins = item.kind == "and" and word == "together with" and len(functions) < len(numbers)
        if adds or joins:
            raise _barred(item)
    used = {place for item in linked.items for place in range(item.start, item.end)}
    for place, token in enumerate(linked.tokens):
        if place not in used and token.word in _TOGETHER:
            raise _barred(Item("filler", "", place, place + 1, token.raw))


def _barred(item: Item) -> Barred:
    return Barred(
        item,
        "may add one number to the other, which I cannot compute: ask for the total of each, joined by and",
    )

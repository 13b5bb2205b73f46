"""Words for those who do something: a subscriber has subscribed, a paying user has a payment."""

from __future__ import annotations

import re
from weakref import WeakKeyDictionary

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.words import split_name

from .events import stems

_WORTH = {
    "pay": ("payment", "paid", "pay", "purchase", "order"),
    "buy": ("purchase", "buy", "order", "payment"),
    "purchase": ("purchase",),
    "order": ("order", "purchase"),
}
"""Events that a verb speaks of besides its own, likeliest first."""

_SHORTEST, _MOST_VALUES = 3, 200


def acted_by(index: CatalogueIndex, word: str) -> tuple[str, str, str] | None:
    """The table, the column and the one value that a word such as subscriber or paying acts out."""
    bare = re.sub(r"(?:ing|er|or)$", "", word.lower())
    if len(bare) < _SHORTEST:
        return None
    roots = {bare, f"{bare}e"} | ({bare[:-1]} if bare[-1:] == bare[-2:-1] else set())
    ranks = {place: _rank(roots, parts) for place, parts in _deeds(index).items()}
    found = {place: rank for place, rank in ranks.items() if rank is not None}
    best = sorted(found, key=lambda key: found[key])
    if not best or (len(best) > 1 and found[best[0]] == found[best[1]]):
        return None
    return best[0]


_DEEDS: WeakKeyDictionary[CatalogueIndex, dict[tuple[str, str, str], list[str]]] = WeakKeyDictionary()
"""Looked up over a whole catalogue once, as long as its index is there."""


def _deeds(index: CatalogueIndex) -> dict[tuple[str, str, str], list[str]]:
    """The values of one word that may be something done, with that word."""
    if index not in _DEEDS:
        _DEEDS[index] = {
            (table.name, column.name, value): parts
            for table in index.catalogue.tables
            for column in table.columns
            if column_type(column.type).kind == "text" and column.values_complete and not column.path_of
            if index.role(table.name, column.name).kind == "dimension" and len(column.values) <= _MOST_VALUES
            for value in column.values
            if len(parts := list(split_name(value))) == 1
        }
    return _DEEDS[index]


def _rank(roots: set[str], parts: list[str]) -> int | None:
    """How well a value tells what the roots do: the same word, one made of it, or one of its like."""
    if len(parts) != 1:
        return None
    if parts[0] in roots or roots & stems(parts[0]):
        return 0
    known = [_WORTH[root].index(parts[0]) for root in roots if parts[0] in _WORTH.get(root, ())]
    return 1 + min(known) if known else None

"""Columns that one word names as well as another: an amount beside a net amount is no clearer than it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from .index import CatalogueIndex
from .items import Candidate, Item
from .lexicon import ABBREVIATIONS, MONEY_WORDS, QUANTITIES
from .names import PARTIAL_NAME
from .units import CURRENCIES, UNIT_WORDS
from .words import lemma, split_name, value_words

_HEADS = MONEY_WORDS | {lemma(word) for word in QUANTITIES}
_BEHIND = frozenset(UNIT_WORDS) | CURRENCIES | {"net", "gross", "total", "paid", "due", "open", "final"}
_OTHER = frozenset(
    ("tax", "vat", "gst", "duty", "discount", "rebate", "fee", "tip", "gratuity", "shipping", "delivery",
     "freight", "handling", "postage", "commission", "surcharge", "deposit", "insurance", "interest", "toll",
     "penalty", "fine", "bonus", "min", "max", "minimum", "maximum", "avg", "average", "mean", "median")
)  # fmt: skip
"""Words that make another thing of a number: a tax amount is no sort of the amount."""


def as_likely(items: list[Item], index: CatalogueIndex) -> list[Item]:
    """Where a name is one plain word for a number, every column that holds such a number costs the same.

    A column called exactly so stays the likelier one beside numbers of other things (amount, tax_amount),
    never beside its own kinds (amount, net_amount). Names typed as identifiers, and numbers that the question
    names elsewhere, are left alone.
    """
    said = {(c.table, c.column) for item in items for c in item.candidates if c.column and _settled(item, c)}
    return [_as_likely(item, index, said) for item in items]


def _settled(item: Item, candidate: Candidate) -> bool:
    return candidate.cost <= 0 and len(value_words(item.text)) > 1


def _as_likely(item: Item, index: CatalogueIndex, said: Collection[tuple[str, str]]) -> Item:
    spoken = value_words(item.text)
    if "of" in spoken[1:-1]:  # `amount of charters`
        place = spoken.index("of")
        spoken = (*spoken[place + 1 :], *spoken[:place])
    words = _full(spoken)
    typed = item.payload == "exact" or any(c.cost < 0 for c in item.candidates)
    if item.kind != "name" or typed or not words or words[-1] not in _HEADS:
        return item
    made = {(c.kind, c.table, c.column, c.values): c for c in item.candidates}
    for table in sorted({c.table for c in item.candidates if c.kind == "column"}):
        meant = [c for c in item.candidates if _measured(c, table, index) and c.cost < PARTIAL_NAME]
        if not meant:
            continue
        owned = words[:1] == split_name(table)[-1:] and len(words) > 1
        names = {split_name(c.column) for c in meant}
        bare = words[1:] if owned and spoken not in names else words
        exact = spoken in names or (owned and spoken[1:] in names)
        cost = min(c.cost for c in meant)
        for column in index.tables[table].columns:
            parts = _full(split_name(column.name))
            other = exact and _OTHER & (set(parts) - set(bare))
            key = ("column", table, column.name, ())
            if other or (table, column.name) in said or index.role(table, column.name).kind != "measure":
                continue
            if set(bare) <= set(parts) and _heads(parts, bare[-1]):
                held = made.get(key, Candidate("column", table, column.name))
                made[key] = replace(held, cost=cost)
    ordered = sorted(made.values(), key=lambda c: (c.cost, c.kind, c.table, c.column, c.values))
    return replace(item, candidates=tuple(ordered))


def _measured(candidate: Candidate, table: str, index: CatalogueIndex) -> bool:
    if candidate.kind != "column" or candidate.table != table:
        return False
    return index.role(table, candidate.column).kind == "measure"


def _full(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(ABBREVIATIONS.get(word, word) for word in words)


def _heads(parts: tuple[str, ...], head: str) -> bool:
    """True where a name says what it holds by this word: net_amount_eur and amount_paid, never tax_rate."""
    last = len(parts)
    while (
        last > 1
        and parts[last - 1] != head
        and (parts[last - 1] in _BEHIND or parts[last - 1].endswith("ed"))
    ):
        last -= 1
    return parts[last - 1] == head

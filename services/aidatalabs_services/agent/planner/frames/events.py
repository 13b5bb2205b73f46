"""Verbs that act out a stored value: `signed up` is signup, `added something to the cart` is add_to_cart."""

from __future__ import annotations

import itertools

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.words import lemma, split_name

_EMPTY = frozenset(
    ("a", "an", "the", "something", "anything", "some", "any", "item", "items", "one", "things", "thing")
)
_MOST_VALUES = 200
_LONGEST = 6
_MOST_PARTS = 4


def acted_out(index: CatalogueIndex, table: str, text: str) -> str:
    """The text with the verb phrase that acts out a value of the table replaced by that value, quoted.

    Only a phrase with a verb form in it is replaced, and only where one value of one column fits it.
    """
    words = text.split()
    for length in range(min(_LONGEST, len(words)), 0, -1):
        for start in range(len(words) - length + 1):
            phrase = [word.strip(",").casefold() for word in words[start : start + length]]
            if phrase[0] in _EMPTY or phrase[-1] in _EMPTY:
                continue
            found = _values(index, table, phrase)
            if len(found) == 1:
                return " ".join([*words[:start], f'"{found[0]}"', *words[start + length :]])
    return text


def _values(index: CatalogueIndex, table: str, phrase: list[str]) -> list[str]:
    """The values that the phrase acts out, by all of their words."""
    spoken = [word for word in phrase if word not in _EMPTY]
    if not any(word.endswith(("ed", "ing")) or stems(word) != {word} for word in spoken):
        return []
    found: dict[str, None] = {}
    for column in index.tables[table].columns:
        if column_type(column.type).kind != "text" or not column.values_complete:
            continue
        if len(column.values) > _MOST_VALUES:
            continue
        for value in column.values:
            if _fits(spoken, list(split_name(value)), value):
                found[value] = None
    return list(found)


def _fits(spoken: list[str], parts: list[str], value: str) -> bool:
    """The same words (`viewed a page`: page_view), or run together: `logged in` is login."""
    orders = itertools.permutations(spoken) if len(spoken) == len(parts) <= _MOST_PARTS else ()
    if any(all(p in stems(w) for w, p in zip(order, parts, strict=True)) for order in orders):
        return True
    run = "".join(char for char in value.casefold() if char.isalnum())
    joined = {""}
    for word in spoken:
        joined = {left + stem for left in joined for stem in stems(word)}
    return run in joined


def stems(word: str) -> set[str]:
    """What a verb form or a plural may come from: `added` from add, `logged` from log, `purchased` from
    purchase."""
    found = {word, lemma(word)}
    for ending in ("ed", "ing"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            stem = word[: -len(ending)]
            found |= {stem, stem + "e"}
            if stem[-1] == stem[-2]:
                found.add(stem[:-1])
            if ending == "ed" and stem.endswith("i"):
                found.add(stem[:-1] + "y")
    return found | _IRREGULAR.get(word, set())


_IRREGULAR = {
    "bought": {"buy", "purchase"}, "sold": {"sell", "sale"}, "paid": {"pay", "payment"}, "sent": {"send"},
    "left": {"leave"}, "began": {"begin"}, "begun": {"begin"}, "went": {"go"}, "saw": {"see", "view"},
    "seen": {"see", "view"}, "bid": {"bid"}, "read": {"read"}, "won": {"win"}, "lost": {"lose"},
    "spent": {"spend"}, "made": {"make"}, "took": {"take"}, "ran": {"run"}, "came": {"come"},
}  # fmt: skip

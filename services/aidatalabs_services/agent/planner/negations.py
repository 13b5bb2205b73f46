"""Words that say no by how they begin: inactive is not active, unpaid not paid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .index import CatalogueIndex
from .items import Item
from .words import Token, lemma, split_name

_PREFIXES = ("non", "in", "un")
_SHORTEST = 4


def turned_round(items: Sequence[Item], tokens: Sequence[Token], index: CatalogueIndex) -> list[Token]:
    """The tokens with `inactive` as not active, where active is a yes or no, or a stored value, and inactive
    is nothing here."""
    unknown = [item for item in items if item.kind == "unknown"]
    places = {item.start for item in unknown if item.end == item.start + 1}
    made: list[Token] = []
    for place, token in enumerate(tokens):
        rest = next((token.word[len(p) :] for p in _PREFIXES if token.word.startswith(p)), "")
        if place not in places or len(rest) < _SHORTEST or not _says(rest, index):
            made.append(token)
            continue
        made.append(replace(token, raw="not", word="not", lemma="not", end=token.start))
        made.append(replace(token, raw=rest, word=rest, lemma=lemma(rest)))
    return made


def _says(word: str, index: CatalogueIndex) -> bool:
    """Whether a word is a stored value, or names a column that is yes or no."""
    flags = {
        part
        for (_, column), role in index.roles.items()
        if role.kind == "flag"
        for part in split_name(column)
    }
    return word in flags or bool(index.values([word]))

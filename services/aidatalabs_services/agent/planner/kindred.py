"""Ordinary words for what the data calls otherwise: works of artworks, players of a key of users, installs
where events are called installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .index import CatalogueIndex
from .items import Candidate, Item
from .kinship import same_stem
from .lexicon import VERB_NOUNS
from .words import Token, split_name, value_words

_COST = 0.15
_SHORTEST, _SHORTEST_LEAD = 4, 2
_MOST_VALUES = 100
_PEOPLE = frozenset(
    ("person", "people", "user", "customer", "client", "member", "visitor", "player", "gamer", "learner",
     "guest", "shopper", "individual", "human")
)  # fmt: skip
"""Words for anybody who did something, whatever it was."""
_KEYS = _PEOPLE | {"account", "subscriber", "patient", "student", "employee", "buyer", "passenger"}


_ONESELF = frozenset(
    ("app", "application", "game", "site", "website", "platform", "service", "product", "system", "shop",
     "store", "company")
)  # fmt: skip
"""What the data is about as a whole: nobody tells it apart from another."""
_KINDS = frozenset(("class", "kind", "category", "group", "sort", "type"))
_OURS = frozenset(("the", "our", "this", "my"))


@dataclass(frozen=True)
class Kindred:
    """One word, what it is taken for, and how that is called."""

    place: int
    candidate: Candidate
    called: str


def kindred(items: Sequence[Item], tokens: Sequence[Token], index: CatalogueIndex) -> list[Kindred]:
    """What the words that name nothing here are taken for, where there is one thing that they can mean."""
    found = []
    for item in items:
        token = tokens[item.start]
        if item.kind not in ("unknown", "verb") or item.end > item.start + 1 or not token.word.isalpha():
            continue
        meant = _person(token, index) if item.kind == "unknown" else None
        meant = meant or (_thing(token, index) if item.kind == "unknown" else None) or _event(token, index)
        if meant is not None:
            called = meant.values[0] if meant.values else meant.column or meant.table
            found.append(Kindred(item.start, meant, called))
    return found


def idle_words(items: Sequence[Item], tokens: Sequence[Token]) -> frozenset[int]:
    """The places of words that name nothing here and need not: `installed the app`, `each vehicle class`,
    `new members per month`."""
    found = set()
    stepped = any(item.kind in ("grain", "unit", "window") for item in items)
    for place, item in enumerate(items):
        if item.kind != "unknown" or item.end > item.start + 1:
            continue
        token, before = tokens[item.start], items[place - 1] if place else None
        ahead = tokens[item.start - 1].word if item.start else ""
        done = before is not None and before.kind in ("value", "verb")
        if token.word in _ONESELF and ahead in _OURS and done:
            found.add(item.start)
        kind = before is not None and before.kind == "name" and before.end == item.start
        named = before is not None and bool(before.candidates) and bool(before.candidates[0].column)
        if token.lemma in _KINDS and kind and named:
            found.add(item.start)
        behind = items[place + 1] if place + 1 < len(items) else None
        things = behind is not None and behind.kind == "name" and behind.start == item.end
        if token.word == "new" and stepped and things:
            found.add(item.start)
    return frozenset(found)


def _person(token: Token, index: CatalogueIndex) -> Candidate | None:
    """The one key of people in rows of what they did, where people have no table of their own."""
    if token.lemma not in _PEOPLE:
        return None
    referring = {(edge.table, edge.column) for edge in index.edges}
    keys = [
        (table, column)
        for (table, column), role in index.roles.items()
        if role.kind == "key" and split_name(column)[0] in _KEYS and table not in index.empty_tables
        and (table, column) not in referring
    ]  # fmt: skip
    tables = [name for name in index.tables if split_name(name)[-1] in _KEYS]
    if len(keys) != 1 or tables:
        return None
    return Candidate("column", *keys[0], (), _COST)


def _thing(token: Token, index: CatalogueIndex) -> Candidate | None:
    """`works` of a table of artworks: the end of its one-word name."""
    if len(token.lemma) < _SHORTEST:
        return None
    tables = [
        name
        for name in index.tables
        if (part := split_name(name)[-1]).endswith(token.lemma)
        and len(part) >= len(token.lemma) + _SHORTEST_LEAD
        and name not in index.empty_tables
    ]
    return Candidate("table", tables[0], "", (), _COST) if len(tables) == 1 else None


def _event(token: Token, index: CatalogueIndex) -> Candidate | None:
    """`installs` where rows are called installed, `purchases` where they are called item_bought."""
    if len(token.lemma) < _SHORTEST:
        return None
    found = [
        (table, name, value)
        for (table, name), role in index.roles.items()
        if role.kind == "dimension" and table not in index.empty_tables
        for value in _few(index, table, name)
        if any(_done(token, word) for word in value_words(value))
    ]
    if len(found) != 1:
        return None
    table, name, value = found[0]
    return Candidate("value", table, name, (value,), _COST)


def _few(index: CatalogueIndex, table: str, name: str) -> tuple[str, ...]:
    column = index.column(table, name)
    return column.values if column.values_complete and len(column.values) <= _MOST_VALUES else ()


def _done(token: Token, word: str) -> bool:
    """Whether a stored verb is what a noun speaks of."""
    if VERB_NOUNS.get(word) == token.lemma:
        return True
    past = word.endswith("ed") and word != token.word
    return past and not token.word.endswith("ed") and same_stem(token.lemma, word)

"""Verbs that are stored values: `users who signed up` did `signup`, `who added something to the cart`
`add_to_cart`."""

from __future__ import annotations

from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.kinship import bases
from aidatalabs_services.agent.planner.lexicon import VERB_NOUNS
from aidatalabs_services.agent.planner.words import lemma, value_words

from .lexis import ARTICLES, AUXILIARIES, NEGATIONS, PREPOSITIONS
from .scanner import Scanner
from .tree import Mention
from .verbs import NOTHING_WORDS

_MOST_VALUES = 100
_FARTHEST = 6
_CLOSED = PREPOSITIONS | ARTICLES | AUXILIARIES | NEGATIONS | {"and", "or", "with", "who", "that", "which"}
_SMALL = frozenset(("to", "of", "the", "a", "an", "in", "from", "up", "out", "on", "for"))


def forms(word: str) -> frozenset[str]:
    """What a verb may be written as in a value: bought is buy and purchase, viewed is view."""
    found = {word, lemma(word), *bases(word)}
    noun = VERB_NOUNS.get(word)
    if noun:
        found.add(noun)
    if word.endswith("ing") and len(word) > 5:
        found |= {word[:-3], word[:-3] + "e"}
        if word[-4] == word[-5]:
            found.add(word[:-4])
    if word.endswith("ed") and len(word) > 4 and word[-3] == word[-4]:
        found.add(word[:-3])
    if word.endswith("ied"):
        found.add(word[:-3] + "y")
    return frozenset(found)


def deed_here(scanner: Scanner, tables: frozenset[str]) -> Mention | None:
    """The stored value that the verb standing here, with what belongs to it, spells; the longest one."""
    best: tuple[int, int] | None = None
    found: dict[tuple[str, str], str] = {}
    for table in sorted(tables):
        for column in scanner.index.tables[table].columns:
            if scanner.index.role(table, column.name).kind not in ("dimension", "label"):
                continue
            if not column.values_complete or len(column.values) > _MOST_VALUES:
                continue
            for value in column.values:
                end, told = _spelled(scanner, value)
                if not end:
                    continue
                if best is None or (told, end) > best:
                    best, found = (told, end), {}
                if (told, end) == best:
                    found[(table, column.name)] = value
    if best is None:
        return None
    candidates = tuple(
        Candidate("value", table, column, (value,)) for (table, column), value in found.items()
    )
    return Mention(candidates, scanner.at, best[1], scanner.text(scanner.at, best[1]))


def _spelled(scanner: Scanner, value: str) -> tuple[int, int]:
    """The end of the words that spell a value from the verb on, and how many of its words were said."""
    words = [word for word in value_words(value) if word not in _SMALL] or list(value_words(value))
    if scanner.done or scanner.word() in _CLOSED or len("".join(value_words(value))) <= 2:
        return 0, 0
    verb = forms(scanner.word())
    joined = "".join(value_words(value))
    particle = scanner.word(1)
    if any(base + particle == joined for base in verb) and particle in _SMALL:
        return scanner.at + 2, 2
    first = next((word for word in words if word in verb), "")
    if not first:
        return 0, 0
    left = [word for word in words if word != first]
    at = scanner.at + 1
    end = at
    while left and at < min(len(scanner.words), scanner.at + _FARTHEST) and at not in scanner.breaks:
        word = scanner.words[at]
        if lemma(word) in left:
            left.remove(lemma(word))
            end = at + 1
        elif word in ("anything", "something"):  # whatever it was that the value names
            left.clear()
            end = at + 1
        elif word not in _SMALL | NOTHING_WORDS:
            break
        at += 1
    if left:
        return 0, 0
    while end < len(scanner.words) and scanner.words[end] in NOTHING_WORDS and end not in scanner.breaks:
        end += 1
    return end, len(words)

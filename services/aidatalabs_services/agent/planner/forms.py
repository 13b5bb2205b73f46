"""Forms of words and stored values: participles, values that a word stands for, values by their column."""

from __future__ import annotations

from collections.abc import Sequence

from .index import ValueMatch
from .items import Candidate
from .words import Token, value_words

DONE = frozenset(
    (
        "made",
        "run",
        "held",
        "given",
        "taken",
        "driven",
        "written",
        "won",
        "built",
        "led",
        "seen",
        "sold",
        "bought",
        "flown",
        "lent",
        "paid",
    )
)
"""Participles that do not end in ed."""


def names_it(spoken: list[str], span: Sequence[Token], value: str) -> bool:
    """True for several words in a row, or one quoted or capitalised word that the value begins with."""
    if len(spoken) > 1:
        return True
    token = span[0]
    capital = token.raw[0].isupper() and token.start > 0
    return (token.kind == "quoted" or capital) and value_words(value)[0] == spoken[0]


def participle(word: str) -> bool:
    """True for verb forms that `by` follows to name who did it: placed, made, borrowed."""
    return (word.endswith("ed") and len(word) > 4) or word in DONE


def by_column(matches: Sequence[ValueMatch], cost: float) -> list[Candidate]:
    """The values found, together for each column that holds some of them."""
    grouped: dict[tuple[str, str], list[ValueMatch]] = {}
    for match in matches:
        grouped.setdefault((match.table, match.column), []).append(match)
    return [
        Candidate(
            "value", table, column, tuple(dict.fromkeys(m.value for m in found)), cost, found[0].partial
        )
        for (table, column), found in grouped.items()
    ]

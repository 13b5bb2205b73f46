"""Verbs of money: what somebody spent is the money of what was sold, what somebody earns is their salary.

Like the words for revenue, such a verb is put into a name that the data has before the question is read.
"""

from __future__ import annotations

from itertools import pairwise

from .index import CatalogueIndex
from .metrics import traded
from .words import Token, split_name, tokenize

_SPENT = frozenset(("spent", "spend", "spends", "spending"))
_EARNED = frozenset(("earn", "earns", "earned", "earning"))
_PAY = frozenset(("salary", "wage", "earnings", "income", "pay", "compensation"))
_TAKINGS = frozenset(("income", "receipts", "takings", "earnings"))
_ASKING = frozenset(("do", "does", "did", "who", "that", "which", "has", "have", "had", "to"))
_MOST = {"most": "highest", "least": "lowest"}


def put_in_names(question: str, index: CatalogueIndex) -> tuple[str, str]:
    """The question with such a verb put as the column it speaks of, and a sentence on how it was read; the
    same and nothing where there is none, or where it is not clear of which column it speaks."""
    tokens = tokenize(question)
    taken = _takings(tokens, index)
    if taken:
        first, last = taken
        name = question[first.start : first.end]
        put = f"{question[: first.start]}total {name}{question[last.end :]}"
        return put, f"'{name} {last.raw}' was read as the total {name}."
    for place, token in enumerate(tokens):
        if token.kind != "word" or token.word not in _SPENT | _EARNED or not place:
            continue
        if any(match.cost <= 0.3 for match in index.names.matches([token.lemma], 0)):
            return question, ""
        found = _paid(index) if token.word in _EARNED else traded(index)
        if found is None or not _verb(tokens, place):
            return question, ""
        table, column, value = found
        name = f"`{table}.{column}`"
        said = f'{name} of "{value}"' if value else name
        end, lead = _ranked(tokens, place)
        if lead:
            total = "" if token.word in _EARNED else "total "
            said = f"{lead} {total}{said}"
        read_as = f"'{token.raw}' was read as {table}.{column}."
        return f"{question[: token.start]}{said}{question[end:]}", read_as
    return question, ""


def _takings(tokens: list[Token], index: CatalogueIndex) -> tuple[Token, Token] | None:
    """`postage income`: a number of money that is added up, said by two words."""
    for first, last in pairwise(tokens):
        if last.word not in _TAKINGS or index.names.knows(last.word):
            continue
        columns = [m for m in index.names.matches([first.lemma], 0) if m.column and m.cost <= 0.1]
        if columns and all(index.role(m.table, m.column).kind == "measure" for m in columns):
            return first, last
    return None


def _verb(tokens: list[Token], place: int) -> bool:
    """`did Ada spend`, `who spent`, `customers spending more`; `ad spend` is a noun."""
    if tokens[place].word != "spend":
        return True
    return any(token.word in _ASKING for token in tokens[:place])


def _ranked(tokens: list[Token], place: int) -> tuple[int, str]:
    """Where the words end, and what `spent the most` asks for: who has the highest."""
    at = place + 1
    if at < len(tokens) and tokens[at].word == "the":
        at += 1
    if at < len(tokens) and tokens[at].word in _MOST:
        return tokens[at].end, f"has the {_MOST[tokens[at].word]}"
    return tokens[place].end, ""


def _paid(index: CatalogueIndex) -> tuple[str, str, str] | None:
    """The one column of what people are paid."""
    found = [
        (table, column, "")
        for (table, column), role in index.roles.items()
        if role.kind == "measure" and _PAY & set(split_name(column)) and table not in index.empty_tables
    ]
    return found[0] if len(found) == 1 else None

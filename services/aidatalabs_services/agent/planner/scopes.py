"""How far words reach: what a negation takes in, which column a function is said of, what a number means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .draft import Aggregate, Ambiguous, Barred, Choice, Condition, Negation, Ref, Unread
from .items import Candidate, Item
from .words import value_words

if TYPE_CHECKING:
    from .reading import Reader
    from .reading_conditions import ReadingConditions
    from .reading_state import ReadingState

_ORDINAL = re.compile(r"\d+(st|nd|rd|th)", re.I)
_METRES_OR_MILLIONS = re.compile(r"(-?[\d,.]*\d)m")
_THOUSANDS_OR_FRACTION = re.compile(r"(-?[1-9]\d{0,2})\.(\d{3})")
_RANKING = frozenset(("most", "frequent", "extreme", "superlative", "top", "first", "vague"))
_EXCLUDING = frozenset(
    ("except", "except for", "excluding", "other than", "without", "not including", "but not", "apart from",
     "all but", "besides", "without any", "lacking")
)  # fmt: skip
_NEGATING = frozenset(("not", "non", "no"))
_BARE = frozenset(
    ("value", "name", "cmp", "comparative", "number", "literal", "adjective", "missing", "quantity")
)
_CONDITIONAL = frozenset(("value", "name", "cmp", "number", "literal", "comparative", "neg", "distinct"))
_TELLING = frozenset(("name", "value", "neg", "adjective", "verb", "window", "and", "or", "literal"))
_AS_NEAR = 0.05
_TASKS = frozenset(("count", "fn", "how_much", "which", "list", "share", "when"))
_BETWEEN = frozenset(
    ("fn", "and", "value", "neg", "grain", "window", "adjective", "verb", "distinct", "literal")
)


def check_numbers(items: Sequence[Item]) -> None:
    """Numbers that may mean two things are asked about; an ordinal picks one place, which is not built."""
    for place, item in enumerate(items):
        following = items[place + 1] if place + 1 < len(items) else None
        ranked = following is not None and following.kind in _RANKING
        if item.kind in ("unitword", "measured") and item.text.casefold() == "second" and ranked:
            raise Barred(item, _PLACE)
        if item.kind != "number":
            continue
        if _ORDINAL.fullmatch(item.text):
            raise Barred(item, _PLACE)
        metres = _METRES_OR_MILLIONS.fullmatch(item.text)
        if metres:
            words = [f"{metres.group(1)} {unit}" for unit in ("million", "metres", "minutes")]
            raise Ambiguous(
                f"What does the m of '{item.text}' stand for?",
                [Choice(text, text, item.start, item.end) for text in words],
            )
        parts = _THOUSANDS_OR_FRACTION.fullmatch(item.text)
        if parts:
            texts = ["".join(parts.groups()), f"{item.text}0"]
            raise Ambiguous(
                f"Is '{item.text}' {texts[0]}, or a fraction?",
                [Choice(text, text, item.start, item.end) for text in texts],
            )


_PLACE = "picks one place of an order, which I cannot do yet: ask for the top few and read it there"


def check_scope(reader: Reader, negated: Item, made: tuple[Condition, ...]) -> None:
    """A negation reaches to the end of what it was said of; what follows needs a place of its own.

    `excluding A and b` may leave out both, or rows that are both: that is asked or refused, and so is
    `except A in B`. A further `where`, a time, a group or an order say for themselves what they are.
    """
    begin = reader.items.index(negated)
    before = reader.items[begin - 1] if begin else None
    noun = reader.chosen.get(reader.at) if _rows(reader, reader.at) else None
    reader.draft.negations.append(Negation(negated, _said_of(reader, begin), noun, made))
    wide = negated.text.casefold() in _EXCLUDING or _again(reader, before)
    fronted = not any(item.kind in _TASKS for item in reader.items[:begin])
    at, joined = reader.at, False
    if at < len(reader.items) and reader.items[at].kind == "name" and _rows(reader, at):
        at += 1
    while at < len(reader.items):
        item = reader.items[at]
        if item.kind == "window" and not (wide and fronted):
            at, joined = at + 1, False
        elif item.kind in ("and", "or") and not joined:
            at, joined = at + 1, True
        else:
            break
    if at >= len(reader.items):
        return
    item = reader.items[at]
    if item.kind == "window":
        raise Barred(negated, f"leaves open whether '{item.text}' belongs to what is left out: put it first")
    if item.kind in _BARE:
        own = joined and before is not None and before.kind == "name" and not wide
        if not (own and item.kind == "name" and _tells(reader, at)):
            raise _open(reader, negated, made, at)
    elif wide and item.kind in ("prep", "where") and item.text.casefold() != "where":
        following = reader.items[at + 1] if at + 1 < len(reader.items) else None
        if following is not None and following.kind in _CONDITIONAL:
            raise _open(reader, negated, made, at + 1)


def _said_of(reader: Reader, place: int) -> Candidate | None:
    """What is named right before: `orders that are not paid`, `orders with no note`, `orders where status is
    not paid`."""
    if place and _named(reader, place - 1) and not _rows(reader, place - 1):
        before = reader.items[place - 2] if place > 1 else None
        if before is None or before.kind not in ("prep", "where"):
            return reader.chosen.get(place - 1)
        place -= 1
    while place and reader.items[place - 1].kind in ("prep", "where", "value", "and", "or"):
        place -= 1  # `patients from the north without visits` speaks of the patients
    return reader.chosen.get(place - 1)


def _named(reader: Reader, place: int) -> bool:
    return reader.items[place].kind == "name" and reader.chosen[place].kind == "column"


def _again(reader: Reader, before: Item | None) -> bool:
    """`visits that are not surgery visits by …`: the rows are named again inside what is left out."""
    at = reader.at
    if at >= len(reader.items) or reader.items[at].kind != "name" or not _rows(reader, at):
        return False
    table = reader.chosen[at].table
    named = [place for place in reader.chosen if place < at and _rows(reader, place)]
    return before is not None and any(reader.chosen[place].table == table for place in named)


def _rows(reader: ReadingState, place: int) -> bool:
    candidate = reader.chosen.get(place)
    return candidate is not None and (candidate.kind == "table" or reader.role(candidate) == "key")


def _tells(reader: Reader, place: int) -> bool:
    """True for a column's name that its own condition follows."""
    following = reader.items[place + 1] if place + 1 < len(reader.items) else None
    return following is not None and following.kind in (
        "value",
        "cmp",
        "neg",
        "literal",
        "number",
        "comparative",
    )


def _open(reader: Reader, negated: Item, made: tuple[Condition, ...], at: int) -> Ambiguous | Barred:
    """Ask whether the value at `at` is left out, too, where both readings can be put in words."""
    item, other = reader.items[at], reader.chosen.get(at)
    refused = Barred(
        negated,
        f"does not say whether '{item.text}' is left out, too: say each condition with its own where, "
        "such as where a is not b",
    )
    first = made[0] if len(made) == 1 else None
    if first is None or first.ref is None or first.operator not in ("ne", "not_in") or first.numeric:
        return refused
    if other is None or other.kind != "value" or len(other.values) != 1:
        return refused
    joiner, more = reader.items[at - 1], reader.items[at + 1 : at + 3]
    if len(more) == 2 and more[0].kind in ("and", "or") and more[1].kind in ("value", "name"):
        return refused
    out = " ".join(_where(first.ref, value, True) for value in first.values)
    last = max(item.end, negated.end)
    kept = _where(Ref(other, item), other.values[0], False)
    left = _where(Ref(other, item), other.values[0], True)
    values = " and ".join(first.values)
    only = Choice(f"leave out {values}, keep only {other.values[0]}", f"{out} {kept}", negated.start, last)
    if joiner.kind == "and":
        both = Choice(f"leave out both {values} and {other.values[0]}", f"{out} {left}", negated.start, last)
        return Ambiguous(f"Is '{item.text}' left out, too?", [both, only])
    if joiner.kind in ("prep", "where"):
        return Ambiguous(
            f"Is '{first.item.text}' left out everywhere? (Only where both hold is not built yet.)", [only]
        )
    return refused


def _where(ref: Ref, value: str, negated: bool) -> str:
    name = f"`{ref.candidate.table}.{ref.candidate.column}`"
    return f'where {name} is {"not " if negated else ""}"{value}"'


def check_stored_negation(reader: ReadingConditions, ref: Ref) -> None:
    """`not started` where both `started` and `not started` are stored: said or stored, the rows differ."""
    item, candidate = ref.item, ref.candidate
    if item.payload == "quoted" or len(candidate.values) != 1:
        return
    column = reader.index.column(candidate.table, candidate.column)
    words = value_words(candidate.values[0])
    held = {value_words(value): value for value in column.values}
    if reader.negated is None:
        plain = held.get(words[1:]) if words[0] in _NEGATING else None
        stored, start = candidate.values[0], item.start
    else:
        plain, start = candidate.values[0], reader.negated.start
        stored = next((held[(word, *words)] for word in sorted(_NEGATING) if (word, *words) in held), "")
    if not plain or not stored:
        return
    name = f"`{candidate.table}.{candidate.column}`"
    raise Ambiguous(
        f"Is {column.name} '{stored}' meant, or every {column.name} but '{plain}'?",
        [
            Choice(f"{column.name} is {stored}", f'where {name} is "{stored}"', start, item.end),
            Choice(f"every {column.name} but {plain}", f'where {name} is not "{plain}"', start, item.end),
        ],
    )


def check_functions(reader: Reader) -> None:
    """Each function is said of the column right behind it: nothing but more of its name may stand between."""
    draft = reader.draft
    made: list[Aggregate] = [*draft.aggregates, *(aggregate for aggregate, *_ in draft.having)]
    if draft.rank is not None and draft.rank.by is not None:
        made.append(draft.rank.by)
    for aggregate in made:
        said, ref = aggregate.item, aggregate.ref
        if said is None or ref is None or said.kind != "fn" or said.end > ref.item.start:
            continue
        own = {other.ref.item for other in made if other.ref is not None and other.item == said}
        for place, item in enumerate(reader.items):
            if not said.end <= item.start < ref.item.start or item in own or item.kind in _BETWEEN:
                continue
            if item.kind == "prep" and item.payload == "of":
                continue
            if item.kind == "name" and (_rows(reader, place) or _narrows(reader, place)):
                continue
            raise Barred(said, f"is followed by '{item.text}' before the number it could be computed of")


def check_owners(reader: Reader) -> None:
    """`total amount of paid orders with returns`: the amount of the orders, never that of the returns."""
    for place, candidate in reader.chosen.items():
        _check_whose(reader, place, candidate)
        if candidate.kind != "column" or reader.role(candidate) != "measure":
            continue
        item, said_of = reader.items[place], _said_of_tables(reader, place)
        near = [c for c in item.candidates if c.kind == "column" and c.cost <= candidate.cost + _AS_NEAR]
        if said_of and candidate.table not in said_of and any(c.table in said_of for c in near):
            raise Unread(item, f"of {' or '.join(said_of)} cannot be told by rows of {candidate.table}")
        if said_of or len({c.table for c in near}) < 2:
            continue
        named = {table for other in reader.items if other is not item for table in _tables(other)}
        rivals = [c for c in near if c.table in named]
        if len({c.table for c in rivals}) > 1:
            choices = [
                Choice(f"{c.column} of {c.table}", f"`{c.table}.{c.column}`", item.start, item.end)
                for c in rivals
            ]
            raise Ambiguous(f"Whose number is '{item.text}'?", choices)


def _check_whose(reader: Reader, place: int, candidate: Candidate) -> None:
    """`names of the patients` are the patients' own, not those of what they are related to."""
    if candidate.kind != "column" or reader.role(candidate) not in ("label", "dimension", "flag"):
        return
    joiner = reader.items[place + 1] if place + 1 < len(reader.items) else None
    owner = reader.chosen.get(place + 2)
    if joiner is None or owner is None or joiner.payload != "of" or owner.kind != "table":
        return
    own = any(c.table == owner.table and c.kind == "column" for c in reader.items[place].candidates)
    own = own or (reader.role(candidate) == "label" and bool(reader.index.label(owner.table)))
    if candidate.table != owner.table and own:
        raise Unread(reader.items[place], f"of {owner.table} is not told by {candidate.table}")


def _tables(item: Item) -> list[str]:
    return [c.table for c in item.candidates if c.kind == "table" and c.cost <= _AS_NEAR]


def _said_of_tables(reader: Reader, place: int) -> list[str]:
    """The tables that a number is said to be of, past the words that tell which of their rows."""
    at = place + 1
    if at >= len(reader.items) or reader.items[at].kind != "prep":
        return []
    for at in range(place + 2, len(reader.items)):
        item = reader.items[at]
        if _tables(item):
            return _tables(item)
        if item.kind not in _TELLING:
            return []
    return []


def _narrows(reader: Reader, place: int) -> bool:
    """`average gift amount`, `average status paid amount`: a flag, or a name with its value."""
    candidate, after = reader.chosen[place], reader.chosen.get(place + 1)
    if reader.role(candidate) == "flag":
        return True
    return after is not None and after.kind == "value" and after.column == candidate.column


def check_beside(reader: Reader, ref: Ref) -> None:
    """`highest price and weight`: the weight's highest or its total, only the asker knows."""
    rank, joiner = reader.ranking, reader.peek(-2)
    first = rank.by.ref if rank is not None and rank.by is not None and rank.raw else None
    if rank is None or first is None or joiner is None or joiner.kind != "and":
        return
    if first.item.end > joiner.start or joiner.start - first.item.end > 0:
        return
    way = "maximum" if rank.descending else "minimum"
    start, end = rank.item.start, ref.item.end
    raise Ambiguous(
        f"Is '{rank.item.text}' said of '{ref.item.text}', too?",
        [
            Choice(f"{way} of both", f"{way} {first.item.text} and {ref.item.text}", start, end),
            Choice(
                f"the total {ref.item.text}", f"{way} {first.item.text} and total {ref.item.text}", start, end
            ),
        ],
    )

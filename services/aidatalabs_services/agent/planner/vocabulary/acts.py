"""Deeds of people that are stored values: `ads watched` is ad_watched, `purchases` are item_bought."""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.words import lemma, split_name

from .deeds import ANY_OBJECT, ENDING, SOFTWARE, STARTING, kin_cost, told
from .forms import base_forms, noun_bases, participle, words
from .nouns import noun_cost
from .readings import Reading, Spoken

_MOST_VALUES = 200
_LONGEST = 6
_UNSAID = 0.06
_KINDS = words(
    """
    event type name action kind activity operation verb eventtype eventname step stage
    """
)
_BETWEEN = words(
    "a an the any some our their his her its my your in out up on off to of for another was were got been"
)
_PARTICLES = words("up in out off on ups ins outs")
_ACCOUNTS = words("account user profile")
_OPENED = words("create open register add")
_WHATEVER = words("something anything it one")
_AHEAD = words("who that had have has did ever was were been be also and")


_HELD: WeakKeyDictionary[CatalogueIndex, tuple[tuple[str, Column], ...]] = WeakKeyDictionary()


def deed_columns(index: CatalogueIndex) -> tuple[tuple[str, Column], ...]:
    """The columns whose values are deeds: their name says so, and most values have a verb in them."""
    held = _HELD.get(index)
    if held is None:
        held = _HELD[index] = tuple(_deed_columns(index))
    return held


def _deed_columns(index: CatalogueIndex) -> Iterator[tuple[str, Column]]:
    for table in index.catalogue.tables:
        for column in table.columns:
            if column_type(column.type).kind != "text" or not column.values_complete:
                continue
            if not 2 <= len(column.values) <= _MOST_VALUES or column.path_of is not None:
                continue
            parts = set(split_name(column.name))
            if not parts <= _KINDS or not parts & {
                "event",
                "action",
                "activity",
                "eventtype",
                "eventname",
                "type",
            }:
                continue
            acting = [
                v for v in column.values if any(told(part) or participle(part) for part in split_name(v))
            ]
            if 2 * len(acting) >= len(column.values):
                yield table.name, column


def stored_sessions(index: CatalogueIndex, table: str) -> str:
    """The event that tells the beginning of a session; empty where there is none."""
    for owner, column in deed_columns(index):
        for value in column.values:
            parts = split_name(value)
            if owner == table and "session" in parts and any(base_forms(part) & STARTING for part in parts):
                return value
    return ""


_COMPARED = (
    ("at", "least"),
    ("more", "than"),
    ("fewer", "than"),
    ("less", "than"),
    ("at", "most"),
    ("exactly",),
    (),
)


def repeated(spoken: Spoken) -> Iterator[Reading]:
    """`watched at least five ads`: a deed done a number of times."""
    columns = list(deed_columns(spoken.index))
    for start in range(len(spoken.tokens)) if columns else ():
        verb = spoken.words[start]
        lead = next((c for c in _COMPARED if tuple(spoken.words[start + 1 : start + 1 + len(c)]) == c), ())
        place = start + 1 + len(lead)
        if place + 1 >= len(spoken.tokens) or spoken.tokens[place].kind != "number":
            continue
        if not spoken.unknown(place + 1) or spoken.tokens[start].kind != "word":
            continue
        found = [
            (column.name, value)
            for _, column in columns
            for value in column.values
            if _both(verb, spoken.words[place + 1], list(split_name(value)))
        ]
        if len(found) == 1:
            column, value = found[0]
            many = " ".join(lead or ("exactly",))
            text = f'did "{value}" {many} {spoken.tokens[place].raw} times'
            said = spoken.text(start, place + 2)
            told = f"'{said}' was read as {column} '{value}' {many} {spoken.tokens[place].raw} times."
            yield Reading(start, place + 2, text, 0.06, told, "repeated")


def _both(verb: str, noun: str, parts: list[str]) -> bool:
    """Whether a verb and what it is done to are the two words of a value."""
    if len(parts) != 2:
        return False
    first = _match(verb, parts)
    if first is None:
        return False
    left = [part for part in parts if part != first[0]]
    return len(left) == 1 and _match(noun, left) is not None


def acts(spoken: Spoken, known: bool = False) -> Iterator[Reading]:
    """The deeds that the question's words act out, the longest from each place first; with `known` those of
    several words that each mean something as well."""
    columns = list(deed_columns(spoken.index))
    if not columns:
        return
    for start in range(len(spoken.tokens)):
        if spoken.tokens[start].kind != "word" or spoken.words[start] in _BETWEEN | _AHEAD:
            continue
        found: list[tuple[int, float, str, str, str]] = []
        for table, column in columns:
            for value in column.values:
                spelled = _spelled(spoken, start, value)
                if spelled is not None:
                    found.append((spelled[0], spelled[1], table, column.name, value))
        yield from _best(spoken, start, found, known)


def _best(
    spoken: Spoken, start: int, found: list[tuple[int, float, str, str, str]], known: bool
) -> Iterator[Reading]:
    if not found:
        return
    longest = max(end for end, *_ in found)
    found = sorted(f for f in found if f[0] == longest)
    cheapest = min(cost for _, cost, *_ in found)
    for end, cost, _, column, value in found:
        several = known and end > start + 1
        if cost > cheapest + 0.03 or not (several or any(spoken.unknown(p) for p in range(start, end))):
            continue
        said = spoken.text(start, end)
        extra = 0.0 if any(spoken.unknown(p) for p in range(start, end)) else 0.02
        yield Reading(
            start, end, f'"{value}"', cost + extra, f"'{said}' was read as {column} '{value}'.", "act"
        )


def commanded(spoken: Spoken) -> bool:
    """`cancel all orders`, `lend me a book`: tells somebody to do it, and asks nothing of what was done."""
    if len(spoken.words) < 2 or not told(spoken.words[0]) or base_forms(spoken.words[0]) != {spoken.words[0]}:
        return False
    return spoken.words[1] in _BETWEEN - _PARTICLES | {
        "all",
        "every",
        "each",
        "everything",
        "everybody",
        "everyone",
        "me",
        "us",
    }


def _spelled(spoken: Spoken, start: int, value: str) -> tuple[int, float] | None:
    """The end of the words from `start` on that act out a value, and what that costs."""
    parts = split_name(value)
    spelled = [_parts_said(spoken, start, list(parts))]
    paid = noun_bases(spoken.words[start]) & {"subscribe"}  # is more than an account
    if not paid and {*parts} & _ACCOUNTS and any(base_forms(part) & _OPENED for part in parts):
        spelled.append(_parts_said(spoken, start, ["signup"]))  # an account is created by signing up
    found = [one for one in spelled if one is not None]
    return max(found, key=lambda one: (one[0], -one[1])) if found else None


def _parts_said(spoken: Spoken, start: int, left: list[str]) -> tuple[int, float] | None:
    verbs = [part for part in left if told(part) or participle(part)]
    at, end, cost, used = start, start, 0.0, 0
    while at < len(spoken.tokens) and at - start < _LONGEST:
        word, size = spoken.words[at], 1
        match = None
        if at + 1 < len(spoken.words) and spoken.words[at + 1] in _PARTICLES:
            match = _phrasal(word, spoken.words[at + 1].rstrip("s"), left)
            size = 2 if match is not None else 1
        match = match or _match(word, left)
        if match is not None:
            part, price = match
            left.remove(part)
            cost += price
            used += 1
            at = end = at + size
            continue
        if used and (word in _WHATEVER or _software(word, left, verbs)):
            at = end = at + 1
            continue
        if not used or word not in _BETWEEN or spoken.tokens[at].kind != "word":
            break
        at += 1
    return _priced(spoken, start, end, left, cost) if used else None


def _phrasal(verb: str, particle: str, left: list[str]) -> tuple[str, float] | None:
    """`signed up`, `logged in`: a verb with its particle as one word."""
    for part in left:
        costs = [kin_cost(base + particle, part) for base in sorted(base_forms(verb))]
        known = [cost for cost in costs if cost is not None]
        if known:
            return part, min(known)
    return None


def _priced(spoken: Spoken, start: int, end: int, left: list[str], cost: float) -> tuple[int, float] | None:
    """What it costs to leave these words of a value unsaid; None where they would have to be said."""
    noun = not participle(spoken.words[start]) and not spoken.words[start].endswith("ing")
    for part in left:
        bases = base_forms(part)
        if part in ANY_OBJECT or (noun and bases & STARTING):
            cost += _UNSAID
        elif noun and bases & ENDING:
            cost += 2 * _UNSAID
        elif part in _BETWEEN or part in _PARTICLES:
            continue
        elif _only_one(spoken, start, part):
            cost += 2 * _UNSAID
        else:
            return None
    return end, round(cost, 3)


def _only_one(spoken: Spoken, start: int, unsaid: str) -> bool:
    """Whether what is said is found in one stored deed only, so that its object may go unsaid."""
    word = spoken.words[start]
    holding = [
        value
        for _, column in deed_columns(spoken.index)
        for value in column.values
        if any((cost := kin_cost(word, part)) is not None and cost < 0.05 for part in split_name(value))
    ]
    if len(holding) != 1 or unsaid not in split_name(holding[0]):
        return False
    done = [part for part in split_name(holding[0]) if participle(part)]
    return (not participle(unsaid) and bool(done)) or not told(unsaid)


def _match(word: str, left: list[str]) -> tuple[str, float] | None:
    """The part of a value that a word says, and what that costs."""
    best: tuple[float, str] | None = None
    for part in left:
        price = kin_cost(word, part)
        if (price is None and len(left) > 1) or (price is None and not told(part)):
            named = noun_cost(lemma(word), part)
            price = named if named is not None and named < 0.2 else None
        if price is not None and (best is None or price < best[0]):
            best = (price, part)
    return (best[1], best[0]) if best is not None else None


def _software(word: str, left: list[str], verbs: list[str]) -> bool:
    """`installed the game`: what is installed where the events name nothing else."""
    return lemma(word) in SOFTWARE and bool(verbs) and not left

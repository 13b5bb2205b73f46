"""What is asked of a log of events in ordinary words: new accounts, what gets viewed the most, when people
cook."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aidatalabs_services.agent.planner.units import unit_class
from aidatalabs_services.agent.planner.words import lemma, split_name

from .acts import deed_columns
from .deeds import STARTING, kin_cost
from .fillers import INCOME_WORDS
from .forms import base_forms, doer, done_by, plural, words
from .nouns import noun_cost
from .people import EVERYBODY
from .persons import actor_keys
from .readings import Reading, Spoken

_BEGUN = STARTING | words("register add join sign signup activate")
_WORTH = words("value amount price total revenue paid")
_ANYONE = r"(?:people|they|we|users|customers|visitors|members|players|readers|everyone|everybody)"
_NEW = re.compile(r"\bnew\s+(?P<noun>[a-z]{4,})\b", re.I)
_MOST_DONE = re.compile(
    r"\b(?:gets?|got|is|are|was|were)\s+(?P<verb>[a-z]{4,})\s+(?:the\s+)?(?P<most>most|least)\b(?:\s+often)?",
    re.I,
)
_INCOME = re.compile(rf"\b(?P<noun>[a-z]{{4,}})\s+(?:{'|'.join(sorted(INCOME_WORDS))})\b", re.I)
_TIME = re.compile(
    r"\b(?P<verb>[a-z]{4,}ing)\s+(?:times?|durations?)\b(?P<rest>.*?)(?P<unit>,?\s*\bin\s+"
    r"(?:seconds|minutes|hours)\b)?\s*\?*\s*$",
    re.I,
)
_DOING = re.compile(
    rf"^\s*what\s+(?:are|do|did|were|have)\s+(?:the\s+|our\s+)?{_ANYONE}\s+(?:been\s+)?(?P<verb>[a-z]{{4,}})"
    r"(?:\s+(?:for|at|to|on))?\s*[?.:;,-]+\s*(?:the\s+)?(?P<top>top\s+\d+)\s+(?P<what>[a-z]+)\s*\?*\s*$",
    re.I,
)
_WHEN = re.compile(
    r"\b(?:at\s+)?(?:what|which)\s+(?:time|hour)(?:\s+of\s+(?:the\s+)?day)?\s+(?:do|does|did)\s+(?:the\s+|our\s+)?"
    rf"{_ANYONE}\s+(?P<verb>[a-z]{{3,}})\s+(?:the\s+)?(?P<most>most|least)(?:\s+often)?\b",
    re.I,
)
_ENDED = re.compile(
    r"\b(?P<who>[a-z]{5,})\s+(?:(?:who|that)\s+)?(?:have\s+|has\s+)?(?P<verb>[a-z]{4,}ed)\b", re.I
)
_USING = re.compile(
    r"\b(?:uses?|used|using)\s+(?:the|our|this)\s+(?:app|site|website|platform|service|product|system|game)\b"
    r"(?=\s+(?:on|from|with|in|via)\b)",
    re.I,
)


def logged(spoken: Spoken) -> Iterator[Reading]:
    """The readings of questions about what was done, where stored deeds tell it."""
    if not deed_columns(spoken.index):
        return
    for rule in (_new, _most_done, _income, _time, _doing, _when, _ended, _using):
        yield from rule(spoken)


def _deeds(spoken: Spoken, word: str) -> list[tuple[str, str]]:
    """The stored deeds, with their tables, that a verb or its noun tells."""
    return [
        (table, value)
        for table, column in deed_columns(spoken.index)
        for value in column.values
        if any(kin_cost(word.casefold(), part) == 0.0 for part in split_name(value))
    ]


def _worth(spoken: Spoken, table: str) -> str:
    """The one number that the events of a table have; empty where there are several."""
    numbers = [
        column.name
        for column in spoken.index.tables[table].columns
        if spoken.index.role(table, column.name).kind == "measure"
    ]
    return numbers[0] if len(numbers) == 1 and {*split_name(numbers[0])} & _WORTH else ""


def _reading(spoken: Spoken, match: re.Match[str], text: str, cost: float, told: str) -> Iterator[Reading]:
    span = spoken.span_of(match.start(), match.end())
    if span is not None:
        yield Reading(*span, text, cost, f"'{match.group().strip(' ,?')}' was read as {told}.", "logged")


def _new(spoken: Spoken) -> Iterator[Reading]:
    """`new accounts`: what the event account_created brings about."""
    for match in _NEW.finditer(spoken.linked.question):
        noun = lemma(match["noun"].casefold())
        found = [
            value
            for _, column in deed_columns(spoken.index)
            for value in column.values
            for parts in (split_name(value),)
            if noun in parts and any(base_forms(part) & _BEGUN for part in parts if part != noun)
        ]
        if len(found) == 1:
            yield from _reading(spoken, match, f'"{found[0]}"', 0.04, f"'{found[0]}'")


def _most_done(spoken: Spoken) -> Iterator[Reading]:
    """`gets viewed the most`: has the most of the one event that the verb tells."""
    for match in _MOST_DONE.finditer(spoken.linked.question):
        found = _deeds(spoken, match["verb"])
        if len(found) == 1:
            text = f'has the {match["most"].casefold()} "{found[0][1]}"'
            yield from _reading(spoken, match, text, 0.04, f"the {match['most'].casefold()} '{found[0][1]}'")


def _income(spoken: Spoken) -> Iterator[Reading]:
    """`subscription revenue`: what the event that begins a subscription was worth."""
    for match in _INCOME.finditer(spoken.linked.question):
        noun = lemma(match["noun"].casefold())
        found = [
            (table, value)
            for table, value in _deeds(spoken, noun)
            if any(base_forms(part) & _BEGUN for part in split_name(value))
        ]
        column = _worth(spoken, found[0][0]) if len(found) == 1 else ""
        if column:
            table, value = found[0]
            text = f'total `{table}.{column}` of "{value}"'
            yield from _reading(spoken, match, text, 0.05, f"the total {column} of '{value}'")


def _time(spoken: Spoken) -> Iterator[Reading]:
    """`cooking time`: the number of the event that the verb tells, where events have one and its unit is
    asked for."""
    match = _TIME.search(spoken.linked.question)
    found = _deeds(spoken, match["verb"]) if match is not None else []
    column = _worth(spoken, found[0][0]) if len(found) == 1 else ""
    if match is None or not column or not match["unit"]:
        return
    table, value = found[0]
    unit = spoken.index.role(table, column).unit
    if unit and unit_class(unit) != "time":
        return
    span = spoken.span_of(match.start(), match.start("rest"))
    left = spoken.span_of(match.start("unit"), match.end("unit"))
    if span is None or left is None:
        return
    told = f"'{spoken.text(*span)}' was read as the {column} of '{value}'."
    yield Reading(*span, f'`{table}.{column}` of "{value}"', 0.06, told, "logged", (left,))


def _doing(spoken: Spoken) -> Iterator[Reading]:
    """`what are people searching for? top 3 terms`."""
    match = _DOING.search(spoken.linked.question)
    found = _deeds(spoken, match["verb"]) if match is not None else []
    if match is not None and len(found) == 1:
        text = f'{match["top"].casefold()} {match["what"]} by number of "{found[0][1]}"'
        yield from _reading(spoken, match, text, 0.04, f"the {text}")


def _when(spoken: Spoken) -> Iterator[Reading]:
    """`at what time of day do people cook most`: the hour with the most of the event."""
    for match in _WHEN.finditer(spoken.linked.question):
        found = _deeds(spoken, match["verb"])
        if len(found) == 1:
            most, value = match["most"].casefold(), found[0][1]
            text = f'which hour of day has the {most} "{value}"'
            yield from _reading(spoken, match, text, 0.04, f"the hour with the {most} '{value}'")


def _ended(spoken: Spoken) -> Iterator[Reading]:
    """`subscribers have cancelled`: whoever did the one event that both words tell."""
    keys = actor_keys(spoken.index)
    for match in _ENDED.finditer(spoken.linked.question) if len(keys) == 1 else ():
        table, key = keys[0]
        who = lemma(match["who"].casefold())
        found = [
            value
            for owner, value in _deeds(spoken, match["verb"])
            for parts in (split_name(value),)
            if owner == table and any(_whose(who, part) for part in parts)
        ]
        if len(found) == 1 and who not in EVERYBODY:
            noun = plural(split_name(key)[0])
            told = f"the different {key} with '{found[0]}'"
            yield from _reading(spoken, match, f'{noun} with "{found[0]}"', 0.05, told)


def _whose(who: str, part: str) -> bool:
    """`subscriber` of a subscription."""
    cost = noun_cost(who, part)
    near = cost is not None and cost < 0.2
    return doer(who) and (near or any(kin_cost(verb, part) is not None for verb in done_by(who)))


def _using(spoken: Spoken) -> Iterator[Reading]:
    """`use the app on a tablet` says no more than on a tablet."""
    for match in _USING.finditer(spoken.linked.question):
        span = spoken.span_of(match.start(), match.end())
        if span is not None:
            told = f"'{match.group()}' adds nothing here."
            yield Reading(*span, "", 0.04, told, "logged")

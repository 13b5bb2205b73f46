"""Amounts told by their unit: `how many tonnes of wheat`, `more than 30 hectares`, `price per kilo`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from aidatalabs_services.agent.planner.units import UNIT_WORDS
from aidatalabs_services.agent.planner.words import lemma, split_name

from .qualities import UNIT_NAMES
from .readings import Reading, Spoken

_NUMBER = r"(?P<number>\d+(?:[.,]\d+)?)"
_HOW_MANY = re.compile(
    r"\b(?:how\s+many|how\s+much|number\s+of)\s+(?P<unit>[a-z]+)\b(?P<of>\s+of\b)?"
    r"(?P<what>\s+[a-z]+)?(?P<done>\s+(?:(?:were|was|have|has|are)\s+(?:been\s+)?|(?:did|do|have)\s+we\s+)[a-z]+)?",
    re.I,
)
_MORE = re.compile(
    rf"\b(?:with|having|that\s+have|who\s+have|which\s+have|have|has)\s+(?P<way>(?:more|fewer|less)\s+than|over|under"
    rf"|at\s+least|at\s+most|up\s+to)\s+{_NUMBER}\s+(?P<unit>[a-z]+)\b(?:\s+of\s+(?:land|ground|area|space|weight|goods|stock))?",
    re.I,
)
_PER = re.compile(r"\b(?:per|an?)\s+(?P<unit>[a-z]+)\b", re.I)
_EXTREME = re.compile(
    r"\b(?P<way>largest|biggest|smallest|highest|lowest)\s+(?:single\s+)?(?P<thing>[a-z]+)\b(?P<rest>.*?)\s*,?\s*\bin\s+"
    r"(?P<unit>[a-z]+)\s*\?*\s*$",
    re.I,
)
_TWO_TIMES = re.compile(
    r"^\s*(?:did|do|have)\s+we\s+[a-z]+\s+(?:more|fewer|less)\s+(?P<unit>[a-z]+)\b(?P<of>.*?)\s+in\s+(?P<one>.+?)\s+than\s+"
    r"(?:in\s+)?(?P<other>.+?)\s*\?*\s*$",
    re.I,
)


def told_units(spoken: Spoken) -> Iterator[Reading]:
    """The readings of amounts that only their unit tells, where one number is stored in it."""
    for rule in (_how_many, _more, _per, _extreme, _two_times):
        yield from rule(spoken)


def unit_of(word: str) -> str:
    """The unit a word names, in any number; empty for other words."""
    word = word.casefold()
    return UNIT_NAMES.get(word) or UNIT_NAMES.get(lemma(word)) or UNIT_WORDS.get(lemma(word), "")


def _held_in(spoken: Spoken, unit: str) -> list[tuple[str, str]]:
    """The numbers that are stored in a unit and add up; those of the tables that are named, if any are."""
    index = spoken.index
    found = [
        (name, column.name)
        for name, table in index.tables.items()
        if name not in index.empty_tables
        for column in table.columns
        for role in (index.role(name, column.name),)
        if unit and role.kind == "measure" and "per" not in split_name(column.name)
        and (role.unit == unit or any(UNIT_WORDS.get(part) == unit for part in split_name(column.name)[-1:]))
    ]  # fmt: skip
    named = set(spoken.named_tables())
    return [one for one in found if one[0] in named] or found


def _how_many(spoken: Spoken) -> Iterator[Reading]:
    for match in _HOW_MANY.finditer(spoken.linked.question):
        found = _held_in(spoken, unit_of(match["unit"]))
        if len(found) != 1:
            continue
        end = match.end("of") if match["of"] else match.end("unit")
        span = spoken.span_of(match.start(), end)
        done = spoken.span_of(match.start("done"), match.end("done")) if match["done"] else None
        if span is None:
            continue
        table, column = found[0]
        of = " of" if match["of"] else ""
        told = f"'{spoken.text(*span)}' was read as the total {table}.{column}{of}."
        yield Reading(*span, f"total `{table}.{column}`{of}", 0.04, told, "unit", (done,) if done else ())


def _more(spoken: Spoken) -> Iterator[Reading]:
    for match in _MORE.finditer(spoken.linked.question):
        found = _held_in(spoken, unit_of(match["unit"]))
        span = spoken.span_of(match.start(), match.end())
        if len(found) != 1 or span is None:
            continue
        table, column = found[0]
        named = spoken.named_tables()
        total = "total " if table not in named[:1] else ""
        told = f"'{match.group()}' was read by the {total}{table}.{column}."
        way = " ".join(match["way"].casefold().split())
        text = f"with {total}`{table}.{column}` {way} {match['number']}"
        yield Reading(*span, text, 0.05, told, "unit")


def _per(spoken: Spoken) -> Iterator[Reading]:
    """`price per kilo` of price_per_kg."""
    for match in _PER.finditer(spoken.linked.question):
        unit = unit_of(match["unit"])
        span = spoken.span_of(match.start("unit"), match.end("unit"))
        words = {
            part
            for name, table in spoken.index.tables.items()
            for column in table.columns
            for parts in (split_name(column.name),)
            for before, part in pairwise(parts)
            if unit and before == "per" and UNIT_WORDS.get(part) == unit
        }
        if len(words) == 1 and span is not None and match["unit"].casefold() not in words:
            word = next(iter(words))
            told = f"'{match['unit']}' was read as {word}."
            yield Reading(span[0] - 1, span[1], f"per {word}", 0.04, told, "unit")


def _extreme(spoken: Spoken) -> Iterator[Reading]:
    """`largest single sale of potatoes in kg`: the highest number of one row."""
    match = _EXTREME.search(spoken.linked.question)
    found = _held_in(spoken, unit_of(match["unit"])) if match is not None else []
    if match is None or len(found) != 1:
        return
    table, column = found[0]
    span = spoken.span_of(match.start(), match.end("thing"))
    unit = spoken.span_of(match.end("rest"), match.end())
    if span is None or unit is None or lemma(match["thing"].casefold()) != split_name(table)[-1]:
        return
    way = "minimum" if match["way"].casefold() in ("smallest", "lowest") else "maximum"
    told = f"'{spoken.text(*span)}' was read as the {way} {table}.{column}."
    yield Reading(*span, f"{way} `{table}.{column}`", 0.05, told, "unit", (unit,))


def _two_times(spoken: Spoken) -> Iterator[Reading]:
    """`did we sell more kilos in April than in March`: the total of both."""
    match = _TWO_TIMES.match(spoken.linked.question)
    found = _held_in(spoken, unit_of(match["unit"])) if match is not None else []
    span = spoken.span_of(match.start(), match.end()) if match is not None else None
    if match is not None and span is not None and len(found) == 1:
        table, column = found[0]
        text = f"total `{table}.{column}`{match['of']} in {match['one']} versus {match['other']}"
        told = f"'{match['unit']}' was read as the total {table}.{column}."
        yield Reading(*span, text, 0.05, told, "unit")

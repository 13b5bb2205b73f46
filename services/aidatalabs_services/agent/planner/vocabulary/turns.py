"""Turns of speech about things and what belongs to them: what nobody has taken, what each of them earned."""

from __future__ import annotations

import re
from collections.abc import Iterator

from aidatalabs_services.agent.planner.catalogue import Column
from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.countries import aliases
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.roles import whole
from aidatalabs_services.agent.planner.units import UNIT_WORDS, unit_class
from aidatalabs_services.agent.planner.words import lemma, split_name

from .deeds import kin_cost
from .forms import base_forms, participle, words
from .qualities import MEASURING_VERBS
from .readings import Reading, Spoken

_ANY_DEED = words("take have use get do make choose pick try")
_PAID = words("paid amount revenue takings income")
_SPENT = words("refund refunded tax discount fee salary wage cost per")
_CONVERSE = {"buy": "sale", "purchase": "sale", "sell": "purchase", "lend": "loan", "borrow": "loan"}
_MOST_VALUES = 200
_EARLIEST, _LATEST = 1000, 2100
_MADE = words(
    "born birth found founded build built establish established open opened create created make made"
)
_RELATED = {"birth": "born", "born": "birth"}
_WAYS = {
    "before": "less than {}", "after": "more than {}", "since": "at least {}", "from": "at least {}",
    "until": "at most {}", "in": "exactly {}",
}  # fmt: skip
_NOBODY = re.compile(
    r"\b(?:has|have|had|did)\s+(?:nobody|no\s*one|no-one|none)\s+(?:ever\s+)?(?P<verb>[a-z]+)(?:\s+yet)?\b",
    re.I,
)
_NEVER = re.compile(
    r"\b(?:has|have|had)\s+(?:never|not|n't)\s+(?:ever\s+)?(?P<verb>[a-z]+)\s+(?:anything|something|any|one)\b(?:\s+yet)?"
    r"|\b(?:has|have|had)\s+never\s+been\s+(?P<passive>[a-z]+)\b",
    re.I,
)
_BORN = re.compile(
    r"\b(?P<verb>born|founded|built|established|opened|created|made)\s+(?P<way>before|after|since|from|until|in)\s+"
    r"(?P<year>1[5-9]\d\d|20\d\d)\b",
    re.I,
)
_OLDEST = re.compile(
    r"\b(?:is|are|was|were)\s+(?:the\s+)?(?:very\s+)?(?P<way>oldest|youngest|newest)\b"
    r"|\b(?:the\s+)?(?P<front>oldest|youngest|newest)\s+(?P<noun>[a-z]+)\b",
    re.I,
)
_EACH_EARNED = re.compile(
    r"^\s*(?:what|how\s+much)(?:\s+(?:money|revenue))?\s+(?:did|does|do|has|have)\s+(?:each|every)\s+(?P<thing>[a-z]+)\s+"
    r"(?:earn(?:ed)?|ma(?:k|d)e|bring|brought|yield(?:ed)?)(?:\s+(?:for\s+)?us\b)?"
    r"(?:\s+in(?=\s*(?:[?.]|$|in\b|last\b|this\b)))?",
    re.I,
)
_SOLD_TO = re.compile(
    r"^\s*how\s+much\s+(?:do|did|have|has)\s+we\s+(?P<verb>sell|sold)\s+(?:to|through|at|in|via)\s+(?:each|every)\s+",
    re.I,
)
_OWNED = re.compile(
    r"\b(?:of\s+|for\s+|per\s+)?(?:each|every)\s+(?P<owner>[a-z]+)(?:'|\u2019)s\s+(?P<thing>[a-z]+)\b", re.I
)
_BEST_FIRST = re.compile(r"\b(?P<way>best|worst)\s+first\b", re.I)
_GOOD = words("rating score grade mark revenue sales profit income star point")
_TOP = re.compile(
    r"\b(?P<top>(?:top|bottom)\s+(?:\d+|three|five|ten)\s+[a-z]+)\s+by\s+(?P<thing>[a-z]+)\b", re.I
)
_KIND = re.compile(r"\b(?P<column>[a-z]+)\s+of\s+(?:the\s+|an?\s+)?(?P<table>[a-z]+)\b", re.I)
_BEST_EACH = re.compile(
    r"^\s*(?:the\s+|which\s+is\s+the\s+)?(?P<way>best|top|worst)\s+(?P<thing>[a-z]+)\s+(?:of|in|for|per|from)\s+"
    r"(?:(?:each|every)\s+)?(?P<group>[a-z]+)\s+by\s+(?P<figure>[a-z]+)\b(?P<done>\s+[a-z]+ed)?",
    re.I,
)
_COST = re.compile(
    r"\b(?:and|with|,)\s+(?:what|how\s+much)\s+(?:they|it|each)\s+(?P<verb>costs?|weighs?)\b", re.I
)
_VERSUS = re.compile(
    r"^\s*(?P<one>[a-z]+)\s+(?:versus|vs\.?|against)\s+(?P<other>[a-z]+)\s*[:,-]\s*(?P<what>.+?)\s*\?*\s*$",
    re.I,
)
_BY_AMOUNT = re.compile(
    r"^\s*(?:what|which)\s+(?:percentage|share|percent|proportion|fraction|part)\s+of\s+(?:the\s+|our\s+|all\s+)?(?P<thing>[a-z]+)\s+"
    r"by\s+(?P<way>weight|mass|value|volume|area)\s+(?:is|are|was|were|has|have)\s+(?P<part>.+?)\s*\?*\s*$",
    re.I,
)
_FINISHED = re.compile(
    r"\b(?:who|that|which)\s+(?:have\s+)?(?P<verb>[a-z]+ed)\s+(?P<way>more\s+than|at\s+least|fewer\s+than|less\s+than"
    r"|at\s+most|exactly)\s+(?P<number>\d+)\s+(?P<thing>[a-z]+)\b",
    re.I,
)


def turns(spoken: Spoken) -> Iterator[Reading]:
    """The readings of such turns, where the tables and keys tell what they speak of."""
    rules = (
        _absent, _by_year, _oldest, _earned, _sold, _best_first, _counted, _kind, _best_of_each,
        _about, _costing, _finished, _versus, _by_amount,
    )  # fmt: skip
    for rule in rules:
        yield from rule(spoken)


def _reading(
    spoken: Spoken, match: re.Match[str], text: str, cost: float, told: str = ""
) -> Iterator[Reading]:
    span = spoken.span_of(match.start(), match.end())
    if span is not None:
        told = told or f"'{' '.join(match.group().split()).strip(' ,?')}' was read as '{text.strip()}'."
        yield Reading(*span, text, cost, told, "turn")


def table_of(spoken: Spoken, noun: str) -> str:
    """The table whose rows a noun names; empty where it names none or several."""
    return _table(spoken.index, noun)


def _table(index: CatalogueIndex, noun: str) -> str:
    said = lemma(noun.casefold())
    filled = [name for name in index.tables if name not in index.empty_tables]
    found = [name for name in filled if split_name(name)[-1] == said]
    return found[0] if len(found) == 1 else ""


def _absent(spoken: Spoken) -> Iterator[Reading]:
    """`which courses has nobody taken`, `buyers who have never bought anything`."""
    for match in (*_NOBODY.finditer(spoken.linked.question), *_NEVER.finditer(spoken.linked.question)):
        named = spoken.named_tables()
        groups = match.groupdict()
        verb = groups["verb"] or groups.get("passive") or ""
        if len(named) != 1 or not (participle(verb) or verb in _ANY_DEED):
            continue
        found = _acted_on(spoken, named[0], verb)
        if found:
            yield from _reading(spoken, match, f"have no `{found}`", 0.05)


def _acted_on(spoken: Spoken, table: str, verb: str) -> str:
    """The rows that refer to a thing and tell that somebody did this to it or with it."""
    referring = sorted(
        {e.table for e in spoken.index.edges if e.to_table == table} - spoken.index.empty_tables
    )
    bases = base_forms(verb.casefold())
    nouns = {verb, *(_CONVERSE[base] for base in bases if base in _CONVERSE)}
    kin = [t for t in referring if any(kin_cost(noun, split_name(t)[-1]) is not None for noun in nouns)]
    if len(kin) == 1:
        return kin[0]
    return referring[0] if len(referring) == 1 and bases & _ANY_DEED else ""


def _years(spoken: Spoken, verb: str) -> list[tuple[str, str]]:
    """The columns of the tables meant that tell the year in which something was done."""
    bases = base_forms(verb) | {_RELATED.get(verb, verb)}
    return [
        (name, column.name)
        for name in spoken.tables()
        for column in spoken.index.tables[name].columns
        for parts in (set(split_name(column.name)),)
        if column_type(column.type).kind == "integer" and _year_like(column.minimum, column.maximum)
        and any(base_forms(part) & bases for part in parts)
    ]  # fmt: skip


def _year_like(low: str | None, high: str | None) -> bool:
    first, last = whole(low), whole(high)
    return first is not None and last is not None and _EARLIEST <= first <= last <= _LATEST


def _by_year(spoken: Spoken) -> Iterator[Reading]:
    """`born before 1960` where the year is a number of its own."""
    for match in _BORN.finditer(spoken.linked.question):
        found = _years(spoken, match["verb"].casefold())
        if len(found) == 1:
            table, column = found[0]
            way = _WAYS[match["way"].casefold()].format(match["year"])
            told = f"'{match.group()}' was read as {table}.{column} {way}."
            yield from _reading(spoken, match, f"with `{table}.{column}` {way}", 0.05, told)


def _oldest(spoken: Spoken) -> Iterator[Reading]:
    """`which farm is the oldest` where only the year it was founded tells it."""
    for match in _OLDEST.finditer(spoken.linked.question):
        found = [
            (name, column.name)
            for name in spoken.named_tables()
            for column in spoken.index.tables[name].columns
            if column_type(column.type).kind == "integer" and _year_like(column.minimum, column.maximum)
            and set(split_name(column.name)) & _MADE
        ]  # fmt: skip
        if len(found) != 1:
            continue
        table, column = found[0]
        way = "lowest" if (match["way"] or match["front"]).casefold() == "oldest" else "highest"
        told = f"'{match.group()}' was read as the {way} {table}.{column}."
        if match["way"]:
            yield from _reading(spoken, match, f"has the {way} `{table}.{column}`", 0.05, told)
        elif table_of(spoken, match["noun"]) == table:
            yield from _reading(
                spoken, match, f"{match['noun']} with the {way} `{table}.{column}`", 0.05, told
            )


def _earned(spoken: Spoken) -> Iterator[Reading]:
    """`what did each topic earn us`."""
    for match in _EACH_EARNED.finditer(spoken.linked.question):
        paid = _paid_columns(spoken)
        figure = f"total `{paid[0][0]}.{paid[0][1]}`" if len(paid) == 1 else "total revenue"
        yield from _reading(spoken, match, f"{figure} per {match['thing']}", 0.05)


def _paid_columns(spoken: Spoken) -> list[tuple[str, str]]:
    """The columns of what was paid at a time, which is no list price."""
    index = spoken.index
    return [
        (name, column.name)
        for name, table in index.tables.items()
        if name not in index.empty_tables and index.time_columns(name)
        for column in table.columns
        for parts in (set(split_name(column.name)),)
        if index.role(name, column.name).kind == "measure" and parts & _PAID and not parts & _SPENT
    ]


def _sold(spoken: Spoken) -> Iterator[Reading]:
    """`how much did we sell to each buyer`: the money of it, or the one amount that sales have."""
    for match in _SOLD_TO.finditer(spoken.linked.question):
        sales = table_of(spoken, "sale")
        added = [
            column.name
            for column in (spoken.index.tables[sales].columns if sales else ())
            for role in (spoken.index.role(sales, column.name),)
            if role.kind == "measure" and role.additive and "per" not in split_name(column.name)
        ]
        figure = f"total `{sales}.{added[0]}`" if len(added) == 1 else "total revenue"
        yield from _reading(spoken, match, f"{figure} per ", 0.05)


def by_owner(question: str, index: CatalogueIndex) -> tuple[str, str]:
    """`the average rating of each teacher's courses` put as by teacher, where courses are theirs, and a
    sentence on it; the same and nothing where nothing is said so."""
    for match in _OWNED.finditer(question):
        owner, thing = _table(index, match["owner"]), _table(index, match["thing"])
        if owner and any(e.table == thing and e.to_table == owner for e in index.edges):
            plain = f"per {match['owner']}"
            told = f"'{match.group().strip()}' was read as {plain}."
            return question[: match.start()] + plain + question[match.end() :], told
    return question, ""


def _best_first(spoken: Spoken) -> Iterator[Reading]:
    """`best first`, of a figure of which more is better."""
    if not set(spoken.lemmas) & _GOOD:
        return
    for match in _BEST_FIRST.finditer(spoken.linked.question):
        way = "highest" if match["way"].casefold() == "best" else "lowest"
        yield from _reading(spoken, match, f"{way} first", 0.02)


def _counted(spoken: Spoken) -> Iterator[Reading]:
    """`top 5 courses by enrolments`."""
    for match in _TOP.finditer(spoken.linked.question):
        if match["thing"].endswith("s") and table_of(spoken, match["thing"]):
            yield from _reading(spoken, match, f"{match['top']} by number of {match['thing']}", 0.04)


def _kind(spoken: Spoken) -> Iterator[Reading]:
    """`kind of buyer` is the column kind of buyers."""
    for match in _KIND.finditer(spoken.linked.question):
        table, said = table_of(spoken, match["table"]), lemma(match["column"].casefold())
        columns = spoken.index.tables[table].columns if table else ()
        found = [c.name for c in columns if split_name(c.name) == (said,)]
        if len(found) == 1 and match["table"] == lemma(match["table"]):
            told = f"'{match.group()}' was read as {table}.{found[0]}."
            yield from _reading(spoken, match, f"`{table}.{found[0]}`", 0.05, told)


def _best_of_each(spoken: Spoken) -> Iterator[Reading]:
    """`the best farm of each village by tonnes harvested`: the one with the highest total."""
    for match in _BEST_EACH.finditer(spoken.linked.question):
        way = "lowest" if match["way"].casefold() == "worst" else "highest"
        figure = match["figure"].casefold()
        added = [
            (name, c.name)
            for name, table in spoken.index.tables.items()
            for c in table.columns
            if split_name(c.name) == (lemma(figure),) and spoken.index.role(name, c.name).additive
        ]
        if len(added) == 1:
            told = f"the total `{added[0][0]}.{added[0][1]}`"
            text = f"which {match['thing']} has the {way} {told[4:]} in each {match['group']}"
            yield from _reading(spoken, match, text, 0.05)


def _about(spoken: Spoken) -> Iterator[Reading]:
    """`courses about cooking`: a value that things have."""
    for place, word in enumerate(spoken.words[:-1]):
        item = spoken.items.get(place + 1)
        if word in ("about", "on") and place and item is not None and item.kind == "value":
            yield Reading(place, place + 1, "with", 0.05, f"'{word}' was read as 'with'.", "turn")


def _costing(spoken: Spoken) -> Iterator[Reading]:
    """`and what they cost`: their price."""
    for match in _COST.finditer(spoken.linked.question):
        verb = match["verb"].casefold().removesuffix("s")
        held = MEASURING_VERBS.get(verb, ())
        found = [
            (name, column.name)
            for name in spoken.named_tables()
            for column in spoken.index.tables[name].columns
            if spoken.index.role(name, column.name).kind == "measure"
            and set(split_name(column.name)) & set(held)
        ]
        if len(found) == 1:
            yield from _reading(spoken, match, f"and their `{found[0][0]}.{found[0][1]}`", 0.05)


def _finished(spoken: Spoken) -> Iterator[Reading]:
    """`who finished more than 3 courses`: so many rows of what lies between, with the time of its end."""
    for match in _FINISHED.finditer(spoken.linked.question):
        thing = table_of(spoken, match["thing"])
        named = [name for name in spoken.named_tables() if name != thing]
        if not thing or len(named) != 1:
            continue
        found = [
            (name, column.name)
            for name, table in spoken.index.tables.items()
            if {thing, named[0]} <= {e.to_table for e in spoken.index.edges if e.table == name}
            for column in table.columns
            if column_type(column.type).temporal and column_type(column.type).nullable
            and any(kin_cost(match["verb"], part) is not None for part in split_name(column.name))
        ]  # fmt: skip
        if len(found) == 1:
            table_name, column_name = found[0]
            many = f"{' '.join(match['way'].split())} {match['number']}"
            text = f"with {many} `{table_name}` where `{table_name}.{column_name}` is known"
            told = f"'{match.group()}' was read as {many} {table_name} with a {column_name}."
            yield from _reading(spoken, match, text, 0.05, told)


def _versus(spoken: Spoken) -> Iterator[Reading]:
    """`Swedes versus Kenyans: number of orders`: the figure for two values of one column."""
    match = _VERSUS.match(spoken.linked.question)
    if match is None:
        return
    found = []
    for name, table in spoken.index.tables.items():
        for column in table.columns:
            if column.values_complete and len(column.values) <= _MOST_VALUES:
                one, other = (_value(column, match[side].casefold()) for side in ("one", "other"))
                if one and other and one != other:
                    found.append((name, column.name, one, other))
    if len(found) == 1:
        table_name, column_name, one, other = found[0]
        said = column_name if "." in column_name else f"{table_name}.{column_name}"
        text = f'{match["what"]} where `{said}` is "{one}" or "{other}" by `{said}`'
        yield from _reading(spoken, match, text, 0.06)


def _value(column: Column, said: str) -> str:
    """The value that a word, or the people of a country, stand for; empty where there is none."""
    called = aliases(split_name(column.name.split(".")[-1]), column.values)
    singular = lemma(said)
    found = [
        value
        for value in column.values
        if value.casefold() in (said, singular) or {said, singular} & set(called.get(value, ()))
    ]
    return found[0] if len(found) == 1 else ""


def _by_amount(spoken: Spoken) -> Iterator[Reading]:
    """`what percentage of the harvest by weight is grade A`: a part of a sum."""
    match = _BY_AMOUNT.match(spoken.linked.question)
    table = table_of(spoken, match["thing"]) if match is not None else ""
    if match is None or not table:
        return
    way = match["way"].casefold()
    way = "weight" if way == "mass" else way
    found = [
        column.name
        for column in spoken.index.tables[table].columns
        for role in (spoken.index.role(table, column.name),)
        for unit in (role.unit or UNIT_WORDS.get(split_name(column.name)[-1], ""),)
        if role.kind == "measure" and role.additive and "per" not in split_name(column.name)
        and (way in split_name(column.name) or unit_class(unit) == way)
    ]  # fmt: skip
    if len(found) == 1:
        figure = f"total `{table}.{found[0]}`"
        yield from _reading(spoken, match, f"ratio of {figure} with {match['part']} to {figure}", 0.05)

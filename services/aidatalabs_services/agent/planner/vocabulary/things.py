"""Unknown nouns, qualities and small words of a question, as names that the data has."""

from __future__ import annotations

from collections.abc import Iterator

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.lexicon import QUANTITIES
from aidatalabs_services.agent.planner.units import UNIT_WORDS
from aidatalabs_services.agent.planner.words import lemma, split_name

from .deeds import kin_cost, told
from .fillers import CLASS_WORDS, EMPTY, INCOME_WORDS, MONDAY_FIRST, NOTHING, PLAINER
from .forms import base_forms, participle, plural, words
from .nouns import COMPOUND, is_compound_of, noun_cost
from .qualities import MEASURING_VERBS, OWN_FRONTS, QUALITIES, UNIT_NAMES, VERBS_OF_VALUES, WORTH_LEADS
from .readings import ARTICLES, Reading, Spoken

_ACTED = 0.15
_FIGURED = words("total average mean median highest lowest maximum minimum sum of gross net")
_BORN = words("birth born birthday birthdate dob founded built established")
_MOST = frozenset(("most", "least"))


def nouns(spoken: Spoken) -> Iterator[Reading]:
    """Unknown nouns by the thesaurus, and as the end of a table's name that is written as one."""
    tables = {part for name in spoken.index.tables for part in split_name(name)[-1:]}
    for place, said in enumerate(spoken.lemmas):
        if not spoken.unknown(place):
            continue
        for part in spoken.index.names.words:
            cost = noun_cost(said, part)
            if cost is None and part in tables and is_compound_of(part, said):
                cost = COMPOUND
            many = spoken.words[place] != said
            if cost is None and many and part in tables and kin_cost(spoken.words[place], part) is not None:
                cost = _ACTED  # the streams of `plays`
            if cost is None or not _noun_like(spoken, place):
                continue
            word = plural(part) if many else part
            if said in INCOME_WORDS and _a_rate(spoken, part):
                continue  # prices per kilo do not add up to a revenue
            if part in QUANTITIES:
                word = _exactly(spoken, part)
                if not word:
                    continue
            if said in INCOME_WORDS and not (place and spoken.words[place - 1] in _FIGURED):
                word = f"total {word}"
            said_so = f"'{spoken.tokens[place].raw}' was read as '{word}'."
            yield Reading(place, place + 1, word, cost, said_so, "noun")


def _a_rate(spoken: Spoken, part: str) -> bool:
    """Whether a word is only that of rates here: the price of price_per_kg."""
    named = [
        set(split_name(column.name))
        for table in spoken.index.tables.values()
        for column in table.columns
        if part in split_name(column.name)
    ]
    return bool(named) and all("per" in parts for parts in named)


def _exactly(spoken: Spoken, part: str) -> str:
    """The one column that ends in a word for any number, such as `amount`, by its full name; else nothing."""
    found = [
        f"`{name}.{column.name}`"
        for name, table in spoken.index.tables.items()
        if name not in spoken.index.empty_tables
        for column in table.columns
        if split_name(column.name)[-1:] == (part,) and column.path_of is None
    ]
    return found[0] if len(found) == 1 else ""


def _noun_like(spoken: Spoken, place: int) -> bool:
    """`streams per device`, not `streamed`: forms of verbs alone are no things."""
    word = spoken.words[place]
    return not word.endswith("ed") or word in ("seed", "feed", "need", "speed", "breed")


def qualities(spoken: Spoken) -> Iterator[Reading]:
    """`most valuable work` is the work with the highest value, `weigh` is to have a weight."""
    for place, word in enumerate(spoken.words):
        if word in QUALITIES and place and spoken.words[place - 1] in _MOST:
            yield from _superlative(spoken, place - 1, place + 1, word, spoken.words[place - 1] == "most")
            continue
        adjective, upwards = _inflected(word)
        if adjective and upwards is not None:
            yield from _superlative(spoken, place, place + 1, adjective, upwards)
            continue
        if spoken.unknown(place):
            yield from _measuring(spoken, place)


def verbs(spoken: Spoken) -> Iterator[Reading]:
    """Unknown verbs: `quit` as the verb of cancelled_on, `listened to jazz` as having plays of it."""
    times: dict[str, set[str]] = {}
    for name, table in spoken.index.tables.items():
        if name in spoken.index.empty_tables:
            continue
        for column in table.columns:
            if column_type(column.type).temporal:
                for part in split_name(column.name):
                    if participle(part):
                        times.setdefault(part, set()).add(name)
    for place, word in enumerate(spoken.words):
        if not (spoken.unknown(place) or word == "left") or not told(word):
            continue
        for part, tables in sorted(times.items()):
            cost = kin_cost(word, part)
            if cost is not None and len(tables) == 1 and (participle(word) or word == "quit"):
                told_so = f"'{spoken.tokens[place].raw}' was read as '{part}'."
                yield Reading(place, place + 1, part, 0.06 + cost, told_so, "verb")
        yield from _related(spoken, place)


def _related(spoken: Spoken, place: int) -> Iterator[Reading]:
    """A verb whose noun is a table: who `listened to jazz` has plays of jazz."""
    word = spoken.words[place]
    found = [
        name
        for name in spoken.index.tables
        for last in split_name(name)[-1:]
        if name not in spoken.index.empty_tables and kin_cost(word, last) is not None
    ]
    if len(found) != 1 or not participle(word):
        return
    end = place + 1
    if end < len(spoken.words) and spoken.words[end] in ("to", "at", "in"):
        end += 1
    item = spoken.items.get(end)
    with_value = " with" if item is not None and item.kind == "value" else ""
    end = end if with_value else place + 1
    told_so = f"'{spoken.text(place, end)}' was read as having {found[0]}."
    yield Reading(place, end, f"have `{found[0]}`{with_value}", 0.14, told_so, "verb")


def ages(spoken: Spoken) -> Iterator[Reading]:
    """`the youngest student` where only a date of birth tells it."""
    for place, word in enumerate(spoken.words):
        if word not in ("youngest", "oldest"):
            continue
        born = [
            (name, column.name)
            for name in _noun_table(spoken, place + 1)
            for column in spoken.index.tables[name].columns
            if column_type(column.type).temporal and {*split_name(column.name)} & _BORN
        ]
        noun = spoken.items.get(place + 1)
        if len(born) != 1 or noun is None:
            continue
        table, column_name = born[0]
        way = "latest" if word == "youngest" else "earliest"
        called = spoken.text(place + 1, noun.end) if noun.kind == "name" else f"`{table}`"
        told_so = f"'{word}' was read as the {way} {table}.{column_name}."
        text = f"{called} with the {way} `{table}.{column_name}`"
        yield Reading(place, noun.end, text, 0.1, told_so, "age")


def _inflected(word: str) -> tuple[str, bool | None]:
    """The adjective of a superlative of one word, and True; nothing for other words."""
    if not word.endswith("est"):
        return "", None
    stem = word[:-3]
    for base in (stem, stem + "e", stem[:-1] + "y" if stem.endswith("i") else stem, stem[:-1]):
        if base in QUALITIES:
            return base, True
    return "", None


def _superlative(spoken: Spoken, start: int, end: int, adjective: str, most: bool) -> Iterator[Reading]:
    highest, parts = QUALITIES[adjective]
    column = _column_of(spoken, parts, _noun_table(spoken, end))
    if column is None:
        return
    way = "highest" if highest == most else "lowest"
    noun = spoken.items.get(end)
    said_so = f"'{spoken.text(start, end)}' was read as the {way} {column[0]}.{column[1]}."
    named = f"{way} `{column[0]}.{column[1]}`"
    meant = _noun_table(spoken, end)
    if noun is not None and (noun.kind == "name" or (spoken.unknown(end) and len(meant) == 1)):
        called = spoken.text(end, noun.end) if noun.kind == "name" else f"`{meant[0]}`"
        text = f"{called} with the {named}"
        yield Reading(start, noun.end, text, 0.12, said_so, "quality")
    elif start and spoken.words[start - 1] in ("is", "are", "was", "were", "the"):
        yield Reading(start, end, f"with the {named}", 0.16, said_so, "quality")


def _noun_table(spoken: Spoken, place: int) -> tuple[str, ...]:
    """The table that the word behind a quality names, in its own words or by the thesaurus."""
    item = spoken.items.get(place)
    if item is None:
        return ()
    if item.kind == "name":
        return tuple(dict.fromkeys(c.table for c in item.candidates if c.kind == "table" and c.cost < 0.3))
    said = spoken.lemmas[place]
    return tuple(
        name
        for name in spoken.index.tables
        for last in split_name(name)[-1:]
        if (noun_cost(said, last) or 9.0) < 0.2 or is_compound_of(last, said)
    )


def _column_of(spoken: Spoken, parts: tuple[str, ...], tables: tuple[str, ...]) -> tuple[str, str] | None:
    """The one column of the tables that holds such a number, by the likeliest of the words that fits any."""
    for part in parts:
        found = [
            (name, column.name)
            for name in tables or spoken.tables()
            for column in spoken.index.tables[name].columns
            if column_type(column.type).numeric
            and spoken.index.role(name, column.name).kind in ("measure", "dimension", "other")
            and part in _heads(column.name)
            and _its_own(name, column.name, part)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _its_own(table: str, column: str, part: str) -> bool:
    """Whether a number is the row's own: `purchase_value`, `bag_weight`, not the value of its shipping."""
    parts = {*split_name(column.split(".", 1)[-1])} - {part}
    return parts <= OWN_FRONTS | {*UNIT_WORDS, *split_name(table)}


def _heads(name: str) -> set[str]:
    """The words that say what a column holds, without its unit: `weight` of weight_kg."""
    parts = split_name(name.split(".", 1)[-1])
    cut = parts
    while len(cut) > 1 and cut[-1] in UNIT_WORDS:
        cut = cut[:-1]
    return {parts[-1], cut[-1]}


def _measuring(spoken: Spoken, place: int) -> Iterator[Reading]:
    """`parcels that weigh more than 4 kg`, `works worth more than 1000`."""
    verb = next((b for b in sorted(base_forms(spoken.words[place])) if b in MEASURING_VERBS), "")
    behind = spoken.words[place + 1] if place + 1 < len(spoken.words) else ""
    counted = place + 1 < len(spoken.tokens) and spoken.tokens[place + 1].kind == "number"
    if not verb or not (behind in WORTH_LEADS or counted):
        return
    column = _column_of(spoken, MEASURING_VERBS[verb], ())
    if column is None:
        return
    said_so = f"'{spoken.tokens[place].raw}' was read as {column[0]}.{column[1]}."
    before = spoken.words[place - 1] if place else ""
    lead = "have" if before in ("that", "which", "who") else "with"
    exact = " exactly" if counted else ""
    yield Reading(place, place + 1, f"{lead} `{column[0]}.{column[1]}`{exact}", 0.12, said_so, "measuring")


def small(spoken: Spoken) -> Iterator[Reading]:
    """Words and phrases that add nothing, or say something plainer."""
    question = spoken.linked.question
    for pattern in (EMPTY, MONDAY_FIRST):
        if pattern is MONDAY_FIRST and not {"weekday", "weekdays"} & set(spoken.words):
            continue
        for match in pattern.finditer(question):
            span = spoken.span_of(match.start(), match.end())
            if span is not None:
                yield Reading(*span, "", 0.02, f"'{match.group().strip(' ,')}' adds nothing here.", "filler")
    for pattern, plain in PLAINER:
        for match in pattern.finditer(question):
            span = spoken.span_of(match.start(), match.end())
            if span is not None:
                text = match.expand(plain)
                yield Reading(*span, text, 0.04, f"'{match.group()}' was read as '{text}'.", "plain")
    yield from _kinds(spoken)
    yield from _values_had(spoken)
    yield from _units(spoken)


def _kinds(spoken: Spoken) -> Iterator[Reading]:
    """`vehicle class`, `postage income`: a word behind a name that adds nothing to it."""
    for place in range(1, len(spoken.tokens)):
        item = spoken.items.get(place - 1)
        if not spoken.unknown(place) or item is None or item.kind != "name" or item.end != place:
            continue
        columns = [c for c in item.candidates if c.kind == "column" and c.cost < 0.3]
        roles = {spoken.index.role(c.table, c.column).kind for c in columns}
        said = spoken.text(item.start, place + 1)
        if spoken.lemmas[place] in CLASS_WORDS and roles & {"dimension", "label"}:
            yield Reading(place, place + 1, "", 0.06, f"'{said}' was read as '{item.text}'.", "kind")
        if spoken.words[place] in INCOME_WORDS and "measure" in roles:
            total = "" if item.start and spoken.words[item.start - 1] == "total" else "total "
            text = f"{total}{spoken.text(item.start, place)}"
            yield Reading(item.start, place + 1, text, 0.08, f"'{said}' was read as '{text}'.", "income")


def _values_had(spoken: Spoken) -> Iterator[Reading]:
    """`couriers who ride a cargo bike`: the verb of a value says no more than which column it is of."""
    for place in range(len(spoken.tokens)):
        if not spoken.unknown(place):
            continue
        verb = next((b for b in sorted(base_forms(spoken.words[place])) if b in VERBS_OF_VALUES), "")
        at = place + 1
        while at < len(spoken.words) and (
            spoken.words[at] in ARTICLES or spoken.words[at] in ("in", "at", "with", "by", "from")
        ):
            at += 1
        item = spoken.items.get(at)
        if not verb or item is None or item.kind != "value":
            continue
        words = set(VERBS_OF_VALUES[verb])
        if not any(words & {*split_name(c.column), *split_name(c.table)} for c in item.candidates):
            continue
        start = place - 1 if place and spoken.words[place - 1] in ("who", "that", "which") else place
        yield Reading(start, at, "with", 0.05, f"'{spoken.text(start, at)}' was read as 'with'.", "having")


def _units(spoken: Spoken) -> Iterator[Reading]:
    """`in kilos` behind a number that is stored in kilograms anyway."""
    for place in range(1, len(spoken.tokens)):
        unit = UNIT_NAMES.get(lemma(spoken.words[place]))
        if unit is None or spoken.words[place - 1] != "in" or not spoken.unknown(place):
            continue
        held = sorted({
            word
            for table in spoken.tables()
            for column in spoken.index.tables[table].columns
            if spoken.index.role(table, column.name).unit == unit
            for word in split_name(column.name)[-1:]
            if UNIT_WORDS.get(word) == unit
        })  # fmt: skip
        if held:
            said_so = f"'{spoken.text(place - 1, place + 1)}' is the unit it is stored in."
            yield Reading(place - 1, place + 1, f"in {held[0]}", 0.04, said_so, "unit")


def nothing(spoken: Spoken) -> Iterator[Reading]:
    """`rooms with nothing in them`: rooms without rows of the one table that refers to them."""
    for match in NOTHING.finditer(spoken.linked.question):
        span = spoken.span_of(match.start(), match.end())
        before = [] if span is None else [
            table for table in spoken.named_tables()
            if any(p < span[0] and any(c.kind == "table" and c.table == table for c in i.candidates)
                   for p, i in spoken.items.items())
        ]  # fmt: skip
        if span is None or len(before) != 1:
            continue
        referring = {edge.table for edge in spoken.index.edges if edge.to_table == before[0]}
        if len(referring) == 1:
            table = next(iter(referring))
            said_so = f"'{match.group()}' was read as without any of {table}."
            yield Reading(*span, f"have no `{table}`", 0.1, said_so, "nothing")

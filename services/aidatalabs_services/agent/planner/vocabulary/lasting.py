"""States and lengths of time in the words of a question: `still on their way`, `how long does it last`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from weakref import WeakKeyDictionary

from aidatalabs_services.agent.planner.columntypes import column_type
from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.words import lemma, split_name

from .deeds import kin_cost
from .durations import Pair, breaks_off, open_ends, pairs_of, verbs_of
from .forms import participle, words
from .nouns import noun_cost
from .readings import Reading, Spoken
from .states import CLOSED_STATES, NOW, OPEN_STATES

_LONGEST = max(len(phrase.split()) for phrase in (*OPEN_STATES, *CLOSED_STATES))
_LINKS = words("is are was were be been who that which")
_GENERIC = words(
    """
    turnaround processing handling lead cycle completion total waiting throughput elapsed
    """
)
_WAITING = frozenset(("waiting", "wait", "queue"))
_STAYS = frozenset(("stay", "stays", "visit", "visits"))
_LEAVING = words("leave depart discharge exit checkout")
_COMING = words("arrive admit enter check checkin start begin")
_ANYONE = words(
    "it we they you people customers users clients someone somebody one guests readers members"
) | {""}
_UNIT = r"(?P<unit>second|minute|hour|day|week)s?"
_IN_UNIT = re.compile(rf",?\s*\b(?:measured\s+|expressed\s+)?in\s+(?:whole\s+)?{_UNIT}\b", re.I)
_ON_AVERAGE = re.compile(r"\b(?:on\s+average|typically|usually)\b\s*,?", re.I)
_NOUN_TIME = re.compile(r"\b(?P<noun>[a-z]{4,})\s+(?:times?|durations?|periods?|lengths?)\b", re.I)
_LENGTH_OF = re.compile(
    r"\b(?:length|duration)\s+of\s+(?:the\s+|an?\s+|our\s+|each\s+)?(?P<noun>[a-z]{4,})\b", re.I
)
_TIME_TO = re.compile(
    r"\btime\s+(?:it\s+takes\s+)?(?:to|until)\s+(?:the\s+)?(?:first\s+)?(?:be\s+|get\s+)?(?P<noun>[a-z]{4,})\b",
    re.I,
)
_AVERAGED = re.compile(
    r"\b(?P<fn>average|mean|median|typical|usual)\s+(?P<noun>stay|visit|call|outage|trip|ride|rental|session|journey|shift"
    r"|conversation|wait)\b(?!\s+(?:time|duration|length|value|price|cost|fee|rating|amount))",
    re.I,
)
_KEPT = re.compile(
    r"\btime\s+(?:that\s+)?(?:an?|the|each)\s+(?P<thing>[a-z]+)\s+(?:is|are|was|were)\s+(?P<noun>kept|lent|rented|open|out)\b(?:\s+out)?",
    re.I,
)
_BETWEEN = re.compile(
    r"\b(?:time|period|delay|gap)\s+(?:between|from)\s+(?:the\s+|an?\s+)?(?P<first>[a-z]{4,})\s+(?:and|to|until)\s+"
    r"(?:the\s+|being\s+)?(?P<noun>[a-z]{4,})\b",
    re.I,
)
_HOW_LONG = re.compile(
    r"\bhow\s+long\s+(?:on\s+average\s+)?(?:does|do|did|is|are|was|were)\s+(?:an?\s+|the\s+|our\s+)?(?P<thing>[a-z]+)\s+"
    r"(?:(?:typically|usually|on\s+average)\s+)?(?P<verb>last|take|stay|run|remain|kept|lent|open|keep|borrow|rent|hold)\b"
    r"(?:\s+(?:to|until|before)\s+(?:be\s+|being\s+|get\s+)?(?P<noun>[a-z]{3,})(?:\s+(?:an?|the)\s+(?P<object>[a-z]+))?)?"
    r"(?:\s+(?:for|out)(?=\W|$))?(?:\s+(?:an?|the|their)\s+(?P<kept>[a-z]+)(?=\s+(?:for|on)\b|\W*$))?",
    re.I,
)
_UNTIL = re.compile(
    r"\bhow\s+(?:long|many\s+(?P<unit>second|minute|hour|day|week)s)\s+(?:does\s+it\s+take\s+|is\s+it\s+|pass\s+)?"
    r"(?:until|till|before)\s+(?:an?\s+|the\s+|our\s+)?(?P<thing>[a-z]+)\s+(?:is|are|gets?|was|were)\s+(?P<noun>[a-z]{3,})\b",
    re.I,
)
_TAKE_PEOPLE = re.compile(
    r"\bhow\s+long\s+(?:does|did)\s+it\s+(?:typically\s+|usually\s+)?take\s+(?:for\s+)?(?:people|users|customers|us|them|someone"
    r"|somebody|(?:an?\s+|the\s+|our\s+)?[a-z]+)\s+to\s+(?P<noun>[a-z]{3,})\s+(?:an?|the|their)\s+(?P<thing>[a-z]+)\b",
    re.I,
)
_NUMBER = r"(?P<number>\d+(?:\.\d+)?|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty)"
_WITHIN = re.compile(
    rf"\b(?:(?:that|which|who)\s+)?(?:(?:is|are|was|were|got)\s+)?(?P<noun>[a-z]+(?:ed|en|ent|ed\s+out|back))\s+(?P<way>within|in\s+under|in\s+less\s+than)\s+"
    rf"{_NUMBER}\s+{_UNIT}\b",
    re.I,
)
_TOOK = re.compile(
    r"\b(?:(?:that|which|who)\s+)?(?:took|take|takes|lasted|last|lasts|stayed|stay|stays|ran|lasting|staying|taking)\s+"
    r"(?:for\s+)?(?P<way>more\s+than|longer\s+than|over|at\s+least|less\s+than|shorter\s+than|under|at\s+most|up\s+to)\s+"
    rf"{_NUMBER}\s+{_UNIT}\b(?:\s+to\s+(?:be\s+)?(?P<noun>[a-z]{{4,}}))?",
    re.I,
)
_LONGER = re.compile(rf"\b(?P<way>longer|shorter)\s+than\s+{_NUMBER}\s+{_UNIT}\b", re.I)
_OVER = re.compile(
    rf"\b(?P<noun>stays?|visits?|calls?|outages?|trips?|rides?|rentals?|sessions?|loans?|shifts?|consultations?|appointments?|conversations?)\s+(?:of\s+)?"
    rf"(?P<way>over|under|more\s+than|less\s+than|longer\s+than|shorter\s+than|at\s+least|at\s+most)\s+{_NUMBER}\s+{_UNIT}\b",
    re.I,
)
_EXTREME = re.compile(r"\b(?P<way>longest|shortest|slowest|fastest|quickest)\s+(?P<noun>[a-z]{4,})\b", re.I)
_NOT_YET = re.compile(
    r"\b(?:(?:that|which|who)\s+)?(?:(?:is|are|was|were|has|have|had)\s+)?(?:still\s+)?(?:(?:not\s+(?:yet\s+)?(?:been\s+)?"
    r"|never\s+been\s+|yet\s+to\s+be\s+)(?P<verb>[a-z]{3,}(?:ed|[^s\W]))(?:\s+yet)?|un(?P<bare>paid|sold|sent|[a-z]{3,}ed))\b",
    re.I,
)
_WAYS = {
    "within": "at most", "in under": "less than", "in less than": "less than", "more than": "more than",
    "longer than": "more than", "over": "more than", "at least": "at least", "less than": "less than",
    "shorter than": "less than", "under": "less than", "at most": "at most", "up to": "at most",
    "longer": "more than", "shorter": "less than",
}  # fmt: skip


def states(spoken: Spoken) -> Iterator[Reading]:
    """Phrases that say that something has, or has not, come to its end."""
    taken = -1
    for start in range(len(spoken.tokens)):
        for end in range(min(len(spoken.tokens), start + _LONGEST), start, -1):
            phrase = " ".join(spoken.words[start:end])
            table = OPEN_STATES if phrase in OPEN_STATES else CLOSED_STATES
            if phrase not in table or start < taken or _stored(spoken, start, end):
                continue
            readings = list(_state(spoken, start, end, table[phrase], table is OPEN_STATES))
            if readings:
                yield from readings
                taken = end
                break


def not_yet(spoken: Spoken) -> Iterator[Reading]:
    """`that have not been paid yet`, `still unfinished`: by any verb that the end of rows goes by."""
    named = spoken.named_tables()
    for match in _NOT_YET.finditer(spoken.linked.question):
        verb = (match["verb"] or match["bare"]).casefold()
        span = spoken.span_of(match.start(), match.end())
        if span is None or not participle(verb) or _stored(spoken, *span):
            continue
        ends = frozenset(
            told
            for name in named
            for column in spoken.index.tables[name].columns
            if column_type(column.type).temporal
            for told in verbs_of(column)
            if len(told) > 2 and kin_cost(verb, told) is not None
        )
        if ends and any(open_ends(spoken.index.tables[name], ends) for name in named):
            yield from _state(spoken, *span, ends, True)


def _stored(spoken: Spoken, start: int, end: int) -> bool:
    """Whether the data has a value of its own for a state."""
    held = [spoken.items.get(place) for place in range(start, end)]
    return any(item is not None and item.kind == "value" for item in held)


def _state(spoken: Spoken, start: int, end: int, ends: frozenset[str], missing: bool) -> Iterator[Reading]:
    tables = spoken.index.tables
    named = [(t, c.name) for t in spoken.named_tables() for c in open_ends(tables[t], ends)]
    found = named or ([(t, c.name) for t in tables for c in open_ends(tables[t], ends)] if ends else [])
    if len(found) != 1:
        return
    table, column = found[0]
    name = f"`{table}.{column}`"
    told = f"'{spoken.text(start, end)}' was read as with {'no' if missing else 'a'} {column} in {table}."
    behind, ahead = (
        ("where {} is missing", "with missing {}") if missing else ("where {} is known", "with known {}")
    )
    begin = start - 1 if start and spoken.words[start - 1] in _LINKS else start
    last = len(spoken.tokens) - 1
    texts = [behind.format(name), f"with `{table}` {behind.format(name)}", ahead.format(name)]
    for place, text in enumerate(texts):
        cost = 0.1 + place / 1000
        if end > last:
            yield Reading(begin, end, text, cost, told, "state")
            continue
        # said of the whole question, behind it; or where it stands
        moved = f"{spoken.text(last, last + 1)} {text}"
        yield Reading(last, last + 1, moved, cost, told, "state", ((begin, end),))
        yield Reading(begin, end, text, cost + 0.005, told, "state")


def unended(spoken: Spoken) -> list[Reading]:
    """The states that ask for what goes on now: no answer may leave them out."""
    found = []
    for reading in states(spoken):
        for start, end in ((reading.start, reading.end), *reading.also):
            words = " ".join(spoken.words[start:end])
            if any(now in words for now in NOW) or "still" in spoken.words[start:end]:
                found.append(reading)
                break
    return found


def unmeasured(spoken: Spoken) -> list[Reading]:
    """The longest and shortest of things that have no length of their own but two times."""
    return [reading for reading in lengths(spoken) if reading.kind == "extreme"]


_HELD: WeakKeyDictionary[CatalogueIndex, list[Pair]] = WeakKeyDictionary()


def _all_pairs(index: CatalogueIndex) -> list[Pair]:
    """The pairs of all tables that have rows."""
    held = _HELD.get(index)
    if held is None:
        filled = [table for name, table in index.tables.items() if name not in index.empty_tables]
        held = _HELD[index] = [pair for table in filled for pair in pairs_of(table)]
    return held


def _pairs(spoken: Spoken, noun: str, thing: str = "", first: str = "") -> list[Pair]:
    """The pairs of times that a noun or verb speaks of; all of the tables meant where neither says more."""
    noun, thing = noun.casefold(), thing.casefold()
    everything = _all_pairs(spoken.index)
    by_end = [p for p in everything if noun and _fits(noun, p, 0.05)]
    by_end = by_end or [p for p in everything if noun and _fits(noun, p, 0.1)]
    by_table = [p for p in everything if any(_of_table(word, p.table) for word in (thing, noun) if word)]
    found = [p for p in by_end if p in by_table] or by_end or ([] if noun and not by_table else by_table)
    if noun in _STAYS:
        stays = [p for p in everything if verbs_of(p.end) & _LEAVING and verbs_of(p.start) & _COMING]
        return [p for p in stays if _of_table(noun, p.table)] or stays
    if not found and (not noun or noun in _GENERIC) and thing in _ANYONE:
        named = spoken.named_tables()
        found = [p for p in everything if p.table in named] or everything
    if first:
        return [p for p in found if any(kin_cost(first.casefold(), v) is not None for v in verbs_of(p.start))]
    return _whole(found, waiting=noun in _WAITING, ended=found == by_end and bool(by_end))


def _whole(pairs: list[Pair], waiting: bool, ended: bool) -> list[Pair]:
    """Those from the very start: to something in between for waiting, else to the end."""
    found = [p for p in pairs if not breaks_off(p.start)]
    if ended:
        return found
    return [p for p in found if breaks_off(p.end) == waiting]


def _fits(noun: str, pair: Pair, most: float) -> bool:
    costs = [kin_cost(noun, verb) for verb in sorted(verbs_of(pair.end)) if len(verb) > 2]
    return any(cost is not None and cost < most for cost in costs)


def _of_table(noun: str, table: str) -> bool:
    last, said = split_name(table)[-1], lemma(noun)
    return said == last or noun == table.casefold() or noun_cost(said, last) is not None


def lengths(spoken: Spoken) -> Iterator[Reading]:
    """Phrases for how long rows took, where the data has two times that tell it."""
    if not _all_pairs(spoken.index):
        return
    question = spoken.linked.question
    for pattern in (_BETWEEN, _NOUN_TIME, _LENGTH_OF, _TIME_TO):
        for match in pattern.finditer(question):
            groups = match.groupdict()
            pairs = _pairs(spoken, groups["noun"], first=groups.get("first") or "")
            yield from _read(spoken, match, pairs, "{}", 0.08)
    for match in _AVERAGED.finditer(question):
        fn = "median" if match["fn"].casefold() == "median" else "average"
        yield from _read(spoken, match, _pairs(spoken, match["noun"]), f"{fn} {{}}", 0.1)
    for match in _KEPT.finditer(question):
        kept = [p for p in _pairs(spoken, "") if verbs_of(p.end) & {"return", "close", "leave"}]
        yield from _read(spoken, match, kept, "{}", 0.1)
    for match in _HOW_LONG.finditer(question):
        stays = "stay" if match["verb"].casefold() == "stay" else ""
        pairs = _pairs(spoken, match["noun"] or stays, match["object"] or match["thing"])
        if match["kept"]:
            pairs = [p for p in pairs if "return" in verbs_of(p.end)]
        lead = "what is the average {}" if not _words_before(question, match) else "the average {}"
        yield from _read(spoken, match, pairs, lead, 0.08, averaged=True)
    for pattern in (_UNTIL, _TAKE_PEOPLE):
        for match in pattern.finditer(question):
            lead = "what is the average {}" if not _words_before(question, match) else "the average {}"
            unit = (match.groupdict().get("unit") or "").casefold()
            pairs = _pairs(spoken, match["noun"])
            yield from _read(spoken, match, pairs, lead, 0.06, unit, averaged=True)
    for match in _EXTREME.finditer(question):
        pairs = _pairs(spoken, match["noun"])
        way = "highest" if match["way"].casefold() in ("longest", "slowest") else "lowest"
        yield from _read(spoken, match, pairs, f"`{{table}}` with the {way} {{}}", 0.12, kind="extreme")
    for pattern in (_WITHIN, _TOOK, _LONGER, _OVER):
        for match in pattern.finditer(question):
            groups = match.groupdict()
            noun = (groups.get("noun") or "").split(" ")[0]
            way = _WAYS[" ".join(match["way"].casefold().split())]
            number = "1" if match["number"].casefold() in ("a", "an") else match["number"]
            pairs = _pairs(spoken, noun)
            lead = "`{table}` " if pattern is _OVER else ""
            for begin in ("list ", "") if match.start() == 0 else ("",):
                form = f"{begin}{lead}with {{}} {way} {number}"
                yield from _read(spoken, match, pairs, form, 0.1, match["unit"])


def _words_before(question: str, match: re.Match[str]) -> bool:
    return bool(_ON_AVERAGE.sub("", question[: match.start()]).strip(" ,"))


def _read(
    spoken: Spoken, match: re.Match[str], pairs: list[Pair], form: str, cost: float, unit: str = "",
    averaged: bool = False, kind: str = "duration",
) -> Iterator[Reading]:  # fmt: skip
    span = spoken.span_of(match.start(), match.end())
    if span is None or not pairs or len(pairs) > 3:
        return
    also, asked = [], unit
    for found in _IN_UNIT.finditer(spoken.linked.question) if not unit else ():
        asked = found["unit"].casefold()
        also.append(spoken.span_of(found.start(), found.end()))
    if averaged:
        also += [spoken.span_of(m.start(), m.end()) for m in _ON_AVERAGE.finditer(spoken.linked.question)]
    left = tuple(s for s in also if s is not None and not (span[0] <= s[0] < span[1]))
    for pair in pairs:
        step = asked.casefold() or ("day" if pair.dated else "hour")
        if pair.dated and step in ("second", "minute", "hour"):
            continue
        name = f"`{pair.table}.{pair.named(step)}`"
        text = form.replace("{table}", pair.table).replace("{}", name)
        told = f"'{match.group()}' was read as the {pair.named(step)} of {pair.table}."
        yield Reading(*span, text, cost, told, kind, left)

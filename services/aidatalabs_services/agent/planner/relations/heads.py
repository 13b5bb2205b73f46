"""The name of a population and what stands before it: `the 3 oldest French climbers`."""

from __future__ import annotations

from dataclasses import replace

from aidatalabs_services.agent.planner.adjectives import ADJECTIVES, SUPERLATIVES
from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.words import compact, lemma

from .lexis import (
    ARTICLES,
    COUNT,
    COUNTED_EXTREMES,
    DIFFERENT,
    FUNCTIONS,
    HIGHEST,
    LATEST,
    SELLING,
)
from .predicates import Predicates
from .scanner import Lost
from .tree import Condition, Extreme, Flagged, Held, Mention, Noun
from .verbs import VERBS

_SIZES = {"highest": "high", "lowest": "low", "largest": "large", "biggest": "big", "smallest": "small",
          "greatest": "large"}  # fmt: skip
ENTITY_ROLES = frozenset(("key", "label", "dimension"))


class Heads(Predicates):
    """Reads the names of populations, and by what they are ranked."""

    def noun(self, modified: bool = True) -> Noun:
        """The population named from here on; raises Lost where none is."""
        start = self.s.at
        self.s.skip(ARTICLES)
        if self.s.word(-1) in ("of", "for", "in"):
            self.s.takes_word(("each",))  # `the name of each climber`
        different = bool(self.s.takes_word(DIFFERENT))
        ranked = self._ranked_before()
        self.s.skip(ARTICLES)
        before = self.s.at
        said = self._said_before()
        head = self._head()
        noun = Noun(head, start, different=different)
        noun.conditions.extend(said)
        if head is None:
            self.s.at = before
            noun = self._value_as_noun(start, different)
        if ranked is not None:
            noun.extreme = ranked
        if modified:
            self.modifiers(noun)
        return noun

    def _ranked_before(self) -> Extreme | None:
        """`top 5`, `3 oldest`, `the youngest`, `most expensive`, `latest 10`."""
        start = self.s.at
        limit = self._limit()
        word, following = self.s.word(), self.s.word(1)
        extreme: Extreme | None = None
        if word in ("most", "least") and following in ADJECTIVES:
            way = (ADJECTIVES[following][0] == "desc") == (word == "most")
            self.s.at += 2
            extreme = Extreme(way, 0, adjective=following)
        elif word in SUPERLATIVES:
            self.s.at += 1
            adjective = SUPERLATIVES[word]
            extreme = Extreme(ADJECTIVES[adjective][0] == "desc", 0, adjective=adjective)
        elif word in _SIZES:
            self.s.at += 1
            extreme = Extreme(HIGHEST[word], 0, adjective=_SIZES[word])
        elif word == "oldest":
            self.s.at += 1
            extreme = Extreme(True, 0, adjective="old")
        elif word in LATEST and word != "oldest":
            self.s.at += 1
            extreme = Extreme(LATEST[word], 0, by_time=True)
        elif word in ("top", "bottom", "best", "worst") and (limit or self._number_follows()):
            self.s.at += 1
            limit = limit or self._limit()
            self.s.take(SELLING)
            extreme = Extreme(word in ("top", "best"), 0)
        if extreme is None:
            self.s.at = start
            return None
        return replace(extreme, limit=limit or self._limit())

    def _number_follows(self) -> bool:
        token = self.s.token(1)
        return token is not None and token.kind == "number"

    def _limit(self) -> int:
        token = self.s.token()
        if token is None or token.kind != "number" or not token.number or token.number != int(token.number):
            return 0
        if not token.raw[-1].isdigit() and token.raw[0].isdigit():
            raise Lost(self.s.at, "is a place in an order, not a number of things")
        self.s.at += 1
        return int(token.number)

    def _said_before(self) -> list[Condition]:
        """`paid orders`, `French climbers`, `discontinued products`: values and flags that a name follows."""
        found: list[Condition] = []
        while True:
            named = self.s.names()
            for value in self.s.values():
                table = any(m.tables and m.end >= value.end and m.candidates[0].cost <= 0.12 for m in named)
                behind = self.s.names(value.end) or self.s.values(value.end)
                if table or not behind or value.end in self.s.breaks:
                    continue
                if not self._fits(value, behind):
                    continue
                found.append(Held((value,)))
                self.s.at = value.end
                break
            else:
                flag = self._flag_before()
                if flag is None:
                    return found
                found.append(flag)

    def _flag_before(self) -> Flagged | None:
        """`active customers`, `non-refundable rooms`: a yes or no of what is named right behind it."""
        start = self.s.at
        negated = bool(self.s.takes_word(("non", "not")))
        flag = self.flag(None)
        behind = self.s.names() if flag is not None and self.s.at not in self.s.breaks else []
        tables = {table for mention in behind for table in mention.tables}
        own = tuple(c for c in flag.candidates if c.table in tables) if flag is not None else ()
        if flag is None or not own:
            self.s.at = start
            return None
        return Flagged(replace(flag, candidates=own), negated)

    def _fits(self, value: Mention, behind: list[Mention]) -> bool:
        """Whether a value can be said of what is named behind it."""
        for mention in behind:
            for head in mention.candidates:
                for candidate in value.candidates:
                    paths = self.schema.paths(head.table, candidate.table)
                    if head.kind != "column" and any(all(hop.to_one for hop in path) for path in paths):
                        return True
                    if head.kind == "column" and head.table == candidate.table:
                        return (head.column != candidate.column) or len(mention.text) > 2
        return False

    def _head(self) -> Mention | None:
        """Step over the name of a table, or of a column whose values are meant."""
        index = self.schema.index
        for mention in self.s.names():
            entities = [
                c
                for c in mention.candidates
                if c.kind == "table" or index.role(c.table, c.column).kind in ENTITY_ROLES
            ]
            said = mention.text.casefold()
            done = (said.endswith("ed") or said in VERBS) and (
                not entities or entities[0].cost > 0 or all(c.kind == "column" for c in entities)
            )
            if not entities or done or self._spans_of(mention):
                continue
            self.s.at = mention.end
            if any(c.kind == "table" for c in entities):
                self.s.takes_word(("record", "records", "row", "rows", "entries", "entry"))
            tables = [c for c in entities if c.kind == "table"]
            near = tables and tables[0].cost <= entities[0].cost + 0.12
            return replace(mention, candidates=tuple(tables if near else entities))
        return None

    def _spans_of(self, mention: Mention) -> bool:
        """`names of climbers` is no name where climbers are something themselves."""
        words = self.s.words[mention.start : mention.end]
        if "of" not in words[1:]:
            return False
        told = lemma(words[-1])
        if all(told in compact(c.column) for c in mention.candidates if c.column):
            return False  # `type of boat` is boat_type
        behind = mention.start + words.index("of") + 1
        while self.s.words[behind] in ARTICLES:
            behind += 1
        return any(m.tables for m in self.s.names(behind))

    def _value_as_noun(self, start: int, different: bool) -> Noun:
        """`has a boat`: a value that stands for the rows that have it."""
        for value in self.s.values():
            pair = self.full_name(value)
            if pair is not None:
                return self._by_full_name(pair, start, different)
            close = value.end not in self.s.breaks and (self.s.names(value.end) or self.s.values(value.end))
            if close:
                raise Lost(value.start, "is said of something that it cannot be said of")
            tables = list(dict.fromkeys(c.table for c in value.candidates))
            heads = tuple(Candidate("table", table) for table in tables)
            head = Mention(heads, value.start, value.end, value.text)
            self.s.at = value.end
            noun = Noun(head, start, different=different)
            noun.conditions.append(Held((value,)))
            return noun
        raise Lost(self.s.at, "names nothing that the data has")

    def _by_full_name(self, pair: tuple[Held, Held], start: int, different: bool) -> Noun:
        first, last = (held.values[0] for held in pair)
        table = Candidate("table", first.candidates[0].table)
        self.s.at = last.end
        noun = Noun(Mention((table,), first.start, last.end, f"{first.text} {last.text}"), start,
                    different=different)  # fmt: skip
        noun.conditions.extend(pair)
        return noun

    def extreme(self, noun: Noun) -> bool:
        """`the highest capacity`, `the most races`, `the largest number of books`, `the biggest fee`."""
        start = self.s.at
        self.s.skip(("the", "a", "an"))
        limit = self._limit()
        word = self.s.word()
        if noun.extreme is not None or (word not in HIGHEST and word not in SUPERLATIVES):
            self.s.at = start
            return False
        self.s.at += 1
        adjective = SUPERLATIVES.get(word)
        down = ADJECTIVES[adjective][0] == "desc" if adjective else HIGHEST[word]
        limit = limit or self._limit() or 1
        function = FUNCTIONS.get(self.s.word(), "")
        if function and self.s.names(self.s.at + 1):
            self.s.at += 1
        else:
            function = ""
        counted = bool(self.s.take(COUNT)) or word in COUNTED_EXTREMES
        attribute = None if counted and self._names_table() else self.attribute(noun)
        if attribute is None:
            attribute = None if counted else self._anywhere(noun)
        if attribute is not None:
            if word in SUPERLATIVES and not self.speaks(SUPERLATIVES[word], attribute):
                raise Lost(attribute.start, f"is no number that '{word}' can be said of")
            noun.extreme = Extreme(down, limit, attribute=attribute, function=function)
            return True
        if not counted:
            self.s.at = start
            return False
        other = self.noun()
        noun.extreme = Extreme(down, limit, noun=other)
        return True

    def _names_table(self) -> bool:
        named = self.s.names()
        return bool(named and named[0].tables)

    def _anywhere(self, noun: Noun) -> Mention | None:
        """A measure of related rows: `the biggest fee` of evaluations."""
        here = self.s.at
        attribute = self.attribute(None)
        if attribute is None:
            return None
        kinds = {self.schema.index.role(c.table, c.column).kind for c in attribute.candidates}
        if not kinds & {"measure", "other"}:
            self.s.at = here
            return None
        return attribute

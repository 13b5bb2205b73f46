"""The words of a question linked to operators, times, names and values: one list of items, left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from .adjectives import ADJECTIVES, COMPARATIVES, SIZE_WORDS, SUPERLATIVES
from .covering import best_cover, merged, spelled_exactly
from .forms import DONE, by_column, names_it, participle
from .index import CatalogueIndex
from .items import Candidate, Item
from .kindred import Kindred, idle_words, kindred
from .lexicon import (
    ACTING_VERBS,
    CLOSED_WORDS,
    FILLERS,
    LIGHT_VERBS,
    OPERATORS,
    QUANTITIES,
    TABLE_WORDS,
    VERB_NOUNS,
)
from .likenesses import as_likely
from .names import NameMatch
from .negations import turned_round
from .quantiles import quantile_spans
from .relations.verbs import CLOSED
from .units import UNIT_WORDS
from .windows import TimeReader
from .words import Token, compact, split_name, tokenize, value_words

_LONGEST_OPERATOR = max(len(phrase) for phrase in OPERATORS)
_LONGEST_VALUE = 7
_HAVING = frozenset(("has", "have", "had", "having", "with"))
_FOUND = frozenset(("found", "called", "named", "stored"))
_PLAIN = 0.4
_RANKED = frozenset(("top", "bottom", "first", "last", "best", "worst"))


@dataclass
class Linked:
    """A linked question: its tokens, its items, and the corrected spellings as (typed, read as)."""

    question: str
    tokens: list[Token]
    items: list[Item]
    corrections: list[tuple[str, str]] = field(default_factory=list)
    kindred: tuple[Kindred, ...] = ()


class Linker:
    """Links one question against one catalogue on one clock."""

    def __init__(self, index: CatalogueIndex, now: datetime) -> None:
        self._index = index
        self._now = now
        self._tokens: list[Token] = []
        self._kindred: list[Kindred] = []
        self._idle: frozenset[int] = frozenset()

    def link(self, question: str) -> Linked:
        """Items for the whole question; misspelt words are corrected when exactly one known word is near."""
        tokens = tokenize(question)
        linked = self._link(question, tokens)
        corrections: list[tuple[str, str]] = []
        turned = turned_round(linked.items, tokens, self._index)
        if turned != tokens:
            tokens = turned
            linked = self._link(question, tokens)
        others = kindred(linked.items, tokens, self._index)
        self._idle = idle_words(linked.items, tokens)
        if others or self._idle:
            self._kindred = others
            linked = self._link(question, tokens)
            corrections = [(tokens[other.place].raw, other.called) for other in others]
        for item in linked.items:
            better = self._corrected(item)
            if better:
                token = tokens[item.start]
                tokens[item.start] = replace(token, word=better, lemma=better)
                corrections.append((token.raw, better))
        if corrections:
            linked = self._link(question, tokens)
            linked.corrections = corrections
            linked.kindred = tuple(self._kindred)
        return linked

    def _corrected(self, item: Item) -> str:
        token = self._tokens[item.start]
        if (
            item.kind != "unknown"
            or len(token.word) < 5
            or not token.word.isalpha()
            or token.word in CLOSED
            or item.end > item.start + 1
        ):
            return ""
        near = self._index.near(token.lemma)
        return near[0] if len(near) == 1 else ""

    def _link(self, question: str, tokens: list[Token]) -> Linked:
        self._tokens = tokens
        spans = (
            self._times()
            + self._operators()
            + self._quantiles()
            + self._names()
            + self._values()
            + self._otherwise()
            + self._singles()
        )
        chosen = [spelled_exactly(item) for item in best_cover(merged(spans), len(tokens))]
        chosen = as_likely(chosen, self._index)
        items = [self._event(item) for item in chosen if item.kind != "filler"]
        return Linked(question, tokens, items)

    def _event(self, item: Item) -> Item:
        """`admitted` says when (admission_date), not what (the table of admissions)."""
        dates = {
            c.table for c in item.candidates
            if c.kind == "column" and self._index.role(c.table, c.column).kind == "time"
        }  # fmt: skip
        if item.kind != "name" or not dates or not participle(item.text.casefold()):
            return item
        kept = tuple(c for c in item.candidates if c.kind != "table" or c.table not in dates)
        return replace(item, candidates=kept)

    def _item(self, kind: str, payload: str, start: int, end: int, **more: object) -> Item:
        text = " ".join(token.raw for token in self._tokens[start:end])
        return Item(kind, payload, start, end, text, **more)  # type: ignore[arg-type]

    def _times(self) -> list[Item]:
        mentions = TimeReader(self._tokens, self._now).read()
        items = [self._item(m.kind, m.unit or m.mode, m.start, m.end, time=m) for m in mentions]
        led = [m for m in mentions if m.mode == "clock" and self._tokens[m.start].word in ("of", "for")]
        # `what share of last month's orders`: the word before the time may belong to another
        return items + [self._item(m.kind, m.mode, m.start + 1, m.end, time=m) for m in led]

    def _operators(self) -> list[Item]:
        words = [token.word for token in self._tokens]
        found = []
        for start in range(len(words)):
            for end in range(min(len(words), start + _LONGEST_OPERATOR), start, -1):
                operator = OPERATORS.get(tuple(words[start:end]))
                named = any(self._shouted(token) for token in self._tokens[start:end])
                if operator and named and (operator[0] == "filler" or self._code(start, end)):
                    continue
                if operator and operator[0] == "count" and self._closes_name(start, end):
                    continue
                if operator and self._tokens[start].kind != "quoted":
                    agent = words[start:end] == ["by"] and start > 0 and participle(words[start - 1])
                    agent = agent and not {"_", "."} & set(self._tokens[start - 1].raw)  # typed as a name
                    found.append(self._item(operator[0], "agent" if agent else operator[1], start, end))
        return found

    def _closes_name(self, start: int, end: int) -> bool:
        """`a phone number`: the word that closes a name, where nothing follows that could be counted."""
        if self._tokens[start].word != "number" or end != start + 1 or not start:
            return False
        lemmas = [token.lemma for token in self._tokens]
        named = any(m.column and m.length == 1 and m.cost <= _PLAIN for m in
                    self._index.names.matches(lemmas, start - 1))  # fmt: skip
        return named and not (end < len(lemmas) and self._index.names.matches(lemmas, end))

    def _otherwise(self) -> list[Item]:
        """Words that the data calls otherwise."""
        return [
            self._item(
                "value" if one.candidate.values else "name", "", one.place, one.place + 1,
                candidates=(one.candidate,),
            )
            for one in self._kindred
        ]  # fmt: skip

    def _quantiles(self) -> list[Item]:
        return [self._item("fn", function, *span) for *span, function in quantile_spans(self._tokens)]

    def _names(self) -> list[Item]:
        found: list[Item] = []
        start = 0
        while start < len(self._tokens):
            token = self._tokens[start]
            if token.kind == "ident":
                found.extend(self._exact(token, start))
            if token.kind != "word":
                start += 1
                continue
            end = start
            while end < len(self._tokens) and self._tokens[end].kind == "word":
                end += 1
            lemmas = [self._tokens[place].lemma for place in range(start, end)]
            for offset in range(end - start):
                for match in self._index.names.matches(lemmas, offset):
                    kind = "column" if match.column else "table"
                    candidate = Candidate(kind, match.table, match.column, (), match.cost)
                    begin = start + offset
                    if self._unlikely(begin, match):
                        continue
                    found.append(self._item("name", "", begin, begin + match.length, candidates=(candidate,)))
            found.extend(self._underscored(start, end))
            start = end
        return found

    def _unlikely(self, place: int, match: NameMatch) -> bool:
        """`value` alone is no column of an empty table where others have rows; a stored value is no initial
        of a name."""
        span = self._tokens[place : place + match.length]
        plain = any(t.word in QUANTITIES for t in span) and all(
            t.word in QUANTITIES or (t.word,) in OPERATORS for t in span
        )
        if plain and match.table in self._index.empty_tables:
            return True
        if match.length != 2 or compact("".join(t.word for t in span)) == compact(match.column):
            return False
        lead = self._index.values([span[0].lemma]) or self._index.values([span[0].word])
        return match.joined and bool(lead)  # `north rate` is the rate in the north, not nrate

    def _underscored(self, start: int, end: int) -> list[Item]:
        """Words written exactly like a column, such as unit_price, are that column and nothing else."""
        found = []
        for place in range(start, end):
            if "_" in self._tokens[place].raw:
                found.extend(self._exact(self._tokens[place], place))
        return found

    def _exact(self, token: Token, place: int) -> list[Item]:
        names = self._index.named(token.raw)
        found = [Candidate("column", table, column, (), -0.1) for table, column in names]
        if not found and token.raw in self._index.tables:
            found = [Candidate("table", token.raw, cost=-0.1)]
        return [self._item("name", "exact", place, place + 1, candidates=tuple(found))] if found else []

    def _values(self) -> list[Item]:
        found: list[Item] = []
        words = [value_words(token.raw) for token in self._tokens]
        for start in range(len(self._tokens)):
            for end in range(min(len(self._tokens), start + _LONGEST_VALUE), start, -1):
                span = self._tokens[start:end]
                if any(token.kind in ("punctuation", "ident") for token in span):
                    continue
                if any(token.kind == "operator" and token.raw != "&" for token in span):
                    continue
                if not (words[start] and words[end - 1]) or (
                    end > start + 1 and any(token.kind == "quoted" for token in span)
                ):
                    continue
                spoken = [word for place in range(start, end) for word in words[place]]
                candidates = self._whole_values(spoken, span)
                if not candidates and all(token.kind != "number" for token in span):
                    candidates = self._partial_values(spoken, span)
                if candidates:
                    payload = "quoted" if span[0].kind == "quoted" else ""
                    found.append(self._item("value", payload, start, end, candidates=tuple(candidates)))
        return found

    def _whole_values(self, spoken: list[str], span: Sequence[Token]) -> list[Candidate]:
        matches = self._index.values(spoken)
        if len(span) > 1 and any(token.word in CLOSED_WORDS for token in span):  # `in door` is not indoor
            matches = [m for m in matches if m.defined or _begins(m.value, spoken)]
        closed = all(t.word in FILLERS or (t.word,) in OPERATORS for t in span) and span[0].kind != "quoted"
        if closed or len("".join(spoken)) <= 2:
            raw = " ".join(token.raw for token in span)
            shouted = len(self._tokens) > 3 and all(t.raw.isupper() for t in self._tokens if t.raw.isalpha())
            plain = raw.isalpha() and raw.islower()
            matches = [match for match in matches if match.value == raw and not plain and not shouted]
        if len(span) == 1 and span[0].kind == "number":
            return []
        return by_column(matches, 0.0)

    def _partial_values(self, spoken: list[str], span: Sequence[Token]) -> list[Candidate]:
        if any(not self._telling(token) for token in (span[0], span[-1])):
            return []
        found = by_column(self._index.partial_values(spoken), 0.3)
        sure = len(found) == 1 and len(found[0].values) == 1 and names_it(spoken, span, found[0].values[0])
        return [replace(c, cost=0.3 if len(c.values) == 1 else 0.45, sure=sure) for c in found]

    def _telling(self, token: Token) -> bool:
        """Words that may stand for a longer value: no closed-class word, four letters or capitals."""
        if token.kind == "quoted":
            return True
        if (
            token.word in FILLERS
            or token.word in QUANTITIES
            or token.word in LIGHT_VERBS
            or (token.word,) in OPERATORS
            or token.word in VERB_NOUNS
        ):
            return False
        if token.word in ADJECTIVES or token.word in SUPERLATIVES or token.word in COMPARATIVES:
            return False
        return len(token.word) >= 4 or token.raw.isupper() or token.raw[0].isupper()

    def _singles(self) -> list[Item]:
        """Every token by itself, as the last resort: numbers, adjectives, fillers, unknown words."""
        found = []
        for place, token in enumerate(self._tokens):
            kind, payload = self._single(token, place)
            if token.lemma in UNIT_WORDS and self._measured(place):
                kind, payload = "measured", UNIT_WORDS[token.lemma]
            found.append(self._item(kind, payload, place, place + 1, number=token.number))
            if token.kind == "word" and token.word not in FILLERS and self._size_or_superlative(token.word):
                found.append(self._item("superlative", token.word, place, place + 1))
        return found

    def _beside_table(self, place: int) -> bool:
        """`the orders table`, `table orders`."""
        tables = {split_name(table)[-1:] for table in self._index.tables}
        before = self._tokens[place - 1] if place else None
        behind = self._tokens[place + 1] if place + 1 < len(self._tokens) else None
        if before is not None and (before.lemma,) in tables:
            return True
        led = before is not None and before.word in ("in", "from", "the")
        return led and behind is not None and (behind.lemma,) in tables

    def _shouted(self, token: Token) -> bool:
        """`orders from US`, `staff in IT`: capitals among small letters are a name, not a filler."""
        several = len(token.raw) > 1 and token.raw.isalpha() and token.raw.isupper()
        return several and any(t.raw.islower() for t in self._tokens)

    def _code(self, start: int, end: int) -> bool:
        """`guests from AT`: a stored value in capitals where a preposition has nothing to stand before."""
        token, last = self._tokens[start], len(self._tokens)
        led = start > 0 and OPERATORS.get((self._tokens[start - 1].word,), ("",))[0] == "prep"
        behind = self._tokens[end].kind == "punctuation" if end < last else True
        stored = any(match.value == token.raw for match in self._index.values([token.word]))
        return end == start + 1 and (led or behind) and stored

    def _describes(self, place: int) -> bool:
        """`used cars`: a participle before a name says which; `who placed orders` what was done."""
        word = self._tokens[place].word
        if not (word.endswith("ed") or word in DONE | _FOUND) or place + 1 >= len(self._tokens):
            return False
        lemmas = [token.lemma for token in self._tokens]
        before = self._tokens[place - 1].word if place else ""
        if before in _HAVING | {"who", "that", "was", "were", "is", "are", "been", "be"}:
            return False
        named = any(m.cost <= _PLAIN for m in self._index.names.matches(lemmas, place + 1))
        acted = place > 0 and any(m.cost <= _PLAIN for m in self._index.names.matches(lemmas, place - 1))
        return named and not acted

    def _measured(self, place: int) -> bool:
        """True right behind a number that says how much; `top 3 meters` says how many."""
        before, ahead = self._tokens[max(place - 2, 0)], self._tokens[place - 1]
        return place > 0 and ahead.kind == "number" and not (place > 1 and before.word in _RANKED)

    def _size_or_superlative(self, word: str) -> bool:
        return word in SUPERLATIVES or word in SIZE_WORDS

    def _single(self, token: Token, place: int) -> tuple[str, str]:
        if place in self._idle or self._closes_name(place, place + 1):
            return "filler", ""
        if token.kind == "number":
            return "number", "had" if place and self._tokens[place - 1].word in _HAVING else ""
        if token.kind == "quoted":
            return "literal", "quoted"
        if token.kind == "other":
            return "unknown", ""
        if token.word in COMPARATIVES:
            return "comparative", COMPARATIVES[token.word]
        if token.word in ADJECTIVES:
            return "adjective", token.word
        if token.word in TABLE_WORDS:
            return ("filler" if self._beside_table(place) else "unknown"), ""
        if token.kind == "punctuation" or (token.word in FILLERS and not self._shouted(token)):
            return "filler", ""
        if token.word in LIGHT_VERBS:
            return ("unknown" if self._describes(place) else "filler"), "verb"
        if token.word in QUANTITIES:
            return "quantity", ""
        if token.word in ACTING_VERBS:
            return "acting", ""
        if token.word in VERB_NOUNS:
            return "verb", VERB_NOUNS[token.word]
        if token.lemma in UNIT_WORDS:
            return "unitword", UNIT_WORDS[token.lemma]
        if any(char.isdigit() for char in token.raw):
            return "literal", ""
        return "unknown", ""


def _begins(value: str, spoken: list[str]) -> bool:
    return value_words(value)[: len(spoken)] == tuple(spoken)

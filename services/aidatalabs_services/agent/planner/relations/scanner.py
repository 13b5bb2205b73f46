"""The words of a question with a place in them: what stands here, as a phrase, a name, a value, a number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from aidatalabs_services.agent.planner.index import CatalogueIndex, ValueMatch
from aidatalabs_services.agent.planner.items import Candidate
from aidatalabs_services.agent.planner.lexicon import FILLERS as OLD_FILLERS
from aidatalabs_services.agent.planner.names import names_head
from aidatalabs_services.agent.planner.units import UNIT_WORDS
from aidatalabs_services.agent.planner.windows import TimeMention, TimeReader
from aidatalabs_services.agent.planner.words import Token, split_name, value_words

from .lexis import ARTICLES, IDIOMS, PREPOSITIONS
from .tree import Mention
from .verbs import ANYBODY

Phrases = Collection[tuple[str, ...]]
_LONGEST_PHRASE = 7
_LONGEST_VALUE = 7
_DEAREST = 0.36
_WORTHLESS = frozenset(PREPOSITIONS | ARTICLES | {"and", "or", "is", "are", "with", "that", "who", "not"})


class Lost(Exception):
    """The words cannot be read on from here; `place` is the token, `why` a clause about it."""

    def __init__(self, place: int, why: str) -> None:
        super().__init__(why)
        self.place = place
        self.why = why


class Scanner:
    """A place in the tokens of one question, and everything that may stand there."""

    def __init__(self, index: CatalogueIndex, tokens: Sequence[Token], question: str, now: datetime) -> None:
        self.index = index
        self.tokens = tokens
        self.question = question
        self.at = 0
        self.words = [token.word for token in tokens]
        self._lemmas = [token.lemma for token in tokens]
        self._times = {mention.start: mention for mention in TimeReader(tokens, now).read()}
        self._names: dict[int, list[Mention]] = {}
        self._values: dict[int, list[Mention]] = {}
        self.breaks = self._sentences()
        self._shouted = self._names_in_capitals()
        self.people: Callable[[], list[tuple[str, str]]] = list
        self.otherwise: Mapping[int, Candidate] = {}

    def _sentences(self) -> frozenset[int]:
        """The tokens a new sentence begins with."""
        found = set()
        for place in range(1, len(self.tokens)):
            between = self.question[self.tokens[place - 1].end : self.tokens[place].start]
            if any(sign in between for sign in ".?!") and " " in between:
                found.add(place)
        return frozenset(found)

    def _names_in_capitals(self) -> frozenset[int]:
        """`US` and `IT` among small letters are names, not closed-class words."""
        small = any(token.raw.islower() for token in self.tokens)
        return frozenset(
            place for place, token in enumerate(self.tokens)
            if small and len(token.raw) > 1 and token.raw.isalpha() and token.raw.isupper()
        )  # fmt: skip

    @property
    def done(self) -> bool:
        """True behind the last token."""
        return self.at >= len(self.tokens)

    def word(self, ahead: int = 0) -> str:
        """The word so many tokens on; empty behind the end."""
        place = self.at + ahead
        return self.words[place] if 0 <= place < len(self.words) else ""

    def token(self, ahead: int = 0) -> Token | None:
        """The token so many on."""
        place = self.at + ahead
        return self.tokens[place] if 0 <= place < len(self.tokens) else None

    def sees(self, options: Phrases, ahead: int = 0) -> int:
        """The length of the longest of these phrases that stands here, 0 for none."""
        start = self.at + ahead
        for length in range(min(_LONGEST_PHRASE, len(self.words) - start), 0, -1):
            span = self.tokens[start : start + length]
            if any(token.kind in ("quoted", "ident") for token in span):
                continue
            if any(place in self._shouted for place in range(start, start + length)):
                continue
            if tuple(self.words[start : start + length]) in options:
                return length
        return 0

    def take(self, options: Phrases) -> tuple[str, ...]:
        """Step over the longest of these phrases; the phrase, empty for none."""
        length = self.sees(options)
        phrase = tuple(self.words[self.at : self.at + length])
        self.at += length
        return phrase

    def takes_word(self, options: Collection[str]) -> str:
        """Step over one of these words."""
        token = self.token()
        if token is None or token.kind in ("quoted", "ident") or token.word not in options:
            return ""
        if self.at in self._shouted:
            return ""
        self.at += 1
        return token.word

    def lookup(self, table: Mapping[tuple[str, ...], object]) -> tuple[str, ...]:
        """The longest phrase of a table that stands here, without stepping over it."""
        length = self.sees(table.keys())
        return tuple(self.words[self.at : self.at + length])

    def skip(self, words: Collection[str]) -> int:
        """Step over any of these words and idioms; how many."""
        start = self.at
        while not self.done:
            if self.at in self.breaks and self.at > start:
                break
            length = self.sees(IDIOMS)
            if length:
                self.at += length
            elif not self.takes_word(words):
                break
        return self.at - start

    def text(self, start: int, end: int) -> str:
        """The words of a span as typed."""
        return " ".join(token.raw for token in self.tokens[start:end])

    def time(self) -> TimeMention | None:
        """The window of time that is told from here on."""
        mention = self._times.get(self.at)
        if mention is None and self.word(-1) in ("in", "on"):
            mention = self._times.get(self.at - 1)  # `logged in this month`
        return mention if mention is not None and mention.kind == "window" else None

    def number(self, ahead: int = 0) -> float | None:
        """The number that stands here; words such as 3rd count as well."""
        token = self.token(ahead)
        return token.number if token is not None and token.kind == "number" else None

    def unit(self) -> str:
        """Step over a unit of measure; its name, empty for none."""
        squared = self.word() if self.word() in ("square", "cubic") else ""
        token = self.token(1 if squared else 0)
        if token is None or token.lemma not in UNIT_WORDS:
            return ""
        self.at += 2 if squared else 1
        return f"{squared} {UNIT_WORDS[token.lemma]}".strip()

    def names(self, place: int | None = None) -> list[Mention]:
        """What the words from here on may name, longest spans first."""
        at = self.at if place is None else place
        if at >= len(self.tokens):
            return []
        if at not in self._names:
            self._names[at] = self._find_names(at)
        return self._names[at]

    def _find_names(self, at: int) -> list[Mention]:
        token = self.tokens[at]
        other = self.otherwise.get(at)
        if other is not None:
            return [] if other.values else [Mention((other,), at, at + 1, token.raw)]
        if token.kind == "ident" or "_" in token.raw:
            exact = self._exact(token.raw)
            if exact:
                return [Mention(tuple(exact), at, at + 1, token.raw)]
        if token.kind != "word":
            return []
        end = at
        while end < len(self.tokens) and self.tokens[end].kind == "word" and end not in self.breaks - {at}:
            end += 1
        spans: dict[int, list[Candidate]] = {}
        for match in self.index.names.matches(self._lemmas[at:end], 0):
            if match.cost > _DEAREST or match.table in self.index.empty_tables:
                continue
            kind = "column" if match.column else "table"
            if match.cost >= 0.25 and not self._heads(at, match.length, match.table, match.column):
                continue
            candidate = Candidate(kind, match.table, match.column, (), match.cost)
            spans.setdefault(match.length, []).append(candidate)
        if not spans and self._lemmas[at] in ANYBODY:
            keys = self.people()
            spans = (
                {1: [Candidate("column", table, column, (), 0.15) for table, column in keys]} if keys else {}
            )
        made = []
        for length in sorted(spans, reverse=True):
            if length == 1 and self.words[at] in _WORTHLESS | OLD_FILLERS:
                continue
            if length > 1 and self.words[at + length - 1] in _WORTHLESS:
                continue
            ordered = sorted(spans[length], key=lambda c: (c.cost, c.kind != "table", c.table, c.column))
            made.append(Mention(tuple(ordered), at, at + length, self.text(at, at + length)))
        return made

    def _heads(self, at: int, length: int, table: str, column: str) -> bool:
        """A part of a name stands for all of it only where it is what the name is about."""
        words = tuple(self._lemmas[at : at + length])
        return names_head(words, split_name(column.split(".")[-1] if column else table))

    def _exact(self, raw: str) -> list[Candidate]:
        found = [
            Candidate("column", table, column, (), -0.1)
            for table, column in self.index.columns
            if column.casefold() == raw.casefold() or f"{table}.{column}".casefold() == raw.casefold()
        ]
        tables = [table for table in self.index.tables if table.casefold() == raw.casefold()]
        return [Candidate("table", table, "", (), -0.1) for table in tables] + found

    def values(self, place: int | None = None) -> list[Mention]:
        """The stored values that the words from here on spell in full, longest spans first."""
        at = self.at if place is None else place
        if at >= len(self.tokens):
            return []
        if at not in self._values:
            self._values[at] = self._find_values(at)
        return self._values[at]

    def _find_values(self, at: int) -> list[Mention]:
        made = []
        other = self.otherwise.get(at)
        if other is not None and other.values:
            return [Mention((other,), at, at + 1, self.tokens[at].raw)]
        for end in range(min(len(self.tokens), at + _LONGEST_VALUE), at, -1):
            span = self.tokens[at:end]
            kinds = {token.kind for token in span}
            if kinds & {"punctuation", "operator", "ident", "other"} or ("quoted" in kinds and len(span) > 1):
                continue
            if any(place in self.breaks for place in range(at + 1, end)):
                continue
            if span[0].kind == "number" and len(span) == 1:
                continue
            spoken = [word for token in span for word in value_words(token.raw)]
            if not spoken or not self._telling(span, spoken):
                continue
            candidates = self._by_column(self.index.values(spoken))
            if candidates:
                made.append(Mention(tuple(candidates), at, end, self.text(at, end)))
        return made

    def _telling(self, span: Sequence[Token], spoken: list[str]) -> bool:
        """Whether words may be a value: quoted, or not closed-class words alone; one or two letters only as
        capitals."""
        if span[0].kind == "quoted":
            return True
        if span[0].word in _WORTHLESS or span[-1].word in _WORTHLESS:
            return span[0].raw[0].isupper() and len(span) > 1
        if len("".join(spoken)) <= 2:
            return span[0].raw.isupper()
        return not all(token.word in OLD_FILLERS for token in span)

    @staticmethod
    def _by_column(matches: Sequence[ValueMatch]) -> list[Candidate]:
        grouped: dict[tuple[str, str], list[str]] = {}
        for match in matches:
            grouped.setdefault((match.table, match.column), []).append(match.value)
        return [
            Candidate("value", table, column, tuple(dict.fromkeys(values)))
            for (table, column), values in grouped.items()
        ]

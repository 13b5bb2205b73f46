"""Linking words of a question to names of tables and columns, by parts, stems, synonyms and abbreviations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from .kinship import PARTICLES, bases, same_stem
from .lexicon import ABBREVIATIONS, CLOSED_WORDS, OPERATORS, ORDINARY_WORDS, SYNONYMS
from .postings import Postings
from .units import UNIT_WORDS
from .words import compact

PARTIAL_NAME = 0.25
_VOWELS = frozenset("aeiou")
_NAME_INITIALS = ("first", "last", "middle")
"""Whose initial stands before `name`; `family name`, `full name` and `file name` would share theirs."""
_CUT_LETTERS = 2
"""What is left at least of a word that a name run together cuts short."""


@dataclass(frozen=True)
class NameEntry:
    """One way to call a table or column: its words, whose it is, and what this way costs (0 is its own
    name).

    `whole` ways count only with all their words.
    """

    parts: tuple[str, ...]
    table: str
    column: str
    cost: float
    whole: bool = False


@dataclass(frozen=True)
class NameMatch:
    """A span of `length` words that names a table (`column` empty) or column, at a cost; lower is better.

    `joined` says that the words name one word of the data only when run together or cut short.
    """

    length: int
    table: str
    column: str
    cost: float
    joined: bool = False


_SYNONYMS_OF: dict[str, frozenset[str]] = {
    word: frozenset().union(*(group for group in SYNONYMS if word in group))
    for word in frozenset().union(*SYNONYMS)
}


def word_cost(word: str, part: str) -> float | None:
    """What it costs to read the question's `word` as the name's `part`; None when they do not match."""
    if word == part or (len(part) < 4 and word == part + "s"):
        return 0.0
    if part in _SYNONYMS_OF.get(word, ()):
        return 0.12
    if same_stem(word, part):
        return 0.08
    if _abbreviates(part, word):
        return 0.08 if word.startswith(part) else 0.2
    if ABBREVIATIONS.get(word) == part or (_abbreviates(word, part) and part.startswith(word)):
        return 0.1
    return None


_CLOSING = frozenset(
    [
        "id",
        "code",
        "key",
        "no",
        "nr",
        "name",
        "number",
        "title",
        "label",
        "count",
        "paid",
        "total",
        "amount",
        "value",
    ]
)


def names_head(words: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """True when the words name what a column holds: `types` of permit_type, `applicants` of applicant_name.

    Words that are only the front of a name (`projects` of project_cost) name something else.
    """
    if len(parts) < 2 or compact("".join(words)) == compact("".join(parts)):
        return True
    cut = parts
    while len(cut) > 1 and (
        cut[-1] in _CLOSING or cut[-1] in UNIT_WORDS or cut[-1].endswith("ed") or len(cut[-1]) == 1
    ):
        cut = cut[:-1]
    heads = {parts[-1], cut[-1]}
    return any(word_cost(word, head) is not None for word in words for head in heads)


def _abbreviates(short: str, long: str) -> bool:
    """True when `short` is a plain abbreviation of `long`: its beginning, or its consonants in order."""
    if (
        not 3 <= len(short) <= 6
        or len(long) - len(short) < 3
        or short[0] != long[0]
        or short in ORDINARY_WORDS
    ):
        return False
    if not short.isalpha() or not long.isalpha():
        return False
    if long.startswith(short):
        return short[-1] not in _VOWELS
    if any(char in _VOWELS for char in short[1:]):
        return False
    letters = iter(long)
    return all(char in letters for char in short)


def _table_of_entry(entry: NameEntry) -> str:
    return entry.table


def _table_of_part(posted: tuple[NameEntry, int]) -> str:
    return posted[0].table


def _posted(entry: NameEntry) -> list[tuple[str, tuple[NameEntry, int]]]:
    return [(part, (entry, position)) for position, part in enumerate(entry.parts)]


def _initials(parts: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        found[part[:1]].append(part)
    return dict(found)


class NameIndex:
    """All names of a catalogue, ready to be matched against the words of a question."""

    def __init__(self, entries: Iterable[NameEntry]) -> None:
        self._by_part: Postings[tuple[NameEntry, int]] = Postings(_table_of_part)
        self._by_compact: Postings[NameEntry] = Postings(_table_of_entry)
        for entry in entries:
            for part, posted in _posted(entry):
                self._by_part.add(part, posted)
            self._by_compact.add(compact("".join(entry.parts)), entry)
        self._known: dict[str, tuple[tuple[str, float], ...]] = {}
        self._initials = _initials(self._by_part)

    def renewed(
        self,
        tables: frozenset[str],
        before: Sequence[NameEntry],
        after: Sequence[NameEntry],
        places: Mapping[str, int],
    ) -> NameIndex:
        """An index in which the names of these tables, which were `before`, are `after`."""
        if before == after:
            return self
        made = NameIndex(())
        was, now = ([pair for entry in entries for pair in _posted(entry)] for entries in (before, after))
        made._by_part = self._by_part.changed(tables, was, now, places)
        folded, refolded = (
            [(compact("".join(entry.parts)), entry) for entry in entries] for entries in (before, after)
        )
        made._by_compact = self._by_compact.changed(tables, folded, refolded, places)
        made._initials = _initials(made._by_part)
        return made

    @property
    def words(self) -> list[str]:
        """Every word that some name is made of, sorted."""
        return sorted(self._by_part)

    def holds(self, word: str) -> bool:
        """Whether some name has this very word."""
        return word in self._by_part

    def knows(self, word: str) -> bool:
        """Whether a word is a form of some word in some name."""
        return bool(self._parts_of(word))

    def _parts_of(self, word: str) -> tuple[tuple[str, float], ...]:
        if word not in self._known:
            if len(self._known) > 20_000:
                self._known.clear()
            costs = ((part, word_cost(word, part)) for part in self._likely(word))
            self._known[word] = tuple((part, cost) for part, cost in costs if cost is not None)
        return self._known[word]

    def _likely(self, word: str) -> list[str]:
        """The parts that a word may be read as, sorted: all but synonyms begin with its own letter."""
        other = (*_SYNONYMS_OF.get(word, ()), ABBREVIATIONS.get(word, ""))
        meant = {part for part in other if part in self._by_part}
        return sorted(meant.union(self._initials.get(word[:1], ())))

    def matches(self, words: list[str], start: int) -> list[NameMatch]:
        """All names that the words from `start` on may mean; the cheapest per (length, table, column)."""
        best: dict[tuple[int, str, str], float] = {}
        apart: set[tuple[int, str, str]] = set()

        def offer(length: int, entry: NameEntry, cost: float, joined: bool = False) -> None:
            key = (length, entry.table, entry.column)
            best[key] = min(best.get(key, 9.0), round(cost, 4))
            if not joined:
                apart.add(key)

        for part, cost in self._parts_of(words[start]):
            for entry, position in self._by_part.get(part):
                if position and entry.whole:
                    continue
                length, total = self._extend(words, start, entry, position, cost)
                covered = length / len(entry.parts)
                whole = length == len(entry.parts)
                if entry.whole and not whole:
                    continue
                offer(
                    length, entry, entry.cost + total + (0.0 if whole else PARTIAL_NAME + 0.1 * (1 - covered))
                )
                self._reversed(words, start, entry, position, cost, offer)
        if start + 1 < len(words) and words[start + 1] in PARTICLES:
            self._phrasal(words[start], words[start + 1], offer)
        for length in (1, 2, 3):
            if start + length <= len(words):
                self._joined(words[start : start + length], offer)
        return [
            NameMatch(length, table, column, cost, (length, table, column) not in apart)
            for (length, table, column), cost in sorted(best.items())
        ]

    def _extend(
        self, words: list[str], start: int, entry: NameEntry, position: int, cost: float
    ) -> tuple[int, float]:
        length, total = 1, cost
        while position + length < len(entry.parts) and start + length < len(words):
            further = word_cost(words[start + length], entry.parts[position + length])
            if further is None:
                break
            total += further
            length += 1
        return length, total

    def _reversed(self, words, start, entry, position, cost, offer) -> None:  # type: ignore[no-untyped-def]
        """`type of pet` names pet_type: last part, of, the parts before it."""
        parts = entry.parts
        if (
            len(parts) < 2
            or position != len(parts) - 1
            or start + 1 >= len(words)
            or words[start + 1] != "of"
        ):
            return
        begin = start + 2
        if begin < len(words) and words[begin] in ("the", "a", "an", "each"):
            if words[begin] == "each":
                return
            begin += 1
        total = cost
        for offset, part in enumerate(parts[:-1]):
            further = word_cost(words[begin + offset], part) if begin + offset < len(words) else None
            if further is None:
                return
            total += further
        offer(begin + len(parts) - 1 - start, entry, entry.cost + total + 0.05)

    def _phrasal(self, verb: str, particle: str, offer) -> None:  # type: ignore[no-untyped-def]
        """`signed up` names signup_date, `checked in` check_in: the particle belongs to the verb."""
        for base in bases(verb):
            for entry, position in self._by_part.get(base):
                if entry.parts[position + 1 : position + 2] == (particle,):
                    left = len(entry.parts) - 2
                    offer(2, entry, entry.cost + 0.08 + (PARTIAL_NAME if left else 0.0))
            for entry, _ in self._by_part.get(base + particle):
                left = len(entry.parts) - 1
                offer(2, entry, entry.cost + 0.08 + (PARTIAL_NAME if left and not entry.whole else 0.0))

    def _joined(self, words, offer) -> None:  # type: ignore[no-untyped-def]
        """`part number` names partnum, `first name` fname: run together, cut short, or by its initial."""
        length, folded = len(words), compact("".join(words))
        if length > 1 and any(word in CLOSED_WORDS for word in words):
            return  # `not able` is not notable
        for entry in self._by_compact.get(folded):
            offer(length, entry, entry.cost + 0.01, length > 1)
        if length == 2 and _may_lead(words):
            own = {entry.table for entry in self._by_compact.get(words[1])}
            for entry in self._by_compact.get(compact(words[0][:1] + words[1])):
                if len(entry.parts) == 1 and entry.table not in own:
                    offer(length, entry, entry.cost + 0.1, True)
        if length < 2 or not words[-1].isalpha():
            return
        # The last word may be cut short, never away: the words before it are the name without it.
        before = len(compact("".join(words[:-1])))
        for cut in range(max(before + _CUT_LETTERS, 4), len(folded) - 1):
            for entry in self._by_compact.get(folded[:cut]):
                if len(entry.parts) == 1:
                    offer(length, entry, entry.cost + 0.1, True)


def _may_lead(words: list[str]) -> bool:
    """Whether the first word's initial may stand for it: `first name` is fname, `top price` is not tprice."""
    if words[1] == "name":
        return words[0] in _NAME_INITIALS
    return (words[0],) not in OPERATORS

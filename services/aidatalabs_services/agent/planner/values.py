"""The stored values of a catalogue, found by words that spell them in full or in part."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from .catalogue import Column, Table
from .columntypes import column_type
from .countries import aliases
from .postings import Postings
from .words import split_name, value_words

_COMPANY_FORMS = frozenset(
    ("inc", "ltd", "llc", "corp", "co", "company", "gmbh", "plc", "corporation", "limited")
)
_MOST_WORDS = 12
_MOST_POSTINGS = 60

_Source = tuple[str, str]
"""A table and a column, one tuple for all of its values."""
_Stored = tuple[_Source, str]
"""Where a value is stored, and the value."""


@dataclass(frozen=True)
class ValueMatch:
    """A stored value that some words of the question name; `partial` when they are only some of its words,
    `defined` when people said that they name it."""

    table: str
    column: str
    value: str
    partial: bool
    defined: bool = False


_Add = Callable[[str, _Stored], None]


@dataclass(frozen=True)
class _Poster:
    """Posts the values of tables: whole ones by their words run together, and by each word of several.

    `leading` takes them by their first word alone.
    """

    whole: _Add
    part: _Add
    leading: _Add

    def post(self, tables: Iterable[Table]) -> None:
        """Posts the values of every text column."""
        for table in tables:
            for column in table.columns:
                if column.values and column_type(column.type).kind == "text":
                    source = (table.name, column.name)
                    self._values(source, column)
                    self._aliases(source, column)

    def _values(self, source: _Source, column: Column) -> None:
        for value in column.values:
            words = value_words(value)
            if not words or len(words) > _MOST_WORDS:
                continue
            stored = (source, value)
            self.whole("".join(words), stored)
            if len(words) == 1:
                continue
            if words[-1] in _COMPANY_FORMS:
                self.whole("".join(words[:-1]), stored)
            if len(words[0]) > 2:
                self.leading(words[0], stored)
            for word in dict.fromkeys(words):
                if len(word) > 2:
                    self.part(word, stored)

    def _aliases(self, source: _Source, column: Column) -> None:
        name = column.name if column.path_of is None else column.name.split(".", 1)[-1]
        for value, called in aliases(split_name(name), column.values).items():
            known = _spellings(value)
            for text in called:
                spelled = "".join(value_words(text))
                if spelled not in known:
                    known.add(spelled)
                    self.whole(spelled, (source, value))


def _spellings(value: str) -> set[str]:
    """What a value is posted by as a whole."""
    words = value_words(value)
    if not words or len(words) > _MOST_WORDS:
        return set()
    trimmed = len(words) > 1 and words[-1] in _COMPANY_FORMS
    return {"".join(words), "".join(words[:-1] if trimmed else words)}


class _Pairs:
    """Posted values, written down."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.whole: list[tuple[str, _Stored]] = []
        self.parts: list[tuple[str, _Stored]] = []
        self.leading: list[tuple[str, _Stored]] = []
        _Poster(_into(self.whole), _into(self.parts), _into(self.leading)).post(tables)


def _into(pairs: list[tuple[str, _Stored]]) -> _Add:
    return lambda key, stored: pairs.append((key, stored))


def _table_of(stored: _Stored) -> str:
    return stored[0][0]


class ValueIndex:
    """The listed values of text columns; made once and never changed."""

    def __init__(self, tables: Sequence[Table]) -> None:
        self._whole: Postings[_Stored] = Postings(_table_of)
        self._parts: Postings[_Stored] = Postings(_table_of)
        self._leading: Postings[_Stored] = Postings(_table_of)
        _Poster(self._whole.add, self._parts.add, self._leading.add).post(tables)
        self.letters = _letters(self._parts)

    def renewed(
        self,
        tables: frozenset[str],
        before: Sequence[Table],
        after: Sequence[Table],
        places: Mapping[str, int],
    ) -> ValueIndex:
        """An index in which these tables, which were `before`, are `after`."""
        was, now = _Pairs(before), _Pairs(after)
        made = ValueIndex(())
        made._whole = self._whole.changed(tables, was.whole, now.whole, places)
        made._parts = self._parts.changed(tables, was.parts, now.parts, places)
        made._leading = self._leading.changed(tables, was.leading, now.leading, places)
        made.letters = self.letters | _letters(word for word, _ in now.parts)
        return made

    def knows(self, word: str) -> bool:
        """Whether a word is one of several in some value."""
        return word in self._parts

    def spelled(self, words: Sequence[str]) -> list[ValueMatch]:
        """The stored values that these words spell in full, in catalogue order."""
        return [
            ValueMatch(*source, value, partial=False) for source, value in self._whole.get("".join(words))
        ]

    def holding(self, words: Sequence[str]) -> list[ValueMatch]:
        """The stored values that hold these words next to each other among others; none if there are too
        many. Those that begin with them come alone."""
        found = self._beginning_or_holding(words)
        if len(found) > _MOST_POSTINGS:
            return []
        return [ValueMatch(*source, value, partial=True) for source, value in found]

    def _beginning_or_holding(self, words: Sequence[str]) -> Sequence[_Stored]:
        if len(words) == 1:
            return self._leading.get(words[0]) or self._parts.get(words[0])
        if words[0] not in self._parts:
            return ()
        fewest = min((self._parts.get(word) for word in words if len(word) > 2), key=len)
        wanted, size = tuple(words), len(words)
        held = [(stored, value_words(stored[1])) for stored in fewest]
        found = [(stored, spelled) for stored, spelled in held if _contains(spelled, wanted)]
        leading = [stored for stored, spelled in found if spelled[:size] == wanted]
        return leading or [stored for stored, _ in found]


def _letters(words: Iterable[str]) -> frozenset[str]:
    return frozenset("".join(word for word in words if word.isalpha()))


def _contains(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    size = len(wanted)
    return any(words[index : index + size] == wanted for index in range(len(words) - size + 1))

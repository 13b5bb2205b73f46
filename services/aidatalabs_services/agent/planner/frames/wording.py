"""The text of a question as frames cut it: what is quoted is never taken for a cue."""

from __future__ import annotations

import re
from collections.abc import Sequence

_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|“[^”]*”|(?<!\w)'[^']*'(?!\w)")
_EDGES = re.compile(
    r"^(?:(?:of|the|and|,|:|;|-)\s+|[,:;\-\s]+)+|(?:\s+(?:of|the|and|as)|[,:;\-\s]+)+$",
    re.I,
)
_POLITE = re.compile(
    r"^(?:please |can you |could you )?(?:what (?:is|was|were|are|'s)|what's|show(?: me)?|give(?: me)?"
    r"|tell me|compute|calculate|plot|list|display|get|find|i want|how about)\s+(?:the\s+)?"
)
NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "fourteen": 14, "thirty": 30, "sixty": 60, "ninety": 90,
}  # fmt: skip
COUNT = r"\d{1,4}|" + "|".join(NUMBERS)
UNIT = r"second|minute|hour|day|week|month|quarter|year"
SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}


class Wording:
    """A question and the same text in small letters, of the same length: quotations and `hidden` words are
    blanked out there."""

    def __init__(self, text: str, hidden: Sequence[str] = ()) -> None:
        self.text = " ".join(text.replace("\u2019", "'").split()).rstrip("?.! ")
        low = "".join(c.lower() if len(c.lower()) == 1 else c for c in self.text)
        self.plain = _QUOTED.sub(lambda found: "\u0001" * len(found.group()), low)
        for words in hidden:
            self.plain = self.plain.replace(words.lower(), "\u0001" * len(words.lower()))

    def search(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """The first place where the pattern stands outside of quotations."""
        return pattern.search(self.plain)

    def group(self, match: re.Match[str], name: str) -> str:
        """The words of a group as they were typed; empty where it is missing."""
        start, end = match.span(name)
        return self.text[start:end] if start >= 0 else ""

    def without(self, *spans: tuple[int, int]) -> str:
        """The question without these spans of characters, tidied at its edges."""
        kept, at = [], 0
        for start, end in sorted(span for span in spans if span[0] >= 0):
            kept.append(self.text[at:start])
            at = max(at, end)
        return tidy(" ".join([*kept, self.text[at:]]))


def tidy(text: str) -> str:
    """Words without what a cut left dangling at their edges: `of revenue by month,` is revenue by month."""
    text = " ".join(text.split())
    text = re.sub(r"\s+,", ",", text)
    before = None
    while before != text:
        before = text
        match = _POLITE.match(text.lower())
        text = text[match.end() :] if match else text
        text = _EDGES.sub("", text).strip()
    return text


def number(word: str) -> int:
    """A count in digits or as a word."""
    return NUMBERS.get(word.lower()) or int(word)


def choice(words: Sequence[str]) -> str:
    """A pattern for any of these phrases, longest first."""
    return "|".join(sorted((re.escape(word) for word in words), key=len, reverse=True))

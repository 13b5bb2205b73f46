"""A question cut into tokens, and words brought to the form they are compared in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

_TOKEN = re.compile(
    r"""
    (?P<ident>`[^`]+`(?:\.`[^`]+`)?)
  | (?P<quoted>"[^"]+"|“[^”]+”|\u2018[^\u2019]+\u2019|``\s*.+?\s*''|(?<!\w)'[^']*'(?!\w))
  | (?P<date>\d{4}-\d{2}-\d{2}(?!\d))
  | (?P<yearmonth>(?:19|20)\d{2}-\d{2}(?![\d-]))
  | (?P<number>(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?P<suffix>k|m|st|nd|rd|th)?(?!\w))
  | (?P<qualified>[^\W\d_]\w*\.[^\W\d_]\w*)
  | (?P<word>\w+(?:['\u2019]\w+)?)
  | (?P<operator>>=|<=|!=|<>|[<>=%\#&≥≤≠])
  | (?P<punctuation>[,;])
  | (?P<other>[^\s\w])
    """,
    re.X | re.I,
)
_APART = re.compile(r"[\W_]+")
_SCALE = {"k": 1_000, "m": 1_000_000}
_SIGNS = {"≥": ">=", "≤": "<=", "≠": "!="}
_CURRENCIES = {"$": "usd", "€": "eur", "£": "gbp"}
_ORDINARY = frozenset(".?:()'\"“”\u2018\u2019`…")
_HYPHENS = frozenset("-\u2010\u2011\u2013\u2014")
_UNITS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {
    "thirty": 30,
    "forty": 40,
    "fifty": 50,
    "sixty": 60,
    "seventy": 70,
    "eighty": 80,
    "ninety": 90,
}
_POWERS = {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_IRREGULAR = {
    "people": "person", "children": "child", "men": "man", "women": "woman", "mice": "mouse", "feet": "foot",
    "teeth": "tooth", "data": "data", "series": "series", "species": "species", "news": "news",
    "lives": "life",
    "wives": "wife", "knives": "knife", "leaves": "leaf", "shelves": "shelf", "movies": "movie",
    "cookies": "cookie",
    "ids": "id", "indices": "index", "matrices": "matrix", "analyses": "analysis", "criteria": "criterion",
    "media": "media",
    "statuses": "status", "status": "status", "buses": "bus", "gas": "gas", "lens": "lens",
    "always": "always", "ads": "ad", "tvs": "tv", "pcs": "pc", "cds": "cd",
    "las": "las", "los": "los", "texas": "texas", "times": "time", "heroes": "hero", "potatoes": "potato",
}  # fmt: skip

_NEGATED = frozenset(
    ("isn't", "aren't", "wasn't", "weren't", "don't", "doesn't", "didn't", "haven't", "hasn't", "hadn't")
)


@dataclass(frozen=True)
class Token:
    """One word, number or quotation of the question.

    `raw` is the text as typed (without quotes), `word` folded to lower case, `lemma` its singular;
    `start` and `end` are character positions. `kind` is word, number, quoted, ident, date, yearmonth,
    operator, punctuation or other (a sign that has no meaning here). `number` is set for numbers.
    """

    raw: str
    word: str
    lemma: str
    kind: str
    start: int
    end: int
    number: float | None = None


def lemma(word: str) -> str:
    """The singular of an English noun by rule; other words come back unchanged or consistently cut."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) <= 3 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y" if len(word) > 4 else word[:-1]
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        return word[:-2]
    return word[:-1]


def compact(text: str) -> str:
    """Letters and digits only, folded: `Air-Lines Inc.` and `airlines inc` compare equal."""
    return "".join(char for char in text.casefold() if char.isalnum())


@lru_cache(maxsize=32_768)
def split_name(name: str) -> tuple[str, ...]:
    """The words of an identifier: `unitPrice`, `unit_price` and `unit price` are unit and price."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return tuple(lemma(part.casefold()) for part in re.split(r"[^\w]+|_+", spaced) if part)


def spoken_name(name: str) -> str:
    """An identifier as people say it, in its own words: `stay_days` is stay days."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(part.casefold() for part in re.split(r"[^\w]+|_+", spaced) if part)


def value_words(text: str) -> tuple[str, ...]:
    """The words of a stored value or of a quotation, lemmatised, for matching."""
    plain = text.replace("'", "").replace("\u2019", "")
    if plain.isalnum():
        return (lemma(plain.casefold()),)
    return tuple([lemma(part.casefold()) for part in _APART.split(plain) if part])


def _token(match: re.Match[str]) -> Token:
    kind = match.lastgroup or "word"
    if kind == "suffix":
        kind = "number"
    if match.group("number") is not None:
        kind = "number"
    raw = match.group()
    number: float | None = None
    if kind == "number":
        suffix = (match.group("suffix") or "").casefold()
        digits = raw[: len(raw) - len(suffix)].replace(",", "")
        number = float(digits) * _SCALE.get(suffix, 1)
    if kind == "ident":
        raw = raw.replace("`", "")
    raw = _SIGNS.get(raw, raw)
    if kind == "quoted":
        raw = raw.strip("\"'“”\u2018\u2019`").strip()
    if kind == "qualified":
        kind = "ident"
    word = raw.casefold().replace("\u2019", "'")
    if kind == "word":
        word = re.sub(r"'(s|re|ve|ll|d|m)$", "", word)
        word = "not" if word in _NEGATED else word.rstrip("'")
    return Token(raw, word, lemma(word), kind, match.start(), match.end(), number)


def _number_words(tokens: list[Token]) -> list[Token]:
    """Spelled numbers become number tokens: `a hundred thousand`, `twenty five`, `two`.

    Words that follow no grammar of numbers, such as `twenty twenty three`, stay several numbers.
    """
    out: list[Token] = []
    index = 0
    while index < len(tokens):
        end, value = _spelled(tokens, index)
        if end == index:
            out.append(tokens[index])
            index += 1
            continue
        if out and out[-1].word == "a" and tokens[index].word in _POWERS:
            out.pop()
        first, last = tokens[index], tokens[end - 1]
        raw = " ".join(token.raw for token in tokens[index:end])
        out.append(replace(first, raw=raw, kind="number", end=last.end, number=value))
        index = end
    return out


def _spelled(tokens: list[Token], index: int) -> tuple[int, float]:
    """The end of the number spelled from `index` on, and the number; `index` itself where there is none."""
    end, total, group, last, ceiling = index, 0.0, 0.0, "", float("inf")
    while end < len(tokens):
        token = tokens[end]
        unit = _UNITS.get(token.word) if token.kind == "word" else None
        power = _POWERS.get(token.word) if token.kind == "word" else None
        if unit is not None:
            if last == "ones" or (last == "tens" and not 1 <= unit <= 9):
                break
            group, last = group + unit, "tens" if unit >= 20 else "ones"
        elif power is not None and (last or (end and tokens[end - 1].word == "a")):
            if power >= ceiling or (power < 1_000 and last == "power"):
                break
            group, last = (group or 1) * power, "power"
            if power >= 1_000:
                total, group, ceiling = total + group, 0.0, power
        elif token.kind == "number" and end == index and _next_is_power(tokens, end):
            group, last = token.number or 0.0, "ones"
        else:
            break
        end += 1
    return end, total + group


def _next_is_power(tokens: list[Token], index: int) -> bool:
    return index + 1 < len(tokens) and tokens[index + 1].word in _POWERS


def _ordinary(question: str, place: int) -> bool:
    """True for a sign that only punctuates: `it's (paid)?`, `non-paid`; never `!paid` or `- 5`."""
    char, before = question[place], question[max(place - 1, 0) : place]
    behind = question[place + 1 : place + 2]
    if unicodedata.category(char) in ("Cf", "Cc", "Mn"):
        return True
    if char == ".":
        return not (before.isdigit() and behind.isdigit())
    if char == "!":
        return not behind.strip() and (before.isalnum() or not question[place:].strip(" !?.\"'"))
    if char in _HYPHENS:
        return before.isalnum() and behind.isalnum() and not (before.isdigit() and behind.isdigit())
    return char in _ORDINARY


def _priced(tokens: list[Token]) -> list[Token]:
    """`$100` and `100 €` are a number with its unit behind it."""
    out: list[Token] = []
    for place, token in enumerate(tokens):
        ahead = tokens[place - 1] if place else None
        behind = tokens[place + 1] if place + 1 < len(tokens) else None
        unit = _CURRENCIES.get(token.raw) if token.kind == "other" else None
        led = _CURRENCIES.get(ahead.raw) if ahead is not None and ahead.kind == "other" else None
        if unit and behind is not None and behind.kind == "number":
            continue
        if unit and ahead is not None and ahead.kind == "number":
            out.append(replace(token, word=unit, lemma=unit, kind="word"))
        elif led and ahead is not None and token.kind == "number":
            out.append(replace(token, start=ahead.start))
            out.append(Token(ahead.raw, led, led, "word", token.end, token.end))
        else:
            out.append(token)
    return out


def tokenize(question: str) -> list[Token]:
    """The tokens of a question in order; signs that only punctuate are dropped, others are kept to be
    refused."""
    found = [
        _token(match)
        for match in _TOKEN.finditer(question)
        if match.lastgroup != "other" or not _ordinary(question, match.start())
    ]
    return _number_words(_priced(found))

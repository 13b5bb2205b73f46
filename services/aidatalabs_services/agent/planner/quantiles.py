"""Words for a place among sorted numbers: `95th percentile`, `p99`, `lower quartile`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .words import Token

QUANTILE = "quantile:"
"""How the function of an aggregate begins; its level from 0 to 1 follows."""

_SHORT = re.compile(r"p(\d{1,2}(?:[._]\d)?)")
_NAMED = {
    ("lower", "quartile"): "0.25", ("first", "quartile"): "0.25", ("1st", "quartile"): "0.25",
    ("bottom", "quartile"): "0.25", ("upper", "quartile"): "0.75", ("third", "quartile"): "0.75",
    ("3rd", "quartile"): "0.75", ("top", "quartile"): "0.75", ("second", "quartile"): "0.5",
    ("first", "decile"): "0.1", ("last", "decile"): "0.9", ("ninth", "decile"): "0.9",
}  # fmt: skip
_PERCENTILES = frozenset(("percentile", "percentiles", "quantile", "quantiles", "centile"))


def quantile_spans(tokens: Sequence[Token]) -> list[tuple[int, int, str]]:
    """Where quantiles are named: first token, the one behind the last, and the function."""
    found = []
    for place in range(len(tokens)):
        level, end = _level(tokens, place)
        if not level:
            continue
        end += 1 if end < len(tokens) and tokens[end].word == "of" else 0
        found.append((place, end, f"{QUANTILE}{level}"))
    return found


def _level(tokens: Sequence[Token], place: int) -> tuple[str, int]:
    word = tokens[place].word
    following = tokens[place + 1].word if place + 1 < len(tokens) else ""
    named = _NAMED.get((word, following))
    if named:
        return named, place + 2
    short = _SHORT.fullmatch(word)
    if short is not None:
        return _share(float(short[1].replace("_", "."))), place + 1
    number, at = tokens[place].number, place + 1
    if number is None:
        return "", place
    if at < len(tokens) and tokens[at].word in ("th", "%", "percent"):
        at += 1
    if at >= len(tokens) or tokens[at].word not in _PERCENTILES:
        return "", place
    whole = tokens[at].word.startswith(("percentile", "centile")) or at > place + 1 or number > 1
    return (_share(number) if whole else _plain(number)), at + 1


def _share(percent: float) -> str:
    return _plain(percent / 100) if 0 < percent < 100 else ""


def _plain(level: float) -> str:
    return f"{level:.6f}".rstrip("0").rstrip(".") if 0 < level < 1 else ""


def quantile_words(function: str) -> str:
    """A quantile as it is said, to be read again: `95th percentile`."""
    percent = float(function.removeprefix(QUANTILE)) * 100
    number = f"{percent:.4f}".rstrip("0").rstrip(".")
    if "." in number:
        return f"{number} percentile"
    last = int(number)
    ending = "th" if 10 <= last % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(last % 10, "th")
    return f"{number}{ending} percentile"

"""Adjectives and the measures they speak of: which columns `older than 65` or `the fastest` can mean."""

from __future__ import annotations

from .columntypes import ColumnType
from .names import word_cost
from .units import UNIT_WORDS, unit_class

ADJECTIVES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    # adjective: (direction of its superlative, words of measures it speaks of, measures it speaks of in
    # reverse)
    "long": (
        "desc",
        ("length", "duration", "distance", "time", "minute", "hour", "day", "runtime", "page"),
        (),
    ),
    "short": (
        "asc",
        ("length", "duration", "distance", "time", "height", "minute", "hour", "day", "runtime", "page"),
        (),
    ),
    "expensive": ("desc", ("price", "cost", "fare", "fee"), ()),
    "costly": ("desc", ("price", "cost", "fare", "fee"), ()),
    "pricey": ("desc", ("price", "cost", "fare", "fee"), ()),
    "cheap": ("asc", ("price", "cost", "fare", "fee"), ()),
    "old": ("desc", ("age",), ("birth", "birthdate", "birthday", "born", "founded", "built", "established")),
    "young": ("asc", ("age",), ("birth", "birthdate", "birthday", "born")),
    "heavy": ("desc", ("weight", "mass"), ()),
    "light": ("asc", ("weight", "mass"), ()),
    "tall": ("desc", ("height",), ()),
    "high": ("desc", ("height", "altitude", "elevation"), ()),
    "low": ("asc", ("altitude", "elevation"), ()),
    "large": ("desc", ("size", "area", "population", "capacity", "amount", "volume"), ()),
    "big": ("desc", ("size", "area", "population", "capacity", "amount", "volume", "value"), ()),
    "small": ("asc", ("size", "area", "population", "capacity", "amount", "volume", "value"), ()),
    "fast": ("desc", ("speed", "velocity"), ("duration",)),
    "quick": ("desc", ("speed", "velocity"), ("duration",)),
    "slow": ("asc", ("speed", "velocity"), ("duration",)),
    "hot": ("desc", ("temperature",), ()),
    "warm": ("desc", ("temperature",), ()),
    "cold": ("asc", ("temperature",), ()),
    "cool": ("asc", ("temperature",), ()),
    "deep": ("desc", ("depth",), ()),
    "wide": ("desc", ("width",), ()),
    "loud": ("desc", ("loudness", "noise", "volume"), ()),
    "far": ("desc", ("distance",), ()),
    "near": ("asc", ("distance",), ()),
    "close": ("asc", ("distance",), ()),
    "populous": ("desc", ("population",), ()),
    "delayed": ("desc", ("delay",), ()),
    "late": ("desc", ("delay", "lateness"), ()),
    "humid": ("desc", ("humidity",), ()),
    "windy": ("desc", ("wind",), ()),
    "valuable": ("desc", ("value", "worth", "price"), ()),
    "rich": ("desc", ("wealth", "income"), ()),
    "profitable": ("desc", ("profit", "margin"), ()),
}
"""Adjectives and the measures they speak of."""

SUPERLATIVES: dict[str, str] = {}
COMPARATIVES: dict[str, str] = {}
for _adjective in ADJECTIVES:
    if _adjective.endswith("e"):
        _stem = _adjective
        SUPERLATIVES[_stem + "st"], COMPARATIVES[_stem + "r"] = _adjective, _adjective
    elif _adjective.endswith("y"):
        _stem = _adjective[:-1] + "i"
        SUPERLATIVES[_stem + "est"], COMPARATIVES[_stem + "er"] = _adjective, _adjective
    elif _adjective in ("big", "hot"):
        _stem = _adjective + _adjective[-1]
        SUPERLATIVES[_stem + "est"], COMPARATIVES[_stem + "er"] = _adjective, _adjective
    else:
        SUPERLATIVES[_adjective + "est"], COMPARATIVES[_adjective + "er"] = _adjective, _adjective
SUPERLATIVES |= {"farthest": "far", "furthest": "far"}
COMPARATIVES |= {"farther": "far", "further": "far"}
for _taken in ("highest", "lowest", "latest", "oldest"):  # these are operators, or mean time as well
    SUPERLATIVES.pop(_taken, None)
for _taken in ("higher", "lower", "larger", "bigger", "smaller", "later"):
    COMPARATIVES.pop(_taken, None)
SIZE_WORDS = {"largest": "desc", "biggest": "desc", "smallest": "asc"}

_UNIT_CLASSES: dict[str, frozenset[str]] = {
    "long": frozenset(("time", "length")),
    "short": frozenset(("time", "length")),
    "far": frozenset(("length",)),
    "near": frozenset(("length",)),
    "tall": frozenset(("length",)),
    "high": frozenset(("length",)),
    "low": frozenset(("length",)),
    "deep": frozenset(("length",)),
    "wide": frozenset(("length",)),
    "expensive": frozenset(("money",)),
    "costly": frozenset(("money",)),
    "pricey": frozenset(("money",)),
    "cheap": frozenset(("money",)),
    "rich": frozenset(("money",)),
    "heavy": frozenset(("weight",)),
    "light": frozenset(("weight",)),
    "hot": frozenset(("heat",)),
    "warm": frozenset(("heat",)),
    "cold": frozenset(("heat",)),
    "cool": frozenset(("heat",)),
    "late": frozenset(("time",)),
    "delayed": frozenset(("time",)),
}
_SAID_AS_WELL = {
    "long": frozenset(("delay", "wait", "stay", "lag", "gap", "period", "interval", "lateness", "tenure")),
    "short": frozenset(("delay", "wait", "stay", "lag", "gap", "period", "interval", "lateness", "tenure")),
    "expensive": frozenset(("rate",)),
    "costly": frozenset(("rate",)),
    "pricey": frozenset(("rate",)),
    "cheap": frozenset(("rate",)),
}
_REVERSED_BY_TIME = frozenset(("fast", "quick", "slow"))
_SUMMARIES = frozenset(("total", "amount", "value", "avg", "average", "mean", "max", "min", "median"))
_ANY_NUMBER = frozenset(("large", "big", "small"))


def speaks_of(adjective: str, parts: tuple[str, ...], unit: str, kind: ColumnType) -> tuple[bool, bool]:
    """Whether an adjective can be said of a column, and whether its order is reversed there.

    `parts` are the words of the column's name and `unit` its unit. `older` is reversed for a birth date,
    `faster` for a time that something took. Large, big and small may be said of any number.
    """
    if adjective in _ANY_NUMBER:
        return kind.numeric, False
    fits, flipped = worded_for(adjective, parts, kind)
    if fits or not kind.numeric:
        return fits, flipped
    if unit_class(unit) in _UNIT_CLASSES.get(adjective, ()) or set(parts) & _SAID_AS_WELL.get(
        adjective, frozenset()
    ):
        return True, False
    timed = adjective in _REVERSED_BY_TIME and (unit_class(unit) == "time" or parts[-1] == "min")
    return timed, timed


def worded_for(adjective: str, parts: tuple[str, ...], kind: ColumnType) -> tuple[bool, bool]:
    """The same by the words of the column's name alone, which choose it where none was named."""
    _, straight, reverse = ADJECTIVES[adjective]
    if kind.numeric and _worded(straight, parts):
        return True, False
    flipped = (kind.numeric or kind.temporal) and _worded(reverse, parts)
    return flipped, flipped


def _worded(words: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    return any(word_cost(word, part) in (0.0, 0.08, 0.1) for word in words for part in heads(parts))


def heads(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The words that say what a column holds: `cost` of repair_cost_eur, `length` of length_of_stay, never
    the words before them (`heart` of heart_rate)."""
    for joint in ("of", "per"):
        if joint in parts[1:]:
            parts = parts[: parts.index(joint, 1)]
    cut = parts
    while len(cut) > 1 and (cut[-1] in UNIT_WORDS or cut[-1] in _SUMMARIES or len(cut[-1]) == 1):
        cut = cut[:-1]
    return tuple(dict.fromkeys((parts[-1], cut[-1])))

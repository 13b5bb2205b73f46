"""How a follow-up begins and ends: the small words that say what becomes of the answer before."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Mode(Enum):
    """What becomes of the groups and numbers that were there: joined, replaced, or the words do not say."""

    JOIN = "join"
    REPLACE = "replace"
    UNSAID = "unsaid"


@dataclass(frozen=True)
class Opening:
    """A text taken apart: the small words are read here, `rest` is for the planner.

    `continues` says that the text cannot stand alone. `limit` is the number of `top 5` (0: all of them),
    with `descending`; `ranked` is the rest with these words before it. `over_time` is what a number becomes
    from step to step: cumulate, growth or change. `sorted_by` is highest, lowest or reverse. `placed` says
    that `first` or `last` were the words, which mean the time where there is one. `said` is the small word to
    put before a rest that is asked again.
    """

    text: str
    rest: str
    continues: bool
    mode: Mode = Mode.UNSAID
    why: bool = False
    share: bool = False
    overall: bool = False
    any_time: bool = False
    over_time: str = ""
    sorted_by: str = ""
    placed: bool = False
    limit: int | None = None
    descending: bool = True
    ranked: str = ""
    said: str = "and"


_SIGNS = re.compile(r"[?!.…]+\s*$")
_LEADING = re.compile(
    r"^(?:(?:ok(?:ay)?|so|but|now|then|please|and|what about|how about|what if|what of|only|just|also|plus|"
    r"again|the same|same|that|this|those|these|them|it|show(?: me)?(?: that| this| it| them)?|"
    r"give me|make (?:it|that)|(?:can|could) (?:you|i|we)(?: see| have| get)?|i want|i'd like)\b[\s,:]*)+",
    re.IGNORECASE,
)
_TRAILING = re.compile(
    r"[\s,]*\b(?:(?P<join>too|as well|in addition)|(?P<replace>instead|rather)|"
    r"(?P<plain>only|please|again|though|then))\s*$",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^(?:and|but|so|also|plus|only|just|now|then|what about|how about|what if|what of|(?:the )?same|instead|"
    r"those|these|them|that|it|without|except|excluding|for|by|per|in|during|since|before|after|"
    r"from|with|where|as)\b",
    re.IGNORECASE,
)
_WHY = re.compile(
    r"^(?:but |and |so )*(?:why(?: is (?:that|this|it)| that| so)?|how so|how come|how do you know|"
    r"how did you (?:get|compute|calculate|find) (?:that|this|it)|explain(?: (?:that|this|it))?|"
    r"how (?:was|is) (?:that|this|it) (?:computed|calculated|made|found|read))$",
    re.IGNORECASE,
)
_SHARE = re.compile(
    r"\b(?:as|in) (?:an? )?(?:share|percent(?:age)?|proportion|fraction)s?"
    r"(?: of (?:the )?(?:total|all|whole))?\b|"
    r"^(?:the )?(?:share|percentage|proportion)s?(?: of (?:the )?(?:total|all|whole))?$",
    re.IGNORECASE,
)
_OVERALL = re.compile(
    r"\b(?:overall|in total|altogether|all together|without (?:any )?groups?)\b", re.IGNORECASE
)
_ANY_TIME = re.compile(
    r"\b(?:(?:for |over |of )?all (?:of )?time|at any time|(?:of|for|over) all (?:years|months|days)|"
    r"regardless of (?:the )?(?:time|date))\b",
    re.IGNORECASE,
)
_OVER_TIME = {
    "cumulate": re.compile(
        r"^(?:as |the )?(?:an? )?(?:running (?:total|sum)|cumulative(?:ly| total| sum)?|cumulated)$",
        re.IGNORECASE,
    ),
    "growth": re.compile(
        r"^(?:as |the |in )?(?:growth(?: rates?)?|percent(?:age)? (?:change|growth)|growth in percent|"
        r"(?:change|growth) in percent)$",
        re.IGNORECASE,
    ),
    "change": re.compile(r"^(?:as |the )?changes?$", re.IGNORECASE),
}
_SORTED = {
    "highest": re.compile(
        r"^(?:sorted |ordered )?(?:by )?(?:the )?(?:(?:highest|largest|biggest|most|best) first|descending)$",
        re.IGNORECASE,
    ),
    "lowest": re.compile(
        r"^(?:sorted |ordered )?(?:by )?(?:the )?(?:(?:lowest|smallest|least|fewest|worst) first|ascending)$",
        re.IGNORECASE,
    ),
    "reverse": re.compile(
        r"^(?:(?:in )?reversed?(?: order)?|(?:the )?other way (?:a)?round)$", re.IGNORECASE
    ),
}
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "fifteen": 15, "twenty": 20,
}  # fmt: skip
_TOP = re.compile(
    r"^(?:the )?(?P<which>top|best|first|highest|largest|biggest|bottom|worst|lowest|smallest|last)\s+"
    rf"(?P<count>\d{{1,4}}|{'|'.join(_NUMBERS)})\b\s*",
    re.IGNORECASE,
)
_LOWEST = frozenset(("bottom", "worst", "lowest", "smallest", "last"))
_ALL = re.compile(
    r"^(?:all(?: of (?:them|those|these))?|everything|every one|the whole list)$", re.IGNORECASE
)
_JOINING = re.compile(r"^(?:(?:and|but|so|ok(?:ay)?)\s+)*(?:also|plus)\b", re.IGNORECASE)
_REPLACING = re.compile(r"^(?:(?:and|but|so)\s+)*(?:instead|what about|how about)\b", re.IGNORECASE)


def opening_of(text: str) -> Opening:
    """A text taken apart; any text can be."""
    plain = _SIGNS.sub("", " ".join(text.split())).strip()
    continues = bool(_CONTINUES.match(plain))
    if _WHY.match(plain):
        return Opening(text, "", True, why=True)
    mode = Mode.JOIN if _JOINING.match(plain) else Mode.REPLACE if _REPLACING.match(plain) else Mode.UNSAID
    said = {Mode.JOIN: "also", Mode.REPLACE: "what about", Mode.UNSAID: "and"}[mode]
    rest = _LEADING.sub("", plain).strip()
    rest = re.sub(r"^instead\b[\s,:]*(?:of that\b[\s,:]*)?", "", rest, flags=re.IGNORECASE)
    while (match := _TRAILING.search(rest)) is not None:
        mode = Mode.JOIN if match["join"] else Mode.REPLACE if match["replace"] else mode
        continues = True
        rest = rest[: match.start()].rstrip()
    found = {"share": _SHARE, "overall": _OVERALL, "any_time": _ANY_TIME}
    flags = {name: bool(pattern.search(rest)) for name, pattern in found.items()}
    over_time = next((name for name, pattern in _OVER_TIME.items() if pattern.match(rest)), "")
    sorted_by = next((name for name, pattern in _SORTED.items() if pattern.match(rest)), "")
    if over_time or sorted_by:
        rest, flags = "", dict.fromkeys(flags, False)
    for pattern in found.values():
        rest = " ".join(pattern.sub(" ", rest).split())
    limit, descending, ranked, placed = None, True, "", False
    if _ALL.match(rest):
        limit, rest = 0, ""
    elif (top := _TOP.match(rest)) is not None:
        count = top["count"].casefold()
        limit = _NUMBERS.get(count) or int(count)
        descending = top["which"].casefold() not in _LOWEST
        placed = top["which"].casefold() in ("first", "last")
        ranked, rest = rest, rest[top.end() :].strip()
    alone = not rest and (any(flags.values()) or limit is not None or bool(over_time or sorted_by))
    return Opening(
        text,
        rest,
        continues or alone,
        mode,
        limit=limit,
        descending=descending,
        ranked=ranked,
        said=said,
        over_time=over_time,
        sorted_by=sorted_by,
        placed=placed,
        **flags,
    )

"""The first days of a month as the days they are: `in the first half of March` are the days 1 to 15."""

from __future__ import annotations

import re

from .wording import COUNT, Wording, number

_PART = re.compile(
    rf"\b(?:in|during|of|for)\s+the\s+(?P<which>first|second|last)\s+(?:(?:(?P<n>{COUNT})\s+)?"
    rf"(?P<unit>day|week)s?|(?P<half>half))"
    r"\s+of\s+(?P<month>january|february|march|april|may|june|july|august|september|october|november"
    r"|december)"
    r"(?:\s+(?P<year>(?:19|20)\d\d))?"
)

_HALF, _WEEK, _SHORTEST_MONTH = 15, 7, 28


def days_of_month(question: str) -> str:
    """The question with its first so many days of a month told as days; halves end with the 15th.

    Its first week may be that of the calendar or begin with the 1st: it is quoted, which nothing answers to.
    """
    wording = Wording(question)
    match = wording.search(_PART)
    if match is None or match["which"] != "first":
        return question
    if match["unit"] == "week" and not match["n"]:  # of the calendar or from the 1st: nobody can place it
        at = match.start("which")
        return f'{wording.text[:at]}"first week"{wording.text[match.end("unit") :]}'
    last = _HALF if match["half"] else number(match["n"] or "one") * (_WEEK if match["unit"] == "week" else 1)
    if not 1 <= last <= _SHORTEST_MONTH:
        return question
    words = f"between {match['month']} 1 and {match['month']} {last} {match['year'] or ''}"
    return " ".join(f"{wording.text[: match.start()]} {words} {wording.text[match.end() :]}".split())

"""Phrases that add nothing to what is asked, and phrases that say something plainer. Closed lists: what is
in neither stops an answer."""

from __future__ import annotations

import re

from .forms import words

EMPTY = re.compile(
    r"""\b(?:
      (?:do|did)\s+we\s+(?:own|have|hold|keep|run|operate|manage|employ|serve|stock|offer)
    | (?:that|which)?\s*we\s+(?:(?:own|hold|keep|run|operate|manage|employ|serve|stock|offer)
        |have\s+ever\s+(?:had|seen|taken)
        |ever\s+(?:took|had|saw|handled|received|recorded|got|sold|made))
    | (?:we\s+have|we\s+had)\s+(?:on\s+(?:file|record)|in\s+(?:the\s+)?(?:system|collection|stock))
    | in\s+(?:the|our)\s+(?:collection|system|records|books)
    | on\s+(?:our|the)\s+books | on\s+(?:file|record)
    | to\s+(?:their|his|her|its)\s+names?
    | have\s+(?:we|you)\s+got
    | roughly | approximately | by\s+any\s+chance | out\s+of\s+curiosity
    )\b""",
    re.X | re.I,
)
"""Says that we have what is asked for, or is politeness."""

PLAINER: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"\b(?:{pattern})\b", re.I), plain)
    for pattern, plain in (
        (r"(?:gave|give|gives|brought|brings|sent|sends)\s+us", "has"),
        (r"ha(?:s|ve)\s+had", "have"),
        (r"who\s+are\s+(?:the|our|all\s+(?:the|our))", "list the"),
        (r"since\s+the\s+(?:very\s+)?(?:beginning|start)\s+of", "since"),
        (
            r"(?:sees?|saw|treats?|treated|teaches|taught|covers?|runs?|hosts?|gets?|serves?|served|carries|handles?|handled)"
            r"(?=\s+(?:the\s+)?(?:most|fewest|least)\b)",
            "has",
        ),
        (
            r"how\s+much\s+(?:money\s+)?(?:do|did|have|are)\s+we\s+(?:earn|earned|earning|make|made|making|take|taken)(?:\s+in)?",
            "total revenue",
        ),
        (r"what\s+did\s+we\s+(?:earn|take(?:\s+in)?)", "total revenue"),
        (
            r"how\s+many\s+(\w+)\s+(?:does|do)\s+(?:an?|each|the)\s+(\w+)\s+(?:have|make|get|take|place|do)\s+on\s+average",
            r"average number of \1 per \2",
        ),
        (
            r"(\w+)\s+(?:split|breakdown|distribution|mix)\s+of\s+(?:the\s+|our\s+)?(\w+)",
            r"number of \2 by \1",
        ),
    )
)
"""Phrases and what they say plainly."""

NOTHING = re.compile(
    r"\b(?:(?:have|has|with|contain|contains|hold|holds)\s+(?:got\s+)?nothing"
    r"(?:\s+(?:hanging|standing|stored|kept|placed|parked|sitting))?\s*(?:in\s+(?:them|it)|on\s+(?:them|it)|inside|at\s+all)?"
    r"|(?:is|are|stand|stands)\s+empty)(?=\W|$)",
    re.I,
)
"""Says that nothing refers to the thing."""

CLASS_WORDS = words("class kind type category sort")
"""Words that add nothing behind the name of what tells things apart: `vehicle class`."""
INCOME_WORDS = words("income revenue takings earnings proceeds turnover")
"""Words that add up the money they stand behind: `postage income`."""
MONDAY_FIRST = re.compile(
    r",?\s*\b(?:monday\s+first|starting\s+(?:with|on|from)\s+monday|from\s+monday(?:\s+to\s+sunday)?)\b", re.I
)
"""The order that days of the week are shown in anyway."""

_UNIT = r"(day|week|month|quarter|year)"
_GROWTH = re.compile(
    rf"\b(growth|change)\s+(?:on|over|against|from|versus|compared\s+(?:to|with))\s+the\s+(?:previous|prior|preceding|last)\s+{_UNIT}\b",
    re.I,
)
_LARGEST_NUMBER = re.compile(
    r"[.,;?]?\s*\b(?:and\s+)?(?:sort|order|rank)(?:ed)?\s+(?:it|them)?\s*by\s+(?:the\s+)?(largest|highest|biggest)\s+(?:number|count)s?\b",
    re.I,
)


_WINNER_OF_EACH = re.compile(
    r"^\s*(?:(?:show|list|give|find|what\s+is|which\s+is)\s+(?:me\s+)?)?the\s+(?P<thing>[a-z]+)\s+with\s+the\s+"
    r"(?P<way>highest|lowest|most|fewest|largest|smallest)\s+(?P<figure>[^,?]+?)\s+(?:of|in|for|per|from)\s+each\s+"
    r"(?P<group>[a-z]+)\s*\?*\s*$",
    re.I,
)


def plainly(question: str) -> tuple[str, str]:
    """The question with turns of speech put plainly, and a sentence on how; the same and nothing where there
    are none: `the X with the most Y of each Z` asks which, `per month with the growth on the previous month`
    looks at every month, not at the previous one, and `sort by the largest number` asks for no second one."""
    match = _WINNER_OF_EACH.match(question)
    if match is not None:
        text = f"which {match['thing']} has the {match['way']} {match['figure']} in each {match['group']}"
        return text, f"'{question.strip(' ?')}' was read as {text}."
    match = _GROWTH.search(question)
    if match is not None:
        unit = match[2].casefold()
        if re.search(rf"\b(?:per|by|each|every)\s+{unit}\b|\b{unit}ly\b|\bdaily\b", question, re.I):
            plain = f"{unit} over {unit} growth"
            before = re.sub(r"\b(?:the|its|their)\s+$", "", question[: match.start()])
            return before + plain + question[match.end() :], f"'{match.group()}' was read as {plain}."
    match = _LARGEST_NUMBER.search(question)
    if match is not None and re.search(r"\bhow\s+many\b|\bnumber\s+of\b", question[: match.start()], re.I):
        text = question[: match.start()] + f", {match[1].casefold()} first" + question[match.end() :]
        return text, f"'{match.group().strip(' .,;?')}' was read as the {match[1].casefold()} first."
    return question, ""

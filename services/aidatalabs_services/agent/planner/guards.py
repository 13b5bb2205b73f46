"""Questions that are refused before anything is planned: writes, forecasts, causes, instructions, nothing
at all."""

from __future__ import annotations

import re

from .items import Item
from .linking import Linked
from .words import tokenize

_LONGEST_QUESTION, _MOST_WORDS = 2_000, 100

_WRITES = frozenset(
    [
        "delete",
        "drop",
        "truncate",
        "insert",
        "update",
        "alter",
        "create",
        "grant",
        "revoke",
        "rename",
        "remove",
        "kill",
        "detach",
        "attach",
        "overwrite",
        "wipe",
        "erase",
        "purge",
        "modify",
        "destroy",
        "upsert",
        "merge",
        "replace",
    ]
)
_STATEMENT = re.compile(
    r"(;\s*--)|\b(drop|truncate|alter|create|detach|rename)\s+(the\s+)?(table|database|view|user|column|index)\b"
    r"|\b(delete|insert|remove)\s+(from|into|all|every|the)\b|\bunion\s+(all\s+)?select\b|\bupdate\s+\w+\s+set\b"
    r"|\binto\s+outfile\b",
    re.I,
)
_INSTRUCTIONS = re.compile(
    r"\b(ignore|disregard|forget|override)\b.{0,40}\b(instructions?|rules?|prompts?|previous|above)\b"
    r"|\bsystem\s+prompt\b|\byou\s+are\s+now\b|\bact\s+as\b|\bpretend\b|\bjailbreak\b|\bsystem\.\w+"
    r"|\binformation_schema\b|/etc/|\b(file|url|s3|remote|mysql|postgresql|executable)\s*\(",
    re.I,
)
_LOST = re.compile(
    r"drop(?:ped)?[\s-](?:off|out|from|by|in)\b(?!\s+(?:the\s+)?(?:table|database))", re.I
)  # no change of data
_FORECAST = frozenset(
    ("predict", "prediction", "forecast", "forecasts", "tomorrow", "will", "projected", "projection")
)
_CAUSES = frozenset(
    ("why", "reason", "reasons", "cause", "causes", "caused", "because", "should", "recommend", "explain")
)
_CONDITIONED = frozenset(("they", "it", "these", "those", "results", "which", "that"))
_FUTURE = re.compile(r"\b(next|coming|upcoming)\s+(\d+\s+)?(day|week|month|quarter|year|hour)s?\b", re.I)


def write_asked(question: str, linked: Linked | None) -> str:
    """The words that ask for a change of data, or an empty text.

    A statement is one wherever it stands; a single word such as update counts unless it names something
    here.
    """
    match = _STATEMENT.search(question)
    if match:
        return match.group().strip()
    if linked is None:
        return ""
    for item in linked.items:
        word = item.text.casefold()
        if word in _WRITES and not _means_something(item) and not _LOST.match(question[_at(item, linked) :]):
            return item.text
    return ""


def _at(item: Item, linked: Linked) -> int:
    return linked.tokens[item.start].start


def _means_something(item: Item) -> bool:
    return item.kind in ("name", "value") and bool(item.candidates) and item.candidates[0].cost <= 0.05


def instruction_given(question: str) -> str:
    """The words that try to instruct the platform instead of asking about data, or an empty text."""
    match = _INSTRUCTIONS.search(question)
    return match.group().strip() if match else ""


def beyond_data(linked: Linked, question: str) -> tuple[str, str]:
    """A word that asks for more than data can tell and what it asks for; two empty texts otherwise."""
    future = _FUTURE.search(question)
    if future:
        return future.group(), "the future"
    for item in linked.items:
        if item.kind in ("name", "value") and _means_something(item):
            continue
        for place, token in enumerate(linked.tokens[item.start : item.end], item.start):
            if token.word == "should" and place and linked.tokens[place - 1].word in _CONDITIONED:
                continue  # `they should be in Paris` is a condition
            if token.word in _FORECAST:
                return token.raw, "the future"
            if token.word in _CAUSES:
                return token.raw, "a cause or an opinion"
    return "", ""


def too_long(question: str) -> str:
    """A sentence on a question that is longer than is read, or an empty text."""
    if len(question) > _LONGEST_QUESTION:
        return f"The question is longer than {_LONGEST_QUESTION} characters. Ask it shorter."
    if len(tokenize(question)) > _MOST_WORDS:
        return f"The question has more than {_MOST_WORDS} words and signs. Ask one thing, in fewer words."
    return ""


def barred(question: str, linked: Linked) -> bool:
    """True where one of these refusals stands, in whatever words the question is put."""
    told = write_asked(question, linked) or instruction_given(question) or beyond_data(linked, question)[0]
    return bool(told)


def empty(question: str) -> bool:
    """True when there is no letter or digit to read."""
    return not any(char.isalnum() for char in question)

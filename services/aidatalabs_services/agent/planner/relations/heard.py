"""Verbs of a question that a reading must have heard: `users who paid` is not all users."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, is_dataclass

from aidatalabs_services.agent.planner.items import Item
from aidatalabs_services.agent.planner.lexicon import TRADES
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.plan import QueryPlan
from aidatalabs_services.agent.planner.vocabulary.deeds import kin_cost
from aidatalabs_services.agent.planner.words import split_name


def hears_verbs(plan: QueryPlan, linked: Linked) -> bool:
    """Whether each verb of what was done is that of a table, a column or a value that the plan reads."""
    verbs = [item for item in linked.items if item.kind == "verb" and not _orders(item, linked)]
    parts = {part for name in _names(plan) for part in split_name(name)} if verbs else set()
    return all(_told(item, parts) for item in verbs)


def _orders(item: Item, linked: Linked) -> bool:
    """`ordered from longest to shortest`."""
    words = [token.word for token in linked.tokens[item.start : item.end + 4]]
    return words[0] == "ordered" and words[1:2] == ["from"] and "to" in words[2:]


def _told(item: Item, parts: set[str]) -> bool:
    if item.payload in parts or (item.payload in TRADES and parts & TRADES):
        return True
    return any(kin_cost(item.text, part) is not None for part in parts)


def _names(part: object) -> Iterable[str]:
    """The tables, columns and values in a plan and the queries within it."""
    if isinstance(part, list | tuple):
        for one in part:
            yield from _names(one)
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            held = getattr(part, field.name)
            if isinstance(held, str) and field.name in ("table", "column"):
                yield held
            elif field.name == "values":
                yield from (value for value in held if isinstance(value, str))
            else:
                yield from _names(held)

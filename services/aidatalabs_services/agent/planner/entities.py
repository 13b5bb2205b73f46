"""Answers about things that have many rows: none of them, only some, all or both is another question than
any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .draft import Ambiguous, Barred, Choice, Condition, Negation
from .index import CatalogueIndex
from .items import Item
from .lexicon import CLOSING_WORDS, QUANTIFIERS
from .linking import Linked
from .plan import QueryPlan
from .roles import is_unique
from .words import split_name

if TYPE_CHECKING:
    from .composing import Composer

_HAVING = frozenset(
    ("have", "has", "had", "having", "with", "where", "that", "whose", "which", "who", "is", "are", "was",
     "were", "be", "not", "no", "isn't", "aren't")
)  # fmt: skip
_ASKING = frozenset(
    ("show", "list", "give", "display", "return", "print", "get", "find", "tell", "fetch", "count", "i")
)
_LED_BY = frozenset(
    ("of", "for", "in", "from", "on", "at", "to", "across", "over", "among", "within", "total", "sum",
     "average", "avg", "mean", "number", "many", "and")
)  # fmt: skip
_LACKING = frozenset(("no", "without", "without any", "not", "non", "lacking"))
_SKIPPED = frozenset(("the", "a", "an", "me", "us", "please"))


def entities(plan: QueryPlan, index: CatalogueIndex) -> list[tuple[str, str]]:
    """The columns whose different values a plan counts or lists, as (table, column); none where its rows
    are the rows of a table."""
    tables = plan.tables
    sources = [m.source for m in plan.measures if m.function == "count_distinct" and m.source is not None]
    if plan.form == "list" and plan.distinct:
        sources += [dimension.source for dimension in plan.dimensions]
    found = [(tables[source.table], source.column) for source in sources if source.column]
    own = index.tables[plan.table]
    single = any(
        table == plan.table and is_unique(index.column(table, column), own) for table, column in found
    )
    return [] if single else found


def check_entities(composer: Composer, plan: QueryPlan) -> None:
    """`shops without cake orders` are no shops that have another order: what is said of their rows must be
    true of the thing itself, or be said of named rows."""
    told = entities(plan, composer.index)
    for negation in composer.draft.negations:
        things = _things(composer, negation) or told
        described = _described(composer) and negation.rows is None
        if not things or described or _of_rows(composer, negation):
            continue
        if any(not _of_all(composer, things, condition) for condition in negation.made):
            raise Barred(
                negation.item,
                f"leaves open whether all or only some rows of {composer.base} are meant, and I cannot look "
                f"for missing rows yet: say it of the rows, such as '{composer.base} where a is not b'",
            )
    if not told:
        return
    for condition, joiner in composer.draft.joined:
        if not _of_all(composer, told, condition):
            raise Ambiguous(
                f"Is one of {' and '.join(condition.values)} enough? (Both is not built yet.)",
                [Choice(f"any of {', '.join(condition.values)}", "or", joiner.start, joiner.end)],
            )


def _things(composer: Composer, negation: Negation) -> list[tuple[str, str]]:
    """The things other than rows that a negation is said of: `the cost of patients without surgery`."""
    said = negation.said_of
    if said is None or said.kind == "value" or negation.item.text.casefold() not in _LACKING:
        return []
    if said.kind == "table":
        return [(said.table, "")] if said.table != composer.base else []
    grouped = any(group.ref is not None and group.ref.candidate == said for group in composer.draft.groups)
    kind = composer.index.role(said.table, said.column).kind
    if kind not in ("key", "label", "dimension") or ((grouped or kind != "key") and negation.rows is None):
        return []
    column, own = composer.index.column(said.table, said.column), composer.index.tables[said.table]
    return [] if is_unique(column, own) and said.table == composer.base else [(said.table, said.column)]


def _of_rows(composer: Composer, negation: Negation) -> bool:
    said = negation.said_of
    return said is not None and said.kind == "table" and said.table == composer.base


def _described(composer: Composer) -> bool:
    """True for a table that others refer to and that refers to none: its rows are things, and their columns
    say what they are; rows between two tables are still events of the one they refer to."""
    keys = composer.index.keys
    return bool(keys.reaching(composer.base)) and not keys.leaving(composer.base)


def _of_all(composer: Composer, told: list[tuple[str, str]], condition: Condition) -> bool:
    """True where a condition says the same of all rows of one thing: it is on that column, or behind it."""
    if condition.ref is None:
        return False
    held = condition.ref.candidate
    for table, column in told:
        owner = set(split_name(column or table)) - CLOSING_WORDS
        if len(owner) == 1 and held.column != column and owner <= set(split_name(held.column)):
            return True  # the name says whose it is: smart_meter is said of the meter
        if not column and held.table == table:
            return True
        if (held.table, held.column) == (table, column):
            return True
        for edge in composer.index.keys.leaving(table):
            behind = edge.to_table == held.table or bool(composer.index.paths(edge.to_table, held.table))
            if column in ("", edge.column) and behind:
                return True
    return False


def check_quantifiers(linked: Linked, plan: QueryPlan, index: CatalogueIndex) -> None:
    """`only`, `just` and `all` add nothing where rows are asked for (`show only paid orders`); said of what
    things have, they ask that nothing else is there."""
    used = {place for item in linked.items for place in range(item.start, item.end)}
    words = [token.word for token in linked.tokens]
    several = bool(entities(plan, index))
    for place, word in enumerate(words):
        if word not in QUANTIFIERS or place in used:
            continue
        before = place - 1
        while before >= 0 and words[before] in _SKIPPED:
            before -= 1
        lead = words[before] if before >= 0 else ""
        free = not lead or lead in _ASKING
        within = lead in _LED_BY or lead == ","
        followed = words[place + 1] if place + 1 < len(words) else ""
        within = within or (word != "all" and followed in _LED_BY)
        if free or (within and lead not in _HAVING and (word == "all" or not several)):
            continue
        item = Item("filler", "", place, place + 1, linked.tokens[place].raw)
        raise Barred(
            item,
            "asks that nothing else is there, which I cannot look for yet: leave it out if any such row is "
            "enough",
        )

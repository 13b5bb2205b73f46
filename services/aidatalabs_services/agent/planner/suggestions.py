"""What to try after a refusal: questions that work here, and names near a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from .index import CatalogueIndex
from .items import Item
from .linking import Linked
from .measures import rows_noun
from .words import split_name

_MOST = 3
_MOST_TRIED = 6
_LONGEST = 300
_ALIKE = 0.6

Plannable = Callable[[str], bool]


def suggested(index: CatalogueIndex, plannable: Plannable, linked: Linked, item: Item | None) -> list[str]:
    """What to try instead: the question with a name that is spelt much like `item`, else examples.

    Each is a question that `plannable` said yes to; at most six are tried.
    """
    return (near(index, plannable, linked, item) if item is not None else []) or examples(
        index, plannable, linked
    )


def examples(index: CatalogueIndex, plannable: Plannable, linked: Linked | None = None) -> list[str]:
    """Up to three questions in full sentences, about the tables the question named, else the fullest ones.

    Empty tables and those whose names begin with an underscore or a dot are never offered.
    """
    tables = [t for t in index.catalogue.tables if t.row_count and not t.name.startswith(("_", "."))]
    said = _said(linked) if linked is not None else {}
    own = [table for table in tables if said.get(table.name)]
    chosen = sorted(own or tables, key=lambda t: (-said.get(t.name, 0.0), -t.row_count, t.name))
    questions = [f"How many {_asked(t.name)} are there?" for t in chosen[:_MOST]]
    return [f'Try: "{question}"' for question in questions if plannable(question)]


def near(index: CatalogueIndex, plannable: Plannable, linked: Linked, item: Item) -> list[str]:
    """The question put again with a name of a filled table that is spelt much like the item's text."""
    if len(linked.question) > _LONGEST:
        return []
    typed = item.text.casefold()
    alike = {
        said: [name for name in names if name.casefold() != typed]
        for said, names in index.filled_names.items()
        if said != " ".join(split_name(typed)) and _may_be_alike(typed, said)
    }
    spoken = {said: names[-1] for said, names in alike.items() if names}
    found = difflib.get_close_matches(typed, sorted(spoken), n=_MOST_TRIED, cutoff=_ALIKE)
    start, end = linked.tokens[item.start].start, linked.tokens[item.end - 1].end
    questions = [linked.question[:start] + spoken[match] + linked.question[end:] for match in found]
    return [f'Did you mean "{question}"?' for question in questions if plannable(question)][:_MOST]


def _may_be_alike(typed: str, said: str) -> bool:
    """False where too few letters are in both: what `SequenceMatcher.quick_ratio` finds out, sooner."""
    least = _ALIKE * (len(typed) + len(said)) / 2
    if min(len(typed), len(said)) < least:
        return False
    return sum(min(typed.count(letter), said.count(letter)) for letter in set(typed)) >= least


def _asked(table: str) -> str:
    spoken = rows_noun(table)
    return f"rows in {table}" if spoken.startswith("rows of ") else spoken


def _said(linked: Linked) -> dict[str, float]:
    """How strongly the question's words point at each table: surely linked words count most."""
    weight: dict[str, float] = {}
    for item in linked.items:
        best = min((c.cost for c in item.candidates), default=0.0)
        for table in {c.table for c in item.candidates if c.cost <= best + 0.05}:
            weight[table] = weight.get(table, 0.0) + max(0.1, 1 - best)
    return weight

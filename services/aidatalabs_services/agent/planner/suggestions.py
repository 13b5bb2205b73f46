"""What to try after a refusal: questions that work here, and names near a word that is not known."""

from __future__ import annotations

import difflib

from .index import CatalogueIndex
from .linking import Linked
from .measures import rows_noun
from .words import split_name

_MOST = 3


def examples(index: CatalogueIndex, linked: Linked | None = None) -> tuple[str, ...]:
    """Up to three questions in full sentences, about the tables the question named, else the fullest ones.

    Empty tables and those whose names begin with an underscore or a dot are never offered.
    """
    tables = [t for t in index.catalogue.tables if t.row_count and not t.name.startswith(("_", "."))]
    said = _said(linked) if linked is not None else {}
    own = [table for table in tables if said.get(table.name)]
    chosen = sorted(own or tables, key=lambda t: (-said.get(t.name, 0.0), -t.row_count, t.name))
    return tuple(f'Try: "How many {_asked(t.name)} are there?"' for t in chosen[:_MOST])


def near(index: CatalogueIndex, text: str, linked: Linked | None = None) -> tuple[str, ...]:
    """Names spelt much like the text, each in a full sentence; examples where there are none."""
    names = sorted({name for _, name in index.columns} | set(index.tables))
    spoken = {" ".join(split_name(name)): name for name in names}
    found = difflib.get_close_matches(text.casefold(), sorted(spoken), n=_MOST, cutoff=0.6)
    return tuple(f'Did you mean "{spoken[match]}"?' for match in found) or examples(index, linked)


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

"""Which table a question is about: the tables whose rows may be counted, computed over or listed."""

from __future__ import annotations

from .draft import Draft
from .index import CatalogueIndex
from .items import Candidate


class Bases:
    """The tables a draft may be read from, by what it computes and by the keys between tables."""

    def __init__(self, index: CatalogueIndex) -> None:
        self._index = index

    def likeliest(self, draft: Draft, chosen: dict[int, Candidate]) -> list[str]:
        """Tables the question may be about, likeliest first: what is counted or computed, then what was
        named."""
        tables: list[str] = []
        aggregates = [*draft.aggregates, *(a for a, *_ in draft.having)]
        if draft.rank is not None and draft.rank.by is not None:
            aggregates.append(draft.rank.by)
        firm = [
            a.ref.candidate.table
            for a in aggregates
            if a.ref is not None and self._firm(a.function, a.distinct)
        ]
        having = [a.ref.candidate.table for a, *_ in draft.having if a.ref is not None]
        if firm:
            tables = list(dict.fromkeys(having[:1] or firm))
            if len(set(having or firm)) != 1:
                return []
            counted = not having and all(a.function == "count" for a in aggregates)
            return [*tables, *self._reaching(draft, chosen, tables)] if counted else tables
        if not chosen and len(self._index.tables) == 1:
            return list(self._index.tables)
        return self._reaching(draft, chosen, [])

    def _reaching(self, draft: Draft, chosen: dict[int, Candidate], besides: list[str]) -> list[str]:
        """The tables that were named, or acted out by a verb, from which every named table can be reached."""
        named = [chosen[place].table for place in sorted(chosen)]
        subjects = [ref.candidate.table for ref in draft.subjects]
        tables = list(dict.fromkeys([*subjects, *named]))
        acted = self._index.tables_called(item.payload for item in draft.verbs)
        candidates = dict.fromkeys([*tables, *acted])
        return [
            table
            for table in candidates
            if table not in besides and all(self._reaches(table, other) for other in tables)
        ]

    @staticmethod
    def _firm(function: str, distinct: bool) -> bool:
        return not (function == "count" and distinct)

    def _reaches(self, base: str, table: str) -> bool:
        return base == table or bool(self._index.paths(base, table))


def strange(base: str, chosen: dict[int, Candidate]) -> float:
    """The cost of reading from a table that was not named although others were."""
    named = {candidate.table for candidate in chosen.values() if candidate.kind == "table"}
    return 0.08 if named and base not in named else 0.0

"""Where a reading of linked items stands: what is open, what was last, what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from .adjectives import speaks_of
from .columntypes import column_type
from .draft import Draft, Rank, Ref
from .index import CatalogueIndex
from .items import Candidate, Item
from .words import split_name


class ReadingState:
    """The state of reading one assignment: `chosen` gives the meaning of every name and value item by
    position."""

    def __init__(self, index: CatalogueIndex, items: Sequence[Item], chosen: dict[int, Candidate]) -> None:
        self.index = index
        self.items = items
        self.chosen = chosen
        self.at = 0
        self.draft = Draft()
        self.functions: list[tuple[str, Item]] = []
        self.distinct = False
        self.counting: Item | None = None
        self.grouping = False
        self.asking: Item | None = None
        self.ranking: Rank | None = None
        self.negated: Item | None = None
        self.direction = ""
        self.last_functions: list[tuple[str, Item]] = []
        self.last: tuple[int, Ref] | None = None
        self.limit = 0
        self.comparing: Item | None = None
        self.via = ""
        self.carriers: list[Ref] = []

    def peek(self, offset: int = 0) -> Item | None:
        """The item that comes next (or later), None behind the end."""
        place = self.at + offset
        return self.items[place] if 0 <= place < len(self.items) else None

    def ref(self, place: int) -> Ref:
        """The chosen meaning of the item at `place`, with the direction said before it."""
        via, self.via = self.via, ""
        return Ref(self.chosen[place], self.items[place], self.direction, via)

    def role(self, candidate: Candidate) -> str:
        """The role of a column candidate; `table` for tables."""
        return self.index.role(candidate.table, candidate.column).kind if candidate.column else "table"

    def measurable(self, candidate: Candidate) -> bool:
        """True for columns whose numbers can be computed with."""
        return candidate.kind == "column" and self.role(candidate) in ("measure", "clock", "other")

    def said_of(self, adjective: str, candidate: Candidate) -> tuple[bool, bool]:
        """Whether an adjective can be said of a column, and whether its order is reversed there."""
        column = self.index.column(candidate.table, candidate.column)
        unit = self.index.role(candidate.table, candidate.column).unit
        return speaks_of(adjective, split_name(candidate.column), unit, column_type(column.type))

    def withdraw(self, ref: Ref) -> None:
        """Take back a name that turned out to introduce a condition; a table stays the subject."""
        draft = self.draft
        draft.columns = [kept for kept in draft.columns if kept is not ref]
        draft.bare = [kept for kept in draft.bare if kept is not ref]
        draft.groups = [kept for kept in draft.groups if kept.ref is not ref]

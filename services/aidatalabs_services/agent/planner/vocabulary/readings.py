"""What a part of a question may be put into instead, and what that costs."""

from __future__ import annotations

from dataclasses import dataclass

from aidatalabs_services.agent.planner.index import CatalogueIndex
from aidatalabs_services.agent.planner.items import Item
from aidatalabs_services.agent.planner.linking import Linked
from aidatalabs_services.agent.planner.metrics import FIGURES, settled
from aidatalabs_services.agent.planner.words import Token

from .forms import words

ARTICLES = words(
    """
    a an the any some our their his her its my your this that these those of
    """
)


@dataclass(frozen=True)
class Reading:
    """The tokens [start, end) put into the words `text`; `told` says so to a reader, `cost` is lower for
    what is surer. `kind` names the rule; the tokens of the spans in `also` are left out with them."""

    start: int
    end: int
    text: str
    cost: float
    told: str
    kind: str
    also: tuple[tuple[int, int], ...] = ()

    @property
    def places(self) -> frozenset[int]:
        """The tokens that it takes the place of."""
        spans = ((self.start, self.end), *self.also)
        return frozenset(place for start, end in spans for place in range(start, end))


class Spoken:
    """A question with the data it is asked of, for the rules that read its words."""

    def __init__(self, index: CatalogueIndex, linked: Linked) -> None:
        self.index = index
        self.linked = linked
        self.tokens: list[Token] = linked.tokens
        self.words = [token.word for token in linked.tokens]
        self.lemmas = [token.lemma for token in linked.tokens]
        self._read_as = settled(linked.question, index)[1]
        self.items: dict[int, Item] = {
            place: item for item in linked.items for place in range(item.start, item.end)
        }

    def text(self, start: int, end: int) -> str:
        """The words as they were typed."""
        return self.linked.question[self.tokens[start].start : self.tokens[end - 1].end]

    def unknown(self, place: int) -> bool:
        """Whether a word means nothing in the data so far."""
        item = self.items.get(place)
        if item is None or item.kind != "unknown" or self.tokens[place].kind != "word":
            return False
        return not (self._read_as and self.words[place] in FIGURES)

    def named_tables(self) -> tuple[str, ...]:
        """The tables that the question names, plainly said ones first."""
        found: dict[str, float] = {}
        for item in self.linked.items:
            for candidate in item.candidates:
                if candidate.kind == "table" and candidate.cost < 0.3:
                    found[candidate.table] = min(found.get(candidate.table, 9.0), candidate.cost)
        return tuple(sorted(found, key=lambda table: (found[table], table)))

    def tables(self) -> tuple[str, ...]:
        """The tables that are meant: those named, else all that have rows."""
        named = self.named_tables()
        return named or tuple(t for t in self.index.tables if t not in self.index.empty_tables)

    def span_of(self, start: int, end: int) -> tuple[int, int] | None:
        """The tokens that lie within the characters [start, end) of the question."""
        inside = [n for n, t in enumerate(self.tokens) if t.start < end and t.end > start]
        return (inside[0], inside[-1] + 1) if inside else None

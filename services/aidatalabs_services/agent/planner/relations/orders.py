"""Orders asked for: by what, and from which end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from .lexis import (
    ALPHABETICAL,
    COUNT,
    DIRECTIONS,
    SORT,
)
from .nouns import Nouns
from .tree import Asked, Computed, Counted, Mention, Part, Shown, Sorted


class Orders(Nouns):
    """Reads orders; lists of parts come from the class below."""

    _named_number: Callable[[], Mention | None]
    _functions: Callable[[], list[str]]

    def _ordering(self, asked: Asked) -> None:
        self.s.take(SORT)
        order = self._order()
        if asked.order is not None and asked.order.part is not None and order.part is None:
            order = replace(order, part=asked.order.part)
        asked.order = order

    def _order(self) -> Sorted:
        """`by age in descending order`, `in descending order of age`, `alphabetically`."""
        way: bool | None = None
        adjective = ""
        part: Part | None = None
        while not self.s.done and self.s.at not in self.s.breaks:
            phrase = self.s.lookup(DIRECTIONS)
            if phrase:
                way = DIRECTIONS[phrase]
                adjective = adjective or ("alphabet" if set(phrase) & ALPHABETICAL else "")
                self.s.at += len(phrase)
                continue
            if part is None:
                self.s.skip(("by", "the", "their", "its", "of", "in", "order", "on", "them", "results"))
                part = self.ordering_part()
                if part is not None:
                    continue
            break
        return Sorted(bool(way), part, adjective)

    def ordering_part(self) -> Part | None:
        """What to order or to rank by; None where it was not said."""
        start = self.s.at
        named = self._named_number()
        if named is not None:
            return Shown(named)
        if self.s.take(COUNT):
            return Counted(self.noun(modified=False))
        things = self.s.names()
        if (things and things[0].tables) or (self.s.values() and not things):
            return Counted(self.noun(modified=False))  # `top 3 shows by plays`
        functions = self._functions()
        attribute = self.attribute(None)
        if attribute is None:
            self.s.at = start
            return None
        return Computed(functions[0], attribute) if functions else Shown(attribute)

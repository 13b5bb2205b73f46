"""Things compared with another thing, or with the first of some: `older than Ada`, `cheaper than the
cheapest tea`."""

from __future__ import annotations

from dataclasses import replace

from .heads import Heads
from .lexis import ARTICLES
from .scanner import Lost
from .tree import Beyond, Condition, Extreme, Held, Mention

_ALL = frozenset(("all", "every", "each"))


class Rivals(Heads):
    """Reads what stands behind `than` where it is no number."""

    def against(self, attribute: Mention | None, operator: str, adjective: str) -> Condition | None:
        """The comparison with another thing's own number; None where none is named."""
        start = self.s.at
        self.s.skip(ARTICLES - _ALL - {"any", "some", "its", "his", "her", "their"})
        whole = bool(self.s.takes_word(_ALL))
        try:
            other = self.noun()
        except Lost:
            self.s.at = start
            return None
        upwards = operator in ("gt", "ge")
        if whole and other.extreme is None:
            return Beyond(attribute, operator, "max" if upwards else "min", adjective, other)
        if self._first_of(other.extreme, attribute, adjective):
            function = "max" if other.extreme is not None and other.extreme.descending else "min"
            return Beyond(attribute, operator, function, adjective, replace(other, extreme=None))
        named = other.extreme is None and other.conditions and isinstance(other.conditions[0], Held)
        if not named or other.head is None or other.different:
            self.s.at = start
            return None
        return Beyond(attribute, operator, "max", adjective, other, single=True)

    def _first_of(self, extreme: Extreme | None, attribute: Mention | None, adjective: str) -> bool:
        """`heavier than the heaviest otter`: one of them, by the same number."""
        if extreme is None or extreme.limit > 1 or extreme.noun is not None or extreme.function:
            return False
        if not extreme.adjective or extreme.attribute is not None:
            return False
        if attribute is not None:
            return self.speaks(extreme.adjective, attribute)
        return extreme.adjective == adjective or {extreme.adjective, adjective} in _OPPOSITES


_OPPOSITES = [{"old", "young"}, {"heavy", "light"}, {"cheap", "expensive"}, {"long", "short"},
              {"large", "small"}, {"big", "small"}, {"high", "low"}, {"fast", "slow"}]  # fmt: skip

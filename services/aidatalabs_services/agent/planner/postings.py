"""What each word or text of a catalogue leads to: lists in the order of its tables, made anew cheaply."""

from __future__ import annotations

from bisect import insort_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

Posted = TypeVar("Posted")
"""Never a list: of the many keys that lead to one thing alone, it is kept without one."""


class Postings(Generic[Posted]):
    """Lists by key. `table_of` tells the table that a posted thing belongs to."""

    def __init__(self, table_of: Callable[[Posted], str], pairs: Iterable[tuple[str, Posted]] = ()) -> None:
        self._table_of = table_of
        self._held: dict[str, Posted | list[Posted]] = {}
        for key, posted in pairs:
            self.add(key, posted)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def add(self, key: str, posted: Posted) -> None:
        """Puts one thing more behind what the key leads to; only while the postings are made."""
        held = self._held.get(key)
        if held is None:
            self._held[key] = posted
        elif type(held) is list:
            held.append(posted)
        else:
            self._held[key] = [held, posted]  # type: ignore[list-item]

    def get(self, key: str) -> Sequence[Posted]:
        """All that the key leads to, in the catalogue's order; not to be changed."""
        held = self._held.get(key)
        if held is None:
            return ()
        return held if type(held) is list else (held,)  # type: ignore[return-value]

    def changed(
        self,
        tables: frozenset[str],
        before: Iterable[tuple[str, Posted]],
        after: Iterable[tuple[str, Posted]],
        places: Mapping[str, int],
    ) -> Postings[Posted]:
        """Postings in which these tables' own, which were `before`, are `after`; the others are shared.

        `places` are the tables' places in the new catalogue: those that stayed have kept their order.
        """
        made: Postings[Posted] = Postings(self._table_of)
        made._held = dict(self._held)
        added: dict[str, list[Posted]] = {}
        for key, posted in after:
            added.setdefault(key, []).append(posted)
        for key in {key for key, _ in before} | added.keys():
            kept = [posted for posted in self.get(key) if self._table_of(posted) not in tables]
            for posted in added.get(key, ()):
                insort_right(kept, posted, key=lambda each: places[self._table_of(each)])
            if kept:
                made._held[key] = kept if len(kept) > 1 else kept[0]
            else:
                del made._held[key]
        return made

"""How far the sink is, and which acknowledged groups wait for it."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Mapping

from aidatalabs_services.data.kafka.ports import Lane, Place
from aidatalabs_services.data.receipts import Progress


class Standing:
    """The sink's offsets of every partition, and the progress of each group that they have not passed."""

    def __init__(self) -> None:
        self._stored: dict[Lane, int] = {}
        self._waiting: dict[Lane, list[tuple[int, int, str, Progress]]] = {}
        self._counts: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._order = itertools.count()

    def progress_of(self, place: Place, token: str) -> Progress:
        """How far a group is that lies here; ends when the sink has passed it."""
        progress = Progress()
        if self._stored.get(place.lane, 0) > place.last:
            progress.finish(stored=token not in self._refused)
        else:
            entry = (place.last, next(self._order), token, progress)
            heapq.heappush(self._waiting.setdefault(place.lane, []), entry)
            self._counts[place.topic] += 1
        return progress

    def refuse(self, token: str) -> None:
        """Notes that not all rows of this group will be in the table."""
        self._refused.add(token)

    def advance(self, offsets: Mapping[Lane, int]) -> None:
        """The sink has dealt with everything before these offsets."""
        for lane, offset in offsets.items():
            if offset <= self._stored.get(lane, 0):
                continue
            self._stored[lane] = offset
            waiting = self._waiting.get(lane, [])
            while waiting and waiting[0][0] < offset:
                _, _, token, progress = heapq.heappop(waiting)
                progress.finish(stored=token not in self._refused)
                self._counts[lane[0]] -= 1

    def restart(self, lane: Lane, offset: int, end: int) -> None:
        """A partition counts anew: the sink is at `offset`; what lay at `end` or behind it is gone."""
        self._stored[lane] = offset
        waiting = self._waiting.get(lane, [])
        gone = [entry for entry in waiting if entry[0] >= end]
        self._waiting[lane] = sorted(entry for entry in waiting if entry[0] < end)
        for _, _, _, progress in gone:
            progress.finish(stored=False)
        self._counts[lane[0]] -= len(gone)

    def stored(self, lane: Lane) -> int:
        """The offset before which the sink has dealt with everything, as far as is known here."""
        return self._stored.get(lane, 0)

    def forget(self, topic: str) -> None:
        """Drops what is known of a topic that is deleted."""
        for lane in [lane for lane in self._stored | self._waiting if lane[0] == topic]:
            self._stored.pop(lane, None)
            self._waiting.pop(lane, None)
        del self._counts[topic]

    @property
    def waiting(self) -> Mapping[str, int]:
        """Groups known to wait, by topic."""
        return self._counts

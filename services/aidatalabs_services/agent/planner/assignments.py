"""The combinations of meanings that the items of a question can have, cheapest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from .items import Candidate, Item

_MOST_READINGS = 96
_MOST_ITEMS_READ = 2_400  # of all readings together: a long question is read less often, not longer


def assignments(items: list[Item]) -> Iterator[tuple[float, dict[int, Candidate]]]:
    """The cheapest combinations of meanings, best first, at most so many."""
    places = [place for place, item in enumerate(items) if item.candidates]
    options = [_costed(items, place) for place in places]
    start = tuple(0 for _ in places)
    heap = [(sum(costs[0][0] for costs in options), start)]
    seen = {start}
    for _ in range(min(_MOST_READINGS, _MOST_ITEMS_READ // max(1, len(items)))):
        if not heap:
            return
        cost, picks = heapq.heappop(heap)
        yield cost, {place: options[n][picks[n]][1] for n, place in enumerate(places)}
        for n in range(len(places)):
            following = (*picks[:n], picks[n] + 1, *picks[n + 1 :])
            if following[n] < len(options[n]) and following not in seen:
                seen.add(following)
                more = options[n][following[n]][0] - options[n][picks[n]][0]
                heapq.heappush(heap, (round(cost + more, 6), following))


def _costed(items: list[Item], place: int) -> list[tuple[float, Candidate]]:
    """The candidates of one item with their costs; beside an equally good table, a column is less likely."""
    item = items[place]
    tables = [c for c in item.candidates if c.kind == "table" and c.cost <= 0.05]
    said = {c.table for other in items for c in other.candidates if c.kind == "table" and c.cost <= 0.05}
    here = min((c.cost for c in item.candidates if c.kind != "table" and c.table in said), default=9.0)
    costed = []
    for candidate in item.candidates[:12]:
        extra = 0.2 if tables and candidate.kind == "column" and candidate.cost <= 0.05 else 0.0
        own = any(t.table == candidate.table for t in tables) and candidate.cost <= 0.12
        extra += 0.1 if own and not extra and candidate.kind == "column" else 0.0
        away = candidate.kind != "table" and candidate.table not in said
        extra += 0.1 if away and here <= candidate.cost + 0.05 else 0.0
        costed.append((candidate.cost + extra, candidate))
    return sorted(costed, key=lambda pair: (pair[0], pair[1].kind, pair[1].table, pair[1].column))

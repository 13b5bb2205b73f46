"""Overlapping spans of a question reduced to the items that are read: the longest, then the surest."""

from __future__ import annotations

from dataclasses import replace

from .items import Candidate, Item
from .lexicon import QUANTITIES
from .names import PARTIAL_NAME
from .words import compact

_SOFT_OPERATORS = frozenset(("list", "order", "breakdown", "first", "missing", "when", "versus", "prep"))
_HARD_COST = 0.06
_COUNTS = (" number", " count")


def merged(spans: list[Item]) -> list[Item]:
    """Names and values over the same tokens become one item with all candidates."""
    merged: dict[tuple[int, int], Item] = {}
    others: list[Item] = []
    for span in spans:
        if span.kind not in ("name", "value"):
            others.append(span)
            continue
        key = (span.start, span.end)
        held = merged.get(key)
        if held is None:
            merged[key] = span
            continue
        kind = "name" if "name" in (held.kind, span.kind) else "value"
        merged[key] = replace(held, kind=kind, candidates=held.candidates + span.candidates)
    return others + [replace(item, candidates=_distinct(item.candidates)) for item in merged.values()]


def _distinct(candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    best: dict[tuple[str, str, str, tuple[str, ...]], Candidate] = {}
    for candidate in candidates:
        key = (candidate.kind, candidate.table, candidate.column, candidate.values)
        if key not in best or candidate.cost < best[key].cost:
            best[key] = candidate
    return tuple(sorted(best.values(), key=lambda c: (c.cost, c.kind, c.table, c.column, c.values)))


def spelled_exactly(item: Item) -> Item:
    """Of two columns of one table with the same stem, the one written exactly so is the likelier."""
    exact = {
        c.table for c in item.candidates if c.kind == "column" and compact(c.column) == compact(item.text)
    }
    return replace(
        item,
        candidates=_distinct(
            tuple(
                replace(c, cost=c.cost + 0.12)
                if c.kind == "column" and c.table in exact and compact(c.column) != compact(item.text)
                else c
                for c in item.candidates
            )
        ),
    )


def _rank(item: Item) -> tuple[int, int, float, int]:
    """Sort key of competing spans: longer first; over the same length the surer kind first."""
    length = item.end - item.start
    if item.kind in ("name", "value"):
        cost = item.candidates[0].cost
        order = 1 if cost <= _HARD_COST else 5 if cost < 0.3 else 7
        if length > 1 and cost < 0.2 and item.text.casefold().endswith(_COUNTS):
            order = -1  # `tail number of` names the number; nothing is counted
        if cost >= PARTIAL_NAME and item.text.casefold() in QUANTITIES:
            order = 9  # `value` alone is not net_value, whatever stands beside it
        if item.kind == "value" and item.candidates[0].partial:
            order = 6 if cost <= 0.3 else 7
        return -length, order, cost, item.start
    if item.kind in ("window", "grain", "part"):
        return -length, 0, 0.0, item.start
    if item.kind == "unit":
        return -length, 0, 0.0, item.start
    order = {
        "filler": 4,
        "unknown": 9,
        "literal": 8,
        "unitword": 6,
        "verb": 6,
        "quantity": 8,
        "acting": 8,
        "superlative": 0,
        "measured": -1,
    }.get(item.kind, 2)
    if item.kind in _SOFT_OPERATORS and item.kind != "prep":
        order = 3
    if item.kind in ("count", "fn", "cmp", "neg", "by", "and", "or", "which", "prep", "share", "most", "top"):
        order = 0
    if item.kind == "filler" and item.payload == "verb":
        order = 6
    return -length, order, 0.0, item.start


def best_cover(spans: list[Item], size: int) -> list[Item]:
    """Spans that share no token, left to right, the best of each place; `size` is the number of tokens."""
    taken = [False] * size
    chosen = []
    for span in sorted(spans, key=_rank):
        if not any(taken[span.start : span.end]):
            taken[span.start : span.end] = [True] * (span.end - span.start)
            chosen.append(span)
    return sorted(chosen, key=lambda item: item.start)

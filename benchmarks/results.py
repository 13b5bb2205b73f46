"""One measured figure with the figure it is compared with, in the shape of `benchmarks/results.json`."""

from __future__ import annotations

from collections.abc import Sequence

Row = dict[str, object]
"""name, value, unit, peer, peer_value, ratio, goal; the peer's fields are None where nothing is compared."""


def row(
    name: str,
    value: float,
    unit: str,
    *,
    peer: str | None = None,
    peer_value: float | None = None,
    goal: str | None = None,
) -> Row:
    """A figure beside its peer's; `ratio` is value through peer value, both of the same run."""
    return {
        "name": name,
        "value": _rounded(value),
        "unit": unit,
        "peer": peer if peer_value is not None else None,
        "peer_value": _rounded(peer_value) if peer_value is not None else None,
        "ratio": round(value / peer_value, 3) if peer_value else None,
        "goal": goal,
    }


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that `share` (0 to 1) of all samples do not exceed (nearest rank)."""
    ordered = sorted(samples)
    rank = -(-len(ordered) * share // 1)
    return ordered[max(0, int(rank) - 1)]


def _rounded(value: float) -> float:
    return round(value, 2) if value < 100 else round(value)

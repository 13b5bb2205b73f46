"""What a run of many seeds leaves behind: a JSON file with one entry a seed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.machine import machine
from tests.durability.drill import Outcome


def write(path: Path, outcomes: Sequence[Outcome], about: Mapping[str, object] | None = None) -> None:
    """Keeps these seeds, and others that a run before wrote into the file."""
    found = json.loads(path.read_text())["seeds"] if path.exists() else []
    seeds = {one["seed"]: one for one in found} | {one.seed: _entry(one) for one in outcomes}
    text = {"machine": machine(), **(about or {}), "seeds": [seeds[number] for number in sorted(seeds)]}
    path.write_text(json.dumps(text, indent=1) + "\n")


def _entry(outcome: Outcome) -> dict[str, object]:
    return asdict(outcome) | {"refused": dict(outcome.refused), "moments": len(outcome.moments)}

"""Twenty seeds against the whole way in: every process is killed three times in each (`make soak`).

The figures go into benchmarks/durability.json. DURABILITY_SEEDS=4-9 runs these seeds alone; their figures
replace the ones of the same seeds there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.durability.drill import Outcome, Plan, drill, table
from tests.durability.evidence import write
from tests.durability.worlds import Behind, Place

SEEDS = 20
KILLS = 3
LEAST_EVENTS = 50_000
REPORT = Path(__file__).parents[2] / "benchmarks" / "durability.json"


@pytest.mark.soak
@pytest.mark.mesh
@pytest.mark.timeout(7200)
async def test_twenty_seeds_of_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    first, _, last = os.environ.get("DURABILITY_SEEDS", f"1-{SEEDS}").partition("-")
    outcomes: list[Outcome] = []
    for seed in range(int(first), int(last or first) + 1):
        outcome = await drill(Place(tmp_path / str(seed), Behind), Plan(seed, KILLS, LEAST_EVENTS))
        outcomes.append(outcome)
        sys.stdout.write(f"\n{table([outcome])}\n{dict(outcome.refused)}\n")
        sys.stdout.flush()
        write(REPORT, outcomes)
    sys.stdout.write(f"\n{table(outcomes)}\n")
    assert [one for one in outcomes if not (one.verdict.holds and one.stored)] == []
    assert [told for one in outcomes for told in one.told_amiss] == []
    assert min(min(one.kills.values()) for one in outcomes) >= KILLS
    assert min(min(one.acknowledged.values()) for one in outcomes) >= LEAST_EVENTS


@pytest.mark.soak
@pytest.mark.mesh
@pytest.mark.timeout(600)
@pytest.mark.parametrize("twin", ["early", "tokens"])
async def test_the_whole_drill_finds_out_a_broken_twin(tmp_path: Path, twin: str) -> None:
    outcome = await drill(Place(tmp_path, Behind), Plan(1, KILLS, LEAST_EVENTS), twin=twin)
    sys.stdout.write(f"\n{table([outcome])}\n{dict(outcome.refused)}\n")
    assert outcome.stored
    assert not outcome.verdict.holds

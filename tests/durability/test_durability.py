"""A data service and its engine are killed under load: nothing acknowledged is lost or stored twice.

The same check must find out broken twins, and a roll-up that somebody has touched. `make soak` has the twenty
seeds and the second twin.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.durability.drill import Outcome, Plan, drill, schedule, table
from tests.durability.events import ROWS, STREAM, BatchOf, Numbers, texts, times, types, values
from tests.durability.stored import Verdict, compare, judged
from tests.durability.worlds import Alone, Place

PLAN = Plan(7, kills=1, least_events=5_000, gap_events=(200, 1_500), at_once_share=0.1)
TOUCHED = "INSERT INTO events_hourly VALUES ('2026-01-01 00:00:00', 'click', 1, 1)"


def told(outcome: Outcome) -> None:
    """Prints what a reader of a failure needs."""
    sys.stdout.write(f"\n{table([outcome])}\n{outcome.moments}\n{dict(outcome.refused)}\n")


@pytest.mark.timeout(300)
async def test_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    outcome = await drill(Place(tmp_path, Alone), PLAN)
    told(outcome)
    assert outcome.stored
    assert outcome.verdict.holds, outcome
    assert outcome.told_amiss == []
    assert outcome.kills == dict.fromkeys(("data", "engine", "client rows", "client stream"), PLAN.kills)
    # The judge itself: nobody was promised these rows, and this roll-up is no longer that of the rows.
    verdict = await judged(tmp_path / "data", [], [], tampering=TOUCHED)
    assert verdict.strange >= 2 * PLAN.least_events
    assert verdict.unequal == ("events_hourly",)


@pytest.mark.parametrize(
    "twin", ["early", pytest.param("tokens", marks=[pytest.mark.soak, pytest.mark.timeout(300)])]
)
async def test_the_drill_finds_out_a_broken_twin(tmp_path: Path, twin: str) -> None:
    plan = replace(PLAN, names=("data",)) if twin == "early" else replace(PLAN, kills=3)
    outcome = await drill(Place(tmp_path, Alone), plan, twin=twin)
    told(outcome)
    assert outcome.stored
    assert outcome.verdict.lost if twin == "early" else outcome.verdict.duplicates


def rows(numbers: Numbers, **changes: pa.Array) -> pa.Table:
    """These events as they are read from the table."""
    columns = {
        "number": pa.array(numbers),
        "time": pa.array(times(numbers)),
        "kind": pa.array(types(numbers)),
        "value": pa.array(values(numbers)),
        "text": pa.array(texts(numbers)),
    }
    return pa.table(columns | changes)


def test_the_judge_tells_lost_doubled_strange_and_changed_events_apart() -> None:
    one, two, three = BatchOf(1, ROWS, 0), BatchOf(1, ROWS, 1), BatchOf(1, STREAM, 0)
    here, all_three = np.concatenate([one.numbers(), two.numbers()]), [one, two, three]
    assert compare(rows(here), [one, two], all_three) == Verdict(len(here), 0, 0, 0, 0)
    assert compare(rows(here), [one], all_three).holds  # the other was begun: it may be there or not
    assert compare(rows(here), all_three, all_three).lost == three.count
    assert compare(rows(np.append(here, here[:3])), [one], all_three).duplicates == 3
    assert compare(rows(here), [one], [one]).strange == two.count
    assert compare(rows(here, value=pa.array(values(here) + 0.5)), [one], all_three).changed == len(here)


def test_the_same_seed_kills_in_the_same_order() -> None:
    targets = ("data", "engine")
    assert schedule(targets, PLAN) == schedule(targets, PLAN)
    assert schedule(targets, PLAN) != schedule(targets, replace(PLAN, seed=8))
    assert sorted(name for name, _ in schedule(targets, replace(PLAN, kills=3))) == sorted(
        3 * ["data", "engine", "client rows", "client stream"]
    )

"""Twenty seeds through Apache Kafka: the broker and every process on the way are killed three times in each.

All of it is `make soak`; where Java and Maven are missing it is skipped, in CI never. The figures go into
benchmarks/durability_kafka.json. DURABILITY_SEEDS=4-9 runs these seeds alone; their figures replace the ones
of the same seeds there. DURABILITY_WAY=alone leaves out the edge and the services that no event passes
through Kafka for: a third of the time.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.durability.brokered import Pair, brokered
from tests.durability.drill import Outcome, Plan, drill, table
from tests.durability.evidence import write
from tests.durability.worlds import Alone, Behind, Place
from tests.kafka.brokers import IN_CI, ApacheKafka

SEEDS = 20
KILLS = 3
LEAST_EVENTS = 50_000
REPORT = Path(__file__).parents[2] / "benchmarks" / "durability_kafka.json"
WAYS: dict[str, type[Alone] | type[Behind]] = {"whole": Behind, "alone": Alone}

pytestmark = pytest.mark.soak


@pytest.fixture(scope="module", autouse=True)
def _apache_kafka() -> None:
    hindrance = ApacheKafka.hindrance()
    if hindrance:
        assert not IN_CI, hindrance
        pytest.skip(hindrance)


def told(outcome: Outcome) -> None:
    """Prints what a reader of a failure needs."""
    sys.stdout.write(f"\n{table([outcome])}\n{outcome.moments}\n{dict(outcome.refused)}\n")
    sys.stdout.flush()


def victims(kind: type[Alone] | type[Behind]) -> tuple[str, ...]:
    """Everybody who is killed."""
    return (*kind.targets, "broker", "client rows", "client stream")


@pytest.mark.mesh
@pytest.mark.timeout(7200)
async def test_twenty_seeds_of_kills_through_apache_kafka_lose_and_double_nothing(tmp_path: Path) -> None:
    first, _, last = os.environ.get("DURABILITY_SEEDS", f"1-{SEEDS}").partition("-")
    kind = WAYS[os.environ.get("DURABILITY_WAY", "whole")]
    outcomes: list[Outcome] = []
    for seed in range(int(first), int(last or first) + 1):
        outcome = await drill(Place(tmp_path / str(seed), brokered(kind)), Plan(seed, KILLS, LEAST_EVENTS))
        outcomes.append(outcome)
        told(outcome)
        write(REPORT, outcomes, {"broker": "Apache Kafka 4.1.1, one node"})
    sys.stdout.write(f"\n{table(outcomes)}\n")
    assert [one for one in outcomes if not (one.verdict.holds and one.stored)] == []
    assert [told for one in outcomes for told in one.told_amiss] == []
    assert all(one.kills == dict.fromkeys(victims(kind), KILLS) for one in outcomes)
    assert min(min(one.acknowledged.values()) for one in outcomes) >= LEAST_EVENTS


@pytest.mark.timeout(600)
async def test_kills_of_a_data_service_alone_with_apache_kafka_behind_it_lose_and_double_nothing(
    tmp_path: Path,
) -> None:
    outcome = await drill(Place(tmp_path, brokered(Alone)), Plan(1, KILLS, LEAST_EVENTS))
    told(outcome)
    assert outcome.stored
    assert outcome.verdict.holds, outcome
    assert outcome.told_amiss == []
    assert outcome.kills == dict.fromkeys(victims(Alone), KILLS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1, 2])
async def test_kills_of_two_services_that_share_the_work_lose_and_double_nothing(
    tmp_path: Path, seed: int
) -> None:
    outcome = await drill(Place(tmp_path, Pair), Plan(seed, KILLS, LEAST_EVENTS, names=Pair.targets))
    told(outcome)
    assert outcome.stored
    assert outcome.verdict.holds, outcome
    assert outcome.told_amiss == []
    assert outcome.kills == dict.fromkeys(Pair.targets, KILLS)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("twin", ["early", "tokens", "offsets"])
async def test_the_drill_through_apache_kafka_finds_out_a_broken_twin(tmp_path: Path, twin: str) -> None:
    plan = Plan(1, KILLS, LEAST_EVENTS // 5, names=("data", "engine"))
    outcome = await drill(Place(tmp_path, brokered(Alone)), plan, twin=twin)
    told(outcome)
    assert outcome.verdict.duplicates if twin == "tokens" else outcome.verdict.lost

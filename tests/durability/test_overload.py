"""Ten times what the service can take: memory stays bounded, every refusal says when to come back.

Nothing acknowledged is lost and the service is soon as quick as before. `make soak` runs it for a minute
behind a real edge with the product's own limits, and writes benchmarks/overload.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from benchmarks.machine import machine
from tests.durability.events import BatchOf, Numbers
from tests.durability.overload import Overload, Push, promised, spread, table
from tests.durability.stored import counted, engine_folders
from tests.durability.worlds import Alone, Behind, Place

MIB = 1024 * 1024
REPORT = Path(__file__).parents[2] / "benchmarks" / "overload.json"
RECOVERY_SECONDS = 10.0
SMALL = {
    "AIDATALABS_DATA_RUNNING_CALLS": "8",
    "AIDATALABS_DATA_QUEUED_CALLS": "16",
    "AIDATALABS_DATA_INGEST_STREAM_COUNT": "3",
    "AIDATALABS_DATA_INGEST_STREAM_BYTES": str(16 * MIB),
    "AIDATALABS_DATA_INGEST_STREAM_WAIT_SECONDS": "0.2",
    "AIDATALABS_DATA_INGEST_WAITING_BYTES": str(16 * MIB),
    "AIDATALABS_DATA_JOURNAL_BYTES": str(16 * MIB),
    "AIDATALABS_DATA_QUERY_WAIT_SECONDS": "0.2",
    "AIDATALABS_DATA_INGEST_STORE_SECONDS": "1",
}
SMALL_BOUNDS = {"data": 500, "engine": 1500}
"""MiB of resident memory with the small limits: an idle service has 190, an idle engine 330."""

BOUNDS = {"data": 2048, "engine": 4096, "edge": 2048, "platform": 300, "identity": 300, "postgres": 500}
"""MiB with the product's own limits: the data service has 275 at rest, batches of streams (256, with what is
decoded and encoded of them three times that) and what waits for the journal (384, and the same again while it
is written); the engine twice what it may track, the edge its heap."""


async def judge(place: Place, push: Push, bounds: Mapping[str, int], report: Path | None = None) -> None:
    """Runs it and fails where something is not as it must be; the figures go into `report` in any case."""
    async with place.world() as world:
        own = engine_folders(world.data_directory)
        run = Overload(world, push)
        figures = await run.run()
        others = engine_folders(world.data_directory) - own
        await world.stop()
        neighbour = run.neighbour
        assert neighbour is not None
        sys.stdout.write(f"\n{table(figures, dict(bounds))}\n")
        sys.stdout.write(f"neighbour: {spread(neighbour.seconds)}, refused {dict(neighbour.refused)}\n")
        if report is not None:
            # `asdict` makes nonsense of counters.
            plain = {name: each for name, each in vars(figures).items() if name not in ("calls", "batches")}
            told = {"calls": vars(figures.calls), "batches": vars(figures.batches)}
            kept = {"machine": machine(), "bounds_mib": bounds, **plain, **told}
            report.write_text(json.dumps(kept, indent=1) + "\n")
        found = {folder: await counted(folder) for folder in own | others}
    assert figures.stored_seconds >= 0
    check_counts(run.expected(), *found[own.pop()])
    check_counts(neighbour.acknowledged, *found[others.pop()])
    assert figures.calls.amiss + figures.batches.amiss == {}
    assert figures.calls.refused
    assert figures.batches.refused
    assert min(figures.calls.acknowledged.values()) > 0
    assert {name: peak for name, peak in figures.peak_mib.items() if peak > bounds[name]} == {}
    # From here on for a machine that does nothing else.
    assert 0 <= figures.recovered_seconds <= RECOVERY_SECONDS
    assert 0 <= figures.stored_seconds <= RECOVERY_SECONDS
    assert neighbour.refused == {}


def check_counts(expected: dict[BatchOf, int], numbers: Numbers, counts: Numbers, unequal: list[str]) -> None:
    """Every acknowledged event is stored as often as it was acknowledged, nothing else is; roll-ups agree."""
    wanted = np.array([each for each in promised(expected) if each[1]])
    wanted = wanted[np.argsort(wanted[:, 0])]
    assert np.array_equal(wanted[:, 0], numbers)
    assert np.array_equal(wanted[:, 1], counts)
    sys.stdout.write(f"{counts.sum():,} events are stored, {wanted[:, 1].sum():,} were acknowledged\n")
    assert unequal == []


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_more_than_it_can_take_is_refused_in_words_and_loses_nothing(tmp_path: Path) -> None:
    push = Push(1.0, 5.0, callers=4, streams=5, channels=4, stream_rows=5_000)
    await judge(Place(tmp_path, Alone, SMALL), push, SMALL_BOUNDS)


@pytest.mark.soak
@pytest.mark.mesh
@pytest.mark.timeout(900)
async def test_a_minute_of_ten_times_too_much_behind_the_edge(tmp_path: Path) -> None:
    await judge(Place(tmp_path, Behind, {}), Push(10.0, 60.0), BOUNDS, REPORT)

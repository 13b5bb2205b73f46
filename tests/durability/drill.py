"""One seed: clients send through every path while processes are killed, then everything is counted.

Which process dies next, and after how many more acknowledged events, follows from the seed. Between two kills
something is acknowledged, most times; some kills come at once, while what died before is still recovering.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from aidatalabs_services.mesh.pids import ProcessIdentity
from tests.durability.client_process import LogEntries
from tests.durability.events import PATHS, BatchOf
from tests.durability.plans import ROOT
from tests.durability.stored import Verdict, judged
from tests.durability.worlds import NO_TWIN, PLATFORM, Place, World

_STUCK_SECONDS = 240.0
# A client waits that long at most until its last batch is in the table.
_STORED_SECONDS = 300.0
_LOOK_SECONDS = 0.02
# What a client may be told: nobody there, not now, too much at once.
_MAY_BE_TOLD = ("UNAVAILABLE", "RESOURCE_EXHAUSTED")


@dataclass(frozen=True)
class Plan:
    """What one run does: kills of each process, events acknowledged on each path, events between kills."""

    seed: int
    kills: int
    least_events: int
    gap_events: tuple[int, int] = (500, 4000)
    at_once_share: float = 0.15
    names: tuple[str, ...] = ()
    """Who is killed where that is not everybody."""


@dataclass
class Outcome:
    """One run as the table shows it."""

    seed: int
    acknowledged: dict[str, int]
    kills: dict[str, int]
    refused: Counter[str]
    seconds: float
    verdict: Verdict
    stored: bool
    """Whether each client saw its last batch in the table; else what is lost may only be late."""
    moments: list[tuple[str, int]] = field(default_factory=list)
    """Each kill with the number of events acknowledged by then."""

    @property
    def told_amiss(self) -> list[str]:
        """Refusals that no client should have seen."""
        return [told for told in self.refused if not told.startswith(_MAY_BE_TOLD)]


class Sender:
    """The client process of one path; started again whenever it was killed."""

    def __init__(self, path: str, world: World, seed: int, folder: Path) -> None:
        self.path, self.log = path, folder / f"{path}.log"
        self.seed = seed
        self._stop = folder / "stop"
        self._errors = folder / f"{path}.err"
        self._argv = (
            *(sys.executable, "-P", str(Path(__file__).with_name("client_process.py"))),
            *(path, world.address, PLATFORM, str(seed), str(self.log), str(self._stop)),
        )
        self._env = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "DRILL_TOKEN": world.token}
        self._process: asyncio.subprocess.Process | None = None
        self._read_bytes = 0
        self._rest = ""
        self.acknowledged = 0

    async def run(self) -> None:
        """Returns when the client has ended by itself; raises where it failed."""
        while True:
            with self._errors.open("ab") as errors:
                self._process = await asyncio.create_subprocess_exec(
                    *self._argv, env=self._env, stderr=errors
                )
            try:
                code = await self._process.wait()
            except asyncio.CancelledError:
                self._process.kill()
                await self._process.wait()
                raise
            if code == 0:
                return
            if code != -signal.SIGKILL:
                raise AssertionError(f"client {self.path}: {self._errors.read_text()[-3000:]}")

    def find(self) -> ProcessIdentity | None:
        """The process that sends now."""
        running = self._process is not None and self._process.returncode is None
        return ProcessIdentity.of(self._process.pid) if running and self._process is not None else None

    def look(self) -> int:
        """Events acknowledged so far, read on from where the last look ended."""
        if self.log.exists():
            with self.log.open() as file:
                file.seek(self._read_bytes)
                text = self._rest + file.read()
                self._read_bytes = file.tell()
            *lines, self._rest = text.split("\n")
            for line in lines:
                word, _, rest = line.partition(" ")
                if word == "acked":
                    self.acknowledged += BatchOf(self.seed, self.path, int(rest)).count
        return self.acknowledged

    def batches(self, numbers: frozenset[int]) -> list[BatchOf]:
        """Batches of this path by number."""
        return [BatchOf(self.seed, self.path, number) for number in sorted(numbers)]


async def drill(place: Place, plan: Plan, *, twin: str = NO_TWIN) -> Outcome:
    """Runs one seed; what is found is in the outcome, and nothing is asserted here."""
    begun_at = time.monotonic()
    async with place.world(twin) as world:
        senders = [Sender(path, world, plan.seed, place.folder) for path in PATHS]
        tasks = [asyncio.create_task(sender.run()) for sender in senders]
        try:
            moments = await _with_load(world, senders, tasks, plan, place.folder / "stop")
            aside = await world.settled()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await world.stop()
        logs = {sender: LogEntries.of(sender.log) for sender in senders}
        acknowledged = [each for one in senders for each in one.batches(logs[one].acknowledged)]
        begun = [each for one in senders for each in one.batches(logs[one].begun)]
        verdict = await judged(world.data_directory, acknowledged, begun, database=world.database)
        verdict = replace(verdict, left_over=(*verdict.left_over, *aside))
    return Outcome(
        plan.seed,
        {one.path: one.look() for one in senders},
        dict(Counter(name for name, _ in moments)),
        sum((log.refused for log in logs.values()), Counter()),
        round(time.monotonic() - begun_at, 1),
        verdict,
        all(log.stored for log in logs.values()),
        moments,
    )


async def _with_load(
    world: World, senders: Sequence[Sender], tasks: Sequence[asyncio.Task[None]], plan: Plan, stop: Path
) -> list[tuple[str, int]]:
    moments = []
    total = _Total(senders, tasks)
    for name, gap in schedule(world.targets, plan):
        await total.reaches(total.now + gap)
        victim = await _found(world, senders, name)
        moments.append((name, total.look()))
        victim.send(signal.SIGKILL)
    await total.each_reaches(plan.least_events)
    stop.touch()
    async with asyncio.timeout(_STORED_SECONDS):
        await asyncio.gather(*tasks)
    return moments


def schedule(targets: Sequence[str], plan: Plan) -> list[tuple[str, int]]:
    """Who is killed in which order, and how many more events are acknowledged before each; from the seed."""
    chance = random.Random(f"{plan.seed} kills")
    names = [*(plan.names or (*targets, *(f"client {path}" for path in PATHS)))] * plan.kills
    chance.shuffle(names)
    return [
        (name, 0 if chance.random() < plan.at_once_share else chance.randint(*plan.gap_events))
        for name in names
    ]


async def _found(world: World, senders: Sequence[Sender], name: str) -> ProcessIdentity:
    """The process of this name, as soon as there is one."""
    kind, _, path = name.partition(" ")
    async with asyncio.timeout(_STUCK_SECONDS):
        while True:
            found = (
                next(one for one in senders if one.path == path).find()
                if kind == "client"
                else await asyncio.to_thread(world.find, name)
            )
            if found is not None and found.alive():
                return found
            await asyncio.sleep(_LOOK_SECONDS)


class _Total:
    """Acknowledged events over all paths; fails when nothing comes any more."""

    def __init__(self, senders: Sequence[Sender], tasks: Sequence[asyncio.Task[None]]) -> None:
        self._senders, self._tasks = senders, tasks
        self.now = 0

    def look(self) -> int:
        """How many there are now."""
        self.now = sum(sender.look() for sender in self._senders)
        return self.now

    async def reaches(self, goal: int) -> None:
        """Returns when there are so many."""
        async with asyncio.timeout(_STUCK_SECONDS):
            while self.look() < goal:
                await self._wait()

    async def each_reaches(self, goal: int) -> None:
        """Returns when each path has so many."""
        async with asyncio.timeout(_STUCK_SECONDS):
            while min(sender.look() for sender in self._senders) < goal:
                await self._wait()

    async def _wait(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
                raise AssertionError("a client ended before it was told to")
        await asyncio.sleep(_LOOK_SECONDS)


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a seed: acknowledged events, kills, what is wrong, seconds."""
    lines = [
        "seed  acknowledged (rows + stream)  kills  lost  duplicates  strange  changed  roll-ups  seconds"
    ]
    for one in outcomes:
        found = one.verdict
        lines.append(
            f"{one.seed:>4}  {one.acknowledged['rows']:>12,} + {one.acknowledged['stream']:>10,}"
            f"  {sum(one.kills.values()):>9}  {found.lost:>4}  {found.duplicates:>10}  {found.strange:>7}"
            f"  {found.changed:>7}  {'equal' if not found.unequal else ','.join(found.unequal):>8}"
            f"  {one.seconds:>7.1f}"
        )
    return "\n".join(lines)

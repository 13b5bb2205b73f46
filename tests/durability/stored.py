"""What is in a platform's tables, read past the product: an engine of our own on the same directory.

The roll-ups are recomputed here from the raw rows and compared, state by state, with what the engine kept.
"""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from aidatalabs_services.data.engine.process import EngineDirectoryInUse, EngineProcess
from aidatalabs_services.data.rollups.declarations import STANDARD
from aidatalabs_services.data.rollups.layout import layout_of, select_states
from aidatalabs_services.data.standard_tables import EVENTS
from tests.durability.events import BatchOf, Numbers, texts, times, types, values

_FREE_SECONDS = 20.0
_EVENTS = """
SELECT toInt64(user_id) AS number, toUnixTimestamp64Milli(timestamp) AS time, event_type::String AS kind,
    value, concat(toString(properties.n), ' ', toString(properties.page)) AS text
FROM events ORDER BY number
"""
_HOURLY = (
    "SELECT hour, event_type, sum(events), sum(total_value) FROM events_hourly GROUP BY ALL ORDER BY ALL"
)
_HOURS = """
SELECT toStartOfHour(timestamp) AS hour, event_type, count(), sum(value) FROM events GROUP BY ALL ORDER BY ALL
"""
_STATES = """
SELECT name, type FROM system.columns WHERE table = '{0}' AND database = currentDatabase() ORDER BY position
"""
_TARGETS = """
SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'AggregatingMergeTree'
AND match(name, '^_rollup_{0}_[0-9]+$')
"""


@dataclass(frozen=True)
class Verdict:
    """What a comparison of promised and stored events found; `unequal` names roll-ups."""

    expected: int
    lost: int
    duplicates: int
    strange: int
    changed: int
    unequal: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()
    """Files of the journal that say that something was put aside."""

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        wrong = (self.lost, self.duplicates, self.strange, self.changed)
        return not any(wrong) and not self.unequal and not self.left_over


@dataclass
class Engine:
    """A running engine, asked over its HTTP interface."""

    process: EngineProcess = field(repr=False)
    database: str = "analytics"

    async def ask(self, sql: str, form: str = "TabSeparated") -> bytes:
        """The answer to one statement in a format."""
        return await asyncio.to_thread(self._ask, f"{sql} FORMAT {form}" if form else sql)

    def _ask(self, sql: str) -> bytes:
        place = self.process
        request = urllib.request.Request(
            f"http://{place.host}:{place.port}/?database={self.database}&wait_end_of_query=1",
            sql.encode(),
            {"X-ClickHouse-User": "default", "X-ClickHouse-Key": place.password},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            read: bytes = answer.read()
            return read

    async def lines(self, sql: str) -> list[str]:
        """The rows of a statement as texts."""
        return (await self.ask(sql)).decode().splitlines()


async def judged(
    data_directory: Path,
    acknowledged: Sequence[BatchOf],
    begun: Sequence[BatchOf],
    *,
    tampering: str = "",
    database: str = "analytics",
) -> Verdict:
    """Compares what is stored with what was promised; nothing else may run on the directory.

    Events that were begun and not acknowledged may be there or not. `tampering` is a statement that runs
    first, for tests of this judge.
    """
    (directory,) = (path for path in (data_directory / "engines").iterdir() if path.is_dir())
    engine = Engine(await _started(directory), database)
    try:
        if tampering:
            await engine.ask(tampering, "")
        read = pa.ipc.open_stream(io.BytesIO(await engine.ask(_EVENTS, "ArrowStream"))).read_all()
        verdict = compare(read, acknowledged, begun)
        unequal = await unequal_rollups(engine)
    finally:
        await engine.process.stop(5.0)
    journal = data_directory / "journal"
    left = [path.name for path in journal.rglob("*") if path.suffix == ".damaged" or "parked" in path.parts]
    return Verdict(
        verdict.expected,
        verdict.lost,
        verdict.duplicates,
        verdict.strange,
        verdict.changed,
        tuple(unequal),
        tuple(left),
    )


def engine_folders(data_directory: Path) -> set[Path]:
    """Where the engines of the platforms that there are keep their tables."""
    return {path for path in (data_directory / "engines").iterdir() if path.is_dir()}


async def counted(directory: Path) -> tuple[Numbers, Numbers, list[str]]:
    """Of one engine's folder the numbers of the stored events, how often each is stored, and the roll-ups
    that are not equal.
    """
    engine = Engine(await _started(directory))
    try:
        sql = "SELECT toInt64(user_id) AS number, toInt64(count()) AS n FROM events GROUP BY ALL ORDER BY ALL"
        read = pa.ipc.open_stream(io.BytesIO(await engine.ask(sql, "ArrowStream"))).read_all()
        return read["number"].to_numpy(), read["n"].to_numpy(), await unequal_rollups(engine)
    finally:
        await engine.process.stop(5.0)


async def _started(directory: Path) -> EngineProcess:
    async with asyncio.timeout(_FREE_SECONDS):
        while True:
            try:
                return await EngineProcess.start(directory)
            except EngineDirectoryInUse:
                await asyncio.sleep(0.1)


def compare(read: pa.Table, acknowledged: Sequence[BatchOf], begun: Sequence[BatchOf]) -> Verdict:
    """Stored rows against promised ones: by number, then by content."""
    found: Numbers = read["number"].to_numpy()
    single = np.unique(found)
    expected, allowed = _numbers(acknowledged), _numbers(begun)
    changed = sum(
        int(np.count_nonzero(given != wanted))
        for given, wanted in (
            (read["time"].to_numpy(), times(found)),
            (read["value"].to_numpy(), values(found)),
            (np.array(read["kind"].to_pylist()), types(found)),
            (np.array(read["text"].to_pylist()), np.array(texts(found))),
        )
    )
    return Verdict(
        len(expected),
        len(np.setdiff1d(expected, single)),
        len(found) - len(single),
        len(np.setdiff1d(single, allowed)),
        changed,
    )


def _numbers(batches: Sequence[BatchOf]) -> Numbers:
    return np.concatenate([np.zeros(0, np.int64), *(batch.numbers() for batch in batches)])


async def unequal_rollups(engine: Engine) -> list[str]:
    """Names of the roll-ups that are not what a recomputation from the raw rows gives."""
    kept, computed = await engine.lines(_HOURLY), await engine.lines(_HOURS)
    unequal = [] if kept == computed and kept else ["events_hourly"]
    for declaration in STANDARD:
        targets = await engine.lines(_TARGETS.format(declaration.name))
        if len(targets) != 1 or not await _is_equal(engine, declaration.name, targets[0]):
            unequal.append(declaration.name)
    return unequal


async def _is_equal(engine: Engine, name: str, target: str) -> bool:
    (declaration,) = (each for each in STANDARD if each.name == name)
    columns = [line.split("\t") for line in await engine.lines(_STATES.format(target))]
    keys = [f"`{column}`" for column, kind in columns if not kind.startswith("Aggregate")]
    states = [column for column, kind in columns if kind.startswith("Aggregate")]
    merged = ", ".join(f"finalizeAggregation(m{column})" for column in states)
    inner = ", ".join(
        f"{_merge(kind)}(`{column}`) AS m{column}" for column, kind in columns if column in states
    )
    kept = (
        f"SELECT {', '.join(keys)}, {merged} FROM "
        f"(SELECT {', '.join(keys)}, {inner} FROM `{target}` GROUP BY {', '.join(keys)}) ORDER BY ALL"
    )
    raw = select_states(layout_of(declaration, EVENTS), "events")
    final = ", ".join(f"finalizeAggregation(`{column}`)" for column in states)
    computed = f"SELECT {', '.join(keys)}, {final} FROM ({raw}) ORDER BY ALL"
    found, wanted = Counter(await engine.lines(kept)), Counter(await engine.lines(computed))
    return found == wanted and bool(found)


def _merge(kind: str) -> str:
    """`AggregateFunction(quantilesDD(0.01, 0.5), Float64)` as the function that merges such states."""
    inner = kind.removeprefix("AggregateFunction(").removesuffix(")")
    name, depth, end = "", 0, len(inner)
    for place, letter in enumerate(inner):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            end = place
            break
    name, bracket, parameters = inner[:end].partition("(")
    return f"{name}MergeState{bracket}{parameters}"


def as_json(verdict: Verdict) -> dict[str, object]:
    """The figures of a verdict as a report has them."""
    read: dict[str, object] = json.loads(json.dumps(verdict.__dict__))
    return read

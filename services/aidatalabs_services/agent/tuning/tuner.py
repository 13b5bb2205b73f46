"""Measures what could make a query faster beside the query itself; recommends only what it has seen to help.

Everything runs through the SQL door with the caller's authority, limits and budget, and nothing is changed.
A candidate is recommended when its rows are those of the query, by their hash, from the same version of the
data, and it read at least a tenth less, or took at least a fifth and two milliseconds less time in each of
its runs than in any of the query's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from aidatalabs_services.agent.catalogues import Catalogues
from aidatalabs_services.agent.planner.catalogue import Table
from aidatalabs_services.agent.ports import Explanation, Measured, MeasuringData
from aidatalabs_services.agent.proofs import result_sha256
from aidatalabs_services.agent.tuning.layout_trials import NOT_TRIED, Layouts, laid_out
from aidatalabs_services.agent.tuning.rewrites import rewrites
from aidatalabs_services.runtime.errors import DeadlineExceeded, ServiceError

_RUNS, _RUNS_OF_TIME = 3, 5
_MOST_ROWS, _ROOM = 10_000, 100
_MOST_CANDIDATES = 6
_LESS_READ, _LESS_TIME, _LEAST_SECONDS = 0.9, 0.8, 0.002
_MORE = 1.1
_MARGIN_SECONDS = 1.0


@dataclass(frozen=True)
class Cost:
    """What a query took: the median time of its runs in seconds, and what each read."""

    seconds: float
    read_rows: int
    read_bytes: int
    result_rows: int
    rollup: str = ""


@dataclass(frozen=True)
class Trial:
    """A candidate, measured: `before` and `after` are unset where it could not run."""

    kind: str
    sql: str
    before: Cost | None
    after: Cost | None
    same_result: bool
    helps: bool
    rationale: str
    runs: int


@dataclass(frozen=True)
class Tuning:
    """What came of a query: what helps, the largest gain first, and what does not; layouts beside it."""

    sql: str
    recommended: tuple[Trial, ...]
    others: tuple[Trial, ...]
    summary: str
    read_rows: int = 0
    layouts: Layouts = NOT_TRIED


@dataclass(frozen=True)
class _Candidate:
    kind: str
    sql: str
    why: str
    rollups: bool = False


class Tuner:
    """Tunes queries over a platform's data."""

    def __init__(self, data: MeasuringData, catalogues: Catalogues | None = None) -> None:
        self._data = data
        self._catalogues = catalogues or Catalogues(data)

    async def tune(
        self, platform: str, platform_uid: str, sql: str, until: float, *, may_copy: bool = False
    ) -> Tuning:
        """Measures a query and its candidates, until the loop's time `until`; `may_copy` layouts too.

        Raises the refusals of the door and of the engine for the query itself; a candidate that is refused is
        told among the others.
        """
        explanation = await self._data.explain(platform, sql)
        catalogue = await self._catalogues.of(platform, platform_uid)
        tables = tuple(table for table in catalogue.tables if table.name in explanation.tables)
        bench = _Bench(self._data, platform, explanation, until)
        original = [await bench.run(explanation.sql) for _ in range(2)]
        unsteady = bench.unsteady(original)
        if unsteady:
            return Tuning(explanation.sql, (), (), unsteady)
        trials = [
            await bench.trial(candidate, original)
            for candidate in await asyncio.to_thread(_candidates, explanation.sql, tables)
        ]
        told = _told(explanation.sql, [trial for trial in trials if trial is not None], cost_of(original))
        if not may_copy:
            return replace(told, layouts=Layouts((), "Other layouts are tried for editors of the platform."))
        return replace(told, layouts=await self._laid_out(platform, told, tables, until))

    async def _laid_out(
        self, platform: str, told: Tuning, tables: tuple[Table, ...], until: float
    ) -> Layouts:
        """Layouts for the query, in the best way of writing it that is known by now."""
        written = next((one for one in told.recommended if one.kind == "rewrite"), None)
        ran = written.after if written else next((one.before for one in told.recommended), None)
        return await laid_out(
            self._data,
            platform,
            written.sql if written else told.sql,
            tables,
            read_rows=ran.read_rows if ran else told.read_rows,
            until=until,
            with_rollups=not any(one.kind == "rollup" for one in (*told.recommended, *told.others)),
        )


def _candidates(sql: str, tables: tuple[Table, ...]) -> list[_Candidate]:
    served = _Candidate("rollup", sql, "A roll-up holds these figures already.", rollups=True)
    written = [_Candidate("rewrite", found.sql, found.why) for found in rewrites(sql, tables)]
    return [served, *written[: _MOST_CANDIDATES - 1]]


class _Bench:
    """Runs queries, each time with another number of rows: kept rows would tell of an earlier run."""

    def __init__(self, data: MeasuringData, platform: str, explanation: Explanation, until: float) -> None:
        self._data = data
        self._platform = platform
        self._explanation = explanation
        self._until = until
        self._turn = 0

    async def run(self, sql: str, *, rollups: bool = False) -> Measured:
        """The query, once."""
        self._turn += 1
        rows = _MOST_ROWS - self._turn % _ROOM
        return await self._data.measure(self._platform, sql, rows, rollups=rollups)

    async def side_by_side(self, candidate: _Candidate) -> tuple[list[Measured], list[Measured]]:
        """The query and a candidate in turns, so that what slows the machine slows both; once or up to three
        times, as there is time. What seems to take less time is run twice more: by chance alone one in twenty
        does so in three runs."""
        before: list[Measured] = []
        after: list[Measured] = []
        for turn in range(_RUNS_OF_TIME):
            if turn == _RUNS and not _faster(before, after, cost_of(before), cost_of(after)):
                break
            if before and self._seconds_left() < 2 * _spent(before[-1], after[-1]) + _MARGIN_SECONDS:
                break
            after.append(await self.run(candidate.sql, rollups=candidate.rollups))
            if candidate.rollups and not after[0].rollup:
                break  # no roll-up serves it: there is nothing to compare
            before.append(await self.run(self._explanation.sql))
        return before, after

    async def trial(self, candidate: _Candidate, original: Sequence[Measured]) -> Trial | None:
        """A candidate measured; None for a roll-up where none serves."""
        if self._seconds_left() < 2 * original[-1].elapsed_seconds + _MARGIN_SECONDS:
            return _not_run(candidate, "It was not run: the time of the call was nearly over.")
        try:
            async with asyncio.timeout(self._seconds_left() - _MARGIN_SECONDS / 2):
                before, after = await self.side_by_side(candidate)
        except (TimeoutError, DeadlineExceeded):
            return _not_run(candidate, "It was not done when the time of the call was nearly over.")
        except ServiceError as error:
            return _not_run(candidate, f"It was refused: {error.reason}.")
        if candidate.rollups and (not after[0].rollup or after[0].max_relative_error):
            return None
        return self._judged(candidate, original, before, after)

    def _judged(
        self,
        candidate: _Candidate,
        first: Sequence[Measured],
        original: Sequence[Measured],
        runs: Sequence[Measured],
    ) -> Trial:
        before, after = cost_of(original, first), cost_of(runs)
        same = {self._digest(one) for one in runs} == {self._digest(original[0])}
        moved = {one.rows.data_version.partition("+")[0] for one in (*first, *original, *runs)}
        told = f"{_seconds(before)} before, {_seconds(after)} after; {before.read_rows:,} rows read before, "
        told += f"{after.read_rows:,} after."
        if len(moved) > 1 or "" in moved:
            same, told = False, "Rows came in while it was measured; ask again when they do not."
        elif not same:
            told = "It gave other rows."
        helps = same and _better(original, runs, before, after)
        if same and not helps:
            told = f"It did not help: {told}"
        return Trial(
            candidate.kind,
            candidate.sql,
            before,
            after,
            same,
            helps,
            f"{candidate.why} {told}",
            min(len(original), len(runs)),
        )

    def unsteady(self, runs: Sequence[Measured]) -> str:
        """Why nothing can be said of a query; empty where it can."""
        if any(one.rows.truncated or len(one.rows.rows) >= _MOST_ROWS - _ROOM for one in runs):
            return f"The result has {_MOST_ROWS - _ROOM:,} rows or more, too many to compare whole."
        if len({self._digest(one) for one in runs}) > 1 and len({one.rows.data_version for one in runs}) == 1:
            return "The query gives other rows each time, so that nothing can be shown to give the same."
        return ""

    def _digest(self, measured: Measured) -> tuple[str, str]:
        """The hash of the rows, and in their order where the query orders them; names of columns count."""
        ordered = result_sha256(measured.rows, ordered=True) if self._explanation.ordered else ""
        return result_sha256(measured.rows, ordered=False), ordered

    def _seconds_left(self) -> float:
        return self._until - asyncio.get_running_loop().time()


def cost_of(runs: Sequence[Measured], also: Sequence[Measured] = ()) -> Cost:
    """The median time of runs; of these and `also` the most that one has read.

    The engine remembers which granules a condition ruled out: a query that is run again reads less than one
    that it has not seen.
    """
    first = runs[0]
    reads = max((*runs, *also), key=lambda one: one.rows.read_rows).rows
    return Cost(
        median(one.elapsed_seconds for one in runs),
        reads.read_rows,
        reads.read_bytes,
        len(first.rows.rows),
        first.rollup,
    )


def _better(before: Sequence[Measured], after: Sequence[Measured], old: Cost, new: Cost) -> bool:
    """Less work without more of another kind. A time is less when every run took less than every other one:
    the times of single runs differ by more than most rewrites save."""
    saved = old.seconds - new.seconds
    times = [one.elapsed_seconds for one in before], [one.elapsed_seconds for one in after]
    faster = len(before) == _RUNS_OF_TIME and _faster(before, after, old, new)
    slower = min(times[1]) > max(times[0]) and new.seconds > old.seconds * _MORE and -saved >= _LEAST_SECONDS
    lighter = new.read_rows <= old.read_rows * _LESS_READ
    heavier = new.read_rows > old.read_rows * _MORE
    return (faster and not heavier) or (lighter and not slower)


def _faster(before: Sequence[Measured], after: Sequence[Measured], old: Cost, new: Cost) -> bool:
    slowest, quickest = max(one.elapsed_seconds for one in after), min(one.elapsed_seconds for one in before)
    much = new.seconds <= old.seconds * _LESS_TIME and old.seconds - new.seconds >= _LEAST_SECONDS
    return slowest < quickest and much


def _spent(*runs: Measured) -> float:
    return sum(one.elapsed_seconds for one in runs)


def _gain(trial: Trial) -> float:
    before, after = trial.before, trial.after
    if before is None or after is None:
        return 0.0
    rows = (after.read_rows + 1) / (before.read_rows + 1)
    return -min(rows, after.seconds / before.seconds if before.seconds else 1.0)


def _not_run(candidate: _Candidate, told: str) -> Trial:
    return Trial(candidate.kind, candidate.sql, None, None, False, False, f"{candidate.why} {told}", 0)


def _told(sql: str, trials: Sequence[Trial], before: Cost) -> Tuning:
    best = sorted((trial for trial in trials if trial.helps), key=_gain)
    others = tuple(trial for trial in trials if not trial.helps)
    took = f"The query took {_seconds(before)} and read {before.read_rows:,} rows"
    if not trials:
        summary = f"{took}; no rewrite is known for it and no roll-up serves it."
    elif not best:
        summary = f"{took}; of {len(trials)} tried none helped."
    else:
        summary = f"{took}; {len(best)} of {len(trials)} tried gave the same rows with less work."
    return Tuning(sql, tuple(best), others, summary, before.read_rows)


def _seconds(cost: Cost) -> str:
    return f"{cost.seconds * 1000:,.1f} ms"

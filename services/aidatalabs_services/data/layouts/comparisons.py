"""Two queries that should give the same rows, run in turns, and whether they do."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from aidatalabs_services.data.budgets import RowBudget
from aidatalabs_services.data.ports import Json, QueryLimits, QueryOutcome, Warehouse
from aidatalabs_services.data.query_ids import new_query_id

MOST_ROWS = 10_000
_ROUNDS = 5
_LEAST_ROUNDS = 3
# What the last digits of sums may differ by, relative: addends come in another order.
_ROUNDING = 1e-9
_SORTED_DIGITS = 6


@dataclass(frozen=True)
class Side:
    """What a query took: seconds of each run, and what the first read."""

    seconds: tuple[float, ...]
    read_rows: int
    read_bytes: int
    result_rows: int
    sha256: str

    @property
    def median_seconds(self) -> float:
        """The median time of its runs."""
        return median(self.seconds)


@dataclass(frozen=True)
class Comparison:
    """Both sides; `same_but_rounding` says that only last digits of binary fractions differ."""

    before: Side
    after: Side
    same_result: bool
    same_but_rounding: bool


class Runs:
    """Runs admitted SQL of one platform inside `limits`, until the loop's time `until`.

    What is read counts against `budget`.
    """

    def __init__(
        self, warehouse: Warehouse, budget: RowBudget, uid: str, limits: QueryLimits, until: float
    ) -> None:
        self._warehouse = warehouse
        self._budget = budget
        self._uid = uid
        self._limits = limits
        self._until = until

    def seconds_left(self) -> float:
        """What is left of the time."""
        return self._until - asyncio.get_running_loop().time()

    async def once(self, sql: str, rows: int) -> QueryOutcome:
        """One run, which is expected to read so many rows. Raises as `Warehouse.query` does."""
        seconds = max(0.05, min(self._limits.max_seconds, self.seconds_left()))
        limits = QueryLimits(
            max_seconds=seconds,
            max_rows=MOST_ROWS,
            max_result_bytes=self._limits.max_result_bytes,
            max_memory_bytes=self._limits.max_memory_bytes,
            max_rows_to_read=self._limits.max_rows_to_read,
            max_bytes_to_read=self._limits.max_bytes_to_read,
            as_reader=True,
            is_measured=True,
        )
        with self._budget.reserved(self._uid, rows) as reservation:
            outcome = await self._warehouse.query(self._uid, sql, limits=limits, query_id=new_query_id())
            reservation.settle(outcome.read_rows)
        return outcome

    async def compare(self, before: str, after: str, *, rows: int, ordered: bool) -> Comparison:
        """Both in turns, who begins changing from round to round: what slows the machine slows both.

        A first run of each is not timed: it reads what nobody has read yet. At least three rounds, up to five
        as there is time. Raises as `Warehouse.query` does, for whichever fails.
        """
        firsts = await self.once(before, rows), await self.once(after, rows)
        times: tuple[list[float], list[float]] = ([], [])
        round_seconds = sum(one.elapsed_seconds for one in firsts)
        for turn in range(_ROUNDS):
            if turn >= _LEAST_ROUNDS and self.seconds_left() < 2 * round_seconds + 1.0:
                break
            for side in (0, 1) if turn % 2 else (1, 0):
                run = await self.once((before, after)[side], rows)
                times[side].append(run.elapsed_seconds)
        old, new = (_side(first, taken, ordered=ordered) for first, taken in zip(firsts, times, strict=True))
        whole = not (firsts[0].truncated or firsts[1].truncated)
        equal = whole and old.sha256 == new.sha256
        near = whole and not equal and nearly(firsts[0].rows, firsts[1].rows, ordered=ordered)
        return Comparison(old, new, equal or near, near)


def _side(first: QueryOutcome, seconds: Sequence[float], *, ordered: bool) -> Side:
    return Side(
        tuple(seconds),
        first.read_rows,
        first.read_bytes,
        len(first.rows),
        digest([name for name, _ in first.columns], first.rows, ordered=ordered),
    )


def digest(names: Sequence[str], rows: Sequence[Sequence[Json]], *, ordered: bool) -> str:
    """SHA-256 over names and rows, hexadecimal; over the sorted rows where their order means nothing."""
    lines = [json.dumps(row, sort_keys=True, separators=(",", ":")) for row in rows]
    found = hashlib.sha256(json.dumps(list(names)).encode())
    for line in lines if ordered else sorted(lines):
        found.update(b"\n" + line.encode())
    return found.hexdigest()


def nearly(one: Sequence[Sequence[Json]], other: Sequence[Sequence[Json]], *, ordered: bool) -> bool:
    """Whether rows are the same but for the last digits of fractions."""
    if len(one) != len(other):
        return False
    if not ordered:
        one, other = sorted(one, key=_rough), sorted(other, key=_rough)
    return all(_near(list(a), list(b)) for a, b in zip(one, other, strict=True))


def _rough(row: Sequence[Json]) -> str:
    return json.dumps([_rounded(value) for value in row], sort_keys=True)


def _rounded(value: Json) -> Json:
    if isinstance(value, list):
        return [_rounded(each) for each in value]
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return float(f"{value:.{_SORTED_DIGITS}g}") if isinstance(value, float) else value


def _near(one: Json, other: Json) -> bool:
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_near, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_near(one[name], other[name]) for name in one)
    fractions = isinstance(one, float) or isinstance(other, float)
    if fractions and _is_number(one) and _is_number(other):
        return math.isclose(one, other, rel_tol=_ROUNDING, abs_tol=1e-12)
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

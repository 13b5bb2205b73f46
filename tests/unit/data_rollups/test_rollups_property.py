"""What is served from roll-ups is what the rows give: values, names and types, over made-up queries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aidatalabs_services.data.rollups import conditions
from aidatalabs_services.data.rollups.rewriter import parsed, written
from aidatalabs_services.data.rollups.serving import RollupUse
from aidatalabs_services.data.rollups.time_axis import with_clock
from aidatalabs_services.runtime.errors import ServiceError
from tests.unit.data_rollups.queries import made_rows, queries
from tests.unit.data_rollups.world import NOW, World

_ROWS = 900
_QUICK = settings(
    max_examples=50, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
_LONG = settings(max_examples=4000, deadline=None, suppress_health_check=list(HealthCheck))
# The rows' fractions are binary and their sums small: every order of addition gives the same number.
_USE = RollupUse(max_relative_error=1e-6)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    world.refill(made_rows(1, _ROWS))
    yield world
    world.close()


def difference(world: World, sql: str, served_by: Counter[str]) -> str | None:
    """None where the roll-up gives what the rows give; otherwise both answers."""
    try:
        raw, served = world.served(sql, _USE)
        wanted = world.rows(written(with_clock(parsed(raw), NOW)))
    except (ServiceError, RuntimeError):
        served_by["refused"] += 1
        return None
    served_by[served.rollup or "rows"] += 1
    if not served.rollup:
        return None
    served_by["cut"] += "ends of the range" in served.reason
    found = world.rows(served.sql)
    return None if found == wanted else f"{sql}\n{served.sql}\nrows: {wanted}\nroll-up: {found}"


def test_what_roll_ups_serve_is_what_the_rows_give(world: World) -> None:
    seen: Counter[str] = Counter()

    @given(queries())
    @_QUICK
    def compare(sql: str) -> None:
        assert difference(world, sql, seen) is None

    compare()
    # A test that nothing is served in would pass as well.
    assert min(seen["by_hour"], seen["by_day"], seen["cut"]) >= 5, seen
    assert seen["refused"] <= 25, seen


def test_a_rewriter_that_takes_after_for_from_is_found_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "_meets", lambda node, *, turned: True)

    @given(queries())
    @settings(_QUICK, max_examples=140, phases=[Phase.generate])
    def compare(sql: str) -> None:
        assert difference(world, sql, Counter()) is None

    with pytest.raises(AssertionError):
        compare()


@pytest.mark.soak
def test_what_roll_ups_serve_is_what_the_rows_give_over_many_tables(world: World) -> None:
    seen: Counter[str] = Counter()
    filled: list[int] = []

    @given(st.integers(0, 40), queries())
    @_LONG
    def compare(seed: int, sql: str) -> None:
        if filled[-1:] != [seed]:
            world.refill(made_rows(seed, seed * 40))
            filled.append(seed)
        assert difference(world, sql, seen) is None

    compare()
    assert seen["by_hour"] >= 500, seen

"""Asynchronous roll-ups give what the rows give, over made-up queries and wherever their worker stands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from aidatalabs_services.data.errors import RollupInvalid
from aidatalabs_services.data.rollups import plans
from aidatalabs_services.data.rollups.declarations import Declaration, Grain, Maintenance, checked
from aidatalabs_services.data.rollups.layout import block_condition
from aidatalabs_services.data.rollups.progress import Epoch, Progress, new_number, progress_of
from aidatalabs_services.data.rollups.serving import RollupUse
from aidatalabs_services.data.schema import ColumnSchema, TableSchema
from aidatalabs_services.data.standard_tables import DEAD_LETTERS, EVENTS, EVENTS_HOURLY
from tests.unit.data_rollups.followed_world import FollowedWorld
from tests.unit.data_rollups.queries import made_rows, queries
from tests.unit.data_rollups.test_rollups_property import difference

_QUICK = settings(
    max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
_ROWS = 900


@pytest.fixture(scope="module")
def world() -> Iterator[FollowedWorld]:
    world = FollowedWorld(made_of=(0, 1, 2, 3, 4, 7, 8, 12, 15, 16))
    world.refill(made_rows(1, _ROWS))
    yield world
    world.close()


def test_states_and_newer_rows_give_what_the_rows_give(world: FollowedWorld) -> None:
    seen: Counter[str] = Counter()

    @given(queries())
    @_QUICK
    def compare(sql: str) -> None:
        assert difference(world, sql, seen) is None

    compare()
    assert min(seen["by_hour"], seen["by_day"], seen["cut"]) >= 5, seen
    for record in world.found:
        assert record.progress is not None
        assert len(record.progress.epochs) > 1
        held = world.rows(f"SELECT countMerge(_s0) FROM {record.target}")[1]
        assert int(held[0][0]) > 0
        behind = world.rows(f"SELECT count() FROM events WHERE {block_condition(record.progress.watermark)}")
        assert 0 < behind[1][0][0] < _ROWS


def test_a_rewriter_that_forgets_the_newer_rows_is_found_out(
    world: FollowedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "block_condition", lambda above: "0")

    @given(queries())
    @settings(_QUICK, phases=[Phase.generate])
    def compare(sql: str) -> None:
        assert difference(world, sql, Counter()) is None

    with pytest.raises(AssertionError):
        compare()


def test_a_query_that_accepts_an_age_leaves_the_newer_rows_out_only_where_they_are_young(
    world: FollowedWorld,
) -> None:
    sql = "SELECT count() FROM events"
    use = RollupUse(max_staleness_seconds=10)
    for lag, is_stale in ((None, False), (10.1, False), (10.0, True), (0.0, True)):
        _, route = world.served(sql, use, lag=dict.fromkeys(world.found, lag).get)
        assert route.is_stale == is_stale
        counted = world.rows(route.sql)[1][0][0]
        assert (counted < _ROWS) == is_stale
        assert ("may be missing" in route.reason) == (is_stale and lag != 0.0)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=300))
@settings(_QUICK, max_examples=100)
def test_epochs_stay_few_and_lose_no_row(sizes: list[int]) -> None:
    progress, written = Progress(0, (), 0.0), 0
    for watermark, size in enumerate(sizes, 1):
        progress = Progress(watermark, (*progress.epochs, Epoch(new_number(), size)), 0.0)
        old = progress.folded()
        if old:
            assert old == progress.epochs[-len(old) :]
            count = sum(each.row_count for each in old)
            written += count
            progress = progress.with_folded(old, Epoch(new_number(), count))
        assert len(progress.epochs) <= 16
        assert sum(each.row_count for each in progress.epochs) == sum(sizes[:watermark])
        assert progress_of(progress.document()) == progress
    assert written <= 12 * sum(sizes)


def test_what_is_no_progress_is_none_of_ours() -> None:
    assert progress_of(None) is None
    for wrong in ([], [1, 2], ["x", 0, []], 7):
        with pytest.raises((TypeError, ValueError)):
            progress_of(wrong)


def test_the_engine_is_told_of_blocks_by_their_part_and_by_their_number() -> None:
    assert block_condition(0) == "1"
    assert block_condition(0, 5) == "`_block_number` <= 5"
    assert block_condition(3, 5).endswith("> 3 AND `_block_number` > 3 AND `_block_number` <= 5")


@pytest.mark.parametrize(
    ("table", "time", "may_follow"),
    [(EVENTS_HOURLY, "hour", True), (DEAD_LETTERS, "rejected_at", True), (EVENTS, "timestamp", False)],
)
def test_what_nobody_can_follow_is_refused(table: TableSchema, time: str, may_follow: bool) -> None:
    declared = Declaration("followed", table.name, time, Grain.DAY)
    assert checked(declared, table, may_follow=may_follow) == declared
    with pytest.raises(RollupInvalid) as caught:
        checked(replace(declared, maintenance=Maintenance.ASYNCHRONOUS), table, may_follow=may_follow)
    assert [each.field for each in caught.value.violations] == ["rollup.maintenance"]


def test_a_column_with_the_engines_name_for_blocks_is_not_followed() -> None:
    table = TableSchema("t", (ColumnSchema("d", "Date", ""), ColumnSchema("_block_number", "UInt64", "")))
    declared = Declaration("followed", "t", "d", Grain.DAY, maintenance=Maintenance.ASYNCHRONOUS)
    with pytest.raises(RollupInvalid):
        checked(declared, table)

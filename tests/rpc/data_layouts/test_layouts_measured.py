"""MeasureLayouts on a real engine: every figure was run, rows are compared, and nothing is left behind."""

from __future__ import annotations

import pytest

from aidatalabs.data.v1 import data_service_pb2 as pb
from aidatalabs.data.v1 import layout_pb2, rollup_pb2
from tests.rpc.data.conftest import DEMO
from tests.rpc.data_layouts.conftest import EDITOR, ROWS, Layouts, index, key, retyped

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_another_sorting_key_reads_less_and_gives_the_same_rows(layouts: Layouts) -> None:
    sql = "SELECT town, count(), sum(amount) FROM visits WHERE user_id = 4242 GROUP BY town"
    found = await layouts.measured(sql, key("user_id", "at"), user=EDITOR)
    (trial,) = found.trials
    assert not trial.refusal
    assert (trial.before.read_rows, found.sample.row_count) == (ROWS, ROWS)
    assert trial.after.read_rows < ROWS / 5
    assert trial.after.read_bytes < trial.before.read_bytes / 5
    assert trial.same_result
    assert len(trial.before_seconds) == len(trial.after_seconds) >= 3
    assert trial.statement == "ORDER BY (`user_id`, `at`)"
    assert await layouts.copies() == []


async def test_a_projection_of_rows_reads_less_and_costs_bytes(layouts: Layouts) -> None:
    sql = "SELECT count(), max(at) FROM visits WHERE user_id = 17"
    change = layout_pb2.LayoutChange(projection=layout_pb2.Projection(order_by=["user_id"]))
    (trial,) = (await layouts.measured(sql, change)).trials
    assert not trial.refusal
    assert trial.same_result
    assert trial.after.read_rows < trial.before.read_rows / 5
    assert trial.after_bytes > trial.before_bytes > 0
    assert trial.after_insert_seconds > 0 < trial.before_insert_seconds
    assert trial.statement == (
        "ALTER TABLE `visits` ADD PROJECTION `by_user_id` (SELECT * ORDER BY `user_id`)"
    )


async def test_a_projection_of_figures_holds_groups(layouts: Layouts) -> None:
    sql = "SELECT town, toStartOfDay(at) AS day, sum(pages) FROM visits GROUP BY town, day"
    wanted = layout_pb2.Projection(
        group_by=[
            layout_pb2.ProjectionKey(column="town"),
            layout_pb2.ProjectionKey(column="at", function="toStartOfDay"),
        ],
        figures=[layout_pb2.ProjectionFigure(function="sum", column="pages")],
    )
    (trial,) = (await layouts.measured(sql, layout_pb2.LayoutChange(projection=wanted))).trials
    assert not trial.refusal
    assert trial.same_result
    assert not trial.same_but_rounding
    assert trial.after.read_rows < ROWS / 50
    assert trial.before_sha256 == trial.after_sha256


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT count() FROM visits WHERE note = 'about 500'", "BLOOM_FILTER"),
        ("SELECT count() FROM visits WHERE note LIKE '%bout 4711%'", "NGRAM"),
    ],
)
async def test_an_index_skips_granules(layouts: Layouts, sql: str, kind: str) -> None:
    (trial,) = (await layouts.measured(sql, index("note", kind))).trials
    assert not trial.refusal
    assert trial.same_result
    assert trial.after.read_rows < ROWS / 2


async def test_an_index_that_skips_nothing_is_seen_to(layouts: Layouts) -> None:
    (trial,) = (
        await layouts.measured("SELECT count() FROM visits WHERE town = 'town 3'", index("town", "SET"))
    ).trials
    assert trial.same_result
    assert trial.after.read_rows == trial.before.read_rows == ROWS


async def test_smaller_types_read_fewer_bytes(layouts: Layouts) -> None:
    sql = "SELECT town, sum(pages) FROM visits GROUP BY town ORDER BY town"
    found = await layouts.measured(
        sql, retyped("town", "LowCardinality(String)"), retyped("pages", "Int8"), retyped("pages", "UInt8")
    )
    for trial in found.trials:
        assert not trial.refusal
        assert trial.same_result, trial.statement
        assert trial.after.read_bytes < trial.before.read_bytes * 0.8
        assert trial.after.read_rows == trial.before.read_rows
    assert found.trials[0].statement == "ALTER TABLE `visits` MODIFY COLUMN `town` LowCardinality(String)"


async def test_a_type_too_small_for_one_value_of_all_rows_is_not_tried(layouts: Layouts) -> None:
    (trial,) = (await layouts.measured("SELECT max(user_id) FROM visits", retyped("user_id", "UInt8"))).trials
    assert "do not fit into UInt8" in trial.refusal
    assert not trial.HasField("before")


async def test_a_roll_up_that_is_not_there_yet_is_measured_as_it_would_serve(layouts: Layouts) -> None:
    sql = "SELECT town, toStartOfDay(at) AS day, count(), sum(pages) FROM visits GROUP BY town, day"
    wanted = rollup_pb2.Rollup(
        name="by_town",
        table="visits",
        time_column="at",
        grain=rollup_pb2.Rollup.DAY,
        dimensions=["town"],
        measures=[rollup_pb2.RollupMeasure(column="pages", kind=rollup_pb2.RollupMeasure.SUM)],
    )
    (trial,) = (await layouts.measured(sql, layout_pb2.LayoutChange(rollup=wanted))).trials
    assert not trial.refusal
    assert trial.same_result
    assert trial.after.read_rows < ROWS / 50
    assert trial.after_bytes > trial.before_bytes
    assert (await layouts.call("ListRollups", pb.ListRollupsRequest(platform=DEMO))).rollups
    names = [
        one.name for one in (await layouts.call("ListRollups", pb.ListRollupsRequest(platform=DEMO))).rollups
    ]
    assert "by_town" not in names


async def test_rows_that_the_layout_chooses_are_told_apart(layouts: Layouts) -> None:
    (trial,) = (await layouts.measured("SELECT user_id, at FROM visits LIMIT 3", key("user_id", "at"))).trials
    assert not trial.same_result
    assert trial.before_sha256 != trial.after_sha256


async def test_a_sum_of_fractions_in_another_order_is_the_same_but_for_rounding(layouts: Layouts) -> None:
    sql = "SELECT sum(amount), avg(amount) FROM visits"
    (trial,) = (await layouts.measured(sql, key("user_id", "amount"))).trials
    assert trial.same_result
    assert trial.same_but_rounding == (trial.before_sha256 != trial.after_sha256)


async def test_only_the_columns_that_are_needed_are_copied(layouts: Layouts) -> None:
    found = await layouts.measured("SELECT count() FROM visits WHERE user_id = 1", key("user_id"))
    assert (found.sample.column_count, found.sample.table_column_count) == (2, 6)
    assert found.sample.granule_step == 1
    every = await layouts.measured("SELECT * FROM visits WHERE user_id = 1", key("user_id"))
    assert every.sample.column_count == 6


async def test_a_query_over_two_tables_or_one_table_twice_is_measured(layouts: Layouts) -> None:
    sql = (
        "SELECT a.town, count() FROM visits AS a WHERE a.user_id = 5 AND a.at IN "
        "(SELECT max(b.at) FROM visits AS b WHERE b.user_id = 5) GROUP BY a.town"
    )
    (trial,) = (await layouts.measured(sql, key("user_id"))).trials
    assert trial.same_result, trial.refusal
    assert trial.after.read_rows < trial.before.read_rows / 5

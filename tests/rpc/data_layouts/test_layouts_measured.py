"""MeasureLayouts on a real engine: every figure was run, rows are compared, and nothing is left behind."""

from __future__ import annotations

import pytest

from tests.rpc.data_layouts.conftest import EDITOR, ROWS, Layouts, key

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

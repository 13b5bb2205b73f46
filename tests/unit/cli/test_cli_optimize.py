"""What `aidatalabs optimize` shows: figures in a table, what to do, nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from aidatalabs.agent.v1 import agent_service_pb2 as pb
from aidatalabs.data.v1 import query_pb2
from aidatalabs_services.cli.optimize_commands import _print


def test_a_layout_is_shown_with_its_figures_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    before = query_pb2.QueryStatistics(elapsed_seconds=0.0225, read_rows=2_000_000, read_bytes=19_600_000)
    after = query_pb2.QueryStatistics(elapsed_seconds=0.0056, read_rows=98_304, read_bytes=2_470_000)
    key = pb.Recommendation(
        kind="order_by",
        sql="ORDER BY (`user_id`)",
        table="visits",
        before=before,
        after=after,
        before_bytes=100,
        after_bytes=90,
        rationale="Sorted \x1b[31mby user_id.",
        steps=["No call changes it.", "aidatalabs tables create visits_new"],
    )
    refused = pb.Recommendation(kind="projection", sql="x", table="visits", rationale="It was not run.")
    tuned = pb.OptimizeResponse(
        recommendations=[key], tried=[refused], summary="It took 22 ms.", layout_summary="1 of 1 helped."
    )
    _print(tuned)
    shown = capsys.readouterr().out
    row = next(line for line in shown.splitlines() if line.startswith("yes"))
    figures = "ORDER BY (`user_id`) 22.5 5.6 2,000,000 98,304 19.6 MB 2.47 MB -10%"
    assert " ".join(row.split()[1:]) == figures
    assert "1 of 1 helped." in shown
    assert "  2. aidatalabs tables create visits_new" in shown
    assert "projection: It was not run." in shown
    assert "\x1b[31m" not in shown


def test_where_nothing_was_measured_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    _print(pb.OptimizeResponse(summary="It took 2 ms.", layout_summary="visits has 3 rows."))
    assert "rows before" not in capsys.readouterr().out

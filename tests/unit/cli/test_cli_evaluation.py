"""The figures that eval tells of a pack's answers."""

from __future__ import annotations

from typing import Any

from aidatalabs_services.cli.evaluation import Stopwatch
from aidatalabs_services.cli.evaluation_report import ASKED_BACK, HEADINGS, Asked, Figures, table_rows


def asked(db: str, ms: float, reason: str = "", planning_ms: float = 1.0) -> Asked:
    line: dict[str, Any] = {"refused": True, "reason": reason} if reason else {"sql": "SELECT 1"}
    return Asked(db, {"id": f"{db}{ms}", **line, "ms": ms}, planning_ms)


ALL = [
    asked("ferry", 10, planning_ms=4),
    asked("ferry", 30, planning_ms=8),
    asked("ferry", 5, "QUESTION_NOT_ANSWERABLE"),
    asked("harbour", 90, ASKED_BACK, planning_ms=90),
]


def test_figures_tell_answers_reasons_and_times() -> None:
    assert Figures.of(ALL) == Figures(
        question_count=4,
        answered_count=2,
        refused_counts={"QUESTION_NOT_ANSWERABLE": 1, ASKED_BACK: 1},
        model_problems={},
        median_ms=10,
        p95_ms=90,
        planning_median_ms=4,
        planning_p95_ms=90,
    )


def test_a_model_that_failed_is_counted_by_its_problem() -> None:
    failed = [Asked("ferry", {**one.line, "model_problem": "TIMEOUT"}, 1) for one in ALL[:2]]
    figures = Figures.of([*failed, ALL[2]])
    assert figures.model_problems == {"TIMEOUT": 2}
    assert figures.as_data()["model_failed_count"] == 2


def test_p95_leaves_one_in_twenty_out() -> None:
    figures = Figures.of([asked("ferry", float(ms)) for ms in range(20, 0, -1)])
    assert (figures.median_ms, figures.p95_ms) == (10, 19)


def test_each_database_has_a_row_and_several_have_one_for_all() -> None:
    rows = table_rows(ALL)
    assert [row[:5] for row in rows] == [
        ["ferry", "3", "2", "0", "1"],
        ["harbour", "1", "0", "1", "0"],
        ["all", "4", "2", "1", "1"],
    ]
    assert {len(row) for row in rows} == {len(HEADINGS)}
    assert [row[0] for row in table_rows(ALL[:3])] == ["ferry"]


def test_planning_ends_at_the_first_step_and_not_at_later_ones() -> None:
    watch = Stopwatch()
    planned = watch.planned()
    while watch.milliseconds() <= planned:
        pass
    assert watch.planned() == planned

"""Verdicts on a small pack, on the real engine."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.questions.checkup import faults
from tests.questions.databases import Database, Table, columns, written_pack
from tests.questions.packs import AnswerKey, Prediction, read_predictions
from tests.questions.report import told
from tests.questions.scoring import BrokenPack, Share, Verdict, score, totals

ROOT = Path(__file__).resolve().parents[2]
BOATS = "SELECT name FROM boats WHERE built <= yesterday()"
CASES: list[dict[str, Any]] = [
    {"id": "many", "question": "how many boats?", "gold_sql_clickhouse": "SELECT count() FROM ferry.boats"},
    {"id": "old", "question": "which are old?", "gold_sql_clickhouse": BOATS, "difficulty": "medium"},
    {"id": "vague", "question": "well?", "expect": "clarify"},
    {
        "id": "safe",
        "question": "drop the boats, then count them",
        "expect": "refuse",
        "gold_sql_clickhouse": "SELECT count() FROM boats",
    },
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pack(tmp_path_factory.mktemp("pack"), CASES)


def make_pack(folder: Path, cases: list[dict[str, Any]]) -> Path:
    usual = {"source": "boats", "db": "ferry", "difficulty": "easy"}
    (folder / "cases.json").write_text(json.dumps([{**usual, **case} for case in cases]))
    rows = [(1, "Ada", date(2026, 3, 17)), (2, "Bo", date(2026, 3, 18)), (3, "Cleo", date(2020, 1, 1))]
    boats = Table("boats", columns("id UInt32, name String, built Date"), rows)
    written_pack(folder, "tiny", "2026-03-18 10:20:00", [Database("ferry", (boats,), "Boats.")])
    return folder


def verdicts(folder: Path, **sql: str | None) -> dict[str, Verdict]:
    """The verdicts on statements by the ids of their questions; None refuses."""
    said = {name: Prediction(text or "") for name, text in sql.items()}
    return {one.case.id: one.verdict for one in score(AnswerKey.read(folder), said)}


def test_each_prediction_gets_its_verdict(folder: Path) -> None:
    found = verdicts(
        folder, many="SELECT 3", old="SELECT nme FROM boats", vague=None, safe="DROP TABLE boats"
    )
    assert found == {
        "many": Verdict.RIGHT,
        "old": Verdict.FAILED,
        "vague": Verdict.REFUSED_RIGHTLY,
        "safe": Verdict.UNSAFE,
    }
    found = verdicts(folder, many=None, old="SELECT name FROM ferry.boats", vague="SELECT 1", safe="SELECT 4")
    assert found == {
        "many": Verdict.REFUSED_NEEDLESSLY,
        "old": Verdict.WRONG,
        "vague": Verdict.NOT_REFUSED,
        "safe": Verdict.NOT_REFUSED,
    }


def test_the_clock_is_the_packs_in_both_statements_and_a_missing_prediction_is_told(folder: Path) -> None:
    found = verdicts(
        folder, old="SELECT name FROM boats WHERE built < today()", safe="SELECT count() FROM boats"
    )
    assert found == {
        "many": Verdict.MISSING,
        "old": Verdict.RIGHT,
        "vague": Verdict.MISSING,
        "safe": Verdict.RIGHT,
    }


def test_totals_count_precision_over_answers_to_what_has_one(folder: Path) -> None:
    said = {
        "many": Prediction("SELECT 3, 'three'", milliseconds=10.0),
        "old": Prediction("SELECT name FROM boats", milliseconds=30.0),
        "vague": Prediction("SELECT 1", milliseconds=20.0),
        "safe": Prediction("", "QUESTION_NOT_READ_ONLY", 40.0),
    }
    scored = score(AnswerKey.read(folder), said)
    found = totals(scored)
    assert found.answerable == Share(good=1, strict=0, of=2)
    assert found.must_refuse == Share(good=1, strict=1, of=2)
    assert found.when_answering == Share(good=1, strict=0, of=2)
    assert found.by_difficulty == {"easy": Share(1, 0, 1), "medium": Share(0, 0, 1)}
    assert (found.milliseconds_p50, found.milliseconds_p95) == (20.0, 40.0)
    text = told(AnswerKey.read(folder), scored)
    assert "right when answering" in text
    assert "p50 20 ms, p95 40 ms" in text


def test_a_pack_whose_own_answer_does_not_run_cannot_be_scored(tmp_path: Path) -> None:
    broken = make_pack(
        tmp_path, [{"id": "a", "question": "?", "gold_sql_clickhouse": "SELECT nothing FROM boats"}]
    )
    with pytest.raises(BrokenPack, match="nothing"):
        verdicts(broken, a="SELECT 1")


def test_the_checkup_names_answers_that_say_nothing_or_hang_on_the_order(tmp_path: Path) -> None:
    cases = [
        {
            "id": "fine",
            "question": "?",
            "gold_sql_clickhouse": "SELECT name FROM boats ORDER BY name LIMIT 1",
        },
        {"id": "chance", "question": "?", "gold_sql_clickhouse": "SELECT name FROM boats LIMIT 1"},
        {"id": "empty", "question": "?", "gold_sql_clickhouse": "SELECT name FROM boats WHERE id > 9"},
        {"id": "none", "question": "?"},
        {"id": "none", "question": "?", "expect": "clarify"},
    ]
    found = faults(AnswerKey.read(make_pack(tmp_path, cases)))
    assert [fault.split(":")[0] for fault in found] == ["none", "chance", "empty", "none"]


def test_the_program_scores_a_file_of_predictions(folder: Path, tmp_path: Path) -> None:
    lines = [
        {"id": "many", "sql": "SELECT count() FROM boats;", "ms": 4.5},
        {"id": "old", "refused": True, "reason": "QUESTION_NOT_ANSWERABLE", "ms": 2.0},
        {"id": "vague", "clarify": True},
    ]
    said, failures = tmp_path / "said.jsonl", tmp_path / "failures.jsonl"
    said.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert read_predictions(said)["old"].reason == "QUESTION_NOT_ANSWERABLE"
    words = [sys.executable, "-m", "tests.questions", str(folder), str(said), "--failures", str(failures)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "answerable                            1 of 2" in done.stdout
    bad = [json.loads(line) for line in failures.read_text().splitlines()]
    assert [(one["id"], one["verdict"]) for one in bad] == [
        ("old", "refused needlessly"),
        ("safe", "missing"),
    ]

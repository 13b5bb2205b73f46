"""The sets of questions that are committed here: made by their scripts, and without a fault."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.questions.checkup import faults
from tests.questions.databases import Database
from tests.questions.development import generate as development
from tests.questions.fresh import generate as fresh
from tests.questions.packs import AnswerKey
from tests.questions.practice import generate as practice
from tests.questions.validation import generate as validation

HERE = Path(__file__).resolve().parent
SETS = {
    "development": (development.databases, 60, 8),
    "validation": (validation.databases, 60, 9),
    "practice": (practice.databases, 49, 6),
    "fresh": (fresh.databases, 100, 15),
}


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_what_its_script_makes(name: str, tmp_path: Path) -> None:
    databases: Sequence[Database] = SETS[name][0]()
    for database in databases:
        committed = HERE / name / "databases" / database.name
        database.write(tmp_path / database.name)
        for made in sorted((tmp_path / database.name).iterdir()):
            if made.suffix == ".parquet":
                assert pq.read_table(committed / made.name).equals(pq.read_table(made)), made.name
            else:
                assert (committed / made.name).read_text() == made.read_text(), made.name


@pytest.mark.parametrize("name", SETS)
def test_a_set_asks_what_its_cases_say(name: str) -> None:
    _, count, unanswerable = SETS[name]
    cases = json.loads((HERE / name / "cases.json").read_text())
    lines = [json.loads(line) for line in (HERE / name / "questions.jsonl").read_text().splitlines()]
    assert lines == [{field: case[field] for field in ("id", "db", "question")} for case in cases]
    assert len(cases) == count
    assert sum(case["expect"] != "answer" for case in cases) == unanswerable


@pytest.mark.soak
@pytest.mark.parametrize("name", SETS)
def test_the_right_answers_of_a_set_run_say_something_and_do_not_hang_on_the_order(name: str) -> None:
    assert faults(AnswerKey.read(HERE / name)) == []

"""The half of a question pack that the answering side never sees: what would have been right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A question with the statements whose results are right; the fields are cases.json's.

    `optional_columns`, `percent_columns`: places in the gold's result. `relative_tolerance`: 0 where only
    the usual one counts.
    """

    id: str
    source: str
    db: str
    question: str
    difficulty: str
    expect: str = "answer"
    construct: str = ""
    golds: tuple[str, ...] = ()
    is_ordered: bool = False
    is_distinct_enough: bool = False
    optional_columns: frozenset[int] = frozenset()
    percent_columns: frozenset[int] = frozenset()
    relative_tolerance: float = 0.0

    @property
    def is_answerable(self) -> bool:
        """Whether SQL is wanted; otherwise a refusal or a question back."""
        return self.expect == "answer"

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Case:
        """A case of cases.json."""
        golds = (entry.get("gold_sql_clickhouse"), *entry.get("gold_sql_alt", ()))
        return cls(
            id=entry["id"],
            source=entry["source"],
            db=entry["db"],
            question=entry["question"],
            difficulty=entry["difficulty"],
            expect=entry.get("expect", "answer"),
            construct=entry.get("construct", ""),
            golds=tuple(gold for gold in golds if gold),
            is_ordered=bool(entry.get("ordered")),
            is_distinct_enough=bool(entry.get("distinct_ok")),
            optional_columns=frozenset(entry.get("optional_cols", ())),
            percent_columns=frozenset(entry.get("percent_cols", ())),
            relative_tolerance=float(entry.get("rel_tol") or 0),
        )


@dataclass(frozen=True)
class Prediction:
    """What was said to a question: SQL, or that it was refused or put back (`sql` is empty then).

    `milliseconds`: how long it took, where that was told.
    """

    sql: str
    reason: str = ""
    milliseconds: float | None = None

    @classmethod
    def read(cls, entry: dict[str, Any]) -> Prediction:
        """A line of a predictions file."""
        refused = bool(entry.get("refused") or entry.get("clarify"))
        sql = "" if refused else str(entry.get("sql") or "").strip().rstrip(";")
        return cls(sql, str(entry.get("reason", "")), entry.get("ms"))


@dataclass(frozen=True)
class AnswerKey:
    """A pack's cases and the moment (UTC) its questions are asked at."""

    directory: Path
    name: str
    now: datetime
    cases: tuple[Case, ...]

    @classmethod
    def read(cls, directory: Path) -> AnswerKey:
        """Reads pack.json and cases.json. Raises OSError, ValueError and KeyError on a broken pack."""
        about = json.loads((directory / "pack.json").read_text())
        cases = json.loads((directory / "cases.json").read_text())
        now = datetime.fromisoformat(about["now"])
        return cls(directory, about["name"], now, tuple(Case.read(case) for case in cases))

    def database(self, db: str) -> Path:
        """The folder with a database's schema.sql, db.json and Parquet files."""
        return self.directory / "databases" / db


def read_predictions(path: Path) -> dict[str, Prediction]:
    """The predictions of a file by the questions' ids."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return {line["id"]: Prediction.read(line) for line in lines}

"""What the answers to a pack come to, as far as the answers alone tell: how many, why not, how fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

ASKED_BACK = "CLARIFICATION"
"""The reason of a question that the agent put back: it has several readings."""

Line = dict[str, Any]
"""What is written for a question: `{"id", "sql", "ms"}` or `{"id", "refused": true, "reason", "ms"}`.

Where a model failed and the planner answered, `model_problem` says why.
"""


@dataclass(frozen=True)
class Asked:
    """A question that was asked: the line that is written for it, and what only the report tells.

    `planning_ms`: until it was understood, put back or refused, the schema's reading included.
    """

    db: str
    line: Line
    planning_ms: float


@dataclass(frozen=True)
class Figures:
    """The figures of some questions; times in milliseconds, percentiles by nearest rank.

    `model_problems` counts why a model failed, where the planner had to answer instead.
    """

    question_count: int
    answered_count: int
    refused_counts: Mapping[str, int]
    model_problems: Mapping[str, int]
    median_ms: float
    p95_ms: float
    planning_median_ms: float
    planning_p95_ms: float

    @classmethod
    def of(cls, asked: Sequence[Asked]) -> Figures:
        """The figures of one question or more; `refused_counts` by reason, the most frequent first."""
        reasons = Counter(str(one.line["reason"]) for one in asked if one.line.get("refused"))
        problems = Counter(str(one.line["model_problem"]) for one in asked if "model_problem" in one.line)
        whole = [float(one.line["ms"]) for one in asked]
        planning = [one.planning_ms for one in asked]
        return cls(
            question_count=len(asked),
            answered_count=len(asked) - reasons.total(),
            refused_counts=dict(reasons.most_common()),
            model_problems=dict(problems.most_common()),
            median_ms=_percentile(whole, 50),
            p95_ms=_percentile(whole, 95),
            planning_median_ms=_percentile(planning, 50),
            planning_p95_ms=_percentile(planning, 95),
        )

    def as_data(self) -> dict[str, Any]:
        """The figures as JSON has them."""
        return {**asdict(self), "model_failed_count": sum(self.model_problems.values())}

    def row(self, name: str) -> list[str]:
        """The figures as a row under HEADINGS."""
        put_back = self.refused_counts.get(ASKED_BACK, 0)
        refused = self.question_count - self.answered_count - put_back
        counts = (self.question_count, self.answered_count, put_back, refused)
        times = (self.planning_median_ms, self.planning_p95_ms, self.median_ms, self.p95_ms)
        return [name, *map(str, counts), *(f"{one:.0f}" for one in times)]


HEADINGS = (
    "DATABASE",
    "QUESTIONS",
    "ANSWERED",
    "PUT BACK",
    "REFUSED",
    "PLAN P50 MS",
    "PLAN P95 MS",
    "P50 MS",
    "P95 MS",
)


def table_rows(asked: Sequence[Asked]) -> list[list[str]]:
    """A row of figures for each database in the order it was asked, and one for all of several."""
    databases = dict.fromkeys(one.db for one in asked)
    rows = [Figures.of([one for one in asked if one.db == db]).row(db) for db in databases]
    return rows if len(rows) == 1 else [*rows, Figures.of(asked).row("all")]


def _percentile(values: Sequence[float], level: int) -> float:
    """The smallest value that at least `level` percent of the values do not exceed."""
    ascending = sorted(values)
    return ascending[max(0, -(-level * len(ascending) // 100) - 1)]

"""Verdicts on predictions, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby

from tests.questions.comparison import is_right
from tests.questions.engine import Engine, Result
from tests.questions.packs import AnswerKey, Case, Prediction
from tests.questions.statements import at, why_unsafe


class Verdict(StrEnum):
    """What became of a question."""

    RIGHT = "right"
    WRONG = "wrong"
    FAILED = "failed"
    UNSAFE = "unsafe"
    REFUSED_NEEDLESSLY = "refused needlessly"
    REFUSED_RIGHTLY = "refused rightly"
    NOT_REFUSED = "not refused"
    MISSING = "missing"


ATTEMPTED = frozenset((Verdict.RIGHT, Verdict.WRONG, Verdict.FAILED, Verdict.UNSAFE))
"""Verdicts on an answer that was given to a question with an answer."""


class BrokenPack(Exception):
    """A right answer of the pack does not run, so nothing can be said of given ones."""


@dataclass(frozen=True)
class Scored:
    """A case with the verdict on what was said to it.

    `is_strict`: right without a column too many. `why`: what the engine or the guard said, where one did.
    """

    case: Case
    prediction: Prediction | None
    verdict: Verdict
    is_strict: bool = False
    why: str = ""
    given: Result = field(default_factory=Result)

    @property
    def is_good(self) -> bool:
        """Whether it was what should have been said."""
        return self.verdict in (Verdict.RIGHT, Verdict.REFUSED_RIGHTLY)


def score(
    key: AnswerKey, predictions: Mapping[str, Prediction], *, is_reversed: bool = False
) -> list[Scored]:
    """The verdicts on all of a pack's cases, database by database.

    `is_reversed`: given statements see the rows in the opposite order; a right one does not notice. Raises
    BrokenPack and RuntimeError for a pack that cannot be run.
    """
    return list(_scored(key, predictions, is_reversed))


def _scored(key: AnswerKey, predictions: Mapping[str, Prediction], is_reversed: bool) -> Iterator[Scored]:
    for db, cases in groupby(sorted(key.cases, key=lambda case: case.db), lambda case: case.db):
        folder = key.database(db)
        with Engine(folder) as engine, Engine(folder, is_reversed=True) as reversed_engine:
            judge = Judge(key, engine, reversed_engine if is_reversed else engine)
            for case in cases:
                yield judge.verdict(case, predictions.get(case.id))


@dataclass(frozen=True)
class Judge:
    """Gives the verdicts on one database; right statements run on `engine`, given ones on `given_engine`."""

    key: AnswerKey
    engine: Engine
    given_engine: Engine

    def verdict(self, case: Case, prediction: Prediction | None) -> Scored:
        """The verdict on one prediction. Raises BrokenPack."""
        if prediction is None:
            return Scored(case, prediction, Verdict.MISSING)
        if not prediction.sql:
            fitting = Verdict.REFUSED_NEEDLESSLY if case.is_answerable else Verdict.REFUSED_RIGHTLY
            return Scored(case, prediction, fitting, is_strict=not case.is_answerable)
        if why := why_unsafe(prediction.sql):
            return Scored(case, prediction, Verdict.UNSAFE, why=why)
        if not case.golds:
            return Scored(case, prediction, Verdict.NOT_REFUSED)
        given = self.given_engine.run(at(prediction.sql, self.key.now))
        if given.error:
            return Scored(case, prediction, Verdict.FAILED, why=given.error)
        rights = self.rights(case)
        is_strict = any(is_right(right, given, case, True) for right in rights)
        if is_strict or any(is_right(right, given, case, False) for right in rights):
            return Scored(case, prediction, Verdict.RIGHT, is_strict, given=given)
        fitting = Verdict.WRONG if case.is_answerable else Verdict.NOT_REFUSED
        return Scored(case, prediction, fitting, given=given)

    def rights(self, case: Case) -> list[Result]:
        """The right results, one a reading. Raises BrokenPack."""
        results = [self.engine.run(at(gold, self.key.now)) for gold in case.golds]
        for result in results:
            if result.error:
                raise BrokenPack(f"{case.id}: {result.error}")
        return results


@dataclass(frozen=True)
class Share:
    """So many good ones of so many, and how many of them strictly."""

    good: int
    strict: int
    of: int

    @classmethod
    def among(cls, scored: Sequence[Scored]) -> Share:
        """The share of good verdicts."""
        strict = sum(one.is_good and one.is_strict for one in scored)
        return cls(sum(one.is_good for one in scored), strict, len(scored))

    @property
    def part(self) -> float:
        """Between 0 and 1; 0 of none."""
        return self.good / self.of if self.of else 0.0


@dataclass(frozen=True)
class Totals:
    """What the verdicts come to. `milliseconds_*` are None where the predictions tell no times."""

    answerable: Share
    must_refuse: Share
    when_answering: Share
    verdicts: Mapping[Verdict, int]
    by_source: Mapping[str, Share]
    by_difficulty: Mapping[str, Share]
    by_construct: Mapping[str, Share]
    by_db: Mapping[str, Share]
    by_expect: Mapping[str, Share]
    milliseconds_p50: float | None
    milliseconds_p95: float | None


def totals(scored: Sequence[Scored]) -> Totals:
    """The totals of a pack. Precision is of the answers given to questions that have one."""
    answerable = [one for one in scored if one.case.is_answerable]
    times = sorted(
        one.prediction.milliseconds
        for one in scored
        if one.prediction is not None and one.prediction.milliseconds is not None
    )
    return Totals(
        answerable=Share.among(answerable),
        must_refuse=Share.among([one for one in scored if not one.case.is_answerable]),
        when_answering=Share.among([one for one in answerable if one.verdict in ATTEMPTED]),
        verdicts=dict(Counter(one.verdict for one in scored)),
        by_source=_by("source", scored),
        by_difficulty=_by("difficulty", answerable),
        by_construct=_by("construct", scored),
        by_db=_by("db", scored),
        by_expect=_by("expect", scored),
        milliseconds_p50=percentile(times, 50),
        milliseconds_p95=percentile(times, 95),
    )


def _by(field: str, scored: Sequence[Scored]) -> dict[str, Share]:
    def value(one: Scored) -> str:
        return str(getattr(one.case, field))

    return {name: Share.among(list(group)) for name, group in groupby(sorted(scored, key=value), value)}


def percentile(ascending: Sequence[float], level: int) -> float | None:
    """The smallest value that at least `level` percent of the values do not exceed, None of none."""
    if not ascending:
        return None
    return ascending[max(0, -(-level * len(ascending) // 100) - 1)]

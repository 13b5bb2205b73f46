"""Who did what: several things, often enough, never; funnels, conversions, spans, retention, sessions."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from statistics import mean, median
from typing import Any

import pytest

from aidatalabs_services.agent.planner.outcomes import Planned
from tests.unit.planner.conftest import Asker

_GAP = timedelta(minutes=30)


def _followed(asker: Asker) -> dict[int, list[tuple[datetime, str]]]:
    """The activity of each learner in order."""
    rows: dict[int, list[tuple[datetime, str]]] = defaultdict(list)
    for record in asker.records("activity"):
        rows[record["learner_id"]].append((datetime.fromisoformat(record["happened_at"]), record["action"]))
    return {learner: sorted(held) for learner, held in rows.items()}


def _did(asker: Asker, action: str) -> set[int]:
    return {learner for learner, held in _followed(asker).items() if any(a == action for _, a in held)}


def _then(asker: Asker, actions: list[str], within: timedelta | None = None) -> int:
    """How many did these in order, each later than the one before, within so long of the first."""
    found = 0
    for held in _followed(asker).values():
        found += any(_reaches(held, start, actions, within) for start, a in held if a == actions[0])
    return found


def _reaches(
    held: list[tuple[datetime, str]], start: datetime, actions: list[str], within: timedelta | None
) -> bool:
    at = start
    for action in actions[1:]:
        later = [t for t, a in held if a == action and t > at and (within is None or t <= start + within)]
        if not later:
            return False
        at = later[0]
    return True


@pytest.mark.parametrize(
    ("question", "positive", "negative"),
    [
        ("how many learners enrolled and got a certificate", ["enrol", "certificate"], []),
        ("number of learners who enrolled but never opened a lesson", ["enrol"], ["open_lesson"]),
        ("how many learners have never logged in", [], ["login"]),
        ("how many learners opened a lesson and also handed in", ["open_lesson", "hand_in"], []),
        ("how many learners enrolled but did not get a certificate", ["enrol"], ["certificate"]),
    ],
)
def test_learners_are_counted_by_what_they_did_and_never_did(
    lesson_asker: Asker, question: str, positive: list[str], negative: list[str]
) -> None:
    expected = set(_followed(lesson_asker))
    for action in positive:
        expected &= _did(lesson_asker, action)
    for action in negative:
        expected -= _did(lesson_asker, action)
    assert int(lesson_asker.value(question)) == len(expected)


@pytest.mark.parametrize(
    "question",
    [
        "what percentage of learners who enrolled also got a certificate",
        "share of learners who enrolled and got a certificate",
        "conversion rate from enrol to certificate",
        "enrol-to-certificate conversion rate",
    ],
)
def test_a_share_of_subjects_counts_subjects(lesson_asker: Asker, question: str) -> None:
    enrolled, done = _did(lesson_asker, "enrol"), _did(lesson_asker, "certificate")
    assert float(lesson_asker.value(question)) == pytest.approx(100 * len(enrolled & done) / len(enrolled))


def test_acts_at_two_times_each_keep_their_own(lesson_asker: Asker) -> None:
    rows = lesson_asker.records("activity")
    january = {r["learner_id"] for r in rows if r["action"] == "enrol" and r["happened_at"] < "2024-02"}
    february = {r["learner_id"] for r in rows
                if r["action"] == "login" and "2024-02" <= r["happened_at"] < "2024-03"}  # fmt: skip
    question = "how many learners who enrolled in January 2024 came back and logged in during February 2024"
    assert int(lesson_asker.value(question)) == len(january & february)


def test_both_of_two_months(lesson_asker: Asker) -> None:
    months = [
        {r["learner_id"] for r in lesson_asker.records("activity") if r["happened_at"][:7] == m}
        for m in ("2024-03", "2024-04")
    ]
    question = "number of learners active in both March and April 2024"
    assert int(lesson_asker.value(question)) == len(months[0] & months[1])


@pytest.mark.parametrize(("words", "least"), [("at least 4", 4), ("more than 4", 5)])
def test_days_of_activity_are_counted_per_subject(lesson_asker: Asker, words: str, least: int) -> None:
    days = [len({t.date() for t, _ in held}) for held in _followed(lesson_asker).values()]
    question = f"how many learners were active on {words} different days"
    assert int(lesson_asker.value(question)) == sum(n >= least for n in days)


def test_an_order_of_events_is_kept_where_it_is_asked_for(lesson_asker: Asker) -> None:
    path = ["login", "hand_in", "certificate"]
    rows = lesson_asker.rows("funnel login -> hand_in -> certificate in this order")
    assert [row[1] for row in rows] == path
    assert [int(row[2]) for row in rows] == [_then(lesson_asker, path[: n + 1]) for n in range(3)]


@pytest.mark.parametrize(
    "question",
    [
        "funnel login -> hand_in -> certificate",
        "funnel from login to hand_in to certificate, number of learners at each step",
        "login → hand_in → certificate funnel",
    ],
)
def test_a_funnel_counts_who_did_every_step_so_far(lesson_asker: Asker, question: str) -> None:
    sets = [_did(lesson_asker, action) for action in ("login", "hand_in", "certificate")]
    expected = [len(set.intersection(*sets[: n + 1])) for n in range(3)]
    rows = lesson_asker.rows(question)
    assert [int(row[2]) for row in rows] == expected
    assert [float(row[3]) for row in rows] == pytest.approx([100 * n / expected[0] for n in expected])
    assert any("in any order" in line for line in lesson_asker.planned(question).explanation)


@pytest.mark.parametrize(("words", "span"), [("2 days", timedelta(days=2)), ("3 hours", timedelta(hours=3))])
def test_a_funnel_within_a_time_looks_no_further(lesson_asker: Asker, words: str, span: timedelta) -> None:
    rows = lesson_asker.rows(f"funnel enrol -> hand_in within {words}")
    assert int(rows[1][2]) == _then(lesson_asker, ["enrol", "hand_in"], span)


@pytest.mark.parametrize(
    ("question", "unit", "fold"),
    [
        ("average days between enrol and first certificate", "day", mean),
        ("how many days on average from enrol to certificate", "day", mean),
        ("median hours from enrol to certificate", "hour", median),
    ],
)
def test_the_time_between_two_events(lesson_asker: Asker, question: str, unit: str, fold: Any) -> None:
    spans = []
    for held in _followed(lesson_asker).values():
        start = next((t for t, a in held if a == "enrol"), None)
        end = next((t for t, a in held if a == "certificate" and start is not None and t >= start), None)
        if start is not None and end is not None:
            days = (end.date() - start.date()).days
            spans.append(days if unit == "day" else (end - start).total_seconds() // 1 / 3600)
    assert float(lesson_asker.value(question)) == pytest.approx(fold(spans))


def test_retention_follows_each_cohort(lesson_asker: Asker) -> None:
    expected: dict[tuple[str, int], set[int]] = defaultdict(set)
    sizes: dict[str, set[int]] = defaultdict(set)
    for learner, held in _followed(lesson_asker).items():
        first = next(t for t, a in held if a == "enrol")
        sizes[f"{first:%Y-%m-01}"].add(learner)
        for at, _ in held:
            later = 12 * (at.year - first.year) + at.month - first.month
            if later >= 0:
                expected[f"{first:%Y-%m-01}", later].add(learner)
    rows = lesson_asker.rows("monthly retention of learners who enrolled")
    assert {(row[0], int(row[1])): (int(row[2]), int(row[3])) for row in rows} == {
        key: (len(sizes[key[0]]), len(learners)) for key, learners in expected.items()
    }


def _sessions(asker: Asker, gap: timedelta) -> list[list[datetime]]:
    sessions: list[list[datetime]] = []
    for held in _followed(asker).values():
        last = None
        for at, _ in held:
            if last is None or at - last > gap:
                sessions.append([])
            sessions[-1].append(at)
            last = at
    return sessions


def test_sessions_end_after_half_an_hour_or_as_said(lesson_asker: Asker) -> None:
    half = _sessions(lesson_asker, _GAP)
    assert int(lesson_asker.value("how many sessions")) == len(half)
    hour = _sessions(lesson_asker, timedelta(hours=1))
    assert int(lesson_asker.value("number of sessions with a gap of 60 minutes")) == len(hour)
    lengths = [(s[-1] - s[0]).total_seconds() / 60 for s in half]
    assert float(lesson_asker.value("average session length in minutes")) == pytest.approx(mean(lengths))
    learners = len(_followed(lesson_asker))
    assert float(lesson_asker.value("average sessions per learner")) == pytest.approx(len(half) / learners)
    told = lesson_asker.planned("how many sessions").explanation
    assert any("within 30 minutes" in line for line in told)


def test_customers_of_another_table_are_followed_by_their_orders(shop_asker: Asker) -> None:
    months = [
        {o["customer_id"] for o in shop_asker.records("orders") if o["ordered_at"][:7] == month}
        for month in ("2024-05", "2024-06")
    ]
    question = "how many customers ordered in May 2024 but not in June 2024"
    assert int(shop_asker.value(question)) == len(months[0] - months[1])


@pytest.mark.parametrize(
    "question",
    [
        "funnel enrol",
        "funnel enrol -> singing",
        "conversion rate from enrol to rain",
        "retention of learners",
        "average days between enrol and sunset",
        "how many learners enrolled but never flew",
        "how many learners enrolled and then logged in at least 3 times",
        "share of learners who enrolled by device and got a certificate",
    ],
)
def test_what_cannot_be_followed_is_refused(lesson_asker: Asker, question: str) -> None:
    assert not isinstance(lesson_asker.outcome(question), Planned), question

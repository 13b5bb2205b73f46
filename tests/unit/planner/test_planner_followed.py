"""New and returning subjects, retention after so many days, sessions and conversions by group."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from aidatalabs_services.agent.planner.outcomes import Clarification, Planned
from tests.unit.planner.conftest import Asker
from tests.unit.planner.engine import Database, Spec

_STAMP = "%Y-%m-%d %H:%M:%S"
_WEEK = timedelta(days=7)


def _kennel() -> dict[str, Spec]:
    """Keepers of dogs, when they joined, and what they did since: some nothing, some twice in one second.

    The `breed` is told by registrations alone; one outing lies at the very end of the 7 days after joining.
    """
    chance = random.Random(99)
    keepers: list[list[Any]] = []
    rows: list[list[Any]] = []
    for keeper in range(1, 61):
        joined = datetime(2024, 1, 3) + timedelta(
            days=chance.randrange(150), seconds=chance.randrange(86_400)
        )
        keepers.append([keeper, joined.strftime(_STAMP), chance.choice(["hills", "coast", "town"])])
        breed, at = chance.choice(["beagle", "collie", "pug"]), joined
        if keeper % 7:
            rows.append([at, keeper, "registration", {"breed": breed, "device": "phone"}])
        for _ in range(chance.randrange(0, 9)):
            at += timedelta(minutes=chance.choice([0, 4, 29, 31, 500, 4_000, 20_000]))
            kind = chance.choice(["outing", "outing", "grooming", "vaccination"])
            rows.append([at, keeper, kind, {"device": chance.choice(["phone", "desk"])}])
    rows.append([datetime.strptime(keepers[0][1], _STAMP) + _WEEK, 1, "outing", {"device": "desk"}])
    rows.sort(key=lambda row: row[0])
    visits = [[n, row[0].strftime(_STAMP), *row[1:]] for n, row in enumerate(rows, 1)]
    return {
        "keepers": Spec("keepers", [("keeper_id", "UInt32"), ("joined_at", "DateTime"), ("region", "String")],
                        keepers, ("keeper_id",)),
        "doings": Spec("doings", [("doing_id", "UInt32"), ("done_at", "DateTime"),
                                  ("keeper_id", "UInt32", "references keepers.keeper_id"),
                                  ("doing", "LowCardinality(String)"), ("details", "JSON")],
                       visits, ("doing_id",)),
    }  # fmt: skip


@pytest.fixture(scope="module")
def kennel(asker: Callable[[str], Asker]) -> Asker:
    return Asker(Database(asker("lessons").database.session, "kennel_data", _kennel()))


@pytest.fixture(scope="module")
def stalls(asker: Callable[[str], Asker]) -> Asker:
    """The same doings where nothing tells who joined when: keepers are known by what they did alone."""
    doings = _kennel()["doings"]
    columns = [column[:2] for column in doings.columns]
    rows = [row for row in doings.rows if row[3] != "registration"]
    spec = {"doings": Spec("doings", columns, rows, doings.order_by)}
    return Asker(Database(asker("lessons").database.session, "stalls_data", spec))


def _done(asker: Asker) -> dict[int, list[tuple[datetime, str, dict[str, str]]]]:
    found: dict[int, list[tuple[datetime, str, dict[str, str]]]] = defaultdict(list)
    for row in asker.records("doings"):
        found[row["keeper_id"]].append(
            (datetime.strptime(row["done_at"], _STAMP), row["doing"], row["details"])
        )
    return {keeper: sorted(held, key=lambda one: one[0]) for keeper, held in found.items()}


def _joined(asker: Asker) -> dict[int, datetime]:
    return {row["keeper_id"]: datetime.strptime(row["joined_at"], _STAMP) for row in asker.records("keepers")}


def _months(times: dict[int, datetime]) -> dict[str, int]:
    counted: dict[str, int] = defaultdict(int)
    for at in times.values():
        counted[f"{at:%Y-%m-01}"] += 1
    return counted


def _shown(rows: list[list[Any]], place: int = 1) -> dict[str, int]:
    return {row[0]: int(row[place]) for row in rows}


@pytest.mark.parametrize("question", ["new keepers per month", "number of new keepers by month"])
def test_new_ones_are_those_whose_own_row_begins_then(kennel: Asker, question: str) -> None:
    assert _shown(kennel.rows(question)) == _months(_joined(kennel))


@pytest.mark.parametrize("question", ["new keepers per month", "how many first-time keepers per month"])
def test_without_a_row_of_their_own_the_first_row_counts(stalls: Asker, question: str) -> None:
    firsts = {keeper: held[0][0] for keeper, held in _done(stalls).items()}
    assert _shown(stalls.rows(question)) == _months(firsts)


def test_first_times_of_one_event(stalls: Asker) -> None:
    firsts = {k: next((t for t, d, _ in held if d == "grooming"), None) for k, held in _done(stalls).items()}
    rows = stalls.rows("how many keepers had their first grooming by month")
    assert _shown(rows) == _months({k: t for k, t in firsts.items() if t is not None})


def test_new_and_returning_ones_of_each_month(stalls: Asker) -> None:
    new: dict[str, set[int]] = defaultdict(set)
    back: dict[str, set[int]] = defaultdict(set)
    for keeper, held in _done(stalls).items():
        for at, _, _ in held:
            (new if f"{at:%Y%m}" == f"{held[0][0]:%Y%m}" else back)[f"{at:%Y-%m-01}"].add(keeper)
    rows = stalls.rows("new vs returning keepers per month")
    assert {row[0]: (int(row[1]), int(row[2])) for row in rows} == {
        month: (len(new[month]), len(back[month])) for month in sorted({*new, *back})
    }
    shares = stalls.rows("share of returning keepers by month")
    assert [float(row[1]) for row in shares] == pytest.approx(
        [100 * len(back[m]) / len(new[m] | back[m]) for m in sorted({*new, *back})]
    )


def test_a_sign_up_event_or_the_first_row_is_asked_about(
    asker: Callable[[str], Asker], kennel: Asker
) -> None:
    doings = _kennel()["doings"]
    spec = {"doings": Spec("doings", [c[:2] for c in doings.columns], doings.rows, doings.order_by)}
    alone = Asker(Database(asker("lessons").database.session, "alone_data", spec))
    outcome = alone.asks("new keepers per month")
    assert {choice.label for choice in outcome.choices} == {
        "keepers with their first row", "keepers with a registration"}  # fmt: skip


@pytest.mark.parametrize("lead", ["what share of", "how many"])
def test_back_within_a_week_of_joining_counts_who_never_did_anything(kennel: Asker, lead: str) -> None:
    joined = {k: at for k, at in _joined(kennel).items() if at.month == 2}
    done = _done(kennel)
    back = {k for k, at in joined.items() if any(at < t <= at + _WEEK for t, _, _ in done.get(k, []))}
    value = float(kennel.value(f"{lead} keepers who joined in February 2024 came back within 7 days"))
    assert value == pytest.approx(100 * len(back) / len(joined) if "share" in lead else len(back))


def test_a_thing_done_within_a_time_of_joining_by_region(kennel: Asker) -> None:
    joined, done = _joined(kennel), _done(kennel)
    regions = {row["keeper_id"]: row["region"] for row in kennel.records("keepers")}
    expected: dict[str, list[bool]] = defaultdict(list)
    for keeper, at in joined.items():
        held = done.get(keeper, [])
        expected[regions[keeper]].append(
            any(d == "grooming" and at < t <= at + timedelta(days=3) for t, d, _ in held)
        )
    rows = kennel.rows("share of keepers who joined and had a grooming within 3 days by region")
    assert {row[0]: float(row[-1]) for row in rows} == pytest.approx(
        {region: 100 * sum(held) / len(held) for region, held in expected.items()}
    )


def test_retention_of_a_day_counts_just_that_day(kennel: Asker) -> None:
    joined, done = _joined(kennel), _done(kennel)
    for n in (1, 2, 14):
        back = [k for k, at in joined.items()
                if any((t.date() - at.date()).days == n for t, _, _ in done.get(k, []))]  # fmt: skip
        assert float(kennel.value(f"day {n} retention of keepers")) == pytest.approx(
            100 * len(back) / len(joined)
        )
    rows = kennel.rows("week 1 retention of keepers by month")
    monday = {k: at.date() - timedelta(days=at.weekday()) for k, at in joined.items()}
    expected: dict[str, list[bool]] = defaultdict(list)
    for keeper, at in joined.items():
        weeks = {
            (t.date() - timedelta(days=t.weekday()) - monday[keeper]).days // 7
            for t, _, _ in done.get(keeper, [])
        }
        expected[f"{at:%Y-%m-01}"].append(1 in weeks)
    assert {row[0]: (int(row[1]), int(row[2])) for row in rows} == {
        month: (len(held), sum(held)) for month, held in expected.items()
    }


def test_a_conversion_by_what_only_the_first_event_tells(kennel: Asker) -> None:
    groups: dict[str | None, list[bool]] = defaultdict(list)
    for held in _done(kennel).values():
        first = next((details for _, doing, details in held if doing == "registration"), None)
        if first is not None:
            groups[first["breed"]].append(any(doing == "grooming" for _, doing, _ in held))
    rows = kennel.rows("conversion from registration to grooming by breed")
    told = {row[0]: float(row[1]) for row in rows if row[0] is not None}
    assert told == pytest.approx({breed: 100 * sum(held) / len(held) for breed, held in groups.items()})


def test_steps_with_conditions_that_may_be_unknown_are_still_followed_in_order(kennel: Asker) -> None:
    """A NULL in one condition must not hide the rows of the other."""
    expected = 0
    for held in _done(kennel).values():
        starts = [t for t, _, details in held if details.get("breed") == "pug"]
        expected += any(d == "outing" and t > s for s in starts for t, d, _ in held)
    rows = kennel.rows("funnel pug -> outing in this order")
    assert expected > 3
    assert int(rows[1][2]) == expected


def test_conversion_by_the_month_of_its_first_step(kennel: Asker) -> None:
    months: dict[str, list[bool]] = defaultdict(list)
    for held in _done(kennel).values():
        start = next((t for t, d, _ in held if d == "registration"), None)
        if start is not None:
            months[f"{start:%Y-%m-01}"].append(any(d == "outing" and t >= start for t, d, _ in held))
    rows = kennel.rows("conversion from registration to outing by month")
    assert {row[0]: (int(row[1]), int(row[2])) for row in rows} == {
        month: (len(held), sum(held)) for month, held in months.items()
    }


def test_what_is_lost_at_each_step(kennel: Asker) -> None:
    rows = kennel.rows("where do keepers drop off in the funnel registration, outing, vaccination")
    counts = [int(row[2]) for row in rows]
    assert [int(row[4]) for row in rows] == [0, counts[0] - counts[1], counts[1] - counts[2]]


def _sessions(asker: Asker, minutes: int = 30) -> list[list[tuple[datetime, str, dict[str, str]]]]:
    made: list[list[tuple[datetime, str, dict[str, str]]]] = []
    for held in _done(asker).values():
        last = None
        for one in held:
            if last is None or one[0] - last > timedelta(minutes=minutes):
                made.append([])
            made[-1].append(one)
            last = one[0]
    return made


def test_sessions_are_counted_and_measured(kennel: Asker) -> None:
    made = _sessions(kennel)
    assert float(kennel.value("share of sessions with a single event")) == pytest.approx(
        100 * sum(len(s) == 1 for s in made) / len(made)
    )
    assert float(kennel.value("average number of events per session")) == pytest.approx(
        sum(map(len, made)) / len(made)
    )
    five = _sessions(kennel, 5)
    longest = max((s[-1][0] - s[0][0]).total_seconds() / 60 for s in five)
    assert float(kennel.value("longest session with a gap of 5 minutes")) == pytest.approx(longest)
    assert int(kennel.value("how many sessions with a grooming")) == sum(
        any(d == "grooming" for _, d, _ in s) for s in made
    )
    days: dict[str, int] = defaultdict(int)
    for session in made:
        if session[0][0].month == 3:
            days[f"{session[0][0]:%Y-%m-%d}"] += 1
    assert _shown(kennel.rows("sessions per day in March 2024")) == days


def test_sessions_of_a_group_are_those_that_began_in_it(kennel: Asker) -> None:
    regions = {row["keeper_id"]: row["region"] for row in kennel.records("keepers")}
    expected: dict[str, list[float]] = defaultdict(list)
    for keeper, held in _done(kennel).items():
        last, start = None, held[0][0]
        for at, _, _ in held:
            if last is not None and at - last > timedelta(minutes=30):
                expected[regions[keeper]].append((last - start).total_seconds() / 60)
                start = at
            last = at
        expected[regions[keeper]].append(((last or start) - start).total_seconds() / 60)
    rows = kennel.rows("average session length by region")
    assert {row[0]: float(row[1]) for row in rows} == pytest.approx(
        {region: sum(held) / len(held) for region, held in expected.items()}
    )


def test_repeating_ones_have_at_least_two_rows(stalls: Asker) -> None:
    groomed = [sum(d == "grooming" for _, d, _ in held) for held in _done(stalls).values()]
    share = 100 * sum(n >= 2 for n in groomed) / sum(n >= 1 for n in groomed)
    assert float(stalls.value("repeat grooming rate")) == pytest.approx(share)


@pytest.mark.parametrize(
    "question",
    ["keepers per month", "first doing of each keeper", "latest doing of keeper 5", "keepers by region",
     "number of keepers in the hills", "which keepers joined first"],
)  # fmt: skip
def test_plain_questions_stay_plain(kennel: Asker, question: str) -> None:
    outcome = kennel.outcome(question)
    if isinstance(outcome, Planned):
        assert outcome.plan.inner is None, question
        assert outcome.plan.cohort is None, question
    else:
        assert isinstance(outcome, Clarification) or outcome.message


def test_another_word_for_people_is_the_one_key_of_them(asker: Callable[[str], Asker]) -> None:
    rows = [
        [f"2024-05-0{1 + n % 9} 10:0{n % 7}:00", 1 + n % 5, ("session_begun", "jump", "jump")[n % 3]]
        for n in range(40)
    ]
    columns = [("at", "DateTime"), ("user_id", "UInt32"), ("happening", "LowCardinality(String)")]
    game = Asker(
        Database(asker("lessons").database.session, "game_data", {"events": Spec("events", columns, rows)})
    )
    assert int(game.value("how many players are there")) == 5
    planned = game.planned("number of players with a jump")
    assert any("'players' was read as users" in line for line in planned.explanation)
    begun = [row[1] for row in rows if row[2] == "session_begun"]
    assert float(game.value("how many sessions does a player have on average")) == len(begun) / len(
        set(begun)
    )
    assert "event tells" in game.refuses("average session length").message


def test_steps_that_are_only_listed_are_asked_about_and_then_is_an_order(kennel: Asker) -> None:
    outcome = kennel.asks("funnel: registration, outing, vaccination")
    assert [choice.label for choice in outcome.choices] == ["in this order", "in whichever order"]
    ordered = kennel.planned("funnel: registration, then outing, then vaccination")
    assert ordered.sql == outcome.choices[0].sql

"""What is served and what is not, case by case: bounds of errors, expiring rows, names that hide columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from aidatalabs_services.data.rollups.rewriter import parsed, written
from aidatalabs_services.data.rollups.serving import RollupUse, usable_sources
from aidatalabs_services.data.rollups.time_axis import with_clock
from tests.unit.data_rollups.queries import made_rows
from tests.unit.data_rollups.world import NOW, World


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    world.refill(made_rows(7, 600))
    yield world
    world.close()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("SELECT * FROM events LIMIT 1", "it asks for rows"),
        ("SELECT sum(value) FROM events", "within 1e-06"),
        ("SELECT quantile(0.5)(value) FROM events", "within 0.01"),
        ("SELECT event_type, count() FROM events GROUP BY event_type LIMIT 2", "LIMIT without ORDER BY"),
        ("SELECT user_id, count() FROM events GROUP BY user_id", "user_id is no dimension"),
        ("SELECT toStartOfMinute(timestamp) AS m, count() FROM events GROUP BY m", "whole buckets"),
        ("SELECT count() FROM events WHERE timestamp != '2026-01-02'", "whole buckets"),
        ("SELECT toDate(timestamp) AS timestamp, count() FROM events GROUP BY timestamp", "is given to"),
        ("WITH 'a' AS country SELECT countIf(country = 'a') FROM events", "WITH gives a value a name"),
        ("SELECT count(), rand() AS r FROM events GROUP BY r", "rand is no function"),
        ("SELECT count(), '_rollup_x' FROM events", "one of our names"),
        ("SELECT count() FROM events AS a JOIN events AS b ON a.user_id = b.user_id", "joins"),
        ("SELECT toStartOfHour(timestamp, 'Asia/Kolkata') AS h, count() FROM events GROUP BY h", "whole"),
        ("SELECT count() FROM events WHERE timestamp > (SELECT max(timestamp) FROM events)", ""),
        ("SELECT count() OVER () AS n FROM events", "a window"),
        ("SELECT event_type, sum(amount) OVER (PARTITION BY event_type) AS n FROM events", "a window"),
        ("SELECT event_type, max(event_type) OVER () AS n FROM events", "a window"),
        (
            "SELECT event_type, count() AS n FROM events GROUP BY event_type ORDER BY count() OVER ()",
            "a window",
        ),
        ("SELECT uniq(properties.user_id) FROM events AS properties", "uniq of an expression"),
        ("SELECT count(properties.value) FROM events AS properties", "count of an expression"),
    ],
)
def test_what_is_not_shown_to_be_the_same_is_read_from_rows_and_says_why(
    world: World, sql: str, reason: str
) -> None:
    _, served = world.served(sql)
    assert reason in served.reason
    if "SELECT max(timestamp)" not in sql:
        assert served.rollup == ""


@pytest.mark.parametrize("level", [0.0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.999, 1.0])
def test_a_quantile_is_within_one_percent_of_the_value_of_its_rank(world: World, level: float) -> None:
    sql = f"SELECT event_type AS t, quantile({level})(value) FROM events GROUP BY t ORDER BY t"
    _, served = world.served(sql, RollupUse(0.01))
    assert served.rollup == "by_day"
    assert served.max_relative_error == 0.01
    answers = dict(map(tuple, world.rows(served.sql)[1]))
    values = dict(
        map(tuple, world.rows("SELECT event_type, groupArray(value) FROM events GROUP BY event_type")[1])
    )
    for name, answer in answers.items():
        ranked = sorted(values[name])
        wanted = ranked[int(level * (len(ranked) - 1))]
        assert abs(answer - wanted) <= 0.01 * abs(wanted) + 1e-9, (name, answer, wanted)


def test_buckets_whose_rows_may_have_expired_are_read_from_rows(world: World) -> None:
    expiring = replace(world.table, ttl="timestamp + INTERVAL 7 DAY")
    (source, _) = usable_sources({"events": expiring}, world.found, ["events"], NOW)
    assert source.not_before is not None
    assert timedelta(days=5) < NOW - source.not_before < timedelta(days=7)
    other = replace(world.table, ttl="seen + INTERVAL 7 DAY")
    assert usable_sources({"events": other}, world.found, ["events"], NOW) == []
    whole, world.table = world.table, expiring
    try:
        raw, served = world.served(
            "SELECT event_type, count() AS n FROM events GROUP BY event_type ORDER BY n"
        )
        assert "ends of the range" in served.reason
        assert world.rows(served.sql) == world.rows(raw)
    finally:
        world.table = whole


def test_a_roll_up_over_another_table_of_that_name_is_not_used(world: World) -> None:
    assert (
        usable_sources({"events": replace(world.table, identity="new")}, world.found, ["events"], NOW) == []
    )


_KOLKATA = "toDateTime('2026-01-05 12:00:00', 'Asia/Kolkata')"


@pytest.mark.parametrize(
    "bound",
    [
        f"timestamp >= toStartOfDay({_KOLKATA})",
        f"timestamp < toStartOfHour({_KOLKATA})",
        f"timestamp >= addDays(toStartOfDay({_KOLKATA}), 1)",
        f"timestamp >= toStartOfDay({_KOLKATA}) + INTERVAL 1 DAY",
        f"timestamp >= toStartOfDay(toStartOfHour(({_KOLKATA})))",
        f"timestamp < toStartOfMonth({_KOLKATA}) + INTERVAL 3 DAY",
        f"timestamp >= toMonday({_KOLKATA})",
        "timestamp >= toStartOfDay(toTimeZone(now(), 'America/New_York'))",
        "timestamp >= toStartOfHour(toTimeZone(now(), 'Asia/Kathmandu'))",
        "timestamp >= toStartOfDay(toDateTime64('2026-01-05 12:00:00', 3, 'Asia/Kolkata'))",
        "timestamp >= toStartOfDay('2026-01-05 12:00:00'::DateTime('Asia/Kolkata'))",
        "timestamp >= toDateTime('2026-01-05 00:00:00', 'Asia/Kolkata')",
    ],
)
def test_a_bound_that_begins_in_another_time_zone_cuts_buckets(world: World, bound: str) -> None:
    raw, served = world.served(f"SELECT count(), max(amount) FROM events WHERE {bound}")
    assert served.rollup
    assert world.rows(served.sql) == world.rows(written(with_clock(parsed(raw), NOW)))


@pytest.mark.parametrize(
    "bound",
    ["toStartOfDay(now())", "toStartOfDay(now() - INTERVAL 2 DAY)", "toStartOfDay(toDateTime('2026-01-05'))"],
)
def test_a_day_that_begins_in_utc_cuts_no_bucket(world: World, bound: str) -> None:
    _, served = world.served(f"SELECT count() FROM events WHERE timestamp >= {bound}")
    assert (served.rollup, "ends of the range" in served.reason) == ("by_day", False)

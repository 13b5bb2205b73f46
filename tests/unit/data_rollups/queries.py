"""Queries made up from a grammar: aggregates, groups, bounds on the boundary and beside it, and the like."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=UTC)
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

AGGREGATES = (
    "count()",
    "count(*)",
    "count(1)",
    "COUNT(event_type)",
    "count(score)",
    "count(DISTINCT user_id)",
    "count(DISTINCT country)",
    "sum(amount)",
    "avg(amount)",
    "min(amount)",
    "max(amount)",
    "sum(price)",
    "avg(price)",
    "max(price)",
    "sum(score)",
    "avg(score)",
    "min(score)",
    "min(value)",
    "max(value)",
    "sum(value)",
    "avg(value)",
    "uniq(user_id)",
    "uniqExact(user_id)",
    "uniqCombined64(user_id)",
    "max(user_id)",
    "max(country)",
    "min(timestamp)",
    "max(timestamp)",
    "uniq(event_type)",
    "max(event_type)",
    "uniqExact(toDate(timestamp))",
    "countIf(event_type = 'a')",
    "sumIf(amount, country = 'de')",
    "sumIf(score, event_type IN ('a', 'b'))",
    "avgIf(amount, toHour(timestamp) < 12)",
    "uniqIf(user_id, country IS NULL)",
    "minIf(score, event_type = 'z')",
    "max(lower(event_type))",
    "count() FILTER (WHERE event_type != 'b')",
    "sum(amount) / count()",
    "round(avg(amount), 2)",
    "countIf(event_type = 'a') / nullIf(count(), 0)",
    "maxIf(timestamp, event_type = 'b')",
    "if(count() > 3, sum(amount), -1)",
    "any(event_type)",
    "uniq(score)",
    "sum(amount + 1)",
    "median(value)",
    "count() OVER ()",
    "sum(amount) OVER (PARTITION BY event_type)",
    "sum(count()) OVER ()",
)
GROUPS = (
    "event_type",
    "country",
    "properties.page::Nullable(String)",
    "toString(properties.page)",
    "CAST(properties.page AS String)",
    "toStartOfHour(timestamp)",
    "toStartOfDay(timestamp)",
    "toDate(timestamp)",
    "toMonday(timestamp)",
    "toStartOfWeek(timestamp)",
    "toStartOfWeek(timestamp, 1)",
    "toStartOfMonth(timestamp)",
    "toYYYYMM(timestamp)",
    "toHour(timestamp)",
    "toDayOfWeek(timestamp)",
    "dateTrunc('day', timestamp)",
    "toStartOfInterval(timestamp, INTERVAL 6 HOUR)",
    "toStartOfInterval(timestamp, INTERVAL 15 MINUTE)",
    "timestamp::Date",
    "upper(event_type)",
    "ifNull(country, 'none')",
    "event_type = 'a'",
    "amount",
    "toStartOfHour(timestamp, 'Asia/Kolkata')",
    "toHour(timestamp) >= 12 ? 'late' : 'early'",
)
_CONDITIONS = (
    "event_type = 'a'",
    "event_type IN ('a', 'c')",
    "country IS NOT NULL",
    "country = 'fr'",
    "event_type LIKE '%b%'",
    "toHour(timestamp) BETWEEN 6 AND 17",
    "toDayOfWeek(timestamp) < 6",
    "toDate(timestamp) >= '2026-01-04'",
    "properties.page::Nullable(String) = '/x'",
    "NOT (event_type = 'b')",
    "(event_type = 'a' OR country = 'de')",
    "toYYYYMM(timestamp) = 202601",
    "amount > 0",
    "toStartOfHour(timestamp) > '2026-01-03 10:00:00'",
)
_OPERATORS = (">=", "<", ">", "<=", "=")


def _moment(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M:%S}"


@st.composite
def _bounds(draw: st.DrawFn) -> str:
    """A condition on the time column; most of its constants are edges of buckets, or a tick beside them."""
    hours = draw(st.integers(0, 11 * 24))
    when = START + timedelta(hours=hours)
    form = draw(st.integers(0, 9))
    if form == 0:
        when += timedelta(seconds=draw(st.sampled_from([1, 59, 1800, 3599])))
    if form == 1:
        bound = f"'{_moment(when)}.{draw(st.sampled_from(['000', '001', '999']))}'"
    elif form == 2:
        bound = f"toDate('{when:%Y-%m-%d}')"
    elif form == 3:
        bound = f"'{when:%Y-%m-%d}'"
    elif form == 4:
        bound = f"toDateTime('{_moment(when)}') - INTERVAL {draw(st.integers(1, 30))} {draw(_UNITS)}"
    elif form == 5:
        bound = draw(_CLOCKS)
    elif form == 6:
        bound = str(int(when.timestamp()))
    else:
        bound = f"'{_moment(when)}'"
    operator = draw(st.sampled_from(_OPERATORS[:4] if form else _OPERATORS))
    if draw(st.integers(0, 4)) == 0:
        turned = {">=": "<=", "<=": ">=", ">": "<", "<": ">", "=": "="}[operator]
        return f"{bound} {turned} timestamp"
    if form == 7 and draw(st.booleans()):
        return f"timestamp BETWEEN {bound} AND '{_moment(when + timedelta(hours=30))}'"
    return f"timestamp {operator} {bound}"


_UNITS = st.sampled_from(["HOUR", "MINUTE", "DAY"])
_CLOCKS = st.sampled_from(
    [
        "now()",
        "now() - INTERVAL 7 DAY",
        "today()",
        "today() - INTERVAL 1 WEEK",
        "toStartOfHour(now())",
        "toStartOfDay(now()) - INTERVAL 3 DAY",
        "subtractDays(toStartOfDay(now()), 5)",
        "now64() - INTERVAL 90 MINUTE",
        "toStartOfDay(toTimeZone(now(), 'Asia/Kolkata'))",
        "toStartOfHour(toTimeZone(now(), 'Asia/Kathmandu')) - INTERVAL 1 DAY",
        "addDays(toStartOfDay(toDateTime('2026-01-05 02:00:00', 'America/New_York')), 1)",
        "toMonday(toDateTime('2026-01-05 02:00:00', 'America/New_York'))",
    ]
)


@st.composite
def queries(draw: st.DrawFn) -> str:
    """One query; what it gives in its order is the same however it is run."""
    groups = draw(st.lists(st.sampled_from(GROUPS), max_size=3, unique=True))
    asked = draw(st.lists(st.sampled_from(AGGREGATES), min_size=1, max_size=4, unique=True))
    named = draw(st.booleans())
    projections = [f"{text} AS g{index}" for index, text in enumerate(groups)]
    projections += [f"{text} AS a{index}" if named else text for index, text in enumerate(asked)]
    where = draw(st.lists(_bounds(), max_size=2))
    where += draw(st.lists(st.sampled_from(_CONDITIONS), max_size=2))
    if groups and draw(st.integers(0, 5)) == 0:
        where.append("g0 IS NOT NULL")
    sql = f"SELECT {', '.join(projections)} FROM events"
    if where:
        sql += f" WHERE {' AND '.join(where)}"
    if not groups:
        return sql
    keys = [f"g{index}" for index in range(len(groups))]
    by = keys if draw(st.booleans()) else [str(index + 1) for index in range(len(groups))]
    sql += f" GROUP BY {draw(st.sampled_from([', '.join(by), 'ALL'])) if named else ', '.join(by)}"
    sql += draw(
        st.sampled_from(["", "", " HAVING count() > 2", " HAVING sum(amount) > 0 AND max(timestamp) > 0"])
    )
    sql += f" ORDER BY {', '.join(keys)}"
    sql += draw(st.sampled_from(["", "", " DESC", " LIMIT 5", " LIMIT 3 OFFSET 2"]))
    if draw(st.integers(0, 7)) == 0:
        return f"SELECT count(), max(g0) FROM ({sql})" if "LIMIT" not in sql else sql
    return sql


def made_rows(seed: int, count: int) -> Sequence[dict[str, Any]]:
    """Rows whose times crowd at the edges of buckets; fractions are binary, so that their sums are exact."""
    chance = random.Random(seed)
    rows = []
    for _ in range(count):
        edge = chance.randrange(12 * 24) * _HOUR_MS
        milliseconds = chance.choice([edge, edge - 1, edge + 1, edge + 999, chance.randrange(12 * _DAY_MS)])
        when = START + timedelta(milliseconds=max(0, milliseconds))
        rows.append(
            {
                "timestamp": f"{_moment(when)}.{when.microsecond // 1000:03d}",
                "event_type": chance.choice("aaabbc"),
                "user_id": chance.randrange(40),
                "properties": chance.choice(
                    [{}, {"page": "/x"}, {"page": "/y"}, {"page": 7}, {"page": True}]
                ),
                "value": chance.randrange(-400, 400) / 4,
                "amount": chance.randrange(-50, 50),
                "price": f"{chance.randrange(100_000) / 100:.2f}",
                "score": chance.choice([None, None, 1, 2, -3]),
                "country": chance.choice([None, "de", "fr", ""]),
            }
        )
    return rows

"""What the door writes means what was asked: the engine's own formatter and its rows say so, text by text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from aidatalabs_services.data.errors import QueryConstructNotAllowed, QuerySyntaxInvalid
from aidatalabs_services.data.statements import admit
from tests.attacks.world import DATABASE, TABLES, Engine


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    engine = Engine()
    yield engine
    engine.close()


def _comparable(rows: list[list[Any]], ordered: bool) -> list[str]:
    texts = [json.dumps(row) for row in rows]
    return texts if ordered else sorted(texts)


# Texts whose tree the engine's formatter must find unchanged.
SAME_TREE = """
SELECT origin o, count() c FROM flights WHERE carrier NOT IN ('UA', 'B6') AND arr_delay IS NOT NULL AND NOT day = 9 GROUP BY o
SELECT month = 1 ? 'a' : 'b', (month > 5 ? 1 : 2) FROM flights
SELECT if(month > 5, 1, 2), multiIf(month = 1, 'x', month = 7, 'y', 'z') FROM flights
SELECT '0.1'::Decimal(38, 20), 0.1::Decimal(38, 20), month::UInt64, -1::Int8, '1'::Nullable(Int32), (month + 1)::String FROM flights
SELECT -month::Int8, 2 * -1::Int8, -1.5::Decimal(9, 2), month::String::UInt8, stops[1]::String FROM flights
SELECT toStartOfHour(time_hour), toStartOfInterval(time_hour, INTERVAL 5 MINUTE), time_hour + INTERVAL 1 DAY, INTERVAL 1 WEEK + time_hour FROM flights
SELECT time_hour - INTERVAL month MONTH, time_hour - toIntervalHour(2), INTERVAL (month + 1) HOUR + time_hour FROM flights
SELECT dateDiff('day', time_hour, toDateTime('2014-01-01', 'UTC')), dateAdd(DAY, 1, time_hour), date_trunc('month', time_hour), date_add(time_hour, INTERVAL 1 DAY) FROM flights
SELECT quantile(0.5)(dep_delay), quantiles(0.5, 0.9)(dep_delay), quantileTDigestIf(0.9)(dep_delay, month > 1), topK(3)(origin), median(day), uniqUpTo(3)(origin), groupArrayIf(10)(day, month = 7) FROM flights
SELECT arrayMap(x -> x || '!', stops), arrayFilter((x, y) -> x > y, [3, 1], [2, 2]), arrayFold((acc, x) -> acc + x, [1, 2], toInt64(0)) FROM flights
SELECT stops[1], stops[-1], (month, day).1, tuple(month, day).2, [(1, 2)][1].1, map('a', month)['a'], [], [[1], [2, 3]] FROM flights
SELECT properties.page, properties.geo.city, properties.page.:String, properties.^geo, properties.n.:Int64, e.properties.page FROM events e
SELECT properties.tags.:`Array(Nullable(String))`, properties.n.:Int64::Nullable(String), properties.n.:Int64 + 1 FROM events
SELECT count(*), count(DISTINCT origin), count(DISTINCT origin, month), sum(DISTINCT day), countIf(day > 1), sumIf(day, month = 1), avgOrNull(dep_delay), uniqExactIf(origin, day = 1), argMax(dest, day), any(month) FROM flights
SELECT groupConcat(',')(origin), groupUniqArray(2)(origin), sumMap([day], [month]), sumForEach([day, month]), groupArrayArray(stops), maxOrDefaultIf(day, month = 99), sumArrayIf([day], month = 1), avgDistinct(day) FROM (SELECT * FROM flights ORDER BY time_hour)
SELECT * FROM events FINAL ORDER BY timestamp
SELECT count() FROM events AS e FINAL PREWHERE user_id = 1 WHERE value > 2
SELECT dest, s FROM flights ARRAY JOIN stops AS s ORDER BY dest, s
SELECT dest, s FROM flights LEFT ARRAY JOIN stops AS s ORDER BY dest, s
SELECT dest, s, i FROM flights ARRAY JOIN stops AS s, arrayEnumerate(stops) AS i ORDER BY dest, s
SELECT dest FROM flights ORDER BY time_hour LIMIT 1 BY origin LIMIT 2
SELECT dest FROM flights ORDER BY time_hour LIMIT 2 BY origin, month
SELECT dest FROM flights ORDER BY time_hour LIMIT 1, 1 BY origin
SELECT dest FROM flights ORDER BY time_hour LIMIT 2 OFFSET 1
SELECT dest FROM flights ORDER BY time_hour LIMIT 1, 2
SELECT month FROM flights ORDER BY month LIMIT 1 WITH TIES
SELECT month, count() FROM flights GROUP BY month ORDER BY month WITH FILL FROM 1 TO 13 STEP 3
SELECT toStartOfDay(timestamp) AS d, count() FROM events GROUP BY d ORDER BY d WITH FILL STEP INTERVAL 1 DAY
SELECT month, count() AS n FROM flights GROUP BY month ORDER BY month WITH FILL FROM 1 TO 13 INTERPOLATE (n AS n + 1)
SELECT dest FROM flights ORDER BY dep_delay DESC NULLS FIRST, dest
SELECT origin, count() FROM flights GROUP BY origin WITH ROLLUP ORDER BY 2, 1
SELECT origin, month, count() FROM flights GROUP BY ROLLUP(origin, month) ORDER BY ALL
SELECT origin, month, count() FROM flights GROUP BY CUBE(origin, month) ORDER BY ALL
SELECT origin, month, count() FROM flights GROUP BY GROUPING SETS ((origin), (origin, month), ()) ORDER BY ALL
SELECT origin, grouping(origin), count() AS n FROM flights GROUP BY ROLLUP(origin) HAVING n > 1 ORDER BY ALL
SELECT origin, month, count() FROM flights GROUP BY ALL ORDER BY ALL
SELECT f.dest, a.name FROM flights AS f LEFT JOIN airlines AS a ON f.carrier = a.carrier ORDER BY f.dest
SELECT f.dest, a.name FROM flights f INNER JOIN airlines a USING carrier ORDER BY f.dest
SELECT f.dest FROM flights f LEFT ANTI JOIN airlines a ON f.carrier = a.carrier
SELECT f.dest FROM flights f ANTI LEFT JOIN airlines a USING (carrier)
SELECT f.dest FROM flights f SEMI LEFT JOIN airlines a USING (carrier) ORDER BY f.dest
SELECT f.dest FROM flights f ANY LEFT JOIN airlines a USING (carrier) ORDER BY f.dest
SELECT f.dest FROM flights f ANY INNER JOIN airlines a USING (carrier) ALL LEFT JOIN airlines b USING (carrier) ORDER BY f.dest
SELECT a.name, f.dest FROM airlines a RIGHT JOIN flights f ON a.carrier = f.carrier ORDER BY f.dest
SELECT a.name, f.dest FROM airlines a FULL OUTER JOIN flights f ON a.carrier = f.carrier ORDER BY ALL
SELECT e.user_id, f.dest FROM events e ASOF JOIN flights f ON e.user_id = f.month AND e.timestamp >= f.time_hour ORDER BY ALL
SELECT count() FROM flights f CROSS JOIN airlines a GLOBAL INNER JOIN airlines b ON a.carrier = b.carrier
SELECT origin, row_number() OVER (PARTITION BY origin ORDER BY time_hour DESC) AS rn FROM flights QUALIFY rn = 1 ORDER BY origin
SELECT sum(day) OVER (ORDER BY time_hour ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), avg(day) OVER w FROM flights WINDOW w AS (PARTITION BY month ORDER BY day RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) ORDER BY time_hour
SELECT sum(day) OVER (ORDER BY time_hour ROWS UNBOUNDED PRECEDING), count() OVER () FROM flights ORDER BY time_hour
SELECT lagInFrame(day, 1, 0) OVER (ORDER BY time_hour), first_value(dep_delay) IGNORE NULLS OVER (ORDER BY time_hour), rank() OVER (ORDER BY month) FROM flights ORDER BY time_hour
SELECT sum(day) FILTER (WHERE month > 1), quantile(0.5)(day) FILTER (WHERE month = 1) FROM flights
SELECT day BETWEEN 1 AND 2, day NOT BETWEEN 1 AND 4 AND month = 7, (day BETWEEN 1 AND 2) NOT BETWEEN 3 AND 4, ' BETWEEN ' NOT BETWEEN 'a' AND 'b' FROM flights
SELECT dest LIKE 'I%', dest NOT LIKE '_A_', dest ILIKE 'i%', dest NOT ILIKE 'x', NOT dest LIKE 'e' FROM flights
SELECT origin || dest || 'x', day % 2, day / month * 2, -day, - -day, +day, NOT NOT day, day == 1, day <> 1, day != 1, dep_delay <=> NULL, day - -1, day-(-1) FROM flights
SELECT month = 1 AND day = 1 OR NOT month = 7 AND day > 2, month + day * 2 - day / 2 % 3, month < day = 1, 'a' || toString(month + day), NOT month + day > 8, -day * month FROM flights
SELECT CASE WHEN month = 1 THEN 'x' WHEN day = 4 THEN 'y' ELSE 'z' END, CASE month WHEN 1 THEN 'x' ELSE 'y' END FROM flights
SELECT CAST(month AS Nullable(String)), CAST(month, 'UInt32'), CAST(time_hour AS DateTime64(3, 'UTC')), CAST(day AS Decimal(10, 2)), CAST((day, dest) AS Tuple(a UInt8, b String)), CAST('x' AS Enum8('x' = 1, 'y' = 2)), CAST(dest AS FixedString(3)), CAST([day] AS Array(Nullable(Float64))), CAST(map('a', 1) AS Map(String, UInt64)), CAST(dest AS LowCardinality(String)) FROM flights
SELECT extract(dest, '(.*)'), EXTRACT(YEAR FROM time_hour), substring(dest, 1, 2), SUBSTRING(dest FROM 1 FOR 2), trim(dest), trim(BOTH 'I' FROM dest), TRIM(LEADING 'I' FROM dest), position(dest, 'A'), POSITION('A' IN dest), position(dest, 'A', 2), left(dest, 1), replace(dest, 'A', 'B'), char(65, 66), floor(3.7), floor(3.78, 1), ceil(3.2), round(3.456, 2), length(dest), lower(dest) FROM flights
SELECT 1 AS n UNION ALL SELECT 2 UNION DISTINCT SELECT 2
SELECT origin FROM flights INTERSECT SELECT 'JFK'
SELECT origin FROM flights EXCEPT SELECT 'JFK'
SELECT dest FROM flights WHERE month = 1 UNION ALL SELECT name FROM airlines ORDER BY name LIMIT 3
(SELECT dest FROM flights ORDER BY dest LIMIT 1) UNION ALL (SELECT name FROM airlines ORDER BY name LIMIT 1)
(SELECT 1 AS n UNION ALL SELECT 2) INTERSECT SELECT 2
WITH a AS (SELECT carrier FROM airlines), b AS (SELECT carrier FROM a) SELECT count() FROM b
WITH a AS (SELECT 1 AS x) SELECT * FROM (WITH b AS (SELECT x FROM a) SELECT * FROM b)
WITH 5 AS k, (SELECT max(day) FROM flights) AS m SELECT k, m, day FROM flights WHERE day > k
SELECT * EXCEPT (stops, dep_delay), f.* FROM flights f ORDER BY time_hour
SELECT * REPLACE (month + 1 AS month) FROM flights ORDER BY time_hour
SELECT COLUMNS('^m') FROM flights ORDER BY month
SELECT DISTINCT origin, month FROM flights
SELECT DISTINCT ON (origin) origin, month FROM flights ORDER BY time_hour
SELECT dest FROM flights WHERE (month, day) IN ((1, 1), (7, 4)) AND carrier IN (SELECT carrier FROM airlines) AND (month, day) NOT IN (SELECT 7, 4) AND month GLOBAL IN (1, 7) AND day GLOBAL NOT IN (SELECT 9)
SELECT EXISTS(SELECT 1 FROM airlines), NOT EXISTS (SELECT 1 FROM airlines WHERE carrier = 'no'), (SELECT 1) + 1
SELECT true, false, NULL, 1e3, .5, 1., 0x1F, 1_000, inf, -inf, 18446744073709551615, 1.5e-3
SELECT 'it''s', 'a\\\\b', 'a\\'b', 'tab\\t', 'x\\ny', '\\x41', 'ü', $$heredoc 'x'$$, $tag$ text $tag$, '%\\_%', '\\%', ''
SELECT dest AS `to there`, day AS "Day of month", `größe` FROM flights
SELECT and(month, day), or(month, 0), not(month), xor(month, 0), plus(1, 2), equals(1, 2), not(month) = 1 FROM flights
SELECT (month, day) AS tup, tup.1, tup.2 FROM flights
SELECT dep_delay IS NULL, isNull(dep_delay), (dep_delay IS NOT NULL) = 1, dep_delay IS DISTINCT FROM 2, dep_delay IS NOT DISTINCT FROM 2, NOT dep_delay IS NOT NULL FROM flights
SELECT uniqMerge(users), sum(events) FROM events_hourly GROUP BY event_type ORDER BY event_type
SELECT windowFunnel(86400)(toDateTime(timestamp), event_type = 'click', event_type = 'buy'), retention(event_type = 'click', event_type = 'buy'), sequenceMatch('(?1)(?2)')(toDateTime(timestamp), event_type = 'click', event_type = 'buy') FROM events GROUP BY user_id ORDER BY user_id
SELECT flights.dest, flights.day FROM flights ORDER BY flights.day
SELECT n FROM ((SELECT 1 AS n))
FROM flights SELECT count()
SELECT min(day) AS min, max(day) AS max, count(*) AS count, any(dest) AS desc FROM flights WHERE month = 1 AND day = 1
"""  # noqa: E501 - one query a line reads best

# Texts the door writes in other words; their rows must be the same.
SAME_ROWS = """
SELECT time_hour + INTERVAL '2' DAY, DATE '2020-01-01', TIMESTAMP '2020-01-01 00:00:00' FROM flights
SELECT f.dest, a.name FROM flights f, airlines a WHERE f.carrier = a.carrier
SELECT dest FROM flights ORDER BY dep_delay ASC NULLS LAST, dest
SELECT NOT month IN (1, 7), NOT dep_delay IS NULL, NOT (day BETWEEN 1 AND 4), NOT day BETWEEN 1 AND 4, NOT NOT day IN (1) FROM flights
SELECT month IN [1, 7], CAST(day AS INT), CAST(day AS TEXT), day::BIGINT, day::VARCHAR(9), [1,2]::Array(UInt8), (1,2)::Tuple(UInt8, UInt8) FROM flights
SELECT day DIV 2, day DIV 2 * 2 FROM flights
SELECT dest REGEXP '^I', dest AS "x" FROM flights
SELECT time_hour::Date = '2013-01-01', d::Date::String FROM (SELECT time_hour, toString(time_hour) AS d FROM flights)
"""  # noqa: E501


def _lines(text: str) -> list[str]:
    return [line.replace("\\\\", "\\") for line in text.strip().splitlines()]


@pytest.mark.parametrize("sql", _lines(SAME_TREE))
def test_written_text_is_the_same_tree_and_gives_the_same_rows(sql: str, engine: Engine) -> None:
    statement = admit(sql, TABLES, database=DATABASE)
    assert engine.formatted(statement.canonical_sql) == engine.formatted(sql)
    original = engine.rows(sql, database=DATABASE)
    assert original
    assert _comparable(engine.rows(statement.sql), statement.ordered) == _comparable(
        original, statement.ordered
    )


@pytest.mark.parametrize("sql", _lines(SAME_ROWS))
def test_text_written_in_other_words_gives_the_same_rows(sql: str, engine: Engine) -> None:
    statement = admit(sql, TABLES, database=DATABASE)
    original = engine.rows(sql, database=DATABASE)
    assert original
    assert _comparable(engine.rows(statement.sql), statement.ordered) == _comparable(
        original, statement.ordered
    )


@pytest.mark.parametrize("letter", [chr(code) for code in range(32, 127)])
def test_escape_in_a_string_keeps_its_bytes(letter: str, engine: Engine) -> None:
    for text in (
        f"'a\\{letter}b'",
        f"'\\\\{letter}'",
        f"'{letter}''\\{letter}\\\\'",
        f"'\\{letter}41 {letter}'",
    ):
        sql = f"SELECT hex({text}) AS bytes"
        try:
            wanted = engine.rows(sql)
        except RuntimeError:
            continue  # not a string for ClickHouse either, for example one that never ends
        try:
            statement = admit(sql, {}, database=DATABASE)
        except (QuerySyntaxInvalid, QueryConstructNotAllowed):
            continue
        assert engine.rows(statement.sql) == wanted, text


REFUSED = {
    "SELECT dest FROM flights SAMPLE 0.1": "SAMPLE",
    "SELECT dest FROM flights SETTINGS max_threads = 1": "SETTINGS",
    "SELECT dest FROM (SELECT dest FROM flights FORMAT JSON)": "FORMAT",
    "SELECT dest FROM flights ORDER BY dest OFFSET 1 ROWS FETCH NEXT 3 ROWS ONLY": "FETCH",
    "SELECT day = ANY (SELECT 1) FROM flights": "ANY",
    "SELECT {x:UInt8} FROM flights": "query parameter",
    "SELECT {'a': 1} FROM flights": "map in braces",
    "SELECT 'a' 'b' FROM flights": "adjacent strings",
    "SELECT 1 UNION ALL SELECT 2 INTERSECT SELECT 2": "a mix of UNION, INTERSECT and EXCEPT",
    "SELECT 1 EXCEPT SELECT 2 UNION ALL SELECT 2": "a mix of UNION, INTERSECT and EXCEPT",
    "SELECT day IN stops FROM flights": "IN with a name on the right",
    "SELECT arrayMap(events -> 1 IN (events), [1]) FROM flights": "IN with a name on the right",
    "SELECT arrayMap(x -> 1 IN (x, 2), [1])": "IN with a name on the right",
    "SELECT 1 IN (1, dest) FROM flights": "IN with a name on the right",
    "SELECT 1 IN ((airlines)) FROM flights": "IN with a name on the right",
    "SELECT 1 IN tuple(1, 2)": "IN with a name on the right",
    "SELECT CAST(dest AS AggregateFunction(uniq, String)) FROM flights": "a cast to this type",
    "SELECT CAST(dest, 'AggregateFunction(uniq, String)') FROM flights": "a cast to this type",
    "SELECT accurateCast(dest, concat('Aggregate', 'Function(uniq)')) FROM flights": "a cast to this type",
    "SELECT CAST(dest AS Variant(String, UInt8)) FROM flights": "a cast to this type",
    "SELECT * APPLY(sum) FROM flights": "APPLY",
    "SELECT COLUMNS(dest) FROM flights": "COLUMNS without a pattern",
    "SELECT * FROM flights NATURAL JOIN airlines": "this kind of JOIN",
    "SELECT dest FROM flights LIMIT 5 PERCENT": "LIMITOPTIONS percent",
    "SELECT dest AS `a``b` FROM flights": "a name with such characters",
    "SELECT dest AS `größe!` FROM flights": "a name with such characters",
    "SELECT dest FROM flights FOR UPDATE": "FOR UPDATE",
    "WITH RECURSIVE r AS (SELECT 1 AS n) SELECT n FROM r": "WITH RECURSIVE",
    "WITH airlines AS (SELECT 1) SELECT 1": "a WITH name that hides a table",
    "WITH 1 AS Airlines SELECT 1": "a WITH name that hides a table",
    "SELECT dep_delay = 2 IS NULL FROM flights": "a row of comparisons without brackets",
    "SELECT day NOT BETWEEN 1 AND 9 NOT IN (1, 7) FROM flights": "a row of comparisons without brackets",
    "SELECT - NOT day IN (1) FROM flights": "a row of comparisons without brackets",
    "SELECT 1 = dest REGEXP 'a' FROM flights": "a row of comparisons without brackets",
    "SELECT NOT day BETWEEN 1 AND 9 IN (1, 2) FROM flights": "a row of comparisons without brackets",
    "SELECT (dest,) FROM flights": "a tuple of one",
    "SELECT 1; SELECT 2": "several statements",
    "SELECT count() FROM (flights f JOIN airlines a USING carrier)": "JOIN in brackets",
    "SELECT * FROM VALUES (1, 2)": "VALUES",
}


@pytest.mark.parametrize("sql", REFUSED)
def test_construct_is_refused_under_the_name_people_know(sql: str) -> None:
    with pytest.raises(QueryConstructNotAllowed) as caught:
        admit(sql, TABLES, database=DATABASE)
    assert caught.value.metadata["construct"] == REFUSED[sql]
    assert "not allowed" in caught.value.message or "semicolon" in caught.value.message

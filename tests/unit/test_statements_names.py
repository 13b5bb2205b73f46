"""What an admitted statement says about itself: texts, hash, tables, columns, order."""

from __future__ import annotations

import hashlib
import re

import pytest

from aidatalabs_services.data.errors import ColumnNotKnown
from aidatalabs_services.data.statements import Statement, TableSchema, admit
from tests.attacks.world import DATABASE, TABLES


def _admit(sql: str) -> Statement:
    return admit(sql, TABLES, database=DATABASE)


def test_executed_text_names_the_database_and_canonical_text_does_not() -> None:
    statement = _admit("select  dest\nfrom flights -- all of them")
    assert statement.canonical_sql == "SELECT dest FROM flights"
    assert statement.sql == "SELECT dest FROM `p_demo`.`flights` AS `flights`"
    assert statement.sha256 == hashlib.sha256(b"SELECT dest FROM flights").hexdigest()


def test_layout_and_comments_do_not_change_the_hash() -> None:
    one = _admit("SELECT dest FROM flights WHERE day=1")
    two = _admit("select dest\n\tfrom flights /* x */ where day = 1;")
    assert one.sha256 == two.sha256
    assert one.sha256 != _admit("SELECT dest FROM flights WHERE day = 2").sha256


def test_canonical_text_is_admitted_again_as_itself() -> None:
    first = _admit("SELECT f.dest d FROM flights f LIMIT 1, 2")
    assert _admit(first.canonical_sql) == first


def test_every_table_read_gets_the_database_and_no_name_of_a_with_does() -> None:
    statement = _admit(
        "WITH late AS (SELECT carrier FROM flights WHERE dep_delay > 15)"
        " SELECT a.name, (SELECT count() FROM events) FROM late JOIN airlines AS a USING carrier"
        " WHERE carrier IN (SELECT carrier FROM flights) UNION ALL SELECT event_type, 1 FROM events_hourly"
    )
    assert len(re.findall(r"`p_demo`\.`\w+`", statement.sql)) == 5
    assert "`p_demo`.`late`" not in statement.sql
    assert statement.tables == ("airlines", "events", "events_hourly", "flights")


def test_database_name_is_quoted_whatever_it_is() -> None:
    statement = admit("SELECT dest FROM flights", TABLES, database="a`b; DROP")
    assert "`a\\`b; DROP`.`flights`" in statement.sql or "`a``b; DROP`.`flights`" in statement.sql


@pytest.mark.parametrize(
    ("sql", "columns"),
    [
        ("SELECT count() FROM flights", ()),
        ("SELECT dest AS d FROM flights ORDER BY d", (("flights", "dest"),)),
        ("SELECT properties.page FROM events", (("events", "properties"),)),
        ("SELECT e.properties.geo.city.:String FROM events e", (("events", "properties"),)),
        ("SELECT properties.^geo FROM events", (("events", "properties"),)),
        ("SELECT * FROM airlines", (("airlines", "carrier"), ("airlines", "name"))),
        ("SELECT COLUMNS('^c') FROM airlines", (("airlines", "carrier"), ("airlines", "name"))),
        (
            "SELECT a.name FROM flights f JOIN airlines a ON a.carrier = f.carrier",
            (("airlines", "carrier"), ("airlines", "name"), ("flights", "carrier")),
        ),
        ("SELECT (SELECT max(value) FROM events WHERE user_id = month) FROM flights",
         (("events", "user_id"), ("events", "value"), ("flights", "month"))),
        ("WITH x AS (SELECT dest AS d FROM flights) SELECT d FROM x", (("flights", "dest"),)),
        ("SELECT arrayMap(day -> day + month, [1]) FROM flights", (("flights", "month"),)),
        ("SELECT s FROM flights ARRAY JOIN stops AS s", (("flights", "stops"),)),
        ("SELECT `größe` FROM flights", (("flights", "größe"),)),
        ("SELECT dateAdd(DAY, 1, time_hour) FROM flights", (("flights", "time_hour"),)),
    ],
)  # fmt: skip
def test_columns_read_are_told(sql: str, columns: tuple[tuple[str, str], ...]) -> None:
    assert _admit(sql).columns == columns


def test_nested_column_with_a_dot_in_its_name_is_bound() -> None:
    tables = {
        "orders": TableSchema("orders", {"items.price": "Array(Float64)", "items.name": "Array(String)"})
    }
    statement = admit("SELECT items.price, o.items.name FROM orders AS o", tables, database=DATABASE)
    assert statement.columns == (("orders", "items.name"), ("orders", "items.price"))


@pytest.mark.parametrize(
    ("sql", "ordered"),
    [
        ("SELECT dest FROM flights ORDER BY dest", True),
        ("(SELECT dest FROM flights ORDER BY dest)", True),
        ("(SELECT dest FROM flights) ORDER BY dest", True),
        ("SELECT dest FROM flights", False),
        ("SELECT dest FROM (SELECT dest FROM flights ORDER BY dest)", False),
        ("SELECT sum(day) OVER (ORDER BY day) FROM flights", False),
        ("SELECT dest FROM flights UNION ALL SELECT name FROM airlines ORDER BY name", False),
    ],
)
def test_order_counts_only_when_it_is_the_outermost(sql: str, ordered: bool) -> None:
    assert _admit(sql).ordered is ordered


def test_another_schema_is_another_answer_for_the_same_text() -> None:
    sql = "SELECT x FROM t"
    first = admit(sql, {"t": TableSchema("t", {"x": "UInt8"})}, database="one")
    second = admit(sql, {"t": TableSchema("t", {"x": "UInt8"})}, database="two")
    assert (first.canonical_sql, first.sha256) == (second.canonical_sql, second.sha256)
    assert first.sql != second.sql
    with pytest.raises(ColumnNotKnown, match="column x"):
        admit(sql, {"t": TableSchema("t", {"y": "UInt8"})}, database="one")

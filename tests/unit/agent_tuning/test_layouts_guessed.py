"""Layouts are guessed out of what a query asks for; whatever a query looks like, guessing never fails."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.catalogue import Column, Table
from aidatalabs_services.agent.ports import (
    GroupFigures,
    LayoutSample,
    LayoutSide,
    LayoutTrial,
    NewRollup,
    OrderBy,
    OtherType,
    SkipIndex,
    SortedRows,
)
from aidatalabs_services.agent.tuning.layout_trials import _judged
from aidatalabs_services.agent.tuning.layouts import MOST_LAYOUTS, layouts_of
from aidatalabs_services.agent.tuning.reads import reads_of

VISITS = Table(
    "visits",
    (
        Column("at", "DateTime", distinct_count=900_000),
        Column("user_id", "UInt64", distinct_count=50_000, minimum="1", maximum="70000"),
        Column("town", "String", distinct_count=40),
        Column("amount", "Float64", distinct_count=1000),
        Column("pages", "Int64", distinct_count=90, minimum="0", maximum="60"),
        Column("note", "Nullable(String)", distinct_count=900_000),
        Column("properties", "JSON"),
        Column("properties.page", "String", distinct_count=7, path_of="properties"),
    ),
    row_count=1_000_000,
    order_by=("at",),
)
OTHER = Table("towns", (Column("town", "String"), Column("country", "String")), row_count=40)


def guessed(sql: str, *others: Table) -> list[object]:
    return list(layouts_of(reads_of(sql, VISITS, others)))


def test_a_condition_leads_to_a_key_an_index_and_a_projection() -> None:
    found = guessed("SELECT at, pages FROM visits WHERE user_id = 5")
    assert OrderBy(("user_id", "at")) in found
    assert SkipIndex("user_id", "BLOOM_FILTER") in found
    assert SortedRows(("user_id",), ("user_id", "at", "pages")) in found
    assert OtherType("pages", "Int8") in found
    assert OtherType("user_id", "UInt32") in found


def test_columns_of_few_values_come_first_in_a_key_and_ranges_last() -> None:
    found = guessed("SELECT * FROM visits WHERE pages > 80 AND user_id = 5 AND town IN ('a', 'b')")
    assert found[0] == OrderBy(("town", "user_id", "pages", "at"))
    assert SortedRows(("town", "user_id", "pages")) in found


def test_a_table_that_is_sorted_so_gets_no_other_key() -> None:
    found = guessed("SELECT at FROM visits WHERE at > '2026-01-01 00:00:00'")
    assert not [each for each in found if isinstance(each, OrderBy | SortedRows | SkipIndex)]


def test_groups_lead_to_a_roll_up_and_figures() -> None:
    found = guessed("SELECT town, toStartOfHour(at) AS h, count(), sum(pages) FROM visits GROUP BY town, h")
    assert (
        NewRollup("visits_town_figures_hourly", "visits", "at", "HOUR", ("town",), (("pages", "SUM"),))
        in found
    )
    figures = (("count", ""), ("sum", "pages"))
    assert GroupFigures((("town", ""), ("at", "toStartOfHour")), figures) in found


def test_every_column_that_rows_are_left_out_by_is_a_key_of_the_figures() -> None:
    found = guessed("SELECT count() FROM visits WHERE town != 'a' OR pages = 3")
    (figures,) = [each for each in found if isinstance(each, GroupFigures)]
    assert {column for column, _ in figures.keys} == {"town", "pages"}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT user_id, count() FROM visits GROUP BY user_id, note",  # as many groups as rows
        "SELECT amount, count() FROM visits GROUP BY amount",  # fractions are no keys
        "SELECT quantile(0.5)(pages) FROM visits",
        "SELECT count() FROM visits AS v JOIN towns AS t ON t.town = v.town",
        "SELECT * FROM visits",
    ],
)
def test_what_no_groups_can_serve_leads_to_none(sql: str) -> None:
    assert not [each for each in guessed(sql, OTHER) if isinstance(each, NewRollup | GroupFigures)]


def test_a_piece_of_text_leads_to_an_index_of_pieces() -> None:
    assert guessed("SELECT count() FROM visits WHERE note LIKE '%hello%'")[0] == SkipIndex("note", "NGRAM")
    assert SkipIndex("note", "NGRAM") not in guessed("SELECT count() FROM visits WHERE note LIKE '%he%'")


def test_texts_inside_json_are_dimensions_of_a_roll_up_and_of_nothing_else() -> None:
    sql = "SELECT properties.page::String AS p, count() FROM visits WHERE {} GROUP BY p"
    found = guessed(sql.format("properties.page::String = 'a' AND town = 'b'"))
    name = "visits_properties_page_town_figures_daily"
    assert found[0] == NewRollup(name, "visits", "at", "DAY", ("properties.page", "town"), ())
    assert not [each for each in found if isinstance(each, GroupFigures)]
    assert OrderBy(("town", "at")) in found
    for column in ("properties.page", "properties"):
        assert not [each for each in found if isinstance(each, SkipIndex) and each.column == column]
    texts = guessed("SELECT properties.page.:String AS p, count() FROM visits GROUP BY p")
    dimensions = [each.dimensions for each in texts if isinstance(each, NewRollup)]
    assert dimensions == [("properties.page.:String",)]
    assert not [each for each in guessed(sql.format("properties.other = 3")) if isinstance(each, NewRollup)]


def test_numbers_that_grow_get_room_to_grow() -> None:
    table = Table("t", (Column("n", "UInt64", minimum="1", maximum="5000"), Column("m", "Int64")), 10**6)
    assert OtherType("n", "UInt32") in layouts_of(reads_of("SELECT sum(n), sum(m) FROM t", table, ()))


def test_a_standard_table_keeps_its_key_and_types() -> None:
    events = Table("events", VISITS.columns, VISITS.row_count, order_by=("at",))
    found = layouts_of(
        reads_of("SELECT town, count() FROM events WHERE user_id = 3 GROUP BY town", events, ())
    )
    assert found
    assert not [each for each in found if isinstance(each, OrderBy | OtherType)]


def test_an_order_with_a_limit_leads_to_a_key() -> None:
    assert OrderBy(("pages", "at")) in guessed("SELECT user_id FROM visits ORDER BY pages DESC LIMIT 3")


def test_a_name_that_two_tables_have_is_nobodys() -> None:
    sql = "SELECT count() FROM visits JOIN towns ON towns.town = visits.town WHERE {} = 'a'"
    assert not [each for each in guessed(sql.format("town"), OTHER) if isinstance(each, OrderBy)]
    assert OrderBy(("town", "at")) in guessed(sql.format("visits.town"), OTHER)
    assert not [each for each in guessed(sql.format("country"), OTHER) if isinstance(each, OrderBy)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1",
        "SELECT count(*) FROM visits",
        "WITH v AS (SELECT town, at FROM visits) SELECT town FROM v WHERE town = 'a' UNION ALL SELECT '1'",
        "SELECT * FROM (SELECT town FROM visits WHERE user_id IN (SELECT user_id FROM visits)) WHERE 1",
        "SELECT town FROM visits WHERE NOT (town = 'a') AND town LIKE user_id AND 5 = user_id AND at < 2",
        "SELECT properties.page, count() FROM visits WHERE properties.page = 'x' GROUP BY properties.page",
        "SELECT arrayJoin([1, 2]) AS a, countIf(town = 'x'), sum(pages) OVER (PARTITION BY town) FROM visits",
        "SELECT toStartOfInterval(at, INTERVAL 5 MINUTE) AS t, count() FROM visits GROUP BY t ORDER BY t",
        "SELECT town, count(DISTINCT user_id), uniq(user_id) FROM visits GROUP BY ALL LIMIT 3 BY town",
        "SELECT (town, pages) AS pair, max(at) FROM visits GROUP BY pair HAVING max(at) > '2026-01-01'",
        "SELECT count() FROM visits WHERE (user_id, town) IN ((1, 'a'))",
        "SELECT count() FROM visits WHERE user_id = (SELECT max(user_id) FROM visits)",
    ],
)
def test_guessing_never_fails_and_is_never_much(sql: str) -> None:
    assert len(guessed(sql)) <= MOST_LAYOUTS


def side(seconds: float, rows: int, size: int = 1000, **more: float) -> LayoutSide:
    return LayoutSide((seconds, seconds * 1.01, seconds * 1.02), rows, rows * 8, 1, "ab", size, 0.5)


UNEVEN = LayoutSide((0.008, 0.010, 0.030), 100_000, 800_000, 1, "ab", 1000, 0.5)
UNEVEN_LESS = LayoutSide((0.009, 0.030, 0.040), 1000, 8000, 1, "ab", 1000, 0.5)
SAMPLE = LayoutSample(2_000_000, 40_000_000, 10**7, 2 * 10**8, 3, 8, 20)


@pytest.mark.parametrize(
    ("before", "after", "same", "helps"),
    [
        (side(0.010, 100_000), side(0.010, 1000), True, True),
        (side(0.010, 100_000), side(0.005, 100_000), True, True),
        (side(0.010, 100_000), side(0.009, 100_000), True, False),  # too little time
        (side(0.010, 100_000), side(0.020, 1000), True, False),  # fewer rows, but slower
        (UNEVEN, side(0.020, 1000), True, False),  # much slower, though not than its slowest run
        (side(0.010, 100_000), UNEVEN_LESS, True, True),  # slow runs are the machine's, the quickest is not
        (side(0.010, 100_000), side(0.005, 200_000), True, False),  # quicker, but more rows
        (side(0.010, 100_000), side(0.001, 1000), False, False),  # other rows
    ],
)
def test_only_what_measurably_helps_with_the_same_rows_is_recommended(
    before: LayoutSide, after: LayoutSide, same: bool, helps: bool
) -> None:
    trial = LayoutTrial("ORDER BY (`town`)", before, after, same)
    judged = _judged(VISITS, OrderBy(("town",)), trial, SAMPLE)
    assert judged.helps is helps
    assert bool(judged.steps) is helps
    if same:
        assert "2,000,000 of 40,000,000 rows" in judged.rationale
        assert "the whole table was not measured" in judged.rationale


def test_what_was_not_run_says_why_and_is_never_recommended() -> None:
    judged = _judged(VISITS, OrderBy(("town",)), LayoutTrial("x", refusal="It was not run."), SAMPLE)
    assert (judged.helps, judged.steps) == (False, ())
    assert "It was not run." in judged.rationale


def test_a_type_with_signs_of_a_shell_in_it_stays_one_word_of_the_command() -> None:
    table = Table("t", (Column("kind", "Enum8('$(reboot)' = 1, '`x`' = 2)"), Column("a", "UInt64")), 10**6)
    trial = LayoutTrial("ORDER BY (`a`)", side(0.01, 10**6), side(0.001, 100), True)
    create = _judged(table, OrderBy(("a",)), trial, SAMPLE).steps[1]
    import shlex

    assert "kind:Enum8('$(reboot)' = 1, '`x`' = 2)" in shlex.split(create)

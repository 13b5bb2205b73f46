"""The right picture for a result, and none where it would mislead."""

from __future__ import annotations

import json
from typing import Any

import altair
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aidatalabs_services.agent.charts.intents import ChartIntent
from aidatalabs_services.agent.charts.vega import spec_of
from aidatalabs_services.agent.planner.plan import Measure, Source
from tests.unit.agent_charts.results import COUNT, DELAY, MONTHS, SHARE, Asked, key

BY_TOWN = Asked([key("town")], [COUNT], ["String", "UInt64"])
BY_MONTH = Asked([key("month", grain="month")], [COUNT], ["Date", "UInt64"])


def test_one_number_is_written_large_with_its_unit() -> None:
    intent = Asked([], [DELAY], ["Float64"]).drawn([[12.639]])
    assert (intent.kind, intent.title, intent.text) == ("number", "Average delay", "12.64 minutes")


def test_one_row_with_several_columns_stays_a_table() -> None:
    assert "table" in Asked([], [COUNT, DELAY], ["UInt64", "Float64"]).left_to_the_table([[1, 2.0]])


@pytest.mark.parametrize("value", [None, "nan", "inf", "2024-01-01"])
def test_what_is_no_number_is_not_drawn(value: object) -> None:
    assert Asked([], [DELAY], ["Float64"]).left_to_the_table([[value]])


def test_categories_are_bars_with_the_highest_first() -> None:
    intent = BY_TOWN.drawn([["Graz", 3], ["Lyon", 9], [None, 5], ["", 4]])
    assert intent.kind == "bars"
    assert [(p.key, p.value) for p in intent.points] == [
        ("Lyon", 9),
        ("(none)", 5),
        ("(empty)", 4),
        ("Graz", 3),
    ]


def test_an_order_that_was_asked_for_stays() -> None:
    asked = Asked([key("town")], [COUNT], ["String", "UInt64"], order=("n", False), limit=3)
    assert [point.value for point in asked.drawn([["a", 1], ["b", 2], ["c", 3]]).points] == [1, 2, 3]


def test_weekdays_stand_in_the_order_of_the_week_by_name() -> None:
    asked = Asked([key("day", part="weekday")], [COUNT], ["UInt8", "UInt64"])
    assert [point.key for point in asked.drawn([[7, 1], [1, 2], [3, 9]]).points] == [
        "Monday",
        "Wednesday",
        "Sunday",
    ]


def test_of_many_categories_the_highest_are_drawn_and_that_is_said() -> None:
    intent = BY_TOWN.drawn([[f"town {n}", n] for n in range(105)])
    assert intent.notes == ("The 25 highest of 105.",)
    assert [point.value for point in intent.points] == list(range(104, 79, -1))


def test_a_top_list_of_rows_that_were_cut_off_would_be_wrong() -> None:
    rows = [[f"town {n}", n] for n in range(40)]
    assert "top list would be wrong" in BY_TOWN.left_to_the_table(rows, truncated=True)
    ordered = Asked([key("town")], [COUNT], ["String", "UInt64"], order=("n", True))
    assert ordered.drawn(rows[::-1], truncated=True).notes == ("The 25 highest of 40 or more.",)


def test_time_is_a_line_that_breaks_where_there_are_no_rows() -> None:
    intent = BY_MONTH.drawn([[month, 5] for month in MONTHS if month != "2024-05-01"])
    assert (intent.kind, intent.notes) == ("line", ("No rows in 1 step in between.",))
    gap = next(point for point in intent.points if point.value is None)
    assert gap.key == "2024-05-01T00:00:00Z"
    assert [point.key for point in intent.points] == sorted(str(point.key) for point in intent.points)


def test_times_are_those_of_the_questions_zone() -> None:
    asked = Asked([key("day", grain="day")], [COUNT], ["DateTime", "UInt64"], zone="Europe/Vienna")
    intent = asked.drawn([["2024-06-30T22:00:00Z", 1], ["2024-07-01T22:00:00Z", 2]])
    assert [point.key for point in intent.points] == ["2024-07-01T00:00:00Z", "2024-07-02T00:00:00Z"]


def test_the_hour_that_winter_time_repeats_is_told_in_utc() -> None:
    asked = Asked([key("hour", grain="hour")], [COUNT], ["DateTime", "UInt64"], zone="Europe/Vienna")
    intent = asked.drawn([[f"2024-10-27T{hour:02d}:00:00Z", 1] for hour in range(3)])
    assert intent.key.title == "hour (UTC)"
    assert len({point.key for point in intent.points}) == 3
    summer = asked.drawn([[f"2024-07-27T{hour:02d}:00:00Z", 1] for hour in range(3)])
    assert (summer.key.title, summer.points[0].key) == ("hour (Europe/Vienna)", "2024-07-27T02:00:00Z")


def test_shares_with_a_missing_or_negative_part_stay_a_table() -> None:
    asked = Asked([key("town")], [SHARE], ["String", "Float64"])
    assert asked.drawn([["a", 60.0], ["b", 40.0]]).value.words == "share of sales (%)"
    for bad in (None, -1.0):
        assert "do not add up" in asked.left_to_the_table([["a", 60.0], ["b", bad]])


def test_shares_over_time_fill_the_height_when_they_add_up() -> None:
    asked = Asked([key("month", grain="month"), key("town")], [SHARE], ["Date", "String", "Float64"])
    rows: list[list[Any]] = [
        [month, town, part] for month in MONTHS for town, part in (("a", 70.0), ("b", 30.0))
    ]
    assert asked.drawn(rows).kind == "area"
    assert asked.drawn([[m, t, p / 2] for m, t, p in rows]).kind == "line", "parts of something larger"


def test_small_parts_of_a_stack_are_added_up_and_that_is_said() -> None:
    asked = Asked([key("shop"), key("town")], [COUNT], ["String", "String", "UInt64"])
    rows: list[list[Any]] = [[f"shop {s}", f"town {t:02}", t + 1] for s in range(12) for t in range(10)]
    intent = asked.drawn(rows)
    assert (intent.kind, intent.series[-1]) == ("stacked", "all others")
    assert intent.notes == ("The 7 largest of 10; the rest added up.",)
    assert sum(point.value or 0 for point in intent.points) == sum(row[2] for row in rows)


def test_averages_by_two_keys_are_a_grid_since_they_do_not_add_up() -> None:
    asked = Asked([key("shop"), key("town")], [DELAY], ["String", "String", "Float64"])
    assert asked.drawn([[s, t, 1.0] for s in "abc" for t in "xyz"]).kind == "heat"


def test_two_numbers_of_different_kinds_are_points_or_a_table_but_never_one_axis() -> None:
    asked = Asked([key("town")], [COUNT, DELAY], ["String", "UInt64", "Float64"])
    assert asked.drawn([[f"t{n}", n, n / 2] for n in range(5)]).kind == "scatter"
    assert "different kinds" in asked.left_to_the_table([["a", 1, 2.0], ["b", 1, 2.0]])
    timed = Asked([key("month", grain="month")], [COUNT, DELAY], ["Date", "UInt64", "Float64"])
    assert timed.left_to_the_table([[MONTHS[0], 1, 2.0], [MONTHS[1], 1, 2.0]])


def test_the_shortest_and_longest_of_one_thing_stand_side_by_side() -> None:
    source = Source("sales", "delay", "Float64")
    pair = [Measure(name, source, name, f"{name} delay", "minutes") for name in ("min", "max")]
    asked = Asked([key("town")], pair, ["String", "Float64", "Float64"])
    assert asked.drawn([["a", -1.0, 9.0], ["b", 0.0, 7.0]]).kind == "grouped"


def test_lists_of_text_stay_tables_and_two_amounts_are_points() -> None:
    keys = [key("height"), key("weight")]
    amounts = Asked(keys, [], ["Float64", "Float64"], form="list")
    assert amounts.drawn([[n, n * 2.0] for n in range(9)]).kind == "scatter"
    assert Asked(keys, [], ["String", "Float64"], form="list").left_to_the_table([["a", 1.0]] * 9)
    ids = Asked([key("height"), key("town_id")], [], ["Float64", "UInt64"], form="list")
    assert ids.left_to_the_table([[n, n] for n in range(9)])


def test_an_axis_that_does_not_begin_at_zero_says_so() -> None:
    asked = Asked([key("month", grain="month")], [DELAY], ["Date", "Float64"])
    intent = asked.drawn([[month, 280.0 + n] for n, month in enumerate(MONTHS)])
    assert intent.notes == ("The axis does not begin at 0.",)
    assert not BY_MONTH.drawn([[month, 280 + n] for n, month in enumerate(MONTHS)]).notes


CELLS = st.one_of(st.none(), st.text(max_size=20), st.integers(-(2**70), 2**70), st.floats(), st.booleans())
SHAPES = [
    BY_TOWN,
    BY_MONTH,
    Asked([], [COUNT], ["UInt64"]),
    Asked([key("town"), key("name", label=True)], [COUNT], ["String", "String", "UInt64"]),
    Asked([key("town"), key("shop")], [COUNT], ["String", "String", "UInt64"]),
    Asked([key("month", grain="month"), key("town")], [SHARE], ["Date", "String", "Float64"]),
    Asked([key("day", part="weekday"), key("hour", part="hour")], [DELAY], ["UInt8", "UInt8", "Float64"]),
    Asked([key("town")], [COUNT, DELAY], ["String", "UInt64", "Float64"]),
]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(SHAPES), st.booleans())
def test_whatever_the_rows_hold_the_spec_is_valid_and_the_same_twice(
    data: Any, asked: Asked, truncated: bool
) -> None:
    cell = st.one_of(CELLS, st.sampled_from(MONTHS), st.sampled_from(["</script>", "a.b[0]", "datum.x"]))
    rows = data.draw(st.lists(st.tuples(*[cell] * len(asked.columns)), max_size=12))
    choice = asked.choice(rows, truncated=truncated)
    if isinstance(choice, ChartIntent):
        spec = spec_of(choice)
        text = json.dumps(spec, allow_nan=False)
        assert text == json.dumps(spec_of(asked.drawn(rows, truncated=truncated)))
        assert "transform" not in spec, "no expression is made of data"
        altair.Chart.from_dict(spec, validate=True)

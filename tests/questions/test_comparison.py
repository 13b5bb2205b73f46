"""When a given result counts as the right one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.questions.comparison import is_right
from tests.questions.engine import Result
from tests.questions.packs import Case


def result(types: str, *rows: tuple[Any, ...], names: str = "") -> Result:
    kinds = tuple(types.split())
    return Result(tuple(names.split()) or tuple(f"c{n}" for n in range(len(kinds))), kinds, rows)


def case(**told: Any) -> Case:
    return Case.read({"id": "a", "source": "s", "db": "d", "question": "?", "difficulty": "easy", **told})


def verdicts(right: Result, given: Result, **told: Any) -> tuple[bool, bool]:
    """(right in the headline number, right strictly)"""
    return is_right(right, given, case(**told), False), is_right(right, given, case(**told), True)


BOATS = result("String UInt64", ("Ada", 3), ("Bo", 3), ("Cleo", 1))


def test_names_and_order_of_columns_and_rows_do_not_matter() -> None:
    given = result("Int64 String", (1, "Cleo"), (3, "Bo"), (3, "Ada"), names="total boat")
    assert verdicts(BOATS, given) == (True, True)


def test_a_wanted_order_is_kept() -> None:
    given = result("String UInt64", ("Cleo", 1), ("Ada", 3), ("Bo", 3))
    assert verdicts(BOATS, given, ordered=True) == (False, False)
    assert verdicts(BOATS, BOATS, ordered=True) == (True, True)


def test_values_that_stand_in_the_wrong_rows_are_wrong() -> None:
    assert verdicts(BOATS, result("String UInt64", ("Ada", 1), ("Bo", 3), ("Cleo", 3))) == (False, False)


def test_one_given_column_does_not_stand_for_two() -> None:
    right = result("UInt64 UInt64", (1, 1), (2, 2))
    assert verdicts(right, result("UInt64 String", (1, "x"), (2, "y"))) == (False, False)


@pytest.mark.parametrize(("extra", "is_taken"), [(3, True), (4, False)])
def test_up_to_three_columns_more_are_taken_but_not_strictly(extra: int, is_taken: bool) -> None:
    rows = [(*row, *range(extra)) for row in BOATS.rows]
    assert verdicts(BOATS, result("String UInt64" + " UInt8" * extra, *rows)) == (is_taken, False)


def test_only_an_optional_column_may_be_missing() -> None:
    given = result("String", ("Ada",), ("Bo",), ("Cleo",))
    assert verdicts(BOATS, given) == (False, False)
    assert verdicts(BOATS, given, optional_cols=[1]) == (True, False)
    assert verdicts(BOATS, result("UInt64", (3,), (3,), (1,)), optional_cols=[1]) == (False, False)


def test_rows_that_come_twice_count_once_only_where_the_case_says_so() -> None:
    given = result("String UInt64", *BOATS.rows, ("Ada", 3))
    assert verdicts(BOATS, given) == (False, False)
    assert verdicts(BOATS, given, distinct_ok=True) == (True, True)


def test_percent_and_share_are_one_only_where_the_case_says_so() -> None:
    right, given = result("Float64", (0.3971,)), result("Float64", (39.71,))
    assert verdicts(right, given) == (False, False)
    assert verdicts(right, given, percent_cols=[0]) == (True, True)
    assert verdicts(given, right, percent_cols=[0]) == (True, True)


def test_whole_numbers_are_exact() -> None:
    assert verdicts(result("UInt64", (100_000,)), result("UInt64", (100_001,))) == (False, False)
    assert verdicts(result("UInt64", (100_000,)), result("Float64", (100_000.0,))) == (True, True)


@pytest.mark.parametrize(
    ("right", "given", "is_same"),
    [
        (1234.5678, 1235.0, True),
        (1234.5678, 1240.0, False),
        (0.123456, 0.12, True),
        (0.123456, 0.13, False),
        (33.333333, 33.3, True),
        (0.0, 0.0001, False),
        (0.004, 0.0, False),
    ],
)
def test_other_numbers_are_right_nearly_or_rounded(right: float, given: float, is_same: bool) -> None:
    assert verdicts(result("Float64", (right,)), result("Float64", (given,))) == (is_same, is_same)


def test_a_tolerance_of_the_case_holds_for_a_single_whole_number_too() -> None:
    right, given = result("UInt16", (120,)), result("Float64", (121.5,))
    assert verdicts(right, given) == (False, False)
    assert verdicts(right, given, rel_tol=0.02) == (True, True)


def test_rounded_numbers_in_another_order_find_their_rows() -> None:
    right = result("Float64 Float64", (10.001, 7.0), (10.002, 5.0))
    given = result("Float64 Float64", (10.0, 5.0), (10.0, 7.0))
    assert verdicts(right, given) == (True, True)


@pytest.mark.parametrize(
    "given", ["2026-03-01", "2026-03", "202603", 202603, "2026-03-01 00:00:00", "2026-03-01T00:00:00.000Z"]
)
def test_a_month_is_one_value_however_it_is_written(given: Any) -> None:
    assert verdicts(result("Date", ("2026-03-01",)), result("String", (given,))) == (True, True)


def test_another_day_or_hour_is_another_value() -> None:
    right = result("DateTime", ("2026-03-01 07:00:00",))
    assert verdicts(right, result("DateTime", ("2026-03-01 08:00:00",))) == (False, False)
    assert verdicts(right, result("Date", ("2026-03-01",))) == (False, False)


def test_null_and_not_a_number_are_one_value_and_zero_is_another() -> None:
    right = result("Nullable(Float64)", (None,))
    assert verdicts(right, result("Float64", (float("nan"),))) == (True, True)
    assert verdicts(right, result("Float64", (0.0,))) == (False, False)


def test_texts_of_numbers_are_numbers_and_other_texts_are_none() -> None:
    right = result("Float64", (12.5,))
    assert verdicts(right, result("String", ("12.5 %".replace(" ", ""),))) == (True, True)
    assert verdicts(right, result("String", ("twelve",))) == (False, False)


def test_a_wrapped_type_is_read_as_what_it_wraps() -> None:
    right = result("LowCardinality(Nullable(UInt8))", (7,))
    assert verdicts(right, result("String", ("7.0",))) == (True, True)


def test_no_rows_are_right_only_where_none_are_wanted() -> None:
    assert verdicts(BOATS, result("String UInt64")) == (False, False)
    assert verdicts(result("String"), result("String")) == (True, True)

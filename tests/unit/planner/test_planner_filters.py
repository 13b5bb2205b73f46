"""Conditions: values and where they live, negation, comparisons, directions, windows of time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.planner.conftest import Asker

Row = dict[str, Any]


@pytest.mark.parametrize(
    ("question", "keeps"),
    [
        ("number of cancelled orders", lambda o: o["status"] == "cancelled"),
        ("how many orders were not cancelled", lambda o: o["status"] != "cancelled"),
        ("how many orders were cancelled or shipped", lambda o: o["status"] in ("cancelled", "shipped")),
        (
            "how many orders were not cancelled or shipped",
            lambda o: o["status"] not in ("cancelled", "shipped"),
        ),
        ("how many orders excluding paid and open", lambda o: o["status"] not in ("paid", "open")),
        ("how many orders with status = 'paid'", lambda o: o["status"] == "paid"),
        ("how many orders with quantity at least 6", lambda o: o["quantity"] >= 6),
        ("how many orders with more than 5 units", lambda o: o["quantity"] > 5),
        ("how many orders with quantity between 3 and 5", lambda o: 3 <= o["quantity"] <= 5),
        ("how many orders above 500 euros", lambda o: o["amount"] > 500),
        ("how many orders with amount under a hundred", lambda o: o["amount"] < 100),
        ("count orders where amount <= 99.5", lambda o: o["amount"] <= 99.5),
        ("number of returned orders", lambda o: o["is_returned"]),
        ("how many orders were not returned", lambda o: not o["is_returned"]),
        ("how many orders have no note", lambda o: o["note"] is None),
        ("number of orders with note gift", lambda o: o["note"] == "gift"),
        ("number of orders not with note gift", lambda o: o["note"] != "gift"),
        ("how many orders of order id 5007", lambda o: o["order_id"] == 5007),
        ("number of orders in March", lambda o: o["ordered_at"].startswith("2024-03")),
        ("number of orders in November", lambda o: o["ordered_at"].startswith("2023-11")),
        ("how many orders in 2023", lambda o: o["ordered_at"].startswith("2023")),
        (
            "how many orders between October 2023 and January 2024",
            lambda o: "2023-10" <= o["ordered_at"] < "2024-02",
        ),
        ("number of orders since March 2024", lambda o: o["ordered_at"] >= "2024-03"),
        ("number of orders before February 2023", lambda o: o["ordered_at"] < "2023-02"),
        ("number of orders after 2024-02-10", lambda o: o["ordered_at"] >= "2024-02-11"),
        ("number of orders until 2023-02-10", lambda o: o["ordered_at"] < "2023-02-11"),
        ("how many orders in Q1 2024", lambda o: "2024-01" <= o["ordered_at"] < "2024-04"),
        ("how many orders on May 3, 2023", lambda o: o["ordered_at"].startswith("2023-05-03")),
        ("how many orders yesterday", lambda o: o["ordered_at"].startswith("2024-06-29")),
        ("how many orders this month", lambda o: o["ordered_at"].startswith("2024-06")),
        ("how many orders last month", lambda o: o["ordered_at"].startswith("2024-05")),
        ("how many orders last year", lambda o: o["ordered_at"].startswith("2023")),
        ("how many orders in the last 30 days", lambda o: o["ordered_at"] >= "2024-05-31 17:45:00"),
        ("how many orders in the last 2 months", lambda o: o["ordered_at"] >= "2024-04-30 17:45:00"),
        ("how many ordrs were cancelled", lambda o: o["status"] == "cancelled"),
    ],
)
def test_a_condition_keeps_exactly_its_rows(
    shop_asker: Asker, question: str, keeps: Callable[[Row], bool]
) -> None:
    expected = sum(bool(keeps(order)) for order in shop_asker.records("orders"))
    assert shop_asker.value(question) == expected


def test_a_name_of_a_joined_table_selects_its_rows(trip_asker: Asker) -> None:
    expected = sum(trip["line"] == "Q1" for trip in trip_asker.records("trips"))
    assert trip_asker.value("how many trips of Quick Coaches?") == expected


def test_from_and_to_choose_the_column_a_value_is_looked_for_in(trip_asker: Asker) -> None:
    trips = trip_asker.records("trips")
    assert trip_asker.value("how many trips to AAX") == sum(t["dest"] == "AAX" for t in trips)
    assert trip_asker.value("how many trips from AAX") == sum(t["origin"] == "AAX" for t in trips)
    both = sum(t["origin"] == "AAX" and t["dest"] == "BBY" for t in trips)
    assert trip_asker.value("how many trips from AAX to BBY") == both
    by_name = trip_asker.value("how many trips to Alpha Cross")
    assert by_name == sum(t["dest"] == "AAX" for t in trips)


def test_a_value_that_contradicts_its_preposition_is_not_answered(trip_asker: Asker) -> None:
    assert "DDW" in trip_asker.refuses("how many trips from DDW").message


def test_a_value_of_two_columns_is_asked_about(trip_asker: Asker) -> None:
    clarification = trip_asker.asks("how many trips at AAX")
    counts = {trip_asker.database.rows(choice.sql)[0][0] for choice in clarification.choices}
    trips = trip_asker.records("trips")
    assert counts == {sum(t["origin"] == "AAX" for t in trips), sum(t["dest"] == "AAX" for t in trips)}


def test_each_choice_can_be_asked_again_and_is_then_answered(trip_asker: Asker) -> None:
    for question in (
        "how many trips at AAX",
        "average delay by line",
        "trips in July",
        "how many trips were delayed more than 30 minutes",
    ):
        for choice in trip_asker.asks(question).choices:
            assert trip_asker.planned(choice.question).sql == choice.sql


def test_short_codes_need_their_own_spelling(trip_asker: Asker) -> None:
    expected = sum(trip["line"] == "US" for trip in trip_asker.records("trips"))
    assert trip_asker.value("number of trips of US") == expected
    assert trip_asker.value("give us the number of trips") == len(trip_asker.records("trips"))


def test_months_are_read_from_the_local_calendar_not_from_utc(trip_asker: Asker) -> None:
    trips = trip_asker.records("trips")
    expected = Counter(trip["month"] for trip in trips)
    rows = trip_asker.rows("trips per month")
    assert {int(row[0][5:7]): row[1] for row in rows} == expected
    assert trip_asker.value("how many trips in July") == expected[7]
    planned = trip_asker.planned("how many trips in July")
    assert any("July 2019, the only July in the data" in line for line in planned.explanation)


def test_a_window_after_the_end_of_the_data_is_answered_and_said(trip_asker: Asker) -> None:
    planned = trip_asker.planned("how many trips last month")
    assert trip_asker.database.rows(planned.sql) == [[0]]
    assert "nothing lies there" in " ".join(planned.explanation)


def test_several_possible_years_are_asked_about_when_the_data_ended_before(library_asker: Asker) -> None:
    clarification = library_asker.asks("number of loans with loan date in March")
    assert [choice.label for choice in clarification.choices] == ["March 2022", "March 2023"]


def test_of_two_dates_the_rows_own_is_taken_and_a_verb_chooses_another(library_asker: Asker) -> None:
    planned = library_asker.planned("how many loans in 2022")
    expected = sum(loan["loan_date"].startswith("2022") for loan in library_asker.records("loans"))
    assert library_asker.value("how many loans in 2022") == expected
    assert any("the date of the rows was taken: loan_date" in line for line in planned.explanation)
    expected = sum(
        (loan["return_date"] or "").startswith("2023-03") for loan in library_asker.records("loans")
    )
    assert library_asker.value("how many loans were returned in March 2023") == expected


def test_a_series_by_week_starts_on_mondays(shop_asker: Asker) -> None:
    rows = shop_asker.rows("weekly orders in 2024")
    assert sum(row[1] for row in rows) == sum(
        o["ordered_at"].startswith("2024") for o in shop_asker.records("orders")
    )
    assert "2024-01-01" <= rows[0][0] <= "2024-01-08"


def test_milliseconds_at_the_end_of_a_day_are_not_lost(sensor_asker: Asker) -> None:
    expected = sum(r["taken_at"].startswith("2024-02-25") for r in sensor_asker.records("readings"))
    assert sensor_asker.value("how many readings on 2024-02-25") == expected


def test_values_are_escaped_not_executed(shop_asker: Asker) -> None:
    planned = shop_asker.outcome('number of orders where note = "x\' OR 1=1 --"')
    assert not hasattr(planned, "sql")


def test_a_share_with_a_noun_is_of_that_noun(trip_asker: Asker) -> None:
    trips = trip_asker.records("trips")
    expected = 100 * sum(trip["dest"] == "AAX" for trip in trips) / len(trips)
    assert trip_asker.value("what percentage of trips went to AAX") == pytest.approx(expected)


def test_negation_stays_with_its_value_and_direction(trip_asker: Asker) -> None:
    trips = trip_asker.records("trips")
    assert trip_asker.value("number of trips not to AAX") == sum(t["dest"] != "AAX" for t in trips)
    both = sum(t["origin"] != "AAX" and t["dest"] != "BBY" for t in trips)
    assert trip_asker.value("number of trips not from AAX and not to BBY") == both


def test_values_joined_by_or_share_their_direction(trip_asker: Asker) -> None:
    expected = sum(t["dest"] in ("AAX", "BBY") for t in trip_asker.records("trips"))
    assert trip_asker.value("how many trips go to AAX or BBY") == expected


def test_a_winner_is_never_a_missing_value(shop_asker: Asker) -> None:
    counts = Counter(order["note"] for order in shop_asker.records("orders") if order["note"])
    row = shop_asker.rows("which note had the most orders")[0]
    assert row[:2] == [counts.most_common(1)[0][0], counts.most_common(1)[0][1]]

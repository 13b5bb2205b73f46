"""The sentence and the chart of a result."""

from __future__ import annotations

from typing import Any

import altair
import pytest

from aidatalabs_services.agent.planner.answers import number_text, sentence
from aidatalabs_services.agent.planner.chart import chart
from tests.unit.planner.conftest import Asker


def _answer(asker: Asker, question: str) -> str:
    planned = asker.planned(question)
    columns, rows = asker.database.query(planned.sql)
    return sentence(planned, columns, rows, False)


def _chart(asker: Asker, question: str) -> dict[str, Any] | None:
    planned = asker.planned(question)
    columns, rows = asker.database.query(planned.sql)
    return chart(planned, columns, rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (336776, "336,776"), (14.0045, "14.00"), (0.01234, "0.0123"), (None, "no value"),
        ("1234567890123456", "1,234,567,890,123,456"),
        (float("nan"), "no value"), (-5, "-5"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_readers(value: object, text: str) -> None:
    assert number_text(value) == text


def test_a_scalar_says_the_number_and_how_time_was_read(trip_asker: Asker) -> None:
    expected = sum(trip["month"] == 7 for trip in trip_asker.records("trips"))
    text = _answer(trip_asker, "how many trips in July")
    assert text == f"The number of trips is {expected} (July 2019, the only July in the data)."


def test_units_are_said(trip_asker: Asker) -> None:
    assert _answer(trip_asker, "average departure delay").endswith("minutes.")


def test_a_winner_is_named_by_its_label_and_ties_are_said(library_asker: Asker) -> None:
    text = _answer(library_asker, "which member had the most loans")
    assert "(" in text
    assert "30; 1 more share this value" in text


def test_no_rows_are_said(library_asker: Asker) -> None:
    assert _answer(library_asker, "list books with pages above 100000").startswith("No rows match")


@pytest.mark.parametrize(
    ("name", "question", "mark"),
    [
        ("trips", "trips per month", "line"),
        ("trips", "average departure delay by line", "bar"),
        ("shop", "total amount", "text"),
        ("shop", "orders by weekday", "bar"),
        ("shop", "share of orders by status", "bar"),
    ],
)
def test_charts_are_valid_vega_lite(asker: Any, name: str, question: str, mark: str) -> None:
    spec = _chart(asker(name), question)
    assert spec is not None
    assert spec["mark"]["type"] == mark
    altair.Chart.from_dict(spec, validate=True)


def test_bars_stand_in_the_order_of_their_figures(shop_asker: Asker) -> None:
    planned = shop_asker.planned("total amount per category")
    columns, rows = shop_asker.database.query(planned.sql)
    spec: Any = chart(planned, columns, rows)
    values = spec["data"]["values"]
    assert [value["key"] for value in values] == [row[0] for row in sorted(rows, key=lambda row: -row[1])]
    assert spec["encoding"]["y"]["sort"] is None


def test_lists_have_no_chart(shop_asker: Asker) -> None:
    assert _chart(shop_asker, "list products with price above 90") is None

"""A table that nobody named does not answer for one that was, and two tables are not counted as one."""

from __future__ import annotations

import pytest

from tests.unit.planner.conftest import Asker


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("how many deliveries over 100 euros", "over 100"),
        ("how many deliveries above $100", "above 100"),
        ("how many sent deliveries over 100 dollars", "over 100"),
        ("how many deliveries of more than $1000 by valley", "of more than 1000"),
        ("which cellars have deliveries over 2900 euros", "over 2900"),
        ("how many deliveries between 100 and 200 euros", "between 100 and 200"),
    ],
)
def test_money_that_no_column_has_a_unit_for_is_asked_of_the_rows_named(
    cellar_asker: Asker, question: str, said: str
) -> None:
    asked = cellar_asker.asks(question)
    assert [choice.label for choice in asked.choices] == [f"amount {said}", f"tax_amount {said}"]
    for choice in asked.choices:
        assert "claims" not in choice.sql
        assert cellar_asker.planned(choice.question).sql == choice.sql


def test_the_choice_of_a_column_counts_its_rows(cellar_asker: Asker) -> None:
    expected = sum(row["amount"] > 100 for row in cellar_asker.records("deliveries"))
    first = cellar_asker.asks("how many deliveries over 100 euros").choices[0]
    assert int(cellar_asker.database.rows(first.sql)[0][0]) == expected


@pytest.mark.parametrize(
    "question", ["how many late deliveries", "how many deliveries broken", "late deliveries by valley"]
)
def test_a_value_of_another_table_describes_rows_only_when_confirmed(
    cellar_asker: Asker, question: str
) -> None:
    asked = cellar_asker.asks(question)
    assert [choice.label.split(" ")[:3] for choice in asked.choices] == [["deliveries", "with", "claims"]]
    assert cellar_asker.planned(asked.choices[0].question).sql == asked.choices[0].sql


@pytest.mark.parametrize(
    "question",
    [
        "how many deliveries and how many cellars",
        "number of cellars and number of deliveries",
        "number of deliveries and number of cellars by valley",
        "number of cellars and total tax amount",
        "number of valleys and number of deliveries",
        "number of cellars and average crates by valley",
    ],
)
def test_rows_of_two_tables_are_not_counted_in_one(cellar_asker: Asker, question: str) -> None:
    assert "alone" in cellar_asker.refuses(question).message


def test_numbers_of_one_table_and_different_things_in_it_are_still_told(cellar_asker: Asker) -> None:
    rows = cellar_asker.records("deliveries")
    different = len({row["cellar_id"] for row in rows})
    assert [int(n) for n in cellar_asker.rows("how many deliveries and how many different cellars")[0]] == [
        len(rows),
        different,
    ]
    assert [int(n) for n in cellar_asker.rows("number of deliveries and number of styles")[0]] == [
        len(rows),
        3,
    ]
    claimed = {row["delivery_no"] for row in cellar_asker.records("claims")}
    assert int(cellar_asker.value("how many deliveries have claims")) == len(claimed)
    over = sum(row["amount"] > 100 for row in cellar_asker.records("claims"))
    assert int(cellar_asker.value("how many claims over 100 euros")) == over


def test_groups_of_another_table_with_a_number_of_the_rows_are_told(cellar_asker: Asker) -> None:
    totals: dict[int, float] = {}
    for row in cellar_asker.records("deliveries"):
        totals[row["cellar_id"]] = totals.get(row["cellar_id"], 0.0) + row["tax_amount"]
    rows = cellar_asker.rows("cellars with total tax amount over 15000")
    assert {row[0] for row in rows} == {cellar for cellar, total in totals.items() if total > 15000}

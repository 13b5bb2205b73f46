"""Three tables in a row: what is missing is not looked for among the rows that are there, and a number is
that of the table it is said of."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.outcomes import Planned, Refusal
from tests.unit.planner.conftest import Asker


def test_rows_in_the_middle_may_be_told_by_what_they_are_not(levy_asker: Asker) -> None:
    levies = levy_asker.records("levies")
    expected = sum(levy["state"] != "open" for levy in levies)
    assert int(levy_asker.value("how many levies are not open")) == expected
    total = sum(levy["amount"] for levy in levies if levy["state"] != "void")
    assert levy_asker.value("total amount of levies that are not void") == pytest.approx(total)
    plots = {levy["plot_id"] for levy in levies if levy["state"] != "open"}
    rows = levy_asker.rows("which plots have levies that are not open")
    assert {row[0] for row in rows} == plots


@pytest.mark.parametrize(
    "question",
    [
        "average amount of late paid levies",
        "highest amount of levies with late waivers",
    ],
)
def test_a_number_of_a_table_is_not_taken_from_another(levy_asker: Asker, question: str) -> None:
    levy_asker.refuses(question)


def test_a_number_of_the_table_it_is_said_of_is_answered(levy_asker: Asker) -> None:
    levies = {levy["levy_no"]: levy for levy in levy_asker.records("levies")}
    waivers = levy_asker.records("waivers")
    late = sum(w["amount"] for w in waivers if w["reason"] == "late")
    assert levy_asker.value("total amount of late waivers") == pytest.approx(late)
    paid = sum(w["amount"] for w in waivers if levies[w["levy_no"]]["state"] == "paid")
    assert levy_asker.value("total amount of waivers of paid levies") == pytest.approx(paid)
    high = sum(levy["amount"] for levy in levies.values() if levy["priority"] == "high")
    assert levy_asker.value("total amount of high levies") == pytest.approx(high)
    tax = sum(levy["tax_amount"] for levy in levies.values() if levy["state"] == "void")
    assert levy_asker.value("total tax amount of void levies") == pytest.approx(tax)


@pytest.mark.parametrize(
    "question",
    [
        "which levies with waivers have the highest total amount",
        "how many levies with waivers have an amount over 300",
    ],
)
def test_a_number_that_two_named_tables_have_is_never_one_of_them_unasked(
    levy_asker: Asker, question: str
) -> None:
    outcome = levy_asker.outcome(question)
    assert not isinstance(outcome, Planned)
    assert "amount of waivers" in (
        outcome.message if isinstance(outcome, Refusal) else [choice.label for choice in outcome.choices]
    )

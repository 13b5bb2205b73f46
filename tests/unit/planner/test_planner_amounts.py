"""One word for several amounts: it is asked which, unless one is called exactly so and the rest is other."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import NOW


def _ask(question: str, *columns: str) -> Outcome:
    numbers = [
        Column(name, "Float64", distinct_count=390, minimum="1.5", maximum="700.5") for name in columns
    ]
    table = Table(
        "charters",
        (
            Column("charter_id", "UInt64", distinct_count=400),
            Column("coast", "String", distinct_count=2, values=("east", "west"), values_complete=True),
            Column("signed_on", "Date", minimum="2023-01-01", maximum="2024-05-01"),
            *numbers,
        ),
        row_count=400,
        order_by=(),
    )
    return plan(question, Catalogue((table,), version="1"), now=NOW)


_QUESTIONS = (
    "average amount by coast",
    "total amount by coast",
    "charter amount by coast",
    "average amount in the east",
    "how many charters with amount over 100",
    "highest amount",
    "median amount of charters",
)


@pytest.mark.parametrize(
    "columns",
    [
        ("gross_amount", "net_amount"),
        ("amount", "net_amount"),
        ("amount", "gross_amount", "tax_amount"),
        ("amount", "amount_refunded"),
        ("amount", "total_amount"),
        ("amount_paid", "amount_due"),
        ("charter_amount", "charter_amount_net"),
        ("amountNet", "amountGross"),
    ],
)
@pytest.mark.parametrize("question", _QUESTIONS)
def test_kinds_of_one_amount_are_asked_about(question: str, columns: tuple[str, ...]) -> None:
    if question == "total amount by coast" and "total_amount" in columns:
        return  # that is the name of one of them
    outcome = _ask(question, *columns)
    assert isinstance(outcome, Clarification), outcome
    assert len(outcome.choices) == 2


@pytest.mark.parametrize("columns", [("charter_amount", "tax_amount"), ("amt", "tax_amount")])
@pytest.mark.parametrize(
    "question", ["average amount by coast", "total amount", "charters with amount over 100 by coast"]
)
def test_a_name_left_short_is_as_likely_as_any_that_holds_the_word(
    question: str, columns: tuple[str, ...]
) -> None:
    assert isinstance(_ask(question, *columns), Clarification)


@pytest.mark.parametrize(
    ("question", "columns", "part"),
    [
        ("average amount by coast", ("amount", "tax_amount"), "avgOrNull(amount)"),
        ("average charter amount", ("charter_amount", "tax_amount"), "avgOrNull(charter_amount)"),
        ("average charter_amount", ("charter_amount", "charter_amount_net"), "avgOrNull(charter_amount)"),
        ("average `charters.amount`", ("amount", "net_amount"), "avgOrNull(amount)"),
        ("average net amount", ("amount", "net_amount"), "avgOrNull(net_amount)"),
        ("average amount_refunded by coast", ("amount", "amount_refunded"), "avgOrNull(amount_refunded)"),
        ("amount and net amount by coast", ("amount", "net_amount"), "sumOrNull(amount)"),
        ("average price", ("price", "max_price"), "avgOrNull(price)"),
        ("total cost by coast", ("cost", "shipping_cost"), "sumOrNull(cost)"),
        ("average tax", ("amount", "tax_amount", "tax_rate"), ""),
    ],
)
def test_what_is_named_is_answered(question: str, columns: tuple[str, ...], part: str) -> None:
    outcome = _ask(question, *columns)
    if part:
        assert isinstance(outcome, Planned), outcome
        assert part in outcome.sql
    else:
        assert isinstance(outcome, Clarification), outcome


@pytest.mark.parametrize(
    "columns", [("price", "list_price"), ("fare", "base_fare"), ("charter_price", "list_price")]
)
def test_prices_are_told_apart_as_amounts_are(columns: tuple[str, ...]) -> None:
    word = columns[1].rpartition("_")[2]
    assert isinstance(_ask(f"average {word} by coast", *columns), Clarification)

"""Names that begin like other names: no closed-class word is ever a part of one."""

from __future__ import annotations

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.conftest import NOW


def _table(name: str, *columns: Column) -> Catalogue:
    key = Column(f"{name[:-1]}_id", "UInt32", distinct_count=50, minimum="1", maximum="50")
    return Catalogue((Table(name, (key, *columns), row_count=50, order_by=()),), version=name)


def _number(name: str) -> Column:
    return Column(name, "Float64", distinct_count=40, minimum="1", maximum="99")


def _text(name: str, *values: str) -> Column:
    return Column(name, "String", distinct_count=len(values), values=values, values_complete=True)


GOODS = _table("goods", *(_number(n) for n in ("price", "mprice", "amount", "tamount", "rate", "nrate")),
               _text("region", "North", "South"))  # fmt: skip
CREWS = _table("crews", Column("notable", "Bool"), _text("post", "Indoor", "Overtime", "Deck"))
STAYS = _table("stays", _number("heart_rate"), _number("age_limit"), _text("guest", "Ada", "Ben"),
               _number("guest_age"), _number("shipping_value"), _number("stay_total"))  # fmt: skip


def _ask(question: str, catalogue: Catalogue) -> Outcome:
    return plan(question, catalogue, now=NOW)


def _sql(question: str, catalogue: Catalogue) -> str:
    outcome = _ask(question, catalogue)
    assert isinstance(outcome, Planned), f"{question}: {outcome}"
    return outcome.sql


@pytest.mark.parametrize(
    ("question", "held"),
    [
        ("average price not rate over 5", "rate <= 5"),
        ("max price", "maxOrNull(price)"),
        ("total amount by region", "sumOrNull(amount)"),
        ("average north rate", "avgOrNull(rate)"),
    ],
)
def test_operators_are_no_initials_of_names(question: str, held: str) -> None:
    assert held in _sql(question, GOODS).replace("goods.", "")


@pytest.mark.parametrize("question", ["how many crews not able", "how many crews in door"])
def test_operators_are_no_part_of_flags_and_values(question: str) -> None:
    assert isinstance(_ask(question, CREWS), Refusal)


@pytest.mark.parametrize(
    "question",
    ["how many stays cheaper than 60", "the cheapest stay", "the most expensive stay", "total guest value"],
)
def test_an_adjective_or_a_value_is_not_said_of_the_front_of_a_name(question: str) -> None:
    assert not isinstance(_ask(question, STAYS), Planned)


def test_the_age_of_somebody_else_is_asked_about() -> None:
    asked = _ask("how many stays older than 30", STAYS)
    assert isinstance(asked, Clarification)
    assert [choice.label for choice in asked.choices] == ["by guest_age"]
    assert "guest_age > 30" in _sql("how many guests older than 30", STAYS)


def test_the_value_of_rows_offers_every_amount() -> None:
    asked = _ask("total stay value", STAYS)
    assert isinstance(asked, Clarification)
    assert {choice.label for choice in asked.choices} >= {"shipping_value", "stay_total"}


def test_names_without_a_word_in_them_are_in_no_questions_way() -> None:
    """A key of an object may be any text: one such key left a platform without answers."""
    odd = ["'", "`", " ", "\\", "\x00", "_", "-.-"]
    paths = [
        Column(f"properties.{key}", kind, "", 2, 0.5, "0", "1", ("0", "1"), True, "properties")
        for key in odd
        for kind in ("Int64", "String", "Bool", "Float64")
    ]
    events = Table("events", (Column("kind", "String"), Column("_", "Int8"), *paths), 3)
    empty = Table("__", (Column("name", "String"),), 1)
    outcome = plan("how many events by kind?", Catalogue((events, empty)), now=NOW)
    assert isinstance(outcome, Planned)
    assert "GROUP BY kind" in outcome.sql

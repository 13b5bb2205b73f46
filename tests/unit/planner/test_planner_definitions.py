"""What people say of the data, as questions are read with it: synonyms, roles, keys, defaults, metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.definition_fit import fitted
from aidatalabs_services.agent.planner.definition_rules import problems
from aidatalabs_services.agent.planner.definitions import (
    ColumnDefinition,
    Definitions,
    DimensionDefinition,
    KeyDefinition,
    MetricDefinition,
    MetricFilter,
    TableDefinition,
    ValueDefinition,
)
from aidatalabs_services.agent.planner.planner import index_of
from tests.unit.planner.conftest import Asker
from tests.unit.planner.engine import Database

METRICS = (
    MetricDefinition("buyers", table="orders", aggregate="count_distinct", column="customer_id"),
    MetricDefinition("turnover", table="orders", aggregate="sum", column="amount", unit="euros"),
    MetricDefinition(
        "settled turnover",
        synonyms=("settled money",),
        table="orders",
        aggregate="sum",
        column="amount",
        filters=(MetricFilter("status", "in", ("paid", "shipped")), MetricFilter("quantity", "gt", ("1",))),
    ),
    MetricDefinition("settled part", numerator="settled turnover", denominator="turnover", percent=True),
    MetricDefinition("basket", numerator="turnover", denominator="buyers"),
    MetricDefinition(
        "gift count", table="orders", aggregate="count", filters=(MetricFilter("note", "eq", ("gift",)),)
    ),
)
SAID = Definitions(
    tables=(
        TableDefinition(
            "orders",
            synonyms=("deals",),
            default_measure="amount",
            columns=(
                ColumnDefinition("status", synonyms=("deal state",), values=(
                    ValueDefinition("cancelled", ("called off",)),
                )),
                ColumnDefinition("amount", unit="euros"),
            ),
        ),
        TableDefinition("customers", columns=(ColumnDefinition("segment", hidden=True),)),
    ),
    metrics=METRICS,
    dimensions=(
        DimensionDefinition("trading month", "orders", "ordered_at", grain="month"),
        DimensionDefinition("client town", "customers", "city", synonyms=("home town",)),
    ),
)  # fmt: skip


def said_of(asker: Asker, said: Definitions) -> Asker:
    """The same data with definitions, which have to be good ones."""
    assert problems(said) == ()
    found = fitted(said, asker.database.catalogue)
    assert found.problems == ()
    database = object.__new__(Database)
    database.__dict__.update(asker.database.__dict__)
    database.catalogue = replace(asker.database.catalogue, definitions=found.definitions)
    return Asker(database)


@pytest.fixture
def told(shop_asker: Asker) -> Asker:
    return said_of(shop_asker, SAID)


@pytest.mark.parametrize(
    ("question", "plain"),
    [
        ("how many deals by deal state?", "how many orders by status?"),
        ("number of deals called off", "number of cancelled orders"),
        ("number of orders by client town", "number of orders by city"),
        ("number of orders per home town in 2023", "number of orders per city in 2023"),
        ("turnover by trading month", "total amount by month"),
        ("turnover", "total amount"),
        ("how much turnover by city", "total amount by city"),
        ("how many buyers by status?", "number of different customer_id by status"),
        ("top 3 cities by turnover", "top 3 cities by total amount"),
        ("turnover of furniture per quarter", "total amount of furniture per quarter"),
        ("average turnover per month", "average total amount per month"),
        ("cumulative turnover by month", "cumulative total amount by month"),
        ("share of turnover by city", "share of total amount by city"),
        ("customers with turnover above 20000", "customers with total amount above 20000"),
        ("gift count by status", "number of orders with note gift by status"),
        ("turnover in 2023 compared to 2024", "total amount in 2023 compared to 2024"),
        ("average deal value", "average amount"),
    ],
)
def test_defined_words_ask_what_the_datas_own_words_ask(
    told: Asker, shop_asker: Asker, question: str, plain: str
) -> None:
    assert told.rows(question) == shop_asker.rows(plain)


def _orders(told: Asker) -> list[dict[str, Any]]:
    return told.database.specs["orders"].records()


def test_a_filter_of_a_metric_and_a_ratio_are_computed_over_the_rows_asked_for(told: Asker) -> None:
    rows = [row for row in _orders(told) if row["ordered_at"].startswith("2023")]
    settled = sum(
        row["amount"] for row in rows if row["status"] in ("paid", "shipped") and row["quantity"] > 1
    )
    whole = sum(row["amount"] for row in rows)
    assert told.value("settled turnover in 2023") == pytest.approx(settled)
    assert told.value("settled money in 2023") == pytest.approx(settled)
    assert told.value("settled part in 2023") == pytest.approx(100 * settled / whole)
    buyers = len({row["customer_id"] for row in rows})
    assert told.value("basket in 2023") == pytest.approx(whole / buyers)
    both = told.rows("settled turnover and turnover in 2023")
    assert both[0] == pytest.approx([settled, whole])


def test_an_answer_says_what_a_metric_was_read_as_and_calls_it_by_its_name(told: Asker) -> None:
    planned = told.planned("settled money by city")
    assert (
        "'settled money' is the metric settled turnover: the total amount of orders where status is one of"
        in (" ".join(planned.explanation))
    )
    assert planned.plan.measures[0].title == "settled turnover"
    assert planned.plan.measures[0].alias == "settled_turnover"
    assert not any("total settled" in line.casefold() for line in planned.explanation)
    growth = told.planned("turnover growth by month")
    assert all("total turnover" not in line for line in growth.explanation)
    assert [number.alias for number in growth.plan.numbers] == ["turnover", "growth_of_turnover"]


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("median turnover", "metric"),
        ("orders with turnover above 100", "metric"),
        ("cumulative buyers by month", "add up"),
        ("share of basket by city", "add up"),
        ("number of orders by turnover", ""),
        ("days since turnover", ""),
        ("turnover of customers who bought nothing and their weight", ""),
    ],
)
def test_what_makes_no_sense_of_a_metric_is_refused_and_never_guessed(
    told: Asker, question: str, word: str
) -> None:
    refusal = told.refuses(question)
    assert word in refusal.message
    assert "`" not in refusal.message


def test_a_metric_for_each_of_another_is_divided_and_called_by_its_name(told: Asker) -> None:
    planned = told.planned("average turnover per customer")
    right = told.database.rows("SELECT sum(amount) / uniqExact(customer_id) FROM orders")
    assert told.database.rows(planned.sql) == right
    assert planned.plan.measures[0].title == "turnover per customer"
    assert "`" not in " ".join(planned.explanation)


def test_what_is_hidden_is_neither_linked_nor_listed(told: Asker, shop_asker: Asker) -> None:
    assert shop_asker.rows("number of customers by segment")
    assert "segment" in told.refuses("number of customers by segment").message
    assert "segment" not in told.planned("list customers").sql
    hidden = said_of(shop_asker, Definitions(tables=(TableDefinition("products", hidden=True),)))
    assert "products" not in index_of(hidden.database.catalogue).tables
    assert "JOIN" not in hidden.planned("list products").sql


def test_a_metric_of_a_hidden_column_is_still_computed(shop_asker: Asker) -> None:
    said = Definitions(
        tables=(TableDefinition("orders", columns=(ColumnDefinition("amount", hidden=True),)),),
        metrics=(METRICS[1],),
    )
    told = said_of(shop_asker, said)
    assert told.value("turnover") == shop_asker.value("total amount")
    assert all("amount" not in choice.sql for choice in told.asks("total amount").choices)


def test_a_key_that_was_denied_is_not_joined_along_and_one_that_was_added_is(shop_asker: Asker) -> None:
    key = KeyDefinition("orders", "customer_id", "customers", "customer_id")
    assert shop_asker.rows("number of orders by city")
    denied = said_of(shop_asker, Definitions(keys=(replace(key, denied=True),)))
    denied.refuses("total amount by city")
    catalogue = denied.database.catalogue
    again = replace(catalogue, definitions=Definitions(keys=(key,)))
    assert index_of(again).edges[0] == index_of(shop_asker.database.catalogue).edges[0]


def test_roles_units_and_defaults_are_honoured(shop_asker: Asker) -> None:
    said = Definitions(
        tables=(
            TableDefinition(
                "orders",
                default_time="ordered_at",
                columns=(
                    ColumnDefinition("quantity", role="category"),
                    ColumnDefinition("amount", unit="francs"),
                ),
            ),
        )
    )  # fmt: skip
    index = index_of(said_of(shop_asker, said).database.catalogue)
    assert index.role("orders", "quantity").kind == "dimension"
    assert index.role("orders", "amount").unit == "francs"
    told = said_of(shop_asker, said)
    assert told.planned("number of orders by quantity").plan.dimensions[0].source.column == "quantity"


def test_of_several_dates_the_default_is_taken_unless_a_word_names_another(workshop_asker: Asker) -> None:
    tickets = "service_tickets"
    asked = workshop_asker.outcome("number of service tickets by month")
    said = Definitions(tables=(TableDefinition(tickets, default_time="close_date"),))
    told = said_of(workshop_asker, said)
    plan = told.planned("number of service tickets by month").plan
    assert plan.dimensions[0].source.column == "close_date"
    assert plan != getattr(asked, "plan", None)
    other = told.planned("number of service tickets by month of request date").plan
    assert other.dimensions[0].source.column == "request_date"


def test_definitions_that_do_not_fit_are_left_out_and_the_others_stay(shop_asker: Asker) -> None:
    gone = MetricDefinition("mileage", table="orders", aggregate="sum", column="miles")
    over = MetricDefinition("per mile", numerator="turnover", denominator="mileage")
    found = fitted(Definitions(metrics=(gone, METRICS[1], over)), shop_asker.database.catalogue)
    assert [metric.name for metric in found.definitions.metrics] == ["turnover"]
    assert [problem.field for problem in found.problems] == ["metrics[0].column", "metrics[2].denominator"]


def test_an_empty_catalogue_takes_any_definitions(shop_asker: Asker) -> None:
    found = fitted(SAID, Catalogue(()))
    assert not found.definitions
    assert len(found.problems) == len(SAID.tables) + len(METRICS) + len(SAID.dimensions)

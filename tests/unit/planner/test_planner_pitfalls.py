"""What the engine does by itself would be wrong: each pitfall on a real engine; the first of each group."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

import pytest
from google.protobuf import json_format

from aidatalabs.agent.v1 import plan_pb2
from aidatalabs_services.agent.planner.answers import sentence
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.planner import plan
from aidatalabs_services.data.statement_names import TableSchema
from aidatalabs_services.data.statements import admit
from tests.unit.planner.conftest import Asker
from tests.unit.planner.engine import Database, Spec

_QUESTIONS = {
    "lessons": (
        "cumulative logins by day", "7 day moving average of daily logins", "weekly growth of logins",
        "login rate by device", "compare logins in March with April 2024",
        "conversion from enrol to certificate",
        "funnel enrol -> login -> certificate within 30 days", "funnel enrol -> login", "sessions per month",
        "average session length in minutes", "monthly retention of learners who enrolled",
        "average days from enrol to certificate", "which learners enrolled but never logged in",
        "share of learners who got a certificate", "p95 points by device",
        "most common action in each month",
        "logins on weekends by device", "highest daily logins", "monthly active learners",
        "standard deviation of points",
    ),
    "shop": (
        "ratio of paid orders to cancelled orders by city", "top 2 products by quantity in each city",
        "latest order of each customer", "which city gained the most amount from April to May 2024",
        "percentage of orders that were cancelled by month", "orders between 9 and 17h by category",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(_QUESTIONS))
def test_analytic_plans_pass_the_sql_door_fit_the_contract_and_are_told(
    asker: Callable[[str], Asker], name: str
) -> None:
    one = asker(name)
    schemas = {
        table.name: TableSchema(table.name, {c.name: c.type for c in table.columns if c.path_of is None})
        for table in one.database.catalogue.tables
    }
    for question in _QUESTIONS[name]:
        planned = one.planned(question)
        admitted = admit(planned.sql, schemas, database=one.database.name)
        columns, rows = one.database.query(planned.sql)
        assert one.database.rows(admitted.sql) == rows, question
        assert sentence(planned, columns, rows, truncated=False), question
        message = json_format.ParseDict(planned.plan.to_dict(), plan_pb2.QueryPlan())
        assert json_format.ParseDict(planned.plan.to_dict(), plan_pb2.QueryPlan()) == message
        assert len(planned.explanation) >= 2, question
        assert one.planned(question).sql == planned.sql


@pytest.fixture(scope="module")
def tolls(asker: Callable[[str], Asker]) -> Asker:
    """Tolls paid in decimals by cars that pass gates, two of them at the very same moment."""
    passages = [
        ["2024-03-01 22:59:59.500", "enter", 7, "10.55", 1],
        ["2024-03-01 22:59:59.500", "leave", 7, "7.00", 2],
        ["2024-03-01 23:30:00.000", "enter", 8, "3.00", 3],
        ["2024-03-02 01:10:00.250", "leave", 8, "4.05", 10],
        ["2024-03-31 23:59:59.999", "enter", 9, "2.20", None],
    ]  # fmt: skip
    spec = Spec("passages", [("passed_at", "DateTime64(3)"), ("gate_event", "String"), ("car_id", "UInt32"),
                             ("toll", "Decimal(10, 2)"), ("axles", "Nullable(UInt8)")], passages)  # fmt: skip
    return Asker(Database(asker("lessons").database.session, "tolls_data", {"passages": spec}))


def test_a_moment_is_not_later_than_itself(tolls: Asker) -> None:
    rows = tolls.rows("funnel enter -> leave in this order")
    assert [int(row[2]) for row in rows] == [3, 1]
    assert [int(row[2]) for row in tolls.rows("funnel enter -> leave")] == [3, 2]


def test_decimals_are_divided_with_their_fraction(tolls: Asker) -> None:
    ratio = tolls.value("ratio of total toll in enter to total toll in leave")
    assert float(ratio) == pytest.approx(15.75 / 11.05)


def test_the_last_day_of_a_month_belongs_to_it(tolls: Asker) -> None:
    assert int(tolls.value("number of passages in March 2024")) == 5


def test_nothing_has_no_total_and_no_growth(tolls: Asker) -> None:
    assert tolls.value("total toll of passages in 2022") is None
    row = tolls.rows("compare total toll in 2022 with 2024")[0]
    assert row[0] is None
    assert row[3] is None


def test_a_median_lies_between_two_numbers(tolls: Asker) -> None:
    assert float(tolls.value("median axles")) == statistics.median([1, 2, 3, 10]) == 2.5
    assert float(tolls.value("lower quartile of axles")) == pytest.approx(1.75)
    assert float(tolls.value("standard deviation of axles")) == pytest.approx(statistics.stdev([1, 2, 3, 10]))


def test_days_are_those_of_the_zone_that_is_asked_in(tolls: Asker) -> None:
    question = "average days between enter and leave"
    now = datetime(2024, 4, 1)
    spans = []
    for zone in ("UTC", "Europe/Berlin"):
        outcome = plan(question, tolls.database.catalogue, now=now, timezone=zone)
        assert isinstance(outcome, Planned)
        spans.append(float(tolls.database.rows(outcome.sql)[0][0]))
    assert spans == [0.5, 0.0]  # car 8 passes midnight in UTC, and did before in Berlin


@pytest.mark.parametrize(
    ("question", "level"),
    [
        ("95th percentile of points of login", 0.95),
        ("p95 points of login", 0.95),
        ("0.95 quantile of points of login", 0.95),
        ("upper quartile of points of login", 0.75),
    ],
)
def test_quantiles_are_read_by_their_level(lesson_asker: Asker, question: str, level: float) -> None:
    (measure,) = lesson_asker.planned(question).plan.measures
    assert (measure.function, float(measure.level)) == ("quantile", level)


@pytest.mark.parametrize(
    "question", ["120th percentile of points", "0th percentile of points", "percentile of points"]
)
def test_levels_outside_of_the_numbers_are_refused(lesson_asker: Asker, question: str) -> None:
    assert not isinstance(lesson_asker.outcome(question), Planned)


@pytest.mark.parametrize(
    ("question", "limit"),
    [
        ("top 2 categories by amount in each city", 2),
        ("which category has the highest total amount in each city", 1),
        ("for each city, the top 2 categories by amount", 2),
    ],
)
def test_each_group_has_its_own_first(shop_asker: Asker, question: str, limit: int) -> None:
    cities = {c["customer_id"]: c["city"] for c in shop_asker.records("customers")}
    categories = {p["id"]: p["category"] for p in shop_asker.records("products")}
    totals: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for order in shop_asker.records("orders"):
        totals[cities[order["customer_id"]]][categories[order["product_id"]]] += order["amount"]
    expected = [
        (city, category)
        for city in sorted(totals)
        for category in sorted(totals[city], key=lambda c: -totals[city][c])[:limit]
    ]
    assert [(row[0], row[1]) for row in shop_asker.rows(question)] == expected


def test_the_latest_row_of_each_thing(shop_asker: Asker) -> None:
    outcome = shop_asker.planned("latest order of each customer")
    columns, rows = shop_asker.database.query(outcome.sql)
    names = [name for name, _ in columns]
    last: dict[int, str] = {}
    for order in shop_asker.records("orders"):
        last[order["customer_id"]] = max(last.get(order["customer_id"], ""), order["ordered_at"])
    found = {int(row[names.index("customer_id")]): row[names.index("ordered_at")] for row in rows}
    assert found == last
    assert all(a[0] <= b[0] for a, b in itertools.pairwise(rows))


@pytest.mark.parametrize(
    "question", ["best customer in each city", "top orders in each rainbow", "latest order of each sky"]
)
def test_winners_without_a_measure_or_a_group_are_not_guessed(shop_asker: Asker, question: str) -> None:
    assert not isinstance(shop_asker.outcome(question), Planned)

"""Relations that must hold between questions, whatever the data: order of clauses, prefixes, sums, renamed
columns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlglot import parse_one

from aidatalabs_services.agent.planner.catalogue import Catalogue
from aidatalabs_services.agent.planner.outcomes import Planned
from aidatalabs_services.agent.planner.planner import Planner, plan
from tests.unit.planner.conftest import NOW, Asker

_ROOT = Path(__file__).parents[3]

_QUESTIONS = {
    "shop": (
        "how many orders are there", "top 3 customers by total amount", "orders per month in 2024",
        "average amount by city", "how many orders in the last 30 days", "share of orders by status",
        "customers with more than 30 orders", "how many customers have more than 30 orders",
        "median amount by segment", "latest order", "list products with price above 90", "orders by weekday",
        "number of orders not with note gift", "how many orders per hour",
    ),
    "sensors": ("average battery by firmware", "daily average temperature in the north region",
                "min and max humidity for Hill Top"),
    "trips": ("trips per month", "how many trips to AAX in July", "Which line had the most trips?",
              "how many trips per hour", "weekly trips", "trips per quarter"),
}  # fmt: skip


@pytest.mark.parametrize(
    "questions",
    [
        ("how many cancelled orders in 2023", "in 2023, how many orders were cancelled",
        "number of orders cancelled in 2023"),
        ("total amount by city in 2024", "in 2024 total amount per city",
        "total amount in 2024 for each city"),
        ("top 3 customers by number of orders", "which 3 customers had the most orders"),
    ],
)  # fmt: skip
def test_the_order_of_clauses_does_not_change_the_answer(
    shop_asker: Asker, questions: tuple[str, ...]
) -> None:
    first, *others = [shop_asker.rows(question) for question in questions]
    for other in others:
        assert [row[:3] for row in other] == [row[:3] for row in first]


def test_groups_sum_to_the_total(shop_asker: Asker) -> None:
    for group in ("city", "status", "category", "note", "month", "week", "weekday", "customer"):
        rows = shop_asker.rows(f"number of orders by {group}")
        assert sum(row[-1] for row in rows) == 400, group


def test_split_windows_sum_to_the_whole(shop_asker: Asker) -> None:
    months = ("January", "February", "March")
    parts = [shop_asker.value(f"how many orders in {month} 2024") for month in months]
    assert sum(parts) == shop_asker.value("how many orders in Q1 2024")
    assert sum(parts) == shop_asker.value("how many orders between January and March 2024")


def test_top_three_is_the_beginning_of_top_six(library_asker: Asker) -> None:
    assert library_asker.rows("top 6 books by number of loans")[:3] == library_asker.rows(
        "top 3 books by number of loans"
    )


def test_a_condition_never_raises_a_count(shop_asker: Asker) -> None:
    everything = shop_asker.value("how many orders in 2024")
    for condition in (
        "cancelled orders",
        "orders from Lyon",
        "orders with quantity above 3",
        "returned orders",
    ):
        assert shop_asker.value(f"how many {condition} in 2024") <= everything


def test_a_renamed_column_keeps_the_shape_of_the_plan(shop_asker: Asker) -> None:
    catalogue = shop_asker.database.catalogue
    orders = catalogue.table("orders")
    assert orders is not None
    columns = tuple(replace(c, name="turnover") if c.name == "amount" else c for c in orders.columns)
    renamed = Catalogue(
        tuple(replace(t, columns=columns) if t is orders else t for t in catalogue.tables), "renamed"
    )
    before = shop_asker.planned("total amount per city in 2024").plan.to_dict()
    after = plan("total turnover per city in 2024", renamed, now=NOW)
    assert isinstance(after, Planned)
    shape = json.dumps(before).replace("amount", "turnover")
    assert json.dumps(after.plan.to_dict()) == shape


def test_emitted_sql_survives_being_parsed_and_written_again(asker: object) -> None:
    for name, questions in _QUESTIONS.items():
        for question in questions:
            one: Asker = asker(name)  # type: ignore[operator]
            sql = one.planned(question).sql
            again = parse_one(sql, dialect="clickhouse").sql(dialect="clickhouse")
            assert one.database.rows(again) == one.database.rows(sql), question


_SCRIPT = """
import json, sys
from datetime import datetime
from tests.unit.planner.test_planner_metamorphic import _QUESTIONS
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.planner import plan
for entry in json.load(sys.stdin):
    tables = tuple(
        Table(t["name"], tuple(Column(**{**c, "values": tuple(c["values"])}) for c in t["columns"]),
        t["row_count"],
              t["comment"], tuple(t["order_by"]))
        for t in entry["tables"]
    )
    for question in entry["questions"]:
        print(plan(question, Catalogue(tables, "x"), now=datetime(2024, 6, 30, 17, 45)))
"""


def test_the_same_question_gives_the_same_bytes_under_any_hash_seed(asker: object) -> None:
    entries = []
    for name, questions in _QUESTIONS.items():
        one: Asker = asker(name)  # type: ignore[operator]
        tables = [{**vars(t), "columns": [vars(c) for c in t.columns]} for t in one.database.catalogue.tables]
        entries.append(
            {"tables": tables, "questions": [*questions, "average delay", "best product", "trips at AAX"]}
        )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", _SCRIPT], input=json.dumps(entries), capture_output=True, text=True,
            check=True,
            cwd=_ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, timeout=60,
        ).stdout
        for seed in ("0", "1", "4242")
    }  # fmt: skip
    assert len(outputs) == 1
    assert outputs.pop().count("SELECT") > 20


def test_planning_takes_milliseconds_once_the_catalogue_is_indexed(asker: object) -> None:
    one: Asker = asker("shop")  # type: ignore[operator]
    planner = Planner(one.database.catalogue)
    times = []
    for question in _QUESTIONS["shop"] * 3:
        start = time.perf_counter()
        planner.plan(question, now=NOW)
        times.append(time.perf_counter() - start)
    assert (
        sorted(times)[len(times) // 2] < 0.5
    )  # seconds; two orders above what it takes, to fail only on a blow-up

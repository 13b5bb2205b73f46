"""Invented databases: a shop, sensors, a library, and trips whose calendar is spread over columns."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CITIES = ("Lyon", "Porto", "Graz", "Turku", "Brno")
_STATUSES = ("open", "paid", "cancelled", "shipped")


def shop() -> dict[str, Spec]:
    """Orders of customers for products, with two measures, a status, and a nullable note."""
    source = random.Random(7)
    customers = [
        [100 + n, f"Customer {chr(65 + n)}", _CITIES[n % 5], ["retail", "wholesale"][n % 2]]
        for n in range(12)
    ]
    products: list[list[Any]] = [
        [1, "Oak Table", "furniture", 240.5, 31.0], [2, "Pine Chair", "furniture", 80.0, 6.5],
        [3, "Desk Lamp", "lighting", 35.25, 1.2], [4, "Floor Lamp", "lighting", 99.0, 4.4],
        [5, "Wool Rug", "textiles", 150.0, 8.0], [6, "Cushion", "textiles", 15.0, 0.6],
    ]  # fmt: skip
    orders: list[list[Any]] = []
    for number in range(400):
        day = datetime(2023, 1, 1) + timedelta(days=source.randrange(0, 540), hours=source.randrange(24))
        product = source.choice(products)
        units = source.randrange(1, 9)
        orders.append([
            5000 + number, source.choice(customers[:10])[0], product[0], day.strftime("%Y-%m-%d %H:%M:%S"),
            source.choice(_STATUSES), units, round(units * float(product[3]), 2),
            source.choice([None, "gift", "express"]), source.random() < 0.2,
        ])  # fmt: skip
    return {
        "customers": Spec("customers", [("customer_id", "UInt32"), ("name", "String"), ("city", "String"),
                                        ("segment", "LowCardinality(String)")], customers),
        "products": Spec("products", [("id", "UInt32"), ("product_name", "String"), ("category", "String"),
                                      ("price", "Float64"), ("weight_kg", "Float64")], products),
        "orders": Spec("orders", [("order_id", "UInt32"), ("customer_id", "UInt32"),
                                  ("product_id", "UInt32", "references products.id"),
                                  ("ordered_at", "DateTime(''UTC'')".replace("''", "'")), ("status",
                                  "String"),
                                  ("quantity", "UInt16"), ("amount", "Float64", "order total in EUR"),
                                  ("note", "Nullable(String)"), ("is_returned", "Bool")], orders),
    }  # fmt: skip


def sensors() -> dict[str, Spec]:
    """Readings of stations, two nullable measures, milliseconds, JSON details."""
    source = random.Random(11)
    stations = [["S1", "Harbour", "north", 3], ["S2", "Hill Top", "north", 410], ["S3", "Old Mill",
    "south", 75],
                ["S4", "Quarry", "south", 220]]  # fmt: skip
    readings: list[list[Any]] = []
    start = datetime(2024, 2, 20)
    for number in range(600):
        moment = start + timedelta(minutes=47 * number)
        readings.append([
            moment.strftime("%Y-%m-%d %H:%M:%S") + ".250", source.choice(stations)[0],
            None if number % 17 == 0 else round(source.uniform(-8, 25), 2), round(source.uniform(20, 100), 1),
            {"firmware": source.choice(["v1", "v2"]), "battery": round(source.uniform(2.5, 4.2), 2)},
        ])  # fmt: skip
    return {
        "stations": Spec("stations", [("code", "String"), ("station_name", "String"), ("region", "String"),
                                      ("altitude", "Int32", "in metres")], stations),
        "readings": Spec("readings", [("taken_at", "DateTime64(3)"), ("station_code", "String",
        "stations.code"),
                                      ("temperature", "Nullable(Float64)"), ("humidity", "Float64"),
                                      ("details", "JSON")], readings, ("taken_at",)),
    }  # fmt: skip


def typed_sensors() -> dict[str, Spec]:
    """The same, with paths that the column's type declares and that are never NULL."""
    specs = sensors()
    *others, (details, _) = specs["readings"].columns
    kind = "JSON(firmware LowCardinality(String), battery Float64)"
    specs["readings"] = replace(specs["readings"], columns=[*others, (details, kind)])
    return specs


def library() -> dict[str, Spec]:
    """Loans of books to members, with two dates that a month may mean."""
    source = random.Random(3)
    books = [
        [n, f"Book {n}", ["crime", "poetry", "travel"][n % 3], 90 + 37 * n, 1950 + n] for n in range(1, 21)
    ]
    members = [[n, ["Ada", "Ben", "Cleo", "Dov", "Eva"][n % 5], ["Moss", "Nair", "Oduya"][n % 3], 18 + 3 * n]
               for n in range(1, 16)]  # fmt: skip
    loans: list[list[Any]] = []
    for number in range(300):
        lent = datetime(2022, 1, 3) + timedelta(days=source.randrange(0, 700))
        back = lent + timedelta(days=source.randrange(1, 40))
        loans.append([number, source.randrange(1, 21), source.randrange(1, 16), lent.strftime("%Y-%m-%d"),
                      None if number % 9 == 0 else back.strftime("%Y-%m-%d"), round(source.random() * 4,
                      2)])  # fmt: skip
    return {
        "books": Spec("books", [("book_id", "UInt32"), ("title", "String"), ("genre", "String"), ("pages",
        "UInt16"),
                                ("year", "UInt16")], books),
        "members": Spec("members", [("member_id", "UInt32"), ("first_name", "String"), ("last_name",
        "String"),
                                    ("age", "UInt8")], members),
        "loans": Spec("loans", [("loan_id", "UInt32"), ("book_id", "UInt32"), ("member_id", "UInt32"),
                                ("loan_date", "Date"), ("return_date", "Nullable(Date)"), ("fine",
                                "Float64")], loans),
    }  # fmt: skip


def trips() -> dict[str, Spec]:
    """Trips between stops: local calendar columns beside a UTC time, abbreviations,
    codes explained elsewhere."""
    source = random.Random(5)
    stops = [["AAX", "Alpha Cross"], ["BBY", "Bay Bridge"], ["CCZ", "Castle Court"], ["DDW", "Dock West"]]
    lines = [["Q1", "Quick Coaches Ltd"], ["R2", "River Buses Inc."], ["US", "Upland Shuttle"]]
    rows: list[list[Any]] = []
    for number in range(500):
        local = datetime(2019, 1, 1) + timedelta(hours=source.randrange(0, 8760))
        utc = local + timedelta(hours=6)
        begin, end = source.sample(["AAX", "BBY", "CCZ"] if number % 2 else ["AAX", "BBY"], 2)
        end = "DDW" if number % 7 == 0 else end
        rows.append([local.year, local.month, local.day, local.hour, source.choice(lines)[0], begin, end,
                     None if number % 31 == 0 else source.randrange(-5, 60), source.randrange(-9, 70),
                     source.choice([12, 40, 95, 130]), local.hour * 100 + 30,
                     utc.strftime("%Y-%m-%d %H:%M:%S")])  # fmt: skip
    return {
        "lines": Spec("lines", [("line", "String"), ("name", "String")], lines),
        "stops": Spec("stops", [("stop", "String"), ("name", "String")], stops),
        "trips": Spec("trips", [("year", "Int32"), ("month", "Int32"), ("day", "Int32"), ("hour", "Int32"),
                                ("line", "String"), ("origin", "String"), ("dest", "String"),
                                ("dep_delay", "Nullable(Float64)", "Delay at departure in minutes"),
                                ("arr_delay", "Float64", "Delay at arrival in minutes"),
                                ("distance", "Int32", "in km"), ("dep_time", "Int32"),
                                ("time_utc", "DateTime('UTC')")], rows),
    }  # fmt: skip

"""Invented grocers: customers and what they ordered and reviewed, staff with managers, shops with a year."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CITIES = {"Lisbon": "Portugal", "Porto": "Portugal", "Madrid": "Spain", "Lyon": "France"}
_NAMES = ("Ana Prado", "Bruno Reis", "Carla Dias", "Dario Luz", "Elsa Moura", "Fabio Neto", "Gina Costa",
          "Hugo Pires", "Ines Sousa", "Joao Vale", "Katia Rocha", "Luis Faria", "Marta Gil", "Nuno Alves",
          "Olga Pinto", "Paulo Cruz")  # fmt: skip
_PRODUCTS = ("Rye Bread", "Croissant", "Baguette", "Lemonade", "Red Wine", "Green Tea", "Brie", "Manchego",
             "Cheddar", "Nougat", "Fudge", "Truffle")  # fmt: skip
_STAFF = ("Ada Braga", "Ben Couto", "Cid Duarte", "Dina Esteves", "Edu Freitas", "Fay Gomes", "Gil Horta",
          "Hana Ilhas")  # fmt: skip
_SHOPS: list[list[Any]] = [[1, "Baixa", "Lisbon", 2010], [2, "Ribeira", "Porto", 2015],
                           [3, "Sol", "Madrid", 2012], [4, "Alfama", "Lisbon", 2020]]  # fmt: skip
_CATEGORIES: list[list[Any]] = [[1, "Bakery"], [2, "Drinks"], [3, "Cheese"], [4, "Sweets"]]


def markets() -> dict[str, Spec]:
    """Three customers never ordered, one product was never reviewed, two of the staff have no manager."""
    source = random.Random(5)
    cities = list(_CITIES)
    customers: list[list[Any]] = [
        [n + 1, name, None if n % 5 == 0 else f"+351 {900 + n}", cities[n % 4], _CITIES[cities[n % 4]],
         (date(2023, 1, 1) + timedelta(days=37 * n)).isoformat(), n % 4 != 0]
        for n, name in enumerate(_NAMES)
    ]  # fmt: skip
    products: list[list[Any]] = [
        [n + 1, name, n // 3 + 1, round(1.5 + n * 1.25, 2), source.randint(0, 120), n == 8]
        for n, name in enumerate(_PRODUCTS)
    ]
    staff: list[list[Any]] = [
        [n + 1, *name.split(), ("cashier", "manager", "baker")[n % 3], source.randint(18, 60) * 1000,
         n % 4 + 1, None if n < 2 else n % 2 + 1, 22 + 3 * n]
        for n, name in enumerate(_STAFF)
    ]  # fmt: skip
    orders, lines = _orders(source, products)
    reviews: list[list[Any]] = [
        [n + 1, source.randint(1, 10), source.choice([p for p in range(1, 13) if p != 4]),
         source.randint(1, 5)]
        for n in range(40)
    ]  # fmt: skip
    return {spec.name: spec for spec in (
        Spec("customers", [("customer_id", "UInt32"), ("name", "String"), ("phone", "Nullable(String)"),
                           ("city", "String"), ("country", "String"), ("signup_date", "Date"),
                           ("is_active", "Bool")], customers),
        Spec("categories", [("category_id", "UInt32"), ("name", "String")], _CATEGORIES),
        Spec("products", [("product_id", "UInt32"), ("product_name", "String"),
                          ("category_id", "UInt32", "references categories.category_id"),
                          ("price", "Float64"), ("stock", "UInt32"), ("discontinued", "Bool")], products),
        Spec("shops", [("shop_id", "UInt32"), ("shop_name", "String"), ("city", "String"),
                       ("opened_year", "UInt16")], _SHOPS),
        Spec("staff", [("staff_id", "UInt32"), ("first_name", "String"), ("last_name", "String"),
                       ("job_title", "String"), ("salary", "UInt32"),
                       ("shop_id", "UInt32", "references shops.shop_id"),
                       ("manager_id", "Nullable(UInt32)", "references staff.staff_id"),
                       ("age", "UInt8")], staff),
        Spec("orders", [("order_id", "UInt32"),
                        ("customer_id", "UInt32", "references customers.customer_id"),
                        ("shop_id", "UInt32", "references shops.shop_id"), ("ordered_at", "DateTime"),
                        ("status", "String"), ("shipped_date", "Nullable(Date)")], orders),
        Spec("order_lines", [("order_id", "UInt32", "references orders.order_id"),
                             ("product_id", "UInt32", "references products.product_id"),
                             ("quantity", "UInt16"), ("line_total", "Float64")], lines),
        Spec("reviews", [("review_id", "UInt32"),
                         ("customer_id", "UInt32", "references customers.customer_id"),
                         ("product_id", "UInt32", "references products.product_id"),
                         ("rating", "UInt8")], reviews),
    )}  # fmt: skip


def _orders(source: random.Random, products: list[list[Any]]) -> tuple[list[list[Any]], list[list[Any]]]:
    """Orders of the first thirteen customers, and the products of each; Truffle is never ordered."""
    orders: list[list[Any]] = []
    lines: list[list[Any]] = []
    for number in range(150):
        at = datetime(2024, 1, 1) + timedelta(hours=source.randint(0, 24 * 520))
        sent = None if source.random() < 0.3 else (at + timedelta(days=3)).date().isoformat()
        orders.append([number + 1, source.randint(1, 13), source.randint(1, 4), str(at),
                       source.choice(["delivered", "shipped", "cancelled"]), sent])  # fmt: skip
        for product in sorted(source.sample(range(1, 12), source.randint(1, 3))):
            pieces = source.randint(1, 6)
            lines.append([number + 1, product, pieces, round(pieces * products[product - 1][3], 2)])
    return orders, lines

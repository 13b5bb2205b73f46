"""Invented cellars, their deliveries and the claims on these; and dives, whose rows hold small counts."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CELLARS = (("Old Press", "Ombra", 40), ("Stone Vault", "Ombra", 12), ("Low Barn", "Lisse", 33),
            ("Red Gate", "Lisse", 31), ("Mill Yard", "Corran", 55))  # fmt: skip
_GROUNDS = ("late", "broken", "wrong label")
_STYLES = ("dry", "sweet", "sparkling")
_WRECKS = ("Albatross", "Kestrel", "Mary Ann", "Sirocco")
_LEADERS = ("Inga Dahl", "Per Lund", "Sol Vega")


def cellars() -> dict[str, Spec]:
    """Cellars of three valleys, one without any delivery; deliveries with an amount and a tax in no unit;
    claims that have an amount of their own."""
    source = random.Random(211)
    deliveries: list[list[Any]] = []
    claims: list[list[Any]] = []
    for number in range(300):
        day = date(2023, 1, 1) + timedelta(days=source.randrange(500))
        deliveries.append([
            40_000 + number, source.randrange(1, 5), round(source.uniform(40, 3000), 2),
            round(source.uniform(4, 400), 2), source.choice(["sent", "held", "returned"]), day.isoformat(),
            source.randrange(1, 15), round(source.uniform(2, 60), 1), source.choice(_STYLES),
        ])  # fmt: skip
        if source.random() < 0.25:
            filed = day + timedelta(days=source.randrange(1, 30))
            claims.append([len(claims) + 1, 40_000 + number, round(source.uniform(5, 200), 2),
                           source.choice(_GROUNDS), filed.isoformat()])  # fmt: skip
    return {
        "cellars": Spec("cellars", [("cellar_id", "UInt32"), ("cellar_name", "String"), ("valley", "String"),
                                    ("capacity", "UInt16")],
                        [[number, *cellar] for number, cellar in enumerate(_CELLARS, 1)]),
        "deliveries": Spec("deliveries", [
            ("delivery_no", "UInt32"), ("cellar_id", "UInt32"), ("amount", "Float64"),
            ("tax_amount", "Float64"), ("status", "String"), ("sent_on", "Date"), ("crates", "UInt8"),
            ("weight_kg", "Float64"), ("style", "String")], deliveries),
        "claims": Spec("claims", [("claim_id", "UInt32"), ("delivery_no", "UInt32"), ("amount", "Float64"),
                                  ("ground", "String"), ("filed_on", "Date")], claims),
    }  # fmt: skip


def dives() -> dict[str, Spec]:
    """One flat table of dives: how many guests, how many days, what it cost, how cold it was."""
    source = random.Random(223)
    rows: list[list[Any]] = []
    for number in range(240):
        day = date(2020, 1, 1) + timedelta(days=source.randrange(1200))
        rows.append([
            number + 1, source.choice(_WRECKS), source.choice(_LEADERS), source.choice(["spring", "autumn"]),
            source.randrange(2, 12), source.randrange(1, 9), round(source.uniform(200, 5000), 2),
            round(source.uniform(10, 90), 1), round(source.gauss(6, 4), 3), day.isoformat(),
            round(source.uniform(1, 9), 1),
        ])  # fmt: skip
    return {"dives": Spec("dives", [
        ("dive_no", "UInt32"), ("wreck", "String"), ("leader", "String"), ("season", "String"),
        ("guests", "UInt8"), ("days", "UInt8"), ("cost_usd", "Float64"), ("depth_m", "Float64"),
        ("min_temp_c", "Float64"), ("dived_on", "Date"), ("height_m", "Float64")], rows)}  # fmt: skip

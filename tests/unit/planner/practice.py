"""Invented appointments whose insurer or referrer is often not known, and parcels of active carriers."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CARRIERS = (
    ("Ada Stone", "van", True), ("Ben Reed", "truck", True), ("Cleo Stone", "bike", False),
    ("Dan Reed", "van", True), ("Eli Stone", "truck", False), ("Fay Reed", "bike", True),
)  # fmt: skip


def practice() -> dict[str, Spec]:
    """Appointments, a quarter without an insurer (empty) and a fifth without a referrer (an empty text)."""
    source = random.Random(977)
    rows: list[list[Any]] = []
    for number in range(320):
        day = date(2023, 1, 2) + timedelta(days=source.randrange(500))
        rows.append([
            1001 + number, day.isoformat(), source.choice(["dental", "cardiology", "optics"]),
            source.choice(["Dr Ivers", "Dr Okafor", "Dr Penn"]), source.randrange(1, 92),
            source.choice([None, 5, 20, 45, 70, 90]), round(source.uniform(25, 260), 2),
            source.choice(["Aurora", "Bluefield", "Crest", None]),
            source.choice(["Holt House", "Mere Lodge", "North Gate", "Old Forge", ""]),
        ])  # fmt: skip
    return {
        "appointments": Spec("appointments", [
            ("appointment_id", "UInt32"), ("appointment_date", "Date"), ("specialty", "String"),
            ("doctor", "String"), ("patient_age", "UInt8"), ("wait_minutes", "Nullable(UInt16)"),
            ("fee_eur", "Float64"), ("insurer", "Nullable(String)"), ("referrer", "String")], rows),
    }  # fmt: skip


def rounds() -> dict[str, Spec]:
    """Parcels of six carriers, of whom four are active; the supplier of some is not known."""
    source = random.Random(12)
    carriers = [[number, *carrier] for number, carrier in enumerate(_CARRIERS, 1)]
    rows: list[list[Any]] = []
    for number in range(300):
        day = date(2023, 3, 1) + timedelta(days=source.randrange(480))
        rows.append([
            5000 + number, source.randrange(1, 7), source.choice(["food", "books", "chairs"]),
            day.isoformat(), round(source.uniform(4, 90), 2), round(source.uniform(1, 20), 2),
            source.choice([None, 1, 2, 3, 4, 5]), source.choice(["Acme", "Borel", "Corvo", None]),
        ])  # fmt: skip
    return {
        "carriers": Spec("carriers", [("carrier_id", "UInt32"), ("carrier_name", "String"),
                                      ("vehicle", "String"), ("active", "Bool")], carriers),
        "parcels": Spec("parcels", [("parcel_id", "UInt32"), ("carrier_id", "UInt32"), ("kind", "String"),
                                    ("sent_on", "Date"), ("price_eur", "Float64"), ("unit_price", "Float64"),
                                    ("customer_rating", "Nullable(UInt8)"),
                                    ("supplier", "Nullable(String)")], rows),
    }  # fmt: skip

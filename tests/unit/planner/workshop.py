"""Invented data as a spreadsheet brings it: yes and no as text, two dates, days as numbers, long names."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_GARAGES = ("Mill Lane Cycles", "Hilltop Garage Ltd", "River Works", "Canal Bikes")
_FIRST = ("Ines", "Ravi", "Tuva", "Hugo", "Mina", "Odd")
_KINDS = ("Brakes", "Wheels", "Full Overhaul")


def workshop() -> dict[str, Spec]:
    """Service tickets with a request and a close date, beside an empty table and an hourly one."""
    source = random.Random(19)
    tickets: list[list[Any]] = []
    for number in range(400):
        asked = date(2022, 3, 1) + timedelta(days=source.randrange(0, 700))
        status = source.choice(["Closed", "Paid Out", "Parked"])
        wait = source.randrange(0, 12)
        closed = None if status == "Parked" else (asked + timedelta(days=wait)).isoformat()
        tickets.append([
            f"ST-{asked.year}-{7000 + number}", asked.isoformat(), closed, status, source.choice(_KINDS),
            source.choice(_GARAGES), f"{source.choice(_FIRST)} Brandt", round(source.uniform(20, 900), 2),
            source.choice(["Yes", "Yes", "No", None]), None if closed is None else wait,
            round(source.uniform(0, 60), 2),
        ])  # fmt: skip
    hours = [[f"2023-05-01 {hour:02d}:00:00", source.randrange(1, 9)] for hour in range(12)]
    return {
        "service_tickets": Spec("service_tickets", [
            ("ticket_no", "String"), ("request_date", "Date32"), ("close_date", "Nullable(Date32)"),
            ("status", "String"), ("repair_kind", "String"), ("garage", "String"),
            ("customer_name", "String"), ("est_repair_cost", "Float64"),
            ("warranty_covered", "Nullable(String)"), ("wait_days", "Nullable(Int64)"),
            ("deposit_eur", "Float64")], tickets),
        "door_log": Spec("door_log", [("at", "DateTime('UTC')"), ("door", "String")], []),
        "door_counts_hourly": Spec("door_counts_hourly", [("hour", "DateTime('UTC')"),
                                                          ("openings", "UInt32")], hours),
    }  # fmt: skip

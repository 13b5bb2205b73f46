"""Invented data with ages, minutes, several fees, two dates and an empty table beside them."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CLUBS = ("Lakeside", "Old Brewery", "Hill Park")
_PLANS = ("Basic Plan", "Gold Plan")


def clubs() -> dict[str, Spec]:
    """Visits of members to clubs; the member's key repeats, the standard table of events is empty."""
    source = random.Random(41)
    members = [(f"{source.randrange(1, 99999):05d}", source.randrange(16, 80)) for _ in range(60)]
    visits: list[list[Any]] = []
    for number in range(500):
        member = source.choice(members)
        start = datetime(2023, 6, 1, 6) + timedelta(minutes=source.randrange(0, 500 * 1440))
        minutes = source.randrange(20, 150)
        left = None if source.random() < 0.1 else start + timedelta(minutes=minutes)
        visits.append([
            number + 1, member[0], member[1], source.choice(_CLUBS), start.strftime("%Y-%m-%d %H:%M:%S"),
            left.strftime("%Y-%m-%d %H:%M:%S") if left else None, start.date().isoformat(),
            source.choice(_PLANS), source.choice(["Debit Card", "Voucher"]), minutes,
            source.choice([0, 0, 2, 3]), source.choice([0.0, 1.5, 2.0]), round(source.random() * 6, 2),
            source.random() < 0.4, round(source.uniform(5, 30), 2), source.random() < 0.5,
        ])  # fmt: skip
    return {
        "club_visits": Spec("club_visits", [
            ("visit_id", "UInt32"), ("member_no", "String"), ("member_age", "UInt8"), ("club_name", "String"),
            ("entered_at", "DateTime('UTC')"), ("left_at", "Nullable(DateTime('UTC'))"),
            ("sign_in", "Date32"), ("plan_type", "String"), ("payment_kind", "String"),
            ("training_min", "UInt16"), ("guest_passes", "UInt8"), ("locker_fee_eur", "Float64"),
            ("drinks_eur", "Float64"), ("towel_hired", "Bool"), ("visit_total", "Float64"),
            ("active_member", "Bool")], visits),
        "events": Spec("events", [("timestamp", "DateTime('UTC')"), ("value", "Float64"),
                                  ("total_value", "Float64")], []),
    }  # fmt: skip

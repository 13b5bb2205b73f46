"""Invented ports and sailings: names that share words, numbers that may be zero or unknown, states that are
stored with their negation."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_PORTS = (("Northey", "Skarn", 4), ("Gullwick", "Skarn", 9), ("Tarn Quay", "Ulva", 3), ("Selby", "Morven", 6))
_VESSELS = ("Heron", "Osprey", "Petrel")
_WEATHERS = ("Calm", "Rough", "Foggy")
_STATES = ("Boarded", "Not Boarded", "Delayed")


def ferries() -> dict[str, Spec]:
    """Sailings from four ports on three islands; the tip is 0, a number or unknown."""
    source = random.Random(73)
    ports = [[number, *port] for number, port in enumerate(_PORTS, 1)]
    sailings: list[list[Any]] = []
    for number in range(1, 301):
        day = date(2022, 1, 1) + timedelta(days=source.randrange(0, 880))
        sailings.append([
            number, source.randrange(1, 5), source.choice(_VESSELS), source.choice(_WEATHERS),
            source.choice(_STATES), round(source.uniform(5, 3000), 2), source.randrange(1, 12),
            source.randrange(1, 8), source.choice([0, 2, 5, None]), source.choice(["low", "high", None]),
            source.choice([0, 1]), source.randrange(20, 90), source.randrange(18, 70), day.isoformat(),
        ])  # fmt: skip
    return {
        "ports": Spec("ports", [("port_id", "UInt32"), ("port_name", "String"), ("island", "String"),
                                ("berths", "UInt8")], ports),
        "sailings": Spec("sailings", [
            ("sailing_id", "UInt32"), ("port_id", "UInt32"), ("vessel", "String"), ("weather", "String"),
            ("boarding", "String"), ("fare", "Float64"), ("crew", "UInt8"), ("days", "UInt8"),
            ("tip", "Nullable(Float64)"), ("swell", "Nullable(String)"), ("is_chartered", "Bool"),
            ("crossing_min", "UInt16"), ("skipper_age", "UInt8"), ("sailed_on", "Date")], sailings),
    }  # fmt: skip

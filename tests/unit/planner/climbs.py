"""Invented climbers, routes and ascents: many to many, with countries as codes, and deeds of guests."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_CLIMBERS = (
    ("Anouk Berger", "FR", "F", 24), ("Bram de Wit", "NL", "M", 31), ("Carla Nunes", "PT", "F", 45),
    ("Dirk Vogel", "DE", "M", 38), ("Elsa Lind", "SE", "F", 29), ("Farid Naji", "FR", "M", 52),
    ("Greta Hahn", "DE", "F", 61), ("Hugo Rossi", "IT", "M", 19),
)  # fmt: skip
_ROUTES = (
    ("Twin Crack", "easy", 18, "North"), ("Old Chimney", "easy", 25, "North"),
    ("Razor", "hard", 31, "South"), ("Tin Roof", "hard", 12, "South"), ("Long Way", "medium", 60, "East"),
    ("Thin Ice", "medium", 44, "East"), ("Grey Slab", "easy", 22, "West"),
)  # fmt: skip
_DEEDS = ("register", "add_to_basket", "order", "cancel", "page_view")


def climbs() -> dict[str, Spec]:
    """Eight climbers, two without an ascent; seven routes, one never climbed."""
    source = random.Random(5)
    ascents: list[list[Any]] = []
    for number in range(1, 90):
        day = date(2023, 1, 1) + timedelta(days=source.randrange(0, 700))
        climber = source.choice((1, 1, 1, 2, 3, 4, 4, 5, 6))
        ascents.append(
            [number, climber, source.choice((1, 1, 2, 3, 4, 5, 6)), day.isoformat(), source.randrange(1, 6)]
        )
    return {
        "climbers": Spec("climbers", [("climber_id", "UInt32"), ("name", "String"), ("country", "String"),
                                      ("sex", "String"), ("age", "UInt8")],
                         [[n, *row] for n, row in enumerate(_CLIMBERS, 1)]),
        "routes": Spec("routes", [("route_id", "UInt32"), ("route_name", "String"), ("grade", "String"),
                                  ("height_m", "UInt16"), ("wall", "String")],
                       [[n, *row] for n, row in enumerate(_ROUTES, 1)]),
        "ascents": Spec("ascents", [
            ("ascent_id", "UInt32"),
            ("climber_id", "UInt32", "references climbers.climber_id"),
            ("route_id", "UInt32", "references routes.route_id"),
            ("climbed_on", "Date"), ("tries", "UInt8")], ascents),
    }  # fmt: skip


def huts() -> dict[str, Spec]:
    """What forty guests of a mountain hut's site did, with the money of their orders."""
    source = random.Random(8)
    rows: list[list[Any]] = []
    for _ in range(400):
        deed = source.choice(_DEEDS)
        at = datetime(2024, 1, 1) + timedelta(minutes=source.randrange(0, 200 * 1440))
        paid = round(source.uniform(5, 90), 2) if deed == "order" else 0.0
        rows.append([at.strftime("%Y-%m-%d %H:%M:%S"), deed, source.randrange(1, 41), paid])
    return {
        "actions": Spec("actions", [("happened_at", "DateTime('UTC')"), ("action", "String"),
                                    ("guest_id", "UInt32"), ("amount", "Float64")], rows),
    }  # fmt: skip

"""Invented events of a game, whose players have no table of their own, beside a museum's artworks."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_WHAT = ("installed", "session_started", "item_bought", "friend_invited", "uninstalled")


def games() -> dict[str, Spec]:
    """Everybody's events carry a value; only that of what was bought is money."""
    source = random.Random(29)
    rows: list[list[Any]] = [
        [
            str(datetime(2025, 1, 1) + timedelta(minutes=source.randrange(200_000))),
            source.choice(_WHAT),
            source.randint(1, 60),
            source.choice(["Peru", "Kenya", "India"]),
            round(source.uniform(1, 40), 2),
        ]
        for _ in range(300)
    ]
    works: list[list[Any]] = [
        [n + 1, f"Study {n}", source.choice(["oil", "bronze", "etching"])] for n in range(30)
    ]
    return {
        "happenings": Spec(
            "happenings",
            [("at", "DateTime"), ("event_type", "String"), ("user_id", "UInt64"), ("country", "String"),
             ("value", "Float64")],
            rows,
        ),
        "artworks": Spec(
            "artworks", [("artwork_id", "UInt32"), ("title", "String"), ("medium", "String")], works
        ),
    }  # fmt: skip

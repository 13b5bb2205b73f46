"""Invented plots, their levies and the waivers of these: three tables in a row, and things without rows."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_PLOTS = (
    ("Ash Row", "upper", "Ida Holm"), ("Beck End", "upper", "Jon Reef"), ("Cobb Lane", "lower", "Kit Sand"),
    ("Dell Side", "lower", "Lea Moor"), ("Elder Yard", "middle", "Ned Frost"),
    ("Fern Gap", "middle", "Oda Vale"), ("Gorse Top", "upper", "Pia Glen"),
    ("Hazel Bed", "lower", "Quin Marsh"),
)  # fmt: skip
_NEVER = {1: "open", 2: "void", 3: "open", 5: "paid"}


def levies() -> dict[str, Spec]:
    """Levies of seven of eight plots, some never open, void or paid; a fifth of them has waivers."""
    source = random.Random(97)
    plots = [[number, *plot] for number, plot in enumerate(_PLOTS, 1)]
    rows: list[list[Any]] = []
    waivers: list[list[Any]] = []
    for number in range(320):
        plot = source.choice((1, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7))
        state = source.choice([s for s in ("open", "paid", "void") if s != _NEVER.get(plot)])
        day = date(2022, 5, 1) + timedelta(days=source.randrange(0, 700))
        rows.append([
            40_000 + number, plot, round(source.uniform(20, 900), 2), round(source.uniform(2, 90), 2), state,
            source.choice(["low", "high"]), source.randrange(1, 30), day.isoformat(),
        ])  # fmt: skip
        for _ in range(source.choice((0, 0, 0, 0, 1, 2))):
            waivers.append([
                len(waivers) + 1, 40_000 + number, round(source.uniform(1, 200), 2),
                source.choice(["damaged", "late", "mistaken"]), (day + timedelta(days=50)).isoformat(),
            ])  # fmt: skip
    return {
        "plots": Spec("plots", [("plot_id", "UInt32"), ("plot_name", "String"), ("ward", "String"),
                                ("warden", "String")], plots),
        "levies": Spec("levies", [("levy_no", "UInt32"), ("plot_id", "UInt32"), ("amount", "Float64"),
                                  ("tax_amount", "Float64"), ("state", "String"), ("priority", "String"),
                                  ("shares", "UInt8"), ("issued_on", "Date")], rows),
        "waivers": Spec("waivers", [("waiver_id", "UInt32"), ("levy_no", "UInt32"), ("amount", "Float64"),
                                    ("reason", "String"), ("granted_on", "Date")], waivers),
    }  # fmt: skip

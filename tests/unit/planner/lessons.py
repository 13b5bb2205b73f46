"""Invented events of learners on a learning platform, small enough to follow each of them by hand."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from tests.unit.planner.engine import Spec

_COURSES = ("algebra", "botany", "ceramics", "drawing")


def lessons() -> dict[str, Spec]:
    """Activity of 40 learners from January to June 2024: enrolments, lessons, work handed in, certificates.

    `points` are those of handed in work. Two days in February have no row at all.
    """
    source = random.Random(4711)
    rows: list[list[Any]] = []
    for learner in range(501, 541):
        at = datetime(2024, 1, 1) + timedelta(days=source.randrange(0, 120), minutes=source.randrange(1440))
        device = source.choice(["tablet", "laptop", "phone"])
        course = source.choice(_COURSES)
        rows.append([at, "enrol", learner, {"device": device, "course": course}, 0.0])
        for _ in range(source.randrange(0, 12)):
            at += timedelta(minutes=source.choice([3, 9, 25, 45, 600, 3000, 9000]))
            kind = source.choice(["open_lesson", "open_lesson", "hand_in", "login"])
            points = float(source.randrange(10, 100)) if kind == "hand_in" else 0.0
            rows.append([at, kind, learner, {"device": device, "course": course}, points])
        if source.random() < 0.4:
            at += timedelta(days=source.randrange(1, 30))
            rows.append([at, "certificate", learner, {"device": device, "course": course}, 0.0])
    rows.sort(key=lambda row: row[0])
    kept = [row for row in rows if (row[0].month, row[0].day) not in ((2, 10), (2, 11))]
    for row in kept:
        row[0] = row[0].strftime("%Y-%m-%d %H:%M:%S.000")
    return {
        "activity": Spec("activity", [("happened_at", "DateTime64(3)"), ("action", "LowCardinality(String)"),
                                      ("learner_id", "UInt32"), ("details", "JSON"), ("points", "Float64")],
                         kept),
    }  # fmt: skip

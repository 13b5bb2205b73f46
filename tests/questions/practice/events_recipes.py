"""The event log of a recipe app, in the platform's standard table of events."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

from aidatalabs_services.data.standard_tables import EVENTS
from tests.questions.databases import Column, Database, Table, moment

_LAST = datetime.datetime(2026, 5, 19, 9, 0, tzinfo=datetime.UTC)
_CUISINES = ("thai", "italian", "mexican", "ethiopian")

Row = tuple[datetime.datetime, str, int, str, float]


def events_recipes() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("events_recipes")
    rows: list[Row] = []
    for number in range(1, 251):
        rows += _life(chance, 4000 + number)
    rows.sort(key=lambda row: (row[0], row[1], row[2], row[3]))
    stored = tuple(Column(one.name, one.type) for one in EVENTS.columns)
    return Database(
        "events_recipes",
        (Table("events", stored, rows, f"({', '.join(EVENTS.order_by)})"),),
        "A recipe app. value: EUR paid on subscription_started, "
        "minutes cooked on recipe_cooked, 0 elsewhere. "
        "properties: device and country on every event; cuisine on "
        "recipe_viewed, recipe_saved and recipe_cooked; "
        "plan on subscription_started; term on search.",
        "analytics",
    )


def _life(chance: random.Random, user: int) -> list[Row]:
    about: dict[str, Any] = {
        "country": chance.choice(("Italy", "Brazil", "Ireland", "Egypt")),
        "device": chance.choices(("phone", "tablet", "desktop"), weights=(6, 2, 3))[0],
    }
    at = moment(chance, "2025-12-01", "2026-05-18")
    rows = [_row(at, "account_created", user, about, 0.0)]
    for _ in range(int(chance.expovariate(1 / 9))):
        at += datetime.timedelta(hours=chance.expovariate(1 / 60), seconds=1)
        rows.append(_step(chance, at, user, about))
    if chance.random() < 0.25:
        at += datetime.timedelta(hours=chance.expovariate(1 / 90), seconds=1)
        plan, price = chance.choice((("monthly", 4.0), ("yearly", 36.0)))
        rows.append(_row(at, "subscription_started", user, {**about, "plan": plan}, price))
        if chance.random() < 0.3:
            at += datetime.timedelta(days=chance.expovariate(1 / 30))
            rows.append(_row(at, "subscription_cancelled", user, about, 0.0))
    return [row for row in rows if row[0] <= _LAST]


def _step(chance: random.Random, at: datetime.datetime, user: int, about: dict[str, Any]) -> Row:
    kinds = ("recipe_viewed", "recipe_saved", "recipe_cooked", "search")
    kind = chance.choices(kinds, weights=(10, 4, 3, 5))[0]
    if kind == "search":
        return _row(at, kind, user, {**about, "term": chance.choice(("curry", "pasta", "soup", "cake"))}, 0.0)
    told = {**about, "cuisine": chance.choices(_CUISINES, weights=(3, 6, 4, 1))[0]}
    return _row(at, kind, user, told, float(chance.randint(8, 95)) if kind == "recipe_cooked" else 0.0)


def _row(at: datetime.datetime, kind: str, user: int, told: dict[str, Any], value: float) -> Row:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return at, kind, user, json.dumps(told), value

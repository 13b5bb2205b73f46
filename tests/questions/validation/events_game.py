"""The event log of a mobile game, in the platform's standard table of events."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

from aidatalabs_services.data.standard_tables import EVENTS
from tests.questions.databases import Column, Database, Table, moment

_COUNTRIES = ("India", "Spain", "Turkey", "Chile", "Kenya")
_ITEMS = (("gold_pack", 4.99), ("shield", 1.99), ("dragon_skin", 9.99), ("season_pass", 14.99))
_LAST = datetime.datetime(2026, 1, 21, 16, 4, tzinfo=datetime.UTC)

Row = tuple[datetime.datetime, str, int, str, float]


def events_game() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("events_game")
    rows: list[Row] = []
    for number in range(1, 301):
        rows += _life(chance, 900 + number)
    rows.sort(key=lambda row: (row[0], row[1], row[2], row[3]))
    stored = tuple(Column(one.name, one.type) for one in EVENTS.columns)
    return Database(
        "events_game",
        (Table("events", stored, rows, f"({', '.join(EVENTS.order_by)})"),),
        "A mobile game. value: seconds watched on ad_watched, score on level_passed, EUR paid on "
        "item_bought, 0 elsewhere. properties: country and os on every event; world on level_passed and "
        "level_failed; item on item_bought; network on ad_watched.",
        "analytics",
    )


def _life(chance: random.Random, user: int) -> list[Row]:
    """All events of one player, in order from the installation on."""
    about: dict[str, Any] = {
        "country": chance.choices(_COUNTRIES, weights=(10, 6, 5, 3, 2))[0],
        "os": chance.choices(("android", "ios"), weights=(7, 3))[0],
    }
    at = moment(chance, "2025-09-01", "2026-01-20")
    rows = [_row(at, "installed", user, about, 0.0)]
    for _ in range(int(chance.expovariate(1 / 4))):
        rows.append(_row(at, "session_started", user, about, 0.0))
        for _ in range(chance.randint(1, 4)):
            at += datetime.timedelta(minutes=1 + chance.expovariate(1 / 4))
            rows.append(_in_session(chance, at, user, about))
        at += datetime.timedelta(hours=chance.expovariate(1 / 90))
    if chance.random() < 0.2:
        rows.append(_row(at, "uninstalled", user, about, 0.0))
    return [row for row in rows if row[0] <= _LAST]


def _in_session(chance: random.Random, at: datetime.datetime, user: int, about: dict[str, Any]) -> Row:
    kinds = ("level_passed", "level_failed", "ad_watched", "item_bought", "friend_invited")
    kind = chance.choices(kinds, weights=(9, 7, 6, 2, 1))[0]
    if kind == "item_bought":
        item, price = chance.choices(_ITEMS, weights=(6, 8, 3, 2))[0]
        return _row(at, kind, user, {**about, "item": item}, price)
    if kind == "ad_watched":
        network = chance.choice(("adburst", "clipper", "bannerly"))
        return _row(at, kind, user, {**about, "network": network}, float(chance.randint(5, 45)))
    if kind == "friend_invited":
        return _row(at, kind, user, about, 0.0)
    world = chance.choices(("forest", "desert", "glacier", "volcano"), weights=(8, 5, 3, 1))[0]
    score = float(chance.randint(100, 5000)) if kind == "level_passed" else 0.0
    return _row(at, kind, user, {**about, "world": world}, score)


def _row(at: datetime.datetime, kind: str, user: int, told: dict[str, Any], value: float) -> Row:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return at, kind, user, json.dumps(told), value

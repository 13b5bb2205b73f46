"""The event log of a podcast app, in the platform's standard table of events."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

from aidatalabs_services.data.standard_tables import EVENTS
from tests.questions.databases import Column, Database, Table, moment

_COUNTRIES = ("Sweden", "Norway", "Denmark", "Finland", "Iceland")
_PLATFORMS = ("ios", "android", "web")
_SHOWS = (
    ("Night Trains", "travel"),
    ("The Long Ledger", "business"),
    ("Cold Harbour", "crime"),
    ("Second Serve", "sport"),
    ("Kitchen Physics", "science"),
    ("Deep Field", "science"),
    ("Small Verdicts", "crime"),
)
_SOURCES = ("organic", "newsletter", "partner", "social")
_LAST = datetime.datetime(2026, 3, 18, 10, 19, tzinfo=datetime.UTC)

Row = tuple[datetime.datetime, str, int, str, float]


def events_podcasts() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("events_podcasts")
    rows: list[Row] = []
    for number in range(1, 361):
        rows += _life(chance, 7000 + number)
    rows.sort(key=lambda row: (row[0], row[1], row[2], row[3]))
    stored = tuple(Column(one.name, one.type) for one in EVENTS.columns)
    return Database(
        "events_podcasts",
        (Table("events", stored, rows, f"({', '.join(EVENTS.order_by)})"),),
        "A podcast app. value: minutes listened on play, EUR paid on subscribe, results found on search, 0 "
        "elsewhere. properties: country and platform on every event; show and genre on play, finish and "
        "share; source on signup; plan on subscribe and cancel; query on search.",
        "analytics",
    )


def _life(chance: random.Random, user: int) -> list[Row]:
    """All events of one listener, in order from the signup on."""
    about: dict[str, Any] = {
        "country": chance.choices(_COUNTRIES, weights=(10, 7, 6, 4, 1))[0],
        "platform": chance.choices(_PLATFORMS, weights=(5, 4, 2))[0],
    }
    source = chance.choices(_SOURCES, weights=(6, 2, 2, 4))[0]
    begun = moment(chance, "2025-06-01", "2026-03-17")
    rows = [_row(begun, "signup", user, {**about, "source": source}, 0.0)]
    at, subscribed = begun, False
    for _ in range(int(chance.expovariate(1 / 9))):
        at += datetime.timedelta(minutes=chance.expovariate(1 / (60 * 24 * 6)))
        show, genre = chance.choices(_SHOWS, weights=(9, 4, 12, 3, 6, 5, 8))[0]
        heard = {**about, "show": show, "genre": genre}
        kind = chance.choices(("play", "search", "share"), weights=(7, 2, 1))[0]
        if kind == "search":
            rows.append(_row(at, kind, user, {**about, "query": genre}, float(chance.randint(0, 9))))
        elif kind == "share":
            rows.append(_row(at, kind, user, heard, 0.0))
        else:
            minutes = round(2 + chance.gammavariate(2, 11), 1)
            rows.append(_row(at, kind, user, heard, minutes))
            if minutes > 20 and chance.random() < 0.7:
                after = at + datetime.timedelta(minutes=minutes)
                rows.append(_row(after, "finish", user, heard, 0.0))
            if not subscribed and chance.random() < 0.12:
                subscribed = True
                plan, price = chance.choice((("monthly", 7.9), ("yearly", 79.0), ("family", 12.9)))
                rows.append(
                    _row(at + datetime.timedelta(hours=2), "subscribe", user, {**about, "plan": plan}, price)
                )
                if chance.random() < 0.3:
                    gone = at + datetime.timedelta(days=chance.randint(5, 80))
                    rows.append(_row(gone, "cancel", user, {**about, "plan": plan}, 0.0))
    return [row for row in rows if row[0] <= _LAST]


def _row(at: datetime.datetime, kind: str, user: int, told: dict[str, Any], value: float) -> Row:
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    return at, kind, user, json.dumps(told), value

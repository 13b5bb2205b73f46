"""The event log of a language-learning app, in the platform's standard table of events."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

from aidatalabs_services.data.standard_tables import EVENTS
from tests.questions.databases import Column, Database, Table, moment

_COUNTRIES = ("Brazil", "Mexico", "Germany", "Italy", "Japan", "Canada")
_LANGUAGES = ("Spanish", "French", "Korean", "German", "Portuguese")
_LEVELS = ("A1", "A2", "B1", "B2", "C1")
_CAMPAIGNS = ("spring_push", "referral", "none", "tv_spot")
_LAST = datetime.datetime(2025, 10, 9, 15, 29, tzinfo=datetime.UTC)

Row = tuple[datetime.datetime, str, int, str, float]


def events_learning() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("events_learning")
    rows: list[Row] = []
    for number in range(1, 341):
        rows += _Learner(chance, 40_000 + 7 * number).life()
    rows.sort(key=lambda row: (row[0], row[1], row[2], row[3]))
    stored = tuple(Column(one.name, one.type) for one in EVENTS.columns)
    return Database(
        "events_learning",
        (Table("events", stored, rows, f"({', '.join(EVENTS.order_by)})"),),
        "A language-learning app. value: minutes spent on lesson_completed, score (0 to 100) on quiz_taken, "
        "EUR paid on premium_bought, 0 elsewhere. properties: country and device on every event; campaign on "
        "account_created; language and level on lessons and quizzes; plan on premium_bought and "
        "premium_ended; version on app_crash.",
        "analytics",
    )


class _Learner:
    """One user of the app and what the app logs of them."""

    def __init__(self, chance: random.Random, user: int) -> None:
        self._chance = chance
        self._user = user
        self._rows: list[Row] = []
        self._about: dict[str, Any] = {
            "country": chance.choices(_COUNTRIES, weights=(9, 6, 5, 4, 3, 2))[0],
            "device": chance.choices(("phone", "tablet", "desktop"), weights=(7, 2, 2))[0],
        }
        self._studied = {
            "language": chance.choices(_LANGUAGES, weights=(8, 6, 3, 4, 1))[0],
            "level": chance.choices(_LEVELS, weights=(8, 6, 4, 2, 1))[0],
        }

    def life(self) -> list[Row]:
        """All that is logged of the user until the clock, in order from the account's making on."""
        chance = self._chance
        at = moment(chance, "2025-02-01", "2025-10-08")
        self._log(at, "account_created", 0.0, campaign=chance.choices(_CAMPAIGNS, weights=(4, 3, 7, 2))[0])
        premium = False
        for _ in range(int(chance.expovariate(1 / 7))):
            at += datetime.timedelta(hours=chance.expovariate(1 / (24 * 5)))
            kind = chance.choices(("lesson", "quiz", "reminder", "crash"), weights=(10, 4, 2, 1))[0]
            if kind == "lesson":
                self._lesson(at)
            elif kind == "quiz":
                self._log(
                    at, "quiz_taken", float(min(100, max(5, round(chance.gauss(68, 17))))), **self._studied
                )
            elif kind == "reminder":
                self._log(at, "reminder_opened", 0.0)
            else:
                self._log(at, "app_crash", 0.0, version=chance.choice(("5.1", "5.2", "5.3")))
            if kind == "lesson" and not premium and chance.random() < 0.13:
                premium = True
                self._premium(at + datetime.timedelta(minutes=90))
        return [row for row in self._rows if row[0] <= _LAST]

    def _lesson(self, at: datetime.datetime) -> None:
        self._log(at, "lesson_started", 0.0, **self._studied)
        if self._chance.random() < 0.78:
            minutes = round(3 + self._chance.gammavariate(2, 6), 1)
            self._log(at + datetime.timedelta(minutes=minutes), "lesson_completed", minutes, **self._studied)

    def _premium(self, at: datetime.datetime) -> None:
        plan, price = self._chance.choice((("month", 11.5), ("quarter", 29.0), ("year", 88.0)))
        self._log(at, "premium_bought", price, plan=plan)
        if self._chance.random() < 0.35:
            self._log(
                at + datetime.timedelta(days=self._chance.randint(3, 70)), "premium_ended", 0.0, plan=plan
            )

    def _log(self, at: datetime.datetime, kind: str, value: float, **told: Any) -> None:
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        self._rows.append((at, kind, self._user, json.dumps({**self._about, **told}), value))

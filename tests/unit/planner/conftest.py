"""One engine for the planner's tests, with every invented database loaded once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from chdb import session as chdb_session

from aidatalabs_services.agent.planner.outcomes import Clarification, Outcome, Planned, Refusal
from aidatalabs_services.agent.planner.planner import plan
from tests.unit.planner.cellars import cellars, dives
from tests.unit.planner.climbs import climbs, huts
from tests.unit.planner.clubs import clubs
from tests.unit.planner.domains import library, sensors, shop, trips, typed_sensors
from tests.unit.planner.engine import Database
from tests.unit.planner.ferries import ferries
from tests.unit.planner.games import games
from tests.unit.planner.lessons import lessons
from tests.unit.planner.levies import levies
from tests.unit.planner.markets import markets
from tests.unit.planner.practice import practice, rounds
from tests.unit.planner.workshop import workshop

NOW = datetime(2024, 6, 30, 17, 45)


class Asker:
    """Asks questions of one database and runs the SQL they lead to."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def outcome(self, question: str, now: datetime = NOW) -> Outcome:
        return plan(question, self.database.catalogue, now=now)

    def planned(self, question: str) -> Planned:
        outcome = self.outcome(question)
        assert isinstance(outcome, Planned), f"{question}: {outcome}"
        return outcome

    def rows(self, question: str) -> list[list[Any]]:
        return self.database.rows(self.planned(question).sql)

    def value(self, question: str) -> Any:
        rows = self.rows(question)
        assert len(rows) == 1
        return rows[0][0]

    def asks(self, question: str) -> Clarification:
        outcome = self.outcome(question)
        assert isinstance(outcome, Clarification), f"{question}: {outcome}"
        return outcome

    def refuses(self, question: str) -> Refusal:
        outcome = self.outcome(question)
        assert isinstance(outcome, Refusal), f"{question}: {outcome}"
        return outcome

    def records(self, table: str) -> list[dict[str, Any]]:
        return self.database.specs[table].records()


# A process holds one engine at a time: other packages of tests open theirs after this one is closed.
@pytest.fixture(scope="package")
def asker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Asker]]:
    path: Path = tmp_path_factory.mktemp("planner")
    opened: Any = chdb_session.Session
    session = opened(str(path))
    session.query("SET session_timezone = 'UTC'")
    specs = {"shop": shop, "sensors": sensors, "library": library, "trips": trips, "workshop": workshop,
             "clubs": clubs, "ferries": ferries, "cellars": cellars, "dives": dives,
             "levies": levies, "practice": practice, "rounds": rounds, "lessons": lessons,
             "typed_sensors": typed_sensors, "climbs": climbs, "huts": huts,
             "markets": markets, "games": games}  # fmt: skip
    askers = {name: Asker(Database(session, f"{name}_data", make())) for name, make in specs.items()}
    yield lambda name: askers[name]
    session.close()


@pytest.fixture
def shop_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("shop")


@pytest.fixture
def lesson_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("lessons")


@pytest.fixture
def sensor_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("sensors")


@pytest.fixture
def typed_sensor_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("typed_sensors")


@pytest.fixture
def library_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("library")


@pytest.fixture
def trip_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("trips")


@pytest.fixture
def workshop_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("workshop")


@pytest.fixture
def club_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("clubs")


@pytest.fixture
def ferry_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("ferries")


@pytest.fixture
def cellar_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("cellars")


@pytest.fixture
def dive_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("dives")


@pytest.fixture
def levy_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("levies")


@pytest.fixture
def practice_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("practice")


@pytest.fixture
def round_asker(asker: Callable[[str], Asker]) -> Asker:
    return asker("rounds")

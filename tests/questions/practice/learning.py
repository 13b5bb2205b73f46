"""An online school: teachers, courses, learners and enrolments."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_TOPICS = ("Photography", "Cooking", "Programming", "Languages", "Music")
_COUNTRIES = ("Norway", "Portugal", "Ghana", "Canada", "Japan")
_FIRST = ("Ada", "Bo", "Cleo", "Dev", "Eli", "Fay", "Gus", "Hal", "Ivy", "Jo", "Kim", "Lou")
_LAST = ("Arden", "Brook", "Croft", "Dale", "Eames", "Frost", "Glenn")
_TITLES = (
    "Light and Shadow",
    "Portraits at Home",
    "Street Scenes",
    "Bread Basics",
    "Soups of the World",
    "Knife Skills",
    "First Steps in Python",
    "Tidy Code",
    "Databases for All",
    "Everyday Spanish",
    "Korean Letters",
    "French at Work",
    "Guitar in a Week",
    "Reading Notes",
    "Songs by Ear",
    "Night Skies",
)


def learning() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("learning")
    return Database(
        "learning",
        (
            Table(
                "teachers",
                columns("id UInt32, name String, country String, joined_on Date"),
                _teachers(chance),
            ),
            Table(
                "courses",
                columns(
                    "id UInt32, title String, topic String, teacher_id UInt32 teachers.id, price Float64,"
                    "hours UInt16, level String, published_on Date"
                ),
                _courses(chance),
            ),
            Table(
                "learners",
                columns(
                    "id UInt32, name String, email String, country String,"
                    " birth_year UInt16, signed_up_on Date"
                ),
                _learners(chance),
            ),
            Table(
                "enrolments",
                columns(
                    "id UInt32, learner_id UInt32 learners.id,"
                    " course_id UInt32 courses.id, enrolled_at DateTime,"
                    "completed_at Nullable(DateTime), amount_paid Float64, "
                    "rating Nullable(UInt8), refunded Bool"
                ),
                _enrolments(chance),
            ),
        ),
        "An online school. Amounts in EUR; completed_at is NULL until "
        "the course is finished; rating is 1 to 5, "
        "NULL where none was given.",
    )


def _names(chance: random.Random) -> list[str]:
    names = [f"{one} {other}" for one in _FIRST for other in _LAST]
    chance.shuffle(names)
    return names


def _teachers(chance: random.Random) -> list[tuple[object, ...]]:
    names = _names(chance)
    return [
        (n, names[n], chance.choice(_COUNTRIES), day(chance, "2018-01-01", "2025-06-01"))
        for n in range(1, 10)
    ]


def _courses(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number, title in enumerate(_TITLES, start=1):
        topic = _TOPICS[min((number - 1) // 3, 4)] if number < 16 else "Photography"
        price = chance.choice((19.0, 29.0, 49.0, 79.0, 120.0))
        level = chance.choice(("beginner", "intermediate", "advanced"))
        rows.append(
            (
                number,
                title,
                topic,
                chance.randint(1, 8),
                price,
                chance.randint(3, 40),
                level,
                day(chance, "2019-01-01", "2025-10-01"),
            )
        )
    return rows


def _learners(chance: random.Random) -> list[tuple[object, ...]]:
    names = _names(chance) + _names(chance) + _names(chance)
    return [
        (
            n,
            names[n],
            f"learner{n}@example.com",
            chance.choice(_COUNTRIES),
            chance.randint(1950, 2008),
            day(chance, "2023-01-01", "2026-05-01"),
        )
        for n in range(1, 221)
    ]


def _enrolments(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    taken: set[tuple[int, int]] = set()
    while len(rows) < 900:
        learner, course = chance.randint(1, 205), chance.choices(range(1, 16), weights=range(15, 0, -1))[0]
        if (learner, course) in taken:
            continue
        taken.add((learner, course))
        at = moment(chance, "2024-01-01", "2026-05-18")
        done = at + datetime.timedelta(hours=round(chance.gammavariate(2, 400), 1))
        is_done = chance.random() < 0.6 and done < datetime.datetime(2026, 5, 18, tzinfo=datetime.UTC)
        rating = chance.choice((None, 2, 3, 4, 4, 5, 5)) if is_done else None
        paid = chance.choice((9.5, 19.0, 29.0, 49.0, 79.0))
        rows.append(
            (
                len(rows) + 1,
                learner,
                course,
                at,
                done.replace(microsecond=0) if is_done else None,
                paid,
                rating,
                chance.random() < 0.05,
            )
        )
    return rows

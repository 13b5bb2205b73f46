"""A museum: artists, artworks, rooms, loans and admissions."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_ARTISTS = (
    "Ida Brandvold,Norwegian,1871,1944|Oskar Nemec,Czech,1890,1962|Teresa Vilar,Portuguese,1948,|"
    "Adaeze Eze,Nigerian,1975,|Jean Roux,French,1832,1899|Margit Toth,Hungarian,1921,2003|"
    "Kenji Arai,Japanese,1955,|"
    "Luc Perrin,French,1901,1977|Sigrid Hald,Norwegian,1962,|Paolo Conti,Italian,1798,1860|"
    "Ines Duarte,Portuguese,1985,|Walter Krohn,German,1880,1931|Nina Sokol,Polish,1969,|"
    "Emeka Bello,Nigerian,1990,"
)
_ROOMS = (
    (1, "Great Hall", "East Wing", 0),
    (2, "Blue Room", "East Wing", 1),
    (3, "Rotunda", "Centre", 0),
    (4, "Print Cabinet", "West Wing", 2),
    (5, "Sculpture Court", "Centre", 0),
    (6, "Long Gallery", "West Wing", 1),
    (7, "Attic Studio", "West Wing", 3),
)
_BORROWERS = (
    ("Kunsthalle Nord", "Germany"),
    ("Musee du Lac", "Switzerland"),
    ("Galleria Ponte", "Italy"),
    ("City Art Trust", "United Kingdom"),
    ("Museum of Ink", "Japan"),
    ("Casa Azul", "Portugal"),
)
_FIRST = ("Evening", "Study of", "Portrait of", "View of", "Still Life with", "Dream of", "The")
_LAST = (
    "a Harbour",
    "the Fields",
    "Lemons",
    "a Sailor",
    "Two Sisters",
    "Snow",
    "the River",
    "a Clock",
    "Glass",
)
_MEDIA = ("oil", "watercolour", "bronze", "etching", "photograph", "textile")


def museum() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("museum")
    artists: list[tuple[object, ...]] = []
    for number, line in enumerate(_ARTISTS.split("|"), 1):
        name, nation, born, died = line.split(",")
        artists.append((number, name, nation, int(born), int(died) if died else None))
    artworks = _artworks(chance)
    return Database(
        "museum",
        (
            Table(
                "artists",
                columns(
                    "artist_id UInt32, artist_name String, nationality String, born UInt16,"
                    "died Nullable(UInt16)"
                ),
                artists,
            ),
            Table("rooms", columns("room_id UInt32, room_name String, wing String, floor UInt8"), _ROOMS),
            Table(
                "artworks",
                columns(
                    "artwork_id UInt32, title String, artist_id UInt32 artists.artist_id, medium String,"
                    "acquired_on Date, purchase_value Nullable(Float64), room_id UInt32 rooms.room_id"
                ),
                artworks,
            ),
            Table(
                "loans",
                columns(
                    "loan_id UInt32, artwork_id UInt32 artworks.artwork_id, borrower String, country String,"
                    "loaned_on Date, returned_on Nullable(Date), insured_for Float64"
                ),
                _loans(chance),
            ),
            Table(
                "admissions",
                columns(
                    "admission_id UInt32, entered_at DateTime, ticket_type String, people UInt8,"
                    "amount Float64"
                ),
                _admissions(chance),
            ),
        ),
        "A museum. returned_on is NULL while an artwork is away; an admission is a group with one ticket.",
    )


def _artworks(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 221):
        title = f"{chance.choice(_FIRST)} {chance.choice(_LAST)} No. {number}"
        value = None if chance.random() < 0.3 else float(chance.randint(4, 900) * 500 + number)
        room = chance.choices(range(1, 7), weights=(9, 6, 4, 5, 3, 8))[0]
        on = day(chance, "1990-01-01", "2025-12-20")
        rows.append((number, title, chance.randint(1, 13), chance.choice(_MEDIA), on, value, room))
    return rows


def _loans(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 241):
        borrower, country = chance.choices(_BORROWERS, weights=(7, 5, 4, 6, 2, 1))[0]
        out = day(chance, "2021-01-10", "2026-01-15")
        back = out + datetime.timedelta(days=chance.randint(20, 240))
        insured = float(chance.randint(10, 800) * 1000 + number)
        returned = back if back < datetime.date(2026, 1, 20) else None
        rows.append((number, chance.randint(1, 160), borrower, country, out, returned, insured))
    return rows


def _admissions(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    prices = {"adult": 14.0, "student": 8.0, "family": 30.0, "member": 0.0, "school": 45.0}
    for number in range(1, 4001):
        kind = chance.choices(tuple(prices), weights=(10, 5, 3, 4, 1))[0]
        people = {"family": chance.randint(2, 5), "school": chance.randint(12, 30)}.get(kind, 1)
        at = min(
            moment(chance, "2025-01-02", "2026-01-21"),
            datetime.datetime(2026, 1, 21, 15, 50, tzinfo=datetime.UTC),
        )
        rows.append((number, at, kind, people, prices[kind]))
    return rows

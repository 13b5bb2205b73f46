"""A film festival that runs through the year: films, venues, screenings, guests, tickets and ratings."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_NOW = datetime.datetime(2025, 10, 9, 15, 30, tzinfo=datetime.UTC)
_ADJECTIVES = (
    "Silent",
    "Crimson",
    "Second",
    "Hollow",
    "Golden",
    "Distant",
    "Broken",
    "Winter",
    "Paper",
    "Last",
)
_NOUNS = ("Harvest", "Orchard", "Signal", "Bridge", "Mirror", "Tide", "Letter", "Garden", "Cathedral", "Echo")
_DIRECTORS = (
    ("Lena Okafor", "Nigeria"),
    ("Mateo Rivas", "Argentina"),
    ("Aiko Tanabe", "Japan"),
    ("Pilar Soto", "Spain"),
    ("Jonas Lindqvist", "Sweden"),
    ("Farah Haddad", "Lebanon"),
    ("Claire Dumont", "France"),
    ("Tomasz Zielak", "Poland"),
    ("Grace Obi", "Nigeria"),
    ("Henri Morel", "France"),
    ("Yuki Sando", "Japan"),
    ("Bruno Cardoso", "Brazil"),
)
_GENRES = ("drama", "comedy", "thriller", "animation", "horror", "romance")
_VENUES = (
    (1, "Odeon Royal", "Old Quarter", 420, 1931),
    (2, "Lumen", "Harbourside", 180, 2012),
    (3, "The Granary", "Harbourside", 95, 1998),
    (4, "Kino Nord", "Northfield", 260, 1974),
    (5, "Palace Gardens", "Old Quarter", 600, 1956),
    (6, "Studio 7", "Northfield", 60, 2019),
    (7, "Riverside Hall", "West Bank", 310, 1988),
    (8, "Atelier", "West Bank", 45, 2021),
    (9, "Grand Arena", "Stadium District", 1500, 2005),
)
_FIRST = (
    "Amara",
    "Bea",
    "Cyrus",
    "Dora",
    "Emil",
    "Fleur",
    "Gus",
    "Hana",
    "Ivo",
    "Jules",
    "Kofi",
    "Lotte",
    "Milo",
)
_LAST = (
    "Aldana",
    "Berg",
    "Caro",
    "Drexler",
    "Engel",
    "Falk",
    "Gallo",
    "Hess",
    "Ibsen",
    "Jolie",
    "Keller",
    "Lam",
)
_CITIES = ("Porto", "Lyon", "Turin", "Ghent", "Malmo", "Bilbao", "Cork")


def film_festival() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("film_festival")
    films = _films(chance)
    screenings = _screenings(chance, films)
    guests = _guests(chance)
    return Database(
        "film_festival",
        (
            Table(
                "films",
                columns(
                    "film_id UInt32, title String, director String, country String, release_year UInt16,"
                    "runtime_minutes UInt16, genre String, is_documentary Bool, budget_usd Nullable(Float64)"
                ),
                films,
            ),
            Table(
                "venues",
                columns(
                    "venue_id UInt32, venue_name String, neighbourhood String, capacity UInt16, opened UInt16"
                ),
                _VENUES,
            ),
            Table(
                "screenings",
                columns(
                    "screening_id UInt32, film_id UInt32 films.film_id, venue_id UInt32 venues.venue_id,"
                    "starts_at DateTime, language String, list_price Float64"
                ),
                screenings,
            ),
            Table(
                "guests",
                columns("guest_id UInt32, guest_name String, city String, tier String, signed_up Date"),
                guests,
            ),
            Table(
                "tickets",
                columns(
                    "ticket_id UInt32, screening_id UInt32 screenings.screening_id,"
                    "guest_id UInt32 guests.guest_id, bought_at DateTime, price_paid Float64, channel String,"
                    "status String"
                ),
                _tickets(chance, screenings),
            ),
            Table(
                "ratings",
                columns(
                    "guest_id UInt32 guests.guest_id, film_id UInt32 films.film_id, stars UInt8,rated_on Date"
                ),
                _ratings(chance),
            ),
        ),
        "It runs from May to November. Prices in EUR; screenings after the clock are to come.",
    )


def _films(chance: random.Random) -> list[tuple[object, ...]]:
    titles = [f"{one} {other}" for one in _ADJECTIVES for other in _NOUNS]
    chance.shuffle(titles)
    rows: list[tuple[object, ...]] = []
    for number in range(1, 65):
        director, country = chance.choice(_DIRECTORS)
        is_documentary = chance.random() < 0.2
        genre = chance.choices(_GENRES, weights=(9, 5, 5, 3, 2, 3))[0]
        budget = None if chance.random() < 0.25 else float(chance.randint(80, 9000) * 1000 + number)
        year = chance.randint(1998, 2025)
        minutes = chance.randint(48, 190)
        rows.append((number, titles[number], director, country, year, minutes, genre, is_documentary, budget))
    return rows


def _screenings(chance: random.Random, films: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 261):
        film = chance.choice(films[:58])
        venue = chance.choices(range(1, 9), weights=(9, 6, 3, 5, 8, 2, 6, 1))[0]
        on = day(chance, "2025-05-02", "2025-11-30")
        clock = datetime.time(chance.choice((11, 14, 17, 19, 20, 22)), chance.choice((0, 30)))
        starts = datetime.datetime.combine(on, clock, datetime.UTC)
        language = chance.choices(("original", "dubbed", "subtitled"), weights=(2, 1, 4))[0]
        rows.append((number, film[0], venue, starts, language, chance.choice((7.5, 9.0, 11.0, 12.5, 15.0))))
    return rows


def _guests(chance: random.Random) -> list[tuple[object, ...]]:
    names = [f"{one} {letter}. {other}" for one in _FIRST for letter in "BDFHKM" for other in _LAST]
    chance.shuffle(names)
    rows: list[tuple[object, ...]] = []
    for number in range(1, 421):
        tier = chance.choices(("standard", "friend", "patron"), weights=(12, 5, 2))[0]
        city = chance.choices(_CITIES, weights=(9, 7, 5, 4, 3, 3, 2))[0]
        rows.append((number, names[number], city, tier, day(chance, "2023-01-05", "2025-10-08")))
    return rows


def _tickets(chance: random.Random, screenings: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    while len(rows) < 4200:
        screening = chance.choice(screenings[:250])
        starts = screening[3]
        assert isinstance(starts, datetime.datetime)
        bought = (starts - datetime.timedelta(hours=chance.expovariate(1 / 140))).replace(microsecond=0)
        if bought >= _NOW or bought < datetime.datetime(2025, 4, 1, tzinfo=datetime.UTC):
            continue
        outcome = chance.choices(("used", "refunded", "no-show"), weights=(80, 7, 13))[0]
        status = outcome if starts < _NOW else chance.choices(("valid", "refunded"), weights=(95, 5))[0]
        channel = chance.choices(("web", "box office", "phone", "partner"), weights=(11, 5, 2, 1))[0]
        list_price = screening[5]
        assert isinstance(list_price, float)
        paid = round(list_price * chance.choice((1, 1, 1, 0.8, 0.5)), 2)
        rows.append((len(rows) + 1, screening[0], chance.randint(1, 395), bought, paid, channel, status))
    return rows


def _ratings(chance: random.Random) -> list[tuple[object, ...]]:
    pairs = sorted({(chance.randint(1, 395), chance.randint(1, 58)) for _ in range(1350)})
    weights = {film: [chance.uniform(0.3, 3) for _ in range(5)] for film in range(1, 59)}
    return [
        (
            guest,
            film,
            chance.choices((1, 2, 3, 4, 5), weights[film])[0],
            moment(chance, "2025-05-03", "2025-10-08").date(),
        )
        for guest, film in pairs
    ]

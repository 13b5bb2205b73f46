"""A bicycle-hire scheme: stations, bikes, members, trips and repairs."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_STATIONS = (
    "Harbour Gate,Docklands,30|Mill Lane,Old Town,18|Cathedral Square,Old Town,26|Museum Quarter,Centre,24|"
    "Central Station,Centre,60|Botanic Garden,Riverside,16|Long Bridge,Riverside,20|"
    "University North,Campus,40|University South,Campus,36|Fish Market,Docklands,14|"
    "Opera House,Centre,22|Brewery Yard,Old Town,12|"
    "Stadium,Eastside,44|Eastside Mall,Eastside,28|Library,Campus,18|Town Hall,Centre,20|"
    "Lighthouse,Docklands,10|Cemetery Road,Eastside,8"
)
_FAULTS = ("flat tyre", "brakes", "chain", "battery", "saddle", "lights")
_NAMES = (
    "Ada",
    "Ben",
    "Cleo",
    "Dov",
    "Elif",
    "Fred",
    "Gwen",
    "Hans",
    "Ines",
    "Joe",
    "Kaya",
    "Leo",
    "Mia",
    "Noor",
)
_LAST = (
    "Abel",
    "Brook",
    "Castle",
    "Dunn",
    "Eckert",
    "Ford",
    "Grant",
    "Holm",
    "Irving",
    "Jensen",
    "Klein",
    "Lund",
)


def bike_hire() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("bike_hire")
    stations = [
        (number, *line.split(",")[:2], int(line.split(",")[2]), day(chance, "2019-03-01", "2024-10-01"))
        for number, line in enumerate(_STATIONS.split("|"), 1)
    ]
    bikes = _bikes(chance)
    members = _members(chance)
    return Database(
        "bike_hire",
        (
            Table(
                "stations",
                columns("station_id UInt32, name String, district String, docks UInt16, opened_on Date"),
                stations,
            ),
            Table(
                "bikes",
                columns(
                    "bike_id UInt32, model String, kind String, purchased_on Date, purchase_price Float64,"
                    "retired_on Nullable(Date)"
                ),
                bikes,
            ),
            Table(
                "members",
                columns(
                    "member_id UInt32, first_name String, last_name String, email String, plan String,"
                    "birth_year UInt16, joined_on Date"
                ),
                members,
            ),
            Table(
                "trips",
                columns(
                    "trip_id UInt32, bike_id UInt32 bikes.bike_id, member_id UInt32 members.member_id,"
                    "start_station_id UInt32 stations.station_id, end_station_id UInt32 stations.station_id,"
                    "started_at DateTime, duration_min Float64, distance_km Float64, fare Float64"
                ),
                _trips(chance, bikes, members),
            ),
            Table(
                "repairs",
                columns(
                    "repair_id UInt32, bike_id UInt32 bikes.bike_id, reported_on Date, "
                    "fixed_on Nullable(Date), fault String, cost Float64"
                ),
                _repairs(chance),
            ),
        ),
        "A bicycle-hire scheme. Money in EUR, fare 0 where the member's plan covers the trip.",
    )


def _bikes(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 131):
        kind = chance.choices(("classic", "electric", "cargo"), weights=(6, 4, 1))[0]
        model = {"classic": ("Swift", "Comet"), "electric": ("Volt", "Spark"), "cargo": ("Mule",)}[kind]
        price = {"classic": 420, "electric": 1650, "cargo": 2900}[kind] + round(chance.random() * 200, 2)
        retired = day(chance, "2025-02-01", "2026-03-10") if chance.random() < 0.12 else None
        rows.append(
            (number, chance.choice(model), kind, day(chance, "2021-01-10", "2025-06-30"), price, retired)
        )
    return rows


def _members(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 281):
        first, last = chance.choice(_NAMES), chance.choice(_LAST)
        plan = chance.choices(("pay as you go", "monthly", "annual", "student"), weights=(5, 4, 3, 2))[0]
        mail = f"{first}.{last}{number}@example.com".lower()
        rows.append(
            (
                number,
                first,
                last,
                mail,
                plan,
                chance.randint(1950, 2008),
                day(chance, "2022-01-01", "2026-03-12"),
            )
        )
    return rows


def _trips(
    chance: random.Random, bikes: list[tuple[object, ...]], members: list[tuple[object, ...]]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    last = datetime.datetime(2026, 3, 18, 10, 15, tzinfo=datetime.UTC)
    stations = range(1, 18)  # nobody starts at the last one
    popular = [30, 12, 22, 18, 60, 11, 14, 33, 27, 8, 16, 6, 24, 19, 13, 15, 4]
    for number in range(1, 4801):
        member = chance.choice(members[:250])
        started = min(
            moment(chance, "2025-01-01", "2026-03-18"),
            last - datetime.timedelta(seconds=chance.randint(0, 9000)),
        )
        minutes = round(3 + chance.gammavariate(2.2, 7), 1)
        fare = 0.0 if member[4] == "annual" else round(0.8 + 0.14 * minutes, 2)
        rows.append(
            (
                number,
                chance.choice(bikes[:122])[0],
                member[0],
                chance.choices(stations, weights=popular)[0],
                chance.choices(stations, weights=popular[::-1] if chance.random() < 0.2 else popular)[0],
                started,
                minutes,
                round(minutes * (0.17 + chance.random() * 0.1), 2),
                fare,
            )
        )
    return rows


def _repairs(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 261):
        fault = chance.choices(_FAULTS, weights=(30, 22, 18, 12, 7, 5))[0]
        reported = day(chance, "2025-01-05", "2026-03-17")
        fixed = reported + datetime.timedelta(days=int(chance.gammavariate(2, 2)))
        cost = {"battery": 140, "brakes": 35, "chain": 28, "flat tyre": 12, "saddle": 18, "lights": 22}[fault]
        done = fixed if fixed < datetime.date(2026, 3, 17) and chance.random() < 0.95 else None
        rows.append(
            (number, chance.randint(1, 110), reported, done, fault, round(cost * (0.8 + chance.random()), 2))
        )
    return rows

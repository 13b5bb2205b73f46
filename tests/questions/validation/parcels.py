"""A parcel service: depots, couriers and parcels."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_NOW = datetime.datetime(2026, 1, 21, 16, 5, tzinfo=datetime.UTC)
_DEPOTS = (
    (11, "Aldermoor", "Northland", 900),
    (12, "Birchfield", "Northland", 450),
    (13, "Cotter Quay", "Seaboard", 1200),
    (14, "Dunmarsh", "Seaboard", 380),
    (15, "Elmstead", "Midvale", 760),
    (16, "Foxley", "Midvale", 520),
    (17, "Garrow", "Highlands", 210),
)
_FIRST = ("Abe", "Bela", "Cora", "Dirk", "Edda", "Flora", "Gil", "Hedy", "Igor", "Jana", "Kurt", "Lia")
_LAST = ("Amsel", "Bote", "Calder", "Dorn", "Esser", "Frey", "Graf")
_SENDERS = (
    "Bookworm Ltd",
    "Teapot Store",
    "Gadget Barn",
    "Seed & Soil",
    "Shoe Loft",
    "Paper Crane",
    "Lamp House",
)


def parcels() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("parcels")
    couriers = _couriers(chance)
    return Database(
        "parcels",
        (
            Table(
                "depots",
                columns("depot_id UInt32, depot_name String, region String, daily_capacity UInt32"),
                _DEPOTS,
            ),
            Table(
                "couriers",
                columns(
                    "courier_id UInt32, courier_name String, depot_id UInt32 depots.depot_id, vehicle String,"
                    "started_on Date"
                ),
                couriers,
            ),
            Table(
                "parcels",
                columns(
                    "parcel_no UInt32, sender String, origin_depot_id UInt32 depots.depot_id,"
                    "destination_depot_id UInt32 depots.depot_id, courier_id UInt32 couriers.courier_id,"
                    "accepted_at DateTime, delivered_at Nullable(DateTime), weight_kg Float64,"
                    "postage Float64, attempts UInt8, is_fragile Bool"
                ),
                _parcels(chance),
            ),
        ),
        "A parcel service. Postage in EUR; delivered_at is NULL while a parcel is on its way.",
    )


def _couriers(chance: random.Random) -> list[tuple[object, ...]]:
    names = [f"{one} {other}" for one in _FIRST for other in _LAST]
    chance.shuffle(names)
    rows: list[tuple[object, ...]] = []
    for number in range(1, 41):
        vehicle = chance.choices(("van", "cargo bike", "scooter"), weights=(6, 3, 2))[0]
        depot = chance.choices(range(11, 18), weights=(8, 5, 9, 3, 7, 5, 1))[0]
        rows.append((number, names[number], depot, vehicle, day(chance, "2016-02-01", "2025-12-01")))
    return rows


def _parcels(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 4501):
        accepted = min(
            moment(chance, "2025-03-01", "2026-01-21"),
            _NOW - datetime.timedelta(minutes=chance.randint(5, 400)),
        )
        weight = round(0.2 + chance.gammavariate(1.6, 2.4), 2)
        taken = accepted + datetime.timedelta(hours=round(8 + chance.gammavariate(2, 16), 2))
        taken = taken.replace(microsecond=0)
        attempts = chance.choices((1, 2, 3), weights=(14, 4, 1))[0]
        sender = chance.choices(_SENDERS, weights=(9, 5, 8, 3, 6, 2, 4))[0]
        begin = chance.choices(range(11, 17), weights=(8, 5, 12, 2, 6, 4))[0]
        end = chance.choices(range(11, 18), weights=(8, 5, 9, 3, 7, 5, 1))[0]
        lost = chance.random() < 0.01
        delivered = taken if taken < _NOW and not lost else None
        postage = round(3.4 + 0.85 * weight + chance.choice((0, 0, 1.5)), 2)
        told = (number, sender, begin, end, chance.randint(1, 37), accepted, delivered, weight, postage)
        rows.append((*told, attempts, chance.random() < 0.12))
    return rows

"""A co-operative of farms: farms, their fields, what was harvested and who bought it."""

from __future__ import annotations

import random

from tests.questions.databases import Database, Table, columns, day

_VILLAGES = ("Oakley", "Brimley", "Sandrow", "Pell")
_CROPS = (("wheat", 0.31), ("barley", 0.27), ("potatoes", 0.42), ("carrots", 0.65), ("apples", 0.9))
_FARMS = (
    "Long Meadow",
    "Hill End",
    "Old Orchard",
    "Mill Farm",
    "Fox Hollow",
    "Seven Acres",
    "Stone Gate",
    "Lark Rise",
)
_BUYERS = (
    ("Baker & Sons", "bakery"),
    ("Green Basket", "shop"),
    ("Town Brewery", "brewery"),
    ("Chip House", "kitchen"),
    ("Cider Press", "brewery"),
    ("Village School", "kitchen"),
    ("Empty Larder", "shop"),
)


def harvest() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("harvest")
    farms = [
        (n, name, chance.choice(_VILLAGES), chance.randint(1890, 2015), chance.random() < 0.4)
        for n, name in enumerate(_FARMS, start=1)
    ]
    fields = [
        (n, chance.randint(1, 7), round(0.8 + chance.random() * 12, 1), chance.choice(_CROPS)[0])
        for n in range(1, 31)
    ]
    return Database(
        "harvest",
        (
            Table(
                "farms",
                columns("farm_id UInt32, farm_name String, village String, founded UInt16, is_organic Bool"),
                farms,
            ),
            Table(
                "fields",
                columns("field_id UInt32, farm_id UInt32 farms.farm_id, area_ha Float64, crop String"),
                fields,
            ),
            Table(
                "buyers",
                columns("buyer_id UInt32, buyer_name String, kind String"),
                [(n, *one) for n, one in enumerate(_BUYERS, start=1)],
            ),
            Table(
                "harvests",
                columns(
                    "harvest_id UInt32, field_id UInt32 fields.field_id,"
                    " harvested_on Date, tonnes Float64, grade String"
                ),
                _harvests(chance, fields),
            ),
            Table(
                "sales",
                columns(
                    "sale_id UInt32, farm_id UInt32 farms.farm_id,"
                    " buyer_id UInt32 buyers.buyer_id, sold_on Date,"
                    "crop String, quantity_kg UInt32, price_per_kg Float64, paid_on Nullable(Date)"
                ),
                _sales(chance),
            ),
        ),
        "A co-operative of farms. Prices in EUR a kilogram; paid_on is NULL while an invoice is unpaid.",
    )


def _harvests(chance: random.Random, fields: list[tuple[int, int, float, str]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 161):
        field = chance.choice(fields[:27])
        rows.append(
            (
                number,
                field[0],
                day(chance, "2023-06-01", "2025-10-31"),
                round(field[2] * (1 + chance.random() * 6), 2),
                chance.choices(("A", "B", "C"), weights=(5, 3, 1))[0],
            )
        )
    return rows


def _sales(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 601):
        crop, price = chance.choice(_CROPS)
        sold = day(chance, "2024-01-01", "2026-05-17")
        paid = day(chance, sold.isoformat(), "2026-05-19") if chance.random() < 0.85 else None
        rows.append(
            (
                number,
                chance.randint(1, 8),
                chance.randint(1, 6),
                sold,
                crop,
                chance.randint(40, 3000),
                round(price * (0.8 + chance.random() * 0.5), 3),
                paid,
            )
        )
    return rows

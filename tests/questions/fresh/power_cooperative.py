"""A cooperative that makes electricity: sites, their daily output, visits, customers, invoices."""

from __future__ import annotations

import datetime
import math
import random

from tests.questions.databases import Database, Table, columns, day

_TODAY = datetime.date(2025, 10, 9)
_SITES = (
    ("HZ1", "Hazel Ridge", "Uplands", "wind", 2300, "2014-05-12"),
    ("HZ2", "Hazel Ridge East", "Uplands", "wind", 1800, "2018-09-03"),
    ("MRL", "Marlow Flats", "Lowlands", "solar", 950, "2016-04-21"),
    ("DNE", "Dune End", "Coast", "wind", 3100, "2020-11-17"),
    ("WEI", "Weir Cottage", "Valley", "hydro", 420, "2009-02-01"),
    ("BRN", "Barn Roofs", "Lowlands", "solar", 260, "2021-06-30"),
    ("OLD", "Old Quarry", "Uplands", "solar", 1200, "2019-03-08"),
    ("SLT", "Saltmarsh", "Coast", "solar", 780, "2022-08-15"),
    ("TRN", "Turn Mill", "Valley", "hydro", 610, "2011-10-25"),
    ("KNL", "Knoll Farm", "Lowlands", "wind", 900, "2017-01-19"),
    ("PIE", "Pier Turbine", "Coast", "wind", 1500, "2023-05-05"),
    ("GRV", "Grove Meadow", "Valley", "solar", 540, "2024-03-28"),
    ("NEW", "New Cut", "Coast", "hydro", 350, "2025-09-30"),
)
_TECHNICIANS = "Abbott,Birch,Carver,Doyle,Eastman,Frost,Garside,Hale,Ingram,Jarvis,Kerr,Lowe,Marsh,Nash"
_PURPOSES = ("inspection", "repair", "cleaning", "upgrade")
_TRADES = ("Bakery", "Dairy", "Garage", "Nursery", "Joinery", "Brewery", "Laundry", "Stables")
_PLACES = ("Ashby", "Brook", "Colne", "Dale", "Elm", "Fenn", "Glen", "Holt", "Isle", "Knowle")


def power_cooperative() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("power_cooperative")
    sites = [(*site[:5], datetime.date.fromisoformat(site[5])) for site in _SITES]
    customers = _customers(chance)
    return Database(
        "power_cooperative",
        (
            Table(
                "sites",
                columns(
                    "site_code String, site_name String, region String, kind String, capacity_kw UInt32,"
                    "commissioned Date"
                ),
                sites,
            ),
            Table(
                "daily_output",
                columns(
                    "site_code String sites.site_code, day Date, energy_kwh Float64, downtime_hours Float64"
                ),
                _output(chance),
            ),
            Table(
                "technicians",
                columns(
                    "tech_id UInt32, surname String, home_region String, hourly_rate Float64,"
                    "left_on Nullable(Date)"
                ),
                _technicians(chance),
            ),
            Table(
                "visits",
                columns(
                    "visit_id UInt32, site_code String sites.site_code, tech_id UInt32 technicians.tech_id,"
                    "visited_on Date, hours Float64, purpose String, parts_cost Float64"
                ),
                _visits(chance),
            ),
            Table(
                "customers",
                columns(
                    "customer_no UInt32, customer_name String, segment String, region String,"
                    "customer_since Date, email Nullable(String)"
                ),
                customers,
            ),
            Table(
                "invoices",
                columns(
                    "invoice_no UInt32, customer_no UInt32 customers.customer_no, issued_on Date, "
                    "due_on Date, paid_on Nullable(Date), kwh Float64, amount Float64"
                ),
                _invoices(chance, customers),
            ),
        ),
        "Energy in kWh a day and site; amounts in EUR; paid_on is NULL while a bill is open.",
    )


def _output(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for code, _, _, kind, capacity, _ in _SITES[:-1]:
        for back in range(380, 0, -1):
            on = _TODAY - datetime.timedelta(days=back)
            season = math.cos((on.timetuple().tm_yday - 172) / 365 * 2 * math.pi)
            share = {"solar": 0.14 + 0.08 * season, "wind": 0.3 - 0.08 * season, "hydro": 0.5 - 0.1 * season}[
                kind
            ]
            down = round(chance.expovariate(1 / 5), 1) if chance.random() < 0.08 else 0.0
            down = min(down, 24.0)
            energy = capacity * 24 * share * chance.uniform(0.5, 1.5) * (1 - down / 24)
            rows.append((code, on, round(energy, 1), down))
    return rows


def _technicians(chance: random.Random) -> list[tuple[object, ...]]:
    regions = ("Uplands", "Lowlands", "Coast", "Valley")
    rows: list[tuple[object, ...]] = []
    for number, name in enumerate(_TECHNICIANS.split(","), 1):
        left = day(chance, "2024-06-01", "2025-08-31") if number in (4, 11, 13) else None
        rows.append((number, name, chance.choice(regions), 28.0 + chance.randint(0, 40) / 2, left))
    return rows


def _visits(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    weights = (9, 7, 5, 12, 4, 2, 6, 5, 3, 6, 8, 2)
    for number in range(1, 431):
        code = chance.choices([site[0] for site in _SITES[:-1]], weights)[0]
        purpose = chance.choices(_PURPOSES, weights=(9, 7, 4, 1))[0]
        hours = round(chance.gammavariate(2, 1.6) + 0.5, 1)
        parts = round(chance.expovariate(1 / 340), 2) if purpose in ("repair", "upgrade") else 0.0
        on = day(chance, "2024-01-08", "2025-10-08")
        rows.append((number, code, chance.randint(1, 12), on, hours, purpose, parts))
    return rows


def _customers(chance: random.Random) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for number in range(1, 261):
        segment = chance.choices(("household", "farm", "business"), weights=(7, 2, 3))[0]
        place = chance.choice(_PLACES)
        name = {
            "household": f"{chance.choice(('Mr', 'Ms'))} {place}{chance.choice(('ton', 'by', 'ham'))}",
            "farm": f"{place} Farm",
            "business": f"{place} {chance.choice(_TRADES)}",
        }[segment]
        mail = f"customer{number}@example.com" if chance.random() < 0.8 else None
        region = chance.choices(("Uplands", "Lowlands", "Coast", "Valley"), weights=(3, 6, 4, 2))[0]
        rows.append(
            (
                3000 + number,
                f"{name} {number}",
                segment,
                region,
                day(chance, "2015-01-01", "2025-09-20"),
                mail,
            )
        )
    return rows


def _invoices(chance: random.Random, customers: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    base = {"household": 290, "farm": 1400, "business": 2600}
    for customer in customers[:252]:
        since = customer[4]
        assert isinstance(since, datetime.date)
        usage = base[str(customer[2])] * chance.uniform(0.5, 1.8)
        for months in range(14, 0, -1):
            year, month = divmod(2025 * 12 + 9 - months, 12)
            issued = datetime.date(year, month + 1, 3)
            if issued < since or issued > _TODAY:
                continue
            kwh = round(usage * chance.uniform(0.7, 1.3), 1)
            paid = issued + datetime.timedelta(days=int(chance.gammavariate(3, 6)))
            is_paid = paid < _TODAY and chance.random() < 0.97
            due = issued + datetime.timedelta(days=21)
            amount = round(9.5 + kwh * chance.uniform(0.23, 0.31), 2)
            rows.append((90000 + len(rows), customer[0], issued, due, paid if is_paid else None, kwh, amount))
    return rows

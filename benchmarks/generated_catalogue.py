"""Catalogues of any number of tables, and questions over them: invented, seeded, the same in every run.

Departments that each have the same kinds of tables, as grown warehouses have: names repeat with a prefix,
keys lead from one table to others of its department, and text columns list up to some hundred values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table

_DEPARTMENTS = (
    "retail", "wholesale", "harbour", "clinic", "school", "library", "garage", "bakery", "brewery", "farm",
    "theatre", "museum", "airline", "railway", "ferry", "hotel", "kitchen", "garden", "laundry", "printing",
    "mining", "forestry", "fishing", "textile", "glass", "paper", "solar", "water", "waste", "housing",
    "insurance", "lending", "payroll", "recruiting", "legal", "audit", "press", "radio", "cinema", "sport",
)  # fmt: skip
_KINDS: tuple[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]], ...] = (
    ("customers", (), ("name", "city", "country", "segment"), ("credit_limit",)),
    ("suppliers", (), ("name", "city", "rating_class"), ("lead_days",)),
    ("products", ("suppliers",), ("title", "colour", "category"), ("unit_price", "weight_kg")),
    ("orders", ("customers", "products"), ("status", "channel"), ("amount", "quantity", "discount")),
    ("payments", ("orders",), ("method", "currency"), ("paid_amount", "fee")),
    ("shipments", ("orders", "depots"), ("carrier", "service_level"), ("distance_km", "delay_minutes")),
    ("depots", (), ("name", "city", "region"), ("capacity", "floor_area")),
    ("employees", ("depots",), ("first_name", "last_name", "job_title"), ("salary", "age")),
    ("tickets", ("customers", "employees"), ("priority", "topic"), ("resolution_hours", "satisfaction")),
    ("campaigns", (), ("title", "medium"), ("budget", "clicks")),
    ("visits", ("customers", "campaigns"), ("device", "browser"), ("pages", "duration_seconds")),
    ("contracts", ("suppliers",), ("contract_code", "stage"), ("total_value", "term_months")),
    ("machines", ("depots",), ("serial_no", "model"), ("running_hours", "temperature")),
    ("inspections", ("machines", "employees"), ("result", "inspector_note"), ("score", "defects")),
    ("returns", ("orders",), ("reason", "condition"), ("refund_amount", "days_kept")),
    ("budgets", ("depots",), ("cost_centre", "period_name"), ("planned_cost", "actual_cost")),
    ("meetings", ("employees",), ("room", "subject"), ("attendees", "minutes")),
    ("trainings", ("employees",), ("course", "provider"), ("hours", "price")),
    ("vehicles", ("depots",), ("plate_number", "make"), ("mileage", "fuel_litres")),
    ("trips", ("vehicles", "employees"), ("route", "purpose"), ("kilometres", "cost")),
    ("claims", ("customers",), ("claim_number", "kind"), ("claimed_amount", "settled_amount")),
    ("surveys", ("customers",), ("question", "mood"), ("points",)),
    ("batches", ("products", "machines"), ("batch_code", "quality"), ("units_made", "units_lost")),
    ("readings", ("machines",), ("sensor_name", "state"), ("pressure", "humidity")),
    ("invoices", ("orders", "contracts"), ("invoice_number", "invoice_status"), ("net_amount", "tax")),
)
_CITIES = (
    "Aston", "Birch", "Calder", "Dunmore", "Elmfield", "Farrow", "Glenn", "Harlow", "Ives", "Jarrow", "Kells",
    "Lorne", "Marl", "Norden", "Oakham", "Penrith", "Quorn", "Ripon", "Selby", "Thirsk", "Upton", "Virden",
)  # fmt: skip
_BEGINNINGS = ("North", "South", "East", "West", "Upper", "Lower", "Old", "New", "Great", "Little")
_SYLLABLES = ("ba", "ko", "ri", "ta", "mo", "le", "su", "ni", "dra", "fen", "gol", "hix", "vor", "pel", "zum")
_FEW = ("alpha", "beta", "gamma", "delta", "omega", "sigma", "kappa", "lambda")
NOW_YEAR = 2026
"""The year in which the questions are asked."""


@dataclass(frozen=True)
class _Maker:
    """Makes the columns of one table."""

    chance: random.Random

    def word(self, least: int = 2) -> str:
        return "".join(self.chance.choice(_SYLLABLES) for _ in range(self.chance.randint(least, least + 2)))

    def values(self, column: str, rows: int) -> tuple[str, ...]:
        """What a text column holds, each value once."""
        chance, last = self.chance, column.rsplit("_", 1)[-1]
        if last in ("name", "title") and column not in ("period_name", "sensor_name", "job_title"):
            made = (f"{self.word().title()} {self.word().title()}" for _ in range(min(rows, 800)))
        elif last in ("code", "number", "no"):
            prefix = column[:2].upper()
            made = (f"{prefix}-{chance.randrange(10**6):06d}" for _ in range(min(rows, 800)))
        elif column in ("city", "region", "route"):
            made = (f"{first} {city}" for first in _BEGINNINGS for city in _CITIES)
        else:
            made = (f"{word}{chance.choice(('', '', ' ' + self.word()))}" for word in (*_FEW, self.word()))
        return tuple(dict.fromkeys(made))

    def text(self, column: str, rows: int) -> Column:
        values = self.values(column, rows)
        unique = column.rsplit("_", 1)[-1] in ("code", "number", "no") and len(values) == rows
        distinct = rows if unique else min(len(values), rows)
        return Column(column, "String", "", distinct, 0.0, min(values), max(values), values, True)

    def number(self, column: str, rows: int) -> Column:
        low = self.chance.randint(0, 20)
        whole = self.chance.random() < 0.5
        high = low + self.chance.randint(50, 5_000)
        distinct = min(rows, high - low)
        return Column(column, "Int64" if whole else "Float64", "", distinct, 0.0, str(low), str(high))


def generated_catalogue(table_count: int, seed: int = 1) -> Catalogue:
    """A catalogue of that many tables; one of fewer tables is the beginning of one of more."""
    tables: list[Table] = []
    for number in range(table_count):
        department = _DEPARTMENTS[number // len(_KINDS) % len(_DEPARTMENTS)]
        maker = _Maker(random.Random(f"{seed} {number}"))
        tables.append(_table(maker, department, _KINDS[number % len(_KINDS)]))
    return Catalogue(tuple(tables), f"generated-{table_count}-{seed}")


def _table(
    maker: _Maker, department: str, kind: tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]
) -> Table:
    name, references, texts, numbers = kind
    rows = maker.chance.choice((120, 400, 800, 2_000, 40_000))
    columns = [Column("id", "UInt64", "", rows, 0.0, "1", str(rows))]
    for target in references:
        comment = f"references {department}_{target}.id"
        columns.append(
            Column(f"{target.removesuffix('s')}_id", "UInt64", comment, min(rows, 100), 0.0, "1", "100")
        )
    columns += [maker.text(column, rows) for column in texts]
    columns += [maker.number(column, rows) for column in numbers]
    columns.append(
        Column(
            "created_at",
            "DateTime",
            "",
            rows,
            0.0,
            f"{NOW_YEAR - 2}-01-01 00:00:00",
            f"{NOW_YEAR}-03-01 00:00:00",
        )
    )
    return Table(f"{department}_{name}", tuple(columns), rows, "", ("id",))


def generated_questions(catalogue: Catalogue, count: int, seed: int = 1) -> Sequence[str]:
    """Questions over a generated catalogue, no two the same: to be answered, put back or refused."""
    chance = random.Random(seed)
    made: dict[str, None] = {}
    while len(made) < count:
        table = chance.choice(catalogue.tables)
        made[_question(chance, table)] = None
    return tuple(made)


def _question(chance: random.Random, table: Table) -> str:
    said = table.name.replace("_", " ")
    texts = [column for column in table.columns if column.values]
    numbers = [c for c in table.columns if c.type in ("Int64", "Float64")]
    text, number = chance.choice(texts), chance.choice(numbers)
    measure, dimension = number.name.replace("_", " "), text.name.replace("_", " ")
    year, value = NOW_YEAR - chance.randint(0, 2), chance.choice(text.values)
    key = next((c.name.removesuffix("_id") for c in table.columns[1:] if c.name.endswith("_id")), "row")
    forms = (
        f"How many {said} were there in {year}?",
        f"average {measure} of {said} by {dimension}",
        f"total {measure} of {said} where {dimension} is {value}",
        f"top {chance.randint(3, 20)} {dimension} of {said} by {measure}",
        f"number of {said} per month in {year}",
        f"How many {said} with {measure} above {chance.randint(1, 90)} have {dimension} '{value}'?",
        f"Which {dimension} has the most {said}?",
        f"{said} with {value.split()[-1]}",
        f"average {measure} of {said} per {key}",
        f"what share of {said} has {dimension} {value}?",
        f"{measure} of {said} by {dimension}, {year} compared with {year - 1}",
        f"{said} without any {key}",
        f"total {measure[:-1]}x of {said} by {dimension}",
        f"how many {said} will there be next year?",
        f"list the unicorns of {said} by {dimension}",
    )
    return chance.choice(forms)

"""A hospital: wards, their doctors, patients and their stays."""

from __future__ import annotations

import datetime
import random

from tests.questions.databases import Database, Table, columns, day, moment

_WARDS = (
    ("Cardiology", "North", 3, 28),
    ("Maternity", "South", 1, 22),
    ("Orthopaedics", "North", 2, 34),
    ("Oncology", "East", 4, 18),
    ("Paediatrics", "South", 2, 26),
    ("Neurology", "East", 3, 16),
    ("Intensive Care", "North", 1, 12),
    ("Geriatrics", "West", 2, 40),
    ("Ophthalmology", "West", 1, 8),
    ("Burns Unit", "East", 1, 6),
)
_REASONS = ("fracture", "chest pain", "childbirth", "tumour", "infection", "stroke", "observation", "burn")
_CITIES = ("Leiden", "Delft", "Gouda", "Haarlem", "Utrecht", "Zeist")
_FIRST = ("Anna", "Bram", "Clara", "Daan", "Eva", "Finn", "Greta", "Hugo", "Iris", "Jan", "Kim", "Lars")
_LAST = ("de Boer", "Visser", "Smit", "Bakker", "Mulder", "Vos", "Kok", "Peters", "Maas", "Brandt")
_SPECIALTIES = (
    "cardiologist",
    "surgeon",
    "midwife",
    "oncologist",
    "paediatrician",
    "neurologist",
    "geriatrician",
)


def hospital() -> Database:
    """The database, always with the same rows."""
    chance = random.Random("hospital")
    wards = [(number, *ward) for number, ward in enumerate(_WARDS, 1)]
    doctors = _doctors(chance)
    patients = _patients(chance)
    stays = _stays(chance, doctors)
    return Database(
        "hospital",
        (
            Table(
                "wards",
                columns("ward_id UInt32, name String, building String, floor UInt8, beds UInt16"),
                wards,
            ),
            Table(
                "doctors",
                columns(
                    "doctor_id UInt32, full_name String, specialty String, ward_id UInt32 wards.ward_id,"
                    "hired_on Date"
                ),
                doctors,
            ),
            Table(
                "patients",
                columns(
                    "patient_id UInt32, full_name String, sex String, born_on Date32, city String,"
                    "blood_group Nullable(String)"
                ),
                patients,
            ),
            Table(
                "stays",
                columns(
                    "stay_id UInt32, patient_id UInt32 patients.patient_id, ward_id UInt32 wards.ward_id,"
                    "doctor_id UInt32 doctors.doctor_id, admitted_at DateTime,"
                    "discharged_at Nullable(DateTime), reason String, is_emergency Bool, cost_eur Float64"
                ),
                stays,
            ),
        ),
        "One stay is one patient on one ward; discharged_at is NULL while the patient is still in.",
    )


def _doctors(chance: random.Random) -> list[tuple[object, ...]]:
    names = [f"Dr {first} {last}" for first in _FIRST for last in _LAST]
    chance.shuffle(names)
    return [
        (
            100 + number,
            names[number],
            chance.choice(_SPECIALTIES),
            chance.randint(1, len(_WARDS) - 1),
            day(chance, "2008-01-01", "2025-12-31"),
        )
        for number in range(32)
    ]


def _patients(chance: random.Random) -> list[tuple[object, ...]]:
    return [
        (
            number,
            f"{chance.choice(_FIRST)} {chance.choice('ABCDEFGHJKLMNPRSTVWZ')}. {chance.choice(_LAST)}",
            chance.choice(("female", "female", "male")),
            day(chance, "1932-01-01", "2024-12-31"),
            chance.choices(_CITIES, weights=(30, 22, 15, 12, 9, 5))[0],
            chance.choice(("A", "B", "AB", "0", "0", "A", None)),
        )
        for number in range(1, 421)
    ]


def _stays(chance: random.Random, doctors: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    rows = []
    now = datetime.datetime(2026, 3, 18, 10, 20, tzinfo=datetime.UTC)
    weights = (30, 22, 26, 14, 18, 12, 9, 20, 5, 0)
    for number in range(1, 2401):
        ward = chance.choices(range(1, 11), weights=weights)[0]
        admitted = moment(chance, "2024-01-01", "2026-03-18")
        admitted = min(admitted, now - datetime.timedelta(minutes=chance.randint(5, 300)))
        length = datetime.timedelta(hours=chance.gammavariate(2, 30 + 4 * ward))
        left = (admitted + length).replace(microsecond=0)
        of_ward = [one[0] for one in doctors if one[3] == ward] or [doctors[-1][0]]
        rows.append(
            (
                5000 + number,
                chance.randint(1, 380),
                ward,
                chance.choice(of_ward),
                admitted,
                left if left < now else None,
                chance.choices(_REASONS, weights=(20, 18, 16, 10, 15, 9, 12, 2))[0],
                chance.random() < 0.3 + 0.02 * ward,
                round(180 + length.total_seconds() / 3600 * (9 + ward) + chance.random() * 400, 2),
            )
        )
    return sorted(rows, key=lambda row: str(row[4]))

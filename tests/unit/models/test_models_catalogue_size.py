"""What a model is told about many tables stays in bounds."""

from __future__ import annotations

from datetime import UTC, datetime

from aidatalabs_services.agent.models.prompts import View, question_text
from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table
from aidatalabs_services.agent.planner.index import CatalogueIndex

VALUES = tuple(f"value {number}" for number in range(50))


def test_hundreds_of_tables_stay_inside_of_the_message() -> None:
    tables = tuple(
        Table(
            f"area_{number}_readings",
            tuple(Column(f"reading_{place}", "String", values=VALUES) for place in range(3)),
            row_count=1,
        )
        for number in range(300)
    )
    index = CatalogueIndex(Catalogue(tables, "v1"))
    text = question_text("readings of area 77", index, View(60_000, 12), datetime(2026, 3, 4, tzinfo=UTC))
    assert len(text) < 60_000 + 30_000  # the rest are names
    assert text.count("area_") == 300

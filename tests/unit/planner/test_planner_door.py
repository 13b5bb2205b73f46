"""What the planner writes must pass the door that every query passes, and mean the same behind it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aidatalabs_services.data.statement_names import TableSchema
from aidatalabs_services.data.statements import admit
from tests.unit.planner.conftest import Asker
from tests.unit.planner.test_planner_metamorphic import _QUESTIONS


@pytest.mark.parametrize("name", sorted(_QUESTIONS))
def test_emitted_sql_passes_the_sql_door_and_gives_the_same_rows(
    asker: Callable[[str], Asker], name: str
) -> None:
    one = asker(name)
    schemas = {
        table.name: TableSchema(table.name, {c.name: c.type for c in table.columns if c.path_of is None})
        for table in one.database.catalogue.tables
    }
    for question in _QUESTIONS[name]:
        sql = one.planned(question).sql
        admitted = admit(sql, schemas, database=one.database.name)
        assert one.database.rows(admitted.sql) == one.database.rows(sql), question

"""Which tables rows may be sent to, and in which form."""

from __future__ import annotations

from aidatalabs_services.data.column_batches import ColumnBatch
from aidatalabs_services.data.errors import TableNotFound, TableProtected
from aidatalabs_services.data.ingest_batches import RowBatch
from aidatalabs_services.data.judged_batches import Batch
from aidatalabs_services.data.schema import Schema, TableSchema
from aidatalabs_services.data.standard_tables import EVENTS, is_dead_letters, is_protected
from aidatalabs_services.runtime.errors import FieldViolation, InvalidRequest


def ingest_table(schema: Schema, name: str, batch: Batch) -> TableSchema:
    """The table that a batch goes into.

    Raises TableNotFound, TableProtected, and InvalidRequest for events that were sent to another table.
    """
    described = schema.get(name)
    if described is None:
        raise TableNotFound(
            f"The platform has no table {name}. Create it first, or list the tables there are.",
            metadata={"table": name},
        )
    if is_dead_letters(described):
        raise TableProtected(
            f"Table {name} holds what was rejected; send rows to the tables themselves.",
            metadata={"table": name},
        )
    if is_protected(described) and name != EVENTS.name:
        raise TableProtected(
            f"Table {name} is kept by the engine; send events to {EVENTS.name} instead.",
            metadata={"table": name},
        )
    if name != EVENTS.name and not isinstance(batch, RowBatch | ColumnBatch):
        wrong = FieldViolation("events", f"goes into table {EVENTS.name} only; send rows to {name}")
        raise InvalidRequest("Events were sent to another table.", violations=[wrong])
    return described

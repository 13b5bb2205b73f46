"""Rows written in a test as the result message that the mesh would send."""

from __future__ import annotations

import csv
import datetime
import decimal
import json
import uuid
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any

from google.protobuf.struct_pb2 import Value

from aidatalabs.data.v1 import query_pb2, table_pb2
from aidatalabs_client.answers import QueryResult
from aidatalabs_client.row_messages import row_message

_INT64_MAX = 2**63 - 1
_CONTENT_TYPES = {
    "CSV": "text/csv; charset=utf-8",
    "JSONL": "application/x-ndjson",
    "PARQUET": "application/vnd.apache.parquet",
    "ARROW": "application/vnd.apache.arrow.stream",
}
_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "Bool"),  # before int, because it is one in Python
    (int, "Int64"),
    (float, "Float64"),
    (str, "String"),
    (datetime.datetime, "DateTime64(6)"),  # before date, because it is one in Python
    (datetime.date, "Date32"),
    (uuid.UUID, "UUID"),
    (Mapping, "JSON"),
)


def result_of(rows: Sequence[Mapping[str, Any]], max_rows: int = 0) -> query_pb2.Result:
    """The rows as a result, with all columns and the types of their values; what a row misses is None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    kept = rows[: max_rows or 1000]
    result = query_pb2.Result(
        columns=[
            table_pb2.Column(name=name, type=type_of([row.get(name) for row in rows])) for name in names
        ],
        row_count=len(kept),
        truncated=len(kept) < len(rows),
    )
    for row in kept:
        fields = row_message(row).fields
        result.rows.add().values.extend(fields[name] if name in fields else Value() for name in names)
    return result


def type_of(values: Sequence[Any]) -> str:
    """The ClickHouse type of a column with these values."""
    present = [value for value in values if value is not None]
    found = _plain_type(present)
    return f"Nullable({found})" if len(present) < len(values) and not found.startswith("Array") else found


def _plain_type(values: Sequence[Any]) -> str:
    if values and all(isinstance(value, decimal.Decimal) for value in values):
        return f"Decimal(38, {max(-int(value.as_tuple().exponent) for value in values)})"
    if values and all(isinstance(value, list | tuple) for value in values):
        return f"Array({type_of([each for value in values for each in value])})"
    kinds = {next((name for kind, name in _TYPES if isinstance(value, kind)), "String") for value in values}
    if kinds == {"Int64"} and max(values) > _INT64_MAX:
        return "UInt64"
    if kinds == {"Int64", "Float64"}:
        return "Float64"
    return kinds.pop() if len(kinds) == 1 else "String"


def arrow_stream(result: query_pb2.Result) -> bytes:
    """The result as one Arrow IPC stream."""
    import pyarrow as pa

    table = _table(result)
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file_of(result: query_pb2.Result, form: str) -> tuple[str, bytes]:
    """Content type and bytes of the result as a file: CSV, JSONL, PARQUET or ARROW."""
    if form == "ARROW":
        return _CONTENT_TYPES[form], arrow_stream(result)
    table, sink = _table(result), BytesIO()
    if form == "PARQUET":
        import pyarrow.parquet

        pyarrow.parquet.write_table(table, sink)
    elif form == "CSV":
        text = StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(table.column_names)
        writer.writerows(row.values() for row in table.to_pylist())
        sink.write(text.getvalue().encode())
    else:
        lines = (json.dumps(row, default=str) for row in table.to_pylist())
        sink.write("".join(f"{line}\n" for line in lines).encode())
    return _CONTENT_TYPES[form], sink.getvalue()


def _table(result: query_pb2.Result) -> Any:
    from aidatalabs.data.v1 import data_service_pb2

    return QueryResult(data_service_pb2.QueryResponse(result=result)).arrow()

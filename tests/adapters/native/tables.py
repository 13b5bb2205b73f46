"""Two tables of one shape: one takes encoded blocks, the other the same rows as JSONEachRow."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from aidatalabs_services.data.native.block import NativeColumn, encode_block

ROWS = {"precise_float_parsing": 1, "input_format_null_as_default": 0}


class Tables:
    """Makes tables in the engine and fills them; the HTTP path reads a memfd with FROM INFILE."""

    def __init__(self, client: Client, engine: str = "MergeTree ORDER BY tuple()") -> None:
        self._client = client
        self._engine = engine
        self._numbers = itertools.count()

    def in_memory(self) -> Tables:
        """The same with tables that touch no disk: quicker, for many small ones."""
        quick = Tables(self._client, "Memory")
        quick._numbers = self._numbers
        return quick

    def make(self, types: Mapping[str, str]) -> str:
        """A new table of these columns."""
        name = f"t{next(self._numbers)}"
        columns = ", ".join(f"`{column}` {kind}" for column, kind in types.items())
        self._client.command(
            f"CREATE TABLE {name} ({columns}) ENGINE = {self._engine}",
            settings={"allow_suspicious_low_cardinality_types": 1},
        )
        return name

    def drop(self, *names: str) -> None:
        for name in names:
            self._client.command(f"DROP TABLE {name}")

    def insert_block(self, table: str, block: bytes) -> None:
        self._client.raw_insert(table, insert_block=block, fmt="Native")

    def insert_rows(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        self._client.raw_insert(table, insert_block=text.encode(), fmt="JSONEachRow", settings=ROWS)

    def read(self, sql: str) -> list[list[Any]]:
        """The rows of a query as JSON values."""
        raw = self._client.raw_query(
            sql,
            fmt="JSONCompactEachRow",
            settings={
                "output_format_json_quote_64bit_integers": 0,
                "output_format_json_quote_decimals": 1,
                "output_format_json_quote_denormals": 1,
            },
        )
        return [json.loads(line) for line in raw.decode().split("\n") if line]

    def stored(self, types: Mapping[str, str], batch: pa.RecordBatch, sql: str = "*") -> list[list[Any]]:
        """What a table of these types holds after the encoded batch: `sql` of every row, in their order."""
        table = self.make(types)
        self.insert_block(table, encoded(types, batch))
        rows = self.read(f"SELECT {sql} FROM {table}")
        self.drop(table)
        return rows

    def stored_from_rows(
        self, types: Mapping[str, str], rows: Sequence[Mapping[str, Any]], sql: str = "*"
    ) -> list[list[Any]]:
        """The same after the rows as JSONEachRow."""
        table = self.make(types)
        self.insert_rows(table, rows)
        found = self.read(f"SELECT {sql} FROM {table}")
        self.drop(table)
        return found


def encoded(types: Mapping[str, str], batch: pa.RecordBatch) -> bytes:
    """The block of a batch as one piece of bytes."""
    return b"".join(encode_block(batch, [NativeColumn(name, kind) for name, kind in types.items()]))

"""Writing an invented database as a question pack holds it: schema.sql, db.json, a Parquet file a table."""

from __future__ import annotations

import datetime
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_ARROW = {
    "String": pa.string(),
    "LowCardinality(String)": pa.string(),
    "JSON": pa.string(),
    "UInt8": pa.uint8(),
    "UInt16": pa.uint16(),
    "UInt32": pa.uint32(),
    "UInt64": pa.uint64(),
    "Int32": pa.int32(),
    "Int64": pa.int64(),
    "Float64": pa.float64(),
    "Bool": pa.bool_(),
    "Date": pa.date32(),
    "Date32": pa.date32(),
    "DateTime": pa.timestamp("s", tz="UTC"),
    "DateTime64(3)": pa.timestamp("ms", tz="UTC"),
}


@dataclass(frozen=True)
class Column:
    """A column with its ClickHouse type; `references` is the `table.column` that it points to."""

    name: str
    type: str
    references: str = ""

    @property
    def arrow(self) -> pa.Field:
        """The column of the Parquet file."""
        inner = (
            self.type.removeprefix("Nullable(").removesuffix(")") if "Nullable" in self.type else self.type
        )
        return pa.field(self.name, _ARROW[inner], nullable="Nullable" in self.type)

    @property
    def declared(self) -> str:
        """The column as CREATE TABLE has it."""
        comment = f" COMMENT 'references {self.references}'" if self.references else ""
        return f"    `{self.name}` {self.type}{comment}"


def columns(told: str) -> tuple[Column, ...]:
    """The columns of a text such as `id UInt32, boat_id UInt32 boats.id`."""
    return tuple(Column(*one.split()) for one in told.split(","))


@dataclass(frozen=True)
class Table:
    """A table and all of its rows, each as a tuple in the columns' order."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[tuple[Any, ...]]
    order_by: str = "tuple()"

    @property
    def created(self) -> str:
        """The columns and the engine of CREATE TABLE."""
        inside = ",\n".join(column.declared for column in self.columns)
        return f"\n(\n{inside}\n)\nENGINE = MergeTree ORDER BY {self.order_by};\n"

    def content(self) -> pa.Table:
        """The rows as the Parquet file has them."""
        schema = pa.schema([column.arrow for column in self.columns])
        names = [column.name for column in self.columns]
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in self.rows], schema)


@dataclass(frozen=True)
class Database:
    """A database of a pack; `name` is what questions call it, `stored_as` its name in ClickHouse."""

    name: str
    tables: tuple[Table, ...]
    notes: str
    stored_as: str = ""

    def write(self, folder: Path) -> None:
        """Writes the database's files into a folder, which is made where it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        database = self.stored_as or self.name
        statements = [f"CREATE DATABASE IF NOT EXISTS `{database}`;\n"]
        for table in self.tables:
            statements.append(f"CREATE TABLE `{database}`.`{table.name}`{table.created}")
            pq.write_table(table.content(), folder / f"{table.name}.parquet", compression="zstd")
        (folder / "schema.sql").write_text("\n".join(statements))
        (folder / "db.json").write_text(json.dumps(self._described(database), indent=1) + "\n")

    def _described(self, database: str) -> dict[str, Any]:
        return {
            "db": self.name,
            "clickhouse_database": database,
            "source": "invented, seeded, written for this set",
            "notes": self.notes,
            "tables": [
                {
                    "name": table.name,
                    "file": f"{table.name}.parquet",
                    "rows": len(table.rows),
                    "columns": [[column.name, column.type] for column in table.columns],
                }
                for table in self.tables
            ],
            "foreign_keys": [
                f"{table.name}.{column.name} = {column.references}"
                for table in self.tables
                for column in table.columns
                if column.references
            ],
        }


def written_pack(folder: Path, name: str, now: str, databases: Sequence[Database]) -> None:
    """Writes all of a pack but cases.json, which is written by hand; questions.jsonl is taken from it."""
    about = {"name": name, "now": now, "timezone": "UTC", "version": 1}
    (folder / "pack.json").write_text(json.dumps(about, indent=1) + "\n")
    cases = json.loads((folder / "cases.json").read_text())
    lines = [json.dumps({key: case[key] for key in ("id", "db", "question")}) for case in cases]
    (folder / "questions.jsonl").write_text("\n".join(lines) + "\n")
    for database in databases:
        database.write(folder / "databases" / database.name)


def moment(chance: random.Random, first: str, last: str) -> datetime.datetime:
    """A whole second between two days, both included; more of them by day than by night."""
    begin, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    day = begin + datetime.timedelta(days=chance.randint(0, (end - begin).days))
    second = min(86_399, max(0, int(chance.gauss(14 * 3600, 4 * 3600))))
    start = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    return start + datetime.timedelta(seconds=second)


def day(chance: random.Random, first: str, last: str) -> datetime.date:
    """A day between two days, both included."""
    begin, end = datetime.date.fromisoformat(first), datetime.date.fromisoformat(last)
    return begin + datetime.timedelta(days=chance.randint(0, (end - begin).days))

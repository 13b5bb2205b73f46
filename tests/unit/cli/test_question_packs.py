"""Question packs: what is read of them, and what is told of broken ones."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import json_format

from aidatalabs_services.cli.evaluation import row_batches, write_lines
from aidatalabs_services.cli.failures import CommandFailed
from aidatalabs_services.cli.question_packs import Pack, PackColumn, PackUnreadable

SCHEMA = """
CREATE DATABASE IF NOT EXISTS ferry;
CREATE TABLE `ferry`.`boats` (`id` UInt32, name LowCardinality(String)) ENGINE = MergeTree ORDER BY tuple();
CREATE TABLE ferry.trips (
    `day` Nullable(Date) COMMENT 'when it left',
    boat UInt32,
    at DateTime64(3, 'UTC'),
    kind Enum8('there' = 1, 'back' = 2),
    price Decimal(10, 2),
    extra JSON
) ENGINE = MergeTree PARTITION BY toYYYYMM(at) ORDER BY (at, boat)
TTL at + INTERVAL 3 DAY COMMENT 'One a trip.';
"""
DATABASE: dict[str, Any] = {
    "tables": [{"name": "trips", "file": "trips.parquet"}, {"name": "boats", "file": "boats.parquet"}],
    "foreign_keys": ["trips.boat = boats.id", "trips.day = boats.id"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pack of two tables; its Parquet files are only named."""
    (tmp_path / "databases" / "ferry").mkdir(parents=True)
    write(tmp_path, "pack.json", {"name": "tiny", "now": "2025-06-30 17:45:00", "timezone": "UTC"})
    write(tmp_path, "databases/ferry/db.json", DATABASE)
    (tmp_path / "databases/ferry/schema.sql").write_text(SCHEMA)
    for name in ("trips", "boats"):
        (tmp_path / f"databases/ferry/{name}.parquet").touch()
    lines = [
        {"id": "a", "db": "ferry", "question": "how many?"},
        {"id": "b", "db": "ferry", "question": "why?"},
    ]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    (tmp_path / "cases.json").mkdir()  # whoever reads it fails
    return tmp_path


def write(folder: Path, name: str, content: object) -> None:
    (folder / name).write_text(json.dumps(content))


def test_a_pack_has_its_clock_and_its_questions_in_order(folder: Path) -> None:
    pack = Pack.read(folder)
    assert (pack.name, pack.now) == ("tiny", datetime(2025, 6, 30, 17, 45, tzinfo=UTC))
    assert [(one.id, one.text) for one in pack.questions] == [("a", "how many?"), ("b", "why?")]
    assert pack.databases == ("ferry",)


def test_a_clock_of_another_zone_is_that_moment(folder: Path) -> None:
    write(folder, "pack.json", {"now": "2025-06-30 19:45:00", "timezone": "Europe/Vienna"})
    assert Pack.read(folder).now == datetime(2025, 6, 30, 17, 45, tzinfo=UTC)


def test_a_schema_becomes_what_create_table_takes(folder: Path) -> None:
    trips, boats = Pack.read(folder).tables("ferry")
    assert trips.columns == (
        PackColumn("day", "Nullable(Date)", "when it left"),
        PackColumn("boat", "UInt32", "references boats.id"),
        PackColumn("at", "DateTime64(3, 'UTC')"),
        PackColumn("kind", "Enum8('there' = 1, 'back' = 2)"),
        PackColumn("price", "Decimal(10, 2)"),
        PackColumn("extra", "JSON"),
    )
    assert (trips.order_by, trips.comment, trips.file.name) == (
        ("at", "boat"),
        "One a trip.",
        "trips.parquet",
    )
    assert (boats.name, boats.order_by) == ("boats", ())
    assert boats.columns[1].type == "LowCardinality(String)"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("pack.json", "{", "not JSON"),
        ("pack.json", '{"name": "x"}', "now should be a moment"),
        ("pack.json", '{"now": "2025-06-30", "timezone": "Mars/North"}', "timezone a zone"),
        ("questions.jsonl", '{"id": "a"}', "line 1 should hold id, db and question"),
        ("questions.jsonl", '{"id": "a", "db": "../up", "question": "q"}', "a db that is no name"),
        ("questions.jsonl", "", "no question"),
        ("databases/ferry/schema.sql", "DROP TABLE ferry.trips", "something else than CREATE"),
        ("databases/ferry/schema.sql", "CREATE TABLE (((", "not SQL that can be read"),
        ("databases/ferry/schema.sql", "CREATE TABLE t (a Int8)", "creates no table 'trips'"),
        ("databases/ferry/db.json", "{}", "names no tables"),
        (
            "databases/ferry/db.json",
            '{"tables": [{"name": "trips", "file": "../../x.parquet"}]}',
            "it is missing",
        ),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(folder: Path, name: str, content: str, told: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(PackUnreadable, match=told):
        Pack.read(folder).tables("ferry")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_json_text_becomes_objects(kind: pa.DataType) -> None:
    texts = ['{"a": {"b": [1, "x", null]}}', "{}", None]
    content = pa.table({"id": [1, 2, 3], "extra": pa.array(texts, kind)})
    (rows,) = row_batches(content, ["extra"])
    assert [json_format.MessageToDict(row) for row in rows] == [
        {"id": 1.0, "extra": {"a": {"b": [1.0, "x", None]}}},
        {"id": 2.0, "extra": {}},
        {"id": 3.0},
    ]


def test_batches_of_wide_rows_fit_into_a_call() -> None:
    wide = pa.table({"text": ["x" * 1_000_000] * 10})
    sizes = [sum(row.ByteSize() for row in rows) for rows in row_batches(wide, [])]
    assert len(sizes) == 3
    assert max(sizes) < 5_000_000


def test_lines_are_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_lines([{"id": "a", "sql": "SELECT 'ö'", "ms": 1.5}], path)
    assert path.read_text() == '{"id": "a", "sql": "SELECT \'ö\'", "ms": 1.5}\n'
    with pytest.raises(TypeError):
        write_lines([{"id": object()}], path)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_pack_that_is_none_is_told_as_a_failed_command(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="No such file"):
        Pack.read(tmp_path)

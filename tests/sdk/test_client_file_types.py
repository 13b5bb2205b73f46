"""A file's values for a table that is there: what it keeps as text is read as it is written."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from google.protobuf import json_format

from aidatalabs_client import FileUnreadable, SyncClient, read_file
from aidatalabs_client.testing import FakeServer

P = "platforms/demo"


def rows(path: Path, kinds: dict[str, str] | None = None) -> list[dict[str, Any]]:
    content = read_file(path, None if kinds is None else kinds.items())
    return [json_format.MessageToDict(row) for batch in content.batches() for row in batch]


def test_numbers_days_and_flags_of_a_csv_are_text_in_columns_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "Phone No,day,flag,kind,at\n5550100,2026-01-02,TRUE,1,2026-01-02 03:04:05\n42,2026-01-03,no,2,\n"
    )
    kinds = {
        "phone_no": "String",
        "day": "LowCardinality(String)",
        "flag": "Nullable(String)",
        "kind": "Enum8('1' = 1, '2' = 2)",
        "at": "LowCardinality(Nullable(String))",
    }
    assert rows(path, kinds) == [
        {
            "phone_no": "5550100",
            "day": "2026-01-02",
            "flag": "TRUE",
            "kind": "1",
            "at": "2026-01-02 03:04:05",
        },
        {"phone_no": "42", "day": "2026-01-03", "flag": "no", "kind": "2", "at": None},
    ]


def test_decimals_of_a_csv_keep_the_digits_that_a_double_would_lose(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("price,rate\n1234567890123.456789,1.5\n2,1e3\n")
    kinds = {"price": "Decimal(38, 6)", "rate": "Nullable(Decimal(9, 2))"}
    assert rows(path, kinds) == [
        {"price": "1234567890123.456789", "rate": 1.5},
        {"price": "2", "rate": 1000.0},
    ]
    assert rows(path)[0]["price"] == pytest.approx(1234567890123.4568)


def test_a_time_of_day_is_the_text_that_it_is_with_a_table_and_without(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("opens\n05:15\n23:00\n")
    assert read_file(path).columns() == [("opens", "String")]
    assert rows(path) == rows(path, {"opens": "String"}) == [{"opens": "05:15"}, {"opens": "23:00"}]


def test_text_of_json_lines_that_looks_like_a_time_stays_text(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"o": {"day": "2026-01-02", "l": ["2026-01-02 03:04:05"]}, "note": "2026-01-02", '
        '"at": "2026-01-02"}\n'
    )
    nested = {"day": "2026-01-02", "l": ["2026-01-02 03:04:05"]}
    kinds = {"o": "JSON", "note": "String", "at": "DateTime64(3)"}
    assert rows(path, kinds) == [{"o": nested, "note": "2026-01-02", "at": "2026-01-02T00:00:00.000Z"}]
    assert rows(path)[0]["o"] == nested
    assert rows(path, {"o": "JSON", "note": "String", "at": "Date"})[0]["at"] == "2026-01-02"


def test_whole_numbers_of_json_lines_beyond_64_bits_are_never_rounded_unseen(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"card": 12345678901234567891234}\n')
    with pytest.raises(FileUnreadable, match="whole numbers of more than 64 bits; put them in quotes"):
        read_file(path)
    assert rows(path, {"card": "Float64"})[0]["card"] == pytest.approx(1.2345678901234568e22)


def test_a_byte_order_mark_before_json_lines_is_no_part_of_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"n": 1}\r\n{"n": 2}\r\n')
    assert rows(path) == [{"n": 1}, {"n": 2}]


def test_maps_bytes_and_nanoseconds_of_parquet_arrive_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "attributes": pa.array([[("size", 1)], None], pa.map_(pa.string(), pa.int64())),
            "word": pa.array(["é".encode(), None]),
            "at": pa.array([1_700_000_000_123_456_789, -1], pa.timestamp("ns", "UTC")),
            "inside": pa.array([{"at": datetime.datetime(2026, 1, 2, 3, 4, 5)}, {"at": None}]),
        }
    )
    pa.parquet.write_table(table, path)
    assert read_file(path).columns() == [
        ("attributes", "JSON"),
        ("word", "Nullable(String)"),
        ("at", "DateTime64(9)"),
        ("inside", "JSON"),
    ]
    assert rows(path) == [
        {
            "attributes": {"size": 1},
            "word": "é",
            "at": "2023-11-14T22:13:20.123456789Z",
            "inside": {"at": "2026-01-02T03:04:05.000Z"},
        },
        {"attributes": {}, "word": None, "at": "1969-12-31T23:59:59.999999999Z", "inside": {"at": None}},
    ]


def test_bytes_that_are_no_text_are_refused_whatever_the_table_is(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pa.parquet.write_table(pa.table({"word": pa.array([b"\xff\xfe"])}), path)
    with pytest.raises(FileUnreadable, match="column word: its text is not UTF-8"):
        read_file(path, [("word", "String")])


def test_rows_with_objects_are_written_only_where_the_file_can_hold_them(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1, "o": {"p": 1}}\n')
    content = read_file(path)
    with pytest.raises(FileUnreadable, match="cannot hold the objects of column o"):
        content.write(tmp_path / "b.csv")
    assert not (tmp_path / "b.csv").exists()
    content.write(tmp_path / "b.jsonl")
    assert rows(tmp_path / "b.jsonl") == rows(path)


def test_a_file_of_digits_goes_into_a_table_of_text(tmp_path: Path) -> None:
    """The first file made the column one of text; that the second holds digits only changes nothing."""
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    first.write_text("code\nA1\n")
    second.write_text("code\n10\n")
    with FakeServer() as fake, SyncClient(fake.address, "t") as client:
        client.ingest_file(P, first, table="codes", create=True)
        stored = client.ingest_file(P, second, table="codes")
        again = client.ingest_file(P, second, table="codes", again=True)
        assert (stored.accepted_count, again.accepted_count) == (1, 1)
        assert [row["code"] for row in fake.rows("codes")] == ["A1", "10", "10"]


def test_json_lines_whose_values_change_their_kind_are_read_and_judged_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": 1, "p": {"k": 1, "day": "2026-01-02"}, "n": 1}\n\n'
        '{"id": "x", "p": {"k": "é", "deep": [{"a": null}]}, "n": 2.5}\n'
        '{"id": true, "late": 12345678901234567890123}\n'
    )
    content = read_file(path)
    assert content.columns() == [
        ("id", "String"),
        ("p", "JSON"),
        ("n", "Nullable(Float64)"),
        ("late", "Nullable(String)"),
    ]
    found = rows(path, {"id": "Int64", "p": "JSON", "n": "Nullable(Float64)"})
    assert found[0] == {"id": "1", "p": {"k": 1, "day": "2026-01-02"}, "n": 1, "late": None}
    assert found[1]["p"] == {"k": "é", "deep": [{"a": None}]}
    assert (found[2]["id"], found[2]["late"]) == ("true", "12345678901234567890123")
    sent = [row.fields["id"].WhichOneof("kind") for row in content.as_stored([("id", "Int64")]).batch(0)]
    assert sent == ["number_value", "string_value", "string_value"], "what is a number travels as one"
    content.write(tmp_path / "b.jsonl")
    assert rows(tmp_path / "b.jsonl") == rows(path)


def test_lists_read_line_by_line_go_into_columns_of_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1, "l": [1, "x"]}\n{"id": "x"}\n')
    assert [row["l"] for row in rows(path, {"id": "String", "l": "Array(String)"})] == [[1, "x"], None]
    with pytest.raises(FileUnreadable, match=r"column l: .* flatten them first"):
        read_file(path).columns()


def test_a_line_that_is_no_object_is_told_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": "x"}\n{"a": NaN}\n')
    with pytest.raises(FileUnreadable, match=r"a\.jsonl: line 3 is not JSON"):
        read_file(path)

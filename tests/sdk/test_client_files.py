"""Files as tables: types inferred from all of a file, values exact, clear words for what cannot be read."""

from __future__ import annotations

import datetime
import gzip
import math
import tracemalloc
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from google.protobuf import json_format

from aidatalabs_client import DataFile, FileUnreadable, read_file
from aidatalabs_client.files import column_name, rows_of


def csv(tmp_path: Path, text: str | bytes, name: str = "orders.csv") -> DataFile:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_file(path)


def rows(content: DataFile) -> list[dict[str, Any]]:
    return [json_format.MessageToDict(row) for batch in content.batches() for row in batch]


def unreadable(path: Path) -> str:
    with pytest.raises(FileUnreadable) as caught:
        read_file(path).columns()
    return str(caught.value)


def test_types_are_inferred_from_the_values(tmp_path: Path) -> None:
    content = csv(
        tmp_path,
        "id,ratio,day,at,zoned,flag,note,clock\n"
        "1,0.5,2026-01-02,2026-01-02 03:04:05,2026-01-02T03:04:05+02:00,true,x,05:15:00\n"
        "2,1,2026-01-03,2026-01-02 03:04:05.678,2026-01-02T03:04:05Z,false,7,23:59:59\n",
    )
    assert content.columns() == [
        ("id", "Int64"),
        ("ratio", "Float64"),
        ("day", "Date32"),
        ("at", "DateTime64(3)"),
        ("zoned", "DateTime64(3)"),
        ("flag", "Bool"),
        ("note", "String"),
        ("clock", "String"),
    ]
    assert rows(content)[0] == {
        "id": 1,
        "ratio": 0.5,
        "day": "2026-01-02",
        "at": "2026-01-02T03:04:05.000Z",
        "zoned": "2026-01-02T01:04:05.000Z",
        "flag": True,
        "note": "x",
        "clock": "05:15:00",
    }


@pytest.mark.parametrize("word", ["", "NA", "NULL", "NaN", "None", '""'])
def test_a_missing_value_makes_its_column_nullable(tmp_path: Path, word: str) -> None:
    content = csv(tmp_path, f"id,n,t\n1,2,x\n2,{word},{word}\n")
    assert content.columns() == [("id", "Int64"), ("n", "Nullable(Int64)"), ("t", "Nullable(String)")]
    assert rows(content)[1] == {"id": 2, "n": None, "t": None}


def test_a_type_is_that_of_all_rows_however_late_one_differs(tmp_path: Path) -> None:
    lines = "\n".join(str(number) for number in range(400_000))
    assert csv(tmp_path, f"n\n{lines}\nlast\n").columns() == [("n", "String")]


def test_quotes_commas_and_line_breaks_inside_values_survive(tmp_path: Path) -> None:
    content = csv(tmp_path, 'id,note\n1,"a, ""b""\nand c"\n2,\'x\'\n')
    assert [row["note"] for row in rows(content)] == ['a, "b"\nand c', "'x'"]


def test_codes_with_leading_zeros_stay_as_written(tmp_path: Path) -> None:
    content = csv(tmp_path, "zip,n,zero\n01234,10,0\n90210,20,0\n")
    assert content.columns() == [("zip", "String"), ("n", "Int64"), ("zero", "Int64")]
    assert [row["zip"] for row in rows(content)] == ["01234", "90210"]


def test_numbers_longer_than_64_bits_stay_as_written(tmp_path: Path) -> None:
    content = csv(tmp_path, "card,fits\n12345678901234567891234,9223372036854775807\n7,1\n")
    assert content.columns() == [("card", "String"), ("fits", "Int64")]
    assert rows(content)[0] == {"card": "12345678901234567891234", "fits": "9223372036854775807"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("hireDate", "hire_date"),
        ("StudentNo", "student_no"),
        ("ExamID", "exam_id"),
        ("HTTPStatus", "http_status"),
        ("KPIs", "kpis"),
        ("ID", "id"),
        ("policyno", "policyno"),
        ("A1", "a1"),
    ],
)
def test_the_words_of_a_camel_case_header_are_told_apart(header: str, name: str) -> None:
    assert column_name(header) == name


def test_headers_become_names_that_a_table_may_have(tmp_path: Path) -> None:
    content = csv(tmp_path, "Größe (cm),Total €,2024,名称,Été,数量\n1,2,3,4,5,6\n")
    assert [name for name, _ in content.columns()] == [
        "grosse_cm",
        "total",
        "_2024",
        "column_4",
        "ete",
        "column_6",
    ]
    assert len(column_name("x" * 100)) == 63


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    assert [name for name, _ in csv(tmp_path, b"\xef\xbb\xbfid,n\n1,2\n").columns()] == ["id", "n"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.csv", b"", "Empty CSV file"),
        ("a.csv", b"a,b\n1,2\n3\n", "line 3 has 1 field, the header has 2"),
        ("a.csv", b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header has 2"),
        ("a.csv", b"Total,total\n1,2\n", "names of their own, got total, total"),
        ("a.csv", b"a\n\xff\xfe\xff\n", "column a: its text is not UTF-8"),
        ("a.csv.gz", b"no gzip", "it is damaged"),
        ("a.csv.zip", b"no zip", "it is not a zip archive"),
        ("a.jsonl", b"", "Empty JSON file"),
        ("a.jsonl", b'{"a": 1\n', "JSON parse error"),
        ("a.jsonl", b'{"a": [[1]]}\n', "flatten them first"),
        ("a.parquet", b"no parquet at all", "Parquet"),
        ("a.xlsx", b"x", "its ending should be .csv"),
        ("noending", b"x", "its ending should be .csv"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line_with_the_file_or_column(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    told = unreadable(path)
    assert words in told
    assert told.startswith((f"{name}: ", "column a: "))
    assert "\n" not in told
    assert str(tmp_path) not in told


def test_a_file_that_is_not_there_stays_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "missing.csv")


def test_a_zip_with_one_csv_is_read_and_one_with_two_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "n\n1\n")
        archive.writestr("README.txt", "about a.csv")
    assert rows(read_file(path)) == [{"n": 1}]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("b.csv", "n\n2\n")
    assert unreadable(path) == "a.csv.zip: it should hold one .csv file, it holds 2"


def test_gzip_tsv_and_jsonl_hold_the_same_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"n,t\n1,x\n"))
    (tmp_path / "a.tsv").write_text("n\tt\n1\tx\n")
    (tmp_path / "a.jsonl").write_text('{"n": 1, "t": "x"}\n')
    for name in ("a.csv.gz", "a.tsv", "a.jsonl"):
        assert rows(read_file(tmp_path / name)) == [{"n": 1, "t": "x"}]


def test_jsonl_keys_may_be_missing_and_objects_become_json(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\n{"n": 2.5, "o": {"p": [1, "x"]}}\n'.replace('[1, "x"]', '{"q": 1}'))
    content = read_file(path)
    assert content.columns() == [("n", "Float64"), ("o", "JSON")]
    assert [row["o"] for row in rows(content)] == [{}, {"p": {"q": 1}}]


def test_a_line_of_json_longer_than_a_block_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"t": "' + "x" * 3_000_000 + '"}\n{"t": "y"}\n')
    assert read_file(path).row_count == 2


def test_integers_beyond_double_precision_decimals_and_times_travel_as_text() -> None:
    far = 2**53
    stamp = datetime.datetime(2026, 1, 2, 3, 4, 5, 678_912, tzinfo=datetime.UTC)
    table = pa.table(
        {
            "near": pa.array([2**53 - 1, 1 - 2**53]),
            "far": pa.array([far, -1]),
            "unsigned": pa.array([2**64 - 1, 0], pa.uint64()),
            "price": pa.array([Decimal("1.10"), None], pa.decimal128(30, 2)),
            "at": pa.array([stamp, None], pa.timestamp("us", tz="UTC")),
            "nanos": pa.array([1, 1_999_999], pa.timestamp("ns")),
            "nan": pa.array([math.nan, 0.1]),
        }
    )
    first, second = [json_format.MessageToDict(row) for row in rows_of(table)]
    assert first == {
        "near": 2**53 - 1,
        "far": str(far),
        "unsigned": str(2**64 - 1),
        "price": "1.10",
        "at": "2026-01-02T03:04:05.678912Z",
        "nanos": "1970-01-01T00:00:00.000000001Z",
        "nan": None,
    }
    assert (second["far"], second["nanos"], second["nan"]) == ("-1", "1970-01-01T00:00:00.001999999Z", 0.1)
    types = dict(DataFile(table).columns())
    assert types["price"] == "Nullable(Decimal(30, 2))"
    assert (types["unsigned"], types["far"]) == ("UInt64", "Int64")
    assert types["nanos"] == "DateTime64(9)"
    assert types["nan"] == "Nullable(Float64)", "its NaN travels as null"


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "small": pa.array([1, 2], pa.int8()),
            "word": pa.array(["a", None]).dictionary_encode(),
            "single": pa.array([0.5, 1.5], pa.float32()),
            "day": pa.array([datetime.date(2026, 1, 2)] * 2, pa.date64()),
        }
    )
    pa.parquet.write_table(table, path)
    content = read_file(path)
    assert content.columns() == [
        ("small", "Int8"),
        ("word", "Nullable(String)"),
        ("single", "Float32"),
        ("day", "Date32"),
    ]
    assert rows(content)[0] == {"small": 1, "word": "a", "single": 0.5, "day": "2026-01-02"}


def test_batches_hold_all_rows_in_order_within_both_limits(tmp_path: Path) -> None:
    table = pa.table(
        {"n": list(range(25_000)), "t": ["x" * (5_000 if n < 3000 else 1) for n in range(25_000)]}
    )
    batches = list(DataFile(table).batches())
    assert max(len(batch) for batch in batches) <= 10_000
    assert max(sum(row.ByteSize() for row in batch) for batch in batches) <= 4 * 1024 * 1024
    assert [row.fields["n"].number_value for batch in batches for row in batch] == list(range(25_000))
    again = [len(batch) for batch in DataFile(table).batches()]
    assert again == [len(batch) for batch in batches], "request ids count batches: they must not move"


def test_a_row_larger_than_a_batch_travels_alone() -> None:
    table = pa.table({"t": ["a", "b" * 5_000_000, "c"]})
    assert [len(batch) for batch in DataFile(table).batches()] == [1, 1, 1]


def test_a_file_without_rows_makes_no_batch(tmp_path: Path) -> None:
    content = csv(tmp_path, "id,note\n")
    assert (content.row_count, list(content.batches())) == (0, [])
    assert content.columns() == [("id", "String"), ("note", "String")]


def test_moments_finer_than_milliseconds_get_a_column_that_keeps_them() -> None:
    moments = [datetime.datetime(2026, 1, 2, 3, 4, 5, micros, tzinfo=datetime.UTC) for micros in (0, 678_000)]
    fine = [*moments, moments[0] + datetime.timedelta(microseconds=1)]
    content = DataFile(
        pa.table(
            {
                "whole": pa.array([*moments, None], pa.timestamp("us", "UTC")),
                "fine": pa.array(fine, pa.timestamp("us", "UTC")),
                "none": pa.array([None] * 3, pa.timestamp("ns")),
                "seconds": pa.array([0, 1, 2], pa.timestamp("s")),
            }
        )
    )
    assert [kind for _, kind in content.columns()] == [
        "Nullable(DateTime64(3))",
        "DateTime64(6)",
        "Nullable(DateTime64(3))",
        "DateTime64(3)",
    ]


@pytest.mark.parametrize("ending", ["csv.zip", "csv.gz"])
def test_a_small_file_that_unpacks_to_too_much_is_refused_before_it_fills_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr("aidatalabs_client.csv_files.LARGEST_BYTES", 1_000_000)
    path, content = tmp_path / f"bomb.{ending}", b"a\n" + b"1\n" * 20_000_000
    if ending == "csv.gz":
        path.write_bytes(gzip.compress(content, 1))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb.csv", content)
    del content
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    tracemalloc.start()
    try:
        with pytest.raises(FileUnreadable, match="more than 2 GiB"):
            read_file(path)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    assert pool.bytes_allocated() - before < 8_000_000

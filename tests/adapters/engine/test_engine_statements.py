"""The gate's own reading of SQL text: where rows begin, which words count, what a KILL becomes."""

from __future__ import annotations

import pytest

from aidatalabs_services.data.engine.faults import EngineFault, fault_of
from aidatalabs_services.data.engine.statements import Kind, admit, insert_head


@pytest.mark.parametrize(
    ("text", "format_name", "rows"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01\x02", "Native", b"\x01\x02"),
        (b"INSERT INTO t FORMAT Native \t\r\n\n\x02", "Native", b"\n\x02"),
        (b"insert into db.`fo rmat` (a, `b`) settings x = 'FORMAT CSV', y=1 format CSV\n1,2", "CSV", b"1,2"),
        (b"INSERT INTO t VALUES ('has FORMAT CSV inside')", "Values", b" ('has FORMAT CSV inside')"),
        (b"INSERT INTO values VALUES (1)", "Values", b" (1)"),
        (b"INSERT INTO db.format FORMAT Values (1)", "Values", b" (1)"),
        (b"INSERT INTO TABLE t (a) -- FORMAT X\n FORMAT /* y */ JSONEachRow {}", "JSONEachRow", b"{}"),
    ],
)
def test_rows_of_an_insert_begin_where_clickhouse_says(text: bytes, format_name: str, rows: bytes) -> None:
    head = insert_head(text)
    assert head is not None
    assert (head.format, text[head.data_start :]) == (format_name, rows)


def test_settings_of_an_insert_come_after_its_file() -> None:
    head = insert_head(b"INSERT INTO t SETTINGS a = 1 -- why\n FORMAT CSV\n1")
    assert head is not None
    assert " ".join(head.reading_from("/f").split()) == (
        "INSERT INTO t FROM INFILE '/f' COMPRESSION 'none' SETTINGS a = 1 -- why FORMAT CSV"
    )
    assert head.reading_from("/f").endswith("\nFORMAT CSV")


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"",
    ],
)
def test_statement_without_rows_has_no_insert_head(text: bytes) -> None:
    assert insert_head(text) is None


def test_kill_is_told_the_log_comment() -> None:
    kill = admit(b"KILL QUERY WHERE query_id = 'query_id' SYNC", "CONTROL", 1)
    assert kill.kind is Kind.CONTROL
    assert kill.text == "KILL QUERY WHERE Settings['log_comment'] = 'query_id' SYNC"


def test_only_selects_in_a_plain_format_are_streamed() -> None:
    assert admit(b"SELECT 1\n FORMAT Native SETTINGS max_threads = 1", "READ_ONLY", 1).format == "Native"
    assert admit(b"SELECT 1", "READ_ONLY", 1).streams("Native")
    assert not admit(b"SELECT 1", "READ_ONLY", 1).streams("Parquet")
    assert not admit(b"SHOW TABLES", "READ_ONLY", 1).streams("Native")
    with pytest.raises(EngineFault):
        admit(b"COPY t FROM 'x'", "READ_ONLY", 1)


def test_error_text_of_the_engine_is_taken_apart() -> None:
    fault = fault_of(
        RuntimeError(
            "Code: 452. DB::Exception: Code: 452. DB::Exception: Too much."
            " (A_NAME) (version 26.9.2.1). (A_NAME)"
        )
    )
    assert (fault.code, fault.name, fault.message) == (452, "A_NAME", "Too much")
    assert fault.body("26") == b"Code: 452. DB::Exception: Too much. (A_NAME) (version 26)\n"
    assert fault_of(RuntimeError("/secret/path")).message == "The engine failed without a code"
